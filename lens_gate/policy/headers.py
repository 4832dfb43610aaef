"""Headers that a policy sets: names that HTTP takes, values in the open, secrets by variable."""

import re

from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import is_known_secret, looks_random
from lens_gate.policy.node import Node, entries, field
from lens_gate.policy.read import text

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_RESERVED_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
KEY_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key"})
_SECRET_NAME = re.compile(
    r"auth|token|secret|passw|credential|session|(?:^|[-_])key", re.IGNORECASE
)


def build_headers(node: Node | None, findings: Findings) -> tuple[dict[str, str], dict[str, str]]:
    """The headers with their values, and those whose values variables hold."""
    plain: dict[str, str] = {}
    from_env: dict[str, str] = {}
    seen: set[str] = set()
    for name, entry in entries(node).items():
        variable = field(entry.node, "env")
        problem, hint = _header_problem(name, entry.node, secret=variable is not None)
        if name.lower() in seen:
            problem, hint = "this header is set twice", "header names ignore case; keep one"
        seen.add(name.lower())
        if problem and entry.node not in findings.blamed:
            where = entry.node.place if problem.startswith("the value") else entry.place
            findings.add(where, problem, hint)
        if variable is not None:
            from_env[name] = text(variable)
        else:
            plain[name] = text(entry.node)
    return plain, from_env


def _header_problem(name: str, node: Node, *, secret: bool) -> tuple[str, str]:
    """What is wrong with a header and what to do; two empty texts where nothing is."""
    if not _HEADER_NAME.fullmatch(name):
        return "this is no name of a header", "letters, digits and hyphens"
    if name.lower() in _RESERVED_HEADERS:
        return f"the header {name} belongs to the transport", "remove it"
    if secret or not isinstance(node.value, str):
        return "", ""
    if _SECRET_NAME.search(name) or is_known_secret(node.value) or looks_random(node.value):
        hint = "write {env: NAME}, the variable that holds it, and revoke one that was committed"
        return f"the value of the header {name} looks like a secret", hint
    if not _HEADER_VALUE.fullmatch(node.value) or node.value != node.value.strip():
        return f"the value of {name} has a character that no header holds", "plain ASCII, one line"
    return "", ""

"""Patterns of paths: which files of a repository mean "measure" when they change."""

from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.node import Node, items
from lens_gate.policy.read import text

_HINT = "such as app/**, gateway/*.yaml or **/*.py"


def watched_paths(node: Node | None, findings: Findings) -> tuple[str, ...] | None:
    """The patterns of a policy; ``None`` where it declares none, not even an empty list."""
    if node is None:
        return None
    chosen: list[str] = []
    for item in items(node):
        pattern = text(item)
        if not findings.fine(item):
            continue
        if problem := pattern_problem(pattern):
            findings.blame(item, f"the pattern {shown(pattern)} {problem}", _HINT)
        elif pattern in chosen:
            findings.blame(
                item, f"the pattern {shown(pattern)} is listed twice", "keep one of them"
            )
        else:
            chosen.append(pattern)
    return tuple(chosen)


def pattern_problem(pattern: str) -> str:
    """Why a pattern would not be what its writer means, in words behind it; empty where it is.

    One that matches nothing is a danger: a change that it was to watch for would go unmeasured.
    """
    if pattern.startswith("!"):
        return "begins with !: what another pattern is for can't be taken back"
    if pattern.startswith("/"):
        return "begins with /: paths begin at the repository's root without it"
    if "\\" in pattern:
        return "has a backslash: folders are parted by /"
    if "{" in pattern or "}" in pattern:
        return "has braces: write a pattern for each of the words"
    for part in pattern.removesuffix("/").split("/"):
        if part in ("", ".", ".."):
            return "has a step that leads nowhere"
        if "**" in part and part != "**":
            return "has ** beside other characters: it stands for whole folders"
    return ""

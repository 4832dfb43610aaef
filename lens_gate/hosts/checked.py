"""Foreign values, let in one by one: commit ids, branch names, links."""

import re

from lens_gate.errors import LensError
from lens_gate.records.context import is_branch_name, is_commit_id

# Printable ASCII without blanks, quotes, brackets and backslash; no user:password@ before the host.
_LINK = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~%/?&=+#:@-]*)?", re.ASCII)
MAX_LINK_CHARS = 2000


def quoted(value: object) -> str:
    """A foreign value in an error message: one short line of printable ASCII, in quotes."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:76]}...'"


def commit_id(value: object, where: str) -> str:
    """The full commit id that the host states in ``where``.

    Raises:
        LensError: it is something else.
    """
    if isinstance(value, str) and is_commit_id(value.lower()):
        return value.lower()
    raise LensError(
        f"{where} is {quoted(value)}, not a full commit id (40 or 64 hexadecimal digits).",
        "The host writes this value; a job or a test that sets it must use a real commit id.",
    )


def optional_commit_id(value: object, where: str) -> str | None:
    """Like ``commit_id``; ``None`` where the host leaves it empty.

    Raises:
        LensError: it is neither empty nor a commit id.
    """
    return None if value is None or value == "" else commit_id(value, where)


def branch_name(value: object, where: str) -> str:
    """The branch that the host states in ``where``, without ``refs/heads/``.

    Raises:
        LensError: git would not accept a branch of this name.
    """
    if isinstance(value, str) and is_branch_name(value):
        return value
    raise LensError(
        f"{where} is {quoted(value)}, which git does not accept as the name of a branch.",
        "The host writes this value; see `git help check-ref-format` for what a name may hold.",
    )


def link(value: str) -> str:
    """The URL, or an empty string where it is no plain http(s) link: a link is a courtesy."""
    return value if len(value) <= MAX_LINK_CHARS and _LINK.fullmatch(value) else ""

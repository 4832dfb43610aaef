"""The patterns of ``watch:``.

They are read as git reads ``:(glob)``: ``*`` and ``?`` stay within one part of a path, ``**``
between slashes stands for any number of parts, and a plain path of a folder covers what lies in it.
All else is meant as it is written: folders with brackets in their names are common.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

_SPECIAL = {"*": "[^/]*", "?": "[^/]"}


def matching(patterns: Iterable[str], paths: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths, in their order, that one of the patterns covers."""
    wanted = [_compiled(pattern) for pattern in patterns]
    return tuple(path for path in paths if any(found.fullmatch(path) for found in wanted))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as an expression over whole paths; one without any part covers everything."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part not in ("", ".") and not (part == "**" == "".join(parts[-1:])):
            parts.append(part)
    plain = parts and not any(char in pattern for char in _SPECIAL)
    return re.compile(_whole(parts or ["**"]) + ("(?:/.*)?" if plain else ""), re.DOTALL)


def _whole(parts: Sequence[str]) -> str:
    """``**`` before other parts may stand for none; as the last one it needs something below."""
    *before, last = parts
    text = "".join("(?:.*/)?" if part == "**" else f"{_one(part)}/" for part in before)
    return text + (".+" if last == "**" else _one(last))


def _one(part: str) -> str:
    return "".join(_SPECIAL.get(char) or re.escape(char) for char in part)

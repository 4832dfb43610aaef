"""The patterns of ``watch:``.

They are read as git reads ``:(glob)``: ``*`` and ``?`` stay within one part of a path, ``**``
between slashes stands for any number of parts, and a plain path of a folder covers what lies in it.
All else is meant as it is written: folders with brackets in their names are common. Letters with
accents are the same whether they are kept as one character or as two: file systems differ in that.

A path that changed is watched too where it stands for a folder of a pattern: a submodule or a link
``app`` is what ``app/**`` looks into.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import takewhile

_SPECIAL = {"*": "[^/]*", "?": "[^/]"}


def matching(patterns: Iterable[str], paths: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths, in their order, that one of the patterns covers, or looks into."""
    listed = list(patterns)
    wanted = [_compiled(pattern) for pattern in listed]
    folders = {folder for pattern in listed for folder in _folders(pattern)}
    return tuple(
        path
        for path in paths
        if (name := _composed(path)) in folders or any(one.fullmatch(name) for one in wanted)
    )


def leading_away(patterns: Iterable[str], links: Iterable[str]) -> tuple[str, ...]:
    """Those of the links and submodules behind which files that a pattern means may lie.

    They lie at, above or under the folder that the pattern begins with. What a link leads to
    changes under other names, if in this repository at all.
    """
    roots = [_fixed(_parts(pattern)) for pattern in patterns]
    return tuple(
        link
        for link in links
        if any(_on_one_branch(_composed(link).split("/"), root) for root in roots)
    )


def _on_one_branch(path: Sequence[str], root: Sequence[str]) -> bool:
    """Whether one of the two is the other or lies under it."""
    return all(ours == theirs for ours, theirs in zip(path, root, strict=False))


def _fixed(parts: Sequence[str]) -> list[str]:
    """The parts with which every path of a pattern begins."""
    return list(takewhile(lambda part: not any(char in part for char in _SPECIAL), parts))


def _folders(pattern: str) -> list[str]:
    """The folders that a pattern names, above what it covers."""
    known = _fixed(_parts(pattern)[:-1])
    return ["/".join(known[: end + 1]) for end in range(len(known))]


def _parts(pattern: str) -> list[str]:
    """The parts of a pattern; several ``**`` in a row are one."""
    parts: list[str] = []
    for part in _composed(pattern).split("/"):
        if part not in ("", ".") and not (part == "**" == "".join(parts[-1:])):
            parts.append(part)
    return parts


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as an expression over whole paths; one without any part covers everything."""
    parts = _parts(pattern)
    plain = parts and not any(char in pattern for char in _SPECIAL)
    return re.compile(_whole(parts or ["**"]) + ("(?:/.*)?" if plain else ""), re.DOTALL)


def _whole(parts: Sequence[str]) -> str:
    """``**`` before other parts may stand for none; as the last one it needs something below."""
    *before, last = parts
    text = "".join("(?:.*/)?" if part == "**" else f"{_one(part)}/" for part in before)
    return text + (".+" if last == "**" else _one(last))


def _one(part: str) -> str:
    return "".join(_SPECIAL.get(char) or re.escape(char) for char in part)

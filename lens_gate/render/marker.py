"""By what a later run knows its own comment again, and the name of a status.

The first line of a comment names whose it is, the second what it said; neither is visible. Two
markers that differ never have the same line, nor the same status, whatever their words hold; for
GitHub, the names of statuses must differ in more than the case of letters.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import get_args

from lens_gate.records.context import is_commit_id
from lens_gate.records.publication import Marker
from lens_gate.records.report import Outcome
from lens_gate.render.escape import one_line

_LONGEST = 120
_LONGEST_LABEL = 60
_LONGEST_NAME = 255
# A second dash in a row is not plain: some readers end a comment there.
_PLAIN = re.compile(rb"[A-Za-z0-9._]|(?<!-)-")
_STATE = re.compile(r"<!-- lens-gate-state:([a-z_]+):([0-9a-f]*) -->", re.ASCII)
# What parts a status' name: brackets, and the sign before a branch where a word begins with it.
_BRACKETS = re.compile(r"[()\[\]~]|(?<!\S)@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a comment of ours said, of which commit (empty where it named none)."""

    outcome: Outcome
    head: str


def marker_line(marker: Marker) -> str:
    """The hidden first line: ``<!-- lens-gate:<policy>:<environment>:<matrix> -->``."""
    parts = (marker.policy, marker.environment, marker.matrix)
    return f"<!-- lens-gate:{':'.join(map(_part, parts))} -->"


def _part(text: str) -> str:
    """Percent-encoded; what is too long for a line ends in its hash.

    A tilde stands before a hash only.
    """
    data = text.encode("utf-8", "surrogatepass")
    done = "".join(
        chr(byte) if _PLAIN.match(data, place) else f"%{byte:02X}"
        for place, byte in enumerate(data[:_LONGEST])
    )
    if len(data) <= _LONGEST:
        return done
    return f"{done[:_LONGEST]}~{hashlib.sha256(data).hexdigest()}"


def carries(comment: str, marker: Marker) -> bool:
    """Whether the text of a comment begins with this marker's line."""
    return next(iter(comment.lstrip().splitlines()), "").rstrip() == marker_line(marker)


def state_line(outcome: Outcome, head: str | None) -> str:
    """The hidden second line, which ``said`` reads."""
    return f"<!-- lens-gate-state:{outcome}:{head if head and is_commit_id(head) else ''} -->"


def said(comment: str) -> Said | None:
    """What a comment of ours said by its second line; ``None`` where that can't be told."""
    lines = comment.lstrip().splitlines()[:2]
    found = _STATE.fullmatch(lines[1].rstrip()) if len(lines) == 2 else None
    if found is None:
        return None
    outcome = next((name for name in get_args(Outcome) if name == found[1]), None)
    return None if outcome is None else Said(outcome=outcome, head=found[2])


def status_name(marker: Marker, branch: str = "") -> str:
    """``lens-gate/<policy>``, then `` (<environment>)`` and `` [<matrix>]`` where there are such.

    Then `` @<branch>`` for a change that goes to another branch than the default one: a commit can
    be in two pull requests, and a branch that anybody may push must not speak for another.

    Branch rules ask for it by this name, so it is stable. It is one line of at most 255 characters.
    Words that are too long or hold brackets are changed and end in a hash.
    """
    name = f"lens-gate/{_label(marker.policy)}"
    if marker.environment:
        name += f" ({_label(marker.environment)})"
    if marker.matrix:
        name += f" [{_label(marker.matrix)}]"
    if branch:
        name += f" @{_label(branch)}"
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 11] + _hash(name)


def _label(text: str) -> str:
    plain = _BRACKETS.sub("_", one_line(text, _LONGEST_LABEL))
    return plain if plain == text else plain + _hash(text)


def _hash(text: str) -> str:
    return f"~{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"

"""JSON to the same tree as YAML: every value with its line and column.

The standard library's reader gives no places, accepts NaN and keeps the last of duplicate keys in
silence; this one reads strict JSON (RFC 8259) with bounds, a line or a whole document.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from lens_gate.policy.document import lines_of
from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.node import MAX_DEPTH, Entry, Node
from lens_gate.policy.scalars import number
from lens_gate.records.policy import Place

MAX_VALUES = 10_000
"""Values in one line or document; a conversation of a thousand messages has four thousand."""

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z.+_])")
_WORD = re.compile(r"[A-Za-z_]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS = {"true": True, "false": False, "null": None}


class NotJsonError(ValueError):
    """The line is no JSON; says at which offset and why."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(slots=True, kw_only=True)
class _Line:
    """The text that is read: where its offsets stand, and how many values it had so far."""

    text: str
    place: Callable[[int], Place]
    findings: Findings
    values: int = 0


def parse_line(text: str, *, file: str, line: int, findings: Findings) -> Node:
    """The tree of one line; duplicate keys go to ``findings``.

    Raises:
        NotJsonError: the line is not one JSON value, or out of bounds.
    """

    def place(offset: int) -> Place:
        return Place(file=file, line=line, column=offset + 1)

    given = _Line(text=text, place=place, findings=findings)
    return _whole(given, "something follows the value; a line holds one object")


def parse_json(text: str, *, file: str, findings: Findings) -> Node | None:
    """The tree of a whole document; what is wrong with it goes to ``findings``."""
    place = lines_of(text, file=file).place
    given = _Line(text=text, place=place, findings=findings)
    try:
        return _whole(given, "something follows the value; a file holds one")
    except NotJsonError as error:
        findings.add(place(error.offset), f"not JSON: {error}")
        return None


def _whole(line: _Line, too_much: str) -> Node:
    node, end = _value(line, _skip(line.text, 0), 0)
    end = _skip(line.text, end)
    if end < len(line.text):
        raise NotJsonError(end, too_much)
    return node


def _value(line: _Line, at: int, depth: int) -> tuple[Node, int]:
    line.values += 1
    if depth > MAX_DEPTH:
        raise NotJsonError(at, f"it is nested deeper than {MAX_DEPTH} levels")
    if line.values > MAX_VALUES:
        raise NotJsonError(at, f"there are more than {MAX_VALUES} values")
    sign = line.text[at : at + 1]
    if sign == "{":
        return _object(line, at, depth)
    if sign == "[":
        return _array(line, at, depth)
    if sign == '"':
        string, end = _string(line.text, at)
        return Node(value=string, place=line.place(at)), end
    return _word(line, at)


def _word(line: _Line, at: int) -> tuple[Node, int]:
    """A number, or one of the three words of JSON."""
    match = _NUMBER.match(line.text, at)
    if match:
        try:
            return Node(value=number(match.group()), place=line.place(at)), match.end()
        except ValueError as reason:
            raise NotJsonError(at, f"{shown(match.group())} {reason}") from None
    word = _WORD.match(line.text, at)
    if word and word.group() in _WORDS:
        return Node(value=_WORDS[word.group()], place=line.place(at)), word.end()
    raise NotJsonError(at, _unexpected(line.text, at))


def _object(line: _Line, start: int, depth: int) -> tuple[Node, int]:
    found: dict[str, Entry] = {}
    text = line.text
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        if text[at : at + 1] != '"':
            raise NotJsonError(at, "a key in double quotes must stand here")
        key, end = _string(text, at)
        colon = _skip(text, end)
        if text[colon : colon + 1] != ":":
            raise NotJsonError(colon, "a ':' must stand here")
        node, end = _value(line, _skip(text, colon + 1), depth + 1)
        if key in found:
            message = f"the key {shown(key)} is here a second time"
            line.findings.add(line.place(at), message, "keep one of them")
        else:
            found[key] = Entry(place=line.place(at), node=node)
        at = _next(text, end, "}")
    height = 1 + max((entry.node.height for entry in found.values()), default=0)
    return Node(value=found, place=line.place(start), height=height), at + 1


def _array(line: _Line, start: int, depth: int) -> tuple[Node, int]:
    found: list[Node] = []
    at = _skip(line.text, start + 1)
    while line.text[at : at + 1] != "]":
        node, end = _value(line, at, depth + 1)
        found.append(node)
        at = _next(line.text, end, "]")
    height = 1 + max((node.height for node in found), default=0)
    return Node(value=tuple(found), place=line.place(start), height=height), at + 1


def _next(text: str, at: int, close: str) -> int:
    """The offset of the closing bracket, or of what follows the comma."""
    at = _skip(text, at)
    if text[at : at + 1] == close:
        return at
    if text[at : at + 1] != ",":
        raise NotJsonError(at, f"a ',' or '{close}' must stand here")
    after = _skip(text, at + 1)
    if text[after : after + 1] == close:
        raise NotJsonError(at, f"a ',' stands before the closing '{close}'")
    return after


def _string(text: str, at: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise NotJsonError(
            at, "a string without its end, or with a bad escape or control character"
        )
    string: str = json.loads(match.group())
    if _SURROGATE.search(string):
        raise NotJsonError(at, "a string with an escape that is half of a character")
    return string, match.end()


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _unexpected(text: str, at: int) -> str:
    if at >= len(text):
        return "it ends too early"
    word = _WORD.match(text, at + (text[at] == "-"))
    if word and word.group() in {"NaN", "Infinity"}:
        return f"{word.group()} is not JSON; use a number"
    if text[at] == "'":
        return "JSON takes double quotes"
    return f"no JSON value can start with {shown(text[at])}"

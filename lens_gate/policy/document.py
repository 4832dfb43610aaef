"""YAML text to a tree with places: ruamel.yaml's parser, our own composing.

Only the event parser is used. It runs no constructors and expands no aliases; what is composed here
is bounded: bytes, depth, and values counted as if every alias were written out.
"""

import bisect
import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from lens_gate.errors import InputError, Problem
from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import escaped, shown
from lens_gate.policy.node import MAX_DEPTH, Entry, Node, Scalar, items
from lens_gate.policy.scalars import resolve
from lens_gate.records.policy import Place

MAX_BYTES = 1024 * 1024
MAX_VALUES = 50_000

_UNPRINTABLE = re.compile(
    "[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LONG_TAG = re.compile(r"![^\s]{4096}")  # the parser takes quadratic time over such a word
_SURROGATE = re.compile("[\ud800-\udfff]")
_OTHER_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Turns offsets in a text into places. Lines end at line feeds only, as editors count."""

    file: str
    starts: tuple[int, ...]

    def place(self, offset: int) -> Place:
        """The place of the character at this offset."""
        line = bisect.bisect_right(self.starts, offset)
        return Place(file=self.file, line=line, column=offset - self.starts[line - 1] + 1)


def lines_of(text: str, *, file: str) -> Lines:
    """The line starts of a text."""
    starts = (0, *(match.end() for match in re.finditer("\n", text)))
    return Lines(file=file, starts=starts)


def decode(data: bytes, *, file: str, limit: int) -> str:
    """The text of a file: UTF-8, with or without a byte order mark.

    Raises:
        InputError: more than ``limit`` bytes, or not UTF-8.
    """
    if len(data) > limit:
        raise InputError([_whole_file(file, f"is larger than {limit // 1024} KiB")])
    if data.startswith(_OTHER_BOMS):
        raise InputError([_whole_file(file, "is not UTF-8", "save it as UTF-8")])
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        place = lines_of(before, file=file).place(len(before))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise InputError([_problem(place, message, "save the file as UTF-8")]) from None


@dataclass(slots=True, kw_only=True)
class _Composer:
    """What composing has to remember: anchors, and how much has been built."""

    lines: Lines
    findings: Findings
    anchors: dict[str, Node] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    values: int = 0


def parse(data: bytes, *, file: str, findings: Findings) -> Node:
    """The tree of a YAML document; duplicate keys and the like go to ``findings``.

    Raises:
        InputError: the text can't be read as one YAML document, or is out of bounds. What was found
            before is in it.
    """
    text = decode(data, file=file, limit=MAX_BYTES)
    lines = lines_of(text, file=file)
    bad = _UNPRINTABLE.search(text)
    if bad:
        place = lines.place(bad.start())
        raise InputError([_problem(place, f"control character U+{ord(bad.group()):04X}")])
    endless = _LONG_TAG.search(text)
    if endless:
        place = lines.place(endless.start())
        raise InputError([_problem(place, "a word of more than 4096 characters after '!'")])
    composer = _Composer(lines=lines, findings=findings)
    try:
        return _document(YAML(typ="safe", pure=True).parse(text), composer)
    except InputError as error:
        raise InputError((*findings.problems, *error.problems)) from None
    except MarkedYAMLError as error:
        problem = _syntax_problem(error, lines)
    except (YAMLError, ValueError, OverflowError, IndexError, AttributeError, TypeError):
        # The parser itself trips over a few inputs, such as an escape beyond Unicode.
        problem = _problem(lines.place(0), "is not valid YAML")
    raise InputError((*findings.problems, problem))


def _document(events: Iterator[Event], composer: _Composer) -> Node:
    root: Node | None = None
    for event in events:
        if isinstance(event, DocumentStartEvent):
            if root is not None:
                _stop(composer, event, "a second document starts here", "keep one to a file")
            if event.tags or event.version not in {None, (1, 2)}:
                _stop(composer, event, "YAML directives are not used here", "remove the % line")
        elif isinstance(event, NodeEvent):
            root = _compose(event, events, composer, depth=0)
    if root is None:
        raise InputError([_whole_file(composer.lines.file, "is empty")])
    return root


def _compose(event: NodeEvent, events: Iterator[Event], composer: _Composer, *, depth: int) -> Node:
    if depth > MAX_DEPTH:
        _stop(composer, event, f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(event, AliasEvent):
        return _alias(event, composer, depth=depth)
    before = composer.values
    _count(composer, event, 1)
    place = composer.lines.place(event.start_mark.index)
    tag = event.tag if isinstance(event, ScalarEvent | CollectionStartEvent) else None
    if tag is not None:
        message = f"the tag {shown(str(tag))} is not used here"
        composer.findings.add(place, message, "leave it out; put text in quotes")
    node: Node
    if isinstance(event, SequenceStartEvent):
        node = _sequence(place, events, composer, depth=depth)
    elif isinstance(event, MappingStartEvent):
        node = _mapping(place, events, composer, depth=depth)
    else:
        node = Node(value=_scalar(cast("ScalarEvent", event), place, composer), place=place)
    if event.anchor is not None:
        composer.anchors[event.anchor] = node
        composer.sizes[event.anchor] = composer.values - before
    return node


def _alias(event: AliasEvent, composer: _Composer, *, depth: int) -> Node:
    name = event.anchor
    node = composer.anchors.get(name)
    if node is None:
        _stop(composer, event, f"no anchor {shown(f'&{name}')} ends before this alias")
    _count(composer, event, composer.sizes[name])
    if depth + node.height > MAX_DEPTH:
        _stop(composer, event, f"is nested deeper than {MAX_DEPTH} levels")
    return node


def _count(composer: _Composer, event: Event, size: int) -> None:
    composer.values += size
    if composer.values > MAX_VALUES:
        _stop(
            composer,
            event,
            f"the document has more than {MAX_VALUES} values, aliases written out",
            "keep prompts in a .jsonl file",
        )


def _sequence(place: Place, events: Iterator[Event], composer: _Composer, *, depth: int) -> Node:
    found: list[Node] = []
    while not isinstance(event := next(events), SequenceEndEvent):
        found.append(_compose(cast("NodeEvent", event), events, composer, depth=depth + 1))
    return Node(value=tuple(found), place=place, height=_height(found))


def _mapping(place: Place, events: Iterator[Event], composer: _Composer, *, depth: int) -> Node:
    own: dict[str, Entry] = {}
    merged: dict[str, Entry] = {}
    merges: Place | None = None
    while not isinstance(event := next(events), MappingEndEvent):
        is_merge = isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]
        key = _compose(cast("NodeEvent", event), events, composer, depth=depth + 1)
        where = composer.lines.place(event.start_mark.index)
        node = _compose(cast("NodeEvent", next(events)), events, composer, depth=depth + 1)
        if is_merge:
            if merges:
                _duplicate("<<", where, merges, composer.findings)
            merges = where
            _merge(node, merged, composer.findings)
        elif not isinstance(key.value, str):
            written = shown(key.value) if not key.height else "this"
            message = f"a key is text; {written} is something else"
            composer.findings.add(where, message, "put the key in quotes")
        elif key.value in own:
            _duplicate(key.value, where, own[key.value].place, composer.findings)
        else:
            own[key.value] = Entry(place=where, node=node)
    value = {**own, **{key: entry for key, entry in merged.items() if key not in own}}
    return Node(value=value, place=place, height=_height([e.node for e in value.values()]))


def _merge(node: Node, into: dict[str, Entry], findings: Findings) -> None:
    """Take over the entries of the mapping, or of each mapping of the list, that are not there."""
    sources = items(node) or (node,)
    for source in sources:
        if not isinstance(source.value, Mapping):
            findings.add(source.place, "<<: takes a mapping, or a list of mappings")
            continue
        for key, entry in source.value.items():
            into.setdefault(key, entry)


def _duplicate(key: str, where: Place, first: Place, findings: Findings) -> None:
    message = f"the key {shown(key)} is here a second time"
    findings.add(where, message, f"it first stands in line {first.line}; keep one of them")


def _scalar(event: ScalarEvent, place: Place, composer: _Composer) -> Scalar:
    text: str = event.value
    if _SURROGATE.search(text):
        composer.findings.add(
            place, "an escape that is half of a character", r"write \U with 8 digits"
        )
        return ""
    if not event.implicit[0] or event.style is not None:
        return text
    try:
        return resolve(text)
    except ValueError as reason:
        composer.findings.add(place, f"{shown(text)} {reason}", "put it in quotes if it is text")
        return text


def _height(below: list[Node]) -> int:
    return 1 + max((node.height for node in below), default=0)


def _stop(composer: _Composer, event: Event, message: str, hint: str = "") -> NoReturn:
    raise InputError([_problem(composer.lines.place(event.start_mark.index), message, hint)])


def _problem(place: Place, message: str, hint: str = "") -> Problem:
    return Problem(
        file=place.file, line=place.line, column=place.column, message=message, hint=hint
    )


def _whole_file(file: str, message: str, hint: str = "") -> Problem:
    return Problem(file=file, line=0, column=0, message=f"the file {message}", hint=hint)


_SYNTAX_HINTS = (
    ("'\\t'", "a tab stands where YAML takes spaces only", "use spaces"),
    (
        "mapping values are not allowed",
        "a ': ' stands where no key can be",
        "check the indentation, and put text that holds ': ' in quotes",
    ),
    ("could not find expected ':'", "a key without its ':'", "write `key: value`"),
    ("found unexpected end of stream", "a quote is not closed", ""),
    ("'@' that", "a word can't start with @", "put it in quotes"),
    ("'`' that", "a word can't start with `", "put it in quotes"),
    ("'%' that", "a word can't start with %", "put it in quotes"),
    ("but got '<stream end>'", "a bracket or brace is not closed", ""),
    ("<block end>", "the indentation does not fit what stands before", "align keys of one mapping"),
)


def _syntax_problem(error: MarkedYAMLError, lines: Lines) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = lines.place(mark.index if mark else 0)
    said = str(error.problem or error.context or "")
    for sign, message, hint in _SYNTAX_HINTS:
        if sign in said:
            return _problem(place, message, hint)
    return _problem(place, f"is not valid YAML: {escaped(said)[:120]}")

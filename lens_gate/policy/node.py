"""A document as a tree in which every value knows where it stands.

YAML files and JSON lines end in the same tree, so that the checks behind them are written once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from lens_gate.records.json_types import Json
from lens_gate.records.policy import Place

Scalar: TypeAlias = "str | int | Decimal | bool | None"
Plain: TypeAlias = "Scalar | dict[str, Plain] | list[Plain]"

MAX_DEPTH = 64
"""Levels of lists and mappings in a document; deeper ones are refused, not read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """A value with its place. Numbers with a point are ``Decimal``: their own digits, no rounding.

    ``height`` is the number of levels below it (0 for a scalar). Nodes compare by identity, so one
    that several aliases share is one node.
    """

    value: "Scalar | Sequence[Node] | Mapping[str, Entry]"
    place: Place
    height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One key of a mapping: where the key stands, and its value."""

    place: Place
    node: Node


def field(node: Node | None, key: str) -> Node | None:
    """The value of a key; ``None`` where there is none, or it is null, or this is no mapping."""
    if node is None or not isinstance(node.value, Mapping) or key not in node.value:
        return None
    found = node.value[key].node
    return None if found.value is None else found


def entries(node: Node | None) -> Mapping[str, Entry]:
    """The keys of a mapping in their order; none where this is no mapping."""
    return node.value if node is not None and isinstance(node.value, Mapping) else {}


def items(node: Node | None) -> Sequence[Node]:
    """The values of a list; none where this is no list."""
    value = node.value if node is not None else None
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def strings(node: Node | None) -> tuple[str, ...]:
    """The texts of a list of texts, whatever else stands in it left out."""
    return tuple(item.value for item in items(node) if isinstance(item.value, str))


def plain(node: Node) -> Plain:
    """The bare values below a node, numbers with a point as ``Decimal``."""
    if isinstance(node.value, Mapping):
        return {key: plain(entry.node) for key, entry in node.value.items()}
    if isinstance(node.value, Sequence) and not isinstance(node.value, str):
        return [plain(item) for item in node.value]
    return node.value


def json_value(node: Node) -> Json:
    """The bare values below a node as JSON has them: numbers with a point become ``float``."""
    if isinstance(node.value, Mapping):
        return {key: json_value(entry.node) for key, entry in node.value.items()}
    if isinstance(node.value, Decimal):
        return float(node.value)
    if isinstance(node.value, Sequence) and not isinstance(node.value, str):
        return [json_value(item) for item in node.value]
    return node.value


def at_path(node: Node, path: Sequence[str | int]) -> Node:
    """The node at the end of a path, or the last one on the way that exists."""
    for step in path:
        if isinstance(step, int) and 0 <= step < len(items(node)):
            node = items(node)[step]
        elif isinstance(step, str) and step in entries(node):
            node = entries(node)[step].node
        else:
            break
    return node


def texts(node: Node) -> Iterator[tuple[Place, str]]:
    """Every key and every text value below a node, with their places."""
    for key, entry in entries(node).items():
        yield entry.place, key
        yield from texts(entry.node)
    for item in items(node):
        yield from texts(item)
    if isinstance(node.value, str):
        yield node.place, node.value

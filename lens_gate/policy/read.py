"""Typed values out of nodes.

A value of the wrong kind has been told by the schema; here it becomes the fallback, so that the
checks behind go on and find what else is wrong. A policy with a problem is never handed out.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node
from lens_gate.units import parse_duration, parse_share, parse_usd

T = TypeVar("T")


def text(node: Node | None, fallback: str = "") -> str:
    """A text."""
    return node.value if node is not None and isinstance(node.value, str) else fallback


def whole(node: Node | None, fallback: int) -> int:
    """A whole number."""
    if node is None or isinstance(node.value, bool) or not isinstance(node.value, int):
        return fallback
    return node.value


def truth(node: Node | None, *, fallback: bool) -> bool:
    """True or false."""
    return node.value if node is not None and isinstance(node.value, bool) else fallback


def decimal(node: Node | None, fallback: Decimal) -> Decimal:
    """A number, exact."""
    if node is None or isinstance(node.value, bool):
        return fallback
    return Decimal(node.value) if isinstance(node.value, int | Decimal) else fallback


def money(node: Node | None) -> Decimal | None:
    """US dollars, exact; ``None`` where there is none."""
    if node is None or isinstance(node.value, bool):
        return None
    if not isinstance(node.value, int | str | Decimal):
        return None
    try:
        return parse_usd(node.value)
    except ValueError:
        return None


def seconds(node: Node | None, fallback: float, findings: Findings) -> float:
    """A duration above zero, in seconds."""
    if node is None or not findings.fine(node):
        return fallback
    value = parse_duration(text(node))
    if value <= 0:
        findings.blame(node, "a duration must be above zero")
    return value


def share(node: Node | None) -> float | None:
    """A share as a fraction; ``None`` where it is none."""
    try:
        return parse_share(text(node))
    except ValueError:
        return None


def one_of(node: Node | None, words: Mapping[str, T], fallback: T) -> T:
    """The thing that a word stands for."""
    return words.get(text(node), fallback)

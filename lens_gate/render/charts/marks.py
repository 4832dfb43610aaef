"""What charts draw: numbers that somebody else has computed, with their names.

Names are foreign text: drawing escapes and cuts them.
"""

from dataclasses import dataclass
from typing import Literal

from lens_gate.records.report import Unit

Role = Literal["head", "control", "stored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis with numbers in ``unit``, between ``low`` and ``high`` or else what the data needs.

    ``change``: fractions of change (0.2 is +20 %), drawn so that twice and half as much are equally
    far from nothing; ``points``: differences of shares; the empty unit: bare numbers. ``log`` asks
    for a logarithmic axis, which is had where all numbers are above zero.
    """

    title: str
    unit: Unit | Literal["change", "points", ""] = ""
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A distribution: the share of requests (0 to 1) that are at most ``xs``, which rise.

    ``low`` and ``high`` are the band about ``ys``, or empty.
    """

    name: str
    role: Role
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A histogram: the share of requests in each bin; ``edges`` are one more than ``shares``.

    ``low`` and ``high`` are intervals of the shares, or empty.
    """

    name: str
    role: Role
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One pair: its place in the order of sending, and the head's change against the control.

    ``confirming``: it belongs to the new pairs on which failures are tested again.
    """

    number: int
    change: float
    name: str = ""
    confirming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An estimate with the ends of its interval; ``None`` is no bound."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a stack; pieces of one name have one colour."""

    name: str
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A bar of pieces, in their order from the axis on."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run in a series. ``at`` is any number that rises (time or place), ``label`` names it.

    ``low`` and ``high`` are the ends of its interval. A ``role`` of ``head`` stands out.
    """

    at: float
    label: str
    value: float
    low: float | None = None
    high: float | None = None
    role: Role = "stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A stretch of a series between two change points: where it lay, from ``first`` to ``last``."""

    first: float
    last: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A place in a series across which points do not compare; ``name`` says why."""

    at: float
    name: str = ""

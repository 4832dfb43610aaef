"""From numbers to pixels, and where an axis is marked."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lens_gate.render.charts.marks import Axis
from lens_gate.units import format_amount, format_share

Kind = Literal["linear", "log", "change"]
# No change is drawn further out than a fall to a thousandth.
_LEAST_CHANGE = -0.999
_EMPTY = (0.0, 1.0)
# From this ratio of its ends on, a bent axis has no even steps.
_WIDE = 6.0
# With which digits ticks of a logarithmic axis begin, and which are kept first.
_DIGITS = {"1": 0.0, "2": 1.0, "5": 1.0, "3": 2.0, "7": 2.0}
# Changes over a wide range: halves and doubles, and what lies between them.
_LADDER = (-0.99, -0.95, -0.9, -0.8, -0.5, -0.25, 0.0, 0.2, 0.5, 1.0, 2.0, 4.0, 9.0, 19.0, 99.0)


def _straight(value: float) -> float:
    return value


_BENT: Mapping[Kind, Callable[[float], float]] = {
    "linear": _straight,
    "log": math.log,
    "change": math.log1p,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Numbers between ``low`` and ``high`` as pixels between ``start`` and ``stop``.

    A number beyond an end is drawn at that end.
    """

    kind: Kind
    low: float
    high: float
    start: float
    stop: float
    # The low end as it is bent, and pixels for each unit beyond it: thousands of marks ask for it.
    _from: float = field(init=False, repr=False)
    _each: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        low, high = _BENT[self.kind](self.low), _BENT[self.kind](self.high)
        object.__setattr__(self, "_from", low)
        object.__setattr__(self, "_each", (self.stop - self.start) / (high - low))

    def at(self, value: float) -> float:
        """The pixel of a number."""
        within = min(max(value, self.low), self.high)
        return self.start + (_BENT[self.kind](within) - self._from) * self._each

    def holds(self, value: float) -> bool:
        """Whether a number lies within."""
        return self.low <= value <= self.high


def scale(axis: Axis, values: Iterable[float], start: float, stop: float) -> Scale:
    """The scale of an axis that has room for these numbers, and a little more."""
    found = [value for value in values if math.isfinite(value)]
    kind: Kind = "change" if axis.unit == "change" else "linear"
    ends = [end for end in (axis.low, axis.high) if end is not None]
    if axis.log and kind == "linear" and found and min((*found, *ends)) > 0:
        kind = "log"
    if kind == "change":
        found = [max(value, _LEAST_CHANGE) for value in found]
    low, high = _room(kind, found)
    low = low if axis.low is None else axis.low
    high = high if axis.high is None else axis.high
    if not low < high:
        low, high = min(low, high) - 0.5 * (kind == "linear"), max(low, high) + 1.0
    return Scale(kind=kind, low=low, high=high, start=start, stop=stop)


def _room(kind: Kind, found: Sequence[float]) -> tuple[float, float]:
    if not found:
        return _EMPTY
    low, high = min(found), max(found)
    if kind == "linear":
        more = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
        return (low if low == 0 else low - more), high + more
    if kind == "log":
        ratio = max((high / low) ** 0.04, 1.02)
        return low / ratio, high * ratio
    ratio = max(((1 + high) / (1 + low)) ** 0.04, 1.01)
    return (1 + low) / ratio - 1, (1 + high) * ratio - 1


def ticks(of: Scale, apart: float, *, whole: bool = False) -> list[float]:
    """Round numbers along a scale, at least so many pixels apart; ``whole``: no part of one."""
    if of.kind == "log" and of.high / of.low >= _WIDE:
        return _apart(_decades(of.low, of.high), of, apart)
    if of.kind == "change" and (1 + of.high) / (1 + of.low) >= _WIDE:
        return _apart([value for value in _LADDER if of.holds(value)], of, apart)
    most = max(2, int(abs(of.stop - of.start) / apart))
    # A bent axis crowds even steps at one end, so that the first that fit may be larger ones.
    even = (found for found in _rounds(of.low, of.high, most) if _apart(found, of, apart) == found)
    return next(found for found in even if not whole or all(map(float.is_integer, found)))


def _apart(found: Sequence[float], of: Scale, apart: float) -> list[float]:
    """Of these numbers those that have room, those first that are told to more people."""
    kept: list[float] = []
    for value in sorted(found, key=lambda value: (_weight(value, of), value)):
        if all(abs(of.at(value) - of.at(other)) >= apart for other in kept):
            kept.append(value)
    return sorted(kept)


def _weight(value: float, of: Scale) -> float:
    """Which ticks are kept first where not all have room: nothing, and powers of ten."""
    if of.kind == "change":
        return abs(math.log1p(value))
    if of.kind == "log":
        return _DIGITS[f"{value:e}"[0]] if of.high / of.low >= _WIDE else 0.0
    return 0.0


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = (digit * 10.0**power for power in range(first, last + 1) for digit in map(int, _DIGITS))
    return [value for value in found if low <= value <= high]


def _rounds(low: float, high: float, most: int) -> Iterable[list[float]]:
    """Multiples of one, two or five between two numbers, in ever larger steps, without an end."""
    power = math.floor(math.log10((high - low) / most))
    while True:
        for digit in (1, 2, 5):
            step = digit * 10.0**power
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            yield [round(index * step, 12) for index in range(first, last + 1)]
        power += 1


def written_tick(value: float, axis: Axis) -> str:
    """A number of the axis in its unit: ``200 ms``, ``+20 %``, ``$0.01``."""
    if axis.unit in ("change", "points"):
        if value == 0:
            return "0"
        text = format_share(value, signed=True)
        return text if axis.unit == "change" else text[:-2]
    if axis.unit == "usd":
        return _dollars(value)
    return format_amount(value, axis.unit)


def _dollars(value: float) -> str:
    """Three digits, and no noughts at the end but those of cents: ``$0.25``, ``$0.001``."""
    whole, _, cents = format_amount(value, "usd").partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"

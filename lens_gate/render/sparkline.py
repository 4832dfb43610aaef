"""Small pictures made of characters, which a forge, a terminal and a mail show alike."""

import math
from collections.abc import Sequence

from lens_gate.records.report import Bins, Unit
from lens_gate.render.figures import value

_BARS = "▁▂▃▄▅▆▇█"
# A spread smaller than this share of the greatest value is drawn as small as it is.
_WORTH_DRAWING = 0.2
_MOST_BINS = 40


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value, between the least and the greatest. Small spreads are drawn small."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = max(high - low, _WORTH_DRAWING * abs(high)) or 1.0
    floor = (low + high - span) / 2
    return "".join(_BARS[min(7, int((x - floor) / span * 8))] for x in values)


def histogram(title: str, found: Bins, unit: Unit) -> list[str]:
    """How values spread, as lines for a fixed-width font: an axis, then a row of bars for each arm.

    Each arm is drawn against its own fullest bin, since one may have lost requests.
    """
    arms = [("control", found.control), ("head", found.head)] if found.control else []
    arms = arms or [("", found.head)]
    left = max(len(name) for name in (title, *(name for name, _ in arms)))
    low, high = value(found.low, unit), value(found.high, unit)
    width = len(found.head[:_MOST_BINS])
    axis = f"{title:{left}}  {low}{high:>{max(len(high) + 1, width - len(low))}}"
    rows = (f"{name:{left}}  {_bars(counts)}  {sum(counts)}" for name, counts in arms)
    return [axis, *rows]


def _bars(counts: Sequence[int]) -> str:
    """The lowest bar is an empty bin: a single request can be seen beside it."""
    shown = [max(0, count) for count in counts[:_MOST_BINS]]
    most = max(shown, default=0) or 1
    return "".join(_BARS[math.ceil(7 * count / most)] for count in shown)

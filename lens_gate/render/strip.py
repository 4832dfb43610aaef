"""A change with its interval as a strip of characters, on one axis for all rows of a table."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from lens_gate.records.report import Row
from lens_gate.render.charts.marks import Axis
from lens_gate.render.charts.scale import Scale, scale
from lens_gate.render.figures import allowed_to, is_rate

STRIP = 27
STRIP_TITLE = "┊ no change  │ allowed"
# Beyond these an arrow stands at the edge.
_FURTHEST = (-0.8, 3.0)
Part: TypeAlias = tuple[str, Literal["", "dim", "limit", "verdict"]]


def strip_axis(rows: Sequence[Row]) -> Scale | None:
    """The axis that has room for all of them; ``None`` where there is no change to be drawn."""
    drawn = [row for row in rows if _drawn(row)]
    if not drawn:
        return None
    found = [0.0]
    for row in drawn:
        numbers = (row.verdict.estimate, row.verdict.low, row.verdict.high, allowed_to(row))
        found += [number for number in numbers if number is not None]
    low, high = _FURTHEST
    kept = [min(max(number, low), high) for number in found]
    return scale(Axis(title="", unit="change"), kept, 0, STRIP - 1)


def _drawn(row: Row) -> bool:
    return row.kind == "relative" and not is_rate(row) and row.verdict.estimate is not None


def strip(row: Row, axis: Scale) -> list[Part]:
    """The row's strip, character by character; nothing for a row that has no change."""
    estimate = row.verdict.estimate
    if not _drawn(row) or estimate is None:
        return []
    low = axis.low - 1 if row.verdict.low is None else row.verdict.low
    high = axis.high + 1 if row.verdict.high is None else row.verdict.high
    first, last = _place(axis, low), _place(axis, high)
    cells: list[Part] = [(" ", "")] * STRIP
    for place in range(first, last + 1):
        cells[place] = ("─", "verdict")
    cells[_place(axis, 0.0)] = ("┊", "dim")
    if (limit := allowed_to(row)) is not None:
        cells[_place(axis, limit)] = ("│", "limit")
    if not axis.holds(low):
        cells[first] = ("◂", "verdict")
    if not axis.holds(high):
        cells[last] = ("▸", "verdict")
    if axis.holds(estimate):
        cells[_place(axis, estimate)] = ("●", "verdict")
    return cells


def _place(axis: Scale, value: float) -> int:
    return round(axis.at(value))

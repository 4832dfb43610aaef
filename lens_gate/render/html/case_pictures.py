"""Pictures of a case: what time and money went to, pauses, the runs before, what has no rule."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from lens_gate.metrics.distribution import Gaps
from lens_gate.records.report import CellReport, Row
from lens_gate.records.sample import ArmName
from lens_gate.render.charts import Axis, Bars, Part, Stack, histogram, stacked
from lens_gate.render.html.distributions import distributions
from lens_gate.render.html.parts import drawing
from lens_gate.render.html.past import past
from lens_gate.render.html.sheet import Sheet, name_of
from lens_gate.render.html.tags import Html, join, tag
from lens_gate.units import format_share, format_usd

T = TypeVar("T")
_MOST_SERIES = 4
_UNRULED = ("ttft", "itl", "e2e")
# Names of phases as they are drawn; setting up a connection is one.
PHASE_NAMES: Mapping[str, str] = {
    "queue": "queue",
    "dns": "connect",
    "tcp": "connect",
    "tls": "connect",
    "headers": "headers",
    "first": "first output",
    "stream": "stream",
}
_COST_NAMES: Mapping[str, str] = {
    "input": "input",
    "cached": "cached input",
    "cache_write": "cache write",
    "output": "output",
    "reasoning": "reasoning",
    "request": "per request",
}


def pictures(cell: CellReport, sheet: Sheet, rows: Sequence[Row]) -> Iterable[Html]:
    """All that there is to draw, beside each other; nothing where there is nothing."""
    name, figures = name_of(cell), sheet.of(name_of(cell))
    drawn = [
        *_time(name, figures.time_s),
        *_money(name, figures.cost_usd),
        *_gaps(name, figures.gaps),
        *_past(cell, sheet, rows),
    ]
    ruled = {row.metric for row in rows}
    for metric in _UNRULED:
        if metric not in ruled and (spread := figures.spreads.get(metric)) is not None:
            drawn += distributions(spread, name)
    if drawn:
        yield tag("div", drawn, class_="charts")


def _time(name: str, found: Mapping[ArmName, Mapping[str, float]]) -> Iterable[Html]:
    stacks = []
    for arm, parts in _arms(found):
        merged = dict.fromkeys(PHASE_NAMES.values(), 0.0)
        for phase, seconds in parts.items():
            merged[PHASE_NAMES[phase]] += seconds
        pieces = tuple(Part(name=words, amount=seconds) for words, seconds in merged.items())
        stacks.append(Stack(name=arm, parts=pieces))
    if stacks:
        title = f"{name}: what the time of a request goes to"
        yield drawing(
            stacked(stacks, Axis(title="mean of successful requests", unit="s"), title=title),
            join(
                tag("strong", "Time. "),
                "queue: held back by this client; connect: DNS, TCP and TLS of a new connection; "
                "headers: from the send to the response's head; first output: from there to the "
                "first visible output; stream: to the end.",
            ),
            unit="s",
            class_="phases",
        )


def _money(name: str, found: Mapping[ArmName, Mapping[str, Decimal]]) -> Iterable[Html]:
    stacks = [
        Stack(
            name=arm,
            parts=tuple(
                Part(name=_COST_NAMES.get(part, part), amount=float(amount))
                for part, amount in parts.items()
            ),
        )
        for arm, parts in _arms(found)
    ]
    if stacks:
        total = sum((sum(parts.values(), Decimal(0)) for _, parts in _arms(found)), Decimal(0))
        title = f"{name}: what the money went to"
        yield drawing(
            stacked(stacks, Axis(title="all requests, warm-up included", unit="usd"), title=title),
            join(tag("strong", "Cost. "), f"Together {format_usd(total)}, as it was booked."),
            unit="usd",
        )


def _arms(found: Mapping[ArmName, T]) -> Iterable[tuple[ArmName, T]]:
    order: tuple[ArmName, ...] = ("control", "head")
    for arm in order:
        if arm in found:
            yield arm, found[arm]


def _gaps(name: str, found: Mapping[ArmName, Gaps]) -> Iterable[Html]:
    bars = [
        Bars(name=f"{arm}, {one.n} gaps", role=arm, edges=one.edges, shares=one.shares)
        for arm, one in _arms(found)
    ]
    if bars:
        at_once = sum(one.at_once for one in found.values())
        every = sum(one.n for one in found.values())
        together = (
            f" {format_share(at_once / every)} of outputs came in one read with the one before."
            if at_once
            else ""
        )
        title = f"{name}: pauses between outputs"
        yield drawing(
            histogram(
                bars, Axis(title="time between two outputs", unit="s", log=True), title=title
            ),
            join(
                tag("strong", "Gaps. "),
                "All gaps of all requests; a second hump is a stutter.",
                together,
            ),
            unit="s",
        )


def _past(cell: CellReport, sheet: Sheet, rows: Sequence[Row]) -> Iterable[Html]:
    """The cell over its stored runs; what its rules are held against stands with the evidence."""
    shown = {row.metric for row in rows if row.mode == "history"}
    wanted = dict.fromkeys([*(row.metric for row in rows), *_UNRULED])
    metrics = [name for name in wanted if name not in shown]
    yield from islice(
        (found for name in metrics for found in past(cell, name, sheet)), _MOST_SERIES
    )

"""The requests behind checks, drawn: distributions of a metric, and its changes pair by pair."""

from collections.abc import Iterable, Mapping, Sequence

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.distribution import Changes, Spread
from lens_gate.records.report import Row
from lens_gate.render.charts import (
    Axis,
    Bars,
    Curve,
    Pair,
    Span,
    differences,
    ecdf,
    histogram,
)
from lens_gate.render.figures import counted_pairs, metric_title
from lens_gate.render.html.parts import drawing
from lens_gate.render.html.tags import Html, join, tag
from lens_gate.units import format_share

_MOST_DOTS = 300
_BROAD = 1120
_STORED = (
    "The stored runs are drawn as one and without a band: runs differ by more than their requests "
    "tell."
)


def distributions(spread: Spread, name: str, limit: float | None = None) -> Iterable[Html]:
    """A metric's empirical distribution functions and histograms, all sides on one axis."""
    row = CATALOGUE[spread.metric]
    title = metric_title(spread.metric)
    axis = Axis(title=row.title, unit=row.unit, log=row.unit in ("s", "tokens/s", "usd"))
    sides = [(_SIDES[side], side, shape) for side, shape in spread.sides.items()]
    curves = [
        Curve(
            name=f"{words}, n = {shape.n}"
            + (f" ({shape.censored} timed out)" if shape.censored else ""),
            role=side,
            xs=shape.xs,
            ys=shape.ys,
            low=shape.low,
            high=shape.high,
        )
        for words, side, shape in sides
    ]
    bars = [
        Bars(
            name=words,
            role=side,
            edges=spread.edges,
            shares=shape.shares,
            low=shape.shares_low,
            high=shape.shares_high,
        )
        for words, side, shape in sides
    ]
    stored = _STORED if "stored" in spread.sides else None
    size = "long" if row.unit == "s" else "much"
    curve_title = f"{title} in {name}: share of requests at most so {size}"
    yield drawing(
        ecdf(curves, axis, title=curve_title, limit=limit),
        join(tag("strong", f"{title}, cumulative. "), stored),
        unit=row.unit,
    )
    yield drawing(
        histogram(bars, axis, title=f"{title} in {name}: how requests spread", limit=limit),
        tag("strong", f"{title}, histogram"),
        unit=row.unit,
    )


_SIDES: Mapping[str, str] = {"head": "head", "control": "control", "stored": "stored runs"}


def paired(rows: Sequence[tuple[str, Row]], found: Mapping[str, Changes]) -> Iterable[Html]:
    """The changes of each check; those that rest on the same ones are drawn once."""
    seen: list[Changes] = []
    for _, row in _centre_first(rows):
        changes = found.get(row.verdict.id)
        if changes is None or changes in seen:
            continue
        seen.append(changes)
        yield _changes(row, changes)


def _centre_first(rows: Sequence[tuple[str, Row]]) -> Iterable[tuple[str, Row]]:
    """The centre before the tails: a change of a whole distribution is seen at its centre."""
    return sorted(rows, key=lambda pair: pair[1].statistic not in ("typ", "mean", ""))


def _changes(row: Row, changes: Changes) -> Html:
    verdict = row.verdict
    every = max(1, -(-len(changes.steps) // _MOST_DOTS))
    steps = changes.steps[::every]
    pairs = [
        Pair(number=step.number, change=step.change, confirming=step.confirming) for step in steps
    ]
    # A quantile's change is none of pairs: its estimate does not belong among them.
    central = row.statistic in ("typ", "mean", "") or row.in_blocks
    span = None
    if central and verdict.estimate is not None:
        span = Span(value=verdict.estimate, low=verdict.low, high=verdict.high)
    margin = verdict.margin
    if margin is not None and row.better == "higher":
        margin = 1 / (1 + margin) - 1
    what = "pair of blocks" if row.in_blocks else "pair"
    title = (
        f"{metric_title(row.metric, row.statistic if row.in_blocks else '')}: change in each {what}"
    )
    return drawing(
        differences(
            pairs,
            Axis(title="change against the control", unit="change"),
            title=title,
            span=span,
            margin=margin if central else None,
            in_blocks=row.in_blocks,
            width=_BROAD,
            height=220,
        ),
        join(
            tag("strong", "Pair by pair. "), _about_changes(changes, every, in_blocks=row.in_blocks)
        ),
        class_="broad",
    )


def _about_changes(changes: Changes, every: int, *, in_blocks: bool) -> str:
    above = sum(step.change > 0 for step in changes.steps)
    share = format_share(above / len(changes.steps))
    pairs = counted_pairs(len(changes.steps), in_blocks=in_blocks)
    parts = [f"The head's number is the higher one in {share} of {pairs}."]
    if every > 1:
        parts.append(f"One of {every} is drawn.")
    if any(step.confirming for step in changes.steps):
        parts.append(
            "Dots of another colour are of the new pairs on which failures were tested again."
        )
    if changes.left_out:
        left_out = counted_pairs(changes.left_out, in_blocks=in_blocks)
        parts.append(f"{left_out} without a number for both sides can't be drawn.")
    return " ".join(parts)

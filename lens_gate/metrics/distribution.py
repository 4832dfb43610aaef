"""How requests spread: distributions, changes pair by pair, gaps, what time and money went to.

Described here, before anything is drawn; nothing is decided by it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from lens_gate.metrics.blocks import block_arms
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.cost_split import PARTS
from lens_gate.metrics.detail import PHASES
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Arm
from lens_gate.records.detail import RequestDetail
from lens_gate.records.sample import ArmName, Phase, Sample
from lens_gate.stats import ecdf
from lens_gate.stats.rates import clopper_pearson

BAND = 0.95
"""The level of the band about a distribution, and of the intervals of its bins."""

GAP_BINS = 40
UNSPLIT = "not split"
"""A bill of which the parts are not known."""
BOOKED = "booked without a bill"
"""Of a request whose bill is not known the ledger books all that was reserved."""

# So few requests have no shape.
_LEAST = 2
# The few longest and shortest gaps would leave all others in one bin; they count in the outermost.
_OUTERMOST_GAPS = 0.0005

Side: TypeAlias = Literal["head", "control", "stored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One side's distribution of a metric, in its unit.

    ``ys`` are the shares that are at most ``xs``, ``low`` and ``high`` their band (empty: none).
    ``shares`` are those of the bins of the ``Spread``, with intervals of their own. Shares are of
    all ``n``; ``censored`` of these timed out and are known to lie beyond a limit: the function
    does not reach one then.
    """

    n: int
    censored: int
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    shares: tuple[float, ...]
    shares_low: tuple[float, ...]
    shares_high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A metric of one cell on one axis: the sides that have it, and the edges of their bins."""

    metric: str
    edges: tuple[float, ...]
    sides: Mapping[Side, Shape]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The head against the control in one pair (or pair of blocks): 0.2 is a fifth more."""

    number: int
    change: float
    confirming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A metric pair by pair, in the order of sending.

    ``left_out`` pairs have no such change: a side timed out, or has nought.
    """

    steps: tuple[Step, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Times between outputs of one arm, all requests together, in bins that both arms share.

    ``at_once`` of all ``n`` are nought: those outputs came in one read. There is no interval: gaps
    of one request are no independent draws.
    """

    n: int
    at_once: int
    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFigures:
    """What can be drawn of one cell. ``changes`` are by check id.

    ``time_s`` is the mean of what a successful request's time went to, by phase; ``cost_usd`` what
    all of an arm's requests cost, by part: together what was booked for them.
    """

    spreads: Mapping[str, Spread] = field(default_factory=dict)
    changes: Mapping[str, Changes] = field(default_factory=dict)
    gaps: Mapping[ArmName, Gaps] = field(default_factory=dict)
    time_s: Mapping[ArmName, Mapping[str, float]] = field(default_factory=dict)
    cost_usd: Mapping[ArmName, Mapping[str, Decimal]] = field(default_factory=dict)


_ARMS: tuple[ArmName, ...] = ("control", "head")


def spreads(
    requests: Sequence[RequestDetail], metrics: Iterable[str], stored: Sequence[Baseline] = ()
) -> Mapping[str, Spread]:
    """The distributions of one cell's measured requests, by metric.

    ``stored`` are the runs that the head is held against where there is no control: they make one
    curve without a band, since their requests are no draws from one distribution.
    """
    found = {}
    for metric in metrics:
        sides = {side: one for side, one in _sides(requests, metric, stored) if one.n >= _LEAST}
        spread = _spread(metric, sides)
        if spread is not None:
            found[metric] = spread
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """One side's numbers of a metric, and how many of its requests timed out."""

    known: tuple[float, ...]
    censored: int

    @property
    def n(self) -> int:
        return len(self.known) + self.censored


def _sides(
    requests: Sequence[RequestDetail], metric: str, stored: Sequence[Baseline]
) -> Iterable[tuple[Side, _Values]]:
    for arm in _ARMS:
        own = [one for one in requests if one.arm == arm and one.phase == "measured"]
        yield (
            arm,
            _Values(
                known=tuple(one.values[metric] for one in own if metric in one.values),
                censored=sum(metric in one.bounds for one in own),
            ),
        )
    known: list[float] = []
    late = 0
    for run in stored:
        timed_out = frozenset(run.censored)
        for index, value in enumerate(run.values.get(metric, ())):
            if value is not None and index in timed_out:
                late += 1
            elif value is not None:
                known.append(value)
    yield "stored", _Values(known=tuple(known), censored=late)


def _spread(metric: str, sides: Mapping[Side, _Values]) -> Spread | None:
    known = [value for side in sides.values() for value in side.known]
    if "head" not in sides or not known or min(known) == max(known) == 0.0:
        return None
    most = max(len(side.known) for side in sides.values())
    edges = ecdf.edges(min(known), max(known), ecdf.bin_count(most))
    return Spread(
        metric=metric,
        edges=tuple(edges),
        sides={name: _shape(side, edges, name) for name, side in sides.items() if side.known},
    )


def _shape(side: _Values, edges: Sequence[float], name: Side) -> Shape:
    xs, ys = ecdf.steps(side.known, n=side.n)
    bare = name == "stored"
    half = ecdf.half_width(side.n, BAND)
    counts = ecdf.counts(side.known, edges)
    ends = [] if bare else [clopper_pearson(count, side.n, BAND) for count in counts]
    return Shape(
        n=side.n,
        censored=side.censored,
        xs=tuple(xs),
        ys=tuple(ys),
        low=() if bare else tuple(max(0.0, y - half) for y in ys),
        high=() if bare else tuple(min(1.0, y + half) for y in ys),
        shares=tuple(count / side.n for count in counts),
        shares_low=tuple(low for low, _ in ends),
        shares_high=tuple(high for _, high in ends),
    )


def pair_changes(requests: Sequence[RequestDetail], metric: str) -> Changes | None:
    """The head against the control in each pair of one cell, by a metric of each request.

    ``None`` where no pair has one: both sides have to have the number, above nought.
    """
    return _changes(
        tuple(_of_pairs(requests, metric, arm, phase) for arm in _ARMS) for phase in _PHASES
    )


def block_changes(samples: Sequence[Sample], metric: str, statistic: str) -> Changes | None:
    """The same of the pairs of blocks, by the numbers that the judge has of them.

    ``None`` for shares of all requests too, whose blocks are not compared as ratios.
    """
    if CATALOGUE[metric].per == "arm":
        return None
    arms = (block_arms(samples, metric, statistic, {}, phase) for phase in _PHASES)
    return _changes((_of_blocks(control), _of_blocks(head)) for head, control in arms)


_PHASES: tuple[Phase, Phase] = ("measured", "confirm")
_Numbered: TypeAlias = Mapping[int, tuple[float, bool]]
"""By the number of a pair: a value, and whether it is only a lower bound."""


def _of_pairs(
    requests: Sequence[RequestDetail], metric: str, arm: ArmName, phase: Phase
) -> _Numbered:
    found = {}
    for one in requests:
        if one.arm == arm and one.phase == phase and one.pair is not None:
            value = one.values.get(metric, one.bounds.get(metric))
            if value is not None:
                found[one.pair] = (value, metric in one.bounds)
    return found


def _of_blocks(arm: Arm) -> _Numbered:
    values: Sequence[float] = arm.values  # type: ignore[assignment]  # made by metrics: a tuple
    late: Sequence[bool] = arm.censored or (False,) * len(values)  # type: ignore[assignment]
    keys: Sequence[int] = arm.pair or ()
    return {key: (value, cut) for key, value, cut in zip(keys, values, late, strict=True)}


def _changes(phases: Iterable[tuple[_Numbered, ...]]) -> Changes | None:
    """Of the control's and the head's numbers in each phase; a confirming block comes after."""
    steps: list[Step] = []
    left_out = after = 0
    for (control, head), confirming in zip(phases, (False, True), strict=True):
        for pair in sorted(head.keys() & control.keys()):
            (first, late), (second, also_late) = head[pair], control[pair]
            if late or also_late or first <= 0.0 or second <= 0.0:
                left_out += 1
            else:
                change = math.expm1(math.log(first) - math.log(second))
                steps.append(Step(number=after + pair, change=change, confirming=confirming))
        after = max((*head, *control), default=-1) + 1
    return Changes(steps=tuple(steps), left_out=left_out) if steps else None


def gaps(requests: Sequence[RequestDetail]) -> Mapping[ArmName, Gaps]:
    """How long the pauses between outputs of a cell's measured requests were, by arm."""
    found: dict[ArmName, list[float]] = {}
    totals: dict[ArmName, int] = {}
    for one in requests:
        if one.phase == "measured" and one.status == "ok":
            found.setdefault(one.arm, []).extend(gap for gap in one.gaps_s if gap > 0.0)
            totals[one.arm] = totals.get(one.arm, 0) + len(one.gaps_s)
    every = [gap for own in found.values() for gap in own]
    if len(every) < _LEAST:
        return {}
    low, high = ecdf.trimmed(every, _OUTERMOST_GAPS)
    edges = ecdf.edges(low, high, GAP_BINS)
    return {
        arm: Gaps(
            n=totals[arm],
            at_once=totals[arm] - len(own),
            edges=tuple(edges),
            shares=tuple(count / totals[arm] for count in ecdf.counts(own, edges)),
        )
        for arm, own in found.items()
        if own
    }


def time_parts(requests: Iterable[RequestDetail]) -> Mapping[ArmName, Mapping[str, float]]:
    """The mean seconds that a successful measured request spent in each phase, by arm.

    Of those that needed one attempt: the phases of a retried one are those of its last.
    """
    sums: dict[ArmName, dict[str, float]] = {}
    counts: dict[ArmName, int] = {}
    for one in requests:
        if one.phase != "measured" or one.status != "ok" or one.attempts != 1:
            continue
        own = sums.setdefault(one.arm, dict.fromkeys(PHASES, 0.0))
        counts[one.arm] = counts.get(one.arm, 0) + 1
        for phase, seconds in one.phases.items():
            own[phase] += seconds
    return {
        arm: {phase: total / counts[arm] for phase, total in own.items() if total > 0.0}
        for arm, own in sums.items()
    }


def cost_parts(requests: Iterable[RequestDetail]) -> Mapping[ArmName, Mapping[str, Decimal]]:
    """What all of an arm's requests cost, warm-up and failures included, by part of the bill.

    The parts together are what the ledger booked.
    """
    names = (*PARTS, UNSPLIT, BOOKED)
    sums: dict[ArmName, dict[str, Decimal]] = {}
    for one in requests:
        own = sums.setdefault(one.arm, dict.fromkeys(names, Decimal(0)))
        billed = Decimal(0) if one.cost_usd is None else one.cost_usd
        own[BOOKED] += one.settled_usd - billed
        for part, amount in (one.cost_parts or {UNSPLIT: billed}).items():
            own[part] += amount
    return {
        arm: {part: amount for part, amount in own.items() if amount}
        for arm, own in sums.items()
        if any(own.values())
    }

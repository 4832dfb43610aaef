"""One number for each block of load: what a duet that alternates in blocks compares.

A block is one arm's turn under the declared load. Requests within it queue behind each other, so
that they are no replicates; the pair of blocks is. Of a metric that each request has, the block's
number is the gated statistic over its requests; a rate has that of its whole block; a share is that
of the good requests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lens_gate.metrics.arms import of_arm
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.cold_start import cold_blocks
from lens_gate.metrics.rows import good, numbers_of
from lens_gate.metrics.window import block_rate
from lens_gate.records.check import Arm
from lens_gate.records.sample import ArmName, Phase, Sample
from lens_gate.stats.describe import describe
from lens_gate.stats.rank_sum import shift

_LATE = 10
"""A block of which more than one request in so many timed out is later than any that did not."""


def block_arms(
    samples: Iterable[Sample],
    metric: str,
    statistic: str,
    objectives: Mapping[str, float],
    phase: Phase = "measured",
) -> tuple[Arm, Arm]:
    """The head's and the control's side of a check on the pairs of blocks of one cell.

    The keys are the numbers of the pairs of blocks. A block without a number, since none of its
    requests succeeded, is an error. Of the shares (``error_rate``, ``goodput``) the number is the
    share of good requests, half a request added on either side so that none is zero; where no
    request of an arm was good, all its blocks are errors. A rate of nothing is worse than any other
    and has no ratio to them: like a time-out it counts, censored at the arm's lowest. Blocks of
    cold requests begin with warm ones, of phase ``warmup``: the cost of a cold start is what the
    others take longer than those.

    Raises:
        KeyError: no such metric.
    """
    samples = list(samples)
    if metric == "cold_start_penalty":
        return _penalties(samples, "head", phase), _penalties(samples, "control", phase)
    head, control = of_arm(samples, "head", phase), of_arm(samples, "control", phase)
    return (
        _arm(head, metric, statistic, objectives),
        _arm(control, metric, statistic, objectives),
    )


def _arm(
    samples: Sequence[Sample], metric: str, statistic: str, objectives: Mapping[str, float]
) -> Arm:
    blocks: dict[int | None, list[Sample]] = {}
    for sample in samples:
        blocks.setdefault(sample.block, []).append(sample)
    per = CATALOGUE[metric].per
    if per == "arm":
        return _shares(blocks, objectives if metric == "goodput" else {})
    if per == "request":
        return _statistics(blocks, metric, statistic)
    return _rates({b: block_rate(own, metric, objectives) for b, own in blocks.items()})


def _known(numbers: Mapping[int | None, float | None]) -> Arm:
    """Blocks without a number are errors."""
    known = {block: number for block, number in numbers.items() if number is not None}
    return Arm(values=tuple(known.values()), pair=tuple(known), errors=len(numbers) - len(known))


def _rates(rates: Mapping[int | None, float | None]) -> Arm:
    lowest = min(filter(None, rates.values()), default=1.0)
    arm = _known({b: rate if rate is None else rate or lowest for b, rate in rates.items()})
    nothing = tuple(rate == 0.0 for rate in rates.values() if rate is not None)
    return replace(arm, censored=nothing) if any(nothing) else arm


def _penalties(samples: Iterable[Sample], arm: ArmName, phase: Phase) -> Arm:
    """By how much each block's cold requests took longer than its warm ones; at least nothing.

    Not even the first block's first request is the first one that the server ever saw: the cell's
    warm-up went before it.
    """
    own = [s for s in samples if s.phase in (phase, "warmup")]
    blocks = cold_blocks(own, arm).items()
    return _known(
        {b: max(0.0, shift(cold, warm)) if cold and warm else None for b, (cold, warm) in blocks}
    )


def _shares(blocks: Mapping[int | None, Sequence[Sample]], objectives: Mapping[str, float]) -> Arm:
    counts = {
        block: (sum(good(row, objectives) for row in numbers_of(own)), len(own))
        for block, own in blocks.items()
    }
    if not any(fine for fine, _ in counts.values()):
        return Arm(values=(), pair=(), errors=len(counts))
    return Arm(
        values=tuple((fine + 0.5) / (asked + 1.0) for fine, asked in counts.values()),
        pair=tuple(counts),
    )


def _statistics(blocks: Mapping[int | None, Sequence[Sample]], metric: str, statistic: str) -> Arm:
    found: dict[int | None, _Block] = {}
    for block, own in blocks.items():
        rows = [(row, value) for row in numbers_of(own) if (value := row.known(metric)) is not None]
        if rows:
            ends = [row.limits.get(metric, (value, value)) for row, value in rows]
            late = _LATE * sum(metric in row.bounds for row, _ in rows) > len(rows)
            found[block] = _block([value for _, value in rows], ends, statistic, late=late)
    numbers = tuple(found.values())
    some_late, open_ends = any(b.late for b in numbers), any(b.low < b.high for b in numbers)
    return Arm(
        values=tuple(b.value for b in numbers),
        pair=tuple(found),
        censored=tuple(b.late for b in numbers) if some_late else None,
        errors=len(blocks) - len(found),
        low=tuple(b.low for b in numbers) if open_ends else None,
        high=tuple(b.high for b in numbers) if open_ends else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A statistic over one block's requests, and between what it lies."""

    value: float
    low: float
    high: float
    late: bool


def _block(
    values: Sequence[float], ends: Sequence[tuple[float, float]], statistic: str, *, late: bool
) -> _Block:
    value = _centre(values, statistic)
    return _Block(
        value=value,
        # A weighted sum can round the other way where larger numbers are put in.
        low=min(value, _centre([low for low, _ in ends], statistic)),
        high=max(value, _centre([high for _, high in ends], statistic)),
        late=late,
    )


def _centre(values: Sequence[float], statistic: str) -> float:
    return float(getattr(describe(values), statistic))

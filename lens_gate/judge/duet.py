"""Duet: head and control measured pair by pair in one session (statistics, sections 3.2 and 3.6).

``typ`` is tested by the signed rank of the pairs' log ratios, quantiles by label swaps within
pairs, means by a paired t. Where more is better the two arms change places: a fall of the metric is
a rise of what is tested.

A metric may come near zero, as the cost of a cold start does, where it is all noise and its ratio
means nothing. The signs of a pair do: something is more than nothing by any margin. So where too
many values are zero for logarithms, ``typ`` ranks such pairs first or last, like time-outs, two
zeros as equal; noise around zero falls on both sides and ends undecided. Where one arm is nothing
throughout, every statistic of it is zero, and that rank test decides them all. A quantile of arms
that are zero in part has no ratio and no signs: ``no_data``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lens_gate.errors import LensError
from lens_gate.judge.evidence import (
    MIN_SE,
    Z95,
    Evidence,
    changes,
    finite,
    gated_value,
    log,
    minimum,
    no_success,
    reaches,
    too_few,
)
from lens_gate.judge.inputs import QUANTILES, Case, Side, lift_zeros
from lens_gate.records.check import Check
from lens_gate.stats import means, quantiles, rng, signed_rank, special

NO_RATIO = "values of zero: no relative change of a quantile; gate typ, or give an absolute limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """The pairs of which both sides have a value; ``total`` counts the others as well."""

    head: Side
    control: Side
    total: int

    @property
    def n(self) -> int:
        return len(self.head.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tested:
    """A worsening on the log scale: estimate, 90 % interval, the four p-values, its spread."""

    estimate: float
    low: float
    high: float
    p_worse: float
    p_margin: float
    p_within: float
    p_better: float
    se: float
    df: float = math.inf


def duet_evidence(case: Case, control: Side, *, seed: int) -> Evidence:
    """Evidence on a relative check of any kind but ``error_rate`` against its control.

    ``control`` is the case's; ``seed`` and the check's id fix the label swaps of quantiles.

    Raises:
        LensError: pairs are meant by position and the arms have different lengths, or only one arm
            names its pairs.
    """
    check = case.check
    settled = no_success(case)
    if settled is not None:
        return settled
    if not control.answered:
        what = f"block with {check.block}" if check.block else "successful request"
        note = f"the control had no {what} (0 of {control.asked})"
        return Evidence(settled="no_data", note=note)
    pairs = match(check.id, case.head, control)
    both = sum(map(all, zip(pairs.head.late, pairs.control.late, strict=True)))
    usable = pairs.n - both if check.kind == "typ" else pairs.n
    if usable < minimum(check.kind):
        return too_few(usable, minimum(check.kind), check.pairs)
    lifted = lift_zeros([pairs.head, pairs.control], each=check.kind != "mean")
    by_rank = check.kind == "typ"
    if lifted is None:
        lifted = pairs.head.values, pairs.control.values
        by_rank = by_rank or not all(map(any, lifted))
        if not by_rank:
            return Evidence(settled="no_data", note=NO_RATIO, n=usable)
    head, base = lifted
    slow, fast = (head, base) if check.better == "lower" else (base, head)
    shift = math.log1p(case.bound)
    if by_rank:
        tested = _test_typ(slow, fast, pairs, shift)
        if check.kind != "typ" and any(slow):
            # However few of its values are more than nothing, its mean is: that is no pass.
            tested = replace(tested, p_within=1.0, p_better=1.0)
    elif check.kind == "mean":
        tested = _test_mean(slow, fast, shift)
    else:
        tested = _test_quantile(slow, fast, QUANTILES[check.kind], shift, (seed, check.id))
    estimate, low, high = changes(tested.estimate, tested.low, tested.high, better=check.better)
    return Evidence(
        n=usable,
        base_n=usable,
        estimate=estimate,
        low=low,
        high=high,
        base_value=gated_value(check.kind, base),
        head_value=gated_value(check.kind, head),
        p_worse=tested.p_worse,
        p_margin=tested.p_margin,
        p_within=tested.p_within,
        p_better=tested.p_better,
        no_fail=_barred_fail(pairs, check.kind, check.better),
        no_pass=_barred_pass(pairs, check),
        se=finite(tested.se),
        df=tested.df,
    )


def match(name: str, head: Side, control: Side) -> _Pairs:
    """The pairs of two arms: by key where both name them, else by position.

    Raises:
        LensError: by position with different lengths, or only one arm names its pairs.
    """
    asked = max(head.asked, control.asked)
    if head.keys is None and control.keys is None:
        if len(head.values) != len(control.values):
            raise LensError(
                f"check {name!r}: {len(head.values)} values of the head and "
                f"{len(control.values)} of the control can't be paired by position",
                "name the pairs in Arm.pair where a side of a pair has no value",
            )
        return _Pairs(head=head, control=control, total=asked)
    if head.keys is None or control.keys is None:
        raise LensError(f"check {name!r}: only one arm names its pairs", "give Arm.pair to both")
    places = {key: k for k, key in enumerate(control.keys)}
    common = [(k, places[key]) for k, key in enumerate(head.keys) if key in places]
    return _Pairs(
        head=_pick(head, [k for k, _ in common]),
        control=_pick(control, [k for _, k in common]),
        total=max(asked, len({*head.keys, *control.keys})),
    )


def _pick(side: Side, places: list[int]) -> Side:
    return Side(
        values=tuple(side.values[k] for k in places),
        late=tuple(side.late[k] for k in places),
        keys=None,
        errors=side.errors,
    )


def _barred_pass(pairs: _Pairs, check: Check) -> str:
    kind, what = check.kind, check.pairs
    dropped = pairs.total - pairs.n
    if 10 * dropped > pairs.total:
        return f"{dropped} of {pairs.total} {what} lost a side to an error, more than a tenth"
    late = sum(map(any, zip(pairs.head.late, pairs.control.late, strict=True)))
    if 10 * late > pairs.n:
        word = "were late, or empty," if check.block else "timed out,"
        return f"{late} of {pairs.n} {what} {word} more than a tenth"
    head_late = sum(pairs.head.late)
    if kind != "typ" and reaches(kind, head_late, pairs.n, better=check.better):
        return f"{head_late} of {pairs.n} timed out, so the {kind} is only a lower bound"
    return ""


def _barred_fail(pairs: _Pairs, kind: str, better: str) -> str:
    late = sum(pairs.control.late)
    if kind != "typ" and reaches(kind, late, pairs.n, better=better):
        return f"{late} of {pairs.n} timed out in the control, so its {kind} is only a lower bound"
    return ""


def _test_typ(
    slow: tuple[float, ...], fast: tuple[float, ...], pairs: _Pairs, shift: float
) -> _Tested:
    """The signed rank of the log ratios; a late head is worse than anything, a late control better.

    Pairs in which both are late say nothing and are left out.
    """
    d = []
    late = zip(pairs.head.late, pairs.control.late, strict=True)
    for x, y, (head_late, control_late) in zip(slow, fast, late, strict=True):
        if not (head_late or control_late):
            d.append(_log_ratio(x, y))
        elif not (head_late and control_late):
            d.append(math.inf if head_late else -math.inf)
    low, high = signed_rank.interval(d, level=0.90)
    return _Tested(
        estimate=signed_rank.hodges_lehmann(d),
        low=low,
        high=high,
        p_worse=signed_rank.p_greater(d),
        p_margin=signed_rank.p_greater([x - shift for x in d]),
        p_within=signed_rank.p_greater([shift - x for x in d]),
        p_better=signed_rank.p_greater([-x for x in d]),
        se=max((high - low) / 2 / Z95, MIN_SE),
    )


def _log_ratio(x: float, y: float) -> float:
    """Where one side is nothing, the other is beyond any ratio to it; two nothings are equal."""
    return 0.0 if x == y else log(x) - log(y)


def _test_mean(slow: tuple[float, ...], fast: tuple[float, ...], shift: float) -> _Tested:
    """A paired t test at each ratio in question: no change, and the margin."""
    estimate, se, df = means.paired_log_ratio(slow, fast)
    steps = special.t_ppf(0.95, df)
    low, high = means.paired_ratio_interval(slow, fast, steps=steps)
    same = means.paired_t(slow, fast, 0.0, floor=MIN_SE)
    edge = means.paired_t(slow, fast, shift, floor=MIN_SE)
    return _Tested(
        estimate=estimate,
        low=min(low, estimate - steps * MIN_SE),
        high=max(high, estimate + steps * MIN_SE),
        p_worse=special.t_sf(same, df),
        p_margin=special.t_sf(edge, df),
        p_within=special.t_sf(-edge, df),
        p_better=special.t_sf(-same, df),
        se=max(se, MIN_SE),
        df=df,
    )


def _test_quantile(
    slow: tuple[float, ...],
    fast: tuple[float, ...],
    p: float,
    shift: float,
    coins: tuple[int, str],
) -> _Tested:
    """Harrell-Davis difference with label-swap errors, under no change and under the margin."""
    swaps = rng.generator(*coins)
    over, under = [math.log(x) for x in slow], [math.log(x) for x in fast]
    estimate = quantiles.harrell_davis(over, p) - quantiles.harrell_davis(under, p)
    null = max(quantiles.label_swap_se(over, under, p, shift=0.0, rng=swaps), MIN_SE)
    edge = max(quantiles.label_swap_se(over, under, p, shift=shift, rng=swaps), MIN_SE)
    tested = _Tested(
        estimate=estimate,
        low=estimate - Z95 * null,
        high=estimate + Z95 * null,
        p_worse=special.norm_sf(estimate / null),
        p_margin=special.norm_sf((estimate - shift) / edge),
        p_within=special.norm_sf((shift - estimate) / edge),
        p_better=special.norm_sf(-estimate / null),
        se=null,
    )
    if p != 0.5:
        return tested
    own = quantiles.label_swap_se(over, under, p, shift=estimate, rng=swaps)
    return _far_apart(tested, over, under, shift, own)


def _far_apart(
    tested: _Tested, over: Sequence[float], under: Sequence[float], shift: float, own: float
) -> _Tested:
    """The test of a median, mended for arms that lie far apart, or far from the margin.

    There the pooled values are two heaps, and the median of swapped labels jumps between them: the
    larger the change, the less it would be seen. With the estimate taken off there is one heap,
    and ``own`` is its error; half as much again (a few pairs: double) is more than chance makes of
    that. A service with two modes has two heaps by itself, so this alone is no proof: the signed
    rank of the pairs, which knows no heaps, has to say the same. It is a second way to one proof,
    and counts double: as often as it is wrong by itself comes on top of the first.
    """
    d = [x - y for x, y in zip(over, under, strict=True)]
    bound = max((1.0 + max(0.5, 10.0 / len(over))) * own, MIN_SE)
    se = min(tested.se, bound)

    def either(by_swaps: float, distance: float, pairs: Sequence[float]) -> float:
        second = max(special.norm_sf(distance / bound), signed_rank.p_greater(pairs))
        return min(by_swaps, 2.0 * second)

    estimate = tested.estimate
    return replace(
        tested,
        low=estimate - Z95 * se,
        high=estimate + Z95 * se,
        p_worse=either(tested.p_worse, estimate, d),
        p_margin=either(tested.p_margin, estimate - shift, [x - shift for x in d]),
        p_within=either(tested.p_within, shift - estimate, [shift - x for x in d]),
        p_better=either(tested.p_better, -estimate, [-x for x in d]),
        se=se,
    )

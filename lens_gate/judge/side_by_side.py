"""Targets measured side by side: by how much one differs from another, prompt by prompt.

No verdict: an estimate with its interval. Times are compared by their typical ratio (the
Hodges-Lehmann estimate of the pairs' log ratios with the interval of the signed-rank test, as in a
duet), tokens and money by the ratio of their means (Student's t on the pairs).
"""

import math

from lens_gate.judge.inputs import read_side
from lens_gate.records.check import Arm
from lens_gate.records.difference import Difference
from lens_gate.stats import means, signed_rank, special

LEVEL = 0.95
MIN_PAIRS = 6
"""Fewer can't show a difference at this level, whatever they are: 2^-5 > 2.5 %."""


def typical_change(base: Arm, other: Arm) -> Difference | None:
    """The typical ratio of the pairs, less one; ``None`` where too few have both, above zero.

    A request that timed out is later than any that did not; where both did, the pair is left out.
    """
    logs = []
    for (low, low_late), (high, high_late) in _pairs(base, other):
        if min(low, high) <= 0:
            continue
        if not (low_late or high_late):
            logs.append(math.log(high) - math.log(low))
        elif low_late != high_late:
            logs.append(math.inf if high_late else -math.inf)
    if len(logs) < MIN_PAIRS:
        return None
    lower, upper = signed_rank.interval(logs, level=LEVEL)
    return _difference(signed_rank.hodges_lehmann(logs), lower, upper, len(logs))


def mean_change(base: Arm, other: Arm) -> Difference | None:
    """The ratio of the means over the pairs, less one; ``None`` where too few have both.

    Zeros count (an answer without reasoning has 0 tokens of it), but to a mean of zero there is no
    ratio.
    """
    pairs = [(low, high) for (low, a), (high, b) in _pairs(base, other) if not (a or b)]
    if len(pairs) < MIN_PAIRS or not any(low for low, _ in pairs):
        return None
    estimate, se, df = means.paired_log_ratio(
        [high for _, high in pairs], [low for low, _ in pairs]
    )
    half = special.t_ppf((1 + LEVEL) / 2, df) * se
    return _difference(estimate, estimate - half, estimate + half, len(pairs))


_Value = tuple[float, bool]


def _pairs(base: Arm, other: Arm) -> list[tuple[_Value, _Value]]:
    """The values of both arms that have the same key, with whether they are late."""
    ours, theirs = _by_key(base), _by_key(other)
    return [(ours[key], theirs[key]) for key in ours if key in theirs]


def _by_key(arm: Arm) -> dict[object, _Value]:
    side = read_side(arm, "a target's arm")
    keys = range(len(side.values)) if side.keys is None else side.keys
    rows = zip(keys, side.values, side.late, strict=True)
    return {key: (value, late) for key, value, late in rows}


def _difference(estimate: float, low: float, high: float, pairs: int) -> Difference:
    return Difference(
        change=math.expm1(estimate), low=math.expm1(low), high=math.expm1(high), pairs=pairs
    )

"""One change that hits several targets: what they show together. Reported, it decides nothing.

The mean of the targets' estimates has the standard error sqrt(sum of squares) / T, so five targets
show what one of them can't (statistics, section 3.2). Targets are measured apart: independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lens_gate.judge.evidence import MIN_SE, Z95, changes
from lens_gate.records.check import CheckKind, Verdict
from lens_gate.stats import special


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """A change of one metric over several targets, as fractions like those of ``Verdict``.

    ``low`` and ``high`` are a two-sided 90 % interval, ``p_worse`` is the one-sided p-value of "not
    worse on average", ``targets`` are those that have an estimate with an interval, ``pairs`` their
    pairs in all.
    """

    estimate: float
    low: float
    high: float
    p_worse: float
    targets: int
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    worse: float
    se: float
    pairs: int


def pooled(verdicts: Sequence[Verdict], kind: CheckKind, *, better: str = "lower") -> Pooled | None:
    """The mean change over targets; ``None`` where fewer than two of them have one.

    Args:
        verdicts: of duets, one for each target: the same metric's same statistic (``kind``), no
            error rate.
        kind: the statistic: how its interval was made tells the standard error.
        better: the metric's direction.
    """
    parts = [part for v in verdicts if (part := _part(v, kind, better)) is not None]
    if len(parts) < 2:
        return None
    worse = math.fsum(part.worse for part in parts) / len(parts)
    square = math.fsum(part.se**2 for part in parts)
    se = math.sqrt(square) / len(parts)
    half, p_worse = Z95 * se, special.norm_sf(worse / se)
    if kind == "mean":  # Welch and Satterthwaite
        df = square**2 / math.fsum(part.se**4 / (part.pairs - 1) for part in parts)
        half, p_worse = special.t_ppf(0.95, df) * se, special.t_sf(worse / se, df)
    estimate, low, high = changes(worse, worse - half, worse + half, better=better)
    if estimate is None or low is None or high is None:
        return None
    return Pooled(
        estimate=estimate,
        low=low,
        high=high,
        p_worse=p_worse,
        targets=len(parts),
        pairs=sum(part.pairs for part in parts),
    )


def _part(verdict: Verdict, kind: CheckKind, better: str) -> _Part | None:
    """A target's estimate and standard error on the log scale, as a worsening."""
    ends = (verdict.estimate, verdict.low, verdict.high)
    if any(end is None or end <= -1 for end in ends):
        return None
    worse, low, high = (math.log1p(end) for end in ends if end is not None)
    half = special.t_ppf(0.95, verdict.n - 1) if kind == "mean" else Z95
    return _Part(
        worse=worse if better == "lower" else -worse,
        se=max((high - low) / 2 / half, MIN_SE),
        pairs=verdict.n,
    )

"""Whether numbers rise or fall steadily over time: Theil-Sen's slope and the Mann-Kendall test.

The slope is the median of those between all pairs of numbers (Theil 1950; Sen, "Estimates of the
regression coefficient based on Kendall's tau", JASA 63, 1968), its interval cuts off as many of
them at both ends as Kendall's S allows. The test asks whether later numbers tend to be larger (Mann
1945; Kendall, "Rank Correlation Methods", 1975), with the variance corrected for ties.

Numbers that resemble their neighbours seem to have trends when they only wander: the variance is
enlarged to that of as many independent numbers as they are worth (Yue and Wang, "The Mann-Kendall
test modified by effective sample size to detect trend in serially correlated hydrological series",
Water Resources Management 18, 2004), by an AR(1) coefficient that is estimated beside the trend.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_gate.stats.change_points import memory
from lens_gate.stats.special import norm_ppf, norm_sf

FloatArray = NDArray[np.float64]

LEAST = 8
"""Fewer numbers show no trend at any sensible level."""

MOST = 1500
"""Of more numbers than this, so many are taken, evenly spaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """By how much the numbers rise in one unit of time, with a two-sided interval.

    ``p`` is two-sided: "there is no trend". ``memory`` is the AR(1) coefficient allowed for.
    """

    slope: float
    low: float
    high: float
    p: float
    memory: float
    n: int


def trend(times: ArrayLike, series: ArrayLike, *, level: float = 0.90) -> Slope | None:
    """The trend of numbers at these times, which rise; ``None`` of too few, or of one moment.

    Raises:
        ValueError: the two differ in length, a number is not finite, or times fall.
    """
    moments = np.asarray(times, dtype=np.float64).ravel()
    values = np.asarray(series, dtype=np.float64).ravel()
    if moments.size != values.size:
        raise ValueError("each number needs its time")
    if not (np.isfinite(moments).all() and np.isfinite(values).all()):
        raise ValueError("a series must be finite")
    if (np.diff(moments) < 0.0).any():
        raise ValueError("times must rise")
    if values.size < LEAST or moments[0] == moments[-1]:
        return None
    if values.size > MOST:
        kept = np.linspace(0, values.size - 1, MOST).round().astype(np.int64)
        moments, values = moments[kept], values[kept]
    slopes = _slopes(moments, values)
    slope = float(np.median(slopes))
    phi = memory(values - slope * moments)
    sd = math.sqrt(_variance(moments, values) * _inflation(values.size, phi))
    low, high = _ends(slopes, sd * norm_ppf((1.0 + level) / 2.0))
    s = _kendall(moments, values)
    # A tiny correction for continuity: S moves in steps of 2 where there are no ties.
    z = max(0.0, abs(s) - 1.0) / sd if sd > 0.0 else 0.0
    return Slope(
        slope=slope,
        low=low,
        high=high,
        p=min(1.0, 2.0 * norm_sf(z)),
        memory=phi,
        n=int(values.size),
    )


def _slopes(moments: FloatArray, values: FloatArray) -> FloatArray:
    """Between every two numbers of different times, in rising order."""
    first, second = np.triu_indices(values.size, 1)
    apart = moments[second] - moments[first]
    later = apart > 0.0
    slopes: FloatArray = np.sort((values[second] - values[first])[later] / apart[later])
    return slopes


def _kendall(moments: FloatArray, values: FloatArray) -> float:
    """Kendall's S: pairs that rise with time less pairs that fall; equal times count nothing."""
    first, second = np.triu_indices(values.size, 1)
    signs = np.sign(values[second] - values[first]) * np.sign(moments[second] - moments[first])
    return float(signs.sum())


def _variance(moments: FloatArray, values: FloatArray) -> float:
    """Of S where there is no trend, with ties among times and among values."""
    n = float(values.size)
    t, u = _ties(moments), _ties(values)
    whole = n * (n - 1.0) * (2.0 * n + 5.0)
    cubic = (whole - _cubic(t) - _cubic(u)) / 18.0
    triples = float((t * (t - 1.0) * (t - 2.0)).sum() * (u * (u - 1.0) * (u - 2.0)).sum())
    pairs = float((t * (t - 1.0)).sum() * (u * (u - 1.0)).sum())
    return cubic + triples / (9.0 * n * (n - 1.0) * (n - 2.0)) + pairs / (2.0 * n * (n - 1.0))


def _ties(numbers: FloatArray) -> FloatArray:
    return np.unique(numbers, return_counts=True)[1].astype(np.float64)


def _cubic(counts: FloatArray) -> float:
    return float((counts * (counts - 1.0) * (2.0 * counts + 5.0)).sum())


def _inflation(n: int, phi: float) -> float:
    """By how much AR(1) memory enlarges the variance of a mean: n over the effective size."""
    lags = np.arange(1, n, dtype=np.float64)
    return 1.0 + 2.0 * float(((1.0 - lags / n) * phi**lags).sum())


def _ends(slopes: FloatArray, half: float) -> tuple[float, float]:
    """Sen's interval: as many slopes are cut off at either end as S, this far from 0, leaves."""
    cut = round((slopes.size - half) / 2.0)
    if cut < 1:
        return -math.inf, math.inf
    return float(slopes[cut - 1]), float(slopes[-cut])

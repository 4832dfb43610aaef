"""Chances of tests: how often a test rejects where the truth is known to be off by so much.

``signed_rank``   Wilcoxon's test, on normal values
``above``         an estimate with a standard error, known or itself estimated, above some hurdles
``first_leaving`` a sum of independent steps that is looked at now and then
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lens_gate.stats.signed_rank import cut
from lens_gate.stats.special import norm_ppf, norm_sf, t_ppf

FloatArray = NDArray[np.float64]

Hurdles = Sequence[tuple[float, float]]
"""Tests that must all reject: "no more than this" at that level."""

_FARTHEST = 8.0
"""Standard deviations beyond which a normal density adds nothing (1e-15)."""

_FEWEST, _MOST = 64, 1024
"""Nodes of an integral; between the two as many as its kernel asks for."""


def signed_rank(n: int, alpha: float, effect: float) -> float:
    """The chance that Wilcoxon's one-sided signed-rank test at ``alpha`` rejects "at most 0".

    Args:
        n: how many values.
        alpha: the level.
        effect: the true centre of the values, in their standard deviations.

    The exact critical value against the normal approximation of T+ with its mean and variance under
    the alternative: Lehmann, "Nonparametrics" (1975), section 4.2. For large effects this is far
    below what the standard error of the estimate promises, since T+ can't exceed n (n + 1) / 2.
    """
    least = n * (n + 1) // 2 - cut(n, alpha) + 1  # T+ from here on is rejected
    if least > n * (n + 1) // 2:
        return 0.0
    one, two, three = _chances(min(effect, _FARTHEST))
    mean = n * one + n * (n - 1) / 2 * two
    pairs = 2 * (one - two) ** 2 + 3 * two * (1 - two)
    variance = (
        n * one * (1 - one) + n * (n - 1) / 2 * pairs + n * (n - 1) * (n - 2) * (three - two * two)
    )
    return norm_sf((least - 0.5 - mean) / math.sqrt(max(variance, 1e-12)))


@lru_cache(maxsize=1024)
def _chances(effect: float) -> tuple[float, float, float]:
    """P(X1 > 0), P(X1 + X2 > 0), P(X1 + X2 > 0 and X1 + X3 > 0), X normal about ``effect``."""
    step = 0.25
    places = [step * k for k in range(round(-_FARTHEST / step), round(_FARTHEST / step) + 1)]
    density = [math.exp(-u * u / 2) * step / math.sqrt(2 * math.pi) for u in places]
    rest = [norm_sf(-2 * effect - u) for u in places]
    both = math.fsum(w * p * p for w, p in zip(density, rest, strict=True))
    return norm_sf(-effect), norm_sf(-math.sqrt(2) * effect), both


def above(
    centre: float,
    sd: float,
    hurdles: Hurdles,
    *,
    df: float = math.inf,
    learned: float = 1.0,
    learned_df: float | None = None,
) -> float:
    """The chance that a normal estimate is above each shift of ``hurdles`` by its own t-test.

    Args:
        centre: where the estimate lies on average.
        sd: its true standard deviation.
        hurdles: (shift, level) of each test; all of them must reject.
        df: degrees of freedom of the tests; infinite: normal, with ``sd`` itself.
        learned: which share of the variance that the tests use is estimated; the rest is ``sd``^2.
        learned_df: degrees of freedom of that estimate, a chi-square that is independent of the
            estimate; by default ``df``. 0 is for an estimate of nothing: its share is 0.

    With ``learned`` 1 and one hurdle it is the tail of the noncentral t.
    """
    steps = [
        (shift, norm_ppf(1 - level) if math.isinf(df) else t_ppf(1 - level, df))
        for shift, level in hurdles
    ]
    total = 0.0
    for weight, ratio in _chi_squares(df if learned_df is None else learned_df):
        se = sd * math.sqrt(1 - learned + learned * ratio)
        least = max(shift + step * se for shift, step in steps)
        total += weight * norm_sf((least - centre) / sd)
    return min(1.0, total)


@lru_cache(maxsize=512)
def _chi_squares(df: float) -> tuple[tuple[float, float], ...]:
    """Weights and places of a chi-square divided by its degrees of freedom, for an integral."""
    if math.isinf(df) or df == 0:
        return ((1.0, 1.0),)
    reach = _FARTHEST / math.sqrt(2 * df)
    nodes, weights = _legendre(_FEWEST)
    low, high = max(0.0, 1 - reach), 1 + reach
    roots = low + (high - low) * (nodes + 1) / 2
    log_density = (df - 1) * np.log(roots) - df * roots * roots / 2
    density = weights * np.exp(log_density - log_density.max())
    density /= density.sum()
    return tuple(zip(density.tolist(), np.square(roots).tolist(), strict=True))


def first_leaving(
    times: Sequence[float], upper: Sequence[float], lower: Sequence[float]
) -> tuple[float, float]:
    """The chances that a sum of steps is first seen above its upper bound, and below its lower one.

    Args:
        times: when it is looked at, rising; the sum has this variance then, and the mean 0.
        upper: at each look the bound above, in standard deviations of the sum at that time.
        lower: the bound below; bounds may be infinite, and none may lie above its upper one.

    The density of the sums that are still inside is carried from look to look by Gauss-Legendre
    integration: Armitage, McPherson and Rowe, "Repeated significance tests on accumulating data"
    (JRSS A 132, 1969).
    """
    above_all, below_all, before = 0.0, 0.0, 0.0
    places: FloatArray = np.zeros(1)
    mass: FloatArray = np.ones(1)
    for time, top, bottom in zip(times, upper, lower, strict=True):
        root, step = math.sqrt(time), math.sqrt(time - before)
        high, low = top * root, bottom * root
        above_all += float(mass @ _beyond(high - places, step))
        below_all += float(mass @ _beyond(places - low, step))
        # What is left beyond the eight standard deviations is nothing.
        ends = max(low, -_FARTHEST * root), min(high, _FARTHEST * root)
        if not ends[0] < ends[1]:
            break
        nodes, weights = _legendre(_count((ends[1] - ends[0]) / step))
        fresh = ends[0] + (ends[1] - ends[0]) * (nodes + 1) / 2
        kernel = np.exp(-np.square((fresh[:, None] - places[None, :]) / step) / 2)
        inside = kernel @ mass / (step * math.sqrt(2 * math.pi))
        places, mass, before = fresh, inside * weights * (ends[1] - ends[0]) / 2, time
    return min(1.0, above_all), min(1.0, below_all)


def _count(widths: float) -> int:
    """Nodes enough for an interval as wide as so many standard deviations of a step."""
    return min(_MOST, max(_FEWEST, 32 * math.ceil(widths / 8)))


def _beyond(distances: FloatArray, sd: float) -> FloatArray:
    """The chance that a normal step exceeds each distance."""
    return np.array([norm_sf(distance / sd) for distance in distances.tolist()])


@lru_cache(maxsize=16)
def _legendre(count: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights

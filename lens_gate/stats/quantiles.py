"""Quantiles: Harrell-Davis estimates and their standard errors, exact tests and bounds.

Sources: Harrell and Davis, "A new distribution-free quantile estimator" (Biometrika 69, 1982);
exact order-statistic bounds: Conover, "Practical Nonparametric Statistics" (3rd ed., 1999),
section 3.2. Values must be finite where an estimate weighs them.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_gate.stats.special import beta_cdf, binom_tail

FloatArray = NDArray[np.float64]

MIN_N: Mapping[float, int] = MappingProxyType({0.5: 10, 0.9: 20, 0.95: 30, 0.99: 150})
"""Below this many values a quantile decides nothing."""

_FELT = 1e-17
"""Less weight than this no sum can feel."""


@lru_cache(maxsize=64)
def hd_weights(n: int, p: float) -> FloatArray:
    """The Harrell-Davis weights of ``n`` order statistics for the ``p`` quantile (read-only).

    w_j = I_{j/n}(a, b) - I_{(j-1)/n}(a, b) with a = (n + 1) p and b = (n + 1) (1 - p).
    """
    weights = np.diff(beta_cdf(np.arange(n + 1) / n, (n + 1) * p, (n + 1) * (1.0 - p)))
    weights.flags.writeable = False
    return weights


def harrell_davis(x: ArrayLike, p: float) -> float:
    """The Harrell-Davis estimate of the ``p`` quantile: a smooth mean of all order statistics.

    Raises:
        ValueError: no values.
    """
    ordered = _ordered(x)
    return float(ordered @ hd_weights(ordered.size, p))


def hd_se(x: ArrayLike, p: float) -> float:
    """The jackknife standard error of ``harrell_davis(x, p)``; infinite for a single value.

    The jackknife is the one that Harrell and Davis (1982, section 4) give. It is consistent, the
    estimate being smooth; Maritz-Jarrett belongs to the sample quantile and is 15 to 20 % too large
    here.

    Raises:
        ValueError: no values.
    """
    ordered = _ordered(x)
    n = ordered.size
    if n == 1:
        return math.inf
    weights = hd_weights(n - 1, p)
    # Without the i-th value, those before it keep their rank and those after it move down by one.
    before = np.concatenate(([0.0], np.cumsum(weights * ordered[:-1])))
    after = np.concatenate((np.cumsum((weights * ordered[1:])[::-1])[::-1], [0.0]))
    left_out = before + after
    return float(np.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum()))


def sample_quantile(x: ArrayLike, p: float) -> float:
    """The ``p`` quantile by linear interpolation (type 7 of Hyndman and Fan 1996), for tables.

    Raises:
        ValueError: no values.
    """
    ordered = _ordered(x)
    place = (ordered.size - 1) * p
    below = math.floor(place)
    share = place - below
    low = float(ordered[below])
    if share == 0.0 or low == -math.inf:
        return low
    high = float(ordered[below + 1])
    # Neither rounding nor (1 - share) low + share high may let a higher quantile come out lower.
    return low if low == high else min(high, low + share * (high - low))


def exceeds_p(values: ArrayLike, p: float, limit: float) -> float:
    """The exact one-sided p-value of "the ``p`` quantile is at most ``limit``".

    Under it each value is above the limit with a chance of at most 1 - p, so their number is at
    most binomial.
    """
    sample = np.asarray(values, dtype=np.float64)
    return binom_tail(int((sample > limit).sum()), sample.size, 1.0 - p)


def order_bounds(values: ArrayLike, p: float, level: float = 0.90) -> tuple[float, float]:
    """An exact interval for the ``p`` quantile, each end an order statistic at (1 - level) / 2.

    An end that so few values cannot give is infinite. The lower end is above a limit just where
    ``exceeds_p`` is at most (1 - level) / 2.

    Raises:
        ValueError: no values.
    """
    ordered = _ordered(values)
    alpha = (1.0 - level) / 2.0
    from_below = _outermost(ordered.size, 1.0 - p, alpha)
    from_above = _outermost(ordered.size, p, alpha)
    low = float(ordered[from_below - 1]) if from_below else -math.inf
    high = float(ordered[-from_above]) if from_above else math.inf
    return low, high


def label_swap_se(
    head_log: ArrayLike,
    base_log: ArrayLike,
    p: float,
    *,
    shift: float,
    swaps: int = 400,
    rng: np.random.Generator,
) -> float:
    """Standard deviation of the difference of two Harrell-Davis quantiles if labels meant nothing.

    Args:
        head_log: one value (log scale) for each pair.
        base_log: its partner's, in the same order.
        p: which quantile.
        shift: the difference under test; it is taken off the head before labels are swapped.
        swaps: how often all labels are drawn anew, each pair by its own coin.
        rng: its raw bits are the coins, so a seed gives the same result with any numpy.

    The standard deviation is about 0, the mean of all swaps. Where it is 0 the caller sets a floor.

    Raises:
        ValueError: no pairs, or arms of different lengths.
    """
    head = np.asarray(head_log, dtype=np.float64) - shift
    base = np.asarray(base_log, dtype=np.float64)
    if head.shape != base.shape or head.size == 0:
        raise ValueError("label swaps need pairs: two arms of one length above 0")
    n = head.size
    pooled = np.concatenate((head, base))
    order = np.argsort(pooled, kind="stable")
    ordered = pooled[order]
    kept = _coins(rng, swaps * n).reshape(swaps, n)
    # Which of all 2n values, in order, carry the label "head" in each draw. Each draw gives n, so
    # picking them from the ordered values yields every draw's arms already in order.
    labels = np.take(kept, order % n, axis=1) ^ (order >= n)
    weights = hd_weights(n, p)
    felt = np.flatnonzero(weights > _FELT)
    ranks = slice(felt[0], felt[-1] + 1)
    first = 2 * n * np.arange(swaps)[:, np.newaxis]
    arms = [
        ordered[np.flatnonzero(held).reshape(swaps, n)[:, ranks] - first]
        for held in (labels, ~labels)
    ]
    difference = (arms[0] - arms[1]) @ weights[ranks]
    return float(np.sqrt(np.square(difference).mean()))


def _ordered(x: ArrayLike) -> FloatArray:
    values = np.sort(np.asarray(x, dtype=np.float64), axis=None)
    if values.size == 0:
        raise ValueError("no values")
    return values


def _coins(rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
    words = rng.bit_generator.random_raw(-(-count // 64))
    return np.unpackbits(words.astype("<u8").view(np.uint8))[:count].astype(np.bool_)


@lru_cache(maxsize=256)
def _outermost(n: int, share: float, alpha: float) -> int:
    """The greatest r for which r - 1 or fewer of n values on one side has a chance <= alpha.

    ``share`` is the chance of a value to lie on the other side. 0 if there is none.
    """
    low, high = 0, n  # the chance for r = low is <= alpha (it is 0 for r = 0)
    while low < high:
        r = (low + high + 1) // 2
        if binom_tail(n - r + 1, n, share) <= alpha:
            low = r
        else:
            high = r - 1
    return low

"""Two samples that are no pairs: the Hodges-Lehmann shift, its interval, the Mann-Whitney test.

All three look at the differences x_i - y_j: the shift is their median, the statistic U counts those
above zero (half for zeros), the interval cuts off the same number at both ends. Source: Hollander,
Wolfe and Chicken, "Nonparametric Statistical Methods" (3rd ed., 2014), sections 4.1 to 4.3.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_gate.stats.special import norm_ppf, norm_sf

FloatArray = NDArray[np.float64]

EXACT_MAX = 50
"""Up to this many values on the smaller side, and ten times that on the other, U is exact."""

MOST = 1500
"""A larger sample is thinned to so many of its order statistics, evenly spaced."""


def shift(x: ArrayLike, y: ArrayLike) -> float:
    """The median of all differences x_i - y_j: by how much x lies above y.

    Raises:
        ValueError: a sample is empty, or a value is not finite.
    """
    return float(np.median(_differences(_sample(x), _sample(y))))


def shift_interval(x: ArrayLike, y: ArrayLike, level: float = 0.90) -> tuple[float, float]:
    """The shifts that the Mann-Whitney test keeps, each side at (1 - level) / 2.

    Both ends are differences x_i - y_j. Too few values give (-inf, inf).

    Raises:
        ValueError: a sample is empty, or a value is not finite.
    """
    above, below = _sample(x), _sample(y)
    cut = _cut(above.size, below.size, (1.0 - level) / 2.0)
    if cut == 0:
        return -math.inf, math.inf
    differences = np.sort(_differences(above, below))
    return float(differences[cut - 1]), float(differences[-cut])


def p_greater(x: ArrayLike, y: ArrayLike) -> float:
    """One-sided Mann-Whitney p-value of "x lies no higher than y" against "x lies higher".

    Exact for small samples without ties; else normal, with the variance corrected for ties and a
    continuity correction of one half.

    Raises:
        ValueError: a sample is empty, or a value is not finite.
    """
    above, below = _sample(x), _sample(y)
    m, n = above.size, below.size
    lower = int(np.searchsorted(below, above, side="left").sum())
    equal = int(np.searchsorted(below, above, side="right").sum()) - lower
    u = lower + equal / 2.0
    _, sizes = np.unique(np.concatenate((above, below)), return_counts=True)
    if sizes.size == m + n and _exact(m, n):
        # By symmetry P(U >= u) = P(U <= m n - u).
        return float(_lower_tails(min(m, n), max(m, n))[m * n - lower])
    total = m + n
    ties = float((sizes.astype(np.float64) ** 3 - sizes).sum()) / (total * (total - 1))
    variance = m * n / 12.0 * (total + 1 - ties)
    if variance <= 0.0:
        return 1.0
    return norm_sf((u - m * n / 2.0 - 0.5) / math.sqrt(variance))


def _sample(values: ArrayLike) -> FloatArray:
    found = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    if found.size == 0 or not np.isfinite(found).all():
        raise ValueError("a sample needs values, all finite")
    if found.size <= MOST:
        return found
    return found[np.round(np.linspace(0, found.size - 1, MOST)).astype(np.intp)]


def _differences(x: FloatArray, y: FloatArray) -> FloatArray:
    return (x[:, np.newaxis] - y[np.newaxis, :]).ravel()


def _exact(m: int, n: int) -> bool:
    return min(m, n) <= EXACT_MAX and max(m, n) <= 10 * EXACT_MAX


@lru_cache(maxsize=64)
def _lower_tails(m: int, n: int) -> FloatArray:
    """P(U <= u) under the null for u = 0 ... m n, without ties.

    The number of ways is the coefficient of q^u in the Gaussian binomial (m + n over m), a product
    of (1 - q^(n + i)) / (1 - q^i); each factor is carried out on probabilities.
    """
    size = m * n + 1
    chance = np.zeros(size)
    chance[0] = 1.0
    for i in range(1, m + 1):
        step = n + i
        if step < size:
            chance[step:] -= chance[:-step].copy()
        for rest in range(i):
            chance[rest::i] = np.cumsum(chance[rest::i])
        chance *= i / (n + i)
    tails = np.minimum(1.0, np.cumsum(chance))
    tails.flags.writeable = False
    return tails


@lru_cache(maxsize=256)
def _cut(m: int, n: int, alpha: float) -> int:
    """The greatest k with P(U <= k - 1) <= alpha; 0 if there is none."""
    if _exact(m, n):
        # One value among 19 others is the highest with a chance of 5 %, rounding aside.
        tails = _lower_tails(min(m, n), max(m, n))
        return int(np.searchsorted(tails, alpha * (1.0 + 1e-9), side="right"))
    spread = math.sqrt(m * n * (m + n + 1) / 12.0)
    return max(0, math.floor(m * n / 2.0 + norm_ppf(alpha) * spread + 0.5))

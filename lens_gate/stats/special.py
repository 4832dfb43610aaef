"""The distribution functions that the tests need: beta, t, normal, binomial, hypergeometric.

They are written here so that numpy is the only thing needed at run time. Small tails are computed
as such, never as one minus a number near one, so they keep their relative accuracy.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_Number = TypeVar("_Number", float, FloatArray)

_CONVERGED = 4e-15
_LOGIT_BOUND = 700.0  # exp() of more than 709 overflows
_STANDARD_NORMAL = NormalDist()


@overload
def beta_cdf(x: float, a: float, b: float) -> float: ...
@overload
def beta_cdf(x: FloatArray, a: float, b: float) -> FloatArray: ...
def beta_cdf(x: float | FloatArray, a: float, b: float) -> float | FloatArray:
    """The regularised incomplete beta function I_x(a, b), for a number or an array of them.

    Args:
        x: where; below 0 counts as 0, above 1 as 1.
        a: first shape, above 0.
        b: second shape, above 0.

    Source: continued fraction of DiDonato and Morris, "Algorithm 708" (ACM TOMS 18, 1992), section
    4; power terms by Loader's saddle-point form ("Fast and Accurate Computation of Binomial
    Probabilities", 2000), which does not lose digits when a and b are large.
    """
    if not isinstance(x, np.ndarray):
        return _beta_tails(float(x), 1.0 - float(x), a, b)[0]
    result = (x >= 1.0).astype(np.float64)
    inside = (x > 0.0) & (x < 1.0)
    below = inside & (x * (a + b + 2.0) < a + 1.0)
    above = inside & ~below
    for chosen, flipped in ((below, False), (above, True)):
        if not chosen.any():
            continue
        here, rest = x[chosen], 1.0 - x[chosen]
        front = _power_terms(here, rest, a, b)
        if flipped:
            result[chosen] = 1.0 - front / _fraction(rest, here, b, a)
        else:
            result[chosen] = front / _fraction(here, rest, a, b)
    return result


def beta_ppf(q: float, a: float, b: float) -> float:
    """The quantile of the beta distribution: the x at which ``beta_cdf(x, a, b)`` is ``q``."""
    if q <= 0.0:
        return 0.0
    if q >= 1.0:
        return 1.0
    return 1.0 / (1.0 + math.exp(-_beta_logit(q, 1.0 - q, a, b)))


def t_sf(t: float, df: float) -> float:
    """P(T > t) for Student's t with ``df`` degrees of freedom (above 0, need not be whole)."""
    ratio = t / math.sqrt(df)
    square = ratio * ratio
    tail = 0.5 * _beta_tails(1.0 / (1.0 + square), square / (1.0 + square), df / 2.0, 0.5)[0]
    return tail if t >= 0.0 else 1.0 - tail


@lru_cache(maxsize=1024)
def t_ppf(q: float, df: float) -> float:
    """The quantile of Student's t: the t with P(T <= t) = ``q``; infinite at 0 and 1."""
    if q <= 0.0:
        return -math.inf
    if q >= 1.0:
        return math.inf
    if q == 0.5:
        return 0.0
    tail = min(q, 1.0 - q)
    # df / (df + t^2) is beta distributed; its logit is log(df / t^2), exact at both ends.
    size = math.sqrt(df) * math.exp(-_beta_logit(2.0 * tail, 1.0 - 2.0 * tail, df / 2.0, 0.5) / 2)
    return -size if q < 0.5 else size


def norm_sf(z: float) -> float:
    """P(Z > z) for the standard normal distribution."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def norm_ppf(q: float) -> float:
    """The quantile of the standard normal distribution; infinite at 0 and 1."""
    if q <= 0.0:
        return -math.inf
    if q >= 1.0:
        return math.inf
    return _STANDARD_NORMAL.inv_cdf(q)


def binom_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) for X binomial with ``n`` trials of probability ``p``."""
    if k <= 0:
        return 1.0
    if k > n or p <= 0.0:
        return 0.0
    if p >= 1.0:
        return 1.0
    return _beta_tails(p, 1.0 - p, float(k), float(n - k + 1))[0]


def hypergeom_tail(k: int, good: int, bad: int, draws: int) -> float:
    """P(X >= k), X being the good ones among ``draws`` taken from ``good`` + ``bad``.

    Counted in whole numbers and divided once, so the result is correctly rounded.
    """
    lowest, highest = max(0, draws - bad), min(good, draws)
    if k <= lowest:
        return 1.0
    if k > highest:
        return 0.0
    ways = math.comb(good, k) * math.comb(bad, draws - k)
    total = ways
    for i in range(k, highest):
        ways = ways * (good - i) * (draws - i) // ((i + 1) * (bad - draws + i + 1))
        total += ways
    return total / math.comb(good + bad, draws)


def _beta_tails(x: float, y: float, a: float, b: float) -> tuple[float, float, float]:
    """Lower tail, upper tail, and x^a y^b / B(a, b), at x with y = 1 - x."""
    if x <= 0.0:
        return 0.0, 1.0, 0.0
    if y <= 0.0:
        return 1.0, 0.0, 0.0
    front = float(_power_terms(x, y, a, b))
    if x * (a + b + 2.0) < a + 1.0:
        lower = front / _fraction(x, y, a, b)
        return lower, 1.0 - lower, front
    upper = front / _fraction(y, x, b, a)
    return 1.0 - upper, upper, front


def _power_terms(x: _Number, y: _Number, a: float, b: float) -> _Number:
    """x^a y^b / B(a, b), as the distance from its peak (Loader 2000)."""
    n = a + b
    scale = math.sqrt(a * b / (2.0 * math.pi * n))
    constant = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    exponent = a * _log_ratio(x, a / n) + b * _log_ratio(y, b / n) + constant
    result: _Number = scale * np.exp(exponent)
    return result


def _log_ratio(x: _Number, centre: float) -> _Number:
    """log(x / centre), exact also where x is close to the centre."""
    excess = (x - centre) / centre
    near = np.abs(excess) < 0.5
    result: Any = np.where(near, np.log1p(np.where(near, excess, 0.0)), np.log(x / centre))
    return cast("_Number", result)


def _stirling_error(z: float) -> float:
    """Log of Gamma(z + 1), less Stirling's formula for it."""
    if z < 16.0:
        return math.lgamma(z + 1.0) - (z + 0.5) * math.log(z) + z - 0.5 * math.log(2.0 * math.pi)
    w = 1.0 / (z * z)
    return (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / z


def _fraction(x: _Number, y: _Number, a: float, b: float) -> _Number:
    """The continued fraction K with I_x(a, b) = x^a y^b / (B(a, b) K), by Lentz's method.

    For x below (a + 1) / (a + b + 2), where it converges in about sqrt(max(a, b)) steps.
    """
    value = a * (a * y - b * x + 1.0) / (a + 1.0)
    upper, lower = value, 0.0 * value
    worst, m = 1.0, 0
    while worst > _CONVERGED:
        m += 1
        odd = a + 2 * m - 1
        above = (a + m - 1) * (a + b + m - 1) * m * (b - m) * x * x / (odd * odd)
        below = m + m * (b - m) * x / odd
        below = below + (a + m) * (a * y - b * x + 1.0 + m * (2.0 - x)) / (odd + 2.0)
        lower = 1.0 / (below + above * lower)
        upper = below + above / upper
        factor = upper * lower
        value = value * factor
        off: Any = abs(factor - 1.0)
        worst = float(off.max()) if isinstance(off, np.ndarray) else off
    return value


def _beta_logit(lower: float, upper: float, a: float, b: float) -> float:
    """log(x / (1 - x)) of the beta quantile x with the given tails (which add up to 1).

    Newton's method on the logarithm of the smaller tail, kept inside a bracket. Both tails are
    straight lines far out on this scale, so it converges from anywhere.
    """
    low, high = -_LOGIT_BOUND, _LOGIT_BOUND
    here = math.log(a / b)
    while True:
        x, y = 1.0 / (1.0 + math.exp(-here)), 1.0 / (1.0 + math.exp(here))
        below, above, front = _beta_tails(x, y, a, b)
        tail, target, sign = (below, lower, 1.0) if lower <= upper else (above, upper, -1.0)
        low, high = (low, here) if sign * tail > sign * target else (here, high)
        known = min(tail, front) > 0.0
        step = sign * math.log(tail / target) * tail / front if known else math.inf
        there = here - step if low < here - step < high else (low + high) / 2.0
        if not abs(there - here) > 1e-14 * (1.0 + abs(here)):  # also ends where a shape is nan
            return there
        here = there

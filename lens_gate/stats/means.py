"""Means, on the logarithm: estimates with delta-method standard errors; tests of a ratio of means.

Values are at least 0. A mean of 0 has the logarithm -inf, and its standard error is 0.

The delta method says how precise an estimate is where no single value makes the mean. It proves
nothing where one does: with a stall of an hour in one arm, the logarithm of the ratio is many of
its own standard errors away from any other. Tests and intervals of pairs therefore are Fieller's
("Some problems in interval estimation", Journal of the Royal Statistical Society B 16, 1954), of
differences at the ratio in question, in which such a value weighs as one sign.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def log_mean_se(x: ArrayLike) -> tuple[float, float]:
    """The logarithm of the arithmetic mean, and its standard error by the delta method.

    The standard error is infinite for a single value. No floor is applied.

    Raises:
        ValueError: no values, or a mean below 0.
    """
    values = _values(x)
    mean = float(values.mean())
    if values.size == 1:
        return _log(mean), math.inf
    return _log(mean), _se(_relative(values, mean))


def paired_log_ratio(head: ArrayLike, base: ArrayLike) -> tuple[float, float, int]:
    """The logarithm of head's mean over base's, its paired standard error, and the degrees n - 1.

    By the delta method the ratio varies as the differences head / mean(head) - base / mean(base).
    Two means of 0 are equal; one of them 0 gives an infinite estimate. No floor is applied.

    Raises:
        ValueError: no pairs, arms of different lengths, or a mean below 0.
    """
    above, below = _values(head), _values(base)
    if above.size != below.size:
        raise ValueError("a paired ratio needs arms of one length")
    mean_above, mean_below = float(above.mean()), float(below.mean())
    log_above, log_below = _log(mean_above), _log(mean_below)
    estimate = 0.0 if log_above == log_below else log_above - log_below
    if above.size == 1:
        return estimate, math.inf, 0
    return (
        estimate,
        _se(_relative(above, mean_above) - _relative(below, mean_below)),
        above.size - 1,
    )


def paired_t(head: ArrayLike, base: ArrayLike, shift: float, *, floor: float) -> float:
    """How many standard errors the logarithm of head's mean over base's lies above ``shift``.

    They are those of the differences at that ratio, with n - 1 degrees of freedom; ``floor`` is the
    least, as a share of the larger mean.

    Raises:
        ValueError: fewer than two pairs, arms of different lengths, or a mean that is not above 0.
    """
    above, below, ratio = _unit_means(head, base)
    # The larger of the two weights is 1, so that no square of a value overflows.
    weights = math.exp(min(0.0, ratio - shift)), math.exp(min(0.0, shift - ratio))
    error = _se(weights[0] * above - weights[1] * below)
    return (weights[0] - weights[1]) / max(error, floor)


def paired_ratio_interval(head: ArrayLike, base: ArrayLike, *, steps: float) -> tuple[float, float]:
    """The logarithms of the ratio of the means that lie within ``steps`` such standard errors.

    An end is infinite where so few pairs, or so uneven ones, give none.

    Raises:
        ValueError: as ``paired_t``.
    """
    above, below, ratio = _unit_means(head, base)
    scale = steps * steps / above.size
    # (1 - r)^2 <= scale (variance above - 2 r covariance + r^2 variance below)
    square = 1.0 - scale * float(below.var(ddof=1))
    half = 1.0 - scale * float(((above - 1.0) * (below - 1.0)).sum()) / (above.size - 1)
    rest = 1.0 - scale * float(above.var(ddof=1))
    if square <= 0.0:
        return -math.inf, math.inf
    root = math.sqrt(max(0.0, half * half - square * rest))
    low, high = (_log(max(0.0, (half + side * root) / square)) for side in (-1.0, 1.0))
    return ratio + low, ratio + high


def _unit_means(head: ArrayLike, base: ArrayLike) -> tuple[FloatArray, FloatArray, float]:
    """Both arms divided by their means, and the logarithm of the ratio of these."""
    above, below = _values(head), _values(base)
    if above.size != below.size or above.size < 2:
        raise ValueError("a paired ratio needs two pairs or more, and arms of one length")
    means = float(above.mean()), float(below.mean())
    if not min(means) > 0.0:
        raise ValueError("a ratio needs means above 0")
    return above / means[0], below / means[1], math.log(means[0]) - math.log(means[1])


def _values(x: ArrayLike) -> FloatArray:
    values = np.asarray(x, dtype=np.float64).ravel()
    if values.size == 0:
        raise ValueError("no values")
    return values


def _log(mean: float) -> float:
    if mean < 0.0:
        raise ValueError("the logarithm of a mean needs a mean of at least 0")
    return math.log(mean) if mean > 0.0 else -math.inf


def _relative(values: FloatArray, mean: float) -> FloatArray:
    return values / mean if mean > 0.0 else np.zeros_like(values)


def _se(terms: FloatArray) -> float:
    return float(terms.std(ddof=1)) / math.sqrt(terms.size)

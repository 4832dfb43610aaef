"""Means, on the logarithm: estimates with delta-method standard errors.

Values are at least 0. A mean of 0 has the logarithm -inf, and its standard error is 0.
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

"""A new number against a short series of earlier ones, each with its own standard error.

The unit of replication is the earlier number, not what it was computed from. A few of them say
little about their spread, so it is shrunk towards a prior one, as in Smyth (2004), "Linear models
and empirical Bayes methods" (moderated t): the prior counts as ``nu0`` further observations.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lens_gate.stats.special import t_ppf, t_sf

NU0 = 4.0
"""By default the prior spread counts for as many numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFit:
    """How far the candidate lies from the mean of the series, and how well that is known.

    ``mean`` is that of the series, ``difference`` the candidate less that mean, ``scale`` the
    standard deviation of the difference, ``df`` its degrees of freedom.
    """

    mean: float
    difference: float
    scale: float
    df: float


def shrunken_t(
    y: ArrayLike,
    se: ArrayLike,
    candidate: float,
    candidate_se: float,
    *,
    prior_sd: float,
    nu0: float = NU0,
) -> HistoryFit:
    """Compare ``candidate`` with the series ``y`` of K >= 1 numbers.

    Args:
        y: the earlier numbers.
        se: the standard error of each from within itself.
        candidate: the new number.
        candidate_se: its standard error from within itself.
        prior_sd: tau, the standard deviation between numbers beyond their standard errors.
        nu0: how many observations the prior counts for.

    s2 = (nu0 (tau^2 + mean se_k^2) + sum (y_k - mean y)^2) / (nu0 + K - 1), at least se_cand^2;
    scale^2 = s2 (1 + 1/K) + max(0, se_cand^2 - mean se_k^2); df = nu0 + K - 1. The last term is for
    a candidate that is known less well than the series.

    Raises:
        ValueError: the series is empty, or y and se differ in length.
    """
    series = np.asarray(y, dtype=np.float64).ravel()
    errors = np.asarray(se, dtype=np.float64).ravel()
    if series.size == 0 or series.size != errors.size:
        raise ValueError("a series needs at least one number, and a standard error for each")
    count = series.size
    mean = float(series.mean())
    within = float(np.square(errors).mean())
    own = candidate_se * candidate_se
    df = nu0 + count - 1
    spread = nu0 * (prior_sd * prior_sd + within) + float(np.square(series - mean).sum())
    s2 = max(spread / df, own)
    scale = math.sqrt(s2 * (1.0 + 1.0 / count) + max(0.0, own - within))
    return HistoryFit(mean=mean, difference=candidate - mean, scale=scale, df=df)


def history_p_greater(fit: HistoryFit, shift: float) -> float:
    """The one-sided p-value of "the true difference is at most ``shift``"."""
    return t_sf((fit.difference - shift) / fit.scale, fit.df)


def history_p_less(fit: HistoryFit, shift: float) -> float:
    """The one-sided p-value of "the true difference is at least ``shift``"."""
    return t_sf((shift - fit.difference) / fit.scale, fit.df)


def history_interval(fit: HistoryFit, level: float = 0.90) -> tuple[float, float]:
    """An interval for the true difference, each end one-sided at (1 - level) / 2."""
    half = t_ppf((1.0 + level) / 2.0, fit.df) * fit.scale
    return fit.difference - half, fit.difference + half

"""What other gates do, on requests that they hold for independent: one old run against one new.

Each takes the stored runs (oldest first) and the head's requests of one target, and gives whether
each of its gates fails. None knows of a family, so each gate is tested for itself, as it is in use.

Kayenta, by its public documentation and as its default judge is set up: a metric is "High" where
the 98 % Mann-Whitney interval of the shift lies above a quarter of the estimated shift; the build
fails where a metric is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.verdicts.model import METRICS, FloatArray, Requests
from bench.verdicts.policies import GATES, Gate

Fails: TypeAlias = dict[Gate, bool]
Rival: TypeAlias = Callable[[Sequence[Requests], Requests], Fails]

LEVEL = 0.05
RESAMPLES = 400
_KAYENTA_LEVEL, _KAYENTA_TOLERANCE = 0.98, 0.25


def statistic(kind: str, values: FloatArray) -> "NDArray[np.float64]":
    """The statistic that a plain gate takes, along the last axis."""
    if kind == "mean":
        return np.asarray(values.mean(axis=-1))
    return np.asarray(np.quantile(values, 0.95 if kind == "p95" else 0.5, axis=-1))


def threshold(most: float) -> Rival:
    """A fixed threshold: fails where the new statistic is above ``most`` times the last one."""

    def fails(past: Sequence[Requests], head: Requests) -> Fails:
        return {
            (metric, kind): bool(
                statistic(kind, head.values(metric))
                > most * statistic(kind, past[-1].values(metric))
            )
            for metric, kind in GATES
        }

    return fails


def mann_whitney(past: Sequence[Requests], head: Requests) -> Fails:
    """All requests of the new run against all of the last one."""
    return {
        _centre(metric): bool(
            stats.mannwhitneyu(
                head.values(metric), past[-1].values(metric), alternative="greater"
            ).pvalue
            < LEVEL
        )
        for metric in METRICS
    }


def kayenta(past: Sequence[Requests], head: Requests) -> Fails:
    """The default judge of a canary analysis, with the last run for a baseline."""
    result = {}
    for metric in METRICS:
        shifts = np.sort(np.subtract.outer(head.values(metric), past[-1].values(metric)), axis=None)
        low = _lower_end(shifts, len(head.tokens), len(past[-1].tokens))
        bound = _KAYENTA_TOLERANCE * abs(float(np.median(shifts)))
        result[_centre(metric)] = low > bound
    return result


def _lower_end(shifts: FloatArray, m: int, n: int) -> float:
    """The lower end of the interval of the shift, from all differences in order."""
    z = float(stats.norm.isf((1.0 - _KAYENTA_LEVEL) / 2.0))
    cut = math.floor(m * n / 2.0 - z * math.sqrt(m * n * (m + n + 1) / 12.0))
    return float(shifts[max(0, cut)])


def t_over_history(past: Sequence[Requests], head: Requests) -> Fails:
    """One number for each run: the new one against mean and spread of the stored ones."""
    result = {}
    for metric, kind in GATES:
        runs = np.log([statistic(kind, run.values(metric)) for run in past])
        new = np.log(statistic(kind, head.values(metric)))
        t = (new - runs.mean()) / (runs.std(ddof=1) * math.sqrt(1.0 + 1.0 / len(runs)))
        result[metric, kind] = bool(stats.t.sf(t, len(runs) - 1) < LEVEL)
    return result


def bootstrap(past: Sequence[Requests], head: Requests) -> Fails:
    """Requests drawn anew in both runs: fails where the ratio's lower 95 % bound is above 1."""
    draws = np.random.default_rng(0)
    result = {}
    for metric, kind in GATES:
        new, old = (
            statistic(kind, draws.choice(run.values(metric), (RESAMPLES, len(run.tokens))))
            for run in (head, past[-1])
        )
        result[metric, kind] = bool(np.quantile(new / old, LEVEL) > 1.0)
    return result


def _centre(metric: str) -> Gate:
    return next(gate for gate in GATES if gate[0] == metric and gate[1] != "p95")


RIVALS: Mapping[str, tuple[Rival, int]] = MappingProxyType(
    {
        "threshold +10 %": (threshold(1.1), 100),
        "threshold 200 %": (threshold(2.0), 100),
        "Mann-Whitney": (mann_whitney, 100),
        "Kayenta-like": (kayenta, 100),
        "t over 10 runs": (t_over_history, 100),
        "bootstrap": (bootstrap, 50),
    }
)
"""By name, with how many requests of each run it is given."""

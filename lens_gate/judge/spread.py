"""How widely a statistic scatters: the pair variances that ``power`` asks for.

A pair variance is n times the variance of the log change that is estimated from n pairs.
"""

import math
from collections.abc import Sequence

from lens_gate.judge.evidence import minimum
from lens_gate.judge.history import point
from lens_gate.judge.inputs import KINDS
from lens_gate.metrics.catalogue import TargetKind

# Hosted: `typ` and p50 as measured (statistics, section 3.2), p95 of TTFT and E2E from the pairs
# that they need (section 4.3: n = (4.68 / log f)^2 x the figure), tokens from their spread of 13 %.
# All else, and self-hosted, from the generative model of section 2 with 120 to 400 pairs.
_HOSTED = {
    "ttft": {"typ": 0.32, "mean": 1.25, "p50": 0.36, "p90": 1.8, "p95": 4.2, "p99": 30.0},
    "itl": {"typ": 0.12, "mean": 0.195, "p50": 0.15, "p90": 0.52, "p95": 1.35, "p99": 10.0},
    "e2e": {"typ": 0.124, "mean": 0.20, "p50": 0.15, "p90": 0.55, "p95": 1.27, "p99": 9.0},
    "speed": {"typ": 0.10, "mean": 0.098, "p50": 0.13, "p90": 0.22, "p95": 0.33, "p99": 1.04},
    "tokens": {"typ": 0.035, "mean": 0.0338, "p50": 0.051, "p90": 0.085, "p95": 0.13, "p99": 0.42},
}
_SELF_HOSTED = {
    "ttft": {"typ": 0.083, "mean": 0.08, "p50": 0.115, "p90": 0.20, "p95": 0.30, "p99": 0.96},
    "itl": {"typ": 0.006, "mean": 0.006, "p50": 0.009, "p90": 0.018, "p95": 0.027, "p99": 0.086},
    "e2e": {"typ": 0.033, "mean": 0.032, "p50": 0.048, "p90": 0.084, "p95": 0.13, "p99": 0.39},
    "speed": {"typ": 0.0065, "mean": 0.0065, "p50": 0.01, "p90": 0.019, "p95": 0.028, "p99": 0.084},
    "tokens": _HOSTED["tokens"],
}
_LIKE = {
    "ttft": "ttft",
    "ttft_scheduled": "ttft",
    "ttfr": "ttft",
    "ttfb": "ttft",
    "itl": "itl",
    "tpot": "itl",
    "e2e": "e2e",
    "e2e_scheduled": "e2e",
    "output_tps": "speed",
    "output_tokens": "tokens",
    "cost_usd": "tokens",
}


def pair_variance(metric: str, statistic: str, kind: TargetKind) -> float | None:
    """The pair variance of a metric's statistic where nothing was measured yet.

    ``None`` where none is known: metrics of the whole window, error rates, and those that depend
    on the workload alone. Simulated targets have the noise of hosted ones.
    """
    table = _SELF_HOSTED if kind == "self-hosted" else _HOSTED
    return table.get(_LIKE.get(metric, ""), {}).get(statistic)


def variance_of(
    runs: Sequence[Sequence[float]], kind: str, *, better: str = "lower"
) -> float | None:
    """The pair variance by stored values, one sequence for each run; ``None`` where too few.

    Twice the variance within a run, averaged over the runs. Where prompts differ in what they take,
    this is too large, since pairs send the same prompt: what is found with it is found with fewer.
    Runs with fewer values than the kind's minimum, or with a value that has no logarithm, are left
    out.

    Args:
        runs: values above 0 of one metric.
        kind: ``typ``, ``mean`` or a quantile of ``Check.kind``.
        better: the metric's direction.
    """
    if kind not in KINDS or kind in ("max", "error_rate", "shift"):
        return None
    sign = 1.0 if better == "lower" else -1.0
    found = []
    for run in runs:
        values = tuple(map(float, run))
        if len(values) < minimum(kind) or min(values) <= 0:
            continue
        _, se = point(kind, values, (False,) * len(values), sign)
        found.append(2 * len(values) * se * se)
    return math.fsum(found) / len(found) if found else None

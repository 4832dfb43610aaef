"""History: the head's statistic against those of the stored runs (statistics, section 3.5).

The run is the unit of replication. Every run gives one number on the log scale with its standard
error; a t with a shrunken variance asks whether the head is one more of them. A failure says that
the service is worse *than its history*, not that this change did it.
"""

import math
from functools import lru_cache

from lens_gate.judge.evidence import (
    MIN_SE,
    Z95,
    Evidence,
    barred_pass,
    changes,
    minimum,
    no_success,
    reaches,
    too_few,
)
from lens_gate.judge.inputs import QUANTILES, Case, Side, lift_zeros
from lens_gate.stats import history, means, quantiles, signed_rank

_ENOUGH = 64
"""The width of a signed-rank interval is known from this many values spread over the sample."""

NO_BASELINE = "no baseline yet; this run is offered as the first"


def history_evidence(case: Case) -> Evidence:
    """Evidence on a relative check of any kind but ``error_rate`` against stored runs.

    A stored run with fewer usable requests than the kind's minimum is left out.
    """
    check, head = case.check, case.head
    need, n = minimum(check.kind), len(case.head.values)
    settled = no_success(case)
    if settled is not None:
        return settled
    if not case.runs:
        return Evidence(
            settled="inconclusive", note=NO_BASELINE, n=n, head_value=_alone(case, need)
        )
    runs = [run for run in case.runs if len(run.values) >= need]
    if not runs:
        note = f"no comparable baseline: none of {len(case.runs)} runs has {need} usable requests"
        return Evidence(
            settled="inconclusive",
            note=f"{note}; this run is offered",
            n=n,
            head_value=_alone(case, need),
        )
    if n < need:
        return too_few(n, need, "requests")
    lifted = lift_zeros([head, *runs], each=check.kind != "mean")
    if lifted is None:
        return Evidence(settled="no_data", note="values of zero: no relative change", n=n)
    return _compare(case, runs, lifted)


def _alone(case: Case, need: int) -> float | None:
    """The head's statistic, which a first run is read for; ``None`` of too few, or of zeros."""
    kind, head = case.check.kind, case.head
    lifted = lift_zeros([head], each=kind != "mean")
    if len(head.values) < need or lifted is None or not any(head.values):
        return None
    sign = 1.0 if case.check.better == "lower" else -1.0
    return math.exp(sign * point(kind, lifted[0], head.late, sign)[0])


def _compare(case: Case, runs: list[Side], lifted: tuple[tuple[float, ...], ...]) -> Evidence:
    check, head = case.check, case.head
    sign = 1.0 if check.better == "lower" else -1.0
    sides = zip(lifted, [head, *runs], strict=True)
    points = [point(check.kind, values, side.late, sign) for values, side in sides]
    (candidate, candidate_se), past = points[0], points[1:]
    fit = history.shrunken_t(
        [y for y, _ in past],
        [se for _, se in past],
        candidate,
        candidate_se,
        prior_sd=check.run_sd,
    )
    shift = math.log1p(case.bound)
    low, high = history.history_interval(fit, level=0.90)
    estimate, low_change, high_change = changes(fit.difference, low, high, better=check.better)
    n, late = len(head.values), sum(head.late)
    past_n, past_late = sum(len(run.values) for run in runs), sum(sum(run.late) for run in runs)
    past_reach = reaches(check.kind, past_late, past_n, better=check.better)
    return Evidence(
        n=n,
        base_n=len(runs),
        estimate=estimate,
        low=low_change,
        high=high_change,
        base_value=math.exp(sign * fit.mean),
        head_value=math.exp(sign * candidate),
        p_worse=history.history_p_greater(fit, 0.0),
        p_margin=history.history_p_greater(fit, shift),
        p_within=history.history_p_less(fit, shift),
        p_better=history.history_p_less(fit, 0.0),
        no_fail=f"{past_late} of {past_n} requests of the history timed out" if past_reach else "",
        no_pass=barred_pass(head, check.kind, late=late, n=n, better=check.better),
        se=fit.scale,
        df=fit.df,
    )


@lru_cache(maxsize=1024)
def point(
    kind: str, values: tuple[float, ...], late: tuple[bool, ...], sign: float
) -> tuple[float, float]:
    """A run's statistic on the log scale, more is worse, with its standard error.

    Kept, since a stored run is asked the same again: for each verdict that is looked at twice.
    """
    if kind == "mean":
        log_mean, se = means.log_mean_se(values)
        return sign * log_mean, max(se, MIN_SE)
    logs = list(map(math.log, values))
    if sign < 0:
        logs = [-x for x in logs]
    if any(late):
        worst = max(logs)
        logs = [worst if flag else x for x, flag in zip(logs, late, strict=True)]
    if kind == "typ":
        return signed_rank.hodges_lehmann(logs), max(_typ_se(logs), MIN_SE)
    p = QUANTILES[kind] if sign > 0 else 1.0 - QUANTILES[kind]
    return quantiles.harrell_davis(logs, p), max(quantiles.hd_se(logs, p), MIN_SE)


def _typ_se(logs: list[float]) -> float:
    """Standard error of the Hodges-Lehmann estimate, from the width of its 90 % interval.

    A large sample is thinned to evenly spaced order statistics, which keeps its shape: the interval
    costs the square of what it is given, and its width goes with one over the root of n.
    """
    n = len(logs)
    if n > _ENOUGH:
        ordered = sorted(logs)
        logs = [ordered[(2 * k + 1) * n // (2 * _ENOUGH)] for k in range(_ENOUGH)]
    low, high = signed_rank.interval(logs, level=0.90)
    return (high - low) / 2.0 / Z95 * math.sqrt(len(logs) / n)

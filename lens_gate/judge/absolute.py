"""Absolute limits: the head arm of this run against a number (statistics, section 3.8).

Quantiles are bounded by exact binomial order statistics, ``typ`` by the inverted signed rank,
means by t on their logarithm; ``max`` is a plain fact of this run. A late value (a timeout's limit)
counts as beyond the limit. Where more is better the limit is a minimum and "beyond" is below it.
"""

import math
from dataclasses import dataclass

from lens_gate.judge.evidence import (
    MIN_SE,
    MIN_USABLE,
    Evidence,
    finite,
    gated_value,
    log,
    minimum,
    no_success,
    too_few,
)
from lens_gate.judge.inputs import QUANTILES, Case, Side
from lens_gate.stats import means, quantiles, signed_rank, special


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """A statistic held against its limit.

    ``estimate`` takes late values as infinitely bad; ``low`` and ``high`` are a two-sided 90 %
    interval; ``p`` belongs to "the statistic is within the limit".
    """

    estimate: float
    low: float
    high: float
    p: float


def absolute_evidence(case: Case) -> Evidence:
    """Evidence on an absolute check of any kind but ``error_rate``."""
    check, head, limit = case.check, case.head, case.bound
    settled = no_success(case)
    if settled is not None:
        return settled
    n = len(head.values)
    if n < minimum(check.kind) and check.kind != "max":
        return too_few(n, minimum(check.kind), "requests")
    sign = 1.0 if check.better == "lower" else -1.0
    bound = _bound(check.kind, head, limit, sign)
    recorded = _statistic(check.kind, head.values)
    return Evidence(
        n=n,
        estimate=recorded,
        low=finite(bound.low),
        high=finite(bound.high),
        head_value=recorded,
        p_worse=bound.p,
        no_pass=_barred(head, check.kind),
        exceeded=sign * bound.estimate > sign * limit,
        unshown=not sign * (bound.high if sign > 0 else bound.low) <= sign * limit,
    )


def _barred(head: Side, kind: str) -> str:
    n, late = len(head.values), sum(head.late)
    if n < MIN_USABLE:
        return f"{n} usable requests: at least {MIN_USABLE} are needed"
    if head.erred_much:
        return f"{head.errors} of {head.asked} requests failed, more than a tenth"
    if 10 * late > n:
        return f"{late} of {n} timed out, more than a tenth"
    if late and kind == "mean":
        return f"{late} of {n} timed out, so the mean is only a lower bound"
    return ""


def _statistic(kind: str, values: tuple[float, ...]) -> float:
    """The statistic of the recorded values, in the metric's unit."""
    if kind == "typ":
        return gated_value(kind, values) if all(values) else signed_rank.hodges_lehmann(values)
    if kind == "mean":
        return math.fsum(values) / len(values)
    if kind == "max":
        return max(values)
    return float(quantiles.sample_quantile(values, QUANTILES[kind]))


def _bound(kind: str, head: Side, limit: float, sign: float) -> _Bound:
    if kind == "mean":
        return _mean_bound(head.values, limit, sign)
    if kind == "typ":
        return _typ_bound(head, limit, sign)
    # From here on: signed so that more is worse, late values worse than everything.
    bad = [math.inf if late else sign * v for v, late in zip(head.values, head.late, strict=True)]
    if kind == "max":
        # The largest value of the metric itself: the worst one, or where more is better the best.
        top = max(bad) if sign > 0 else min(bad)
        return _Bound(
            estimate=sign * top, low=sign * top, high=sign * top, p=float(top <= sign * limit)
        )
    p = QUANTILES[kind] if sign > 0 else 1.0 - QUANTILES[kind]
    low, high = quantiles.order_bounds(bad, p, level=0.90)
    return _Bound(
        estimate=sign * quantiles.sample_quantile(bad, p),
        low=low if sign > 0 else -high,
        high=high if sign > 0 else -low,
        p=float(quantiles.exceeds_p(bad, p, sign * limit)),
    )


def _typ_bound(head: Side, limit: float, sign: float) -> _Bound:
    edge = sign * log(limit)
    bad = [
        math.inf if late else sign * log(v) for v, late in zip(head.values, head.late, strict=True)
    ]
    beyond = [
        math.inf if late else 0.0 if v == limit else x - edge
        for x, v, late in zip(bad, head.values, head.late, strict=True)
    ]
    ends = sorted(math.exp(sign * end) for end in signed_rank.interval(bad, level=0.90))
    return _Bound(
        estimate=math.exp(sign * signed_rank.hodges_lehmann(bad)),
        low=ends[0],
        high=ends[1],
        p=signed_rank.p_greater(beyond),
    )


def _mean_bound(values: tuple[float, ...], limit: float, sign: float) -> _Bound:
    mean = math.fsum(values) / len(values)
    if not mean or not limit:
        # Zero has no logarithm; as nothing is below it, the comparison is exact.
        return _Bound(estimate=mean, low=mean, high=mean, p=float(sign * mean <= sign * limit))
    log_mean, se = means.log_mean_se(values)
    se, df = max(se, MIN_SE), len(values) - 1
    half = special.t_ppf(0.95, df) * se
    return _Bound(
        estimate=mean,
        low=math.exp(log_mean - half),
        high=math.exp(log_mean + half),
        p=special.t_sf(sign * (log_mean - math.log(limit)) / se, df),
    )

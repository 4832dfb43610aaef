"""Error rates: exact tests on counts, absolute and relative.

A margin on an error rate is an *added share*: 0.02 tolerates two requests in a hundred more than
the base has. A ratio would mean nothing where the base has no error, which is the usual case.
Against a control the first key is McNemar's test where the pairs of the errors are known, else
Fisher's; against a history it is Fisher's on the pooled runs, whose counts are shrunk where the
runs differ by more than chance allows. Margins are tested through Clopper-Pearson limits combined
as in Newcombe's method 10 ("Interval estimation for the difference between independent
proportions", Statistics in Medicine 17, 1998).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from lens_gate.judge.evidence import MIN_USABLE, Evidence, no_success, too_few
from lens_gate.judge.history import NO_BASELINE
from lens_gate.judge.inputs import Case, Side
from lens_gate.stats import rates, special

_FARTHEST = 7.0
_STEPS = 12
"""Halvings of a normal score up to ``_FARTHEST``: p-values to half a per cent, never too small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """``bad`` requests of ``n``."""

    bad: int
    n: int

    @property
    def rate(self) -> float:
        """The share of bad ones."""
        return self.bad / self.n


def absolute_rate_evidence(case: Case) -> Evidence:
    """Evidence on an error rate against its limit; where more is better, on its complement."""
    settled = no_success(case)
    if settled is not None:
        return settled
    limit = case.bound
    head = Count(bad=case.head.errors, n=case.head.asked)
    if head.n < MIN_USABLE:
        return too_few(head.n, MIN_USABLE, "requests")
    low, high = rates.clopper_pearson(head.bad, head.n, level=0.90)
    ceiling = limit
    estimate, exceeded, unshown = head.rate, head.rate > limit, high > limit
    if case.check.better == "higher":
        low, high, ceiling = 1.0 - high, 1.0 - low, 1.0 - limit
        estimate = (head.n - head.bad) / head.n
        exceeded, unshown = estimate < limit, low < limit
    return Evidence(
        n=head.n,
        estimate=estimate,
        low=low,
        high=high,
        head_value=estimate,
        p_worse=rates.rate_above_p(head.bad, head.n, ceiling),
        exceeded=exceeded,
        unshown=unshown,
    )


def relative_rate_evidence(case: Case) -> Evidence:
    """Evidence on an error rate against a control or a history; the margin is an added share.

    The sign of the estimate is that of the error rate; where more is better, that of the share
    without error.
    """
    settled = no_success(case)
    if settled is not None:
        return settled
    head = Count(bad=case.head.errors, n=case.head.asked)
    asked = [Count(bad=side.errors, n=side.asked) for side in case.base if side.asked]
    if not asked:
        if case.control is not None:
            return Evidence(settled="no_data", note="the control sent no request", n=head.n)
        rate = 1.0 - head.rate if case.check.better == "higher" else head.rate
        return Evidence(settled="inconclusive", note=NO_BASELINE, n=head.n, head_value=rate)
    base = _pooled(asked)
    if min(head.n, base.n) < MIN_USABLE:
        return too_few(min(head.n, base.n), MIN_USABLE, "requests")
    crowd = _crowding(asked)
    # Rounded so that a failure is never owed to rounding, and a pass neither.
    mild, harsh = _thinned(head, crowd, math.floor), _thinned(head, crowd, math.ceil)
    base_up, base_down = _thinned(base, crowd, math.ceil), _thinned(base, crowd, math.floor)
    low = least_excess(mild, base_up, 0.05)
    high = -least_excess(base_down, harsh, 0.05)
    p_worse = _p_worse(case, mild, base_up)
    higher = case.check.better == "higher"
    return Evidence(
        n=head.n,
        base_n=head.n if case.control is not None else len(asked),
        estimate=base.rate - head.rate if higher else head.rate - base.rate,
        low=-high if higher else low,
        high=-low if higher else high,
        base_value=1.0 - base.rate if higher else base.rate,
        head_value=1.0 - head.rate if higher else head.rate,
        p_worse=p_worse,
        p_margin=_p_beyond(mild, base_up, case.bound) if case.bound else p_worse,
        p_within=_p_beyond(base_down, harsh, -case.bound),
        p_better=_p_worse(case, base_down, harsh, swapped=True),
        se=_spread(mild, base_up),
        scale="share",
    )


def _pooled(counts: list[Count]) -> Count:
    return Count(bad=sum(c.bad for c in counts), n=sum(c.n for c in counts))


def _crowding(counts: list[Count]) -> float:
    """By how much the runs' error counts vary more than chance allows; at least 1 (chi-square/df).

    Errors of hosted services come in bouts, so that requests of one run are no replicates.
    """
    pooled = _pooled(counts)
    if len(counts) == 1 or pooled.bad in (0, pooled.n):
        return 1.0
    spread = pooled.rate * (1.0 - pooled.rate)
    chi = math.fsum((c.bad - c.n * pooled.rate) ** 2 / (c.n * spread) for c in counts)
    return max(1.0, chi / (len(counts) - 1))


def _thinned(count: Count, crowd: float, whole: Callable[[float], int]) -> Count:
    """The count as so many independent requests as it is worth; ``whole`` rounds the bad ones."""
    n = max(1, round(count.n / crowd))
    return Count(bad=min(n, whole(count.bad / crowd)), n=n)


def _p_worse(case: Case, head: Count, base: Count, *, swapped: bool = False) -> float:
    """Key 1: the p-value of "the head's rate is at most the base's"."""
    if case.control is not None:
        alone = _errors_alone(case.head, case.control)
        if alone is not None:
            only_head, only_base = reversed(alone) if swapped else alone
            return rates.mcnemar_greater(only_head, only_base)
    return rates.fisher_greater(head.bad, head.n, base.bad, base.n)


def _errors_alone(head: Side, control: Side) -> tuple[int, int] | None:
    """Pairs in which only the head, and only the control, has an error; ``None`` if not known.

    A key that one arm has and the other lacks is an error of the other. That reading must add up:
    as many requests on both sides, and no more keys missing than there are errors.
    """
    if head.keys is None or control.keys is None or head.asked != control.asked:
        return None
    only_head = len(set(control.keys) - set(head.keys))
    only_control = len(set(head.keys) - set(control.keys))
    return (only_head, only_control) if only_head <= head.errors else None


def least_excess(more: Count, less: Count, alpha: float) -> float:
    """The lower limit of the rate of ``more`` less that of ``less``, one-sided at ``alpha``.

    Newcombe's method 10.
    """
    low, high = _at_least(more.bad, more.n, alpha), _at_most(less.bad, less.n, alpha)
    return more.rate - less.rate - math.hypot(more.rate - low, high - less.rate)


@lru_cache(maxsize=8192)
def _at_least(bad: int, n: int, alpha: float) -> float:
    return special.beta_ppf(alpha, bad, n - bad + 1) if bad else 0.0


@lru_cache(maxsize=8192)
def _at_most(bad: int, n: int, alpha: float) -> float:
    return special.beta_ppf(1.0 - alpha, bad + 1, n - bad) if bad < n else 1.0


def _p_beyond(more: Count, less: Count, by: float) -> float:
    """The p-value of "the rate of ``more`` exceeds that of ``less`` by at most ``by``".

    It is the least alpha whose lower limit of the difference is above ``by``, found by halving its
    normal score; 1 where not even one half does.
    """
    if least_excess(more, less, 0.5) <= by:
        return 1.0
    shown, beyond = 0.0, _FARTHEST
    for _ in range(_STEPS):
        middle = (shown + beyond) / 2.0
        if least_excess(more, less, special.norm_sf(middle)) > by:
            shown = middle
        else:
            beyond = middle
    return special.norm_sf(shown)


def _spread(head: Count, base: Count) -> float:
    """Standard error of the difference of two rates, about one pooled rate that is never 0 or 1."""
    rate = (head.bad + base.bad + 1.0) / (head.n + base.n + 2.0)
    return math.sqrt(rate * (1.0 - rate) * (1.0 / head.n + 1.0 / base.n))

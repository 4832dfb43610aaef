"""What a check of an error rate can see before anything is sent (see ``power``)."""

from dataclasses import dataclass
from functools import lru_cache

from lens_gate.judge.evidence import MIN_USABLE
from lens_gate.judge.power import ALPHA, GAMMA, Looks, Odds, joined
from lens_gate.judge.rates import Count, least_excess
from lens_gate.stats import rates

_RARE = 1e-7
"""Counts less likely than this are left out of the sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTrial:
    """A relative check of an error rate; its margins and changes are added shares.

    ``rate`` is the share of bad requests on the base's side. ``looks`` are as planned, the last one
    at N requests of each arm (history: the one look at the head's). ``base_n`` counts the requests
    of all stored runs of a history; ``None``: a control, with as many as the head. ``family``,
    ``alpha`` and ``gamma`` are those of ``power.DuetTrial``.

    Every likely pair of counts is put to the tests of ``rates`` (Fisher's for key 1: McNemar's,
    where pairs are known, differs little at small rates); looks are joined as those of values are.
    """

    rate: float
    looks: Looks
    family: int
    base_n: int | None = None
    alpha: float = ALPHA
    gamma: float = GAMMA

    @property
    def largest(self) -> float:
        """Twice this, added to the rate, is every request."""
        return (1.0 - self.rate) / 2

    def odds(self, margin: float, change: float) -> Odds:
        """See ``power.Trial``."""
        worse = min(1.0, max(0.0, self.rate + change))
        return joined(
            self.looks, MIN_USABLE, lambda n, share: _at_look(self, n, share, margin, worse)
        )


@lru_cache(maxsize=4096)
def _at_look(trial: RateTrial, n: int, share: float, margin: float, worse: float) -> Odds:
    first, second = trial.alpha * share / trial.family, trial.gamma * share
    base_n, rate = trial.base_n or n, trial.rate
    of_base, of_head = rates.tails(base_n, rate), rates.tails(n, worse)
    failed = passed = 0.0
    from_here = upto = 0  # failing and passing counts of the head rise with those of the base
    for base_bad in range(base_n + 1):
        chance = of_base[base_bad] - of_base[base_bad + 1]
        if chance < _RARE:
            continue
        base = Count(bad=base_bad, n=base_n)
        while from_here <= n and not _fails(from_here, n, base, margin, first, second):
            from_here += 1
        while upto <= n and _passes(upto, n, base, margin, first, second):
            upto += 1
        failed += chance * of_head[from_here]
        passed += chance * (1.0 - of_head[upto])
    return Odds(fails=min(1.0, failed), passes=min(1.0, passed))


def _fails(bad: int, n: int, base: Count, margin: float, first: float, second: float) -> bool:
    if margin and least_excess(Count(bad=bad, n=n), base, second) <= margin:
        return False
    return _fisher(bad, n, base.bad, base.n) <= (first if margin else min(first, second))


def _passes(bad: int, n: int, base: Count, margin: float, first: float, second: float) -> bool:
    if least_excess(base, Count(bad=bad, n=n), second) <= -margin:
        return False
    return bool(margin) or _fisher(base.bad, base.n, bad, n) <= first


_fisher = lru_cache(maxsize=65536)(rates.fisher_greater)

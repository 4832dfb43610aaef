"""Rates: exact tests and bounds for counts of bad ones among n."""

import math
from functools import lru_cache
from itertools import accumulate

from lens_gate.stats.special import beta_ppf, binom_tail, hypergeom_tail


def clopper_pearson(bad: int, n: int, level: float = 0.90) -> tuple[float, float]:
    """The exact interval of a rate, each end one-sided at (1 - level) / 2; (0, 1) for n = 0.

    Source: Clopper and Pearson (Biometrika 26, 1934).
    """
    alpha = (1.0 - level) / 2.0
    low = beta_ppf(alpha, bad, n - bad + 1) if bad > 0 else 0.0
    high = beta_ppf(1.0 - alpha, bad + 1, n - bad) if bad < n else 1.0
    return low, high


def rate_above_p(bad: int, n: int, limit: float) -> float:
    """The exact one-sided p-value of "the rate is at most ``limit``": P(X >= bad)."""
    return binom_tail(bad, n, limit)


def fisher_greater(bad_a: int, n_a: int, bad_b: int, n_b: int) -> float:
    """Fisher's exact one-sided p-value of "a's rate is at most b's" against "a's is larger"."""
    bad = bad_a + bad_b
    return hypergeom_tail(bad_a, bad, n_a + n_b - bad, n_a)


def mcnemar_greater(only_a: int, only_b: int) -> float:
    """The exact one-sided p-value of "a is bad no more often than b", on pairs.

    Args:
        only_a: pairs in which only a was bad.
        only_b: pairs in which only b was bad.

    Pairs in which both or neither were bad say nothing. Source: McNemar (Psychometrika 12, 1947).
    """
    return binom_tail(only_a, only_a + only_b, 0.5)


@lru_cache(maxsize=256)
def tails(n: int, rate: float) -> tuple[float, ...]:
    """P(X >= k) for k = 0 ... n + 1, X binomial; to about twelve digits."""
    if rate <= 0.0 or rate >= 1.0:
        return (1.0,) * (1 if rate <= 0.0 else n + 1) + (0.0,) * (n + 1 if rate <= 0.0 else 1)
    yes, no, all_ways = math.log(rate), math.log1p(-rate), math.lgamma(n + 1)
    chances = [
        math.exp(all_ways - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * yes + (n - k) * no)
        for k in range(n, -1, -1)
    ]
    upward = list(accumulate(chances))
    return (*reversed(upward), 0.0)

"""Rates: exact tests and bounds for counts of bad ones among n."""

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

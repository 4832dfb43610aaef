"""Holm's step-down test of a family: Scandinavian Journal of Statistics 6 (1979)."""

import math
from collections.abc import Sequence


def holm(p_over_share: Sequence[float], *, alpha: float, family: int) -> tuple[bool, ...]:
    """Which members are rejected, in the order given, so that any false one has a chance <= alpha.

    Args:
        p_over_share: a p-value for each member given, divided by its share of the error budget.
        alpha: the level of the whole family.
        family: how many members it has; those not given count as p = 1.

    Equal p-values are rejected together, so the order of members never matters.

    Raises:
        ValueError: more members than the family has, or one that is not a number.
    """
    if len(p_over_share) > family:
        raise ValueError("more members than the family has")
    if any(math.isnan(p) for p in p_over_share):
        raise ValueError("not a number among the p-values")
    rejected = [False] * len(p_over_share)
    by_p = sorted(range(len(p_over_share)), key=p_over_share.__getitem__)
    for step, member in enumerate(by_p):
        if p_over_share[member] * (family - step) > alpha:
            break
        rejected[member] = True
    return tuple(rejected)

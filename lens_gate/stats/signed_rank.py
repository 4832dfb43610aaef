"""The one-sample centre: Hodges-Lehmann estimate, Wilcoxon signed-rank test, and its interval.

All three look at the same numbers, the Walsh averages (x_i + x_j) / 2 with i <= j: the estimate is
their median, the statistic T+ counts those above zero, the interval cuts off the same number at
both ends. So they never contradict each other. Source: Hollander, Wolfe and Chicken,
"Nonparametric Statistical Methods" (3rd ed., 2014), sections 3.1 to 3.3.

Infinite entries are values beyond every other. The average of -inf and +inf is undecided: half of
such averages count as -inf and half as +inf, as midranks have it.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from lens_gate.stats.special import norm_ppf, norm_sf

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ZERO = 1e-9
"""Differences smaller than this are no difference, and two as close as this are tied."""

EXACT_MAX = 400
"""Up to this many non-zero values the null distribution is exact."""

_DIRECT_MAX = 512  # up to this many values all averages are simply written down (1 MiB)


def hodges_lehmann(x: ArrayLike) -> float:
    """The pseudo-median: the median of all Walsh averages.

    Memory grows with n, not with its square. Entries may be infinite; where the two middle averages
    are -inf and +inf the answer is 0.

    Raises:
        ValueError: no values, or one of them is not a number.
    """
    finite, lowest, highest = _split(x)
    count = _pairs(finite.size)
    # Of all averages in order: those at -inf, the finite ones, those at +inf. The undecided ones
    # lie half on either side and so do not move the median: they are left out of the ranks.
    below = _pairs(lowest) + lowest * finite.size
    total = below + count + _pairs(highest) + highest * finite.size
    ranks = ((total - 1) // 2 - below, total // 2 - below)
    known = _walsh(finite, [rank for rank in ranks if 0 <= rank < count])
    first, second = (
        -math.inf if rank < 0 else math.inf if rank >= count else known[rank] for rank in ranks
    )
    if first == second:
        return first
    return 0.0 if math.isinf(first) and math.isinf(second) else first / 2.0 + second / 2.0


def p_greater(d: ArrayLike) -> float:
    """One-sided Wilcoxon signed-rank p-value of "the centre is at most 0" against "above 0".

    Zeros are dropped. Exact up to ``EXACT_MAX`` values without ties, and wherever no value is
    negative (then p is 2^-n, ties or not); else midranks and the normal with the variance corrected
    for ties and a continuity correction of half a step of T+. All zeros give 1.

    Raises:
        ValueError: one of the values is not a number.
    """
    values = _numbers(d)
    values = values[np.abs(values) >= ZERO]
    n = values.size
    if n == 0:
        return 1.0
    twice_ranks, sizes = _twice_midranks(np.abs(values))
    against = int(twice_ranks[values < 0.0].sum())
    if against == 0:
        return 0.5**n
    if n <= EXACT_MAX and sizes.size == n:
        return _upper_tail(n, against // 2)
    ties = int((sizes**3 - sizes).sum())
    variance = n * (n + 1) * (2 * n + 1) / 24.0 - ties / 48.0
    # T+ moves in steps of half the common divisor of the doubled ranks; without ties that is 1.
    # Many equal values make it coarse, and then a correction of 0.5 would be too little.
    half_step = max(0.5, int(np.gcd.reduce(twice_ranks)) / 4.0)
    excess = n * (n + 1) / 4.0 - against / 2.0
    return norm_sf((excess - half_step) / math.sqrt(variance))


def interval(x: ArrayLike, level: float = 0.90) -> tuple[float, float]:
    """The values c that the signed-rank test of x - c keeps, each side at (1 - level) / 2.

    Both ends are Walsh averages. Too few values give (-inf, inf).

    Raises:
        ValueError: no values, or one of them is not a number.
    """
    finite, lowest, highest = _split(x)
    outside = cut(finite.size + lowest + highest, (1.0 - level) / 2.0)
    if outside == 0:
        return -math.inf, math.inf
    count = _pairs(finite.size)
    undecided = (lowest * highest + 1) // 2
    first = outside - 1 - (_pairs(lowest) + lowest * finite.size + undecided)
    last = count - outside + _pairs(highest) + highest * finite.size + undecided
    known = _walsh(finite, [rank for rank in (first, last) if 0 <= rank < count])
    low, high = (
        -math.inf if rank < 0 else math.inf if rank >= count else known[rank]
        for rank in (first, last)
    )
    return low, high


def _numbers(x: ArrayLike) -> FloatArray:
    values = np.asarray(x, dtype=np.float64).ravel()
    if np.isnan(values).any():
        raise ValueError("not a number among the values")
    return values


def _split(x: ArrayLike) -> tuple[FloatArray, int, int]:
    """The finite values in order, and how many are -inf and +inf."""
    values = _numbers(x)
    if values.size == 0:
        raise ValueError("no values")
    known = np.isfinite(values)
    if known.all():
        return np.sort(values), 0, 0
    lowest, highest = int((values == -np.inf).sum()), int((values == np.inf).sum())
    return np.sort(values[known]), lowest, highest


def _pairs(n: int) -> int:
    return n * (n + 1) // 2


def _twice_midranks(sizes: FloatArray) -> tuple[IntArray, IntArray]:
    """Twice the midrank of each value, and the size of each group of ties."""
    order = np.argsort(sizes, kind="stable")
    ordered = sizes[order]
    with np.errstate(invalid="ignore"):  # inf - inf: not above ZERO, so tied, as it should be
        starts = np.flatnonzero(np.concatenate(([True], np.diff(ordered) > ZERO)))
    groups = np.diff(np.concatenate((starts, [sizes.size])))
    result = np.empty(sizes.size, dtype=np.int64)
    result[order] = np.repeat(2 * starts + groups + 1, groups)
    return result, groups.astype(np.int64)


@lru_cache(maxsize=64)
def _lower_tails(n: int) -> FloatArray:
    """P(T <= t) under the null for t = 0 ... up to the middle of its range, n values, no ties."""
    half = _pairs(n) // 2
    chance = np.zeros(half + 1)
    chance[0] = 1.0
    for rank in range(1, n + 1):
        before = chance.copy()
        chance[rank:] += before[: max(0, half + 1 - rank)]
        chance *= 0.5
    tails = np.cumsum(chance)
    tails.flags.writeable = False
    return tails


def _upper_tail(n: int, against: int) -> float:
    """P(T+ >= n (n + 1) / 2 - against), which is P(T <= against) by symmetry."""
    tails = _lower_tails(n)
    if against < tails.size:
        return float(tails[against])
    return 1.0 - float(tails[_pairs(n) - against - 1]) if against < _pairs(n) else 1.0


@lru_cache(maxsize=256)
def cut(n: int, alpha: float) -> int:
    """How many values of the null distribution each side of a test at ``alpha`` cuts off.

    It is the greatest k with P(T <= k - 1) <= alpha for ``n`` values without ties; 0 if there is
    none, and then no data can be significant.
    """
    if n <= EXACT_MAX:
        return int(np.searchsorted(_lower_tails(n), alpha, side="right"))
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)
    return max(0, math.floor(n * (n + 1) / 4.0 + norm_ppf(alpha) * spread + 0.5))


def _walsh(ordered: FloatArray, ranks: list[int]) -> dict[int, float]:
    """The Walsh averages at the given ranks (from 0, each in range) of finite, sorted values."""
    if not ranks:
        return {}
    if ordered.size <= _DIRECT_MAX:
        averages = _all_averages(ordered)
        averages.partition(sorted(set(ranks)))
        return {rank: float(averages[rank]) for rank in ranks}
    distinct, copies = np.unique(ordered, return_counts=True)
    return {rank: _select(distinct, copies, rank) for rank in set(ranks)}


def _all_averages(values: FloatArray) -> FloatArray:
    """Each value with itself, with the next one round the circle, the one after it, and so on.

    Half way round every pair was there once; of an even number of values the last turn is half one.
    """
    n, halves = values.size, values / 2.0
    circle = np.concatenate((halves, halves[: n // 2]))
    turns = sliding_window_view(circle, n)
    averages: FloatArray = (turns + halves).ravel()[: _pairs(n)]
    return averages


def _select(distinct: FloatArray, copies: IntArray, rank: int) -> float:
    """The Walsh average at ``rank``, without writing down all of them.

    A bracket around it is halved until few pairs are left inside; those are written down. It is the
    idea of Monahan, "Algorithm 616" (ACM TOMS 10, 1984), with halving in place of random rows, so
    that it has no chance in it. Equal values are kept once with their number.
    """
    halves = distinct / 2.0
    before = np.concatenate(([0], np.cumsum(copies)))
    # Averages are rounded; the bracket is widened by more than that before anything is left out.
    slack = 8.0 * np.finfo(np.float64).eps * float(np.abs(distinct[[0, -1]]).max())
    low, high = float(distinct[0]), float(distinct[-1])
    few = 4 * distinct.size
    while True:
        rows_low = np.searchsorted(halves, low - slack - halves, side="left")
        rows_high = np.searchsorted(halves, high + slack - halves, side="right")
        rows_from = np.maximum(rows_low, np.arange(distinct.size))
        inside = np.maximum(rows_high - rows_from, 0)
        if inside.sum() <= few or high - low <= slack:
            break
        middle = low / 2.0 + high / 2.0
        if _count_up_to(halves, copies, before, middle) > rank:
            high = middle
        else:
            low = middle
    if inside.sum() > few:
        return low / 2.0 + high / 2.0  # a crowd that differs by rounding only
    rows = np.repeat(np.arange(distinct.size), inside)
    columns = np.arange(inside.sum()) - np.repeat(np.cumsum(inside) - inside - rows_from, inside)
    averages = halves[rows] + halves[columns]
    weights = np.where(
        rows == columns, copies[rows] * (copies[rows] + 1) // 2, copies[rows] * copies[columns]
    )
    order = np.argsort(averages, kind="stable")
    left_out = _weight_below(copies, before, rows_low)
    place = np.searchsorted(np.cumsum(weights[order]), rank - left_out, side="right")
    return float(averages[order[place]])


def _count_up_to(halves: FloatArray, copies: IntArray, before: IntArray, value: float) -> int:
    """How many Walsh averages are at most ``value``, but for rounding."""
    return _weight_below(copies, before, np.searchsorted(halves, value - halves, side="right"))


def _weight_below(copies: IntArray, before: IntArray, ends: NDArray[np.intp]) -> int:
    """How many pairs i <= j lie in the columns before ``ends`` of their row.

    A value of c copies has c (c + 1) / 2 pairs with itself.
    """
    beyond = np.maximum(before[ends] - before[1:], 0)
    itself = np.where(np.arange(copies.size) < ends, copies * (copies + 1) // 2, 0)
    return int((copies * beyond + itself).sum())

"""The centre: estimate, test and interval, against brute force and scipy."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.stats import signed_rank
from lens_gate.stats.signed_rank import hodges_lehmann, interval, p_greater

INF = math.inf


def averages(x):
    """All Walsh averages in order, without those of -inf and +inf."""
    pairs = itertools.combinations_with_replacement(x, 2)
    return sorted(a / 2 + b / 2 for a, b in pairs if not (math.isinf(a) and b == -a))


def brute_p(d):
    """P(T+ at least as large) over all signs, with midranks of |d|."""
    ranks = scipy.stats.rankdata(np.abs(d))
    seen = ranks[np.asarray(d) > 0].sum()
    signs = itertools.product((0, 1), repeat=len(d))
    return np.mean([np.dot(s, ranks) >= seen - 1e-9 for s in signs])


# --- the estimate ---------------------------------------------------------------------------


def test_pseudo_median_by_hand():
    assert hodges_lehmann([5.0]) == 5.0
    assert hodges_lehmann([1.0, 2.0]) == 1.5
    assert hodges_lehmann([1.0, 2.0, 9.0]) == 3.5  # of 1, 1.5, 2, 5, 5.5, 9


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_pseudo_median_is_the_median_of_walsh_averages(x):
    assert hodges_lehmann(x) == pytest.approx(np.median(averages(x)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("n", [513, 514, 1500])
@pytest.mark.parametrize(
    "kind", ["skewed", "grid", "two", "constant", "clusters", "huge", "zero_and_one"]
)
def test_the_thrifty_way_agrees_with_writing_all_averages_down(n, kind):
    rng = np.random.default_rng(n)
    x = {
        "skewed": rng.lognormal(sigma=2.0, size=n),
        "grid": rng.integers(1, 40, n) / 1000.0,
        "two": rng.integers(0, 2, n) + 0.3,
        "constant": np.full(n, 0.1),
        "clusters": np.round(rng.normal(size=n), 1) + rng.normal(size=n) * 1e-15,
        "huge": rng.normal(size=n) * 1e300,
        "zero_and_one": np.arange(n) % 2 * 1.0,
    }[kind]
    i, j = np.triu_indices(n)
    every = np.sort(x[i] / 2 + x[j] / 2)
    tolerance = 1e-13 * np.abs(x).max()
    assert hodges_lehmann(x) == pytest.approx(np.median(every), rel=0, abs=tolerance)
    low, high = interval(x)
    cut = signed_rank.cut(n, (1 - 0.9) / 2)
    assert low == pytest.approx(every[cut - 1], rel=0, abs=tolerance)
    assert high == pytest.approx(every[-cut], rel=0, abs=tolerance)


def test_thousands_of_values_need_little_memory():
    x = np.random.default_rng(5).lognormal(size=5000)
    tracemalloc.start()
    centre = hodges_lehmann(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20  # all averages take 100 MB
    # As many of the averages above it as below, counted row by row.
    below = sum(int((x[i:] / 2 + x[i] / 2 < centre).sum()) for i in range(5000))
    above = sum(int((x[i:] / 2 + x[i] / 2 > centre).sum()) for i in range(5000))
    assert below == above == 5000 * 5001 // 4


@settings(deadline=None)
@given(st.lists(st.sampled_from([-INF, -2.0, 0.0, 0.5, 3.0, INF]), min_size=1, max_size=25))
def test_infinite_values_lie_beyond_every_other(x):
    known = averages(x)
    # Two numbers far out stand in for infinity: the undecided averages then meet in the middle,
    # which leaves out as many above as below.
    middle = sorted((known[(len(known) - 1) // 2], known[len(known) // 2]))
    expected = 0.0 if middle == [-INF, INF] else sum(middle) / 2
    assert hodges_lehmann(x) == expected


def test_infinite_values_by_hand():
    assert hodges_lehmann([-INF, INF]) == 0.0
    assert hodges_lehmann([-INF, 5.0, INF]) == 5.0
    assert hodges_lehmann([INF]) == INF
    assert hodges_lehmann([1.0, 2.0, 3.0, INF]) == 2.75  # 1 1.5 2 2 2.5 3 and four infinite
    assert hodges_lehmann([-INF, -INF, 1.0]) == -INF


def test_infinite_values_among_many():
    x = np.random.default_rng(2).normal(size=1000)
    plain = hodges_lehmann(x)
    far = np.concatenate((x, np.full(50, INF), np.full(50, -INF)))
    assert hodges_lehmann(far) == pytest.approx(plain, abs=0.01)
    assert hodges_lehmann(np.concatenate((x, np.full(50, INF)))) > plain


@pytest.mark.parametrize("function", [hodges_lehmann, interval])
def test_no_values_have_no_centre(function):
    with pytest.raises(ValueError, match="no values"):
        function([])


@pytest.mark.parametrize("function", [hodges_lehmann, interval, p_greater])
def test_what_is_no_number_is_refused(function):
    with pytest.raises(ValueError, match="not a number"):
        function([1.0, math.nan])


# --- the test -------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=10, unique=True),
    st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_p_is_exact_over_all_signs(sizes, signs):
    d = [size if sign else -size for size, sign in zip(sizes, signs, strict=False)]
    assert p_greater(d) == pytest.approx(brute_p(d), rel=1e-12)


@pytest.mark.parametrize("n", [16, 50, 120, 400])
@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.2, 0.6, 1.0])
def test_p_agrees_with_scipy_where_exact(n, shift):
    d = np.random.default_rng(n).normal(size=n) + shift
    theirs = scipy.stats.wilcoxon(d, alternative="greater", method="exact").pvalue
    # scipy takes the upper tail as one less the lower, so it has no digits left far out.
    assert p_greater(d) == pytest.approx(theirs, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("n", [16, 61, 150])
def test_p_keeps_its_digits_far_out(n):
    """Against whole numbers: in how many ways do ranks add up to at most t?"""
    ways = [1]
    for rank in range(1, n + 1):
        longer = [*ways, *[0] * rank]
        for total, count in enumerate(ways):
            longer[total + rank] += count
        ways = longer
    ranks = np.arange(1.0, n + 1)
    for negative in ([], [1], [2, 5], [n], [n - 1, n], list(range(1, n, 2))):
        against = sum(negative)
        exact = sum(ways[: against + 1]) / 2**n
        d = np.where(np.isin(ranks, negative), -ranks, ranks)
        assert p_greater(d) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize(("n", "shift"), [(401, 0.1), (1000, -0.05), (1000, 0.2), (5000, 0.03)])
def test_p_agrees_with_scipy_where_normal(n, shift):
    d = np.random.default_rng(n).normal(size=n) + shift
    theirs = scipy.stats.wilcoxon(
        d, alternative="greater", method="asymptotic", correction=True
    ).pvalue
    assert p_greater(d) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("n", [16, 60, 400, 900])
def test_p_agrees_with_scipy_with_ties_and_zeros(n):
    d = np.round(np.random.default_rng(n).normal(size=n) + 0.2, 1)
    theirs = scipy.stats.wilcoxon(
        d, zero_method="wilcox", alternative="greater", method="asymptotic", correction=True
    ).pvalue
    assert (d == 0).any()
    assert p_greater(d) == pytest.approx(theirs, rel=1e-9)


def test_zeros_say_nothing():
    assert p_greater([]) == p_greater([0.0] * 40) == p_greater([1e-10, -1e-10]) == 1.0
    assert p_greater([0.0, 3.0, -1.0, 2.0, -1e-12]) == p_greater([3.0, -1.0, 2.0])
    assert p_greater([2e-9]) == 0.5


def test_values_that_differ_by_rounding_are_tied():
    apart = [0.1 + 0.2, -0.3, 0.5, 0.7]
    assert apart[0] != 0.3
    assert p_greater(apart) == p_greater([0.3, -0.3, 0.5, 0.7])


@pytest.mark.parametrize("n", [4, 16, 400, 600])
def test_equal_constants_above_zero_give_two_to_the_minus_n(n):
    assert p_greater([0.2] * n) == 2.0**-n
    assert p_greater([-0.2] * n) > 0.95


@pytest.mark.parametrize("against", [1, 3, 4, 5])
def test_many_equal_values_are_not_judged_too_boldly(against):
    """All |d| equal: it is a sign test. A correction of 0.5 ignores its coarse steps."""
    n = 16
    d = [0.1] * (n - against) + [-0.1] * against
    exact = scipy.stats.binom.cdf(against, n, 0.5)
    plain = scipy.stats.wilcoxon(
        d, alternative="greater", method="asymptotic", correction=True
    ).pvalue
    assert p_greater(d) >= 0.9 * exact
    if against > 3:
        assert plain < 0.75 * exact


def test_infinite_values_rank_highest_and_tie():
    assert p_greater([INF, 1.0, -2.0]) == p_greater([9.0, 1.0, -2.0])
    assert p_greater([-INF, 1.0, -2.0]) == p_greater([-9.0, 1.0, -2.0])
    assert p_greater([INF, -INF, 1.0, 2.0]) == p_greater([9.0, -9.0, 1.0, 2.0])
    assert p_greater([INF] * 20) == 2.0**-20


def test_both_sides_together_cover_everything():
    d = np.random.default_rng(4).normal(size=30)
    at = scipy.stats.wilcoxon(d, alternative="two-sided", method="exact")
    assert min(1.0, 2 * min(p_greater(d), p_greater(-d))) == pytest.approx(at.pvalue, rel=1e-9)
    assert p_greater(d) + p_greater(-d) > 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_null_distribution_is_whole(n):
    total = n * (n + 1) // 2
    assert signed_rank._upper_tail(n, total) == 1.0
    tails = [signed_rank._upper_tail(n, t) for t in range(total + 1)]
    steps = np.diff([0.0, *tails])
    assert steps == pytest.approx(steps[::-1])
    assert min(steps) >= 0


# --- the interval ---------------------------------------------------------------------------


def test_interval_by_table():
    """n = 10: P(T <= 10) = 0.0420 and P(T <= 11) = 0.0527, so the 11th average is the end."""
    x = np.random.default_rng(10).normal(size=10)
    every = averages(x)
    assert interval(x, level=0.90) == (every[10], every[-11])


def test_too_few_values_have_no_interval():
    assert interval([1.0, 2.0, 3.0, 4.0]) == (-INF, INF)
    low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low, high) == (1.0, 5.0)


@settings(deadline=None)
@given(st.integers(5, 40), st.integers(0, 10**6), st.sampled_from([0.8, 0.9, 0.95]))
def test_interval_holds_what_the_test_keeps(n, seed, level):
    x = np.random.default_rng(seed).standard_t(3, size=n)
    low, high = interval(x, level)
    alpha = (1 - level) / 2
    if math.isfinite(low):
        assert p_greater(x - (low - 1e-6)) <= alpha < p_greater(x - (low + 1e-6))
        assert p_greater(high + 1e-6 - x) <= alpha < p_greater(high - 1e-6 - x)


def test_interval_of_many_agrees_with_the_normal_test():
    x = np.random.default_rng(3).normal(size=450)
    low, high = interval(x)
    assert p_greater(x - (low - 1e-6)) <= 0.05 < p_greater(x - (low + 1e-6))
    assert p_greater(high + 1e-6 - x) <= 0.05 < p_greater(high - 1e-6 - x)


def test_the_cut_just_fits_the_level():
    """The greatest number of averages to cut off, where P(T <= t) meets the level exactly too."""
    # n = 5: P(T <= 0) = 1/32 and P(T <= 1) = 2/32.
    assert [signed_rank.cut(5, alpha) for alpha in (0.031, 1 / 32, 0.06, 2 / 32)] == [0, 1, 1, 2]
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0], level=1 - 2 / 32) == (1.0, 5.0)


@pytest.mark.parametrize("n", [401, 450, 700, 1500])
@pytest.mark.parametrize("alpha", [0.005, 0.05, 0.1])
def test_the_cut_of_many_is_that_of_the_normal_with_half_a_step(n, alpha):
    mean, spread = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    cut = signed_rank.cut(n, alpha)
    kept = [scipy.stats.norm.cdf((k - 1 + 0.5 - mean) / spread) <= alpha for k in (cut, cut + 1)]
    assert kept == [True, False]


def test_interval_with_infinite_values():
    x = list(np.random.default_rng(8).normal(size=20))
    one = interval([*x, INF])
    assert -INF < interval(x)[0] <= one[0] < one[1] < INF
    several = interval([*x, *[INF] * 6])
    assert one[0] < several[0] < INF == several[1]
    assert interval([*x, *[INF] * 20]) == (INF, INF)  # ranks alone: the centre is beyond any value
    assert interval([INF] * 20) == (INF, INF)
    assert interval([-INF] * 20) == (-INF, -INF)
    # Both kinds: an undecided average (an odd number of them) widens either end.
    low, high = interval([*x, INF, -INF])
    assert low <= interval([*x, INF, INF])[0]
    assert high >= interval([*x, -INF, -INF])[1]


def test_an_undecided_average_widens_both_ends():
    """n = 12 cuts off 18 (P(T <= 17) = 0.0461): 11 averages at -inf, one undecided, 6 finite."""
    x = np.random.default_rng(12).normal(size=10)
    every = averages(x)
    assert interval([*x, INF, -INF]) == (every[5], every[-6])


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.floats(-50, 50), st.just(INF), st.just(-INF)), min_size=1, max_size=30)
)
def test_estimate_lies_in_its_interval_and_mirrors(x):
    low, high = interval(x)
    centre = hodges_lehmann(x)
    assert low <= centre <= high
    mirrored = [-value for value in x]
    assert hodges_lehmann(mirrored) == pytest.approx(-centre, abs=1e-12)
    assert interval(mirrored) == (pytest.approx(-high), pytest.approx(-low))

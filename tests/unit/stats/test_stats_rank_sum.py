import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from lens_gate.stats import rank_sum

RNG = np.random.default_rng(11)
NORMAL = [(RNG.normal(0.4, 1, m), RNG.normal(0, 1, n)) for m, n in ((1, 19), (5, 7), (8, 40))]
LARGE = (RNG.normal(0.2, 1, 80), RNG.normal(0, 1, 90))


@pytest.mark.parametrize(("x", "y"), NORMAL)
def test_p_is_the_exact_one_of_small_samples(x, y) -> None:
    expected = reference.mannwhitneyu(x, y, alternative="greater", method="exact").pvalue
    assert rank_sum.p_greater(x, y) == pytest.approx(expected, rel=1e-9)
    other = reference.mannwhitneyu(y, x, alternative="greater", method="exact").pvalue
    assert rank_sum.p_greater(y, x) == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y"), [LARGE, ([1, 2, 2, 3, 3, 3], [0, 1, 2, 2, 3, 1]), ([2.0, 2.0], [1.0, 2.0, 3.0])]
)
def test_p_is_the_normal_one_of_large_samples_and_of_ties(x, y) -> None:
    expected = reference.mannwhitneyu(x, y, alternative="greater", method="asymptotic").pvalue
    assert rank_sum.p_greater(x, y) == pytest.approx(expected, rel=1e-9)


def test_equal_values_everywhere_show_nothing() -> None:
    assert rank_sum.p_greater([1.0] * 9, [1.0] * 9) == 1.0


def test_the_shift_is_the_median_of_all_differences() -> None:
    assert rank_sum.shift([5.0, 9.0], [1.0, 2.0, 4.0]) == pytest.approx(
        np.median([4, 3, 1, 8, 7, 5])
    )
    x, y = LARGE
    moved = rank_sum.shift(x + 3.0, y)
    assert moved == pytest.approx(rank_sum.shift(x, y) + 3.0)


def test_the_interval_keeps_the_shifts_that_the_test_keeps() -> None:
    for x, y in (*NORMAL[1:], LARGE):
        low, high = rank_sum.shift_interval(x, y, level=0.90)
        assert low < rank_sum.shift(x, y) < high
        # Just outside the interval the test rejects, just inside it does not.
        for end, up, down, sign in ((low, x, y, 1), (high, y, x, -1)):
            outside = rank_sum.p_greater(up - sign * end + 1e-7, down)
            inside = rank_sum.p_greater(up - sign * end - 1e-7, down)
            assert outside <= 0.05 * 1.03
            assert inside > 0.05 * 0.97


def test_the_interval_covers_the_true_shift_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(600):
        x, y = rng.exponential(1, 9) + 0.5, rng.exponential(1, 14)
        low, high = rank_sum.shift_interval(x, y, level=0.90)
        hits += low <= 0.5 <= high
    assert 0.875 <= hits / 600 <= 0.945


def test_too_few_values_bound_nothing() -> None:
    assert rank_sum.shift_interval([5.0], [1.0] * 18) == (-math.inf, math.inf)
    low, high = rank_sum.shift_interval([5.0], list(range(19)))
    assert (low, high) == (-13.0, 5.0)


def test_large_samples_are_thinned_and_keep_their_distribution() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(1, 1, 20_000), rng.normal(0, 1, 30_000)
    assert rank_sum.shift(x, y) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("bad", [[], [math.nan], [math.inf]])
def test_what_is_no_sample_is_refused(bad) -> None:
    for call in (rank_sum.shift, rank_sum.shift_interval, rank_sum.p_greater):
        with pytest.raises(ValueError, match="all finite"):
            call(bad, [1.0])
        with pytest.raises(ValueError, match="all finite"):
            call([1.0], bad)


@given(
    x=st.lists(st.integers(-5, 5), min_size=1, max_size=12),
    y=st.lists(st.integers(-5, 5), min_size=1, max_size=12),
)
def test_either_direction_and_both_together_are_probabilities(x, y) -> None:
    up, down = rank_sum.p_greater(x, y), rank_sum.p_greater(y, x)
    assert 0.0 <= up <= 1.0
    assert up + down >= 1.0 - 1e-9

"""Means on the logarithm."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.stats.means import (
    log_mean_se,
    paired_log_ratio,
    paired_ratio_interval,
    paired_t,
)

positive = st.lists(st.floats(0.01, 1e4), min_size=2, max_size=40)


@settings(deadline=None)
@given(positive)
def test_log_mean_and_its_error_by_hand(x):
    log_mean, se = log_mean_se(x)
    assert log_mean == pytest.approx(math.log(np.mean(x)), abs=1e-12)
    assert se == pytest.approx(scipy.stats.sem(x) / np.mean(x), abs=1e-12)


@settings(deadline=None)
@given(positive, st.floats(0.1, 100))
def test_unit_does_not_matter(x, factor):
    log_mean, se = log_mean_se(x)
    scaled = log_mean_se([factor * value for value in x])
    assert scaled == pytest.approx((log_mean + math.log(factor), se), abs=1e-9)


def test_paired_ratio_by_hand():
    head, base = [2.0, 4.0, 6.0], [1.0, 2.0, 3.0]
    # Each pair has the same ratio: nothing varies.
    assert paired_log_ratio(head, base) == (pytest.approx(math.log(2)), pytest.approx(0.0), 2)
    estimate, se, df = paired_log_ratio([1.0, 3.0], [2.0, 2.0])
    # Relative differences -0.5 and 0.5: s.d. 0.7071, over the root of 2.
    assert (estimate, df) == (0.0, 1)
    assert se == pytest.approx(0.5)


def test_paired_ratio_error_is_the_true_spread_and_the_unpaired_is_not():
    """The mutation: errors of two means added as if the arms were independent."""
    rng = np.random.default_rng(6)
    found, paired, unpaired = [], [], []
    for _ in range(600):
        size = rng.lognormal(sigma=0.8, size=60)
        head, base = (size * rng.lognormal(sigma=0.15, size=60) for _ in range(2))
        estimate, se, _ = paired_log_ratio(head, base)
        found.append(estimate)
        paired.append(se)
        unpaired.append(math.hypot(log_mean_se(head)[1], log_mean_se(base)[1]))
    assert np.mean(paired) == pytest.approx(np.std(found), rel=0.1)
    assert np.mean(unpaired) > 3 * np.std(found)


def test_zero_means():
    assert log_mean_se([0.0, 0.0]) == (-math.inf, 0.0)
    assert paired_log_ratio([0.0, 0.0], [0.0, 0.0]) == (0.0, 0.0, 1)
    assert paired_log_ratio([1.0, 1.0], [0.0, 0.0])[0] == math.inf
    assert paired_log_ratio([0.0, 0.0], [1.0, 1.0])[0] == -math.inf


def test_a_single_value_shows_nothing():
    assert log_mean_se([2.0]) == (math.log(2), math.inf)
    assert paired_log_ratio([2.0], [1.0]) == (math.log(2), math.inf, 0)


def test_what_has_no_log_mean_is_refused():
    with pytest.raises(ValueError, match="no values"):
        log_mean_se([])
    with pytest.raises(ValueError, match="no values"):
        paired_log_ratio([], [])
    with pytest.raises(ValueError, match="at least 0"):
        log_mean_se([-1.0, 0.5])
    with pytest.raises(ValueError, match="one length"):
        paired_log_ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.3, 1.0), (-2.0, 1e280)])
def test_a_ratio_is_tested_as_the_differences_at_it(shift, scale):
    rng = np.random.default_rng(8)
    head, base = (np.exp(rng.normal(0.0, 0.4, 25)) for _ in range(2))
    expected = scipy.stats.ttest_rel(head, math.exp(shift) * base).statistic
    assert paired_t(scale * head, scale * base, shift, floor=1e-3) == pytest.approx(expected)
    # The ends of an interval are the ratios that are just so many steps away.
    for end, steps in zip(
        paired_ratio_interval(scale * head, scale * base, steps=1.7), (1.7, -1.7), strict=True
    ):
        assert paired_t(head, base, end, floor=1e-9) == pytest.approx(steps)


def test_a_ratio_that_one_value_makes_has_no_ends():
    even, uneven = [1.0, 1.1, 0.9, 1.0], [0.01, 0.01, 0.01, 400.0]
    assert paired_ratio_interval(even, uneven, steps=2.0) == (-math.inf, math.inf)
    low, high = paired_ratio_interval(uneven, even, steps=2.0)
    assert low == -math.inf
    assert math.log(100.0) < high < math.inf


def test_constants_are_apart_by_the_floor():
    assert paired_t([2.0] * 3, [1.0] * 3, math.log(2.0), floor=1e-3) == pytest.approx(0.0, abs=1e-9)
    assert paired_t([1e300] * 3, [1e-300] * 3, 0.0, floor=1e-3) == pytest.approx(1000.0)
    assert paired_t([1e-300] * 3, [1e300] * 3, 0.0, floor=1e-3) == pytest.approx(-1000.0)


@pytest.mark.parametrize(
    ("head", "base"),
    [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([0.0, 0.0], [1.0, 1.0]), ([1.0, 1.0], [0.0, 0.0])],
)
def test_a_ratio_needs_pairs_and_means_above_zero(head, base):
    with pytest.raises(ValueError, match=r"pairs|above 0"):
        paired_t(head, base, 0.0, floor=1e-3)
    with pytest.raises(ValueError, match=r"pairs|above 0"):
        paired_ratio_interval(head, base, steps=1.0)

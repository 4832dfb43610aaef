"""Whole distributions: the band covers the truth at once, and no corner is off the function."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.stats.ecdf import bin_count, counts, edges, half_width, steps, trimmed

POSITIVE = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)


def test_the_width_of_the_band_is_massarts() -> None:
    # P(sup |F_n - F| > e) <= 2 exp(-2 n e^2)
    for n, level in ((10, 0.9), (100, 0.95), (5000, 0.99)):
        assert 2 * math.exp(-2 * n * half_width(n, level) ** 2) == pytest.approx(1 - level)
    assert half_width(0) == half_width(1) == 1.0


def test_the_band_holds_the_whole_curve_as_often_as_it_says_and_a_pointwise_one_does_not() -> None:
    rng, n, draws = np.random.default_rng(5), 60, 3000
    ordered = np.sort(rng.random((draws, n)), axis=1)  # the true function is F(x) = x
    above = np.arange(1, n + 1) / n
    distance = np.maximum(above - ordered, ordered - (above - 1 / n)).max(axis=1)
    held = (distance <= half_width(n, 0.95)).mean()
    assert 0.945 <= held < 0.98
    spread = 1.96 * np.sqrt(ordered * (1 - ordered) / n)
    pointwise = (np.maximum(above - ordered, ordered - (above - 1 / n)) <= spread).all(axis=1)
    assert pointwise.mean() < 0.8


def test_the_function_rises_at_each_value_by_its_share() -> None:
    assert steps([3.0, 1.0, 1.0, 2.0], n=4) == ([1.0, 2.0, 3.0], [0.5, 0.75, 1.0])
    # Two more are known to lie beyond a limit: the function does not reach one.
    assert steps([1.0, 2.0], n=4) == ([1.0, 2.0], [0.25, 0.5])
    assert steps([], n=0) == ([], [])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(16, 80))
def test_a_thinned_function_keeps_exact_corners_its_ends_and_its_tail(values, most) -> None:
    whole = dict(zip(*steps(values, n=len(values), most=10_000), strict=True))
    xs, ys = steps(values, n=len(values), most=most)
    assert len(xs) <= most
    assert all(whole[x] == y for x, y in zip(xs, ys, strict=True))
    assert (xs[0], xs[-1], ys[-1]) == (min(values), max(values), 1.0)
    tail = most // 8
    assert xs[-tail:] == sorted(whole)[-tail:]


def test_of_many_values_about_so_many_corners_are_kept() -> None:
    xs, ys = steps([float(n * n) for n in range(200)], n=200, most=40)
    assert 35 < len(xs) <= 40
    assert (xs[0], xs[-1], ys[0], ys[-1]) == (0.0, 199.0**2, 1 / 200, 1.0)
    assert xs[-5:] == [float(n * n) for n in range(195, 200)]


@given(POSITIVE, st.integers(1, 40))
def test_every_value_is_in_one_bin(values, bins) -> None:
    found = edges(min(values), max(values), bins)
    assert len(found) == bins + 1
    assert found == sorted(found)
    assert sum(counts(values, found)) == len(values)


def test_bins_are_of_equal_ratio_or_of_equal_width_from_nought() -> None:
    assert edges(1.0, 16.0, 4) == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0])
    assert edges(0.0, 8.0, 4) == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0])
    assert edges(0.0, 0.0, 2) == [0.0, 0.5, 1.0]
    assert counts([1.0, 1.9, 2.0, 15.0, 900.0, 0.1], edges(1.0, 16.0, 4)) == [3, 1, 0, 2]
    with pytest.raises(ValueError, match="no bins"):
        edges(-1.0, 2.0, 4)
    with pytest.raises(ValueError, match="no bins"):
        edges(3.0, 2.0, 4)


def test_values_that_are_all_the_same_have_an_axis() -> None:
    found = edges(2.0, 2.0, 8)
    assert found[0] < 2.0 < found[-1]
    assert found[-1] / found[0] == pytest.approx(1.1)


def test_more_values_fill_more_bins() -> None:
    assert [bin_count(n) for n in (1, 64, 1000, 10**6)] == [8, 8, 20, 32]


def test_the_outermost_values_are_left_out_of_an_axis() -> None:
    values = [*range(1, 2001), 10**9]
    assert trimmed(values, 0.0005) == (2.0, 2000.0)
    assert trimmed([3.0], 0.1) == (3.0, 3.0)
    with pytest.raises(ValueError, match="no values"):
        trimmed([], 0.1)

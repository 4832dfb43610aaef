"""Trends: against scipy, and by their error rates."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.stats import trend as trends
from lens_gate.stats.rng import generator
from lens_gate.stats.trend import trend

TIMES = np.cumsum(np.r_[0.0, generator("gaps").uniform(0.2, 3.0, 39)])
RISING = generator("rising").normal(0, 1, 40) + 0.1 * TIMES
TIED = np.round(RISING)


@pytest.mark.parametrize("values", [RISING, TIED, -RISING])
def test_the_slope_and_its_interval_are_scipys(values, monkeypatch):
    monkeypatch.setattr(trends, "memory", lambda _rest: 0.0)
    found, expected = trend(TIMES, values), reference.theilslopes(values, TIMES, alpha=0.90)
    assert found.slope == pytest.approx(expected.slope)
    assert (found.low, found.high) == pytest.approx((expected.low_slope, expected.high_slope))


@pytest.mark.parametrize("values", [RISING, TIED, RISING - 0.1 * TIMES])
@pytest.mark.parametrize("times", [TIMES, np.round(TIMES / 3)])
def test_p_is_that_of_kendalls_tau_but_for_the_continuity(values, times, monkeypatch):
    monkeypatch.setattr(trends, "memory", lambda _rest: 0.0)
    expected = reference.kendalltau(times, values, method="asymptotic").pvalue
    z = reference.norm.isf(expected / 2)
    s = abs(trends._kendall(times, values))
    assert trend(times, values).p == pytest.approx(2 * reference.norm.sf(z * (s - 1) / s))


def test_too_few_numbers_and_one_moment_have_no_trend():
    assert trend(range(7), range(7)) is None
    assert trend([3.0] * 9, range(9)) is None


def test_equal_numbers_have_none_to_show():
    found = trend(range(9), [2.0] * 9)
    assert (found.slope, found.p) == (0.0, 1.0)


def test_what_is_no_series_is_refused():
    with pytest.raises(ValueError, match="time"):
        trend([1.0], [])
    with pytest.raises(ValueError, match="finite"):
        trend(range(8), [math.inf] * 8)
    with pytest.raises(ValueError, match="rise"):
        trend([3, 2, 1, 4, 5, 6, 7, 8], range(8))


def test_an_interval_may_have_no_ends():
    values = np.r_[0.0, 5.0, 0.1, 4.9, 0.2, 4.8, 0.3, 4.7]
    times = np.r_[np.zeros(7), 1.0]
    found = trend(times, values)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_of_a_long_series_some_are_taken():
    values = np.arange(4000.0) * 0.5
    found = trend(np.arange(4000.0), values)
    assert (found.n, found.slope) == (trends.MOST, pytest.approx(0.5))


def rising(values, allow):
    return (trend(np.arange(values.size), values) if allow else plain(values)).p <= 0.01


def plain(values):
    """The wrong way: neighbours that resemble each other count as so many numbers of their own."""
    return type("Plain", (), {"p": reference.kendalltau(range(values.size), values).pvalue})


def wandering(number, length=40, phi=0.6):
    values = generator("wandering", number).normal(0, 1, length)
    for place in range(1, length):
        values[place] += phi * values[place - 1]
    return values


def test_a_series_that_only_wanders_shows_a_trend_seldom():
    told = sum(rising(wandering(number), allow=True) for number in range(300)) / 300
    wrong = sum(rising(wandering(number), allow=False) for number in range(300)) / 300
    assert told <= 0.06
    assert wrong >= 0.12
    still = sum(rising(wandering(number, phi=0.0), allow=True) for number in range(300)) / 300
    assert still <= 0.015

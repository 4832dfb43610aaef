"""Rates: bounds and exact tests against scipy."""

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.stats.rates import clopper_pearson, fisher_greater, mcnemar_greater, rate_above_p


@st.composite
def counts(draw, most=200):
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


@settings(deadline=None)
@given(counts(), st.sampled_from([0.5, 0.9, 0.95, 0.998]))
def test_clopper_pearson_agrees_with_scipy(count, level):
    bad, n = count
    theirs = scipy.stats.binomtest(bad, n).proportion_ci(level, method="exact")
    assert clopper_pearson(bad, n, level) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_no_failure_in_120_does_not_exclude_two_and_a_half_percent():
    low, high = clopper_pearson(0, 120)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.05 ** (1 / 120), rel=1e-12)
    assert round(high, 3) == 0.025
    assert clopper_pearson(7, 7)[1] == 1.0
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@settings(deadline=None)
@given(counts(), st.floats(0, 1))
def test_rate_above_agrees_with_scipy(count, limit):
    bad, n = count
    theirs = scipy.stats.binomtest(bad, n, limit, alternative="greater").pvalue
    assert rate_above_p(bad, n, limit) == pytest.approx(theirs, rel=1e-9, abs=1e-300)


@settings(deadline=None)
@given(counts(), st.floats(0.001, 0.999))
def test_lower_bound_is_above_a_limit_just_where_the_test_shows_it(count, limit):
    bad, n = count
    low, _ = clopper_pearson(bad, n, 0.9)
    if abs(low - limit) > 1e-9:
        assert (low > limit) == (rate_above_p(bad, n, limit) <= 0.05)


def test_no_failure_shows_no_rate():
    assert rate_above_p(0, 50, 0.02) == rate_above_p(0, 50, 0.0) == rate_above_p(0, 0, 0.1) == 1.0
    assert rate_above_p(1, 50, 0.0) == 0.0


@settings(deadline=None)
@given(counts(80), counts(80))
def test_fisher_agrees_with_scipy(a, b):
    table = [[a[0], a[1] - a[0]], [b[0], b[1] - b[0]]]
    theirs = scipy.stats.fisher_exact(table, alternative="greater").pvalue
    assert fisher_greater(*a, *b) == pytest.approx(theirs, rel=1e-9)


def test_fisher_asks_about_the_first():
    assert fisher_greater(9, 100, 0, 100) < 0.002
    assert fisher_greater(0, 100, 9, 100) == 1.0
    assert fisher_greater(0, 100, 0, 100) == 1.0
    assert fisher_greater(0, 0, 3, 9) == 1.0


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_sign_test(only_a, only_b):
    theirs = scipy.stats.binom.sf(only_a - 1, only_a + only_b, 0.5)
    assert mcnemar_greater(only_a, only_b) == pytest.approx(theirs, rel=1e-10)


def test_mcnemar_without_discordant_pairs():
    assert mcnemar_greater(0, 0) == 1.0
    assert mcnemar_greater(5, 0) == pytest.approx(2**-5)

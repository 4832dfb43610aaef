"""One number against a series of earlier ones."""

import math
from dataclasses import FrozenInstanceError

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.stats.history import (
    HistoryFit,
    history_interval,
    history_p_greater,
    history_p_less,
    shrunken_t,
)


def test_formula_by_hand():
    fit = shrunken_t([0.0, 0.2], [0.03, 0.05], 0.5, 0.1, prior_sd=0.2)
    within = (0.0009 + 0.0025) / 2
    s2 = (4 * (0.04 + within) + 0.02) / 5
    assert fit.mean == pytest.approx(0.1)
    assert fit.difference == pytest.approx(0.4)
    assert fit.df == 5.0
    assert fit.scale == pytest.approx(math.sqrt(s2 * 1.5 + 0.01 - within))


def test_one_earlier_run_works_from_the_prior_alone():
    fit = shrunken_t([1.0], [0.05], 1.2, 0.05, prior_sd=0.17)
    assert fit.df == 4.0
    assert fit.scale == pytest.approx(math.sqrt(2 * (0.17**2 + 0.05**2)))


def test_spread_is_at_least_the_candidates_own_error():
    fit = shrunken_t([0.0] * 10, [0.0] * 10, 0.0, 0.3, prior_sd=0.0)
    assert fit.scale == pytest.approx(math.sqrt(0.09 * 1.1 + 0.09))


def test_a_better_known_candidate_takes_nothing_off():
    known = shrunken_t([0.0, 0.1], [0.2, 0.2], 0.3, 0.01, prior_sd=0.1)
    alike = shrunken_t([0.0, 0.1], [0.2, 0.2], 0.3, 0.2, prior_sd=0.1)
    assert known.scale == pytest.approx(alike.scale)


def test_weight_of_the_prior_can_be_set():
    fit = shrunken_t([0.0, 0.2, 0.4], [0.0] * 3, 0.0, 0.0, prior_sd=9.0, nu0=0.0)
    assert fit.df == 2.0
    assert fit.scale == pytest.approx(math.sqrt(0.04 * 4 / 3))


def test_p_values_and_interval_agree_with_t():
    fit = HistoryFit(mean=1.0, difference=0.4, scale=0.2, df=13.0)
    assert history_p_greater(fit, 0.0) == pytest.approx(scipy.stats.t.sf(2.0, 13))
    assert history_p_greater(fit, 0.5) == pytest.approx(scipy.stats.t.sf(-0.5, 13))
    assert history_p_less(fit, 0.5) == pytest.approx(scipy.stats.t.cdf(-0.5, 13))
    assert history_interval(fit) == pytest.approx(scipy.stats.t.interval(0.9, 13, 0.4, 0.2))
    assert history_interval(fit, 0.5) == pytest.approx(scipy.stats.t.interval(0.5, 13, 0.4, 0.2))


def test_fit_is_frozen():
    fit = HistoryFit(mean=1.0, difference=0.4, scale=0.2, df=13.0)
    with pytest.raises(FrozenInstanceError):
        fit.scale = 1.0


@pytest.mark.parametrize(("y", "se"), [([], []), ([1.0], [0.1, 0.2])])
def test_a_series_is_needed(y, se):
    with pytest.raises(ValueError, match="at least one number"):
        shrunken_t(y, se, 1.0, 0.1, prior_sd=0.1)


@settings(deadline=None)
@given(
    st.lists(st.floats(-2, 2), min_size=1, max_size=10),
    st.floats(-2, 2),
    st.floats(0.0, 1.0),
    st.floats(-1, 1),
)
def test_ends_of_the_interval_are_where_the_tests_stand_at_their_level(y, candidate, se, shift):
    fit = shrunken_t(y, [0.05] * len(y), candidate, se, prior_sd=0.17)
    low, high = history_interval(fit)
    assert history_p_greater(fit, low) == pytest.approx(0.05, rel=1e-6)
    assert history_p_less(fit, high) == pytest.approx(0.05, rel=1e-6)
    assert history_p_greater(fit, shift) + history_p_less(fit, shift) == pytest.approx(1.0)

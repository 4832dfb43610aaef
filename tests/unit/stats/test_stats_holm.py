"""Holm's step-down, and the rate it holds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.stats.holm import holm

levels = st.lists(st.floats(0, 1), max_size=12)


def adjusted(p_values):
    """The textbook's adjusted p-values, another way to the same answer."""
    order = np.argsort(p_values, kind="stable")
    m = len(p_values)
    result, worst = [0.0] * m, 0.0
    for step, member in enumerate(order):
        worst = max(worst, min(1.0, (m - step) * p_values[member]))
        result[member] = worst
    return result


def test_steps_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005], alpha=0.05, family=4) == (True, False, False, True)
    assert holm([0.01, 0.011, 0.02, 0.04], alpha=0.05, family=4) == (True, True, True, True)
    assert holm([0.013, 0.012, 0.011], alpha=0.05, family=4) == (True, True, True)
    assert holm([], alpha=0.05, family=3) == ()


def test_members_not_given_still_count():
    assert holm([0.002], alpha=0.01, family=5) == (True,)
    assert holm([0.0021], alpha=0.01, family=5) == (False,)


def test_a_share_of_the_budget_can_make_p_larger_than_one():
    assert holm([0.001 / 0.05, math.inf], alpha=0.05, family=2) == (True, False)


def test_equal_values_fall_together():
    assert holm([0.0125] * 4, alpha=0.05, family=4) == (True,) * 4
    assert holm([0.0126] * 4, alpha=0.05, family=4) == (False,) * 4


@settings(deadline=None)
@given(levels, st.floats(0.001, 0.2), st.integers(0, 5))
def test_agrees_with_adjusted_p_values(p_values, alpha, more):
    padded = [*p_values, *[1.0] * more]
    ours = holm(p_values, alpha=alpha, family=len(padded))
    for mine, theirs in zip(ours, adjusted(padded), strict=False):
        if abs(theirs - alpha) > 1e-12:
            assert mine == (theirs <= alpha)


@settings(deadline=None)
@given(levels, st.randoms(use_true_random=False))
def test_order_of_members_does_not_matter(p_values, random):
    order = list(range(len(p_values)))
    random.shuffle(order)
    family = len(p_values) + 1
    plain = holm(p_values, alpha=0.1, family=family)
    mixed = holm([p_values[i] for i in order], alpha=0.1, family=family)
    assert mixed == tuple(plain[i] for i in order)


def test_too_many_members_and_no_numbers_are_refused():
    with pytest.raises(ValueError, match="more members"):
        holm([0.1, 0.2], alpha=0.05, family=1)
    with pytest.raises(ValueError, match="not a number"):
        holm([math.nan], alpha=0.05, family=1)


def test_rate_of_the_family_is_held_and_each_for_itself_would_break_it():
    rng = np.random.default_rng(11)
    draws = rng.random((4000, 30))
    ours = np.mean([any(holm(list(row), alpha=0.05, family=30)) for row in draws])
    naive = np.mean((draws <= 0.05).any(axis=1))
    assert 0.035 < ours < 0.06
    assert naive > 0.7
    together = [any(holm([p] * 30, alpha=0.05, family=30)) for p in draws[:, 0]]
    assert np.mean(together) < 0.01

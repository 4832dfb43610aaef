"""Chances of tests: against exact distributions, simulation, and closed forms."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.stats import looks, power, rates, signed_rank


def test_without_an_effect_the_signed_rank_rejects_at_its_level():
    for n, alpha in ((12, 0.05), (40, 0.05), (200, 0.01)):
        assert power.signed_rank(n, alpha, 0.0) == pytest.approx(alpha, rel=0.15)


@pytest.mark.parametrize(
    ("n", "alpha", "effect"), [(16, 1e-3, 1.0), (30, 3e-4, 0.7), (80, 0.05, 0.2)]
)
def test_the_signed_rank_rejects_as_often_as_it_does(n, alpha, effect):
    rng, trials = np.random.default_rng(n), 3000
    cut = signed_rank.cut(n, alpha)
    values = rng.normal(effect, 1.0, (trials, n))
    ranks = np.abs(values).argsort(axis=1).argsort(axis=1) + 1
    rejected = ((ranks * (values < 0)).sum(axis=1) < cut).mean()
    chance = power.signed_rank(n, alpha, effect)
    assert rejected - 0.08 < chance < rejected + 0.03
    # What the standard error alone promises is more, the more so the smaller n.
    naive = reference.norm.cdf(effect * math.sqrt(n * 3 / math.pi) - reference.norm.isf(alpha))
    assert n == 80 or naive > chance + 0.02


def test_too_few_values_reject_nothing_and_a_huge_effect_is_no_error():
    assert power.signed_rank(8, 0.001, 50.0) == 0.0  # 2^-8 is more than that
    assert power.signed_rank(8, 0.004, 50.0) == pytest.approx(1.0)
    assert power.signed_rank(30, 0.001, math.inf) == pytest.approx(1.0)


@pytest.mark.parametrize("df", [4, 9, 29, 399])
@pytest.mark.parametrize("ncp", [0.0, 1.5, 6.0])
def test_one_hurdle_is_the_noncentral_t(df, ncp):
    for level in (0.05, 3e-4):
        expected = reference.nct.sf(reference.t.isf(level, df), df, ncp)
        assert power.above(ncp * 0.1, 0.1, [(0.0, level)], df=df) == pytest.approx(
            expected, abs=1e-6
        )


def test_a_known_spread_is_the_normal():
    expected = reference.norm.sf((0.2 + reference.norm.isf(0.05) * 0.1 - 0.3) / 0.1)
    assert power.above(0.3, 0.1, [(0.2, 0.05)]) == pytest.approx(expected)
    # Two hurdles: the higher one decides.
    both = power.above(0.3, 0.1, [(0.2, 0.05), (0.0, 1e-4)])
    higher = power.above(0.3, 0.1, [(0.0, 1e-4)])
    assert both == pytest.approx(higher)
    assert both < expected


def test_a_spread_that_is_partly_known_is_integrated_over_the_rest():
    def chance(**given):
        return power.above(0.5, 0.1, [(0.0, 1e-4)], df=13, **given)

    rng, steps = np.random.default_rng(3), reference.t.isf(1e-4, 13)
    spread = 0.1 * np.sqrt((4 + rng.chisquare(9, 200_000)) / 13)
    rejected = (rng.normal(0.5, 0.1, 200_000) > steps * spread).mean()
    assert chance(learned=9 / 13, learned_df=9) == pytest.approx(rejected, abs=0.004)
    known = reference.norm.sf(steps - 5.0)
    assert chance(learned=0.0, learned_df=0) == pytest.approx(known)
    assert abs(known - rejected) > 0.01


def test_one_look_is_two_tails_and_none_is_nothing():
    up, down = power.first_leaving([9.0], [1.5], [-0.5])
    assert (up, down) == pytest.approx((reference.norm.sf(1.5), reference.norm.cdf(-0.5)))
    assert power.first_leaving([], [], []) == (0.0, 0.0)


def test_equal_bounds_leave_nothing_open():
    up, down = power.first_leaving([1.0, 2.0], [0.3, 0.0], [0.3, 0.0])
    assert (up, down) == pytest.approx((reference.norm.sf(0.3), reference.norm.cdf(0.3)))


@pytest.mark.parametrize(
    "times", [(16, 24, 36, 54, 80, 120), (16, 24, 36, 54, 80, 120, 121), (100, 300)]
)
def test_leaving_at_several_looks_is_as_often_as_in_simulation(times):
    rng, trials = np.random.default_rng(len(times)), 60_000
    steps = np.diff([0, *times])
    sums = np.cumsum(rng.normal(0.0, np.sqrt(steps), (trials, steps.size)), axis=1)
    upper = np.linspace(2.2, 1.2, steps.size)
    lower = np.linspace(-2.5, -0.7, steps.size)
    scores = sums / np.sqrt(times)
    states = np.where(scores > upper, 1, np.where(scores < lower, -1, 0))
    first = np.array([next((s for s in row if s), 0) for row in states.tolist()])
    up, down = power.first_leaving(list(map(float, times)), list(upper), list(lower))
    assert up == pytest.approx((first == 1).mean(), abs=0.006)
    assert down == pytest.approx((first == -1).mean(), abs=0.006)


def test_bounds_out_of_reach_and_bounds_that_no_sum_escapes():
    never = [math.inf] * 3
    assert power.first_leaving([1.0, 2.0, 3.0], never, [-x for x in never]) == (0.0, 0.0)
    always = power.first_leaving([1.0, 2.0, 3.0], [-math.inf] * 3, [-math.inf] * 3)
    assert always == (1.0, 0.0)


def test_the_shares_of_the_looks_keep_the_level():
    """Spending by the root: the looks of an unchanged check together leave less than the level."""
    planned = looks.looks(400, 8)
    upper = [reference.norm.isf(0.05 * share) for _, share in planned]
    up, _ = power.first_leaving([float(n) for n, _ in planned], upper, [-math.inf] * len(upper))
    assert 0.02 < up < 0.05


@pytest.mark.parametrize(("n", "rate"), [(1, 0.5), (30, 0.02), (400, 0.3), (400, 0.999)])
def test_tails_of_the_binomial(n, rate):
    expected = reference.binom.sf(np.arange(n + 2) - 1, n, rate)
    assert rates.tails(n, rate) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_tails_of_the_certain():
    assert rates.tails(3, 0.0) == (1.0, 0.0, 0.0, 0.0, 0.0)
    assert rates.tails(3, 1.0) == (1.0, 1.0, 1.0, 1.0, 0.0)

"""The distribution functions against scipy, over wide ranges and far into the tails."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.stats.special import (
    beta_cdf,
    beta_ppf,
    binom_tail,
    hypergeom_tail,
    norm_ppf,
    norm_sf,
    t_ppf,
    t_sf,
)

SHAPES = (0.5, 0.51, 1.0, 1.5, 2.0, 7.3, 24.0, 100.0, 999.5, 20_000.0)
LEVELS = (1e-12, 1e-9, 1e-6, 1e-3, 0.01, 0.05, 0.3, 0.5, 0.7, 0.95, 0.999, 1 - 1e-9)
DEGREES = (1.0, 1.7, 2.0, 4.0, 7.0, 13.0, 30.0, 119.0, 400.0, 1e5)


def close(ours, theirs, relative=1e-10):
    assert ours == pytest.approx(theirs, rel=relative, abs=1e-300)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_beta_agrees_in_both_directions(a, b):
    for q in LEVELS:
        x = 0.5 if (a, q) == (b, 0.5) else float(scipy.special.betaincinv(a, b, q))
        if 0.0 < x < 1.0:
            close(beta_cdf(x, a, b), float(scipy.special.betainc(a, b, x)))
        close(beta_ppf(q, a, b), x)


def test_beta_of_an_array_is_that_of_its_members():
    x = np.concatenate(([-0.5, 0.0], np.linspace(1e-6, 1 - 1e-6, 501), [1.0, 1.5]))
    for a, b in ((0.5, 0.5), (190.95, 10.05), (3.0, 4000.0)):
        ours = beta_cdf(x, a, b)
        np.testing.assert_allclose(
            ours, scipy.special.betainc(a, b, x.clip(0, 1)), rtol=1e-10, atol=1e-300
        )
        assert [beta_cdf(float(one), a, b) for one in x] == pytest.approx(list(ours), rel=1e-13)


def test_beta_of_an_array_all_on_one_side():
    x = np.array([0.01, 0.02])
    close(beta_cdf(x, 5.0, 2.0)[1], float(scipy.special.betainc(5.0, 2.0, 0.02)))
    close(beta_cdf(1 - x, 5.0, 2.0)[1], float(scipy.special.betainc(5.0, 2.0, 0.98)))


def test_beta_at_the_ends():
    assert beta_cdf(0.0, 2.0, 3.0) == beta_cdf(-1.0, 2.0, 3.0) == 0.0
    assert beta_cdf(1.0, 2.0, 3.0) == beta_cdf(2.0, 2.0, 3.0) == 1.0
    assert beta_ppf(0.0, 2.0, 3.0) == beta_ppf(-0.1, 2.0, 3.0) == 0.0
    assert beta_ppf(1.0, 2.0, 3.0) == beta_ppf(1.1, 2.0, 3.0) == 1.0


def test_a_quantile_too_small_for_a_float_is_zero():
    assert beta_ppf(1e-200, 0.5, 3.0) == pytest.approx(0.0, abs=1e-300)


def test_a_shape_that_is_no_number_gives_no_number_and_ends():
    assert math.isnan(beta_ppf(0.3, math.nan, 2.0))


@pytest.mark.parametrize("df", DEGREES)
def test_t_agrees_in_both_directions(df):
    for q in LEVELS:
        close(t_ppf(q, df), float(scipy.stats.t.ppf(q, df)), relative=1e-9)
        t = float(scipy.stats.t.isf(q, df))
        close(t_sf(t, df), float(scipy.stats.t.sf(t, df)))
    for t in (-40.0, -1e-9, 0.0, 1e-9, 0.3, 40.0, 1e6):
        close(t_sf(t, df), float(scipy.stats.t.sf(t, df)), relative=1e-9)


def test_t_at_the_ends():
    assert t_sf(math.inf, 3.0) == 0.0
    assert t_sf(-math.inf, 3.0) == 1.0
    assert t_sf(1e200, 3.0) == 0.0
    assert t_ppf(0.0, 3.0) == -math.inf
    assert t_ppf(1.0, 3.0) == math.inf
    assert t_ppf(0.5, 3.0) == 0.0


def test_t_quantile_keeps_its_digits_near_the_middle():
    density = float(scipy.stats.t.pdf(0.0, 6.0))  # scipy's own quantile is 0 here
    close(t_ppf(0.5 + 1e-9, 6.0), 1e-9 / density, relative=1e-6)


def test_normal():
    for q in LEVELS:
        close(norm_ppf(q), float(scipy.stats.norm.ppf(q)))
    for z in (-9.0, -1.0, 0.0, 0.5, 3.7, 12.0, 35.0):
        close(norm_sf(z), float(scipy.stats.norm.sf(z)))
    assert norm_ppf(0.0) == -math.inf
    assert norm_ppf(1.0) == math.inf


@pytest.mark.parametrize("n", [1, 2, 16, 120, 400, 5000, 100_000])
@pytest.mark.parametrize("p", [1e-4, 0.01, 0.05, 0.5, 0.9, 0.9999])
def test_binomial_tail(n, p):
    for q in LEVELS:
        k = int(scipy.stats.binom.isf(q, n, p))
        close(binom_tail(k, n, p), float(scipy.stats.binom.sf(k - 1, n, p)))


def test_binomial_tail_at_the_ends():
    assert binom_tail(0, 5, 0.3) == binom_tail(-1, 5, 0.3) == binom_tail(0, 0, 0.3) == 1.0
    assert binom_tail(6, 5, 1.0) == binom_tail(1, 0, 0.5) == 0.0
    assert binom_tail(2, 5, 0.0) == 0.0
    assert binom_tail(5, 5, 1.0) == 1.0
    assert binom_tail(5, 5, 0.5) == pytest.approx(2**-5, rel=1e-14)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.data())
def test_hypergeometric_tail_against_scipy(good, bad, data):
    draws = data.draw(st.integers(0, good + bad))
    k = data.draw(st.integers(-1, 62))
    theirs = float(scipy.stats.hypergeom.sf(k - 1, good + bad, good, draws))
    close(hypergeom_tail(k, good, bad, draws), theirs, relative=1e-9)


def test_hypergeometric_tail_of_thousands():
    theirs = float(scipy.stats.hypergeom.sf(79, 10_000, 120, 5000))
    close(hypergeom_tail(80, 120, 9880, 5000), theirs, relative=1e-9)


@settings(deadline=None)
@given(st.floats(0.5, 500), st.floats(0.5, 500), st.floats(1e-9, 1 - 1e-9))
def test_beta_quantile_inverts_the_beta_function(a, b, q):
    assert beta_cdf(beta_ppf(q, a, b), a, b) == pytest.approx(q, rel=1e-7)


# Fractions whose complement is exact: elsewhere 1 - x itself loses the digits of a small x.
exact = st.integers(0, 2**30).map(lambda k: k / 2**30)


@settings(deadline=None)
@given(exact, exact, st.floats(0.5, 300), st.floats(0.5, 300))
def test_beta_never_falls_and_mirrors(x, y, a, b):
    low, high = min(x, y), max(x, y)
    assert beta_cdf(low, a, b) <= beta_cdf(high, a, b) + 1e-13
    assert beta_cdf(x, a, b) == pytest.approx(1.0 - beta_cdf(1.0 - x, b, a), abs=1e-12)


def test_more_good_ones_than_there_are_can_not_be_drawn() -> None:
    assert hypergeom_tail(4, 3, 10, 5) == 0.0
    assert hypergeom_tail(3, 3, 10, 2) == 0.0
    assert hypergeom_tail(0, 3, 10, 2) == 1.0

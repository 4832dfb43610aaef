"""Quantiles: estimates, exact tests and bounds, label swaps."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.mstats import hdquantiles

from lens_gate.stats.quantiles import (
    MIN_N,
    _coins,
    exceeds_p,
    harrell_davis,
    hd_se,
    hd_weights,
    label_swap_se,
    order_bounds,
    sample_quantile,
)
from lens_gate.stats.rng import generator

PINNED = 0.5160988516663819

samples = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
shares = st.sampled_from([0.5, 0.9, 0.95, 0.99])


def test_minimum_sizes_are_those_of_the_procedure():
    assert dict(MIN_N) == {0.5: 10, 0.9: 20, 0.95: 30, 0.99: 150}


@pytest.mark.parametrize("n", [1, 2, 10, 30, 200, 5000])
@pytest.mark.parametrize("p", [0.01, 0.05, 0.5, 0.9, 0.95, 0.99])
def test_harrell_davis_agrees_with_scipy(n, p):
    x = np.random.default_rng(n).lognormal(size=n)
    a, b = (n + 1) * p, (n + 1) * (1 - p)
    theirs = np.diff(scipy.stats.beta.cdf(np.arange(n + 1) / n, a, b))
    np.testing.assert_allclose(hd_weights(n, p), theirs, atol=1e-10, rtol=1e-8)
    if n > 1:
        assert harrell_davis(x, p) == pytest.approx(float(hdquantiles(x, [p])[0]), rel=1e-10)


def test_weights_are_computed_once_and_kept_safe():
    weights = hd_weights(77, 0.9)
    assert hd_weights(77, 0.9) is weights
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 1.0


@settings(deadline=None)
@given(samples, shares)
def test_harrell_davis_lies_between_the_extremes_and_moves_along(x, p):
    estimate = harrell_davis(x, p)
    assert min(x) - 1e-6 <= estimate <= max(x) + 1e-6
    assert harrell_davis([value + 10 for value in x], p) == pytest.approx(estimate + 10, abs=1e-5)
    assert harrell_davis([-value for value in x], 1 - p) == pytest.approx(-estimate, abs=1e-5)


@settings(deadline=None)
@given(samples, st.floats(0, 1))
def test_sample_quantile_is_type_seven(x, p):
    assert sample_quantile(x, p) == pytest.approx(float(np.quantile(x, p)), rel=1e-12, abs=1e-6)


def test_sample_quantile_with_values_beyond_all():
    assert sample_quantile([1.0, 2.0, math.inf], 0.5) == 2.0
    assert sample_quantile([1.0, 2.0, math.inf], 0.9) == math.inf
    assert sample_quantile([1.0, math.inf, math.inf], 0.9) == math.inf
    assert sample_quantile([-math.inf, 2.0, 3.0], 0.2) == -math.inf


@pytest.mark.parametrize(
    "function",
    [harrell_davis, hd_se, sample_quantile, order_bounds],
)
def test_no_values_have_no_quantile(function):
    with pytest.raises(ValueError, match="no values"):
        function([], 0.5)


# --- the jackknife --------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 0.95])
def test_standard_error_is_the_jackknife_by_hand(p):
    x = np.random.default_rng(1).lognormal(size=35)
    left_out = [harrell_davis(np.delete(x, i), p) for i in range(35)]
    by_hand = math.sqrt(34 / 35 * np.square(left_out - np.mean(left_out)).sum())
    assert hd_se(x, p) == pytest.approx(by_hand, rel=1e-10)
    assert hd_se(np.random.default_rng(2).permutation(x), p) == pytest.approx(by_hand, rel=1e-10)


def test_standard_error_of_one_value_is_unknown_and_of_equals_none():
    assert hd_se([3.0], 0.5) == math.inf
    assert hd_se([3.0] * 20, 0.5) == pytest.approx(0.0, abs=1e-12)


# --- exact tests and bounds -----------------------------------------------------------------


def test_exceeding_a_limit_is_counted():
    assert exceeds_p([0.5] * 20, 0.5, 1.0) == 1.0
    assert exceeds_p([2.0] * 20, 0.5, 1.0) == pytest.approx(2.0**-20)
    assert exceeds_p([1.0] * 20, 0.5, 1.0) == 1.0  # at the limit is not above it
    values = [2.0] * 5 + [0.5] * 95
    assert exceeds_p(values, 0.95, 1.0) == pytest.approx(scipy.stats.binom.sf(4, 100, 0.05))
    assert exceeds_p([math.inf] * 9 + [0.1] * 21, 0.95, 1.0) == pytest.approx(
        scipy.stats.binom.sf(8, 30, 0.05)
    )


def test_bounds_by_table():
    """n = 20, median, 90 %: the 6th smallest and the 6th largest (P(X <= 5) = 0.0207)."""
    values = list(range(1, 21))
    assert order_bounds(values, 0.5) == (6.0, 15.0)
    # 30 values can't bound their 95 % point from above: 0.95 ** 30 = 0.21.
    assert order_bounds(range(1, 31), 0.95) == (26.0, math.inf)
    assert order_bounds(range(1, 31), 0.05) == (-math.inf, 5.0)
    assert order_bounds([1.0, 2.0], 0.5) == (-math.inf, math.inf)


@settings(deadline=None)
@given(
    st.integers(1, 80),
    st.integers(0, 10**6),
    shares,
    st.sampled_from([0.8, 0.9, 0.99]),
    st.floats(-3, 3),
)
def test_bounds_hold_just_what_the_test_keeps(n, seed, p, level, limit):
    values = np.random.default_rng(seed).normal(size=n)
    low, high = order_bounds(values, p, level)
    alpha = (1 - level) / 2
    assert (low > limit) == (exceeds_p(values, p, limit) <= alpha)
    assert (high < limit) == (exceeds_p(-values, 1 - p, -limit) <= alpha)
    assert low <= high


# --- label swaps ----------------------------------------------------------------------------


def slow_swaps(head, base, p, shift, swaps, seed):
    """As the procedure says it, one draw after another."""
    rng = np.random.default_rng(seed)
    head = np.asarray(head) - shift
    found = []
    for _ in range(swaps):
        swap = rng.random(head.size) < 0.5
        one, other = np.where(swap, base, head), np.where(swap, head, base)
        found.append(harrell_davis(one, p) - harrell_davis(other, p))
    return float(np.std(found))


def unpaired(head, base, p, swaps, seed):
    """The plausible mistake: labels permuted over all requests, pairs torn apart."""
    rng = np.random.default_rng(seed)
    pooled = np.concatenate((head, base))
    found = []
    for _ in range(swaps):
        mixed = rng.permutation(pooled)
        found.append(harrell_davis(mixed[: head.size], p) - harrell_davis(mixed[head.size :], p))
    return float(np.std(found))


def correlated(seed, n=120):
    """Pairs that share most of what moves them, as one prompt sent twice does."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    return shared + 0.3 * rng.normal(size=n), shared + 0.3 * rng.normal(size=n)


@pytest.mark.parametrize("p", [0.5, 0.95])
@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_label_swaps_agree_with_swapping_one_by_one(p, shift):
    head, base = correlated(1)
    head = head + 0.1
    ours = label_swap_se(head, base, p, shift=shift, swaps=4000, rng=generator("t", 1))
    assert ours == pytest.approx(slow_swaps(head, base, p, shift, 4000, 7), rel=0.06)


@pytest.mark.parametrize("n", [1, 7, 40, 200, 401])
@pytest.mark.parametrize("p", [0.5, 0.9, 0.95, 0.99])
def test_label_swaps_by_the_same_coins_are_the_same_to_the_last_digits(n, p):
    """Leaving out what no sum can feel, and picking in order, changes nothing."""
    head, base = correlated(4, n)
    head = np.round(head, 1)  # ties between the arms
    kept = _coins(generator("same"), 400 * n).reshape(400, n)
    one = np.sort(np.where(kept, head - 0.2, base), axis=1)
    other = np.sort(np.where(kept, base, head - 0.2), axis=1)
    by_hand = np.sqrt(np.square((one - other) @ hd_weights(n, p)).mean())
    ours = label_swap_se(head, base, p, shift=0.2, rng=generator("same"))
    assert ours == pytest.approx(by_hand, rel=1e-12)


def test_shift_is_taken_off_the_head():
    head, base = correlated(2)
    moved = label_swap_se(head + 0.5, base, 0.9, shift=0.5, rng=generator("t", 2))
    assert moved == pytest.approx(label_swap_se(head, base, 0.9, shift=0.0, rng=generator("t", 2)))
    grown = label_swap_se(head + 0.5, base, 0.9, shift=-0.5, rng=generator("t", 2))
    assert grown > 1.5 * moved


def test_label_swaps_know_the_spread_of_pairs_and_the_unpaired_do_not():
    """The mutation: without pairing the s.d. is far too large, and every test loses its power."""
    drawn = [correlated(seed) for seed in range(300)]
    truth = np.std([harrell_davis(h, 0.5) - harrell_davis(b, 0.5) for h, b in drawn])
    ours = np.mean(
        [
            label_swap_se(h, b, 0.5, shift=0.0, rng=generator("s", i))
            for i, (h, b) in enumerate(drawn[:60])
        ]
    )
    torn = np.mean([unpaired(h, b, 0.5, 200, i) for i, (h, b) in enumerate(drawn[:10])])
    assert ours == pytest.approx(truth, rel=0.12)
    assert torn > 2.0 * truth


def test_same_seed_same_result_and_the_order_of_pairs_is_kept():
    head, base = correlated(3)
    runs = [label_swap_se(head, base, 0.9, shift=0.1, rng=generator("x", 1)) for _ in range(2)]
    other = label_swap_se(head, base, 0.9, shift=0.1, rng=generator("x", 2))
    assert runs[0] == runs[1] != other
    assert other == pytest.approx(runs[0], rel=0.2)


def test_coins_are_pinned():
    """Raw bits of PCG64 from a named seed: this very number on every machine."""
    ours = label_swap_se([1.0, 2.0, 4.0], [1.5, 1.0, 3.0], 0.5, shift=0.0, rng=generator("pin"))
    assert ours == pytest.approx(PINNED, rel=1e-12)


def test_identical_arms_have_no_spread():
    same = [1.0, 2.0, 3.0]
    assert label_swap_se(same, same, 0.5, shift=0.0, rng=generator(1)) == 0.0


@pytest.mark.parametrize(("head", "base"), [([], []), ([1.0], [1.0, 2.0])])
def test_label_swaps_need_pairs(head, base):
    with pytest.raises(ValueError, match="need pairs"):
        label_swap_se(head, base, 0.5, shift=0.0, rng=generator(1))

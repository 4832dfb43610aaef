"""Differences between targets: pairs, late requests, and intervals that hold what they say."""

import math

import numpy as np
import pytest
from scipy import stats as oracle

from lens_gate.judge.side_by_side import LEVEL, MIN_PAIRS, mean_change, typical_change
from lens_gate.records.check import Arm


def test_a_constant_factor_is_found_exactly() -> None:
    base = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0]
    found = typical_change(Arm(base), Arm([2 * x for x in base]))
    assert found is not None
    assert (found.change, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))
    assert found.pairs == 6
    assert mean_change(Arm(base), Arm([2 * x for x in base])).change == pytest.approx(1.0)


def test_pairs_are_matched_by_their_keys_and_not_by_their_order() -> None:
    base = Arm([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], pair=list("abcdef"))
    other = Arm([60.0, 50.0, 40.0, 30.0, 20.0, 10.0, 7.0], pair=list("fedcbaz"))
    assert typical_change(base, other).change == pytest.approx(9.0)
    # Unpaired arms, the wrong way, would see a wide spread instead.
    unpaired = typical_change(Arm(base.values), Arm(other.values[:6]))
    assert unpaired.high - unpaired.low > 10


def test_too_few_pairs_show_nothing() -> None:
    few = Arm([1.0] * (MIN_PAIRS - 1))
    assert typical_change(few, few) is None
    assert mean_change(few, few) is None
    # At this size the most extreme outcome just reaches the level.
    assert 0.5**MIN_PAIRS <= (1 - LEVEL) / 2 < 0.5 ** (MIN_PAIRS - 1)


def test_a_timeout_is_later_than_anything_and_two_say_nothing() -> None:
    base = Arm([1.0] * 8, censored=[False] * 7 + [True])
    other = Arm([1.0] * 6 + [9.0, 9.0], censored=[False] * 6 + [True, True])
    found = typical_change(base, other)
    assert found.pairs == 7
    assert found.change == pytest.approx(0.0)
    late = typical_change(Arm([1.0] * 8), Arm([9.0] * 8, censored=[True] * 8))
    assert late.change == math.inf
    assert mean_change(base, other).pairs == 6


def test_zeros_have_no_ratio() -> None:
    assert typical_change(Arm([0.0] * 8), Arm([1.0] * 8)) is None
    assert typical_change(Arm([1.0] * 8), Arm([0.0] * 8)) is None
    assert mean_change(Arm([0.0] * 8), Arm([1.0] * 8)) is None


def test_zeros_are_part_of_a_mean() -> None:
    """Half of the first target's answers have no reasoning; all of the other's have 100 tokens."""
    base, other = Arm([0.0, 100.0] * 8), Arm([100.0] * 16)
    found = mean_change(base, other)
    assert (found.change, found.pairs) == (pytest.approx(1.0), 16)  # not 0 % over 8 pairs
    assert found.low > 0.15
    assert mean_change(other, base).change == pytest.approx(-0.5)
    assert mean_change(other, Arm([0.0] * 16)).change == -1.0


def test_the_mean_interval_is_students() -> None:
    rng = np.random.default_rng(4)
    base = rng.lognormal(size=200)
    other = base * rng.lognormal(0.1, 0.2, size=200)
    found = mean_change(Arm(base), Arm(other))
    ratio = other.mean() / base.mean()
    terms = other / other.mean() - base / base.mean()
    se = terms.std(ddof=1) / math.sqrt(200)
    half = oracle.t.ppf(0.975, 199) * se
    assert found.change == pytest.approx(ratio - 1)
    assert math.log1p(found.low) == pytest.approx(math.log(ratio) - half)
    assert math.log1p(found.high) == pytest.approx(math.log(ratio) + half)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(1000):
        base = rng.lognormal(size=20)
        other = base * 1.3 * rng.lognormal(0, 0.3, size=20)
        found = typical_change(Arm(base), Arm(other))
        held += found.low <= 0.3 <= found.high
    assert 0.935 <= held / 1000 <= 0.975

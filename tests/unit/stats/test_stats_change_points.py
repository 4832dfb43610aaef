"""Changes of level: against the definition, against scipy, and by their error rates."""

import itertools

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.stats import change_points as change
from lens_gate.stats.rng import generator


def noise(number, length, phi=0.0, sd=0.16):
    rng = generator("test", number, length)
    values = rng.normal(0, sd, length)
    for place in range(1, length):
        values[place] = phi * values[place - 1] + np.sqrt(1 - phi * phi) * values[place]
    return values


def by_definition(values, split):
    """Q of Matteson and James, pair by pair, with the mean over all pairs of each side."""
    x, y = values[:split], values[split:]

    def mean(a, b):
        return sum(abs(i - j) for i, j in itertools.product(a, b)) / (len(a) * len(b))

    distance = 2 * mean(x, y) - mean(x, x) - mean(y, y)
    return len(x) * len(y) / len(values) * distance


@pytest.mark.parametrize("values", [noise(1, 30), np.round(noise(2, 24), 1), np.arange(9.0)])
def test_the_profile_is_the_energy_distance_of_each_split(values):
    profile = change.energy_profile(values)
    splits = range(change.LEAST, len(values) - change.LEAST + 1)
    assert len(profile) == len(splits)
    assert profile == pytest.approx([by_definition(values, split) for split in splits])
    weight = [split * (len(values) - split) / len(values) for split in splits]
    scipy = [reference.energy_distance(values[:s], values[s:]) ** 2 for s in splits]
    assert profile == pytest.approx(np.multiply(weight, scipy))


def test_a_long_series_is_rounded_to_levels_and_its_split_stays():
    values = noise(3, 400)
    values[150:] += 0.2
    assert int(change.energy_profile(values).argmax()) + change.LEAST == pytest.approx(150, abs=3)
    exact = change.energy_profile(values[:40])
    assert exact == pytest.approx([by_definition(values[:40], s) for s in range(4, 37)])


def test_steps_are_found_where_they_are():
    values = noise(4, 60, sd=0.05)
    values[20:] += 0.4
    values[45:] -= 0.3
    found = change.change_points(values, seed=1)
    assert [split.index for split in found] == [20, 45]
    assert all(split.p <= change.ALPHA for split in found)
    assert found == change.change_points(values, seed=1)


def test_a_level_that_comes_and_goes_is_seen():
    """The whole series has no two halves that differ: the search needs an end of its own."""
    found = []
    for number in range(6):
        values = noise(number, 60, sd=0.12)
        values[20:40] += 0.3
        found.append(len(change.change_points(values, seed=number)))
    assert found.count(2) >= 5


def test_one_number_that_stands_out_is_no_change():
    values = noise(5, 30, sd=0.05)
    values[14] += 3.0
    assert change.change_points(values, seed=1) == ()


@pytest.mark.parametrize("values", [[], [1.0] * 7, [2.0] * 50, [1.0, 9.0, 1.0, 9.0, 1.0, 9.0, 1.0]])
def test_too_few_numbers_or_equal_ones_show_nothing(values):
    assert change.change_points(values, seed=1) == ()


def test_numbers_must_be_finite():
    with pytest.raises(ValueError, match="finite"):
        change.change_points([1.0, float("nan")], seed=1)


def share_told(told, phi, length, series=100):
    return sum(told(noise(number, length, phi), number) for number in range(series)) / series


def ours(values, number):
    return bool(change.change_points(values, seed=number))


def by_t_test(values, number):
    """The wrong way: the best split tested as if it had been named beforehand, at 1 %."""
    split = int(change.energy_profile(values).argmax()) + change.LEAST
    return reference.ttest_ind(values[:split], values[split:]).pvalue <= 0.01


def without_memory(values, number):
    """The wrong way of series with memory: runs are shuffled as if they did not depend."""
    part = np.asarray(values)
    return change.best_split(part, phi=0.0, seed=number, alpha=0.01, draws=199) is not None


def test_an_unchanged_series_shows_a_change_in_at_most_one_per_cent():
    assert share_told(ours, 0.0, 20) <= 0.02
    assert share_told(by_t_test, 0.0, 20) > 0.06


def test_memory_from_run_to_run_is_allowed_for():
    assert share_told(ours, 0.5, 40, series=60) <= 0.12
    assert share_told(without_memory, 0.5, 40, series=60) >= 0.2


def test_a_step_of_half_again_as_much_is_found_in_twenty_runs():
    found = 0
    for number in range(12):
        values = noise(number, 20)
        values[12:] += np.log(1.6)
        found += ours(values, number)
    assert found >= 9


@pytest.mark.parametrize("phi", [0.3, 0.7])
def test_memory_is_estimated_beside_the_step(phi):
    values = np.concatenate([noise(7, 500, phi), noise(8, 500, phi) + 5.0])
    assert change.memory(values, [500]) == pytest.approx(phi, abs=0.08)
    assert change.memory(values) > 0.9  # a step that is not taken out looks like memory
    assert change.memory(np.ones(9)) == 0.0
    assert change.memory(np.tile([1.0, -1.0], 20)) == 0.0


def test_recolouring_is_the_recursion():
    innovations = noise(9, 37)
    expected = innovations.copy()
    for place in range(1, 37):
        expected[place] += 0.6 * expected[place - 1]
    assert change._recoloured(innovations, 0.6) == pytest.approx(expected, abs=1e-9)

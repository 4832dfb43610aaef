"""From numbers to pixels: in order, at round numbers, apart."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.render.charts.marks import Axis
from lens_gate.render.charts.scale import scale, ticks, written_tick

AXES = {
    "linear": Axis(title="", unit="s"),
    "log": Axis(title="", unit="s", log=True),
    "change": Axis(title="", unit="change"),
}


@pytest.mark.parametrize("kind", AXES)
@given(
    data=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8),
    length=st.integers(60, 900),
)
def test_a_scale_keeps_the_order_and_has_room_for_all(kind, data, length):
    found = scale(AXES[kind], data, 10, 10 + length)
    assert found.kind == kind
    pixels = [found.at(value) for value in sorted(data)]
    assert pixels == sorted(pixels)
    assert all(10 <= pixel <= 10 + length for pixel in pixels)
    assert all(map(found.holds, data))


@pytest.mark.parametrize("kind", AXES)
@given(
    low=st.floats(1e-5, 1e4),
    ratio=st.floats(1.0001, 1e6),
    length=st.integers(100, 900),
    apart=st.sampled_from([28.0, 46.0, 70.0]),
)
def test_ticks_are_apart_and_within(kind, low, ratio, length, apart):
    found = scale(AXES[kind], [low, low * ratio], 0, length)
    marks = ticks(found, apart)
    assert marks == sorted(marks)
    assert all(map(found.holds, marks))
    places = [found.at(mark) for mark in marks]
    assert all(b - a >= apart - 1e-6 for a, b in pairwise(places))


@pytest.mark.parametrize(
    ("axis", "data", "wanted"),
    [
        (AXES["linear"], [0, 2], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]),
        (AXES["log"], [0.1, 10], [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]),
        (AXES["log"], [0.2, 0.4], [0.2, 0.25, 0.3, 0.35, 0.4]),
        (AXES["change"], [-0.2, 0.4], [-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4]),
        (AXES["change"], [-0.8, 7.0], [-0.8, -0.5, 0.0, 0.5, 2.0, 4.0]),
    ],
)
def test_ticks_are_round(axis, data, wanted):
    assert ticks(scale(axis, data, 0, 600), 50.0) == pytest.approx(wanted)


def test_nothing_changed_is_told_also_where_there_is_little_room():
    found = scale(AXES["change"], [-0.8, 8.0], 0, 120)
    assert 0.0 in ticks(found, 46.0)


def test_twice_and_half_are_equally_far_from_nothing():
    found = scale(AXES["change"], [-0.5, 1.0], 0, 300)
    middle = found.at(0.0)
    assert found.at(1.0) - middle == pytest.approx(middle - found.at(-0.5))


def test_what_lies_beyond_an_end_is_drawn_at_it():
    found = scale(Axis(title="", low=0.0, high=1.0), [5.0], 10, 20)
    assert (found.at(-3.0), found.at(7.0)) == (10, 20)
    assert not found.holds(1.5)


def test_a_logarithmic_axis_needs_numbers_above_zero():
    assert scale(AXES["log"], [0.0, 2.0], 0, 100).kind == "linear"
    assert scale(AXES["log"], [], 0, 100).kind == "linear"
    assert scale(Axis(title="", log=True, low=0.0), [1.0], 0, 100).kind == "linear"


@pytest.mark.parametrize("data", [[], [3.0], [0.0], [-2.0, -2.0], [math.inf, math.nan, 1.0]])
def test_few_numbers_or_none_make_an_axis_too(data):
    found = scale(AXES["linear"], data, 0, 100)
    assert found.low < found.high
    assert math.isfinite(found.low + found.high)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0)])
def test_ends_that_are_no_range_become_one(low, high):
    found = scale(Axis(title="", low=low, high=high), [], 0, 100)
    assert found.low < found.high


def test_a_fall_to_nothing_has_a_place():
    assert scale(AXES["change"], [-1.0, 1.0], 0, 100).at(-1.0) == pytest.approx(0, abs=5)


def test_an_axis_from_nothing_begins_there():
    assert scale(AXES["linear"], [0.0, 10.0], 0, 100).low == 0.0
    assert scale(AXES["linear"], [1.0, 10.0], 0, 100).low < 1.0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.2, "s", "200 ms"),
        (0.2, "change", "+20 %"),
        (-0.5, "change", "-50 %"),
        (0.0, "change", "0"),
        (0.02, "points", "+2"),
        (0.5, "share", "50 %"),
        (0.25, "usd", "$0.25"),
        (0.001, "usd", "$0.001"),
        (0.0, "usd", "$0.00"),
        (12, "", "12"),
        (40, "tokens", "40 tokens"),
    ],
)
def test_a_tick_is_written_in_the_unit_of_its_axis(value, unit, text):
    assert written_tick(value, Axis(title="", unit=unit)) == text

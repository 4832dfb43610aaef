"""Small pictures: what is drawn lower is less, and nothing drawn is ever out of its place."""

from hypothesis import given
from hypothesis import strategies as st

from lens_gate.records.report import Bins
from lens_gate.render.sparkline import histogram, sparkline


def test_a_sparkline_has_a_bar_for_each_value():
    assert sparkline([]) == ""
    assert sparkline([1, 2, 3]) == "▁▅█"
    assert len(sparkline([0, 0, 0])) == 3


def test_a_spread_of_next_to_nothing_is_not_drawn_as_a_drop():
    assert set(sparkline([16.3, 16.3, 16.2])) <= set("▄▅")
    assert sparkline([10, 1]) == "█▁"


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_a_sparkline_never_lies_about_order(values):
    bars = sparkline(values)
    assert all(
        not (a < b and x > y)
        for a, x in zip(values, bars, strict=True)
        for b, y in zip(values, bars, strict=True)
    )


def test_a_histogram_shows_both_arms_on_one_axis():
    found = Bins(low=0.031, high=0.12, head=(0, 0, 1, 7, 2), control=(2, 9, 1, 0, 0))
    assert histogram("TTFT", found, "s") == [
        "TTFT     31 ms 120 ms",
        "control  ▃█▂▁▁  12",
        "head     ▁▁▂█▃  10",
    ]


def test_a_histogram_of_one_arm_names_none():
    found = Bins(low=0.9, high=2.0, head=(1,) * 16)
    assert histogram("E2E", found, "s") == [
        "E2E  900 ms       2 s",
        "     ████████████████  16",
    ]


def test_an_empty_bin_is_told_from_one_request_among_thousands():
    found = Bins(low=1.0, high=2.0, head=(0, 1, 5000))
    assert histogram("E2E", found, "s")[1] == "     ▁▂█  5001"


def test_a_damaged_report_draws_no_more_than_a_line():
    found = Bins(low=1.0, high=2.0, head=(-4, 0) * 5000, control=())
    axis, bars = histogram("E2E", found, "s")
    assert bars.split() == ["▁" * 40, "-20000"]
    assert len(axis) < 60

"""How times spread: every request is in one bin, both arms on one axis."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.metrics.bins import BINS, bins


@pytest.fixture(scope="session")
def taking(sample):
    """A request with this TTFT in milliseconds."""

    def make(first_ms, **given):
        base = sample(**given)
        first = base.marks.sent + round(first_ms * 1_000_000)
        marks = replace(
            base.marks, first_text=first, output_ns=(first,), last_output=first, done=first
        )
        return replace(base, marks=marks)

    return make


def test_both_arms_share_an_axis_of_equal_ratios(taking):
    heads = [taking(x) for x in (200, 200, 399)]
    controls = [taking(x, arm="control") for x in (100, 141, 400)]
    found = bins([*heads, *controls])["ttft"]
    assert (found.low, found.high) == pytest.approx((0.1, 0.4))
    assert [k for k, count in enumerate(found.head) if count] == [8, 15]
    assert found.head[8] == 2
    # 141 ms lies a quarter of the way from 100 to 400.
    assert [k for k, count in enumerate(found.control) if count] == [0, 3, 15]


def test_without_a_control_there_is_none(taking):
    assert bins([taking(100)])["ttft"].control == ()


def test_equal_values_have_an_axis_around_them(taking):
    found = bins([taking(100)] * 5)["ttft"]
    assert found.low < 0.1 < found.high
    assert sum(found.head) == 5


def test_what_has_no_time_is_in_no_bin(taking):
    failed = taking(100, failure="timeout")
    warm = taking(100, phase="warmup")
    assert bins([failed, warm]) == {}
    assert bins([failed, taking(50, arm="control")]) == {}
    assert sum(bins([failed, warm, taking(100)])["ttft"].head) == 1


@given(values=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30))
def test_every_request_is_in_a_bin(taking, values):
    found = bins([taking(x) for x in values])["ttft"]
    assert sum(found.head) == len(values)
    assert len(found.head) == BINS
    assert found.low < found.high

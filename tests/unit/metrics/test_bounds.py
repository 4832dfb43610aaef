"""Between what the true times lie."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.metrics.arms import head_arm
from lens_gate.metrics.bounds import limits
from lens_gate.metrics.derive import scalars
from lens_gate.records.exchange import Failure, Usage
from lens_gate.records.sample import Marks, Sample

MS = 1_000_000
EXACT = Marks(
    ready=0,
    sent=100 * MS,
    first_byte=150 * MS,
    headers=150 * MS,
    first_event=150 * MS,
    first_text=300 * MS,
    last_output=500 * MS,
    done=510 * MS,
    output_ns=(300 * MS, 400 * MS, 500 * MS),
    first_since=300 * MS,
    last_since=500 * MS,
    byte_since=150 * MS,
    output_since=300 * MS,
    lag=80 * MS,
    reused=True,
    clock="kernel",
)


def sample(marks, **changes):
    fields = {
        "seq": 0, "scenario": "s", "target": "t", "arm": "head", "phase": "measured",
        "prompt_id": "p", "attempts": 1, "waited_s": 0.0, "marks": marks, "failure": None,
        "limit_s": None, "http_status": 200, "model": None, "finish_reason": "stop",
        "service_tier": None, "usage": Usage(input_total=9, output_total=11), "output_chars": 5,
        "reserved_usd": Decimal(0), "settled_usd": Decimal(0), "cost_usd": Decimal(0),
    }  # fmt: skip
    return Sample(**(fields | changes))


def near(found):
    return {name: tuple(round(end, 6) for end in pair) for name, pair in found.items()}


def test_exact_times_have_no_bounds_however_late_the_client_was():
    """The kernel's stamps do not move with the client's lag."""
    assert limits(sample(EXACT)) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # The first output shared its read: TTFT is at most too long, the gaps at most too short.
        (
            {"first_since": 200 * MS, "output_since": 200 * MS},
            {"ttft": (0.1, 0.2), "ttfr": (0.1, 0.2), "itl": (0.02, 0.03), "tpot": (0.02, 0.03)},
        ),
        # The last one did: gaps are at most too long, and the speed too low.
        (
            {"last_since": 450 * MS},
            {"itl": (0.015, 0.02), "tpot": (0.015, 0.02), "output_tps": (27.5, 31.428571)},
        ),
        ({"byte_since": 120 * MS}, {"ttfb": (0.02, 0.05)}),
        # No answer came before its question.
        ({"byte_since": 20 * MS}, {"ttfb": (0.0, 0.05)}),
        ({"blur": 30 * MS}, {"chunk_gap_max": (0.07, 0.13)}),
        # All output may have come at once.
        (
            {"last_since": 290 * MS},
            {"itl": (0.0, 0.02), "tpot": (0.0, 0.02), "output_tps": (27.5, 57.894737)},
        ),
    ],
)
def test_what_depends_on_what(changes, expected):
    assert near(limits(sample(replace(EXACT, **changes)))) == expected


def test_without_the_kernels_stamps_every_time_may_be_too_late_by_the_lag():
    found = near(limits(sample(replace(EXACT, clock="transport", lag=40 * MS))))
    assert found == {
        "ttfb": (0.01, 0.05),
        "ttft": (0.16, 0.2),
        "ttfr": (0.16, 0.2),
        "e2e": (0.37, 0.41),
        "itl": (0.016, 0.024),
        "tpot": (0.016, 0.024),
        "output_tps": (27.5, 30.555556),
        "chunk_gap_max": (0.06, 0.14),
    }
    assert limits(sample(replace(EXACT, clock="transport", lag=None))) == {}


def test_reasoning_before_the_text_has_its_own_bound():
    marks = replace(EXACT, first_reasoning=200 * MS, output_since=120 * MS)
    found = near(limits(sample(marks)))
    assert found["ttfr"] == (0.02, 0.1)
    assert "ttft" not in found


def test_what_has_no_times_has_no_bounds():
    blurred = replace(EXACT, first_since=200 * MS)
    failure = Failure(status="timeout", detail="")
    assert limits(sample(blurred, attempts=2)) == {}
    assert limits(sample(blurred, failure=failure)) == {}
    assert limits(sample(Marks(ready=0))) == {}


def test_every_value_lies_between_its_bounds():
    for clock in ("kernel", "transport"):
        marks = replace(
            EXACT, clock=clock, first_since=10 * MS, last_since=20 * MS, byte_since=1, blur=MS
        )
        values = scalars(sample(marks))
        for name, (low, high) in limits(sample(marks)).items():
            assert 0 <= low <= values[name] <= high


def test_an_arm_carries_the_bounds_of_its_values_where_one_is_not_exact():
    late = sample(replace(EXACT, first_since=200 * MS), seq=1)
    arm = head_arm([sample(EXACT), late], "ttft", {})
    assert tuple(arm.values) == (0.2, 0.2)
    assert [round(low, 6) for low in arm.low] == [0.2, 0.1]
    assert arm.high == arm.values
    exact = head_arm([sample(EXACT)], "ttft", {})
    assert (exact.low, exact.high) == (None, None)
    assert head_arm([late], "output_tokens", {}).low is None


def test_goodput_knows_how_many_could_have_met_their_objectives():
    blurred = replace(EXACT, first_since=200 * MS)
    samples = [sample(EXACT), sample(blurred, seq=1), sample(EXACT, seq=2, attempts=2)]
    arm = head_arm(samples, "goodput", {"ttft": 0.15})
    assert (len(arm.values), arm.errors, arm.errors_low, arm.errors_high) == (0, 3, 2, 3)
    slow = [sample(replace(EXACT, last_since=450 * MS))]
    arm = head_arm(slow, "goodput", {"output_tps": 30.0})
    assert (arm.errors, arm.errors_low, arm.errors_high) == (1, 0, 1)
    exact = head_arm([sample(EXACT)], "goodput", {"ttft": 0.15})
    assert (exact.errors, exact.errors_low, exact.errors_high) == (1, None, None)

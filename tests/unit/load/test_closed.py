import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.load import Send, Stop, Wait, closed


@pytest.mark.parametrize(
    ("elapsed_s", "sent", "in_flight", "expected"),
    [
        (0.0, 0, 0, Send()),
        (0.0, 1, 1, Send()),
        (0.0, 2, 2, Wait()),
        (9e9, 2, 2, Wait()),
        (1.0, 2, 1, Send()),
        (1.0, 4, 1, Send()),
        (1.0, 5, 2, Stop()),
        (1.0, 5, 0, Stop()),
        (1.0, 6, 0, Stop()),
        (1.0, 3, 7, Wait()),
    ],
)
def test_a_closed_loop_keeps_its_slots_full(elapsed_s, sent, in_flight, expected) -> None:
    assert closed(concurrency=2, requests=5)(elapsed_s, sent, in_flight) == expected


def test_a_loop_of_no_requests_is_over_at_once() -> None:
    assert closed(concurrency=1, requests=0)(0.0, 0, 0) == Stop()


def test_waiting_has_no_end_but_that_of_a_request_and_sending_no_schedule() -> None:
    assert Wait().seconds is None
    assert Send().due_s is None


@pytest.mark.parametrize(("concurrency", "requests"), [(0, 5), (-1, 5), (1, -1)])
def test_impossible_loops_are_refused(concurrency, requests) -> None:
    with pytest.raises(ValueError, match="closed loop"):
        closed(concurrency=concurrency, requests=requests)


def test_a_loop_that_lasts_so_long_sends_nothing_after() -> None:
    pace = closed(concurrency=2, requests=5, duration_s=1.5)
    assert pace(1.4999, 3, 1) == Send()
    assert pace(1.5, 3, 1) == Stop(early="the load's duration of 1.5 s is over")
    # All that it had to send is sent: its time did not end it.
    assert pace(1.5, 5, 1) == Stop()


@given(
    concurrency=st.integers(1, 8),
    durations=st.lists(st.floats(0.001, 10), min_size=1, max_size=60),
)
def test_played_out_every_request_goes_and_the_slots_are_never_overfull(
    concurrency, durations
) -> None:
    """A tiny runner in virtual time: the loop is as busy as the requests allow, and ends."""
    pace = closed(concurrency=concurrency, requests=len(durations))
    now, sent, ends, busiest = 0.0, 0, [], 0
    while True:
        step = pace(now, sent, len(ends))
        if isinstance(step, Send):
            ends.append(now + durations[sent])
            sent += 1
            busiest = max(busiest, len(ends))
            continue
        if not ends:
            break
        assert isinstance(step, Stop) or len(ends) == concurrency
        now = min(ends)
        ends.remove(now)
    assert sent == len(durations)
    assert busiest == min(concurrency, len(durations))
    assert now <= math.fsum(durations) + 1e-9

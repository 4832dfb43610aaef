import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.load import Send, Stop, Wait, scheduled


@pytest.mark.parametrize(
    ("elapsed_s", "sent", "in_flight", "expected"),
    [
        (0.0, 0, 0, Send(due_s=0.0)),
        (0.0, 1, 1, Wait(seconds=0.5)),
        (0.25, 1, 0, Wait(seconds=0.25)),
        (0.5, 1, 1, Send(due_s=0.5)),
        # Late, and the moment stays what it was.
        (9.0, 1, 0, Send(due_s=0.5)),
        (9.0, 2, 0, Send(due_s=0.5)),
        # Held back by the cap, for as long as nothing ends.
        (9.0, 1, 2, Wait()),
        (0.25, 1, 2, Wait(seconds=0.25)),
        (9.0, 3, 1, Stop()),
        (9.0, 4, 0, Stop()),
    ],
)
def test_requests_go_at_their_moments_whatever_the_answers_do(
    elapsed_s, sent, in_flight, expected
) -> None:
    assert scheduled([0.0, 0.5, 0.5], at_most=2)(elapsed_s, sent, in_flight) == expected


def test_the_end_of_the_schedule_drops_nothing_that_was_due_before_it() -> None:
    pace = scheduled([0.0, 0.5, 1.0], at_most=9, duration_s=1.0)
    assert pace(7.0, 1, 1) == Send(due_s=0.5)
    assert pace(0.6, 2, 1) == Stop(early="the load's duration of 1 s is over")
    assert pace(7.0, 3, 0) == Stop()


@pytest.mark.parametrize(
    ("moments", "at_most"), [([0.0], 0), ([1.0, 0.5], 1), ([-0.1], 1), ([0.0, math.nan, -1.0], 1)]
)
def test_impossible_schedules_are_refused(moments, at_most) -> None:
    with pytest.raises(ValueError):
        scheduled(moments, at_most=at_most)


def play(pace, duration_of):
    """A runner in virtual time: the sent moments and their due ones, and the most in flight."""
    now, sent, ends, log, most = 0.0, 0, [], [], 0
    while not isinstance(step := pace(now, sent, len(ends)), Stop):
        if isinstance(step, Send):
            log.append((now, step.due_s))
            ends.append(now + duration_of(now))
            sent += 1
            most = max(most, len(ends))
            continue
        later = math.inf if step.seconds is None else now + max(step.seconds, 1e-9)
        first = min(ends, default=math.inf)
        now = min(later, first)
        if first <= later:
            ends.remove(first)
    return log, most


@given(
    gaps=st.lists(st.floats(0, 5), max_size=40),
    at_most=st.integers(1, 5),
    length=st.floats(0.001, 20),
)
def test_played_out_all_are_sent_in_order_never_early_never_beyond_the_cap(
    gaps, at_most, length
) -> None:
    moments = [math.fsum(gaps[:k]) for k in range(1, len(gaps) + 1)]
    log, most = play(scheduled(moments, at_most=at_most), lambda _: length)
    assert [due for _, due in log] == moments
    assert all(now >= due for now, due in log)
    assert most <= at_most


def test_a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one() -> None:
    """Coordinated omission: the loop that waits for answers sends nothing while nothing answers."""

    def stalling(now):
        return 2.1 - now if 0.1 <= now < 2.0 else 0.01

    moments = [k / 10 for k in range(40)]
    log, _ = play(scheduled(moments, at_most=1), stalling)
    from_schedule = [now + stalling(now) - due for now, due in log]

    def coordinated(elapsed_s, sent, in_flight):
        """The plausible wrong one: it waits for the answer, then takes the next moment."""
        if sent >= len(moments):
            return Stop()
        if in_flight or elapsed_s < sent / 10:
            return Wait(seconds=None if in_flight else sent / 10 - elapsed_s)
        return Send(due_s=elapsed_s)

    wrong, _ = play(coordinated, stalling)
    hidden = [now + stalling(now) - due for now, due in wrong]
    assert sum(x > 0.5 for x in from_schedule) >= 14
    assert sum(x > 0.5 for x in hidden) == 1

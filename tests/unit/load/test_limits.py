"""Holding back: the policy's caps, the server's word, and no wait that nobody would wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.load.limits import Gauge, heard, hold_s, taken, told_to_wait
from lens_gate.records.exchange import RateLimit, RateLimits
from lens_gate.records.policy import RateCap

NO_CAP = Gauge(cap=RateCap())


def after(gauge: Gauge, *sends: tuple[float, float]) -> Gauge:
    for at_s, tokens in sends:
        gauge = taken(gauge, at_s, tokens)
    return gauge


def test_without_a_cap_and_without_a_word_nothing_waits() -> None:
    gauge = after(NO_CAP, (0.0, 1e9), (0.0, 1e9))
    assert hold_s(gauge, 0.0, 1e9) == 0
    assert gauge.sent == ()


def test_requests_of_a_minute_stay_within_the_cap() -> None:
    gauge = after(Gauge(cap=RateCap(requests_per_minute=2)), (0.0, 1.0), (10.0, 1.0))
    assert hold_s(gauge, 20.0, 1.0) == 40.0
    assert hold_s(gauge, 60.0, 1.0) == 0.0


def test_tokens_of_a_minute_stay_within_the_cap() -> None:
    gauge = after(Gauge(cap=RateCap(tokens_per_minute=100)), (0.0, 60.0), (10.0, 30.0))
    assert hold_s(gauge, 20.0, 10.0) == 0.0
    assert hold_s(gauge, 20.0, 11.0) == 40.0
    assert hold_s(gauge, 20.0, 90.0) == 50.0


def test_a_request_above_the_cap_by_itself_goes_when_nothing_else_counts() -> None:
    gauge = Gauge(cap=RateCap(tokens_per_minute=100))
    assert hold_s(gauge, 0.0, 500.0) == 0.0
    assert hold_s(taken(gauge, 0.0, 500.0), 1.0, 500.0) == 59.0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 80)), max_size=40))
def test_no_minute_ever_holds_more_than_the_caps(steps) -> None:
    gauge = Gauge(cap=RateCap(requests_per_minute=5, tokens_per_minute=200))
    now_s, went = 0.0, []
    for pause_s, tokens in steps:
        now_s += pause_s
        while (wait_s := hold_s(gauge, now_s, tokens)) > 0:
            now_s += wait_s
        gauge = taken(gauge, now_s, tokens)
        went.append((now_s, tokens))
    for end_s, _ in went:
        window = [t for at_s, t in went if end_s - 60.0 < at_s <= end_s]
        assert len(window) <= 5
        assert sum(window) <= 200 + 1e-6


def test_what_is_left_by_the_server_fills_steadily() -> None:
    limits = RateLimits(requests=RateLimit(limit=60, remaining=0, reset_s=60.0))
    gauge = heard(NO_CAP, 100.0, limits, in_flight=0)
    assert hold_s(gauge, 100.0, 1.0) == pytest.approx(1.0)
    assert hold_s(gauge, 101.0, 1.0) == 0.0
    gauge = taken(gauge, 101.0, 1.0)
    assert hold_s(gauge, 101.0, 1.0) == pytest.approx(1.0)


def test_a_wrong_limiter_that_waits_for_the_whole_reset_would_wait_sixty_times_as_long() -> None:
    limits = RateLimits(requests=RateLimit(limit=60, remaining=0, reset_s=60.0))
    assert hold_s(heard(NO_CAP, 0.0, limits, in_flight=0), 0.0, 1.0) * 60 == pytest.approx(60.0)


def test_requests_in_flight_are_taken_as_not_yet_counted() -> None:
    limits = RateLimits(requests=RateLimit(limit=10, remaining=3, reset_s=7.0))
    assert hold_s(heard(NO_CAP, 0.0, limits, in_flight=2), 0.0, 1.0) == 0.0
    assert hold_s(heard(NO_CAP, 0.0, limits, in_flight=3), 0.0, 1.0) == pytest.approx(1.0)


def test_tokens_are_limited_as_requests_are() -> None:
    limits = RateLimits(tokens=RateLimit(limit=1000, remaining=100, reset_s=9.0))
    gauge = heard(NO_CAP, 0.0, limits, in_flight=0)
    assert hold_s(gauge, 0.0, 100.0) == 0.0
    assert hold_s(gauge, 0.0, 200.0) == pytest.approx(1.0)
    assert hold_s(taken(gauge, 0.0, 100.0), 0.0, 50.0) == pytest.approx(0.5)
    # Whole again, it limits nothing, and what it said is forgotten.
    assert hold_s(gauge, 9.0, 2000.0) == 0.0
    assert taken(gauge, 9.0, 2000.0).tokens is None


def test_a_limit_of_unknown_size_is_waited_for_whole() -> None:
    limits = RateLimits(requests=RateLimit(remaining=0, reset_s=5.0))
    gauge = heard(NO_CAP, 0.0, limits, in_flight=0)
    assert hold_s(gauge, 1.0, 1.0) == 4.0


@pytest.mark.parametrize(
    "stated",
    [RateLimit(limit=5), RateLimit(remaining=0), RateLimit(remaining=0, reset_s=0.0)],
)
def test_half_a_word_says_nothing_and_keeps_what_was_known(stated) -> None:
    known = heard(
        NO_CAP, 0.0, RateLimits(requests=RateLimit(limit=2, remaining=0, reset_s=9.0)), in_flight=0
    )
    gauge = heard(known, 0.0, RateLimits(requests=stated), in_flight=0)
    assert gauge.requests == known.requests


def test_a_refusal_that_names_its_wait_is_kept_by_every_request() -> None:
    gauge = told_to_wait(NO_CAP, 10.0, 5.0)
    assert hold_s(told_to_wait(gauge, 10.0, 1.0), 11.0, 1.0) == 4.0
    assert hold_s(gauge, 15.0, 1.0) == 0.0


def test_a_wait_that_nobody_would_wait_is_not_waited() -> None:
    daily = RateLimits(requests=RateLimit(remaining=0, reset_s=40_000.0))
    gauge = told_to_wait(heard(NO_CAP, 0.0, daily, in_flight=0), 0.0, 3.0)
    assert hold_s(gauge, 0.0, 1.0) == 3.0
    assert hold_s(gauge, 3.0, 1.0) == 0.0

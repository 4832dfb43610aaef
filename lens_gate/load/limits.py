"""How long to hold a request back so that the benchmark itself trips no rate limit.

Two things are kept to. The policy's caps: no more requests, and no more tokens, within any minute.
And what the server says: what is left of its limit, and when it is whole again; between the two it
is taken to fill steadily, as the token buckets of the vendors do. Times are seconds of one clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lens_gate.records.exchange import RateLimit, RateLimits
from lens_gate.records.policy import RateCap

WINDOW_S = 60.0
LONGEST_HOLD_S = 60.0
"""A longer wait is not waited: the request goes, and the server may refuse it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What was left of a server's limit at a moment, how fast it fills (a second), and until when.

    A server that does not say how large its limit is fills nothing before ``whole_s``.
    """

    amount: float
    at_s: float
    whole_s: float
    refill: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What is known of one target's limits. ``sent`` are (moment, tokens) of the last minute."""

    cap: RateCap
    sent: tuple[tuple[float, float], ...] = ()
    requests: Left | None = None
    tokens: Left | None = None
    not_before_s: float = 0.0


def hold_s(gauge: Gauge, now_s: float, tokens: float) -> float:
    """Seconds for which a request of so many tokens must wait; 0 where it may go."""
    recent = _recent(gauge, now_s)
    cap = gauge.cap
    waits = [
        gauge.not_before_s - now_s,
        _until_below(((at, 1.0) for at, _ in recent), cap.requests_per_minute, 1.0, now_s),
        _until_below(recent, cap.tokens_per_minute, tokens, now_s),
        _until_filled(gauge.requests, 1.0, now_s),
        _until_filled(gauge.tokens, tokens, now_s),
    ]
    # A wait that is too long to be waited says nothing about those that are not.
    return max((wait for wait in waits if 0 < wait <= LONGEST_HOLD_S), default=0.0)


def taken(gauge: Gauge, now_s: float, tokens: float) -> Gauge:
    """A request of so many tokens went."""
    capped = gauge.cap != RateCap()
    return replace(
        gauge,
        sent=(*_recent(gauge, now_s), (now_s, tokens)) if capped else (),
        requests=_less(gauge.requests, 1.0, now_s),
        tokens=_less(gauge.tokens, tokens, now_s),
    )


def heard(gauge: Gauge, now_s: float, limits: RateLimits, in_flight: int) -> Gauge:
    """An answer stated its limits while so many other requests were still without theirs.

    The server may or may not have counted those already: they are taken as not counted.
    """
    return replace(
        gauge,
        requests=_left(limits.requests, now_s, in_flight) or gauge.requests,
        tokens=_left(limits.tokens, now_s, 0) or gauge.tokens,
    )


def told_to_wait(gauge: Gauge, now_s: float, seconds: float) -> Gauge:
    """A refusal named the time for which nothing should be asked."""
    return replace(gauge, not_before_s=max(gauge.not_before_s, now_s + seconds))


def _recent(gauge: Gauge, now_s: float) -> tuple[tuple[float, float], ...]:
    return tuple(entry for entry in gauge.sent if entry[0] > now_s - WINDOW_S)


def _until_below(
    sent: Iterable[tuple[float, float]], cap: float | None, more: float, now_s: float
) -> float:
    """Seconds until enough of the last minute has passed out of it.

    A request above the cap by itself waits until nothing else is in the window, then goes.
    """
    if cap is None:
        return 0.0
    entries = tuple(sent)
    excess = sum(amount for _, amount in entries) + more - cap
    free_s = now_s
    for at_s, amount in entries:
        if excess <= 0:
            break
        excess -= amount
        free_s = at_s + WINDOW_S
    return free_s - now_s


def _until_filled(left: Left | None, need: float, now_s: float) -> float:
    if left is None or now_s >= left.whole_s:
        return 0.0
    missing = need - _amount(left, now_s)
    if missing <= 0:
        return 0.0
    whole = left.whole_s - now_s
    return min(whole, missing / left.refill) if left.refill else whole


def _amount(left: Left, now_s: float) -> float:
    return left.amount + left.refill * (now_s - left.at_s)


def _less(left: Left | None, amount: float, now_s: float) -> Left | None:
    if left is None or now_s >= left.whole_s:
        return None
    return replace(left, amount=_amount(left, now_s) - amount, at_s=now_s)


def _left(stated: RateLimit | None, now_s: float, in_flight: int) -> Left | None:
    if stated is None or stated.remaining is None or not stated.reset_s:
        return None
    gone = (stated.limit or 0) - stated.remaining
    return Left(
        amount=stated.remaining - in_flight,
        at_s=now_s,
        whole_s=now_s + stated.reset_s,
        refill=max(0.0, gone / stated.reset_s),
    )

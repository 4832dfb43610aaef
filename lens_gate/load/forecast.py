"""What a load will come to, before it is sent: how many requests, how long, how many at once.

A load is played out in virtual time against a server that takes the same time for each request, so
that every pattern is forecast by what it does, those of third parties among them.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lens_gate.load.pacer import Send, Stage, Stop
from lens_gate.load.patterns import is_open, stages
from lens_gate.records.policy import Load

# Of requests that take longer than expected, twice as many are in flight.
_HEADROOM = 2.0
# A pause that is shorter than the last digit of the time would never end.
_A_MOMENT_S = 1e-9


class _Mean:
    """Chance at its mean: every waiting time is as long as it is expected to be."""

    def standard_exponential(self, size: int, /) -> Iterable[float]:
        return (1.0,) * size


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Requests sent, seconds from the first moment to the last end, and most in flight at once."""

    requests: int
    seconds: float
    most_in_flight: int


def forecast(load: Load, requests: int, request_s: float) -> Forecast:
    """Play out a load of so many requests that take ``request_s`` seconds each."""
    sent, seconds, most = 0, 0.0, 0
    for stage in stages(load, requests, _Mean()):
        found = played(stage, request_s)
        sent += found.requests
        seconds += found.seconds
        most = max(most, found.most_in_flight)
    return Forecast(requests=sent, seconds=seconds, most_in_flight=most)


def played(stage: Stage, request_s: float) -> Forecast:
    """Play out one stage."""
    now, sent, most = 0.0, 0, 0
    ends: list[float] = []
    while not isinstance(answer := stage.pacer(now, sent, len(ends)), Stop):
        if isinstance(answer, Send):
            heapq.heappush(ends, now + request_s)
            sent += 1
            most = max(most, len(ends))
            continue
        pause_s = answer.seconds
        later = None if pause_s is None else now + max(pause_s, _A_MOMENT_S)
        if ends and (later is None or ends[0] <= later):
            now = heapq.heappop(ends)
        elif later is not None:
            now = later
        else:
            break  # nothing in flight, and nothing to wait for: such a pattern never goes on
    return Forecast(requests=sent, seconds=max(ends, default=now), most_in_flight=most)


def offered(load: Load, requests: int) -> int:
    """How many of so many requests this load comes to send: a trace may be shorter, time be up.

    Where only the speed of the server decides (a closed loop with a duration) it is all of them.
    """
    return forecast(load, requests, 0.0).requests if is_open(load) else requests


def expected_s(load: Load, requests: int, request_s: float, *, warmup: int = 0) -> float:
    """How long a load of so many requests takes, seconds, at ``request_s`` for each.

    ``warmup`` requests go before it, as many at once as the load may have in flight.
    """
    if load.pattern == "closed" and load.duration_s is None:
        # Requests differ in length, so that the slots of a loop do not end all at once.
        return (requests + warmup) * request_s / load.concurrency
    before = warmup * request_s / min(load.concurrency, warmup) if warmup else 0.0
    return before + forecast(load, requests, request_s).seconds


def connections(load: Load, requests: int, request_s: float) -> int:
    """How many connections to open before the first request, so that none waits for its own.

    As many as are in flight at once where every request takes twice as long as expected.
    """
    if not requests:
        return 0
    if not is_open(load):
        widest = load.concurrency if load.pattern == "closed" else round(max(load.steps))
        return min(widest, requests)
    return forecast(load, requests, _HEADROOM * request_s).most_in_flight


def within(load: Load, requests: int) -> Load:
    """The load without the part of its trace that so many requests do not reach."""
    return replace(load, arrivals=load.arrivals[:requests])

"""The limiter of a target under many requests at once, on a clock of its own."""

import asyncio

from lens_gate.records.exchange import RateLimit, RateLimits
from lens_gate.records.policy import RateCap
from lens_gate.runner.limiter import Limiter


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now_ns(self) -> int:
        return round(self.now_s * 1e9)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now_s += seconds


async def one(limiter: Limiter, clock: Clock, tokens: float = 1.0) -> float:
    return await limiter.hold(tokens, now_ns=clock.now_ns, sleep=clock.sleep)


def test_requests_that_come_together_leave_in_order_within_the_cap() -> None:
    clock = Clock()
    left: list[tuple[int, float]] = []

    async def go() -> None:
        limiter = Limiter(RateCap(requests_per_minute=2))

        async def send(number: int) -> None:
            await one(limiter, clock)
            left.append((number, clock.now_s))

        await asyncio.gather(*(send(number) for number in range(6)))

    asyncio.run(go())
    assert left == [(0, 0.0), (1, 0.0), (2, 60.0), (3, 60.0), (4, 120.0), (5, 120.0)]


def test_the_seconds_held_are_told() -> None:
    clock = Clock()

    async def go() -> list[float]:
        limiter = Limiter(RateCap(tokens_per_minute=10))
        return [await one(limiter, clock, 10.0), await one(limiter, clock, 10.0)]

    assert asyncio.run(go()) == [0.0, 60.0]


def test_the_server_is_listened_to_and_what_is_in_flight_counts() -> None:
    clock = Clock()

    async def go() -> list[float]:
        limiter = Limiter(RateCap())
        await one(limiter, clock)
        await one(limiter, clock)
        # Two are left of three by the first answer, and one of them belongs to the second request.
        limits = RateLimits(requests=RateLimit(limit=3, remaining=2, reset_s=1.0))
        limiter.answered(now_ns=clock.now_ns(), limits=limits, retry_after_s=None)
        held = [await one(limiter, clock), await one(limiter, clock)]
        limiter.answered(now_ns=clock.now_ns(), limits=None, retry_after_s=None)
        return held

    assert asyncio.run(go()) == [0.0, 1.0]


def test_a_refusal_that_names_a_wait_holds_the_next_request() -> None:
    clock = Clock()

    async def go() -> float:
        limiter = Limiter(RateCap())
        await one(limiter, clock)
        limiter.answered(now_ns=clock.now_ns(), limits=None, retry_after_s=7.5)
        return await one(limiter, clock)

    assert asyncio.run(go()) == 7.5


def test_who_is_cancelled_while_waiting_leaves_the_turn_to_the_next() -> None:
    clock = Clock()

    async def go() -> float:
        limiter = Limiter(RateCap(requests_per_minute=1))
        await one(limiter, clock)
        stuck = asyncio.create_task(
            limiter.hold(1.0, now_ns=clock.now_ns, sleep=lambda _: asyncio.Event().wait())
        )
        await asyncio.sleep(0)
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        clock.now_s = 60.0
        return await one(limiter, clock)

    assert asyncio.run(go()) == 0.0

"""One sample: a prompt sent to a target, with its retries, its money and its end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from lens_gate.metrics.ledger import Refusal
from lens_gate.metrics.pricing import reserve_for
from lens_gate.providers.estimate import BYTES_A_TOKEN
from lens_gate.records.exchange import ChatRequest, Failure, RateLimits
from lens_gate.records.policy import Prompt, Scenario
from lens_gate.records.sample import ArmName, Marks, Phase, Sample
from lens_gate.runner.attempt import Attempt, attempt
from lens_gate.runner.relaxed import MOST
from lens_gate.runner.till import NOTHING, Kept, Till
from lens_gate.runner.wire import Wire

# A server that asks for a longer wait is not waited for: the failure stands.
RETRY_CEILING_S = 60.0
_BACKOFF_S = 0.5
_BACKOFF_CEILING_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request to be: its place in the run, and what it asks.

    ``target`` is that of its cell, which in a duet need not be the one that it is sent to.
    ``ready_ns``: its slot was free, or it was due. ``fresh``: over a connection of its own.
    ``salted``: it begins with the salt of its arm.
    """

    seq: int
    scenario: Scenario
    target: str
    wire: Wire
    phase: Phase
    prompt: Prompt
    ready_ns: int
    arm: ArmName = "head"
    pair: int | None = None
    block: int | None = None
    fresh: bool = False
    salted: bool = False

    def request(self) -> ChatRequest:
        """What it asks, with the words that keep prompt caches out where it has any."""
        own = self.seq if self.scenario.cache == "bust" else self.arm
        salt = f"{self.wire.run_id}/{own}"
        return self.wire.request(self.scenario, self.prompt, salt, salted=self.salted)

    def reservation(self) -> Decimal:
        """The most that one attempt can cost."""
        request = self.request()
        return reserve_for(
            self.wire.prices,
            self.wire.provider.bound_input(request),
            request.max_output_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """The world as a sample needs it: run origin, monotonic clock, waiting, and chance (0 to 1)."""

    origin_ns: int
    now_ns: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    chance: Callable[[], float]


GiveWay = Callable[[int], Awaitable[None]]
"""Told when an answer had arrived; returns when that may be taken apart."""


async def take_sample(
    job: Job, till: Till, clock: Clockwork, keep: Kept = NOTHING, give_way: GiveWay | None = None
) -> Sample:
    """Send the job, whose first reservation has been made, and answer with its sample.

    ``keep`` is what later cells must still find: retries leave it to them. ``give_way`` is awaited
    when the answer is there and before it is read, but not where a retry could follow: the request
    holds its place until then.

    Being cancelled (a cap, a signal) does not lose it: the attempt under way is settled at its
    reservation and the sample says ``cut``.
    """
    amount = job.reservation()
    request = job.request()
    tries = _Tries(amount)
    if job.wire.target.retries:
        give_way = None
    while True:
        try:
            last = await _held_attempt(job, request, tries, clock, give_way)
        except asyncio.CancelledError:
            # What the limiter still held back never left; anything else may have been served.
            known = None if tries.on_wire else Decimal(0)
            tries.break_off(clock.now_ns())
            tries.add(till.settle(job.wire.target.key, amount, known), known)
            return _sample(job, None, tries, cut=True)
        except Exception:
            # A bug of ours: it reaches the user as one, but no reservation stays open behind it.
            till.settle(job.wire.target.key, amount, None)
            raise
        settled = till.settle(job.wire.target.key, amount, last.bill_usd)
        if _unheard(last) and not tries.resent:
            # The server had closed the idle connection before this request came: nobody read it.
            # It is sent once more, over a new connection; the first sending stays booked.
            tries.settled += settled
            if not isinstance(till.reserve(job.wire.target.key, amount, keep), Refusal):
                tries.resent += 1
                job = replace(job, fresh=True)
                continue
            settled = Decimal(0)
        tries.add(settled, last.cost_usd)
        wait_s = _retry_wait(last, tries.count, job.wire.target.retries, clock.chance)
        if wait_s is None:
            return _sample(job, last, tries)
        try:
            await clock.sleep(wait_s)
        except asyncio.CancelledError:
            return _sample(job, last, tries, cut=True)
        tries.waited_s += wait_s
        if isinstance(till.reserve(job.wire.target.key, amount, keep), Refusal):
            return _sample(job, last, tries)


async def _held_attempt(
    job: Job, request: ChatRequest, tries: "_Tries", clock: Clockwork, give_way: GiveWay | None
) -> Attempt:
    """One attempt, as soon as the target's rate limiter lets it go.

    What the limiter holds back is no queue delay: it is reported by itself.
    """
    limiter = job.wire.limiter
    tokens = job.wire.provider.bound_input(request) / BYTES_A_TOKEN + request.max_output_tokens
    tries.on_wire = False
    tries.held_from_ns = clock.now_ns()
    held_s = await limiter.hold(tokens, now_ns=clock.now_ns, sleep=clock.sleep)
    tries.on_wire = True
    ready_ns = clock.now_ns() - clock.origin_ns
    if tries.count == 0 and not tries.resent:
        tries.held_s = held_s
        ready_ns = job.ready_ns + round(held_s * 1e9)
    limits, retry_after_s, told = None, None, False

    async def answered(limits: RateLimits | None, done_ns: int | None) -> None:
        nonlocal told
        if give_way is not None and done_ns is not None:
            told = True
            limiter.answered(now_ns=clock.now_ns(), limits=limits, retry_after_s=None)
            await give_way(done_ns)

    try:
        last = await attempt(
            job.wire,
            request,
            reserved=tries.reservation,
            ready_ns=ready_ns,
            origin_ns=clock.origin_ns,
            fresh=job.fresh,
            sharing=job.scenario.load.concurrency if job.scenario.load.pattern == "closed" else 1,
            answered=answered,
        )
        limits = last.rate_limits
        retry_after_s = last.failure.retry_after_s if last.failure else None
    finally:
        now_ns = clock.now_ns()
        if told:
            limiter.refused(now_ns=now_ns, retry_after_s=retry_after_s)
        else:
            limiter.answered(now_ns=now_ns, limits=limits, retry_after_s=retry_after_s)
    return last


class _Tries:
    """What the attempts of one sample add up to."""

    def __init__(self, reservation: Decimal) -> None:
        self.count = 0
        self.waited_s = 0.0
        self.held_s = 0.0
        self.held_from_ns = 0
        self.on_wire = False
        self.resent = 0
        self.reservation = reservation
        self.settled = Decimal(0)
        self.cost: Decimal | None = Decimal(0)

    def break_off(self, now_ns: int) -> None:
        """It ends now, perhaps while the limiter still holds it back."""
        if not self.on_wire and self.count == 0 and not self.resent:
            self.held_s = (now_ns - self.held_from_ns) / 1e9

    def add(self, settled: Decimal, cost: Decimal | None) -> None:
        self.count += 1
        self.settled += settled
        self.cost = None if cost is None or self.cost is None else self.cost + cost


def _unheard(last: Attempt) -> bool:
    """Whether a kept connection broke before a byte of an answer came."""
    marks = last.marks
    lost = last.failure is not None and last.failure.status == "connection"
    return lost and marks.reused and marks.first_byte is None


def _retry_wait(
    last: Attempt, count: int, retries: int, chance: Callable[[], float]
) -> float | None:
    """Seconds until the next attempt, or ``None`` where there is none."""
    failure = last.failure
    if last.again and count <= MOST:
        return 0.0
    if failure is None or not failure.retryable or count > retries:
        return None
    if failure.retry_after_s is not None:
        return failure.retry_after_s if failure.retry_after_s <= RETRY_CEILING_S else None
    backoff = min(_BACKOFF_CEILING_S, _BACKOFF_S * 2.0 ** (count - 1))
    return backoff * (0.5 + chance() / 2)


def _sample(job: Job, last: Attempt | None, tries: _Tries, *, cut: bool = False) -> Sample:
    decoded = last.decoded if last else None
    cut_failure = Failure(status="client", detail="broken off by the end of the run")
    return Sample(
        seq=job.seq,
        scenario=job.scenario.key,
        target=job.target,
        arm=job.arm,
        phase="cut" if cut else job.phase,
        prompt_id=job.prompt.id,
        attempts=tries.count,
        waited_s=tries.waited_s,
        held_s=tries.held_s,
        resent=tries.resent,
        marks=last.marks if last else Marks(ready=job.ready_ns),
        failure=cut_failure if cut else last.failure if last else None,
        limit_s=last.limit_s if last else None,
        http_status=last.http_status if last else None,
        model=decoded.model if decoded else None,
        finish_reason=decoded.finish_reason if decoded else None,
        service_tier=decoded.service_tier if decoded else None,
        usage=decoded.usage if decoded else None,
        output_chars=decoded.output_chars if decoded else 0,
        reserved_usd=tries.reservation,
        settled_usd=tries.settled,
        cost_usd=tries.cost,
        server=decoded.server if decoded else None,
        first_tokens=decoded.first_tokens if decoded else None,
        pair=job.pair,
        block=job.block,
        labels=last.labels if last else {},
    )

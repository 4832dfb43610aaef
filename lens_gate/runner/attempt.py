"""One request on the wire, once: send, receive with times, decode, tell success from failure."""

from dataclasses import dataclass, replace
from decimal import Decimal

from lens_gate.metrics.pricing import Bill, bill, to_book
from lens_gate.providers.answer import DecodedStream, collect, judge_exchange
from lens_gate.providers.interface import Watch
from lens_gate.records.exchange import ChatRequest, Failure, RateLimits, ResponseHead
from lens_gate.records.sample import Marks
from lens_gate.runner.wire import Wire
from lens_gate.transport import Exchange, exchange

# A token comes in about 300 bytes of JSON; a server that sends this much for each token that it was
# allowed is not answering our question.
_BYTES_FOR_A_TOKEN = 2048
_BYTES_AT_LEAST = 1 << 20
# Events for each allowed token, and besides (role, usage, pings), before a stream is cut.
_EVENTS_FOR_A_TOKEN = 2
_EVENTS_AT_LEAST = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of it. ``bill_usd`` is ``None`` where only the reservation can be booked."""

    marks: Marks
    decoded: DecodedStream | None
    failure: Failure | None
    limit_s: float | None
    http_status: int | None
    bill_usd: Decimal | None
    cost_usd: Decimal | None
    rate_limits: RateLimits | None = None


async def attempt(
    wire: Wire, request: ChatRequest, *, reserved: Decimal, ready_ns: int, origin_ns: int
) -> Attempt:
    """Send one request, for which ``reserved`` is set aside, and take the answer apart.

    That happens off the timed path.
    """
    limit = _Limit(_EVENTS_AT_LEAST + _EVENTS_FOR_A_TOKEN * request.max_output_tokens)
    result = await exchange(
        wire.session,
        wire.provider.encode(request, wire.endpoint),
        secret=wire.secret,
        timeouts=wire.target.timeouts,
        origin_ns=origin_ns,
        watch=limit.around(wire.provider.watch(ResponseHead(status=200, headers={}))),
        max_body=_BYTES_AT_LEAST + _BYTES_FOR_A_TOKEN * request.max_output_tokens,
    )
    decoded = None
    if result.head is not None and result.head.status == 200:
        decoded = _without_keys(
            wire,
            collect(wire.provider, result.head, result.body, result.reads, stream=request.stream),
        )
    failure = _failure(wire, result, decoded, over_limit=limit.exceeded, stream=request.stream)
    known = _bill(wire, decoded)
    # Nothing left our socket, so nothing can be billed; else only a bill by final usage settles.
    booked = Decimal(0) if result.sent is None else to_book(known, reserved)
    return Attempt(
        marks=_marks(result, decoded, ready_ns),
        decoded=decoded,
        failure=failure,
        limit_s=result.limit_s,
        http_status=result.head.status if result.head else None,
        bill_usd=booked,
        cost_usd=known.usd,
        rate_limits=wire.provider.rate_limits(result.head) if result.head else None,
    )


def _bill(wire: Wire, decoded: DecodedStream | None) -> Bill:
    if decoded is None or not decoded.usage_final:
        return Bill(usd=None)
    return bill(wire.prices, decoded.usage, model=decoded.model, service_tier=decoded.service_tier)


def _without_keys(wire: Wire, decoded: DecodedStream) -> DecodedStream:
    """The names that journal and report show, which a server may have made of the key."""
    redact = wire.session.redact
    return replace(
        decoded,
        model=decoded.model and redact(decoded.model),
        finish_reason=decoded.finish_reason and redact(decoded.finish_reason),
        service_tier=decoded.service_tier and redact(decoded.service_tier),
    )


class _Limit:
    """Stops a stream that sends far more events than it was allowed tokens."""

    def __init__(self, events: int) -> None:
        self.left = events
        self.exceeded = False

    def around(self, watch: Watch) -> Watch:
        """The protocol's own watch, and the count of events beside it."""

        def look(data: bytes) -> bool:
            self.left -= data.count(b"data:")
            self.exceeded = self.left < 0
            return self.exceeded or watch(data)

        return look


def _failure(
    wire: Wire, result: Exchange, decoded: DecodedStream | None, *, over_limit: bool, stream: bool
) -> Failure | None:
    if over_limit or result.ended == "too_large":
        return Failure(
            status="over_limit",
            detail="the answer went on far beyond max_output_tokens and was cut",
            http_status=result.head.status if result.head else None,
        )
    failure = judge_exchange(
        wire.provider,
        result.head,
        result.body,
        decoded,
        ended=result.ended,
        detail=result.detail,
        stream=stream,
    )
    if failure is None:
        return None
    # A server may quote the key that it refused, escaped so that only decoding put it together.
    redact = wire.session.redact
    return replace(
        failure, detail=redact(failure.detail), code=failure.code and redact(failure.code)
    )


def _marks(result: Exchange, decoded: DecodedStream | None, ready_ns: int) -> Marks:
    outputs = decoded.output_ns if decoded else ()
    return Marks(
        ready=ready_ns,
        connect_start=result.connect_start,
        connected=result.connected,
        sent=result.sent,
        first_byte=result.first_byte,
        headers=result.headers,
        first_event=decoded.first_event if decoded else None,
        first_reasoning=decoded.first_reasoning if decoded else None,
        first_text=decoded.first_text if decoded else None,
        first_tool=decoded.first_tool if decoded else None,
        last_output=outputs[-1] if outputs else None,
        done=result.done,
        output_ns=outputs,
        merged=decoded.merged if decoded else 0,
        first_since=decoded.first_since if decoded else None,
        last_since=decoded.last_since if decoded else None,
        reused=result.reused,
        clock=result.clock,
    )

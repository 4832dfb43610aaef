"""One request on the wire, once: send, receive with times, decode, tell success from failure."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from lens_gate.metrics.pricing import Bill, bill, to_book
from lens_gate.providers import frames, ollama
from lens_gate.providers.answer import DecodedStream, collect, judge_exchange
from lens_gate.providers.estimate import estimate
from lens_gate.providers.interface import Watch
from lens_gate.providers.labels import labels
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
# What every event has once, by the media type of the stream; else that of an event stream of text.
_MARKS = {ollama.MEDIA_TYPE: b"\n", frames.MEDIA_TYPE: b":event-type"}
_MARK = b"data:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of it. ``bill_usd`` is ``None`` where only the reservation can be booked.

    ``again``: the server refused an option that the next attempt will not send. ``labels`` are
    those of the answer's head.
    """

    marks: Marks
    decoded: DecodedStream | None
    failure: Failure | None
    limit_s: float | None
    http_status: int | None
    bill_usd: Decimal | None
    cost_usd: Decimal | None
    rate_limits: RateLimits | None = None
    again: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


async def attempt(
    wire: Wire,
    request: ChatRequest,
    *,
    reserved: Decimal,
    ready_ns: int,
    origin_ns: int,
    sharing: int = 1,
    fresh: bool = False,
    answered: Callable[[RateLimits | None, int | None], Awaitable[None]] | None = None,
) -> Attempt:
    """Send one request, for which ``reserved`` is set aside, and take the answer apart.

    That happens off the timed path. ``sharing`` requests share a server that is paid by the hour;
    ``fresh`` opens a connection for this request alone. ``answered`` is awaited between the two
    where an answer came, with the limits that it states and the moment of its end.
    """
    relax = wire.provider.relax
    asked = wire.relaxed.ask(relax, wire.provider.encode(request, wire.endpoint))
    limit = _Limit(
        _EVENTS_AT_LEAST + _EVENTS_FOR_A_TOKEN * request.max_output_tokens,
        _MARKS.get(wire.provider.media_type, _MARK) if request.stream else _MARK,
    )
    result = await exchange(
        wire.session,
        asked,
        secret=wire.secret,
        timeouts=wire.target.timeouts,
        origin_ns=origin_ns,
        watch=limit.around(wire.provider.watch(ResponseHead(status=200, headers={}))),
        max_body=_BYTES_AT_LEAST + _BYTES_FOR_A_TOKEN * request.max_output_tokens,
        fresh=fresh,
    )
    limits = wire.provider.rate_limits(result.head) if result.head else None
    decoded = None
    if result.head is not None and result.head.status == 200:
        if answered is not None:
            await answered(limits, result.done)
        decoded = _without_keys(
            wire,
            collect(wire.provider, result.head, result.body, result.reads, stream=request.stream),
        )
    again = result.head is not None and wire.relaxed.learn(relax, asked, result.head, result.body)
    failure = _failure(wire, result, decoded, over_limit=limit.exceeded, stream=request.stream)
    known = _bill(wire, decoded, _wall_s(result), sharing)
    # Nothing left our socket, so nothing can be billed; else only a bill by final usage settles.
    booked = Decimal(0) if result.sent is None else to_book(known, reserved)
    if decoded is not None and not decoded.usage_final and failure is None:
        # Counts from before the end are no more of an answer's than none.
        decoded = replace(decoded, usage=estimate(request, decoded))
    return Attempt(
        marks=_marks(result, decoded, ready_ns),
        decoded=decoded,
        failure=failure,
        limit_s=result.limit_s,
        http_status=result.head.status if result.head else None,
        bill_usd=booked,
        cost_usd=known.usd,
        rate_limits=limits,
        again=again,
        labels=_labels(wire, result.head),
    )


def _labels(wire: Wire, head: ResponseHead | None) -> Mapping[str, str]:
    if head is None:
        return {}
    return {name: wire.session.redact(told) for name, told in labels(head).items()}


def _bill(wire: Wire, decoded: DecodedStream | None, seconds: float, sharing: int) -> Bill:
    if decoded is None or not decoded.usage_final:
        return Bill(usd=None)
    if decoded.output_chars and decoded.usage is not None and decoded.usage.output_total == 0:
        return Bill(usd=None, note="usage counts no output, and there was some")
    return bill(
        wire.prices,
        decoded.usage,
        model=decoded.model,
        service_tier=decoded.service_tier,
        at=datetime.now(UTC),
        seconds=seconds,
        sharing=sharing,
    )


def _wall_s(result: Exchange) -> float:
    if result.sent is None or result.done is None:
        return 0.0
    return (result.done - result.sent) / 1e9


def _without_keys(wire: Wire, decoded: DecodedStream) -> DecodedStream:
    """The names that journal and report show, which a server may have made of the key."""
    redact, usage = wire.session.redact, decoded.usage
    if usage is not None and usage.charges:
        charges = {redact(kind): count for kind, count in usage.charges.items()}
        usage = replace(usage, charges=charges)
    return replace(
        decoded,
        usage=usage,
        model=decoded.model and redact(decoded.model),
        finish_reason=decoded.finish_reason and redact(decoded.finish_reason),
        service_tier=decoded.service_tier and redact(decoded.service_tier),
    )


class _Limit:
    """Stops a stream that sends far more events than it was allowed tokens.

    ``mark`` is what each of them has once.
    """

    def __init__(self, events: int, mark: bytes) -> None:
        self.exceeded = False
        self._left = events
        self._mark = mark

    def around(self, watch: Watch) -> Watch:
        """The protocol's own watch, and the count of events beside it."""
        uncounted: list[bytes] = []
        room = self._left * len(self._mark)

        def look(data: bytes) -> bool:
            nonlocal room
            uncounted.append(data)
            room -= len(data)
            # Fewer bytes can't hold too many: counting each read would be half the price of a look.
            if room < 0:
                room = self._counted(uncounted)
            return self.exceeded or watch(data)

        return look

    def _counted(self, uncounted: list[bytes]) -> int:
        """Count what came since the last time; gives the bytes that may come until the next."""
        self._left -= b"".join(uncounted).count(self._mark)
        uncounted.clear()
        self.exceeded = self._left < 0
        return self._left * len(self._mark)


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
    code = failure.code and redact(failure.code)
    if failure.status == "timeout" and result.timed_out is not None:
        code = result.timed_out  # which of the limits: connect, first_byte, idle or total
    return replace(failure, detail=redact(failure.detail), code=code)


def _marks(result: Exchange, decoded: DecodedStream | None, ready_ns: int) -> Marks:
    outputs = decoded.output_ns if decoded else ()
    return Marks(
        ready=ready_ns,
        connect_start=result.connect_start,
        resolved=result.resolved,
        tcp_connected=result.tcp_connected,
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
        byte_since=result.first_byte_since,
        output_since=decoded.output_since if decoded else None,
        blur=decoded.blur if decoded else 0,
        lag=result.lag,
        reused=result.reused,
        clock=result.clock,
    )

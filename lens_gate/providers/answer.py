"""One answer, taken apart and judged: events with their times, and whether it is a success.

An answer is a success only when all four hold: HTTP 200 with the content type of a stream, no error
in it, a finish reason, and a clean end. An end marker proves nothing, nor does text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Literal

from lens_gate.providers.failures import clean, http_failure, malformed
from lens_gate.providers.interface import Provider
from lens_gate.records.exchange import (
    EventKind,
    Failure,
    Read,
    ResponseHead,
    ServerTimes,
    Status,
    StreamEvent,
    Usage,
)

Ended = Literal[
    "clean", "stopped", "timeout", "connection", "truncated", "too_large", "malformed", "client"
]
JSON_TYPE = "application/json"
_SERVER_TIMES = tuple(f.name for f in fields(ServerTimes) if f.name != "source")
_OUTPUT: frozenset[EventKind] = frozenset({"reasoning", "text", "tool"})
_ENDS: Final[Mapping[Ended, tuple[Status, str]]] = {
    "timeout": ("timeout", "a timeout ended the request"),
    "connection": ("connection", "the connection failed"),
    "truncated": ("truncated", "the body broke off"),
    "too_large": ("over_limit", "the body was larger than allowed"),
    "malformed": ("malformed", "the answer broke the HTTP protocol or its compression"),
    "client": ("client", "our side gave up"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedStream:
    """What an answer said, and when: times are those of its reads (``Read.at_ns``).

    ``first_event`` is the first event or comment of any kind. ``output_ns`` has one entry for each
    event that carried output (reasoning, text or a tool call); ``merged`` counts those that shared
    a read with an earlier one. ``first_since`` and ``last_since`` are the earliest moments at which
    the first visible and the last output can have arrived, ``output_since`` that for the first
    output of any kind; ``blur`` is the most by which the time of an output is uncertain.
    ``first_tokens`` are the output tokens that the event of the first output counted, hidden ones
    before it among them (``None``: it counted none). ``usage`` is the last word on each count;
    ``usage_final`` says that it came with or after the end of the output, so that a bill may rest
    on it. ``output_chars`` counts visible text. ``saw_end``: the protocol's end marker. ``events``
    counts events, comments among them. ``server`` is what the server says of its own time. All but
    the times and ``merged`` are the same at whatever read boundaries.

    An answer that was not streamed has no times and no outputs, only what it said.
    """

    first_event: int | None = None
    first_reasoning: int | None = None
    first_text: int | None = None
    first_tool: int | None = None
    last_output: int | None = None
    output_ns: tuple[int, ...] = ()
    merged: int = 0
    first_since: int | None = None
    last_since: int | None = None
    output_since: int | None = None
    blur: int = 0
    first_tokens: int | None = None
    output_chars: int = 0
    usage: Usage | None = None
    usage_final: bool = False
    finish_reason: str | None = None
    model: str | None = None
    service_tier: str | None = None
    server: ServerTimes | None = None
    failure: Failure | None = None
    saw_end: bool = False
    events: int = 0


def collect(
    provider: Provider,
    head: ResponseHead,
    body: bytes,
    reads: Sequence[Read],
    *,
    stream: bool = True,
) -> DecodedStream:
    """Decode a body in the pieces in which it arrived.

    Args:
        provider: the protocol.
        head: status and headers of the response.
        body: the body, decompressed.
        reads: its arrivals in order; bytes beyond the last one count to it.
        stream: whether a stream was asked for.

    Raises:
        ValueError: a body without a single read has no times; the protocol only streams.
    """
    if body and not reads:
        raise ValueError("a body without reads")
    said = provider.server_times(head)
    if not stream:
        return _whole(provider, head, body, said)
    decoder = provider.decoder(head)
    tally = _Tally(said)
    start = 0
    for index, read in enumerate(reads):
        events = decoder.feed(body[start : read.end])
        start = max(start, read.end)
        if index == len(reads) - 1:
            events = [*events, *decoder.feed(body[start:]), *decoder.close()]
        before = read.since_ns
        if before is None:
            before = reads[index - 1].at_ns if index else read.at_ns
        # The last event of a read came with its last bytes, unless these belong to another one.
        exact = getattr(decoder, "at_boundary", True)
        tally.add(events, read.at_ns, before, exact=exact)
    return tally.result()


def _whole(
    provider: Provider, head: ResponseHead, body: bytes, said: ServerTimes | None
) -> DecodedStream:
    """An answer in one piece: what it said counts, when its parts came is not known."""
    if provider.whole is None:
        raise ValueError(f"{provider.name} only streams")
    decoder = provider.whole(head)
    tally = _Tally(said)
    tally.add([*decoder.feed(body), *decoder.close()], 0, 0, exact=True)
    return replace(
        tally.result(),
        first_event=None,
        first_reasoning=None,
        first_text=None,
        first_tool=None,
        last_output=None,
        output_ns=(),
        merged=0,
        first_since=None,
        last_since=None,
        output_since=None,
        blur=0,
        first_tokens=None,
    )


def judge_answer(
    head: ResponseHead,
    decoded: DecodedStream,
    *,
    ended: Ended,
    body_length: int,
    detail: str = "",
    media_type: str = "text/event-stream",
) -> Failure | None:
    """Why this answer is no success; ``None`` where it is one.

    Args:
        head: status and headers of the response.
        decoded: its body, taken apart.
        ended: ``clean`` (the body's own end) or ``stopped`` (we stopped at its last word); every
            other word is a failure unless the server itself reported one before.
        body_length: bytes of the body.
        detail: what transport has to say about ``ended``.
        media_type: what the content type must be.
    """
    if head.status >= 300:
        return decoded.failure or http_failure(head, b"")
    if head.status != 200:
        return malformed(f"HTTP {head.status} has no answer", head.status)
    if decoded.failure is not None:
        return decoded.failure
    if ended not in ("clean", "stopped"):
        return _broken(ended, detail, head)
    media = head.headers.get("content-type", media_type).partition(";")[0].strip().lower()
    if body_length and media != media_type:
        return malformed(f"the answer is {media or 'untyped'}, not {media_type}", head.status)
    if decoded.finish_reason is not None:
        return None
    if body_length == 0:
        return _failed("empty", "HTTP 200 with an empty body", head)
    if not decoded.output_ns:
        return _failed("empty", "a stream without output and without a finish reason", head)
    return _failed("truncated", "the stream ended without a finish reason", head)


def judge_exchange(
    provider: Provider,
    head: ResponseHead | None,
    body: bytes,
    decoded: DecodedStream | None,
    *,
    ended: Ended,
    detail: str = "",
    stream: bool = True,
) -> Failure | None:
    """``judge_answer`` for whatever came of a request: no answer, an HTTP error, or an answer.

    ``decoded`` may be left out where it was not made (HTTP errors); ``body`` may be cut.
    """
    if head is None:
        return _broken(ended if ended in _ENDS else "connection", detail, None)
    if head.status >= 300:
        return provider.failure(head, body)
    if decoded is None:
        decoded = collect(provider, head, body, [Read(end=len(body), at_ns=0)], stream=stream)
    return judge_answer(
        head,
        decoded,
        ended=ended,
        body_length=len(body),
        detail=detail,
        media_type=provider.media_type if stream else JSON_TYPE,
    )


def _broken(ended: Ended, detail: str, head: ResponseHead | None) -> Failure:
    status, words = _ENDS[ended]
    return Failure(
        status=status,
        detail=clean(detail) or words,
        http_status=head.status if head else None,
        # Before the answer began the server may never have seen the request.
        retryable=status == "connection" and head is None,
    )


def _failed(status: Status, detail: str, head: ResponseHead) -> Failure:
    return Failure(status=status, detail=detail, http_status=head.status)


class _Tally:
    """Adds up the events of one answer."""

    def __init__(self, server: ServerTimes | None) -> None:
        self._first: dict[str, int] = {}
        self._output_ns: list[int] = []
        self._first_since: int | None = None
        self._last_since: int | None = None
        self._output_since: int | None = None
        self._blur = 0
        self._first_tokens: int | None = None
        self._server = server
        self._merged = self._chars = self._events = 0
        self._usage: Usage | None = None
        self._usage_final = self._usage_stale = False
        self._finish: str | None = None
        self._model: str | None = None
        self._tier: str | None = None
        self._failure: Failure | None = None
        self._saw_end = False

    def add(self, events: Sequence[StreamEvent], at_ns: int, since_ns: int, *, exact: bool) -> None:
        """Count the events of one read: none came before since, the last (exact) at ``at_ns``."""
        before = len(self._output_ns)
        last = self._events + len(events)
        if len(events) > 1:
            last -= sum(event.joined for event in events)
        counted = False
        for event in events:
            if not event.joined:
                self._events += 1
                counted = False
            self._first.setdefault("event", at_ns)
            self._first.setdefault(event.kind, at_ns)
            if event.kind in _OUTPUT:
                self._usage_stale = True
                alone = exact and self._events == last
                since = at_ns if alone else min(since_ns, at_ns)
                self._last_since = since
                self._blur = max(self._blur, at_ns - since)
                if self._output_since is None:
                    self._output_since = since
                if event.kind != "reasoning" and self._first_since is None:
                    self._first_since = since
                if not counted:
                    # Reasoning and text in one event are one arrival.
                    counted = True
                    self._output_ns.append(at_ns)
            if event.usage is not None and counted and len(self._output_ns) == 1:
                self._first_tokens = event.usage.output_total
            self._note(event)
        self._merged += max(0, len(self._output_ns) - before - 1)

    def _note(self, event: StreamEvent) -> None:
        self._chars += len(event.text)
        self._finish = event.finish_reason or self._finish
        self._model = event.model or self._model
        self._tier = event.service_tier or self._tier
        if event.server is not None:
            self._server = merge_server_times(self._server, event.server)
        self._failure = self._failure or event.failure
        self._saw_end = self._saw_end or event.kind == "end"
        if event.usage is not None:
            self._usage = merge_usage(self._usage, event.usage)
            self._usage_final = self._finish is not None
            self._usage_stale = False

    def result(self) -> DecodedStream:
        """All of it."""
        return DecodedStream(
            first_event=self._first.get("event"),
            first_reasoning=self._first.get("reasoning"),
            first_text=self._first.get("text"),
            first_tool=self._first.get("tool"),
            last_output=self._output_ns[-1] if self._output_ns else None,
            output_ns=tuple(self._output_ns),
            merged=self._merged,
            first_since=self._first_since,
            last_since=self._last_since,
            output_since=self._output_since,
            blur=self._blur,
            first_tokens=self._first_tokens,
            output_chars=self._chars,
            usage=self._usage,
            usage_final=self._usage is not None
            and (self._usage_final or (self._saw_end and not self._usage_stale)),
            finish_reason=self._finish,
            model=self._model,
            service_tier=self._tier,
            server=self._server,
            failure=self._failure,
            saw_end=self._saw_end,
            events=self._events,
        )


def merge_usage(old: Usage | None, new: Usage) -> Usage:
    """The newer report, with the older one's counts where it has none: last wins, by field."""
    if old is None:
        return new
    return Usage(
        input_total=_newer(new.input_total, old.input_total),
        output_total=_newer(new.output_total, old.output_total),
        cache_read=_newer(new.cache_read, old.cache_read),
        cache_write=new.cache_write or old.cache_write,
        reasoning=_newer(new.reasoning, old.reasoning),
        input_audio=_newer(new.input_audio, old.input_audio),
        input_image=_newer(new.input_image, old.input_image),
        output_audio=_newer(new.output_audio, old.output_audio),
        charges={**old.charges, **new.charges},
        cost_usd=old.cost_usd if new.cost_usd is None else new.cost_usd,
        source=new.source,
    )


def merge_server_times(old: ServerTimes | None, new: ServerTimes | None) -> ServerTimes | None:
    """The newer word with the older one's times where it has none."""
    if old is None or new is None:
        return new or old
    times = {
        name: getattr(old, name) if getattr(new, name) is None else getattr(new, name)
        for name in _SERVER_TIMES
    }
    source = old.source if new.source in old.source else f"{old.source}, {new.source}"
    return ServerTimes(source=source, **times)


def _newer(new: int | None, old: int | None) -> int | None:
    return old if new is None else new

"""From frames to events: what every protocol over server-sent events has in common.

A protocol adds a ``Dialect``: how one JSON object reads. Here stand the rules that hold for all of
them: what is no JSON, what ends a stream, and that nothing counts after its end.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.providers.failures import malformed, stream_failure
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.sse import Frame, Splitter
from lens_gate.records.exchange import Failure, ResponseHead, StreamEvent

Reader = Callable[[str, Mapping[str, object]], Sequence[StreamEvent]]

OTHER: Final = StreamEvent(kind="other")
END: Final = StreamEvent(kind="end")
NO_JSON: Final = object()
_JSON: Final = json.JSONDecoder()
_JSON_SPACE = " \t\n\r"
_DONE = b"[DONE]"
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")
_ERROR_KEYS = ("error", "errors", "detail", "message")
_ANSWER_KEYS = ("candidates", "choices", "content", "output")
_USAGE_FOLLOWS: Final = frozenset({"malformed", "content_filter"})
_IN_ONE_PIECE = "the server sent its answer in one piece although a stream was asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between two protocols over server-sent events.

    ``reader`` takes the HTTP status of a response and makes the function that turns an event's name
    and JSON object into events; it may remember the stream so far. ``names`` are the event names
    whose data must be JSON. ``needles`` are short byte strings of which one occurs in every event
    that ends a stream.
    """

    reader: Callable[[int], Reader]
    names: frozenset[str]
    needles: tuple[bytes, ...]


def stream_decoder(dialect: Dialect, head: ResponseHead) -> Decoder:
    """A decoder for the body of the response with this head."""
    return _StreamDecoder(dialect, head.status)


def stream_watch(dialect: Dialect, head: ResponseHead) -> Watch:
    """A watch over the body of the response with this head.

    Model text that speaks of end markers never stops it: a needle only leads to a closer look, and
    only an event that the decoder takes for the last one counts.
    """
    return _StreamWatch(dialect, head.status)


def error_event(failure: Failure) -> StreamEvent:
    """An event that says that the request failed."""
    return StreamEvent(kind="error", failure=failure)


def is_last(event: StreamEvent) -> bool:
    """Whether a stream says nothing more after this event.

    An event that can't be read is a failure, and so is an answer that a filter ended: usage may
    still follow either.
    """
    if event.kind == "error" and event.failure is not None:
        return event.failure.status not in _USAGE_FOLLOWS
    return event.kind == "end"


def joined(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """What one event of the protocol says: all but the first belong to it."""
    if len(events) < 2:
        return list(events)
    return [*events[:1], *(replace(event, joined=True) for event in events[1:])]


def whole_decoder(reader: Callable[[int], Reader], head: ResponseHead) -> Decoder:
    """A decoder for an answer in one piece: one JSON object, or an error."""
    return _WholeDecoder(reader(head.status), head.status)


class _WholeDecoder:
    def __init__(self, reader: Reader, http_status: int) -> None:
        self._reader = reader
        self._http_status = http_status
        self._body = bytearray()

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        self._body += data
        return []

    def close(self) -> Sequence[StreamEvent]:
        body = bytes(self._body)
        self._body.clear()
        if not body.strip():
            return []
        value = parse_json(body)
        if value is NO_JSON:
            return [error_event(malformed("an answer that is no JSON", self._http_status))]
        if not isinstance(value, dict):
            return [error_event(stream_failure(value, self._http_status))]
        return joined(self._reader("", value) or [error_event(self._no_answer(body))])

    def _no_answer(self, body: bytes) -> Failure:
        start = body[:200].decode("utf-8", "replace")
        return malformed(f"a JSON body that is no answer: {start}", self._http_status)


class _StreamDecoder:
    def __init__(self, dialect: Dialect, http_status: int) -> None:
        self._dialect = dialect
        self._http_status = http_status
        self._splitter = Splitter()
        self._reader = dialect.reader(http_status)
        self._over = False

    @property
    def at_boundary(self) -> bool:
        """Whether no event is under way."""
        return self._splitter.at_boundary

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        return self._events(self._splitter.feed(data))

    def close(self) -> Sequence[StreamEvent]:
        return self._events(self._splitter.close())

    def _events(self, frames: list[Frame]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for frame in frames:
            # What follows the last word is not part of the answer. A watch may have stopped the
            # reading there, so taking it into account would make results a matter of luck.
            if self._over:
                break
            read = _read(frame, self._dialect, self._reader, self._http_status)
            self._over = any(map(is_last, read))
            events += joined(read)
        return events


class _StreamWatch:
    """Looks for needles in raw reads; splits and decodes only the events around one."""

    def __init__(self, dialect: Dialect, http_status: int) -> None:
        self._dialect = dialect
        self._http_status = http_status
        self._needles = dialect.needles
        self._overlap = max(map(len, dialect.needles)) - 1
        self._tail = b""
        # Reads since an event began (references, no copies), and the splitter once one is suspect.
        self._reads: list[bytes] = []
        self._splitter: Splitter | None = None

    def __call__(self, data: bytes) -> bool:
        if self._splitter is None:
            if not self._suspect(data):
                return False
            data = b"".join(self._reads)
            self._reads.clear()
            self._splitter = Splitter(sniff=False)
        reader = self._dialect.reader(self._http_status)
        for frame in self._splitter.feed(data):
            if any(map(is_last, _read(frame, self._dialect, reader, self._http_status))):
                return True
        if self._splitter.at_boundary:
            self._splitter, self._tail = None, b""
        return False

    def _suspect(self, data: bytes) -> bool:
        """Whether there is a needle in these bytes or where they join those before."""
        window = self._tail + data
        for needle in self._needles:  # `any` with a generator would take twice as long
            if needle in window:
                self._reads.append(data)
                return True
        if window.endswith(_BLANK_LINES):
            # No needle reaches over the end of an event.
            self._tail = b""
            self._reads.clear()
        else:
            self._tail = window[-self._overlap :]
            self._reads.append(data)
        return False


def _read(
    frame: Frame, dialect: Dialect, reader: Reader, http_status: int
) -> Sequence[StreamEvent]:
    """The events of one frame; at least one, but for a cut-off last frame that says nothing."""
    if frame.kind == "comment":
        return [OTHER]
    if frame.kind == "overflow":
        return [error_event(malformed("an event larger than 8 MiB", http_status))]
    if frame.kind == "json":
        return _whole_body(frame.data, reader, http_status)
    if frame.data.startswith(_DONE):
        return [END]
    value = parse_json(frame.data)
    if value is NO_JSON and not frame.complete:
        return []
    if isinstance(value, Mapping) and (frame.event != "error" or value.get("error")):
        return reader(frame.event, value) or [OTHER]
    if frame.event == "error":
        error = value if value is not NO_JSON else frame.data.decode("utf-8", "replace")
        return [error_event(stream_failure(error, http_status))]
    if value is NO_JSON and frame.event in dialect.names and frame.data.strip():
        return [error_event(malformed("an event that is no JSON", http_status))]
    if isinstance(value, Sequence) and any(_has_error(item) for item in value):
        return [error_event(stream_failure(value, http_status))]
    return [OTHER]


def _whole_body(data: bytes, reader: Reader, http_status: int) -> Sequence[StreamEvent]:
    """A JSON body where a stream was asked for: an error, or a whole answer at once."""
    value = parse_json(data)
    if value is NO_JSON:
        return [error_event(malformed("a body that is neither a stream nor JSON", http_status))]
    known: Sequence[StreamEvent] = ()
    first = value[0] if isinstance(value, Sequence) and value else value
    if isinstance(value, Mapping):
        # Usage of an answer that we cannot time is still billed.
        known = [e for e in reader("", value) if e.kind in ("usage", "meta", "finish")]
    if isinstance(first, Mapping) and any(map(first.get, _ERROR_KEYS)):
        return [*known, error_event(stream_failure(value, http_status))]
    if isinstance(first, Mapping) and any(map(first.get, _ANSWER_KEYS)):
        failure = Failure(status="not_streamed", detail=_IN_ONE_PIECE, http_status=http_status)
        return [*known, error_event(failure)]
    start = data[:200].decode("utf-8", "replace")
    return [*known, error_event(malformed(f"a JSON body that is no stream: {start}", http_status))]


def _has_error(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value.get("error"))


def parse_json(data: bytes) -> object:
    """The JSON value, or ``NO_JSON``.

    Not by ``json.loads``: it would guess at UTF-16, and needs half as long again.
    """
    try:
        document = data.decode().strip(_JSON_SPACE)
        value, end = _JSON.raw_decode(document)
    except (ValueError, RecursionError):
        return NO_JSON
    return value if end == len(document) else NO_JSON

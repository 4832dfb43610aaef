"""What every protocol over AWS event-stream frames has in common.

A protocol adds a ``FrameDialect``: how the payload of one event reads, and what a whole JSON answer
looks like. Here stand the rules that hold for all of them: exceptions, broken frames, the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lens_gate.providers.eventstream import Frame, FrameSplitter
from lens_gate.providers.failures import malformed, stream_failure
from lens_gate.providers.fields import mapping, text
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.stream import (
    NO_JSON,
    OTHER,
    Reader,
    error_event,
    is_last,
    joined,
    parse_json,
)
from lens_gate.records.exchange import Failure, ResponseHead, StreamEvent

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"
_IN_ONE_PIECE: Final = "the server sent its answer in one piece although a stream was asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDialect:
    """What differs between two protocols over frames.

    ``reader`` takes the HTTP status of a response and makes the function that turns an event's type
    and payload into events; it may remember the stream so far. ``names`` are the types that matter:
    their payload must be JSON. ``answer`` is a field that a whole JSON answer has. ``ends`` says of
    a frame's type and payload whether it may be the last one, cheaply: a closer look follows.
    """

    reader: Callable[[int], Reader]
    names: frozenset[str]
    answer: str
    ends: Callable[[str, bytes], bool]


def frame_decoder(dialect: FrameDialect, head: ResponseHead) -> Decoder:
    """A decoder for the body of the response with this head."""
    return _FrameDecoder(dialect, head.status)


def frame_watch(dialect: FrameDialect, head: ResponseHead) -> Watch:
    """A watch over the body of the response with this head: sees exceptions and the end go by."""
    return _FrameWatch(dialect, head.status)


class _FrameDecoder:
    def __init__(self, dialect: FrameDialect, http_status: int) -> None:
        self._dialect = dialect
        self._http_status = http_status
        self._splitter = FrameSplitter()
        self._reader = dialect.reader(http_status)
        self._over = False

    @property
    def at_boundary(self) -> bool:
        """Whether no frame is under way."""
        return self._splitter.at_boundary

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        return self._events(self._splitter.feed(data))

    def close(self) -> Sequence[StreamEvent]:
        return self._events(self._splitter.close())

    def _events(self, frames: Sequence[Frame]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for frame in frames:
            # What follows the last word is not part of the answer (see ``stream``).
            if self._over:
                break
            read = _read(frame, self._dialect, self._reader, self._http_status)
            self._over = any(map(is_last, read))
            events += joined(read)
        return events


class _FrameWatch:
    """Splits without checksums and decodes only frames that may be the last."""

    def __init__(self, dialect: FrameDialect, http_status: int) -> None:
        self._dialect = dialect
        self._http_status = http_status
        self._splitter = FrameSplitter(checked=False)

    def __call__(self, data: bytes) -> bool:
        return any(map(self._is_end, self._splitter.feed(data)))

    def _is_end(self, frame: Frame) -> bool:
        if frame.kind != "frame":
            return frame.kind == "broken"
        if frame.headers.get(":message-type") in ("exception", "error"):
            return True
        if not self._dialect.ends(frame.headers.get(":event-type", ""), frame.payload):
            return False
        reader = self._dialect.reader(self._http_status)
        return any(map(is_last, _read(frame, self._dialect, reader, self._http_status)))


def _read(
    frame: Frame, dialect: FrameDialect, reader: Reader, http_status: int
) -> Sequence[StreamEvent]:
    """The events of one frame; at least one."""
    if frame.kind == "broken":
        return [error_event(malformed(frame.problem, http_status))]
    if frame.kind == "cut":
        cut = Failure(status="truncated", detail=frame.problem, http_status=http_status)
        return [error_event(cut)]
    value = parse_json(frame.payload)
    if frame.kind == "json":
        return [error_event(_in_one_piece(value, dialect, http_status))]
    kind = frame.headers.get(":message-type", "")
    if kind in ("exception", "error"):
        return [error_event(_reported(frame, value, http_status))]
    name = frame.headers.get(":event-type", "")
    if isinstance(value, Mapping):
        return reader(name, value) or [OTHER]
    if name in dialect.names:
        return [error_event(malformed(f"a {name} event that is no JSON", http_status))]
    return [OTHER]


def _reported(frame: Frame, value: object, http_status: int) -> Failure:
    """The failure that the server reports inside the stream."""
    headers, said = frame.headers, mapping(value)
    name = headers.get(":exception-type") or headers.get(":error-code") or ""
    words = text(said.get("message")) or text(said.get("Message"))
    words = words or headers.get(":error-message") or frame.payload.decode("utf-8", "replace")
    told: dict[str, object] = {"__type": name, "message": words}
    number = said.get("originalStatusCode")
    # What the model's own server answered to AWS.
    return stream_failure(told if number is None else {**told, "code": number}, http_status)


def _in_one_piece(value: object, dialect: FrameDialect, http_status: int) -> Failure:
    """A JSON body where a stream was asked for: a whole answer at once, or an error."""
    if value is NO_JSON:
        return malformed("a body that is neither a stream nor JSON", http_status)
    if mapping(value).get(dialect.answer):
        return Failure(status="not_streamed", detail=_IN_ONE_PIECE, http_status=http_status)
    return stream_failure(value, http_status)

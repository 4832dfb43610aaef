"""Newline-delimited JSON: one object a line, the same events at whatever chunk boundaries.

What ends such a stream is said by the protocol's reader, as for server-sent events: an ``end``, or
an error; nothing counts after it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from lens_gate.providers.failures import malformed
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.sse import MAX_EVENT_BYTES
from lens_gate.providers.stream import (
    NO_JSON,
    OTHER,
    Reader,
    error_event,
    is_last,
    joined,
    parse_json,
)
from lens_gate.records.exchange import ResponseHead, StreamEvent

_LINE_END: Final = b"\n"


def lines_decoder(reader: Callable[[int], Reader], head: ResponseHead) -> Decoder:
    """A decoder for the body of the response with this head."""
    return _LinesDecoder(reader(head.status), head.status)


def lines_watch(
    reader: Callable[[int], Reader], needles: Sequence[bytes], head: ResponseHead
) -> Watch:
    """A watch over that body; every line that ends it holds one of the ``needles``."""
    return _LinesWatch(reader(head.status), needles, head.status)


class _LinesDecoder:
    def __init__(self, reader: Reader, http_status: int) -> None:
        self._reader = reader
        self._http_status = http_status
        self._partial = bytearray()
        self._over = False

    @property
    def at_boundary(self) -> bool:
        """Whether no line is under way."""
        return not self._partial

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        if self._over or _LINE_END not in data:
            return self._hold(data)
        *lines, rest = data.split(_LINE_END)
        events: list[StreamEvent] = []
        for line in lines:
            whole = bytes(self._partial) + line
            self._partial.clear()
            events += self._line(whole, complete=True)
        return [*events, *self._hold(rest)]

    def close(self) -> Sequence[StreamEvent]:
        line = bytes(self._partial)
        self._partial.clear()
        return self._line(line, complete=False)

    def _hold(self, data: bytes) -> list[StreamEvent]:
        """Keep the beginning of a line, unless it is longer than any line is."""
        if self._over:
            return []
        self._partial += data
        if len(self._partial) <= MAX_EVENT_BYTES:
            return []
        self._partial.clear()
        self._over = True
        return [error_event(malformed("a line larger than 8 MiB", self._http_status))]

    def _line(self, line: bytes, *, complete: bool) -> list[StreamEvent]:
        if self._over or not line.strip():
            return []
        events = joined(read_line(line, self._reader, self._http_status, complete=complete))
        self._over = any(map(is_last, events))
        return events


class _LinesWatch:
    """Parses only lines that hold a needle."""

    def __init__(self, reader: Reader, needles: Sequence[bytes], http_status: int) -> None:
        self._reader = reader
        self._needles = needles
        self._http_status = http_status
        self._partial = bytearray()

    def __call__(self, data: bytes) -> bool:
        first, *others = data.split(_LINE_END)
        self._partial += first
        if not others:
            return False
        *lines, rest = bytes(self._partial), *others
        self._partial = bytearray(rest)
        return any(map(self._ends, lines))

    def _ends(self, line: bytes) -> bool:
        if not any(needle in line for needle in self._needles):
            return False
        events = read_line(line, self._reader, self._http_status, complete=True)
        return any(map(is_last, events))


def read_line(
    line: bytes, reader: Reader, http_status: int, *, complete: bool
) -> Sequence[StreamEvent]:
    """The events of one line; at least one, but for a cut-off last line that says nothing."""
    value = parse_json(line)
    if isinstance(value, dict):
        return reader("", value) or [OTHER]
    if value is NO_JSON and not complete:
        return []
    return [error_event(malformed("a line that is no JSON object", http_status))]

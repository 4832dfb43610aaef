"""Event streams that break off into raw JSON: Google's servers report an error so.

Where a line begins with a bracket, no event stream goes on: every field of one begins with its
name. What follows, over many lines, is one JSON value.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

from lens_gate.providers.failures import malformed, stream_failure
from lens_gate.providers.interface import Decoder
from lens_gate.providers.sse import MAX_EVENT_BYTES
from lens_gate.providers.stream import NO_JSON, error_event, parse_json
from lens_gate.records.exchange import StreamEvent

_TAIL: Final = re.compile(rb"(?<=[\r\n])[{\[]")
_BRACKETS: Final = (b"{", b"[")
_SPACE: Final = b" \t\r\n"


def with_raw_tail(inner: Decoder, http_status: int) -> Decoder:
    """``inner``, and the error that raw JSON after its events is."""
    return _RawTail(inner, http_status)


class _RawTail:
    def __init__(self, inner: Decoder, http_status: int) -> None:
        self._inner = inner
        self._http_status = http_status
        # Until it is known what the body is, and where all of it is JSON, nothing is looked for.
        self._kind: Literal["unknown", "events", "json"] = "unknown"
        self._line_ended = False
        self._raw: bytearray | None = None

    @property
    def at_boundary(self) -> bool:
        """Whether no event is under way."""
        return self._raw is None and bool(getattr(self._inner, "at_boundary", True))

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        if self._kind == "unknown" and (start := data.lstrip(_SPACE)[:1]):
            self._kind = "json" if start in _BRACKETS else "events"
            # The first line has none before it.
            self._line_ended = False
        if self._raw is not None:
            self._keep(data)
            return []
        if self._kind != "events" or not data:
            return self._inner.feed(data)
        if self._line_ended and data[:1] in _BRACKETS:
            at = 0
        else:
            match = _TAIL.search(data)
            at = match.start() if match else len(data)
        self._line_ended = data[-1:] in (b"\r", b"\n")
        if at < len(data):
            self._raw = bytearray()
            self._keep(data[at:])
        return self._inner.feed(data[:at])

    def close(self) -> Sequence[StreamEvent]:
        events = self._inner.close()
        if self._raw is None:
            return events
        value = parse_json(bytes(self._raw))
        if value is NO_JSON:
            failure = malformed("the events end in what is neither one nor JSON", self._http_status)
        else:
            failure = stream_failure(value, self._http_status)
        return [*events, error_event(failure)]

    def _keep(self, data: bytes) -> None:
        """An error fits; what is larger need not be kept to be no JSON."""
        if self._raw is not None and len(self._raw) <= MAX_EVENT_BYTES:
            self._raw += data

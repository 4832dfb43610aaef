"""Server-sent events: bytes in, frames out, the same frames at whatever chunk boundaries.

Lines are split as bytes and decoded later, so a character may straddle two reads and U+2028 is no
line break. The grammar is that of the WHATWG HTML standard, "Server-sent events", with three
additions that servers of language models make necessary: comments are reported (they prove life), a
body that is plain JSON is recognised, and an event at the end of the body counts without its blank
line, marked as not complete.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

# One event larger than this is no answer of a language model; holding it would let a server fill
# our memory.
MAX_EVENT_BYTES = 8 * 1024 * 1024

FrameKind = Literal["data", "comment", "json", "overflow"]
_Mode = Literal["bom", "start", "lines", "json", "closed"]
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
# A read that is one event: a name or none, and one line of data.
_ONE_EVENT: Final = re.compile(rb"(?:event: ?(.*+)\n)?data: ?(.*+)\n\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One thing that the body said.

    ``data``: an event with its name and its data lines joined by line feeds; ``complete`` is false
    where the body ended before its blank line. ``comment``: a line that begins with a colon.
    ``json``: the whole body, which is no event stream. ``overflow``: an event beyond the limit;
    nothing follows it.
    """

    kind: FrameKind
    event: str = ""
    data: bytes = b""
    complete: bool = True


class Splitter:
    """An incremental splitter: linear in the bytes fed, however small the pieces.

    ``sniff`` looks for a byte order mark and for a JSON body at the very start; without it the
    splitter may begin at any event of a stream.
    """

    def __init__(self, *, limit: int = MAX_EVENT_BYTES, sniff: bool = True) -> None:
        self._limit = limit
        self._mode: _Mode = "bom" if sniff else "lines"
        self._partial = bytearray()
        self._data: list[bytes] = []
        self._held = 0
        self._event = b""
        self._skip_lf = False

    @property
    def at_boundary(self) -> bool:
        """Whether no event is under way."""
        return not (self._partial or self._data or self._event)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete."""
        # Nearly all reads of a healthy stream. Taken line by line they cost three times as much.
        if self._mode == "lines" and self.at_boundary and len(data) <= self._limit:
            one = _ONE_EVENT.fullmatch(data)
            if one is not None and b"\r" not in data:
                self._skip_lf = False
                return _one_event(one[1] or b"", one[2])
        if self._mode in ("bom", "start"):
            data = self._begin(data)
        if not data or self._mode == "closed":
            return []
        frames: list[Frame] = []
        if self._mode == "json":
            self._partial += data
        else:
            self._split(data, frames)
        if self._held + len(self._partial) > self._limit:
            self._overflow(frames)
        return frames

    def close(self) -> list[Frame]:
        """The frames that the end of the body completes."""
        frames: list[Frame] = []
        if self._mode == "json":
            frames.append(Frame(kind="json", data=bytes(self._partial)))
        elif self._mode == "lines":
            if self._partial:
                self._line(bytes(self._partial), frames)
            self._dispatch(frames, complete=False)
        self._shut()
        return frames

    def _begin(self, data: bytes) -> bytes:
        """Drop a byte order mark and leading white space, and settle what the body is."""
        if self._mode == "bom":
            data = bytes(self._partial) + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._partial = bytearray(data)
                return b""
            self._partial.clear()
            data = data.removeprefix(_BOM)
            self._mode = "start"
        data = data.lstrip(_SPACE)
        if data:
            # No field of an event stream begins with a bracket.
            self._mode = "json" if data[:1] in (b"{", b"[") else "lines"
        return data

    def _split(self, data: bytes, frames: list[Frame]) -> None:
        if self._skip_lf and data[:1] == b"\n":
            data = data[1:]
        # A carriage return ends its line at once; a line feed in the next read belongs to it.
        self._skip_lf = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = line
            if self._partial:
                self._partial += line
                whole = bytes(self._partial)
                self._partial.clear()
            self._line(whole, frames)
            if self._mode == "closed":
                return
        self._partial += rest

    def _line(self, line: bytes, frames: list[Frame]) -> None:
        if not line:
            self._dispatch(frames, complete=True)
            return
        if self._held + len(line) > self._limit:
            self._overflow(frames)
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not field:
            frames.append(Frame(kind="comment"))
        elif field == b"data":
            self._data.append(value)
            self._held += len(value) + 1
        elif field == b"event":
            self._event = value

    def _dispatch(self, frames: list[Frame], *, complete: bool) -> None:
        data = b"\n".join(self._data)
        if data:
            frames.append(_event(self._event, data, complete=complete))
        self._data.clear()
        self._held = 0
        self._event = b""

    def _overflow(self, frames: list[Frame]) -> None:
        frames.append(Frame(kind="overflow"))
        self._shut()

    def _shut(self) -> None:
        self._mode = "closed"
        self._partial = bytearray()
        self._data.clear()
        self._held = 0
        self._event = b""


def _one_event(name: bytes, data: bytes) -> list[Frame]:
    return [_event(name, data, complete=True)] if data else []


def _event(name: bytes, data: bytes, *, complete: bool) -> Frame:
    return Frame(kind="data", event=name.decode("utf-8", "replace"), data=data, complete=complete)

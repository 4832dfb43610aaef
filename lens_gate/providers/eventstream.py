"""AWS event-stream frames: bytes in, frames out, the same frames at whatever chunk boundaries.

A frame is ``total length | length of headers | CRC-32 of these eight bytes | headers | payload |
CRC-32 of all before``, big-endian (``application/vnd.amazon.eventstream``, as botocore reads it). A
wrong checksum, length or header breaks the stream: nothing after it can be found again.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

# A frame larger than this is no answer of a language model; holding it would let a server fill our
# memory.
MAX_FRAME_BYTES = 8 * 1024 * 1024

FrameKind = Literal["frame", "broken", "cut", "json"]
_Mode = Literal["start", "frames", "json", "closed"]
_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_LEAST: Final = _PRELUDE.size + _CRC.size
_STRING: Final = 7
# Bytes of a header's value by its type; those of types 6 and 7 follow their own length.
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_COUNTED: Final = frozenset({6, _STRING})
_SPACE: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One thing that the body said.

    ``frame``: headers (those that are text) and payload. ``broken``: what is wrong, in ``problem``;
    nothing follows it. ``cut``: the body ended inside a frame. ``json``: the whole body, which is
    no event stream.
    """

    kind: FrameKind = "frame"
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes = b""
    problem: str = ""


class FrameSplitter:
    """An incremental splitter: linear in the bytes fed, however small the pieces.

    ``checked`` verifies the checksum of whole frames; a watch that only looks for the end of a
    stream goes without.
    """

    def __init__(self, *, limit: int = MAX_FRAME_BYTES, checked: bool = True) -> None:
        self._limit = limit
        self._checked = checked
        self._mode: _Mode = "start"
        self._held = bytearray()

    @property
    def at_boundary(self) -> bool:
        """Whether no frame is under way."""
        return not self._held

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete."""
        if self._mode == "start":
            # A frame begins with a byte of zero: neither a space nor a bracket.
            data = data.lstrip(_SPACE)
            if data:
                self._mode = "json" if data[:1] in (b"{", b"[") else "frames"
        if self._mode in ("start", "closed"):
            return []
        self._held += data
        frames: list[Frame] = []
        if self._mode == "json" and len(self._held) > self._limit:
            frames.append(self._break(f"a body larger than {self._limit} bytes"))
        while self._mode == "frames" and (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def close(self) -> list[Frame]:
        """What the end of the body completes: a JSON body, or a frame that is cut off."""
        frames: list[Frame] = []
        if self._mode == "json":
            frames.append(Frame(kind="json", payload=bytes(self._held)))
        elif self._held:
            frames.append(Frame(kind="cut", problem="the body ends inside a frame"))
        self._mode = "closed"
        self._held.clear()
        return frames

    def _next(self) -> Frame | None:
        """The first frame of what is held; ``None`` until all of it is there."""
        held = self._held
        if len(held) < _PRELUDE.size:
            return None
        total, size, crc = _PRELUDE.unpack_from(held)
        if zlib.crc32(held[:8]) != crc:
            return self._break("the checksum of a frame's prelude is wrong")
        if total < _LEAST + size:
            return self._break("a frame is shorter than its headers")
        if total > self._limit:
            return self._break(f"a frame larger than {self._limit} bytes")
        if len(held) < total:
            return None
        raw = bytes(held[:total])
        del held[:total]
        return self._frame(raw, size)

    def _frame(self, raw: bytes, size: int) -> Frame:
        end = len(raw) - _CRC.size
        if self._checked and zlib.crc32(raw[:end]) != _CRC.unpack_from(raw, end)[0]:
            return self._break("the checksum of a frame is wrong")
        body = _PRELUDE.size + size
        headers = _headers(raw[_PRELUDE.size : body])
        if headers is None:
            return self._break("the headers of a frame can't be read")
        return Frame(headers=headers, payload=raw[body:end])

    def _break(self, problem: str) -> Frame:
        self._mode = "closed"
        self._held.clear()
        return Frame(kind="broken", problem=problem)


def _headers(raw: bytes) -> Mapping[str, str] | None:
    """The headers whose value is text; ``None`` where the block does not end as it says."""
    found: dict[str, str] = {}
    at = 0
    while at < len(raw):
        name_end = at + 1 + raw[at]
        if name_end >= len(raw):
            return None
        name = raw[at + 1 : name_end].decode("utf-8", "replace")
        kind = raw[name_end]
        start = name_end + 1
        if kind in _COUNTED:
            if start + _LENGTH.size > len(raw):
                return None
            length = _LENGTH.unpack_from(raw, start)[0]
            start += _LENGTH.size
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            # Nobody knows where a value of an unknown type ends: what came before it stands.
            return found
        at = start + length
        if at > len(raw):
            return None
        if kind == _STRING:
            found[name] = raw[start:at].decode("utf-8", "replace")
    return found

"""Frames of AWS event streams to bytes.

A frame is: its length, the length of its headers and the CRC-32 of these eight bytes (the prelude);
headers; payload; the CRC-32 of all before. Numbers are big-endian, 32 bits wide.
"""

import struct
import zlib

from lens_gate.sim.dialect import Event
from lens_gate.sim.model import Framing

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_AROUND = 16


def render(event: Event, _framing: Framing) -> bytes:
    """The bytes of one frame; the format has no comments."""
    if event.data is None:
        return b""
    kind = b"exception" if event.exception else b"event"
    headers = b"".join(
        (
            *(_STRANGE if event.strange else ()),
            _header(b":%b-type" % kind, event.name or b""),
            _header(b":content-type", b"application/json"),
            _header(b":message-type", kind),
        )
    )
    return frame(headers, event.data)


def frame(headers: bytes, payload: bytes) -> bytes:
    """A frame with both of its checksums."""
    lengths = struct.pack(">II", _AROUND + len(headers) + len(payload), len(headers))
    before = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return before + struct.pack(">I", zlib.crc32(before))


# One of each type that is no string: truth, numbers of 1, 2, 4 and 8 bytes, bytes, a time, an id.
_STRANGE = tuple(
    b"\x02x%x" % kind + bytes([kind]) + value
    for kind, value in (
        (0, b""),
        (1, b""),
        (2, b"\x7f"),
        (3, b"\x00\x01"),
        (4, bytes(4)),
        (5, bytes(8)),
        (6, b"\x00\x03abc"),
        (8, bytes(8)),
        (9, bytes(16)),
    )
)


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value

"""Faults in the bytes of an answer: what was written rightly is broken on its way out."""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from lens_gate.sim.model import Fault, Framing
from lens_gate.sim.script import CHUNKS, Write

_GARBAGE = b'data: {"choices": [{"delta": {"content": "after the end"}}]}\n\n\x00\xfe garbage'
_BOMB_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
_PRELUDE_CRC_AT = 8


def disturbed(
    writes: Iterator[Write], faults: tuple[Fault, ...], framing: Framing, *, framed: bool
) -> Iterator[Write]:
    """The writes with all faults that touch their bytes, the outermost last.

    ``framed``: they are frames with checksums.
    """
    for fault in sorted(faults, key=lambda fault: _ORDER.get(fault.kind, 0)):
        if fault.kind in _STEPS and (framed or fault.kind != "bad_crc"):
            writes = _STEPS[fault.kind](fault, writes)
    if framing.write_bytes is not None:
        writes = _split(writes, framing.write_bytes)
    for fault in faults:
        if fault.kind == "cut" and fault.after_bytes is not None:
            writes = _cut(fault, fault.after_bytes, writes)
    return writes


def touches_bytes(fault: Fault) -> bool:
    """Whether a fault changes how bytes are written, of an answer that does not stream too."""
    kinds = (*_STEPS, "bomb", "huge_line", "broken_chunking")
    return fault.kind in kinds or (fault.kind == "cut" and fault.after_bytes is not None)


def bomb(at_s: float, size: int) -> Iterator[Write]:
    """A small compressed body that is ``size`` spaces when it is read."""
    packer = zlib.compressobj(9, wbits=_GZIP)
    block = b" " * min(_BOMB_BYTES, size)
    for _ in range(size // len(block)):
        yield Write(at_s, "junk", packer.compress(block))
    yield Write(at_s, "junk", packer.compress(block[: size % len(block)]) + packer.flush())


def _from_chunk(fault: Fault, writes: Iterable[Write]) -> Iterator[tuple[Write, bool]]:
    """Each write, and whether it comes after as many chunks as the fault waits for."""
    sent = 0
    for write in writes:
        chunk = write.what in CHUNKS and bool(write.data)
        struck = write.what in (*CHUNKS, "close", "whole") and sent >= fault.after_chunks
        yield write, bool(write.data) and (struck or write.what == "close")
        sent += chunk


def _altered_once(
    fault: Fault, writes: Iterable[Write], alter: Callable[[bytes], bytes]
) -> Iterator[Write]:
    done = False
    for write, struck in _from_chunk(fault, writes):
        yield write._replace(data=alter(write.data)) if struck and not done else write
        done = done or struck


def _no_utf8(data: bytes) -> bytes:
    """A byte inside the text, or what comes nearest, that no text has."""
    at = max(data.rfind(b'"}'), len(data) // 2)
    return data[:at] + b"\xff\xfe" + data[at:]


def _invalid_utf8(fault: Fault, writes: Iterator[Write]) -> Iterator[Write]:
    return _altered_once(fault, writes, _no_utf8)


def _wrong_crc(which: str, data: bytes) -> bytes:
    at = _PRELUDE_CRC_AT if which == "prelude" else len(data) - 4
    (right,) = struct.unpack_from(">I", data, at)
    return data[:at] + struct.pack(">I", right ^ 1) + data[at + 4 :]


def _bad_crc(fault: Fault, writes: Iterator[Write]) -> Iterator[Write]:
    return _altered_once(fault, writes, partial(_wrong_crc, fault.which))


def _gzip(_fault: Fault, writes: Iterator[Write]) -> Iterator[Write]:
    packer, last = zlib.compressobj(wbits=_GZIP), 0.0
    for write in writes:
        last = write.at_s
        data = packer.compress(write.data) + packer.flush(zlib.Z_SYNC_FLUSH) if write.data else b""
        yield write._replace(data=data)
    yield Write(last, "close", packer.flush())


def _garbage_after(_fault: Fault, writes: Iterator[Write]) -> Iterator[Write]:
    last = 0.0
    for write in writes:
        last = write.at_s
        yield write
    yield Write(last, "junk", _GARBAGE)


def _slow_drip(fault: Fault, writes: Iterator[Write]) -> Iterator[Write]:
    shift, dripping = 0.0, False
    for write, struck in _from_chunk(fault, writes):
        dripping = dripping or struck
        if not dripping:
            yield write
            continue
        for piece in _pieces(write, 1):
            shift += fault.pause_s
            yield piece._replace(at_s=piece.at_s + shift)


def _split(writes: Iterable[Write], size: int) -> Iterator[Write]:
    for write in writes:
        yield from _pieces(write, size)


def _pieces(write: Write, size: int) -> Iterator[Write]:
    """A write in pieces: tokens come with the first, the end of the connection with the last."""
    if len(write.data) <= size or write.missing or write.raw:
        yield write
        return
    data = write.data
    for at in range(0, len(data), size):
        last = at + size >= len(data)
        yield write._replace(
            data=data[at : at + size],
            tokens=0 if at else write.tokens,
            ends=write.ends if last else None,
        )


def _cut(fault: Fault, left: int, writes: Iterable[Write]) -> Iterator[Write]:
    for write in writes:
        if len(write.data) >= left:
            yield write._replace(data=write.data[:left], what="cut", ends=fault.how)
            return
        left -= len(write.data)
        yield write
    yield Write(0.0, "cut", b"", ends=fault.how)


_STEPS: dict[str, Callable[[Fault, Iterator[Write]], Iterator[Write]]] = {
    "invalid_utf8": _invalid_utf8,
    "bad_crc": _bad_crc,
    "garbage_after": _garbage_after,
    "gzip": _gzip,
    "slow_drip": _slow_drip,
}
_ORDER = {kind: number for number, kind in enumerate(_STEPS)}

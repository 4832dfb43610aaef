"""Decodes a compressed body piece by piece, and never to more than it was allowed."""

import zlib
from typing import Final, Protocol


class InflateError(ValueError):
    """The body is not what its ``content-encoding`` says."""


class Inflate(Protocol):
    """What decodes one body."""

    def feed(self, data: bytes, room: int) -> bytes:
        """At most ``room`` decoded bytes of what these complete.

        Raises:
            InflateError: the bytes are broken.
        """
        ...

    @property
    def complete(self) -> bool:
        """Whether the encoded data has come to its own end."""
        ...


def inflate_for(content_encoding: str) -> Inflate | None:
    """A decoder for a ``content-encoding``; ``None`` where the body is plain.

    Raises:
        InflateError: an encoding that we did not ask for and do not know.
    """
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip"):
        return _Zlib(_GZIP)
    if encoding == "deflate":
        return _Zlib(_EITHER)
    raise InflateError(f"the body is encoded as {encoding[:40]!r}, though `identity` was asked for")


_GZIP: Final = 16 + zlib.MAX_WBITS
_EITHER: Final = 0  # settled by the first byte


class _Zlib:
    """Gzip, of several members too; and deflate, with the wrapper of RFC 1950 or without it."""

    __slots__ = ("_engine", "_pending", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._engine: zlib._Decompress | None = None
        self._pending = False

    @property
    def complete(self) -> bool:
        return self._engine is None and not self._pending

    def feed(self, data: bytes, room: int) -> bytes:
        decoded = []
        while data and room > 0:
            if self._engine is None:
                self._engine = zlib.decompressobj(self._window or _wrapper(data[0]))
            try:
                piece = self._engine.decompress(data, room)
            except zlib.error as error:
                raise InflateError(f"the compressed body is broken: {error}") from None
            decoded.append(piece)
            room -= len(piece)
            if self._engine.eof:
                data, self._engine = self._engine.unused_data, None
            else:
                data = self._engine.unconsumed_tail
        # With no room left the caller gives up, so that a rest need not be kept.
        self._pending = bool(data)
        return b"".join(decoded)


def _wrapper(first: int) -> int:
    # RFC 1950: the low half of the first byte is 8 for deflate; raw data that begins so does not
    # occur in practice (it would be a stored block with a set reserved bit).
    return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS

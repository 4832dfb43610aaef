"""The frames of a chunked body, taken off in the plain case; the unusual is left to aiohttp.

A stream of events is chunks of a few hundred bytes, one to a read. A full HTTP parser spends more
on each than the read itself costs. Plain is: a size of up to eight hexadecimal digits that is not
zero, CR LF, the data, CR LF. At the first thing that is not plain (an extension, a last chunk,
anything malformed) the caller feeds what is left to aiohttp's parser, which has seen the head and
nothing since: at the border between two chunks its state is the same as after the head.
"""

import re
from typing import Final

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
# What may become a plain size when more comes.
_BEGUN: Final = re.compile(rb"[0-9A-Fa-f]{1,8}\r?")

SWALLOWED: Final = b"1\r\n."
"""Brings a parser that stands at the border of a chunk to the end of a chunk's data."""


class Chunks:
    """The frames of one body, from the end of its head on.

    ``within``: the data of a chunk are complete, its end is not. Where ``feed`` gives up in that
    state, ``SWALLOWED`` has to be fed to the other parser first and its data thrown away.
    """

    __slots__ = ("_begun", "_left", "within")

    def __init__(self) -> None:
        self._begun = b""
        self._left = 0
        self.within = False

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The body bytes in these, and what is left for another parser (``None``: nothing is).

        Once it has left something it must not be asked again.
        """
        if not (self._left or self.within or self._begun):
            size = _SIZE.match(data)
            if size is not None:
                start = size.end()
                end = start + int(size[1], 16)
                if start < end == len(data) - 2 and data.endswith(b"\r\n"):
                    return data[start:end], None
        return self._walk(data)

    def _walk(self, data: bytes) -> tuple[bytes, bytes | None]:
        if self._begun:
            data, self._begun = self._begun + data, b""
        pieces: list[bytes] = []
        at, length = 0, len(data)
        while at < length:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self.within = not self._left
                continue
            if self.within:
                if data.startswith(b"\r\n", at):
                    at += 2
                    self.within = False
                    continue
                if data[at:] != b"\r":
                    return b"".join(pieces), data[at:]
                self._begun = b"\r"
                break
            size = _SIZE.match(data, at)
            if size is not None and (left := int(size[1], 16)):
                at, self._left = size.end(), left
                continue
            if _BEGUN.fullmatch(data, at) is None:
                return b"".join(pieces), data[at:]
            self._begun = data[at:]
            break
        return b"".join(pieces), None


def end_of_head(data: bytes) -> int:
    """Where the head in these bytes ends; 0 where it does not, or not in the plain way.

    The plain way is CR LF CR LF, with no other empty line before it.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or data.find(b"\n\n", 0, end) >= 0 or data.find(b"\n\r\n", 0, end + 4) != end + 1:
        return 0
    return end + 4

"""The server's own clock readings, one JSON line each, so that a client's can be judged by them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from lens_gate.errors import WorldError

Stamp: TypeAlias = Callable[[int, str, int, int], None]
"""Called with request number, what happened, CLOCK_MONOTONIC nanoseconds, and bytes."""


@contextmanager
def open_log(path: Path | None) -> Iterator[Stamp]:
    """A function that notes a stamp; without a path it does nothing.

    Lines are ``{"request": 1, "what": "text", "at_ns": 123, "bytes": 210}``. ``what`` is
    ``request`` (read whole), ``headers``, the kind of a write (``open``, ``text``, ...), and
    ``end``. Times of writes are taken just before the send. Lines are written out at each end.

    Raises:
        WorldError: the file can't be written.
    """
    if path is None:
        yield lambda _number, _what, _at_ns, _size: None
        return
    try:
        file = path.open("w", encoding="ascii", buffering=1 << 16)
    except OSError as error:
        raise WorldError(
            f"the stamp log {path} can't be written: {error.strerror}",
            "name a file in a folder that exists and is writable",
        ) from error

    def stamp(number: int, what: str, at_ns: int, size: int) -> None:
        file.write(
            f'{{"request": {number}, "what": "{what}", "at_ns": {at_ns}, "bytes": {size}}}\n'
        )
        if what == "end":
            file.flush()

    with file:
        yield stamp

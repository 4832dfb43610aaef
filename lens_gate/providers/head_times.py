"""What the head of an answer says of the server's own time, for servers behind known fronts."""

import re
from collections.abc import Callable
from typing import Final

from lens_gate.providers.fields import seconds
from lens_gate.records.exchange import ResponseHead, ServerTimes

_MILLISECOND: Final = 1e-3
_NUMBER: Final = re.compile(r"\d{1,12}(?:\.\d{1,12})?", re.ASCII)
_TIMING: Final = re.compile(r"^([^;]+);.*?\bdur=(\d{1,12}(?:\.\d{1,12})?)")


def header_times(*names: str) -> Callable[[ResponseHead], ServerTimes | None]:
    """A reader of ``headers_s`` from the first of these headers that has a number of milliseconds.

    A metric of ``server-timing`` (W3C) is named ``server-timing:gfet4t7``.
    """

    def read(head: ResponseHead) -> ServerTimes | None:
        for name in names:
            header, _, metric = name.partition(":")
            text = head.headers.get(header, "").strip()
            told = _seconds(_metric(text, metric) if metric else text)
            if told is not None:
                return ServerTimes(source=name, headers_s=told)
        return None

    return read


def milliseconds(head: ResponseHead, name: str) -> float | None:
    """The seconds of a header that holds a number of milliseconds."""
    return _seconds(head.headers.get(name, "").strip())


def _seconds(text: str) -> float | None:
    return seconds(float(text), _MILLISECOND) if _NUMBER.fullmatch(text) else None


def _metric(text: str, wanted: str) -> str:
    """The duration of one metric of a ``server-timing`` header, or nothing."""
    for part in text.split(","):
        match = _TIMING.match(part.strip())
        if match is not None and match[1].strip() == wanted:
            return match[2]
    return ""

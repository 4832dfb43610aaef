"""How long a server asks us to wait, in every format in which it may say so."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_DATE = re.compile(
    r"\b(?P<day>\d{1,2})[ -](?P<month>[A-Za-z]{3})[ -](?P<year>\d{2}|\d{4})"
    r" (?P<time>\d{2}:\d{2}:\d{2})\b",
    re.ASCII,
)
# As C's asctime writes it: `Sun Nov  6 08:49:37 1994`.
_ASCTIME = re.compile(
    r"\b(?P<month>[A-Za-z]{3})  ?(?P<day>\d{1,2}) (?P<time>\d{2}:\d{2}:\d{2}) (?P<year>\d{4})\b",
    re.ASCII,
)
# Longer than anyone waits, and short enough to be written down and read back.
_ABSURD_S = 1e12
# Of a Go duration; `ms` is tried before `m`.
_STEP = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)
_SECONDS = {
    "d": 86_400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
# Years of two digits: none is more than 50 years ahead (RFC 9110, 5.6.7).
_FROM_THE_PAST = 77
_PAST, _PRESENT = 1900, 2000
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: ``retry-after-ms``, else ``retry-after`` as seconds or as an HTTP date.

    A date is taken against the ``date`` header of the same answer, so that a client's wrong clock
    does no harm; without one it says nothing. An absurd wait is returned, cut to 30,000 years:
    whether to wait is the caller's decision.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text.partition(",")[0])
    if seconds is not None:
        return seconds
    then, now = http_date(text), http_date(headers.get("date", ""))
    return None if then is None or now is None else max(0.0, then - now)


def go_duration(text: str) -> float | None:
    """Seconds of a Go duration (``1m30.5s``, ``12ms``) or of a plain number."""
    text = text.strip().lower()
    plain = _number(text)
    if plain is not None:
        return plain
    total, at = 0.0, 0
    for step in _STEP.finditer(text):
        if step.start() != at:
            return None
        total, at = total + float(step[1]) * _SECONDS[step[2]], step.end()
    return min(total, _ABSURD_S) if at and at == len(text) else None


def _number(text: str) -> float | None:
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return min(value, _ABSURD_S) if math.isfinite(value) else None


def http_date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date, in any of its three forms (RFC 9110, 5.6.7)."""
    match = _DATE.search(text) or _ASCTIME.search(text)
    if match is None or match["month"].lower() not in _MONTHS:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += _PAST if year >= _FROM_THE_PAST else _PRESENT
    month = _MONTHS.index(match["month"].lower()) + 1
    hour, minute, second = map(int, match["time"].split(":"))
    try:
        then = datetime(year, month, int(match["day"]), hour, minute, min(59, second), tzinfo=UTC)
    except ValueError:
        return None
    return then.timestamp()

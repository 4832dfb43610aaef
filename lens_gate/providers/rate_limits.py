"""What the head of an answer says of the server's rate limits.

Three families of headers: ``x-ratelimit-*`` (OpenAI and those who copy it; a reset is a Go duration
such as ``6m0s``, or plain seconds), the same from Groq (whose requests are counted by the day), and
``anthropic-ratelimit-*`` (a reset is a moment, RFC 3339). Any header may be missing, and one that
can't be read says nothing. Sources: the vendors' documentation and SDKs, as of November 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lens_gate.providers.retry_after import go_duration, http_date
from lens_gate.records.exchange import RateLimit, RateLimits, ResponseHead

DAY_S: Final = 86_400.0

_KINDS: Final = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input-tokens",
    "output_tokens": "output-tokens",
}
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d.*", re.ASCII)
_COUNT: Final = re.compile(r"\d{1,15}", re.ASCII)


def read(head: ResponseHead) -> RateLimits | None:
    """The limits that this head states; ``None`` where it states none.

    A moment is taken against the ``date`` header of the same answer, so that a client's wrong clock
    does no harm; without one it says nothing.
    """
    headers = head.headers
    found = {
        kind: _anthropic(headers, word) or _openai(headers, word) for kind, word in _KINDS.items()
    }
    return RateLimits(**found) if any(found.values()) else None


def read_daily(head: ResponseHead) -> RateLimits | None:
    """``read`` for a server that counts requests by the day, though tokens by the minute (Groq)."""
    found = read(head)
    if found is None or found.requests is None:
        return found
    return replace(found, requests=replace(found.requests, window_s=DAY_S))


def _openai(headers: Mapping[str, str], word: str) -> RateLimit | None:
    reset = headers.get(f"x-ratelimit-reset-{word}", "")
    return _limit(
        headers.get(f"x-ratelimit-limit-{word}", ""),
        headers.get(f"x-ratelimit-remaining-{word}", ""),
        _until(reset, headers) if _MOMENT.fullmatch(reset.strip()) else go_duration(reset),
    )


def _anthropic(headers: Mapping[str, str], word: str) -> RateLimit | None:
    prefix = f"anthropic-ratelimit-{word}"
    return _limit(
        headers.get(f"{prefix}-limit", ""),
        headers.get(f"{prefix}-remaining", ""),
        _until(headers.get(f"{prefix}-reset", ""), headers),
    )


def _limit(limit: str, remaining: str, reset_s: float | None) -> RateLimit | None:
    found = RateLimit(limit=_count(limit), remaining=_count(remaining), reset_s=reset_s)
    return None if found == RateLimit() else found


def _count(text: str) -> int | None:
    text = text.strip()
    return int(text) if _COUNT.fullmatch(text) else None


def _until(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds from the answer's own date until this moment (RFC 3339); none is negative."""
    now = http_date(headers.get("date", ""))
    text = text.strip().upper()
    if now is None or not _MOMENT.fullmatch(text):
        return None
    try:
        then = datetime.fromisoformat(text)
        aware = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
        return max(0.0, aware.timestamp() - now)
    except ValueError:
        return None

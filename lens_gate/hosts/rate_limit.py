"""Whether an answer is a rate limit, and how long it asks to wait."""

from collections.abc import Mapping
from typing import Final

from lens_gate.records.json_types import Json

_LIMITED: Final = frozenset({403, 429})
# "Otherwise, wait for at least one minute": GitHub's documentation, "Rate limits for the REST API".
_UNNAMED_PAUSE_S: Final = 60.0


def pause_of(status: int, headers: Mapping[str, str], data: Json, now: float) -> float | None:
    """How long a rate limit asks to wait, in seconds; ``None`` where this is no rate limit.

    GitHub says 403 for its limits as well as for a missing permission. They are told apart in the
    order of its documentation: ``retry-after``, then ``x-ratelimit-remaining`` of 0 with
    ``x-ratelimit-reset``, then the words. GitLab's headers have no ``x-``.

    Args:
        status: The answer's.
        headers: The answer's, their names in small letters.
        data: What its body holds as JSON.
        now: Seconds since 1970.
    """
    if status not in _LIMITED:
        return None
    pause = _number(headers.get("retry-after"))
    if pause is not None:
        return max(1.0, pause)
    for prefix in ("x-ratelimit-", "ratelimit-"):
        reset = _number(headers.get(f"{prefix}reset"))
        if headers.get(f"{prefix}remaining", "").strip() == "0" and reset is not None:
            return max(1.0, reset - now)
    if status == 429 or "rate limit" in _message(data).lower():
        return _UNNAMED_PAUSE_S
    return None


def _number(value: str | None) -> float | None:
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _message(data: Json) -> str:
    message = data.get("message") if isinstance(data, dict) else None
    return message if isinstance(message, str) else ""

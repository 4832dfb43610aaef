"""Reading foreign JSON: each function gives the value where it has the right shape, else nothing.

APIs grow fields and servers send nonsense; neither may raise, and a number of a wrong kind is one
that was not reported.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from lens_gate.providers.failures import clean
from lens_gate.records.exchange import StreamEvent

_EMPTY: Final[Mapping[str, object]] = {}
_NAME_CHARS = 200
# More tokens, dollars or seconds than any request has: beyond it a figure is noise that would break
# sums.
_MOST = 10**12
# And fewer dollars, above none, than anything costs: written out it would be hundreds of digits.
_LEAST_DOLLARS = 1e-15


def mapping(value: object) -> Mapping[str, object]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def items(value: object) -> Sequence[object]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """The string, or an empty one."""
    return value if isinstance(value, str) else ""


def name(value: object) -> str | None:
    """A short printable name (model, tier, reason), or ``None`` where there is none."""
    return (clean(value, _NAME_CHARS) or None) if isinstance(value, str) else None


def count(value: object) -> int | None:
    """A number of tokens: a whole number of at least zero. ``None`` is *not reported*."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        return None
    return int(value) if value == int(value) else None


def first_count(*values: object) -> int | None:
    """The first of these that is a count."""
    return next((n for n in map(count, values) if n is not None), None)


def dollars(value: object) -> Decimal | None:
    """An amount of US dollars as the digits that were sent."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        return None
    return Decimal(str(value)) if value == 0 or value >= _LEAST_DOLLARS else None


def seconds(value: object, unit_s: float = 1.0) -> float | None:
    """A duration that came in this unit, in seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value * unit_s if 0 <= value <= _MOST / unit_s else None


class Announcer:
    """Says model and service tier once, and again when they change."""

    def __init__(self) -> None:
        self._heard = ("", "")
        self._said: tuple[str | None, str | None] = (None, None)

    def __call__(self, model: object, tier: object) -> list[StreamEvent]:
        """A ``meta`` event where either is new; an empty name says nothing."""
        heard = (text(model), text(tier))
        if heard == self._heard:
            return []
        self._heard = heard
        said_model, said_tier = self._said
        now = (name(model) or said_model, name(tier) or said_tier)
        if now == self._said:
            return []
        self._said = now
        return [StreamEvent(kind="meta", model=now[0], service_tier=now[1])]

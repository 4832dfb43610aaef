"""What Google puts beside an error: the reason's name, how long to wait, which quota it is.

``details`` of an error is a list of typed objects (google.rpc): ``ErrorInfo`` names the reason,
``RetryInfo`` the delay, ``QuotaFailure`` the quota that was used up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lens_gate.providers.retry_after import go_duration

_MOST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
    """``names`` of reasons, the delay in seconds, and whether a quota of a whole day is gone."""

    names: tuple[str, ...] = ()
    delay_s: float | None = None
    daily: bool = False


def error_details(value: object) -> ErrorDetails:
    """What this ``details`` says; anything that is no list of objects says nothing."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ErrorDetails()
    found = [item for item in value[:_MOST] if isinstance(item, Mapping)]
    names = tuple(
        reason
        for item in found
        if _is(item, "ErrorInfo") and isinstance(reason := item.get("reason"), str) and reason
    )
    delays = (item.get("retryDelay") for item in found if _is(item, "RetryInfo"))
    return ErrorDetails(
        names=names,
        delay_s=next((s for s in map(_seconds, delays) if s is not None), None),
        daily=any(_daily(item.get("violations")) for item in found if _is(item, "QuotaFailure")),
    )


def _is(item: Mapping[str, object], kind: str) -> bool:
    return str(item.get("@type", "")).endswith(f"google.rpc.{kind}")


def _seconds(value: object) -> float | None:
    """A protobuf duration: ``"53s"`` or ``"55.84s"`` in JSON, or its two fields."""
    if isinstance(value, str):
        return go_duration(value)
    if isinstance(value, Mapping):
        whole, nanos = value.get("seconds", 0), value.get("nanos", 0)
        digits = f"{whole}.{nanos:09d}s" if isinstance(nanos, int) and nanos >= 0 else ""
        return go_duration(digits)
    return None


def _daily(violations: object) -> bool:
    if not isinstance(violations, Sequence) or isinstance(violations, str):
        return False
    quotas = (item.get("quotaId") for item in violations[:_MOST] if isinstance(item, Mapping))
    return any(isinstance(quota, str) and "PerDay" in quota for quota in quotas)

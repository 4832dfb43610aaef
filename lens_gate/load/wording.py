"""A load in words: the same in a plan, in a report and in a fingerprint."""

from collections.abc import Iterable

from lens_gate.records.policy import Load
from lens_gate.units import format_duration, format_share


def load_words(load: Load) -> str:
    """What is offered: ``closed, concurrency 2``, ``constant, 5 a second, at most 100 in flight``.

    Without what only ends it early; see ``ending_words``.
    """
    if load.pattern == "closed":
        return f"closed, concurrency {load.concurrency}"
    if load.pattern == "sweep" and load.step_by == "concurrency":
        return f"sweep, concurrency {_listed(load.steps)}"
    return f"{load.pattern}, {_schedule(load)}, at most {load.concurrency} in flight"


def _schedule(load: Load) -> str:
    if load.pattern == "burst":
        return f"{load.size} at once every {_time(load.every_s)}"
    if load.pattern == "ramp":
        rates = f"from {load.rate or 0.0:g} to {load.rate_to or 0.0:g} a second"
        return f"{rates} within {_time(load.over_s)}"
    if load.pattern == "sweep":
        return f"{_listed(load.steps)} a second"
    if load.pattern == "trace":
        last = load.arrivals[-1].at_s if load.arrivals else 0.0
        speed = "" if load.speed == 1 else f", {load.speed:g} times as fast"
        return f"{len(load.arrivals)} arrivals within {_time(last)}{speed}"
    return f"{load.rate or 0.0:g} a second"


def ending_words(load: Load) -> str:
    """What ends it early, or nothing: ``for 60 s, until 10 % fail``."""
    parts = []
    if load.duration_s is not None:
        each = " each" if load.pattern == "sweep" else ""
        parts.append(f"for {_time(load.duration_s)}{each}")
    if load.max_error_rate is not None:
        parts.append(f"until {format_share(load.max_error_rate)} fail")
    return ", ".join(parts)


def _listed(steps: Iterable[float]) -> str:
    return ", ".join(f"{step:g}" for step in steps)


def _time(seconds: float | None) -> str:
    return format_duration(seconds or 0.0)

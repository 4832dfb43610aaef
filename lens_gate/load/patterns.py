"""The table of the load patterns that a policy can name, and how each is made of a ``Load``."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from lens_gate.load import arrivals
from lens_gate.load.closed import closed
from lens_gate.load.pacer import Chance, Stage
from lens_gate.load.scheduled import scheduled
from lens_gate.records.policy import Load

Pattern: TypeAlias = Callable[[Load, int, Chance], tuple[Stage, ...]]
"""From a load, a number of requests and a random generator to the stages, one after the other."""

_T = TypeVar("_T")


def _closed(load: Load, requests: int, _: Chance) -> tuple[Stage, ...]:
    pacer = closed(concurrency=load.concurrency, requests=requests, duration_s=load.duration_s)
    return (Stage(pacer=pacer, requests=requests, slots=load.concurrency),)


def _constant(load: Load, requests: int, _: Chance) -> tuple[Stage, ...]:
    return _open(load, arrivals.constant(rate=_given(load, load.rate), requests=requests))


def _poisson(load: Load, requests: int, chance: Chance) -> tuple[Stage, ...]:
    rate = _given(load, load.rate)
    return _open(load, arrivals.poisson(rate=rate, requests=requests, chance=chance))


def _burst(load: Load, requests: int, _: Chance) -> tuple[Stage, ...]:
    size, every_s = _given(load, load.size), _given(load, load.every_s)
    return _open(load, arrivals.burst(size=size, every_s=every_s, requests=requests))


def _ramp(load: Load, requests: int, _: Chance) -> tuple[Stage, ...]:
    moments = arrivals.ramp(
        rate=0.0 if load.rate is None else load.rate,
        rate_to=_given(load, load.rate_to),
        over_s=_given(load, load.over_s),
        requests=requests,
    )
    return _open(load, moments)


def _trace(load: Load, requests: int, _: Chance) -> tuple[Stage, ...]:
    return _open(load, arrivals.trace(arrivals=load.arrivals, speed=load.speed, requests=requests))


def _sweep(load: Load, requests: int, _: Chance) -> tuple[Stage, ...]:
    """An even part of the requests for each step, the first ones taking what is left over.

    ``duration_s`` is the time of each step.
    """
    each, over = divmod(requests, len(_given(load, load.steps)))
    stages = []
    for step, level in enumerate(load.steps):
        part = each + (step < over)
        slots = round(level) if load.step_by == "concurrency" else 0
        if slots:
            pacer = closed(concurrency=slots, requests=part, duration_s=load.duration_s)
        else:
            moments = arrivals.constant(rate=level, requests=part)
            pacer = scheduled(moments, at_most=load.concurrency, duration_s=load.duration_s)
        if part:
            stages.append(Stage(pacer=pacer, requests=part, slots=slots, step=step))
    return tuple(stages)


def _open(load: Load, moments: arrivals.Moments) -> tuple[Stage, ...]:
    pacer = scheduled(moments, at_most=load.concurrency, duration_s=load.duration_s)
    return (Stage(pacer=pacer, requests=len(moments)),)


def _given(load: Load, value: _T | None) -> _T:
    if value is None or value == ():
        raise ValueError(f"a load of pattern {load.pattern} lacks one of its fields")
    return value


PATTERNS: Mapping[str, Pattern] = MappingProxyType(
    {
        "closed": _closed,
        "constant": _constant,
        "poisson": _poisson,
        "burst": _burst,
        "ramp": _ramp,
        "sweep": _sweep,
        "trace": _trace,
    }
)
"""By the policy's word."""


def stages(load: Load, requests: int, chance: Chance) -> tuple[Stage, ...]:
    """The stages of this load for so many requests, in their order.

    Together they send no more than that. ``chance`` is used by patterns that have chance in them:
    the same generator gives the same moments.

    Raises:
        KeyError: there is no such pattern (the policy's schema lets none pass).
        ValueError: the load lacks a field of its pattern, or one has no sense (likewise).
    """
    return PATTERNS[load.pattern](load, requests, chance)


def is_open(load: Load) -> bool:
    """Whether requests are due at moments that no answer can move."""
    return load.pattern != "closed" and not (
        load.pattern == "sweep" and load.step_by == "concurrency"
    )

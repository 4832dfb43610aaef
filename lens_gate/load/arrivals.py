"""When requests are due: the arrival times of each open pattern, seconds from the start.

Every function gives the first ``requests`` moments, in order. A rate, a size or a time without
which there is no schedule raises a ``ValueError``.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

from lens_gate.load.pacer import Chance
from lens_gate.records.policy import Arrival

Moments = tuple[float, ...]


def constant(*, rate: float, requests: int) -> Moments:
    """One every 1 / ``rate`` seconds, the first one at once."""
    _above_zero(rate=rate)
    return tuple(k / rate for k in range(requests))


def poisson(*, rate: float, requests: int, chance: Chance) -> Moments:
    """A Poisson process of ``rate`` a second: independent exponential gaps, the first from 0 on.

    It is how requests of many independent users come, in clusters and lulls.
    """
    _above_zero(rate=rate)
    gaps = (float(gap) / rate for gap in chance.standard_exponential(requests))
    return tuple(accumulate(gaps))


def burst(*, size: int, every_s: float, requests: int) -> Moments:
    """``size`` at once, every ``every_s`` seconds, the first ones at the start."""
    _above_zero(size=size, every_s=every_s)
    return tuple(k // size * every_s for k in range(requests))


def ramp(*, rate: float, rate_to: float, over_s: float, requests: int) -> Moments:
    """A rate that goes evenly from ``rate`` to ``rate_to`` within ``over_s`` seconds, then stays.

    The k-th request (from 0) is due when the integral of the rate reaches k. A ramp down to 0 ends:
    what it never reaches is left out.
    """
    _above_zero(over_s=over_s, greater_rate=max(rate, rate_to))
    if min(rate, rate_to) < 0.0:
        raise ValueError("a rate below 0")
    whole = (rate + rate_to) / 2.0 * over_s
    moments = []
    for k in range(requests):
        if k <= whole:
            moments.append(_on_the_ramp(k, rate, (rate_to - rate) / over_s, over_s))
        elif rate_to > 0.0:
            moments.append(over_s + (k - whole) / rate_to)
        else:
            break
    return tuple(moments)


def _on_the_ramp(k: int, rate: float, slope: float, over_s: float) -> float:
    """The t at which rate t + slope t^2 / 2 = k.

    It is written as 2 k / (rate + root), which loses no digits where the slope is small.
    """
    if k == 0:
        return 0.0
    root = math.sqrt(max(0.0, rate * rate + 2.0 * slope * k))
    return min(over_s, 2.0 * k / (rate + root))


def trace(*, arrivals: Sequence[Arrival], speed: float, requests: int) -> Moments:
    """The recorded arrivals, ``speed`` times as fast; no more than there are."""
    _above_zero(speed=speed)
    return tuple(arrival.at_s / speed for arrival in arrivals[:requests])


def _above_zero(**given: float) -> None:
    for name, value in given.items():
        if not value > 0.0:
            raise ValueError(f"{name} is {value}, and must be above 0")

"""A whole distribution: its empirical function with a band, and counts in bins.

The band is simultaneous: with the stated chance the true distribution function lies within it at
every value at once. Sources: Dvoretzky, Kiefer and Wolfowitz (Ann. Math. Statist. 27, 1956), with
the constant of Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality" (Ann.
Probab. 18, 1990).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LEAST_RATIO = 1.1
"""Values that are all the same have an axis, too."""


def half_width(n: int, level: float = 0.95) -> float:
    """Half the height of the band of ``n`` values: sqrt(ln(2 / (1 - level)) / (2 n)); at most 1."""
    return min(1.0, math.sqrt(math.log(2.0 / (1.0 - level)) / (2.0 * n))) if n else 1.0


def steps(values: ArrayLike, *, n: int, most: int = 160) -> tuple[list[float], list[float]]:
    """The corners of the empirical distribution function: values, and the share at most as large.

    Args:
        values: those that are known.
        n: how many there are with those of which only a lower bound is known, which lie beyond:
            the shares are of all of them.
        most: about so many corners are kept, evenly by rank, and the outermost ones all: each is
            exact.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    places = np.unique(ordered)
    shares = np.searchsorted(ordered, places, side="right") / max(n, 1)
    if places.size > most:
        ends = most // 8
        inner = np.linspace(0, places.size - 1, most - ends, dtype=np.int64)
        kept = np.unique(np.concatenate((inner, np.arange(places.size - ends, places.size))))
        places, shares = places[kept], shares[kept]
    return _floats(places), _floats(shares)


def bin_count(n: int) -> int:
    """How many bins ``n`` values fill: twice the cube root (the Rice rule), from 8 to 32."""
    return max(8, min(32, math.ceil(2.0 * math.cbrt(n))))


def edges(low: float, high: float, bins: int) -> list[float]:
    """The edges of bins of equal ratio from ``low`` to ``high``; of equal width where one is 0.

    Raises:
        ValueError: ``low`` is below 0 or above ``high``.
    """
    if low < 0.0 or high < low:
        raise ValueError(f"there are no bins from {low} to {high}")
    if low == 0.0:
        return _floats(np.linspace(0.0, high or 1.0, bins + 1))
    if high < low * _LEAST_RATIO:
        middle, half = math.sqrt(low) * math.sqrt(high), math.sqrt(_LEAST_RATIO)
        low, high = middle / half, middle * half
    return _floats(np.geomspace(low, high, bins + 1))


def counts(values: ArrayLike, bins: Sequence[float]) -> list[int]:
    """How many values lie in each bin; those beyond an end are in the outermost one."""
    within = np.clip(np.asarray(values, dtype=np.float64), bins[0], bins[-1])
    return [int(count) for count in np.histogram(within, bins=np.asarray(bins))[0]]


def trimmed(values: ArrayLike, share: float) -> tuple[float, float]:
    """Between what the values lie, but for this share of them at either end.

    Raises:
        ValueError: no values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    if ordered.size == 0:
        raise ValueError("no values")
    cut = int(ordered.size * share)
    return float(ordered[cut]), float(ordered[-1 - cut])


def _floats(numbers: NDArray[np.float64]) -> list[float]:
    return [float(number) for number in numbers]

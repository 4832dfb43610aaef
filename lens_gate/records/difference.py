"""By how much one target differs from another: an estimate, never a verdict."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A relative change (0.2 is +20 %) with its interval, and the pairs that it rests on."""

    change: float
    low: float
    high: float
    pairs: int

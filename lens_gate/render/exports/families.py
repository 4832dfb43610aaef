"""Named series of numbers: what Prometheus calls a metric family, and OpenTelemetry an instrument.

One model for all formats that keep series, so that a number has one name and one unit in each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

PREFIX = "lens_gate"
Kind = Literal["gauge", "counter", "histogram", "info"]
# A family's unit by the catalogue's word: base units, as Prometheus spells them.
UNITS: Mapping[str, str] = {
    "s": "seconds",
    "tokens": "tokens",
    "usd": "usd",
    "share": "ratio",
    "tokens/s": "tokens_per_second",
    "requests/s": "requests_per_second",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How values spread over buckets.

    ``counts`` are by upper bound, one more than ``bounds``: the last counts what is above them all,
    values of which only a lower bound is known (timeouts) among them. ``total`` is the sum of the
    values, of those the bounds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.counts)

    def cumulated(self) -> Sequence[int]:
        """For each bound, and for no bound, how many are at most that."""
        return tuple(accumulate(self.counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One series: its labels, and its number or its spread."""

    labels: Mapping[str, str]
    value: float | Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Series of one meaning. ``stem`` is its name without prefix and unit.

    ``several_units``: another family has the same stem and another unit.
    """

    stem: str
    unit: str = ""
    kind: Kind = "gauge"
    help: str
    points: Sequence[Point] = field(default_factory=tuple)
    several_units: bool = False

    @property
    def name(self) -> str:
        """``lens_gate_ttft_seconds``: without the suffixes that a kind adds."""
        return "_".join(filter(None, (PREFIX, self.stem, self.unit)))


def spread(values: Iterable[float], floors: Iterable[float], bounds: tuple[float, ...]) -> Spread:
    """The values by bucket; of ``floors`` only that the true values are no smaller is known."""
    counts = [0] * (len(bounds) + 1)
    total = 0.0
    for value in values:
        place = next((k for k, bound in enumerate(bounds) if value <= bound), len(bounds))
        counts[place] += 1
        total += value
    for floor in floors:
        counts[-1] += 1
        total += floor
    return Spread(bounds=bounds, counts=tuple(counts), total=total)

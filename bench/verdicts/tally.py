"""Counts of what happened, with exact intervals."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

from lens_gate.stats.special import beta_ppf


@dataclass(frozen=True, slots=True)
class Total:
    """Of ``of`` numbers, their sum and the sum of their squares. For events: ones and zeros."""

    of: int
    sum: float
    squares: float

    @property
    def mean(self) -> float:
        """The share of events, or the mean of the numbers."""
        return self.sum / self.of if self.of else math.nan

    def interval(self, *, level: float = 0.95) -> tuple[float, float]:
        """Two-sided: exact binomial (Clopper-Pearson) for events, normal for other numbers."""
        tail = (1.0 - level) / 2.0
        if self.sum == self.squares:
            k, n = round(self.sum), self.of
            low = beta_ppf(tail, k, n - k + 1) if k else 0.0
            return low, beta_ppf(1.0 - tail, k + 1, n - k) if k < n else 1.0
        spread = max(0.0, self.squares / self.of - self.mean**2)
        half = NormalDist().inv_cdf(1.0 - tail) * math.sqrt(spread / self.of)
        return self.mean - half, self.mean + half


@dataclass(slots=True)
class Tally:
    """Totals by name, gathered policy by policy."""

    totals: dict[str, Total] = field(default_factory=dict)

    def see(self, name: str, *values: float) -> None:
        """Note events (true or false) or numbers."""
        self._add(name, Total(len(values), float(sum(values)), float(sum(v * v for v in values))))

    def add(self, other: Mapping[str, Total]) -> None:
        """Take in another's totals."""
        for name, total in other.items():
            self._add(name, total)

    def _add(self, name: str, total: Total) -> None:
        old = self.totals.get(name, Total(0, 0.0, 0.0))
        self.totals[name] = Total(
            old.of + total.of, old.sum + total.sum, old.squares + total.squares
        )


def merged(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    result = Tally()
    for tally in tallies:
        result.add(tally.totals)
    return result

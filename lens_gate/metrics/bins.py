"""How the times of a cell spread: counts that a row of bars can be drawn from."""

import math
from collections.abc import Iterable, Mapping, Sequence

from lens_gate.metrics.arms import of_arm
from lens_gate.metrics.derive import scalars
from lens_gate.records.report import Bins
from lens_gate.records.sample import Sample

BINS = 16
_METRICS = ("ttft", "e2e")
# Values that are all the same have an axis, too.
_LEAST_RATIO = 1.1


def bins(samples: Iterable[Sample]) -> Mapping[str, Bins]:
    """TTFT and E2E of one cell's measured requests, both arms on one axis of equal ratios.

    A metric that no request of the head has is left out. Requests without the number, as those that
    failed, are in no bin.
    """
    samples = tuple(samples)
    head = [scalars(sample) for sample in of_arm(samples, "head")]
    control = [scalars(sample) for sample in of_arm(samples, "control")]
    found: dict[str, Bins] = {}
    for metric in _METRICS:
        arms = _values(head, metric), _values(control, metric)
        if arms[0]:
            found[metric] = _counted(*arms)
    return found


def _values(numbers: Iterable[Mapping[str, float]], metric: str) -> list[float]:
    return [value for one in numbers if (value := one.get(metric, 0.0)) > 0]


def _counted(head: Sequence[float], control: Sequence[float]) -> Bins:
    low, high = min(*head, *control, math.inf), max(*head, *control, 0.0)
    if high < low * _LEAST_RATIO:
        middle, half = math.sqrt(low * high), math.sqrt(_LEAST_RATIO)
        low, high = middle / half, middle * half
    return Bins(
        low=low,
        high=high,
        head=_counts(head, low, high),
        control=_counts(control, low, high) if control else (),
    )


def _counts(values: Iterable[float], low: float, high: float) -> tuple[int, ...]:
    counts = [0] * BINS
    for value in values:
        place = math.log(value / low) / math.log(high / low)
        counts[min(BINS - 1, int(place * BINS))] += 1
    return tuple(counts)

"""One row of numbers for each request, and what an arm makes of many of them.

Fresh samples and stored runs become the same rows, so that the arms of either can't differ by the
way in which they were read.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from lens_gate.metrics.bounds import limits
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.derive import censored, scalars
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Arm
from lens_gate.records.sample import Sample

_GAPS = frozenset({"itl", "tpot", "chunk_gap_max"})
_TIMES = ("s", "tokens/s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One request: its numbers, its lower bounds, and whether it went through at once.

    ``limits`` are between what its numbers lie, where they are not exact. ``pair`` is the pair of a
    duet that it belongs to.
    """

    prompt_id: str
    values: Mapping[str, float]
    bounds: Mapping[str, float]
    failed: bool
    retried: bool
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    pair: int | None = None

    def known(self, metric: str) -> float | None:
        """Its number of this metric, or the lower bound of it."""
        return self.values.get(metric, self.bounds.get(metric))

    def lost(self, metric: str) -> bool:
        """It has no such number because it failed, or as a time because it was retried."""
        timed = CATALOGUE[metric].unit in _TIMES
        return self.known(metric) is None and (self.failed or (self.retried and timed))


LOST = Numbers(prompt_id="", values={}, bounds={}, failed=True, retried=False)
"""A failed request of a stored run: counted there, without a row."""


def numbers_of(samples: Iterable[Sample]) -> list[Numbers]:
    """The rows of these samples, in their order."""
    return [
        Numbers(
            prompt_id=sample.prompt_id,
            values=scalars(sample),
            bounds=censored(sample),
            failed=sample.failure is not None,
            retried=sample.attempts > 1,
            limits=limits(sample),
            pair=sample.pair,
        )
        for sample in samples
    ]


def stored_numbers(baseline: Baseline) -> list[Numbers]:
    """The rows of a stored run; failed requests come last, without their prompt ids."""
    timed_out, retried = set(baseline.censored), set(baseline.retried)
    rows = []
    for index, prompt_id in enumerate(baseline.prompt_ids):
        present = {
            name: value
            for name, column in baseline.values.items()
            if (value := column[index]) is not None
        }
        late = index in timed_out
        rows.append(
            Numbers(
                prompt_id=prompt_id,
                values={} if late else present,
                bounds=present if late else {},
                failed=late,
                retried=index in retried,
            )
        )
    return rows + [LOST] * sum(baseline.failures.values())


def meets(values: Mapping[str, float], objectives: Mapping[str, float]) -> bool:
    """Whether a successful request with these numbers meets every objective.

    A number that is not known is not met. The exception is by definition: an answer without two
    tokens to tell apart has no gap that could be too long.
    """
    return all(_meets(values, name, limit) for name, limit in objectives.items())


def _meets(values: Mapping[str, float], name: str, limit: float) -> bool:
    value = values.get(name)
    if value is None:
        no_gap = "chunk_gap_max" not in values or values.get("output_tokens", 2.0) <= 1
        return name in _GAPS and no_gap
    return value >= limit if CATALOGUE[name].better == "higher" else value <= limit


def good(row: Numbers, objectives: Mapping[str, float]) -> bool:
    """Whether the request went through at once and meets every objective."""
    return not row.failed and not row.retried and meets(row.values, objectives)


def arm_of(
    rows: Sequence[Numbers],
    metric: str,
    objectives: Mapping[str, float],
    *,
    keys: Sequence[Hashable] | None = None,
) -> Arm:
    """The arm that these rows make, by the rules of ``metrics.arms.head_arm``.

    ``keys`` are those of the pairs, one for each row: by default prompt ids with their occurrence.

    Raises:
        KeyError: no such metric.
    """
    keys = occurrences(rows) if keys is None else keys
    if metric in ("error_rate", "goodput"):
        return _counted(rows, keys, objectives if metric == "goodput" else {})
    values: list[float] = []
    kept: list[Hashable] = []
    late: list[bool] = []
    within: list[tuple[float, float]] = []
    for key, row in zip(keys, rows, strict=True):
        value = row.known(metric)
        if value is not None:
            values.append(value)
            kept.append(key)
            late.append(metric in row.bounds)
            within.append(row.limits.get(metric, (value, value)))
    return Arm(
        values=tuple(values),
        pair=tuple(kept),
        censored=tuple(late) if any(late) else None,
        errors=sum(row.lost(metric) for row in rows),
        **_between(values, within),
    )


def _counted(
    rows: Sequence[Numbers], keys: Sequence[Hashable], objectives: Mapping[str, float]
) -> Arm:
    """Ones for the good requests; the others are its errors."""
    kept = [key for key, row in zip(keys, rows, strict=True) if good(row, objectives)]
    least, most = _missed(rows, objectives)
    errors = len(rows) - len(kept)
    exact = least == errors == most
    return Arm(
        values=(1.0,) * len(kept),
        pair=tuple(kept),
        errors=errors,
        errors_low=None if exact else least,
        errors_high=None if exact else most,
    )


def _missed(rows: Sequence[Numbers], objectives: Mapping[str, float]) -> tuple[int, int]:
    """The least and the most requests that can have missed an objective, failed ones included."""
    missed = [0, 0]
    for row in rows:
        for place in (0, 1):
            values = {
                **row.values,
                **{
                    name: pair[place ^ (CATALOGUE[name].better == "higher")]
                    for name, pair in row.limits.items()
                },
            }
            missed[place] += row.failed or row.retried or not meets(values, objectives)
    return missed[0], missed[1]


class _Between(TypedDict, total=False):
    low: tuple[float, ...]
    high: tuple[float, ...]


def _between(values: Sequence[float], within: Sequence[tuple[float, float]]) -> _Between:
    """The bounds of an arm's values, where one of them is not exact."""
    if all(pair == (value, value) for value, pair in zip(values, within, strict=True)):
        return {}
    return {"low": tuple(low for low, _ in within), "high": tuple(high for _, high in within)}


def occurrences(rows: Sequence[Numbers]) -> list[tuple[str, int]]:
    """Prompt ids made unique by occurrence, failed requests counted, so that both arms agree."""
    seen: Counter[str] = Counter()
    keys = []
    for row in rows:
        keys.append((row.prompt_id, seen[row.prompt_id]))
        seen[row.prompt_id] += 1
    return keys

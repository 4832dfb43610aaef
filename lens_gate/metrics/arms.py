"""From samples, or from a stored baseline, to the arms that the judge compares; and to baselines.

Both kinds of arm are built from the same rows (one for each request), so that a stored run and a
fresh one can't differ by the way in which they were read.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypedDict

from lens_gate.errors import LensError
from lens_gate.metrics.bounds import limits
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.derive import censored, scalars
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Arm
from lens_gate.records.report import Unit
from lens_gate.records.run import Run
from lens_gate.records.sample import Sample

ENVIRONMENT_KEPT: frozenset[str] = frozenset(
    {"lens_gate", "python", "platform", "loop", "clock", "runner"}
)
"""What a baseline remembers of the client's side: nothing that names a person, host or account."""

# Decimal places of stored values: what the clock and the bill carry.
_PLACES: Mapping[Unit, int] = {
    "s": 6,
    "usd": 9,
    "tokens": 0,
    "share": 6,
    "tokens/s": 3,
    "requests/s": 6,
}

_GAPS = frozenset({"itl", "tpot", "chunk_gap_max"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One request: its numbers, its lower bounds, and whether it went through at once.

    ``limits`` are between what its numbers lie, where they are not exact.
    """

    prompt_id: str
    values: Mapping[str, float]
    bounds: Mapping[str, float]
    failed: bool
    retried: bool
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)


# A failed request of a stored run: counted there, without a row.
_LOST = _Row(prompt_id="", values={}, bounds={}, failed=True, retried=False)


def head_arm(samples: Iterable[Sample], metric: str, objectives: Mapping[str, float]) -> Arm:
    """The head's side of a check: one cell's measured requests, in the order in which they went.

    ``metric`` is a name of the catalogue. For ``error_rate`` and ``goodput`` the arm's values are
    ones for the good requests and its errors the bad ones: failed or retried, and for goodput also
    those that miss one of ``objectives`` (limits by metric in its unit). Elsewhere the errors are
    the requests that failed, and for times those retried (statistics.md 3.6); a request that
    succeeded but has no such number, as ``itl`` at one token, is left out and is no error.

    Raises:
        KeyError: no such metric.
    """
    return _arm(_rows(samples), metric, objectives)


def stored_arm(
    baseline: Baseline,
    metric: str,
    objectives: Mapping[str, float],
    *,
    prompts: Collection[str] | None = None,
) -> Arm:
    """The same from a stored run. Goodput is counted anew, by today's objectives.

    ``prompts`` keeps only requests with these prompt ids; failed requests are stored without theirs
    and are all counted.

    Raises:
        KeyError: no such metric.
    """
    rows = _stored_rows(baseline)
    if prompts is not None:
        rows = [row for row in rows if row is _LOST or row.prompt_id in prompts]
    return _arm(rows, metric, objectives)


def without_value(samples: Iterable[Sample], metric: str) -> int:
    """How many successful measured requests have no such number (left out, and to be counted)."""
    return sum(
        1 for row in _rows(samples) if not (row.failed or row.retried) and metric not in row.values
    )


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


def measured(samples: Iterable[Sample]) -> list[Sample]:
    """The head's measured requests in the order of sending: no warm-up, nothing broken off."""
    kept = (s for s in samples if s.phase == "measured" and s.arm == "head")
    return sorted(kept, key=lambda s: s.seq)


def _rows(samples: Iterable[Sample]) -> list[_Row]:
    return [
        _Row(
            prompt_id=sample.prompt_id,
            values=scalars(sample),
            bounds=censored(sample),
            failed=sample.failure is not None,
            retried=sample.attempts > 1,
            limits=limits(sample),
        )
        for sample in measured(samples)
    ]


def _stored_rows(baseline: Baseline) -> list[_Row]:
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
            _Row(
                prompt_id=prompt_id,
                values={} if late else present,
                bounds=present if late else {},
                failed=late,
                retried=index in retried,
            )
        )
    return rows + [_LOST] * sum(baseline.failures.values())


def _arm(rows: Sequence[_Row], metric: str, objectives: Mapping[str, float]) -> Arm:
    unit = CATALOGUE[metric].unit
    pairs = _pairs(rows)
    if metric in ("error_rate", "goodput"):
        wanted = objectives if metric == "goodput" else {}
        good = [
            pair
            for pair, row in zip(pairs, rows, strict=True)
            if not row.failed and not row.retried and meets(row.values, wanted)
        ]
        least, most = _missed(rows, wanted)
        errors = len(rows) - len(good)
        exact = least == errors == most
        return Arm(
            values=(1.0,) * len(good),
            pair=tuple(good),
            errors=errors,
            errors_low=None if exact else least,
            errors_high=None if exact else most,
        )
    values: list[float] = []
    kept: list[tuple[str, int]] = []
    late: list[bool] = []
    within: list[tuple[float, float]] = []
    errors = 0
    is_time = unit in ("s", "tokens/s")
    for pair, row in zip(pairs, rows, strict=True):
        value = row.values.get(metric, row.bounds.get(metric))
        if value is not None:
            values.append(value)
            kept.append(pair)
            late.append(metric in row.bounds)
            within.append(row.limits.get(metric, (value, value)))
        elif row.failed or (row.retried and is_time):
            errors += 1
    return Arm(
        values=tuple(values),
        pair=tuple(kept),
        censored=tuple(late) if any(late) else None,
        errors=errors,
        **_between(values, within),
    )


def _missed(rows: Sequence[_Row], objectives: Mapping[str, float]) -> tuple[int, int]:
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


def _pairs(rows: Sequence[_Row]) -> list[tuple[str, int]]:
    """Prompt ids made unique by occurrence, failed requests counted, so that both arms agree."""
    seen: Counter[str] = Counter()
    keys = []
    for row in rows:
        keys.append((row.prompt_id, seen[row.prompt_id]))
        seen[row.prompt_id] += 1
    return keys


def baseline_of(
    run: Run, cell: str, *, environment: Collection[str] = ENVIRONMENT_KEPT
) -> Baseline:
    """The stored form of one cell of a run: scalars by prompt id, and where they come from.

    Rows are sorted by prompt id, then by the order of sending. ``environment`` names the keys of
    the run's environment that are kept. Nothing that was sent or answered is in it.

    Raises:
        LensError: the run has no such cell.
    """
    plan = next((c for c in run.header.cells if c.cell == cell), None)
    if plan is None:
        known = ", ".join(c.cell for c in run.header.cells)
        raise LensError(f"The run has no cell {cell!r}.", f"It measured: {known}.")
    own = [s for s in run.samples if s.cell == cell]
    rows = sorted(measured(own), key=lambda s: s.prompt_id)
    kept = [s for s in rows if s.failure is None or censored(s)]
    header = run.header
    return Baseline(
        scenario=plan.scenario,
        target=plan.target,
        created=header.created,
        commit=header.commit or "",
        policy=header.policy,
        run_id=header.run_id,
        models=tuple(sorted({_printable(s.model) for s in own if s.model})),
        fingerprint=plan.fingerprint,
        prompt_ids=tuple(s.prompt_id for s in kept),
        values=_columns(kept),
        censored=tuple(i for i, s in enumerate(kept) if s.failure is not None),
        retried=tuple(i for i, s in enumerate(kept) if s.attempts > 1),
        failures=_failures(rows),
        spent_usd=sum((s.settled_usd for s in own), Decimal(0)),
        environment={k: v for k, v in sorted(header.environment.items()) if k in environment},
    )


def _printable(text: str) -> str:
    """A server's word for its model, fit to be stored: one line, not long."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def _columns(samples: Sequence[Sample]) -> Mapping[str, tuple[float | None, ...]]:
    found = [{**censored(s), **scalars(s)} for s in samples]
    names = sorted({name for row in found for name in row})
    return {name: tuple(_rounded(name, row.get(name)) for row in found) for name in names}


def _rounded(metric: str, value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES[CATALOGUE[metric].unit])


def _failures(samples: Sequence[Sample]) -> Mapping[str, int]:
    """Failed requests without a row, by status: a timed-out one has its row."""
    counted = Counter(
        s.failure.status for s in samples if s.failure is not None and not censored(s)
    )
    return dict(sorted(counted.items()))

"""Objectives for runs over time (``ttft.p95<1.2s``): read, and held against stored runs.

A run meets one by its statistic, a request by its own number. What has no number because it failed
meets none; a request that timed out counts as endlessly slow.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from lens_gate.metrics.catalogue import CATALOGUE, split_metric
from lens_gate.metrics.rows import Numbers, arm_of, good, stored_numbers
from lens_gate.metrics.summary import stored_statistics
from lens_gate.records.baseline import Baseline
from lens_gate.records.series import Kept, Objective
from lens_gate.units import parse_duration, parse_share, parse_usd

Operator = Literal["<", "<=", ">", ">="]

_TEXT = re.compile(r"\s*([a-z0-9_.]{1,80})\s*(<=|>=|<|>|≤|≥)\s*(\S.{0,40}?)\s*", re.ASCII)
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?", re.ASCII)
_OPERATORS: Final[Mapping[str, Operator]] = {
    "<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">=",
}  # fmt: skip
_HOLDS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_FAR = 1e12
"""In place of a time that was never reached; its inverse for a speed."""


def parse_objective(text: str) -> Objective:
    """An objective from ``ttft.p95<1.2s``, ``error_rate<=1%``, ``output_tps>30``.

    Raises:
        ValueError: the text is none; the message says what was expected.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no objective such as ttft.p95<1.2s")
    metric, statistic = split_metric(found[1])
    row = CATALOGUE[metric]
    if not is_stored(metric):
        raise ValueError(f"stored runs hold no {metric}: it is a number of the whole window")
    sign = _OPERATORS[found[2]]
    if (sign in ("<", "<=")) != (row.better == "lower"):
        wanted = "<" if row.better == "lower" else ">"
        raise ValueError(f"of {metric} {row.better} is better: write {wanted} for its limit")
    return Objective(
        text=" ".join((found[1], sign, found[3])),
        metric=metric,
        statistic=statistic,
        operator=sign,
        limit=_limit(found[3], row.unit),
        unit=row.unit,
    )


def is_stored(metric: str) -> bool:
    """Whether stored runs have such a number: one for each request, or a share of all requests."""
    return CATALOGUE[metric].per != "window"


def _limit(text: str, unit: str) -> float:
    if unit == "s":
        return parse_duration(text)
    if unit == "share":
        return parse_share(text)
    if unit == "usd":
        return float(parse_usd(text.removeprefix("$")))
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number of {unit}: write it without its unit")
    return float(text)


def run_value(
    baseline: Baseline, metric: str, statistic: str, objectives: Mapping[str, float]
) -> float | None:
    """A stored run's number of this metric, as every table has it; ``None`` where it has none.

    ``objectives`` are the scenario's, for ``goodput``: without any there is no such number.
    """
    if CATALOGUE[metric].per == "arm":
        if metric == "goodput" and not objectives:
            return None
        rows = _rows(baseline, metric, objectives)
        if not rows:
            return None
        missed = arm_of(rows, metric, objectives).errors / len(rows)
        return 1.0 - missed if metric == "goodput" else missed
    found = stored_statistics(_only(baseline, (metric,))).get(metric)
    return None if found is None else found.named(statistic)


@dataclass(frozen=True, slots=True)
class _Run:
    number: int
    value: float | None
    met: bool
    requests: int
    requests_met: int


def kept(
    objective: Objective,
    runs: Sequence[Baseline],
    *,
    share: float,
    objectives: Mapping[str, float],
) -> Kept:
    """How well these runs, oldest first, kept to an objective; those marked bad count nowhere.

    ``share`` of them have to meet it.
    """
    held = [
        _held(objective, number, baseline, objectives)
        for number, baseline in enumerate(runs)
        if not baseline.bad
    ]
    judged = [run for run in held if run.value is not None or run.requests]
    met = sum(run.met for run in judged)
    worst = _worst(objective, judged)
    streak = _streak([run.met for run in judged])
    return Kept(
        objective=objective,
        runs=len(judged),
        met=met,
        requests=sum(run.requests for run in judged),
        requests_met=sum(run.requests_met for run in judged),
        worst=None if worst is None else worst.number,
        worst_value=None if worst is None else worst.value,
        streak=streak,
        streak_from=judged[-abs(streak)].number if streak else None,
        kept=bool(judged) and met >= share * len(judged) - 1e-9,
    )


def _held(
    objective: Objective, number: int, baseline: Baseline, objectives: Mapping[str, float]
) -> _Run:
    metric, rate = objective.metric, CATALOGUE[objective.metric].per == "arm"
    value = run_value(baseline, metric, objective.statistic, objectives)
    rows = _rows(baseline, metric, objectives)
    if rate:
        asked = rows if metric == "error_rate" or objectives else []
        wanted = objectives if metric == "goodput" else {}
        passing = sum(good(row, wanted) for row in asked)
    else:
        asked = [row for row in rows if row.known(metric) is not None or row.lost(metric)]
        passing = sum(_meets(row, objective) for row in asked)
    honest = value if rate else _with_endless(baseline, objective)
    return _Run(
        number=number,
        value=value,
        met=honest is not None and _holds(objective, honest),
        requests=len(asked),
        requests_met=passing,
    )


def _meets(row: Numbers, objective: Objective) -> bool:
    value = row.values.get(objective.metric)
    return value is not None and _holds(objective, value)


def _holds(objective: Objective, value: float) -> bool:
    return _HOLDS[objective.operator](value, objective.limit)


def _with_endless(baseline: Baseline, objective: Objective) -> float | None:
    """The statistic with each request that timed out as slow as can be, in place of its limit."""
    metric, late = objective.metric, frozenset(baseline.censored)
    column = baseline.values.get(metric)
    if not late or column is None:
        return run_value(baseline, metric, objective.statistic, {})
    end = _FAR if CATALOGUE[metric].better == "lower" else 1 / _FAR
    values = [
        end if index in late and value is not None else value for index, value in enumerate(column)
    ]
    moved = replace(baseline, values={metric: values})
    return run_value(moved, metric, objective.statistic, {})


def _worst(objective: Objective, runs: Sequence[_Run]) -> _Run | None:
    known = [run for run in runs if run.value is not None]
    if not known:
        return None
    lower = CATALOGUE[objective.metric].better == "lower"
    return max(known, key=lambda run: (run.value or 0.0) if lower else -(run.value or 0.0))


def _streak(met: Sequence[bool]) -> int:
    """How many of the last are alike: above zero where they met it."""
    if not met:
        return 0
    length = next((k for k, one in enumerate(reversed(met)) if one is not met[-1]), len(met))
    return length if met[-1] else -length


def _rows(baseline: Baseline, metric: str, objectives: Mapping[str, float]) -> list[Numbers]:
    """The run's rows with the numbers that matter here alone."""
    wanted = (metric, *(objectives if metric == "goodput" else ()), "output_tokens")
    return stored_numbers(_only(baseline, wanted))


def _only(baseline: Baseline, metrics: Sequence[str]) -> Baseline:
    found = {name: baseline.values[name] for name in metrics if name in baseline.values}
    return replace(baseline, values=found)

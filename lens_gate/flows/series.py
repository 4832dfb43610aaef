"""The verb ``history``: the stored runs of cells over time, out of git or a folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from lens_gate import __version__
from lens_gate.errors import LensError
from lens_gate.flows.accepting import holding
from lens_gate.flows.history_sources import (
    HistoryOrder,
    place_of,
    runs_at,
    wanted,
    warnings_of,
)
from lens_gate.flows.measuring import stamp
from lens_gate.flows.outside import Outside
from lens_gate.metrics.catalogue import CATALOGUE, split_metric
from lens_gate.metrics.objectives import is_stored, kept, parse_objective
from lens_gate.metrics.series import series_of
from lens_gate.policy.findings import did_you_mean
from lens_gate.policy.fingerprint import differences
from lens_gate.records.baseline import Baseline
from lens_gate.records.policy import Policy, Scenario
from lens_gate.records.series import CellHistory, History, Objective, Series, StoredRun
from lens_gate.records.waiver import LevelShift
from lens_gate.repo.stored_over_time import Remembered
from lens_gate.stats.change_points import ALPHA
from lens_gate.units import parse_duration

DEFAULT_METRICS = ("ttft.typ", "itl.typ", "e2e.typ", "cost_usd.mean", "error_rate")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LONGEST_DAYS = 36500.0


def history(order: HistoryOrder, outside: Outside) -> History:
    """The series of the cells that are asked for.

    Raises:
        LensError: there is no policy, no such cell or metric, or a text can't be read.
        InputError: the policy, the waivers or stored runs have problems: all of them.
        WorldError: git or the disk can't answer.
    """
    objectives = tuple(_objective(text) for text in order.objectives)
    asked = tuple(_metric(text) for text in order.metrics)
    since = _since(order.since, outside.now())
    place = place_of(order, outside)
    found = runs_at(place, order, since, _needed(asked, objectives, place.policy))
    shifts = holding(place.accepted, outside.now().date()).shifts
    cells = tuple(
        _cell(key, runs, place.policy, asked, objectives, order.share, shifts)
        for key, runs in _by_cell(found.runs, place.policy).items()
        if wanted(order.cell, *key)
    )
    if order.cell is not None and not cells:
        _refuse_unknown(order.cell, place.policy)
    return History(
        created=stamp(outside.now()),
        source=place.source,
        folder=place.folder,
        commit=place.commit,
        since=since,
        share=order.share,
        alpha=ALPHA,
        cells=cells,
        warnings=tuple(warnings_of(place, order, found)),
        version=__version__,
    )


def cell_history(
    runs: Sequence[Baseline],
    metrics: Sequence[tuple[str, str]],
    *,
    shifts: Sequence[LevelShift] = (),
    scenario: Scenario | None = None,
) -> CellHistory:
    """The history of one cell from stored runs, oldest first, for whoever has read them already.

    Raises:
        ValueError: there are no runs.
    """
    if not runs:
        raise ValueError("a history needs a run")
    key = (runs[0].scenario, runs[0].target)
    remembered = [Remembered(path="", baseline=run, pruned=False) for run in runs]
    return _history_of(key, remembered, metrics, scenario, (), 1.0, shifts)


def _objective(text: str) -> Objective:
    try:
        return parse_objective(text)
    except ValueError as error:
        raise LensError(f"--sla: {error}", "write it as ttft.p95<1.2s or error_rate<=1%") from None


def _metric(text: str) -> tuple[str, str]:
    try:
        metric, statistic = split_metric(text)
    except ValueError as error:
        raise LensError(f"--metric: {error}", "write it as ttft.p95") from None
    if not is_stored(metric):
        raise LensError(
            f"--metric: stored runs hold no {metric}", "it is a number of the whole window of a run"
        )
    return metric, statistic


def _since(text: str | None, now: datetime) -> str:
    """The beginning of the window as names of runs have it; empty where there is none."""
    if text is None:
        return ""
    try:
        if _DAY.fullmatch(text.strip()):
            return stamp(datetime.fromisoformat(text.strip()).replace(tzinfo=UTC))
        seconds = parse_duration(text)
    except ValueError:
        raise LensError(
            f"--since: {text[:40]!a} is no time", "write it as 30d, 12h or 2026-11-01"
        ) from None
    if seconds > _LONGEST_DAYS * 86400.0:
        raise LensError(f"--since: {text[:40]!a} is too long ago", "write it as 30d")
    return stamp(now - timedelta(seconds=seconds))


def _needed(
    asked: Sequence[tuple[str, str]], objectives: Sequence[Objective], policy: Policy | None
) -> frozenset[str]:
    """The metrics whose values are held in memory."""
    names = {metric for metric, _ in asked} | {one.metric for one in objectives}
    scenarios = policy.scenarios.values() if policy else ()
    for scenario in scenarios:
        names |= {metric for metric, _ in _metrics_of(scenario)}
        if "goodput" in names:
            names |= scenario.objectives.keys()
    return frozenset(
        names | {split_metric(text)[0] for text in DEFAULT_METRICS} | {"output_tokens"}
    )


def _by_cell(
    runs: Sequence[Remembered], policy: Policy | None
) -> Mapping[tuple[str, str], list[Remembered]]:
    """The runs of each cell, oldest first; cells in the policy's order, then others by name."""
    found: dict[tuple[str, str], list[Remembered]] = {}
    for run in runs:
        found.setdefault((run.baseline.scenario, run.baseline.target), []).append(run)
    scenarios = policy.scenarios.values() if policy else ()
    known = [(scenario.key, target) for scenario in scenarios for target in scenario.targets]
    order = {key: number for number, key in enumerate(known)}
    return dict(sorted(found.items(), key=lambda one: (order.get(one[0], len(order)), one[0])))


def _refuse_unknown(cell: str, policy: Policy | None) -> None:
    scenarios = policy.scenarios.values() if policy else ()
    known = {f"{s.key}/{t}" for s in scenarios for t in s.targets} | {s.key for s in scenarios}
    if policy is not None and cell not in known:
        raise LensError(
            f"the policy has no cell {cell[:80]!a}, and no run of it is stored",
            did_you_mean(cell, known, what="cells"),
        )


def _metrics_of(scenario: Scenario) -> tuple[tuple[str, str], ...]:
    rules = ((rule.metric, rule.statistic) for rule in scenario.rules)
    return tuple(dict.fromkeys(key for key in rules if is_stored(key[0])))


def _cell(
    key: tuple[str, str],
    runs: Sequence[Remembered],
    policy: Policy | None,
    asked: Sequence[tuple[str, str]],
    objectives: Sequence[Objective],
    share: float,
    shifts: Sequence[LevelShift],
) -> CellHistory:
    scenario = policy.scenarios.get(key[0]) if policy else None
    metrics = asked or (_metrics_of(scenario) if scenario else ())
    metrics = metrics or tuple(split_metric(text) for text in DEFAULT_METRICS)
    made = _history_of(key, runs, metrics, scenario, objectives, share, shifts)
    return made if asked else _without_empty(made)


def _without_empty(cell: CellHistory) -> CellHistory:
    shown = tuple(one for one in cell.series if any(v is not None for v in one.values))
    return CellHistory(
        scenario=cell.scenario, target=cell.target, runs=cell.runs, series=shown, kept=cell.kept
    )


def _history_of(
    key: tuple[str, str],
    runs: Sequence[Remembered],
    metrics: Sequence[tuple[str, str]],
    scenario: Scenario | None,
    objectives: Sequence[Objective],
    share: float,
    shifts: Sequence[LevelShift],
) -> CellHistory:
    stored = tuple(_stored_runs(runs, [s for s in shifts if s.cell == "/".join(key)]))
    baselines = [run.baseline for run in runs]
    own = scenario.objectives if scenario else {}
    series: list[Series] = [
        series_of(
            metric,
            statistic,
            stored,
            baselines,
            objectives=own,
            limit=_limit(scenario, key[1], metric, statistic),
        )
        for metric, statistic in metrics
    ]
    held = [kept(one, baselines, share=share, objectives=own) for one in objectives]
    return CellHistory(
        scenario=key[0], target=key[1], runs=stored, series=tuple(series), kept=tuple(held)
    )


def _limit(scenario: Scenario | None, target: str, metric: str, statistic: str) -> float | None:
    """The absolute limit that a rule of the policy has for this number."""
    for rule in scenario.rules if scenario else ():
        if (rule.metric, rule.statistic) == (metric, statistic) and target in rule.targets:
            limit = rule.max if CATALOGUE[metric].better == "lower" else rule.min
            if limit is not None:
                return limit
    return None


def _stored_runs(runs: Sequence[Remembered], shifts: Sequence[LevelShift]) -> Iterator[StoredRun]:
    """The runs with what sets each apart from the one before it that counts."""
    before: Baseline | None = None
    stretch = 0
    for run in runs:
        baseline = run.baseline
        fixed: tuple[str, ...] = ()
        compared: tuple[str, ...] = ()
        if before is not None and not baseline.bad:
            fixed, compared = differences(before.fingerprint, baseline.fingerprint)
            fixed += tuple(_accepted(shifts, before.created, baseline.created))
            stretch += bool(fixed)
        failed = sum(baseline.failures.values())
        yield StoredRun(
            path=run.path,
            created=baseline.created,
            commit=baseline.commit,
            run_id=baseline.run_id,
            models=tuple(baseline.models),
            requests=len(baseline.prompt_ids) + failed,
            failed=failed + len(baseline.censored),
            spent_usd=baseline.spent_usd,
            stretch=stretch,
            breaks=fixed,
            changed=compared,
            bad=baseline.bad,
            pruned=run.pruned,
        )
        before = before if baseline.bad else baseline


def _accepted(shifts: Sequence[LevelShift], before: str, now: str) -> Iterator[str]:
    for shift in shifts:
        if before < shift.since <= now:
            yield f"new level since {shift.since}, accepted by {shift.who}: {shift.reason}"

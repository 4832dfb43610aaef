"""The report of a judged run: every number and sentence that any surface shows."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypedDict

from lens_gate import __version__
from lens_gate.errors import EXIT_BUDGET, EXIT_OK
from lens_gate.flows.accepting import accepted_name
from lens_gate.flows.duet_report import InPairs, duet_report
from lens_gate.flows.history import History
from lens_gate.flows.judging import Judged
from lens_gate.flows.pooling import pooled_rows
from lens_gate.flows.run_warnings import partly_compared, run_warnings
from lens_gate.judge.comparison import family_size
from lens_gate.judge.disturbance import disturbances
from lens_gate.judge.wording import (
    apportion,
    centre,
    headline,
    movements,
    next_step,
    pair_apportion,
)
from lens_gate.load.question import output_limit
from lens_gate.metrics.arms import measured, of_arm
from lens_gate.metrics.bins import bins
from lens_gate.metrics.client_health import basis, client_lag_p99, clocks, merged_share
from lens_gate.metrics.cold_start import cold_start
from lens_gate.metrics.summary import price_remarks, remarks, statistics, stored_statistics
from lens_gate.metrics.sweep import saturation, step_reports
from lens_gate.metrics.window import load_report
from lens_gate.metrics.workload import cache_note, length_check, limit_check
from lens_gate.policy.fingerprint import NONE
from lens_gate.records.load_report import Saturation, StepReport
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Budget, Change, Policy, Scenario
from lens_gate.records.report import (
    CellReport,
    DuetReport,
    Outcome,
    Refs,
    Report,
    Row,
    Statistics,
)
from lens_gate.records.run import CellEnd, Run, Spend
from lens_gate.records.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What surrounds the run: the policy with its text, the refs, and what the head changes.

    ``policy_lines`` are the lines of the trusted policy file, for excerpts. ``differing`` is what
    sets the arms of a duet apart, by cell; where a cell is not in it, its fingerprints tell.
    ``offer`` says how what is held against history could be had as a duet, or is empty; ``pulled``:
    this run is of a change that is to be merged.
    """

    policy: Policy
    policy_lines: Sequence[str]
    refs: Refs
    changes: Sequence[Change]
    warnings: Sequence[str]
    reproduce: str
    differing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    offer: str = ""
    pulled: bool = True


def run_report(run: Run, judged: Judged, setting: Setting) -> Report:
    """The whole report of a run that was measured."""
    cells = tuple(_cell_report(plan, run, judged, setting) for plan in run.header.cells)
    rows = tuple(_with_excerpt(row, setting) for row in judged.rows)
    settled = judged.settled
    why = run.end.detail if run.end else "the journal has no end: the process was killed"
    return Report(
        policy=setting.policy.name,
        policy_file=setting.policy.file,
        policy_sha256=setting.policy.sha256,
        run_id=run.header.run_id,
        created=run.header.created,
        outcome=settled.outcome,
        exit_code=settled.exit_code,
        headline=headline(settled.outcome, rows, cells, why),
        next_step=next_step(
            settled.outcome,
            rows,
            cells,
            waivers=judged.waivers,
            offer=setting.offer,
            pulled=setting.pulled,
        ),
        confidence=setting.policy.confidence,
        family=family_size(rows, setting.policy),
        refs=setting.refs,
        rows=rows,
        cells=cells,
        spend=run.end.spend if run.end else _spend_so_far(run),
        elapsed_s=run.end.elapsed_s if run.end else 0.0,
        seed=run.header.seed,
        changes=tuple(setting.changes),
        warnings=(
            *setting.warnings,
            *run_warnings(run, cells, rows),
            *partly_compared(run, judged.histories, rows),
        ),
        environment=run.header.environment,
        reproduce=setting.reproduce,
        version=__version__,
        pooled=pooled_rows(rows),
        waivers_file=accepted_name(setting.policy),
    )


def empty_report(
    setting: Setting, budget: Budget, *, outcome: Outcome, why: str, created: str, seed: int
) -> Report:
    """The report of a gate that sent nothing, and why. ``budget`` holds the caps in force."""
    return Report(
        policy=setting.policy.name,
        policy_file=setting.policy.file,
        policy_sha256=setting.policy.sha256,
        run_id="",
        created=created,
        outcome=outcome,
        exit_code=EXIT_BUDGET if outcome == "budget" else EXIT_OK,
        headline=headline(outcome, (), (), why),
        next_step=next_step(outcome, ()),
        confidence=setting.policy.confidence,
        family=0,
        refs=setting.refs,
        rows=(),
        cells=(),
        spend=Spend(
            spent_usd=Decimal(0),
            peak_usd=Decimal(0),
            cap_usd=budget.max_usd or Decimal(0),
            requests=0,
            max_requests=budget.max_requests or 0,
        ),
        elapsed_s=0.0,
        seed=seed,
        changes=tuple(setting.changes),
        warnings=tuple(setting.warnings),
        environment={},
        reproduce=setting.reproduce,
        version=__version__,
        waivers_file=accepted_name(setting.policy),
    )


def _spend_so_far(run: Run) -> Spend:
    """What a killed run had settled by its last whole line; more may have been under way."""
    spent = sum((sample.settled_usd for sample in run.samples), Decimal(0))
    budget = run.header.budget
    return Spend(
        spent_usd=spent,
        peak_usd=spent,
        cap_usd=budget.max_usd or Decimal(0),
        requests=sum(sample.attempts for sample in run.samples),
        max_requests=budget.max_requests or 0,
    )


def _with_excerpt(row: Row, setting: Setting) -> Row:
    lines, number = setting.policy_lines, row.place.line
    if row.place.file != setting.policy.file or not 1 <= number <= len(lines):
        return row
    return replace(row, policy_line=lines[number - 1].strip()[:200])


def _cell_report(plan: CellPlan, run: Run, judged: Judged, setting: Setting) -> CellReport:
    own = [sample for sample in run.samples if sample.cell == plan.cell]
    samples, history = measured(own), judged.histories[plan.cell]
    failures: dict[str, int] = {}
    for sample in samples:
        if sample.failure is not None:
            failures[sample.failure.status] = failures.get(sample.failure.status, 0) + 1
    first = next((s.failure for s in samples if s.failure is not None), None)
    metrics = statistics(samples)
    earlier = _earlier(history, metrics)
    scenario = setting.policy.scenarios.get(plan.scenario)
    duet = _duet(plan, own, run, judged, setting)
    return CellReport(
        scenario=plan.scenario,
        target=plan.target,
        title=scenario.title if scenario else "",
        planned=plan.n,
        measured=len(samples),
        ok=sum(sample.failure is None for sample in samples),
        failures=failures,
        example_failure=first.detail if first else "",
        retried=sum(sample.attempts > 1 for sample in samples),
        end=_ending(run, plan),
        models=tuple(sorted({sample.model for sample in samples if sample.model})),
        baselines=len(history.runs),
        baseline_span=_span(history),
        changed=tuple(history.changed),
        not_comparable=tuple(history.incomparable),
        price=plan.prices.source,
        spent_usd=sum((s.settled_usd for s in own), Decimal(0)),
        metrics=metrics,
        history=earlier,
        merged_share=merged_share(_both(own)),
        client_lag_p99_s=client_lag_p99(_both(own)),
        clock=clocks(_both(own)),
        load=load_report(
            own,
            scenario.objectives if scenario else {},
            concurrency=plan.concurrency,
        ),
        **_sweep(plan, samples),
        cold=cold_start(own),
        notes=(
            *filter(None, _told(metrics, earlier, duet)),
            *disturbances(own),
            *filter(None, (basis(samples),)),
            *remarks(own),
            *price_remarks(plan.prices, samples, created=run.header.created),
            *_workload_notes(plan, samples, scenario),
        ),
        duet=duet,
        region=_region(plan),
        fingerprint=_fingerprint(plan),
        bins=bins(own),
    )


def _region(plan: CellPlan) -> str:
    region = plan.fingerprint.fixed.get("region", NONE)
    return "" if region == NONE else region


def _fingerprint(plan: CellPlan) -> str:
    """Equal where two runs of the cell sent the same; it gives away nothing of what was sent."""
    parts = [dict(plan.fingerprint.fixed), dict(plan.fingerprint.compared)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _duet(
    plan: CellPlan, own: Sequence[Sample], run: Run, judged: Judged, setting: Setting
) -> DuetReport | None:
    if plan.duet is None:
        return None
    looks, provider = judged.looks.get(plan.cell), judged.providers.get(plan.target)
    return duet_report(
        InPairs(
            plan=plan,
            duet=plan.duet,
            samples=own,
            end=_end(run, plan),
            commit=run.header.control or "",
            looks=looks.looks if looks else (),
            stored=judged.histories[plan.cell].runs,
            # A target that the policy no longer has is not judged: only its drift is told.
            kind=provider.kind if provider else "hosted",
            differing=setting.differing.get(plan.cell, ()),
            cells=sum(other.duet is not None for other in run.header.cells),
        )
    )


def _end(run: Run, plan: CellPlan) -> CellEnd | None:
    return next((end for end in run.end.cells if end.cell == plan.cell), None) if run.end else None


def _ending(run: Run, plan: CellPlan) -> str:
    """How a cell ended before its time; that all its rules were decided is told by its looks."""
    end = _end(run, plan)
    if end is None or end.reason in ("complete", "decided"):
        return ""
    return f"{end.reason}: {end.detail}"


def _both(own: Sequence[Sample]) -> list[Sample]:
    """The measured requests of both arms: this client saw the one as well as the other."""
    return [*measured(own), *of_arm(own, "control")]


def _told(
    metrics: Mapping[str, Statistics],
    earlier: Mapping[str, Sequence[float]],
    duet: DuetReport | None,
) -> Iterator[str]:
    """What moved, and where a longer E2E comes from: against the control, else the stored runs."""
    if duet is None:
        yield _moved(metrics, earlier)
        yield apportion(metrics, earlier)
    else:
        yield pair_apportion(duet.metrics, duet.moved)


def _workload_notes(
    plan: CellPlan, samples: Sequence[Sample], scenario: Scenario | None
) -> Iterator[str]:
    """How the prompt cache was treated, and whether lengths and limits were kept to."""
    if samples:
        yield cache_note(samples, plan.fingerprint.fixed.get("cache", "as_is"))
    prompts = scenario.prompts if scenario else ()
    asked = {p.id: p.input_tokens for p in prompts if p.input_tokens is not None}
    if note := length_check(samples, asked):
        yield note
    limits = {p.id: output_limit(scenario, p) for p in prompts} if scenario else {}
    if note := limit_check(samples, limits):
        yield note


class _Sweep(TypedDict):
    steps: tuple[StepReport, ...]
    saturation: Saturation | None


def _sweep(plan: CellPlan, samples: Sequence[Sample]) -> _Sweep:
    if plan.load is None or plan.load.pattern != "sweep":
        return _Sweep(steps=(), saturation=None)
    steps = step_reports(samples, plan.load)
    return _Sweep(steps=steps, saturation=saturation(steps))


def _moved(metrics: Mapping[str, Statistics], earlier: Mapping[str, Sequence[float]]) -> str:
    text = movements(metrics, earlier)
    return f"against the stored runs: {text}" if text else ""


def _earlier(
    history: History, metrics: Mapping[str, Statistics]
) -> Mapping[str, tuple[float, ...]]:
    per_run = [stored_statistics(baseline) for baseline in history.runs]
    return {
        name: found
        for name in metrics
        if (found := tuple(centre(run[name], name) for run in per_run if name in run))
    }


def _span(history: History) -> str:
    if not history.runs:
        return ""
    first, last = history.runs[0].created, history.runs[-1].created
    return f"{first} to {last}" if first != last else first

"""The report of a judged run: every number and sentence that any surface shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypedDict

from lens_gate import __version__
from lens_gate.errors import EXIT_BUDGET, EXIT_OK
from lens_gate.flows.history import History
from lens_gate.flows.judging import Judged, measured_in
from lens_gate.judge.comparison import family_size
from lens_gate.judge.wording import apportion, centre, headline, movements, next_step
from lens_gate.metrics.client_health import client_lag_p99, clocks, merged_share
from lens_gate.metrics.cold_start import cold_start
from lens_gate.metrics.summary import price_remarks, remarks, statistics, stored_statistics
from lens_gate.metrics.sweep import saturation, step_reports
from lens_gate.metrics.window import load_report, shortfall
from lens_gate.metrics.workload import cache_note, length_check
from lens_gate.records.load_report import Saturation, StepReport
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Budget, Change, Policy, Scenario
from lens_gate.records.report import CellReport, Outcome, Refs, Report, Row, Statistics
from lens_gate.records.run import Run, Spend
from lens_gate.records.sample import Sample
from lens_gate.units import format_duration, format_share, format_usd

_MERGED_WORTH_SAYING = 0.3
_LAG_WORTH_SAYING_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What surrounds the run: the policy with its text, the refs, and what the head changes.

    ``policy_lines`` are the lines of the trusted policy file, for excerpts.
    """

    policy: Policy
    policy_lines: Sequence[str]
    refs: Refs
    changes: Sequence[Change]
    warnings: Sequence[str]
    reproduce: str


def run_report(run: Run, judged: Judged, setting: Setting) -> Report:
    """The whole report of a run that was measured."""
    cells = tuple(
        _cell_report(plan, run, judged.histories[plan.cell], setting.policy)
        for plan in run.header.cells
    )
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
        next_step=next_step(settled.outcome, rows, cells),
        confidence=setting.policy.confidence,
        family=family_size(rows, setting.policy),
        refs=setting.refs,
        rows=rows,
        cells=cells,
        spend=run.end.spend if run.end else _spend_so_far(run),
        elapsed_s=run.end.elapsed_s if run.end else 0.0,
        seed=run.header.seed,
        changes=tuple(setting.changes),
        warnings=(*setting.warnings, *_run_warnings(run, cells, rows)),
        environment=run.header.environment,
        reproduce=setting.reproduce,
        version=__version__,
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


def _cell_report(plan: CellPlan, run: Run, history: History, policy: Policy) -> CellReport:
    samples = measured_in(run, plan.cell)
    failures: dict[str, int] = {}
    for sample in samples:
        if sample.failure is not None:
            failures[sample.failure.status] = failures.get(sample.failure.status, 0) + 1
    first = next((s.failure for s in samples if s.failure is not None), None)
    ends = {end.cell: end for end in run.end.cells} if run.end else {}
    end = ends.get(plan.cell)
    metrics = statistics(samples)
    earlier = _earlier(history, metrics)
    scenario = policy.scenarios.get(plan.scenario)
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
        end="" if end is None or end.reason == "complete" else f"{end.reason}: {end.detail}",
        models=tuple(sorted({sample.model for sample in samples if sample.model})),
        baselines=len(history.runs),
        baseline_span=_span(history),
        changed=tuple(history.changed),
        not_comparable=tuple(history.incomparable),
        price=plan.prices.source,
        spent_usd=sum((s.settled_usd for s in run.samples if s.cell == plan.cell), Decimal(0)),
        metrics=metrics,
        history=earlier,
        merged_share=merged_share(samples),
        client_lag_p99_s=client_lag_p99(samples),
        clock=clocks(samples),
        load=load_report(
            samples,
            scenario.objectives if scenario else {},
            concurrency=plan.concurrency,
        ),
        **_sweep(plan, samples),
        cold=cold_start(sample for sample in run.samples if sample.cell == plan.cell),
        notes=(
            *filter(None, (_moved(metrics, earlier), apportion(metrics, earlier))),
            *remarks(samples),
            *price_remarks(plan.prices, samples),
            *_workload_notes(plan, samples, scenario),
        ),
    )


def _workload_notes(
    plan: CellPlan, samples: Sequence[Sample], scenario: Scenario | None
) -> Iterator[str]:
    """How the prompt cache was treated, and whether synthetic prompts have their length."""
    if samples:
        yield cache_note(samples, plan.fingerprint.fixed.get("cache", "as_is"))
    prompts = scenario.prompts if scenario else ()
    asked = {p.id: p.input_tokens for p in prompts if p.input_tokens is not None}
    if note := length_check(samples, asked):
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


def _withheld(cells: Sequence[CellReport], rows: Sequence[Row]) -> list[str]:
    """Cells in which this client's own lateness would have made a verdict."""
    texts = []
    for cell in cells:
        own = [r for r in rows if (r.scenario, r.target) == (cell.scenario, cell.target)]
        count = sum(row.verdict.withheld for row in own)
        if count:
            some = "1 verdict is" if count == 1 else f"{count} verdicts are"
            lag = cell.client_lag_p99_s
            late = f" (p99 client lag {format_duration(lag)})" if lag is not None else ""
            texts.append(
                f"{cell.scenario}/{cell.target}: {some} withheld: this client was too busy to see "
                f"exactly when events came{late}; run fewer streams on this machine"
            )
    return texts


def _run_warnings(run: Run, cells: Sequence[CellReport], rows: Sequence[Row]) -> list[str]:
    texts = []
    if run.damaged:
        some = "1 damaged line" if run.damaged == 1 else f"{run.damaged} damaged lines"
        texts.append(f"{some} of the journal {'was' if run.damaged == 1 else 'were'} left out")
    lag = run.end.lag_p99_s if run.end else None
    if lag is not None and lag > _LAG_WORTH_SAYING_S:
        texts.append(
            f"this client was busy: its event loop ran late by {format_duration(lag)} (p99)"
        )
    if way := run.header.environment.get("network"):
        texts.append(f"{way}; a connection through a proxy is one to the proxy, and so is connect")
    texts += _withheld(cells, rows)
    spend = run.end.spend if run.end else None
    if spend is not None and spend.spent_usd > spend.cap_usd:
        texts.append(
            f"bills of {format_usd(spend.spent_usd)} are above the cap of "
            f"{format_usd(spend.cap_usd)}: usage was reported beyond what the requests can hold"
        )
    for cell in cells:
        name = f"{cell.scenario}/{cell.target}"
        if cell.merged_share > _MERGED_WORTH_SAYING:
            texts.append(
                f"{name}: {format_share(cell.merged_share)} of the output events shared a read "
                "with another: their times are bounds; a verdict that these could move is withheld"
            )
        if cell.retried:
            some = (
                "1 request was retried and gives"
                if cell.retried == 1
                else f"{cell.retried} requests were retried and give"
            )
            texts.append(f"{name}: {some} no latency")
        if cell.load is not None and not cell.steps and (short := shortfall(cell.load)):
            texts.append(f"{name}: {short}")
        if len(cell.models) > 1:
            texts.append(f"{name}: answers came from more than one model")
    return texts

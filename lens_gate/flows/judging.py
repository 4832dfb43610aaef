"""A measured run and its history to verdicts, and to the one outcome of the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lens_gate.flows.history import History, history_of
from lens_gate.judge.comparison import CellData, judge_run
from lens_gate.judge.outcome import Settled, settle
from lens_gate.metrics.arms import measured
from lens_gate.providers.interface import Provider
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Policy
from lens_gate.records.report import Row
from lens_gate.records.run import CellEnd, Run
from lens_gate.records.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Rows, the history that each cell was held against, and the outcome."""

    rows: tuple[Row, ...]
    histories: Mapping[str, History]
    settled: Settled


def judge(
    policy: Policy,
    run: Run,
    stored: Mapping[str, Sequence[Baseline]],
    providers: Mapping[str, Provider],
) -> Judged:
    """Judge a run under a policy, which need not be the one it was measured under."""
    relative = policy.baseline.compare != "none"
    plans = {cell.cell: cell for cell in run.header.cells}
    histories = {
        key: history_of(
            plan, stored.get(key, ()), most=policy.baseline.history, run_id=run.header.run_id
        )
        for key, plan in plans.items()
    }
    cells = {
        key: _cell_data(policy, plan, run, histories[key], providers)
        for key, plan in plans.items()
        if plan.scenario in policy.scenarios and plan.target in policy.targets
    }
    rows = judge_run(policy, cells, relative=relative, seed=run.header.seed)
    gating = [(f"{row.scenario}/{row.target}", row.name) for row in rows if row.gating]
    ends = _ends(run)
    starved = {key for key, d in cells.items() if d.starved and not _refused(ends.get(key))}
    settled = settle(
        gating=[name for cell, name in gating if cell not in starved],
        run_end=run.end.reason if run.end else None,
        starved_cells=sorted({cell for cell, _ in gating if cell in starved}),
        on_inconclusive=policy.on_inconclusive,
    )
    return Judged(rows=rows, histories=histories, settled=settled)


def measured_in(run: Run, cell: str) -> list[Sample]:
    """The measured head requests of a cell, in the order of sending."""
    return measured(sample for sample in run.samples if sample.cell == cell)


def _cell_data(
    policy: Policy,
    plan: CellPlan,
    run: Run,
    history: History,
    providers: Mapping[str, Provider],
) -> CellData:
    samples = measured_in(run, plan.cell)
    end = _ends(run).get(plan.cell)
    return CellData(
        kind=providers[plan.target].kind,
        samples=samples,
        warmup=[s for s in run.samples if s.cell == plan.cell and s.phase == "warmup"],
        stored=history.runs,
        incomparable=(
            "no stored run compares: " + "; ".join(history.incomparable)
            if history.incomparable
            else ""
        ),
        starved=_BROKEN_OFF
        if broken_off(run)
        else _refused(end) or _starved(policy, plan, samples, end),
    )


def _ends(run: Run) -> Mapping[str, CellEnd]:
    return {end.cell: end for end in run.end.cells} if run.end else {}


def _refused(end: CellEnd | None) -> str:
    """Why a cell was given up, or nothing: no rule is undecided where nothing ever worked."""
    if end is None or end.reason != "hopeless":
        return ""
    return f"every request was refused, and the rest was not sent: {end.detail}"


def _starved(policy: Policy, plan: CellPlan, samples: Sequence[Sample], end: CellEnd | None) -> str:
    """What ended the cell before its first allowed look, in words, or nothing."""
    least = policy.scenarios[plan.scenario].samples.min
    if len(samples) >= least or end is None or end.reason not in _CAPS:
        return ""
    return f"{len(samples)} of at least {least} requests, then {end.detail}"


def broken_off(run: Run) -> bool:
    """Whether the run did not come to its own end: then nothing in it may be judged."""
    return run.end is None or run.end.reason in ("interrupted", "terminated", "error")


_BROKEN_OFF = "the run was broken off: there is no verdict"
_CAPS = frozenset({"money", "requests", "target", "time", "duration", "overrun"})

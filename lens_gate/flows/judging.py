"""A measured run and its history to verdicts, and to the one outcome of the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lens_gate.flows.accepting import NOTHING, Holding
from lens_gate.flows.history import History, history_of
from lens_gate.judge.comparison import CellData, judge_cells
from lens_gate.judge.outcome import Settled, counts, settle, used
from lens_gate.judge.sequential import CellLooks
from lens_gate.judge.terms import Terms
from lens_gate.metrics.arms import complete_blocks, complete_pairs, measured, whole_blocks
from lens_gate.providers.interface import Provider
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Policy
from lens_gate.records.report import Row
from lens_gate.records.run import CellEnd, Run, RunHeader
from lens_gate.records.sample import Sample
from lens_gate.records.waiver import WaiverReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Rows, the history that each cell was held against, and the outcome.

    ``looks`` are those of the cells that were measured in pairs, ``waivers`` all that are in force,
    pending or expired, with whether they let something through. ``providers`` are by target.
    """

    rows: tuple[Row, ...]
    histories: Mapping[str, History]
    settled: Settled
    looks: Mapping[str, CellLooks]
    waivers: tuple[WaiverReport, ...]
    providers: Mapping[str, Provider]


def terms_of(
    policy: Policy,
    header: RunHeader,
    providers: Mapping[str, Provider],
    accepted: Holding = NOTHING,
    offer: str = "",
) -> Terms:
    """What a run is judged by: the same while it is measured and when it was saved.

    A cell of the run that the policy does not have is judged by nothing. ``offer`` says how a duet
    could be had of what is held against history.
    """
    return Terms(
        policy=policy,
        plans={
            plan.cell: plan
            for plan in header.cells
            if plan.scenario in policy.scenarios and plan.target in policy.targets
        },
        kinds={key: provider.kind for key, provider in providers.items()},
        seed=header.seed,
        relative=policy.baseline.compare != "none",
        waivers=accepted.waivers,
        offer=offer,
    )


def judge(
    policy: Policy,
    run: Run,
    stored: Mapping[str, Sequence[Baseline]],
    providers: Mapping[str, Provider],
    accepted: Holding = NOTHING,
    offer: str = "",
) -> Judged:
    """Judge a run under a policy, which need not be the one it was measured under.

    ``offer`` is as in ``terms_of``.
    """
    histories = {
        plan.cell: history_of(
            plan,
            stored.get(plan.cell, ()),
            most=policy.baseline.history,
            run_id=run.header.run_id,
            shifts=accepted.shifts,
        )
        for plan in run.header.cells
    }
    terms = terms_of(policy, run.header, providers, accepted, offer)
    cells = {
        key: _cell_data(policy, plan, run, histories[key], providers)
        for key, plan in terms.plans.items()
    }
    judgement = judge_cells(terms, cells)
    gating = [(f"{row.scenario}/{row.target}", row.name) for row in judgement.rows if counts(row)]
    ends = _ends(run)
    starved = {key for key, d in cells.items() if d.starved and not _refused(ends.get(key))}
    settled = settle(
        gating=[name for cell, name in gating if cell not in starved],
        run_end=run.end.reason if run.end else None,
        starved_cells=sorted({cell for cell, _ in gating if cell in starved}),
        on_inconclusive=policy.on_inconclusive,
    )
    return Judged(
        rows=judgement.rows,
        histories=histories,
        settled=settled,
        looks=judgement.looks,
        waivers=tuple(
            replace(found, used=found.state == "in_force" and used(found.waiver, judgement.rows))
            for found in accepted.reports
        ),
        providers=providers,
    )


def _cell_data(
    policy: Policy,
    plan: CellPlan,
    run: Run,
    history: History,
    providers: Mapping[str, Provider],
) -> CellData:
    own = [sample for sample in run.samples if sample.cell == plan.cell]
    end = _ends(run).get(plan.cell)
    return CellData(
        kind=providers[plan.target].kind,
        samples=own if plan.duet else measured(own),
        warmup=[sample for sample in own if sample.phase == "warmup"],
        stored=history.runs,
        incomparable=(
            "no stored run compares: " + "; ".join(history.incomparable)
            if history.incomparable
            else ""
        ),
        starved=_BROKEN_OFF
        if broken_off(run)
        else _refused(end) or _starved(policy, plan, own, end),
        end=end,
        no_control=plan.unpaired,
    )


def _ends(run: Run) -> Mapping[str, CellEnd]:
    return {end.cell: end for end in run.end.cells} if run.end else {}


def _refused(end: CellEnd | None) -> str:
    """Why a cell was given up, or nothing: no rule is undecided where nothing ever worked."""
    if end is None or end.reason != "hopeless":
        return ""
    return f"every request was refused, and the rest was not sent: {end.detail}"


def _starved(policy: Policy, plan: CellPlan, own: Sequence[Sample], end: CellEnd | None) -> str:
    """What ended the cell before its first allowed look, in words, or nothing."""
    if end is None or end.reason not in _CAPS:
        return ""
    if plan.duet is None:
        least = policy.scenarios[plan.scenario].samples.min
        got, what = len(measured(own)), "requests"
    elif plan.duet.block_s > 0:
        least, got, what = plan.min_n, complete_blocks(whole_blocks(own, end)), "pairs of blocks"
    else:
        least, got, what = plan.min_n, complete_pairs(own), "pairs"
    return "" if got >= least else f"{got} of at least {least} {what}, then {end.detail}"


def broken_off(run: Run) -> bool:
    """Whether the run did not come to its own end: then nothing in it may be judged."""
    return run.end is None or run.end.reason in ("interrupted", "terminated", "error")


_BROKEN_OFF = "the run was broken off: there is no verdict"
_CAPS = frozenset({"money", "requests", "target", "time", "duration", "overrun"})

"""What a reader should know of a run before trusting its numbers: sentences, cell by cell."""

from collections.abc import Iterator, Mapping, Sequence

from lens_gate.flows.history import History
from lens_gate.judge.disturbance import disturbances
from lens_gate.metrics.arms import measured
from lens_gate.metrics.client_health import MERGED_WORTH_SAYING
from lens_gate.metrics.window import shortfall
from lens_gate.records.report import CellReport, Row
from lens_gate.records.run import Run
from lens_gate.render.figures import counted
from lens_gate.units import format_duration, format_share, format_usd

_LAG_WORTH_SAYING_S = 0.02
_CPU_WORTH_SAYING = 0.9
# In shorter runs the imports and the plan of the beginning are a large part.
_SETTLED_S = 2.0


def run_warnings(run: Run, cells: Sequence[CellReport], rows: Sequence[Row]) -> tuple[str, ...]:
    """Of the run as a whole, then of each of its cells."""
    return (*of_run(run), *_withheld(run, cells, rows), *_bills(run), *_of_cells(cells))


def partly_compared(
    run: Run, histories: Mapping[str, History], rows: Sequence[Row]
) -> Iterator[str]:
    """Cells of which history knows only some prompts, so that only their requests are compared."""
    compared = {f"{row.scenario}/{row.target}" for row in rows if row.mode == "history"}
    for key in (key for key in histories if key in compared):
        stored = {prompt for baseline in histories[key].runs for prompt in baseline.prompt_ids}
        own = measured(sample for sample in run.samples if sample.cell == key)
        ids = {sample.prompt_id for sample in own}
        if not stored or not ids - stored:
            continue
        gone, kept = len(stored - ids), sum(sample.prompt_id in stored for sample in own)
        away = f", and {gone} of those {_are(gone)} not in this one" if gone else ""
        new = counted(len(ids - stored), "prompt")
        yield (
            f"{key}: by their ids, {new} of this run {_are(len(ids - stored))} in no stored run"
            f"{away}: relative rules hold {kept} of {len(own)} requests against history"
        )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def of_run(run: Run) -> Iterator[str]:
    """Of its journal, its client and its network."""
    if run.damaged:
        some = "1 damaged line" if run.damaged == 1 else f"{run.damaged} damaged lines"
        yield f"{some} of the journal {'was' if run.damaged == 1 else 'were'} left out"
    sent, kept = run.end.spend.requests if run.end else 0, sum(s.attempts for s in run.samples)
    if kept < sent:
        yield f"the journal holds {kept} of the {sent} requests that were sent: lines are gone"
    lag = run.end.lag_p99_s if run.end else None
    if lag is not None and lag > _LAG_WORTH_SAYING_S:
        yield f"this client was busy: its event loop ran late by {format_duration(lag)} (p99)"
    share, lasted = (run.end.cpu_share or 0.0, run.end.elapsed_s) if run.end else (0.0, 0.0)
    if share > _CPU_WORTH_SAYING and lasted > _SETTLED_S:
        yield (
            f"this client was busy: it used {format_share(share)} of a core, and can hardly send "
            "or read faster; run fewer streams on this machine"
        )
    if way := run.header.environment.get("network"):
        yield f"{way}; a connection through a proxy is one to the proxy, and so is connect"


def _withheld(run: Run, cells: Sequence[CellReport], rows: Sequence[Row]) -> Iterator[str]:
    """Cells in which something else than the change would have made a verdict."""
    for cell in cells:
        name = f"{cell.scenario}/{cell.target}"
        own = [r for r in rows if (r.scenario, r.target) == (cell.scenario, cell.target)]
        count = sum(row.verdict.withheld for row in own)
        if not count:
            continue
        some = "1 verdict is" if count == 1 else f"{count} verdicts are"
        if disturbances([s for s in run.samples if s.cell == name]):
            yield f"{name}: {some} withheld: something disturbed the pairs; the reasons name it"
            continue
        lag = cell.client_lag_p99_s
        late = f" (p99 client lag {format_duration(lag)})" if lag is not None else ""
        yield (
            f"{name}: {some} withheld: this client was too busy to see exactly when events "
            f"came{late}; run fewer streams on this machine"
        )


def _bills(run: Run) -> Iterator[str]:
    spend = run.end.spend if run.end else None
    if spend is not None and spend.spent_usd > spend.cap_usd:
        yield (
            f"bills of {format_usd(spend.spent_usd)} are above the cap of "
            f"{format_usd(spend.cap_usd)}: usage was reported beyond what the requests can hold"
        )


def _of_cells(cells: Sequence[CellReport]) -> Iterator[str]:
    for cell in cells:
        name = f"{cell.scenario}/{cell.target}"
        if cell.merged_share > MERGED_WORTH_SAYING:
            yield (
                f"{name}: {format_share(cell.merged_share)} of the output events shared a read "
                "with another: their times are bounds; a verdict that these could move is withheld"
            )
        if cell.retried:
            some = (
                "1 request was retried and gives"
                if cell.retried == 1
                else f"{cell.retried} requests were retried and give"
            )
            yield f"{name}: {some} no latency"
        if short := _short_of_load(cell):
            yield f"{name}: {short}"
        if len(cell.models) > 1:
            yield f"{name}: answers came from more than one model"
        if cell.duet and len(cell.duet.models) > 1:
            yield f"{name}: the control's answers came from more than one model"


def _short_of_load(cell: CellReport) -> str:
    """Pairs wait for each other, at looks most of all, in both arms alike: no shortfall."""
    duet = cell.duet
    in_pairs = duet is not None and not duet.block_s
    if cell.load is None or cell.steps or in_pairs:
        return ""
    return shortfall(cell.load, turns=max(1, duet.blocks) if duet else 1)

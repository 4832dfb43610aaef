"""How the pairs of a duet went, in sentences: looks, what stopping early saved, drift.

Names of cells, metrics, prompts and models in them are foreign: escape them for the medium.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from lens_gate.records.difference import Difference
from lens_gate.records.look import LookReport
from lens_gate.records.report import CellReport, DuetReport, Report, Row
from lens_gate.render.figures import counted, counted_pairs, interval, metric_title
from lens_gate.units import format_share, format_usd

LOOK_HEADERS = ("Look", "error budget", "decided", "open")
_NAMED = 5
_MOVED = 3
# These tell slower from longer; the others are named where they moved.
_ALWAYS = ("ttft", "itl", "e2e", "output_tokens", "cost_usd")
_WORTH_NAMING = 0.05


def how_far(cell: CellReport) -> str:
    """``decided after 36 of 180 pairs``; empty for a cell that was not measured in pairs."""
    duet = cell.duet
    if duet is None:
        return ""
    in_blocks = duet.block_s > 0
    done = duet.blocks if in_blocks else duet.pairs
    again = ""
    if duet.confirm_pairs:
        new = counted_pairs(duet.confirm_pairs, in_blocks=in_blocks, new=True)
        again = f", failures tested again on {new}"
    planned = counted_pairs(cell.planned, in_blocks=in_blocks)
    if done >= cell.planned:
        text = f"all {planned}" if cell.planned != 1 else f"the one {planned[2:]}"
        return f"{text} measured{again}"
    word = "decided" if duet.saved_requests and not cell.end else "stopped"
    return f"{word} after {done} of {planned}{again}"


def decisions(cells: Sequence[CellReport]) -> Iterable[str]:
    """A sentence for each way in which cells ended, the cells named."""
    groups: dict[str, list[str]] = {}
    for cell in cells:
        if text := how_far(cell):
            groups.setdefault(text, []).append(f"{cell.scenario}/{cell.target}")
    for text, names in groups.items():
        more = len(names) - _NAMED
        yield f"{', '.join(names[:_NAMED])}{f' and {more} more' if more > 0 else ''} {text}"


def saved(cells: Iterable[CellReport]) -> str:
    """``288 requests, about $0.41, saved``; empty where nothing was."""
    duets = [cell.duet for cell in cells if cell.duet is not None]
    requests = sum(duet.saved_requests for duet in duets)
    if not requests:
        return ""
    usd = sum((duet.saved_usd for duet in duets), Decimal(0))
    return f"{counted(requests, 'request')}, about {format_usd(usd)}, saved by stopping early"


def movements(report: Report) -> Iterable[str]:
    """``chat/quick: TTFT +52 %, ITL 0 %`` of cells in which the change did something, or may have.

    The first few of them; what the pairs say of metrics without a rule is among it.
    """
    named = {
        (row.scenario, row.target)
        for row in report.rows
        if row.mode == "duet" and row.name in ("fail", "inconclusive", "improved")
    }
    cells = [cell for cell in report.cells if (cell.scenario, cell.target) in named]
    for cell in cells[:_MOVED]:
        if cell.duet is not None and cell.duet.moved:
            changes = ", ".join(
                f"{metric_title(name)} {_percent(found.change)} %"
                for name, found in _distinct(cell.duet.moved)
                if name in _ALWAYS or abs(found.change) >= _WORTH_NAMING
            )
            yield f"{cell.scenario}/{cell.target} over {_all_pairs(cell.duet)}: {changes}"


def _all_pairs(duet: DuetReport) -> str:
    """``all 120 pairs``: a check may have been decided by the first of them."""
    in_blocks = duet.block_s > 0
    return f"all {counted_pairs(duet.blocks if in_blocks else duet.pairs, in_blocks=in_blocks)}"


def _moved(duet: DuetReport) -> str:
    """The same of one cell, with the 95 % intervals of its pairs."""
    return ", ".join(
        f"{metric_title(name)} {_change(found)}" for name, found in _distinct(duet.moved)
    )


def _distinct(moved: Mapping[str, Difference]) -> Iterable[tuple[str, Difference]]:
    """Without TTFR where it is TTFT: nothing was hidden before the visible output."""
    for name, found in moved.items():
        if name != "ttfr" or found != moved.get("ttft"):
            yield name, found


def _change(found: Difference) -> str:
    change, low, high = map(_percent, (found.change, found.low, found.high))
    return f"{change} % [{low}, {high}]"


def _percent(fraction: float) -> str:
    """Whole percents: what is only described deserves no more."""
    text = f"{fraction * 100:+.0f}"
    return "0" if text in ("+0", "-0") else text


def look_lines(cell: CellReport, rows: Iterable[Row]) -> list[list[str]]:
    """The looks as rows under ``LOOK_HEADERS``; ``rows`` name the checks that they decided."""
    if cell.duet is None:
        return []
    names = {row.verdict.id: metric_title(row.metric, row.statistic) for row in rows}
    in_blocks = cell.duet.block_s > 0
    return [_look(look, names, in_blocks=in_blocks) for look in cell.duet.looks]


def _look(look: LookReport, names: Mapping[str, str], *, in_blocks: bool) -> list[str]:
    decided = ", ".join(
        f"{names.get(check, check)} {verdict.replace('_', ' ')}"
        for check, verdict in look.decided.items()
    )
    size = counted_pairs(look.pairs, in_blocks=in_blocks, new=look.confirming)
    return [size, format_share(look.share), decided or "–", str(look.open)]


def control_facts(cell: CellReport) -> Iterable[str]:
    """What there is to say of a cell's control and of its pairs, in sentences."""
    duet = cell.duet
    if duet is None:
        return
    asked = duet.ok + sum(duet.failures.values())
    commit = f" as of commit {duet.commit[:12]}" if duet.commit else ""
    models = f"; answered by {', '.join(duet.models)}" if duet.models else ""
    yield (
        f"control: {duet.control}{commit}; {duet.ok} of {counted(asked, 'measured request')} "
        f"succeeded{models}"
    )
    yield (
        f"spent: {format_usd(cell.spent_usd)} in this cell, of which "
        f"{format_usd(duet.spent_usd)} for the control"
    )
    yield "; ".join(filter(None, (how_far(cell), saved([cell]))))
    if duet.dropped:
        yield f"{counted(duet.dropped, 'pair')} lost a side to an error or a retry"
    if text := _moved(duet):
        yield f"head against control, with 95 % intervals: {text}"
    for side, ids in (("head", duet.only_head), ("control", duet.only_control)):
        if ids:
            yield f"prompts that only the {side} has, not sent: {_listed(ids)}"


def unsent(report: Report) -> Iterable[str]:
    """Cells of whose prompts some are in no pair: no number of the report is of those."""
    for cell in report.cells:
        duet = cell.duet
        if duet is not None and (duet.only_head or duet.only_control):
            sides = (("head", duet.only_head), ("control", duet.only_control))
            some = [
                f"{counted(len(ids), 'prompt')} only in the {side}" for side, ids in sides if ids
            ]
            yield f"{cell.scenario}/{cell.target}: {' and '.join(some)}, not measured"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def pooled(report: Report) -> Iterable[str]:
    """``chat TTFT typ +12 % [+8.1, +16] over 5 targets``: what no target alone may show."""
    for row in report.pooled:
        change = interval(row.estimate, row.low, row.high)
        yield (
            f"{row.scenario} {metric_title(row.metric, row.statistic)} {change} over "
            f"{row.targets} targets, {counted_pairs(row.pairs, in_blocks=row.in_blocks)}"
        )


def drifts(report: Report) -> Iterable[str]:
    """How the service itself moved, cell by cell: no effect of the change."""
    for cell in report.cells:
        if cell.duet is not None:
            for text in cell.duet.drift:
                yield f"{cell.scenario}/{cell.target}: {text}"

"""The gate's answer in one or two sentences.

All of it is plain text; names of cells and reasons in it are foreign to whoever shows it.
"""

from collections.abc import Iterable, Sequence

from lens_gate.judge.advice import next_step
from lens_gate.judge.moves import (
    WORTH_NAMING,
    apportion,
    centre,
    movements,
    pair_apportion,
    pair_movements,
    short_name,
    signed,
    usual,
)
from lens_gate.judge.outcome import counts
from lens_gate.records.report import CellReport, Outcome, Row

__all__ = [
    "apportion",
    "centre",
    "headline",
    "movements",
    "next_step",
    "pair_apportion",
    "pair_movements",
    "short_name",
    "usual",
]

# What a failed comparison of these metrics means, in the order of telling.
_MEANINGS = {
    "is slower": ("ttft", "ttfr", "ttfb", "itl", "tpot", "chunk_gap_max", "output_tps", "connect"),
    "keeps its users waiting longer": ("ttft_scheduled",),
    "takes longer overall": ("e2e", "e2e_scheduled"),
    "lets less through": ("throughput", "rps", "goodput_rps"),
    "takes longer to start cold": ("cold_start_penalty",),
    "was held back by this client": ("queue_delay",),
    "writes longer answers": ("output_tokens", "reasoning_tokens"),
    "reads more input": ("input_tokens",),
    "finds less in the cache": ("cached_share",),
    "costs more": ("cost_usd",),
    "fails more often": ("error_rate",),
    "meets its objectives less often": ("goodput",),
}
_LONGER = "writes longer answers"
# Of these a longer answer has more at the same pace.
_LENGTHS = ("output_tokens", "reasoning_tokens")
_OF_LENGTH = (*_LENGTHS, "e2e", "e2e_scheduled", "cost_usd")
_PACE = ("ttft", "itl")
_HELD = ("pass", "improved")
_CELLS_NAMED = 3
_IMPROVED_NAMED = 3


def headline(outcome: Outcome, rows: Sequence[Row], cells: Sequence[CellReport], why: str) -> str:
    """The answer in one or two sentences. ``why`` explains an outcome that rows do not."""
    gating = [row for row in rows if counts(row)]
    if outcome == "failed":
        failed = _failed([row for row in gating if row.name == "fail"], rows, cells)
        return _sentence(failed) + _stopped(gating)
    if outcome == "inconclusive":
        return _sentence(f"{_of(gating, 'inconclusive')} could not be decided; {_none(gating)}")
    if outcome == "no_data":
        return _sentence(_no_data(gating, why))
    if outcome == "passed":
        return _sentence(_passed(rows))
    words = {
        "budget": "the caps leave too little for a verdict",
        "aborted": "the run was broken off before a verdict",
        "not_measured": "nothing was sent",
        "unchanged": "nothing that is measured differs",
    }
    return _sentence(f"{words[outcome]}: {why}" if why else words[outcome])


def _none(gating: Sequence[Row]) -> str:
    """What an undecided gate did show: worse it may be, by no more than is allowed."""
    kinds = {row.kind for row in gating if row.name == "inconclusive"}
    if kinds == {"absolute"}:
        return "none was shown to be beyond its limit"
    if "absolute" in kinds:
        return "none was shown to be beyond its margin or limit"
    return "none was shown to be worse by more than its margin"


def _stopped(gating: Sequence[Row]) -> str:
    """What a run that stopped at its first failure left open."""
    left = sum(row.verdict.reason.startswith("stopped at the first failure") for row in gating)
    if not left:
        return ""
    return f" The run stopped at the first failure, with {_count(left, 'check')} open."


def _passed(rows: Sequence[Row]) -> str:
    gating = [row for row in rows if counts(row)]
    worse = sum(row.name == "fail" for row in rows if not row.gating)
    warned = f"; {_count(worse, 'warning')}" if worse else ""
    if waived := sum(bool(row.waived) for row in rows):
        are = "is" if waived == 1 else "are"
        warned = f"; {_count(waived, 'failure')} {are} accepted by a waiver{warned}"
    if not gating:
        return f"nothing was checked: no gating rule applies to this run{warned}"
    names = [row.name for row in gating]
    held = sum(name in ("pass", "improved", "new") for name in names)
    cells = {(row.scenario, row.target) for row in gating}
    text = f"{_count(held, 'check')} held in {_count(len(cells), 'cell')}"
    if improved := [row for row in gating if row.name == "improved"]:
        named = ", ".join(
            f"{row.scenario}/{row.target} {_changes([row])}" for row in improved[:_IMPROVED_NAMED]
        )
        more = ", ..." if len(improved) > _IMPROVED_NAMED else ""
        text += f"; {len(improved)} improved ({named}{more})"
    if undecided := names.count("inconclusive"):
        text += f"; {undecided} could not be decided, which this policy lets pass"
    return text + warned


def _no_data(gating: Sequence[Row], why: str) -> str:
    missing = [row for row in gating if row.name == "no_data"]
    if not missing:
        return f"there was nothing to judge: {why}" if why else "there was nothing to judge"
    reasons = list(dict.fromkeys(row.verdict.reason for row in missing))
    more = " (and other reasons)" if len(reasons) > 1 else ""
    return f"{_of(gating, 'no_data')} had no data: {reasons[0]}{more}"


def _failed(failed: Sequence[Row], rows: Sequence[Row], cells: Sequence[CellReport]) -> str:
    by_cell: dict[str, list[Row]] = {}
    for row in failed:
        by_cell.setdefault(f"{row.scenario}/{row.target}", []).append(row)
    reports = {f"{cell.scenario}/{cell.target}": cell for cell in cells}
    named = list(by_cell.items())[:_CELLS_NAMED]
    parts = [
        f"{cell}{_against(own)} {_longer(own, rows, reports.get(cell))}"
        f"{_what_happened(own, reports.get(cell))}"
        for cell, own in named
    ]
    if len(by_cell) > len(named):
        parts.append(f"and {_count(len(by_cell) - len(named), 'more cell')}")
    whys = [
        why
        for cell, own in named
        if cell in reports and any(row.metric == "e2e" for row in own)
        if (why := _apportioned(own, reports[cell]))
    ]
    if len(by_cell) == 1:
        return ". ".join([*parts, *whys])
    return "; ".join(parts)


def _against(rows: Sequence[Row]) -> str:
    """A failure against stored runs is told from one against a control."""
    modes = {row.mode for row in rows if row.kind == "relative"}
    return ", against its history," if modes == {"history"} else ""


def _longer(failed: Sequence[Row], rows: Sequence[Row], cell: CellReport | None) -> str:
    """``is longer, not slower: it``, where that is all, and shown: TTFT and ITL passed."""
    first = failed[0]
    held = {
        row.metric: all(
            other.name in _HELD
            for other in rows
            if (other.kind, other.scenario, other.target, other.metric)
            == ("relative", row.scenario, row.target, row.metric)
        )
        for row in rows
        if (row.kind, row.scenario, row.target) == ("relative", first.scenario, first.target)
    }
    lengthened = any(row.metric in _LENGTHS for row in failed) or _longer_by(cell) > 0
    grew = all(row.kind == "relative" and row.metric in _OF_LENGTH for row in failed)
    paced = all(held.get(metric, False) for metric in _PACE)
    return "is longer, not slower: it " if lengthened and grew and paced else ""


def _apportioned(rows: Sequence[Row], cell: CellReport) -> str:
    if cell.duet is None:
        return apportion(cell.metrics, cell.history)
    text = pair_apportion(cell.duet.metrics, cell.duet.moved)
    early = any(_decided_at(row, cell) for row in rows)
    return f"Over all {cell.duet.pairs} pairs {text}" if text and early else text


def _decided_at(row: Row, cell: CellReport | None) -> int:
    """After how many pairs, where its cell went on for others; 0 where it has all there are."""
    if cell is None or cell.duet is None or row.mode != "duet":
        return 0
    looks = (look for look in cell.duet.looks if row.verdict.id in look.decided)
    pairs = next((look.pairs for look in looks if not look.confirming), 0)
    return pairs if pairs < cell.duet.pairs else 0


def _what_happened(rows: Sequence[Row], cell: CellReport | None) -> str:
    relative = [row for row in rows if row.kind == "relative"]
    parts = []
    for meaning, metrics in _MEANINGS.items():
        of_these = [row for row in relative if row.metric in metrics]
        if of_these:
            parts.append(f"{meaning} ({_changes(of_these, cell)})")
        elif meaning == _LONGER and relative and (grown := _longer_by(cell)):
            pairs = cell.duet.pairs if cell and cell.duet else 0
            early = any(_decided_at(row, cell) for row in relative)
            over = f" over all {pairs} pairs" if early else ""
            parts.append(f"{meaning} (output tokens {signed(grown)}{over})")
    limited = [row for row in rows if row.kind != "relative"]
    if limited:
        names = ", ".join(_statistic(row) for row in limited)
        parts.append(
            f"is beyond its limit in {names}"
            if len(limited) == 1
            else f"is beyond its limits in {names}"
        )
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def _longer_by(cell: CellReport | None) -> float:
    """The growth of answers that no failed check names but that explains some; 0 for little."""
    if cell is None:
        return 0.0
    if cell.duet is not None:
        moved = cell.duet.moved.get("output_tokens")
        grown = moved.change if moved is not None and moved.low > 0 else 0.0
    else:
        before = usual(cell.history.get("output_tokens", ()))
        if before is None or "output_tokens" not in cell.metrics:
            return 0.0
        grown = cell.metrics["output_tokens"].mean / before - 1
    return grown if grown > 2 * WORTH_NAMING else 0.0


def _changes(rows: Iterable[Row], cell: CellReport | None = None) -> str:
    return ", ".join(
        f"{_statistic(row)} {_change(row)}".strip()
        + (f" at {pairs} pairs" if (pairs := _decided_at(row, cell)) else "")
        for row in rows
    )


def _change(row: Row) -> str:
    estimate = row.verdict.estimate
    if estimate is None:
        return ""
    if row.statistic:
        return signed(estimate)
    # Rates are compared by their difference.
    return f"{signed(estimate)[:-2]} points"


def _statistic(row: Row) -> str:
    return f"{short_name(row.metric)} {row.statistic}".strip()


def _sentence(text: str) -> str:
    """With its full stop; a capital only for our own words, never for a cell's name."""
    first = text.partition(" ")[0]
    capital = text if "/" in first else text[:1].upper() + text[1:]
    return capital if capital.endswith(".") else f"{capital}."


def _of(gating: Sequence[Row], name: str) -> str:
    """``3 of 5 checks``."""
    return f"{sum(row.name == name for row in gating)} of {_count(len(gating), 'check')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

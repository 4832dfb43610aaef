"""What a gate's answer is in words: the headline, what to do next, what moved in a cell.

*Slower* and *longer* are told apart: an answer of more tokens takes more time at the same speed.
All of it is plain text; names of cells and reasons in it are foreign to whoever shows it.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import exp, fsum, log

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import CellReport, Outcome, Row, Statistics
from lens_gate.units import format_duration, format_share

_SHORT = {
    "ttft": "TTFT",
    "ttfr": "TTFR",
    "ttfb": "TTFB",
    "itl": "ITL",
    "tpot": "TPOT",
    "e2e": "E2E",
    "cost_usd": "cost",
    "chunk_gap_max": "largest chunk gap",
    "output_tps": "output tokens/s",
    "cached_share": "cached share of input",
    "ttft_scheduled": "TTFT from the schedule",
    "e2e_scheduled": "E2E from the schedule",
    "rps": "successful requests/s",
    "goodput_rps": "good requests/s",
}
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
# Changes below this are not worth a reader's time in a sentence that is not a verdict.
_WORTH_NAMING = 0.05
_CELLS_NAMED = 3


def short_name(metric: str) -> str:
    """``TTFT``, ``output tokens``: the field's short word."""
    return _SHORT.get(metric, metric.replace("_", " "))


def centre(statistics: Statistics, metric: str) -> float:
    """The metric's own centre: the typical value of times, the mean of tokens and money."""
    return statistics.named(CATALOGUE[metric].default_statistic)


def usual(history: Sequence[float]) -> float | None:
    """The middle of the stored runs' centres: their geometric mean."""
    if not history or min(history) <= 0:
        return None
    return exp(fsum(log(value) for value in history) / len(history))


def movements(metrics: Mapping[str, Statistics], history: Mapping[str, Sequence[float]]) -> str:
    """How a cell's centres differ from its stored runs; empty without any.

    Descriptive: ``TTFT +402 %, ITL +1.2 %, output tokens +48 %``. The verdicts are elsewhere.
    """
    parts = []
    for metric in ("ttft", "itl", "e2e", "output_tokens", "cost_usd"):
        before = usual(history.get(metric, ()))
        if before is not None and metric in metrics:
            parts.append(
                f"{short_name(metric)} {_signed(centre(metrics[metric], metric) / before - 1)}"
            )
    return ", ".join(parts)


def apportion(metrics: Mapping[str, Statistics], history: Mapping[str, Sequence[float]]) -> str:
    """Where a longer E2E comes from: the first token, the pace after it, or more tokens.

    E2E is about TTFT + ITL x (tokens - 1). The product's change is split by the mean of the other
    factor before and after, which leaves no rest and favours neither. Empty where E2E is not
    longer by as much as is worth naming.
    """
    names = ("ttft", "itl", "output_tokens")
    before = [found for name in names if (found := usual(history.get(name, ()))) is not None]
    if len(before) < len(names) or any(name not in metrics for name in names):
        return ""
    ttft0, itl0, tokens0 = before
    ttft1, itl1, tokens1 = (centre(metrics[name], name) for name in names)
    gaps0, gaps1 = max(0.0, tokens0 - 1), max(0.0, tokens1 - 1)
    shares = [
        ("a later first token", "an earlier first token", ttft1 - ttft0),
        ("slower tokens", "faster tokens", (itl1 - itl0) * (gaps0 + gaps1) / 2),
        ("more tokens", "fewer tokens", (gaps1 - gaps0) * (itl0 + itl1) / 2),
    ]
    total = fsum(seconds for _, _, seconds in shares)
    if total < _WORTH_NAMING * (ttft0 + itl0 * gaps0):
        return ""
    named = [
        f"{format_duration(seconds)} from {more if seconds > 0 else less}"
        for more, less, seconds in sorted(shares, key=lambda share: -share[2])
        if abs(seconds) >= _WORTH_NAMING * total
    ]
    return f"E2E is longer by about {format_duration(total)}: {', '.join(named)}"


def headline(outcome: Outcome, rows: Sequence[Row], cells: Sequence[CellReport], why: str) -> str:
    """The answer in one or two sentences. ``why`` explains an outcome that rows do not."""
    gating = [row for row in rows if row.gating]
    if outcome == "failed":
        return _sentence(_failed([row for row in gating if row.name == "fail"], cells))
    if outcome == "inconclusive":
        return _sentence(
            f"{_of(gating, 'inconclusive')} could not be decided; none was shown to be worse"
        )
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


def _passed(rows: Sequence[Row]) -> str:
    gating = [row for row in rows if row.gating]
    worse = sum(row.name == "fail" for row in rows if not row.gating)
    warned = f"; {_count(worse, 'warning')}" if worse else ""
    if not gating:
        return f"nothing was checked: no gating rule applies to this run{warned}"
    names = [row.name for row in gating]
    held = sum(name in ("pass", "improved", "new") for name in names)
    cells = {(row.scenario, row.target) for row in gating}
    text = f"{_count(held, 'check')} held in {_count(len(cells), 'cell')}"
    if improved := names.count("improved"):
        text += f"; {improved} improved"
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


def _failed(failed: Sequence[Row], cells: Sequence[CellReport]) -> str:
    by_cell: dict[str, list[Row]] = {}
    for row in failed:
        by_cell.setdefault(f"{row.scenario}/{row.target}", []).append(row)
    reports = {f"{cell.scenario}/{cell.target}": cell for cell in cells}
    named = list(by_cell.items())[:_CELLS_NAMED]
    parts = [f"{cell} {_what_happened(rows, reports.get(cell))}" for cell, rows in named]
    if len(by_cell) > len(named):
        parts.append(f"and {_count(len(by_cell) - len(named), 'more cell')}")
    whys = [
        why
        for cell, rows in named
        if cell in reports and any(row.metric == "e2e" for row in rows)
        if (why := apportion(reports[cell].metrics, reports[cell].history))
    ]
    if len(by_cell) == 1:
        return ". ".join([*parts, *whys])
    return "; ".join(parts)


def _what_happened(rows: Sequence[Row], cell: CellReport | None) -> str:
    relative = [row for row in rows if row.kind == "relative"]
    parts = []
    for meaning, metrics in _MEANINGS.items():
        of_these = [row for row in relative if row.metric in metrics]
        if of_these:
            parts.append(f"{meaning} ({_changes(of_these)})")
        elif meaning == _LONGER and relative and (grown := _longer_by(cell)):
            parts.append(f"{meaning} (output tokens {_signed(grown)})")
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
    before = usual(cell.history.get("output_tokens", ())) if cell else None
    if cell is None or before is None or "output_tokens" not in cell.metrics:
        return 0.0
    grown = cell.metrics["output_tokens"].mean / before - 1
    return grown if grown > 2 * _WORTH_NAMING else 0.0


def _changes(rows: Iterable[Row]) -> str:
    return ", ".join(f"{_statistic(row)} {_change(row)}".strip() for row in rows)


def _change(row: Row) -> str:
    estimate = row.verdict.estimate
    if estimate is None:
        return ""
    if row.statistic:
        return _signed(estimate)
    # Rates are compared by their difference.
    return f"{_signed(estimate)[:-2]} points"


def _statistic(row: Row) -> str:
    return f"{short_name(row.metric)} {row.statistic}".strip()


def _signed(fraction: float) -> str:
    """A change without more digits than it deserves: ``+307 %``, ``-6.8 %``."""
    places = 2 if abs(fraction) >= 0.0995 else 3
    rounded = round(fraction, places)
    return format_share(rounded, signed=True) if rounded else "0 %"


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


_STORE = (
    "Store this run as a baseline: `lens-gate baseline update --from run.jsonl`, with the "
    "run.jsonl of the output folder; then commit it on the base branch."
)
_FAILURES = (
    "Look at the failed requests first: where more than a tenth fail, little can be decided. "
    "Then run the gate again."
)
_QUIETER = (
    "Lower the concurrency, or run on a larger machine: `lens-gate calibrate` says how many "
    "streams this one can be trusted with."
)
_MORE = (
    "Raise samples.max and the budget, or give the limits more room; each check's reason says "
    "what is missing."
)
_APART = (
    "Undo what the reasons name, or store runs that compare: `lens-gate baseline update --from "
    "run.jsonl`, with the run.jsonl of the output folder; then commit them on the base branch."
)
_OVERRUN = (
    "Compare the usage that the service reports with what was asked of it: caps can't hold where "
    "it reports more."
)
# One in so many requests failing is more than passes for chance.
_MANY = 10
_STEPS = {
    "passed": "Nothing to do.",
    "inconclusive": (
        "Store more baseline runs, widen the margins, or raise samples.max and the budget; "
        "each check's reason says what it could have shown."
    ),
    "no_data": "Mend what the reasons name, and run the gate again.",
    "budget": "Raise the caps named above, or lower samples.min.",
    "aborted": "Run the gate again; `lens-gate report` shows what was measured.",
    "not_measured": "A maintainer can run the gate for this change.",
    "unchanged": "Nothing to do.",
}
_LIMITS = "Bring the values back within their limits, or change the limits by a reviewed change."
_HISTORY = (
    "Run the gate on the base branch as well. If it fails there too, the service has changed "
    "and not this code. The reasons of each check are below."
)


def next_step(outcome: Outcome, rows: Sequence[Row], cells: Sequence[CellReport] = ()) -> str:
    """What a reader should do now."""
    if outcome == "failed":
        failed = [row for row in rows if row.gating and row.name == "fail"]
        if any(row.kind == "relative" for row in failed):
            return _HISTORY
        return _FAILURES if _failing(failed, cells) else _LIMITS
    if outcome in ("passed", "inconclusive") and any(_without_baseline(row) for row in rows):
        return _STORE
    if outcome == "inconclusive":
        return _undecided([row for row in rows if row.gating and row.name == outcome], cells)
    if outcome == "no_data" and any(cell.not_comparable and not cell.baselines for cell in cells):
        return _APART
    if outcome == "budget" and any(cell.end.startswith("target: overrun") for cell in cells):
        return _OVERRUN
    return _STEPS[outcome]


def _undecided(open_rows: Sequence[Row], cells: Sequence[CellReport]) -> str:
    """What would settle the checks that are open: no history helps where none was asked."""
    if _failing(open_rows, cells):
        return _FAILURES
    if any(row.verdict.withheld for row in open_rows):
        return _QUIETER
    if open_rows and all(row.kind == "absolute" for row in open_rows):
        return _MORE
    return _STEPS["inconclusive"]


def _failing(rows: Sequence[Row], cells: Sequence[CellReport]) -> bool:
    """Whether more than a tenth of the requests of one of these rows' cells failed."""
    names = {f"{row.scenario}/{row.target}" for row in rows}
    return any(
        f"{cell.scenario}/{cell.target}" in names
        and _MANY * (sum(cell.failures.values()) + cell.retried) > cell.measured
        for cell in cells
    )


def _without_baseline(row: Row) -> bool:
    verdict = row.verdict
    return row.kind == "relative" and row.name == "inconclusive" and not verdict.base_n

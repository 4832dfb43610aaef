"""What a reader of the gate's answer should do now."""

from collections.abc import Iterable, Sequence

from lens_gate.judge.moves import short_name
from lens_gate.judge.outcome import counts
from lens_gate.records.report import CellReport, Outcome, Row
from lens_gate.records.waiver import WaiverReport
from lens_gate.units import about_count, about_usd

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
_NOTHING = "Nothing to do."
_STEPS = {
    "passed": _NOTHING,
    "inconclusive": (
        "Store more baseline runs, widen the margins, or raise samples.max and the budget; "
        "each check's reason says what it could have shown."
    ),
    "no_data": "Mend what the reasons name, and run the gate again.",
    "budget": "Raise the caps named above, or lower samples.min.",
    "aborted": "Run the gate again; `lens-gate report` shows what was measured.",
    "not_measured": "A maintainer can run the gate for this change.",
    "unchanged": _NOTHING,
}
_LIMITS = "Bring the values back within their limits, or change the limits by a reviewed change."
_DUET = (
    "Both arms were measured in turn, so this change made the difference: bring the values back, "
    "or have the change accepted for a while (`lens-gate baseline accept`)."
)
_BESIDE = (
    "Both targets were measured in turn, so the difference is their own: bring the values back, or "
    "have it accepted for a while (`lens-gate baseline accept`)."
)
_AGAIN = "Run the gate again: what disturbed this run is in the reasons."
_HISTORY = (
    "Run the gate on the base branch as well. If it fails there too, the service has changed "
    "and not this code. The reasons of each check are below."
)
_NAMED = 3


def next_step(
    outcome: Outcome,
    rows: Sequence[Row],
    cells: Sequence[CellReport] = (),
    *,
    waivers: Iterable[WaiverReport] = (),
    offer: str = "",
    pulled: bool = True,
) -> str:
    """What a reader should do now.

    ``offer`` says how what failed against history can be had as a duet, in words, or is empty;
    ``pulled``: there is a base branch that it could fail on as well.
    """
    step = _step(outcome, rows, cells, offer=offer, pulled=pulled)
    expired = _expired(waivers)
    if not expired:
        return step
    return expired if step == _NOTHING else f"{step} {expired}"


def _expired(waivers: Iterable[WaiverReport]) -> str:
    old = [found.waiver for found in waivers if found.state == "expired"]
    if not old:
        return ""
    names = [f"{waiver.rule} in {waiver.cell} (on {waiver.expires})" for waiver in old[:_NAMED]]
    more = f" and {len(old) - _NAMED} more" if len(old) > _NAMED else ""
    have, them = ("A waiver has", "it") if len(old) == 1 else ("Waivers have", "them")
    return (
        f"{have} expired: {', '.join(names)}{more}. Take {them} out of waivers.yaml, or renew "
        f"{them} with `lens-gate baseline accept`."
    )


def _step(
    outcome: Outcome,
    rows: Sequence[Row],
    cells: Sequence[CellReport],
    *,
    offer: str,
    pulled: bool,
) -> str:
    if outcome == "failed":
        failed = [row for row in rows if counts(row) and row.name == "fail"]
        relative = [row for row in failed if row.kind == "relative"]
        paired = [row for row in relative if row.mode == "duet"]
        if paired:
            return _BESIDE if all(_beside(row, cells) for row in paired) else _DUET
        if relative:
            return _of_history(relative[0], offer=offer, pulled=pulled)
        return _FAILURES if _failing(failed, cells) else _LIMITS
    if outcome in ("passed", "inconclusive") and any(_without_baseline(row) for row in rows):
        return _STORE
    if outcome == "inconclusive":
        return _undecided([row for row in rows if counts(row) and row.name == outcome], cells)
    if outcome == "no_data" and any(cell.not_comparable and not cell.baselines for cell in cells):
        return _APART
    if outcome == "budget" and any(cell.end.startswith("target: overrun") for cell in cells):
        return _OVERRUN
    return _STEPS[outcome]


def _beside(row: Row, cells: Iterable[CellReport]) -> bool:
    """Whether the row's control is another target, and no earlier state of its own."""
    return any(
        cell.duet is not None and cell.duet.control != cell.target
        for cell in cells
        if (cell.scenario, cell.target) == (row.scenario, row.target)
    )


def _of_history(failed: Row, *, offer: str, pulled: bool) -> str:
    """A failure against stored runs may be the service's doing: how to tell, and what then."""
    if pulled:
        return f"{_HISTORY} Or: {offer} the two apart." if offer else _HISTORY
    tell = "See whether it stays so in the next runs, and what changed since the stored ones."
    if offer:
        tell = f"Find out whether it is the code or the service: {offer}."
    return (
        f"{tell} If it is the service, and for good, begin its history anew: `lens-gate baseline "
        f"accept --new-level --cell {failed.scenario}/{failed.target} --reason TEXT`."
    )


def _undecided(open_rows: Sequence[Row], cells: Sequence[CellReport]) -> str:
    """What would settle the checks that are open: no history helps where none was asked."""
    if _failing(open_rows, cells):
        return _FAILURES
    withheld = [row for row in open_rows if row.verdict.withheld]
    if any("this client read late" in row.verdict.reason for row in withheld):
        return _QUIETER
    if withheld:
        return _AGAIN
    if open_rows and all(row.kind == "absolute" for row in open_rows):
        return _MORE
    if any(row.mode == "duet" for row in open_rows):
        return _pairs_to_settle(open_rows)
    return _STEPS["inconclusive"]


def _pairs_to_settle(open_rows: Sequence[Row]) -> str:
    """Check by check, those first that the fewest requests would settle."""
    known = [row for row in open_rows if row.needs_requests is not None]
    known.sort(key=lambda row: row.needs_requests or 0)
    parts = [
        f"about {about_count(row.needs_requests or 0)} requests"
        + (f" ({about_usd(row.needs_usd)})" if row.needs_usd is not None else "")
        + f" would settle {_check(row)}"
        for row in known[:_NAMED]
    ]
    if len(known) > _NAMED:
        parts.append(f"{len(known) - _NAMED} more checks need more than that")
    never = [
        row for row in open_rows if row.needs_requests is None and row.verdict.needed_n is not None
    ]
    apart = ""
    if never:
        names = ", ".join(map(_check, never[:_NAMED])) + (", ..." if len(never) > _NAMED else "")
        apart = (
            f"{names}: the change lies at the margin, which no sensible number of requests settles."
        )
    if parts:
        more = f"Raise samples.max and the budget, or widen the margins: {', '.join(parts)}."
        return f"{more} {apart}".strip()
    return f"Widen the margin, or bring the change well below it. {apart}" if never else _MORE


def _check(row: Row) -> str:
    return f"{row.scenario}/{row.target} {short_name(row.metric)} {row.statistic}".strip()


def _failing(rows: Sequence[Row], cells: Sequence[CellReport]) -> bool:
    """Whether more than a tenth of the requests of one of these rows' cells failed."""
    names = {f"{row.scenario}/{row.target}" for row in rows}
    return any(
        f"{cell.scenario}/{cell.target}" in names
        and _MANY * (sum(cell.failures.values()) + cell.retried) > cell.measured
        for cell in cells
    )


def _without_baseline(row: Row) -> bool:
    if row.kind != "relative" or row.mode == "duet" or row.name != "inconclusive":
        return False
    return not row.verdict.base_n

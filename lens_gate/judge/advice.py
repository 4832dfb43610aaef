"""What a reader of the gate's answer should do now."""

from collections.abc import Sequence
from decimal import Decimal

from lens_gate.judge.outcome import counts
from lens_gate.records.report import CellReport, Outcome, Row
from lens_gate.units import format_usd

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
_DUET = (
    "Both arms were measured in turn, so this change made the difference: bring the values back, "
    "or have the change accepted for a while (`lens-gate baseline accept`)."
)
_AGAIN = "Run the gate again: what disturbed this run is in the reasons."
_HISTORY = (
    "Run the gate on the base branch as well. If it fails there too, the service has changed "
    "and not this code. The reasons of each check are below."
)


def next_step(outcome: Outcome, rows: Sequence[Row], cells: Sequence[CellReport] = ()) -> str:
    """What a reader should do now."""
    if outcome == "failed":
        failed = [row for row in rows if counts(row) and row.name == "fail"]
        relative = [row for row in failed if row.kind == "relative"]
        if relative:
            return _DUET if any(row.mode == "duet" for row in relative) else _HISTORY
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
    """By cell it is the check that needs most; cells add up."""
    most: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for row in open_rows:
        if row.needs_requests is not None and row.needs_usd is not None:
            cell = (row.scenario, row.target)
            most[cell] = max(most.get(cell, (0, Decimal(0))), (row.needs_requests, row.needs_usd))
    if not most:
        return _MORE
    requests, usd = (sum(needs) for needs in zip(*most.values(), strict=True))
    return (
        f"About {requests} requests ({format_usd(Decimal(usd))}) would settle what is open: raise "
        "samples.max and the budget, or give the limits more room."
    )


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

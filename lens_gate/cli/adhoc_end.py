"""How the verbs without a policy end: spend line, files, exit code."""

import json

from lens_gate.cli.terminal import say, tell
from lens_gate.errors import EXIT_BUDGET, EXIT_OK, EXIT_SIGINT, EXIT_SIGTERM, EXIT_UNMEASURED
from lens_gate.flows.adhoc import AdHoc, Measured
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.run_warnings import of_run
from lens_gate.records.codec import to_json
from lens_gate.render.escape import one_line
from lens_gate.render.side_by_side import Column
from lens_gate.units import format_duration, format_usd

INTERRUPTED = {"interrupted": EXIT_SIGINT, "terminated": EXIT_SIGTERM}


def say_columns_json(columns: list[Column]) -> None:
    """The columns as one JSON value."""
    say(json.dumps([to_json(column) for column in columns], indent=2))


def tell_warnings(found: Measured) -> None:
    """What to know of this client and its network before trusting the numbers."""
    for text in of_run(found.run):
        tell(f"warning: {one_line(text, 300)}")


def say_spend(found: Measured, asked: AdHoc) -> None:
    """What it cost, how long it took, and where the journal lies."""
    end = found.run.end
    if end is None:
        raise AssertionError("a journal without its end")
    spend = end.spend
    say(
        f"\nspent {format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)}, "
        f"{spend.requests} requests, {format_duration(end.elapsed_s)}, "
        f"seed {found.run.header.seed}\n"
        f"wrote {asked.output / RUN_FILE}"
    )


def exit_code(found: Measured) -> int:
    """0 where something was measured, 5 where nothing succeeded, 4 where a cap ended it."""
    end = found.run.end
    if end is not None and end.reason in INTERRUPTED:
        return INTERRUPTED[end.reason]
    if not any(s.phase == "measured" and s.failure is None for s in found.run.samples):
        return EXIT_UNMEASURED
    return EXIT_BUDGET if end is not None and end.reason == "budget" else EXIT_OK

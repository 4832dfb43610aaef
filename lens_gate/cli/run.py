"""`lens-gate run`: the measuring stretch alone."""

from collections.abc import Sequence

import click

from lens_gate.cli.options import order_options
from lens_gate.cli.terminal import outside, say
from lens_gate.errors import EXIT_BUDGET, EXIT_OK, EXIT_SIGINT, EXIT_SIGTERM, EXIT_UNMEASURED
from lens_gate.flows.gate import Order, UnchangedError, measure_only
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.metrics.arms import complete_blocks, complete_pairs, whole_blocks
from lens_gate.records.run import Run
from lens_gate.records.sample import Sample
from lens_gate.units import format_duration, format_usd

_CODES = {
    "complete": EXIT_OK,
    "budget": EXIT_BUDGET,
    "interrupted": EXIT_SIGINT,
    "terminated": EXIT_SIGTERM,
    "error": EXIT_UNMEASURED,
}


@click.command("run")
@order_options
def command(order: Order) -> int:
    """Measure only: write run.jsonl to the output folder, judge nothing.

    `lens-gate judge --run` judges it later; `lens-gate baseline update --from` stores it. Ends with
    exit code 5 where not one request succeeded.
    """
    try:
        with outside() as world:
            run = measure_only(order, world)
    except UnchangedError as error:
        say(error.message)
        return EXIT_OK
    if run.end is None:
        raise AssertionError
    spend = run.end.spend
    measured = [sample for sample in run.samples if sample.phase == "measured"]
    failed = sum(sample.failure is not None for sample in measured)
    say(
        f"{run.end.reason}: {_counted(run, measured)}, {failed} failed, "
        f"{format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)} in "
        f"{format_duration(run.end.elapsed_s)}, seed {run.header.seed}\n"
        f"wrote {order.output / RUN_FILE}"
    )
    if run.end.reason == "complete" and failed == len(measured):
        return EXIT_UNMEASURED
    return _CODES[run.end.reason]


def _counted(run: Run, measured: Sequence[Sample]) -> str:
    """``40 pairs and 30 measured requests``: those of duets by what both arms answered."""
    duets = {cell.cell: cell.duet for cell in run.header.cells if cell.duet is not None}
    ends = {end.cell: end for end in run.end.cells} if run.end else {}
    counts = {"pairs of blocks": 0, "pairs": 0, "measured requests": 0}
    for key, duet in duets.items():
        own = [sample for sample in measured if sample.cell == key]
        if duet.block_s > 0:
            counts["pairs of blocks"] += complete_blocks(whole_blocks(own, ends.get(key)))
        else:
            counts["pairs"] += complete_pairs(own)
    counts["measured requests"] = sum(sample.cell not in duets for sample in measured)
    found = [f"{n} {what}" for what, n in counts.items() if n]
    # What failed is counted in requests, of both arms.
    requests = f" ({len(measured)} requests)" if duets else ""
    return (" and ".join(found) or "0 measured requests") + requests

"""`lens-gate run`: the measuring stretch alone."""

import click

from lens_gate.cli.options import order_options
from lens_gate.cli.terminal import outside, say
from lens_gate.errors import EXIT_BUDGET, EXIT_OK, EXIT_SIGINT, EXIT_SIGTERM, EXIT_UNMEASURED
from lens_gate.flows.gate import Order, UnchangedError, measure_only
from lens_gate.flows.outputs import RUN_FILE
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
    measured = sum(sample.phase == "measured" for sample in run.samples)
    failed = sum(s.phase == "measured" and s.failure is not None for s in run.samples)
    say(
        f"{run.end.reason}: {measured} measured requests, {failed} failed, "
        f"{format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)} in "
        f"{format_duration(run.end.elapsed_s)}, seed {run.header.seed}\n"
        f"wrote {order.output / RUN_FILE}"
    )
    if run.end.reason == "complete" and failed == measured:
        return EXIT_UNMEASURED
    return _CODES[run.end.reason]

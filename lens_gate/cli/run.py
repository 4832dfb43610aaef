"""`lens-gate run`: the measuring stretch alone."""

from decimal import Decimal
from pathlib import Path

import click

from lens_gate.cli.options import cap_options, output_option, policy_option, seed_option
from lens_gate.cli.terminal import outside, say
from lens_gate.errors import EXIT_BUDGET, EXIT_OK, EXIT_SIGINT, EXIT_SIGTERM, EXIT_UNMEASURED
from lens_gate.flows.gate import Order, measure_only
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.planning import Lowered
from lens_gate.units import format_duration, format_usd

_CODES = {
    "complete": EXIT_OK,
    "budget": EXIT_BUDGET,
    "interrupted": EXIT_SIGINT,
    "terminated": EXIT_SIGTERM,
    "error": EXIT_UNMEASURED,
}


@click.command("run")
@policy_option
@output_option
@cap_options
@seed_option
def command(  # one parameter for each option
    policy_path: str | None,
    output: Path,
    max_usd: Decimal | None,
    max_requests: int | None,
    max_duration: float | None,
    seed: int | None,
) -> int:
    """Measure only: write run.jsonl to the output folder, judge nothing.

    `lens-gate judge --run` judges it later; `lens-gate baseline update --from` stores it.
    """
    order = Order(
        policy_path=policy_path,
        output=output,
        lowered=Lowered(max_usd=max_usd, max_requests=max_requests, max_duration_s=max_duration),
        seed=seed,
    )
    with outside() as world:
        run = measure_only(order, world)
    if run.end is None:
        raise AssertionError
    spend = run.end.spend
    measured = sum(sample.phase == "measured" for sample in run.samples)
    failed = sum(s.phase == "measured" and s.failure is not None for s in run.samples)
    say(
        f"{run.end.reason}: {measured} measured requests, {failed} failed, "
        f"{format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)} in "
        f"{format_duration(run.end.elapsed_s)}, seed {run.header.seed}\n"
        f"wrote {output / RUN_FILE}"
    )
    return _CODES[run.end.reason]

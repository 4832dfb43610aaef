"""`lens-gate null`: A/A runs, which say how often the gate fails a build that changes nothing."""

from pathlib import Path

import click

from lens_gate.cli.adhoc_end import INTERRUPTED
from lens_gate.cli.options import cap_options, output_option, policy_option, seed_option
from lens_gate.cli.terminal import outside, say
from lens_gate.errors import EXIT_OK
from lens_gate.flows.null import NullOrder, null
from lens_gate.flows.planning import Lowered
from lens_gate.render.null import null_text


@click.command("null")
@click.option(
    "--runs",
    type=click.IntRange(1, 1000),
    required=True,
    metavar="N",
    help="How many A/A runs.",
)
@policy_option
@output_option
@cap_options
@seed_option
def command(
    *, runs: int, policy_path: str | None, output: Path, lowered: Lowered, seed: int | None
) -> int:
    """Measure the gate's false alarms on the real targets, in idle hours.

    N duets in which both arms send the same, one after the other, each inside the policy's budget
    and all together inside N times as much; --max-usd and its like lower the caps on all runs
    together. No run is begun that can't be paid for at worst. What fails is a false alarm.

    The counts are stored beside the baselines. Once they are merged, reports name the measured
    rate, and rules that fail more often than they may only warn.
    """
    order = NullOrder(policy_path=policy_path, runs=runs, lowered=lowered, seed=seed, output=output)
    with outside() as world:
        end = null(order, world)
    say(null_text(end.report))
    return INTERRUPTED.get(end.reason, EXIT_OK)

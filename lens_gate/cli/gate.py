"""`lens-gate gate`: the whole line from policy to verdict."""

from decimal import Decimal
from pathlib import Path

import click

from lens_gate.cli.options import cap_options, output_option, policy_option, seed_option
from lens_gate.cli.terminal import colour, outside, say, tell, width
from lens_gate.flows.gate import Order, gate
from lens_gate.flows.outputs import REPORT_FILE, SUMMARY_FILE
from lens_gate.flows.planning import Lowered
from lens_gate.render.terminal import terminal


@click.command("gate")
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
    """Measure, judge and report: the whole gate.

    Writes run.jsonl, report.json and summary.md to the output folder, prints the verdicts, and
    ends with the gate's exit code.
    """
    order = Order(
        policy_path=policy_path,
        output=output,
        lowered=Lowered(max_usd=max_usd, max_requests=max_requests, max_duration_s=max_duration),
        seed=seed,
    )
    with outside() as world:
        report = gate(order, world)
    say(terminal(report, width=width(), colour=colour()))
    tell(f"wrote {output / REPORT_FILE} and {output / SUMMARY_FILE}")
    return report.exit_code

"""`lens-gate gate`: the whole line from policy to verdict."""

import click

from lens_gate.cli.options import order_options
from lens_gate.cli.terminal import colour, outside, say, tell, width
from lens_gate.flows.gate import Order, gate
from lens_gate.flows.outputs import REPORT_FILE, SUMMARY_FILE
from lens_gate.render.terminal import terminal


@click.command("gate")
@order_options
def command(order: Order) -> int:
    """Measure, judge and report: the whole gate.

    Writes run.jsonl, report.json and summary.md to the output folder, prints the verdicts, and
    ends with the gate's exit code.
    """
    with outside() as world:
        report = gate(order, world)
    say(terminal(report, width=width(), colour=colour()))
    tell(f"wrote {order.output / REPORT_FILE} and {order.output / SUMMARY_FILE}")
    return report.exit_code

"""`lens-gate gate`: the whole line from policy to verdict."""

from dataclasses import replace

import click

from lens_gate.cli.options import order_options
from lens_gate.cli.terminal import colour, command_lines, outside, say, tell, width
from lens_gate.cli.workflow_options import fail_on_option, posting_options
from lens_gate.errors import LensError
from lens_gate.flows.failing import Failed, deliver_error
from lens_gate.flows.framing import Posting
from lens_gate.flows.gate import Order, gate
from lens_gate.flows.outputs import REPORT_FILE, SUMMARY_FILE
from lens_gate.flows.overriding import FailOn
from lens_gate.flows.publishing import deliver
from lens_gate.render.terminal import terminal


@click.command("gate")
@order_options
@fail_on_option
@posting_options
def command(order: Order, *, fail_on: FailOn | None, posting: Posting) -> int:
    """Measure, judge and report: the whole gate.

    Writes run.jsonl, report.json, summary.md and junit.xml to the output folder, prints the
    verdicts, tells GitHub or GitLab where it runs there, and ends with the gate's exit code.
    """
    order = replace(order, overrides=replace(order.overrides, fail_on=fail_on))
    with outside() as world:
        try:
            report = gate(order, world)
        except LensError as error:
            failed = Failed(error=error, policy_path=order.policy_path, posting=posting)
            command_lines(deliver_error(failed, world))
            raise
        say(terminal(report, width=width(), colour=colour()))
        tell(f"wrote {order.output / REPORT_FILE} and {order.output / SUMMARY_FILE}")
        delivered = deliver(report, posting, order.output, world)
    command_lines(delivered.commands)
    return delivered.exit_code

"""`lens-gate gate`: the whole line from policy to verdict."""

from contextlib import suppress
from dataclasses import replace

import click

from lens_gate.cli.options import order_options
from lens_gate.cli.terminal import colour, command_lines, outside, say, tell, width
from lens_gate.cli.workflow_options import fail_on_option, posting_options
from lens_gate.errors import LensError
from lens_gate.flows.failing import A_BUG, Failed, deliver_error
from lens_gate.flows.framing import Posting
from lens_gate.flows.gate import Order, gated
from lens_gate.flows.outputs import HTML_FILE, REPORT_FILE, SUMMARY_FILE
from lens_gate.flows.overriding import FailOn
from lens_gate.flows.publishing import deliver
from lens_gate.flows.sinking import push_report
from lens_gate.render.terminal import terminal


@click.command("gate")
@order_options
@fail_on_option
@posting_options
def command(order: Order, *, fail_on: FailOn | None, posting: Posting) -> int:
    """Measure, judge and report: the whole gate.

    Writes run.jsonl, report.json, report.html, summary.md and junit.xml to the output folder,
    prints the verdicts, tells GitHub or GitLab where it runs there, and ends with the gate's exit
    code.
    """
    order = replace(order, overrides=replace(order.overrides, fail_on=fail_on))
    with outside() as world:
        try:
            done = gated(order, world)
            report = done.report
            say(terminal(report, width=width(), colour=colour()))
            tell(f"wrote {order.output / HTML_FILE}, {REPORT_FILE} and {SUMMARY_FILE}")
            delivered = deliver(report, posting, order.output, world)
        except Exception as error:
            # Also after a bug: a status of an earlier run of this commit must not stay green.
            told = error if isinstance(error, LensError) else A_BUG
            failed = Failed(error=told, policy_path=order.policy_path, posting=posting)
            with suppress(Exception):  # whatever this does, the first error is the one to be seen
                command_lines(deliver_error(failed, world))
            raise
    command_lines(delivered.commands)
    push_report(report, done.pushing, order.output, world)
    return delivered.exit_code

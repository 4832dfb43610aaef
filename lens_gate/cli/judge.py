"""`lens-gate judge`: verdicts on a saved run."""

from pathlib import Path

import click

from lens_gate.cli.options import output_option, policy_option
from lens_gate.cli.terminal import colour, outside, say, tell, width
from lens_gate.flows.gate import judge_saved
from lens_gate.flows.outputs import HTML_FILE, REPORT_FILE, SUMMARY_FILE
from lens_gate.render.terminal import terminal


@click.command("judge")
@click.option(
    "--run",
    "run_path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The run.jsonl to judge.",
)
@policy_option
@output_option
def command(run_path: Path, policy_path: str | None, output: Path) -> int:
    """Judge a saved run, under its policy or another one.

    Writes report.json, report.html, summary.md and junit.xml, and ends with the gate's exit code.
    """
    with outside() as world:
        report = judge_saved(run_path, policy_path, output, world)
    say(terminal(report, width=width(), colour=colour()))
    tell(f"wrote {output / HTML_FILE}, {REPORT_FILE} and {SUMMARY_FILE}")
    return report.exit_code

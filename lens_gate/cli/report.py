"""`lens-gate report`: a saved report, shown again."""

from pathlib import Path

import click

from lens_gate.cli.terminal import colour, say, width
from lens_gate.flows.outputs import load_report
from lens_gate.render.markdown import markdown
from lens_gate.render.terminal import terminal


@click.command("report")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), metavar="REPORT_JSON")
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown"]),
    default="terminal",
    show_default=True,
    help="What to print.",
)
def command(path: Path, form: str) -> int:
    """Show a saved report again. Ends with 0: the verdict was given when it was made."""
    report = load_report(path)
    if form == "markdown":
        say(markdown(report))
    else:
        say(terminal(report, width=width(), colour=colour()))
    return 0

"""`lens-gate publish`: a saved report, told to the host by a job of its own."""

from pathlib import Path

import click
from click.core import ParameterSource

from lens_gate.cli.terminal import outside
from lens_gate.cli.workflow_options import posting_options
from lens_gate.flows.framing import Posting
from lens_gate.flows.reported import deliver_forks, deliver_saved


@click.command("publish")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), metavar="REPORT_JSON")
@click.option(
    "--from-fork",
    is_flag=True,
    help="The report is a fork's own, in a job of the event workflow_run: post it as a comment, "
    "marked as not verified, and never a status.",
)
@posting_options
def command(path: Path, *, from_fork: bool, posting: Posting) -> int:
    """Post a saved report: comment and status, from a job that may write and measures nothing.

    Commit and pull request are those of this job's own event, and a report of another commit is
    refused. With --from-fork they are those of the run that ended, by GitHub's word, and the report
    is taken for a stranger's. Ends with 0: the verdict was given by the job that measured.
    """
    if from_fork:
        _refuse_status(posting)
    with outside() as world:
        return (deliver_forks if from_fork else deliver_saved)(path, posting, world)


def _refuse_status(posting: Posting) -> None:
    said = click.get_current_context().get_parameter_source("status")
    if posting.wish.status != "off" and said is ParameterSource.COMMANDLINE:
        raise click.UsageError("a fork's report never sets a status: leave --status out")

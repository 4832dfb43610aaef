"""`lens-gate baseline`: stored runs."""

from pathlib import Path

import click

from lens_gate.cli.options import policy_option
from lens_gate.cli.terminal import outside, say, tell, width
from lens_gate.flows import baselines
from lens_gate.render.stored import stored_listing, stored_run


@click.group("baseline")
def command() -> None:
    """Store, list, show and prune baseline runs.

    They are files in the repository, one for each run of each cell, written once and never edited.
    """


@command.command("update")
@click.option(
    "--from",
    "run_path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The run.jsonl to store.",
)
@policy_option
def update(run_path: Path, policy_path: str | None) -> int:
    """Add a run to the baselines in the work tree; commit them yourself."""
    with outside() as world:
        stored = baselines.update(run_path, policy_path, world)
    for path in stored.written:
        say(f"wrote {path}")
    for reason in stored.left_out:
        tell(f"left out {reason}")
    for text in stored.warnings:
        tell(f"warning: {text}")
    return 0


@command.command("list")
@policy_option
def list_runs(policy_path: str | None) -> int:
    """List the stored runs of the work tree, newest first."""
    with outside() as world:
        stored = baselines.listing(policy_path, world)
    say(stored_listing([(item.path, item.baseline) for item in stored], width=width()))
    return 0


@command.command("show")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def show(path: Path) -> int:
    """Show one stored run: where it comes from, and its metrics."""
    baseline, metrics = baselines.show(path)
    say(stored_run(baseline, metrics))
    return 0


@command.command("prune")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    metavar="N",
    help="How many of the newest runs of each cell stay.",
)
@policy_option
def prune(keep: int, policy_path: str | None) -> int:
    """Remove old runs from the work tree; git keeps what was committed."""
    with outside() as world:
        removed = baselines.prune_old(keep, policy_path, world)
    for path in removed:
        say(f"removed {path}")
    say(f"removed {len(removed)} stored runs")
    return 0

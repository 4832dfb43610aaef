"""`lens-gate baseline`: stored runs."""

from pathlib import Path

import click

from lens_gate.cli.options import policy_option
from lens_gate.cli.terminal import outside, say, tell, width
from lens_gate.flows import baselines
from lens_gate.flows.pushing import PushOrder
from lens_gate.flows.pushing import push as push_new_runs
from lens_gate.flows.waivers import DAYS, Acceptance
from lens_gate.flows.waivers import accept as accept_by_hand
from lens_gate.render.stored import stored_listing, stored_run


@click.group("baseline")
def command() -> None:
    """Store, list, show, prune and push baseline runs; accept what is known.

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


@command.command("push")
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Remove all but the newest N runs of each cell from the branch [default: none].",
)
@click.option(
    "--propose",
    metavar="BRANCH",
    help="Push this branch, for people to merge, instead of the policy's baseline.branch.",
)
@click.option(
    "--author",
    metavar="'NAME <MAIL>'",
    help="Who commits [default: the host's bot].",
)
@click.option(
    "--skip-ci/--no-skip-ci",
    default=None,
    help="Ask the host to start nothing for the commit [default: yes, except with --propose].",
)
@click.option(
    "--push-option",
    "options",
    multiple=True,
    metavar="TEXT",
    help="Handed to `git push`, in place of those for GitLab; may be repeated.",
)
@policy_option
def push(
    *,
    keep: int | None,
    propose: str | None,
    author: str | None,
    skip_ci: bool | None,
    options: tuple[str, ...],
    policy_path: str | None,
) -> int:
    """Commit the work tree's new runs on the remote's branch, and push it.

    Made for CI: the work tree and the index stay as they are, jobs may do it at the same time, and
    nothing but stored runs is committed. The token is LENS_GATE_TOKEN, or what the checkout has.
    """
    order = PushOrder(
        policy_path=policy_path,
        keep=keep,
        propose=propose,
        author=author,
        skip_ci=skip_ci,
        options=options,
    )
    with outside() as world:
        report = push_new_runs(order, world)
    pushed = report.pushed
    for path in pushed.stored:
        say(f"stored {path}")
    for path in pushed.removed:
        say(f"removed {path}")
    if pushed.commit:
        say(f"pushed {pushed.commit[:12]} to {pushed.branch}")
    if report.why_not:
        say(f"pushed nothing: {report.why_not}")
    for text in report.remarks:
        tell(f"warning: {text}")
    return 0


@command.command("accept")
@click.argument("rule", required=False)
@click.option("--cell", required=True, metavar="SCENARIO/TARGET", help="The cell.")
@click.option("--ceiling", metavar="SHARE", help="Up to how much worse, such as 35%.")
@click.option("--limit", metavar="VALUE", help="In the place of its max or min, such as 1.8s.")
@click.option("--new-level", is_flag=True, help="The cell's history begins anew, from now on.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, in a sentence.")
@click.option("--who", metavar="NAME", help="Who accepts it [default: git's user.name].")
@click.option(
    "--days",
    type=int,
    default=DAYS,
    show_default=True,
    metavar="N",
    help="For how long, at most 90.",
)
@policy_option
def accept(  # noqa: PLR0913  # one for each option
    *,
    rule: str | None,
    cell: str,
    ceiling: str | None,
    limit: str | None,
    new_level: bool,
    reason: str,
    who: str | None,
    days: int,
    policy_path: str | None,
) -> int:
    """Let RULE be exceeded in a cell for a while, or begin a cell's history anew.

    It is written to waivers.yaml beside the baselines; it counts once it is merged.
    """
    wanted = Acceptance(
        cell=cell,
        reason=reason,
        rule=rule,
        ceiling=ceiling,
        limit=limit,
        new_level=new_level,
        days=days,
        who=who,
    )
    with outside() as world:
        path = accept_by_hand(wanted, policy_path, world)
    say(f"wrote {path}: commit it; it counts once it is merged, no rebase is needed")
    return 0

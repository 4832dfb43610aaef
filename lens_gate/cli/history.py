"""`lens-gate history`: stored runs over time."""

from pathlib import Path

import click

from lens_gate.cli.options import policy_option
from lens_gate.cli.terminal import colour, outside, say, tell, width
from lens_gate.errors import EXIT_FAILED, EXIT_OK, EXIT_UNMEASURED, WorldError
from lens_gate.flows.history_sources import HistoryOrder
from lens_gate.flows.series import history as read_history
from lens_gate.records.series import History
from lens_gate.units import parse_share


def _share(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    try:
        share = parse_share(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not 0.0 < share <= 1.0:
        raise click.BadParameter("write a share above 0% and at most 100%")
    return share


@click.command("history")
@click.argument("cell", required=False, metavar="[CELL]")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="METRIC",
    help="Such as ttft.p95; may be repeated [default: those of the policy's rules].",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Runs of the last 30d or 12h, or since 2026-11-01 [default: all].",
)
@click.option(
    "--sla",
    "objectives",
    multiple=True,
    metavar="LIMIT",
    help='What runs are to meet, such as "ttft.p95<1.2s"; may be repeated.',
)
@click.option(
    "--sla-share",
    "share",
    default="100%",
    show_default=True,
    callback=_share,
    metavar="SHARE",
    help="The share of runs that have to meet each --sla.",
)
@click.option("--fail", is_flag=True, help="End with 1 where an --sla was not kept.")
@click.option(
    "--ref", metavar="REF", help="Read this commit, branch or tag [default: the work tree]."
)
@click.option(
    "--dir",
    "folder",
    metavar="FOLDER",
    help="Where the runs lie; no policy is read then [default: the policy's baseline.dir].",
)
@click.option(
    "--pruned/--no-pruned",
    default=True,
    show_default=True,
    help="Also runs that were removed since; git remembers them.",
)
@click.option(
    "--runs",
    type=click.IntRange(0),
    metavar="N",
    help="List so many of the newest runs [default: 15 of one cell, none of several].",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "html", "json"]),
    default="terminal",
    show_default=True,
    help="What to print.",
)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there instead.",
)
@policy_option
def command(  # noqa: PLR0913  # one for each option
    *,
    cell: str | None,
    metrics: tuple[str, ...],
    since: str | None,
    objectives: tuple[str, ...],
    share: float,
    fail: bool,
    ref: str | None,
    folder: str | None,
    pruned: bool,
    runs: int | None,
    form: str,
    to: Path | None,
    policy_path: str | None,
) -> int:
    """Show stored runs over time: levels, where they changed, trends, and service levels.

    CELL is SCENARIO/TARGET or a scenario; without it all cells are shown. Nothing is sent.

    Ends with 0 whatever it shows. With --fail: 1 where an --sla was not kept, 5 where no run could
    tell.
    """
    if fail and not objectives:
        raise click.UsageError("--fail needs an --sla")
    order = HistoryOrder(
        cell=cell,
        metrics=metrics,
        since=since,
        objectives=objectives,
        share=share,
        ref=ref,
        policy_path=policy_path,
        folder=folder,
        pruned=pruned,
    )
    with outside() as world:
        found = read_history(order, world)
    text = _shown(found, form, runs, to_file=to is not None)
    if to is None:
        say(text)
    else:
        _write(to, text)
        tell(f"wrote {to}")
    if form in ("html", "json") or to is not None:
        for warning in found.warnings:
            tell(f"warning: {warning}")
    return _code(found) if fail else EXIT_OK


def _shown(found: History, form: str, runs: int | None, *, to_file: bool) -> str:
    if form == "html":
        from lens_gate.render.history_page import history_page  # noqa: PLC0415  # large, rarely used

        return history_page(found)
    if form == "json":
        from lens_gate.render.history_json import history_json  # noqa: PLC0415

        return history_json(found)
    if form == "markdown":
        from lens_gate.render.history_markdown import history_markdown  # noqa: PLC0415

        return history_markdown(found, runs=20 if runs is None else runs)
    from lens_gate.render.history_terminal import history_terminal  # noqa: PLC0415

    return history_terminal(found, width=width(), colour=colour() and not to_file, runs=runs)


def _write(to: Path, text: str) -> None:
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorldError(
            f"{to} can't be written: {error.strerror}", "give --to another file"
        ) from error


def _code(found: History) -> int:
    kept = [one for cell in found.cells for one in cell.kept]
    if any(one.runs and not one.kept for one in kept):
        return EXIT_FAILED
    if not kept or not all(one.runs for one in kept):
        return EXIT_UNMEASURED
    return EXIT_OK

"""`lens-gate compare`: two or more targets side by side."""

from collections.abc import Callable

import click

from lens_gate.cli.adhoc_end import exit_code, say_columns_json, say_spend, tell_warnings
from lens_gate.cli.adhoc_options import adhoc_options, cache_option, warmup_option
from lens_gate.cli.terminal import outside, say
from lens_gate.errors import LensError
from lens_gate.flows.adhoc import AdHoc, measure_adhoc
from lens_gate.flows.columns import columns
from lens_gate.render.side_by_side import several_targets


@click.command("compare")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET TARGET...")
@click.option(
    "-n",
    "--pairs",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    metavar="N",
    help="How often each target is asked.",
)
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many prompts are under way at once, each at one target after the other.",
)
@warmup_option
@cache_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@adhoc_options
def command(
    *,
    order: Callable[..., AdHoc],
    targets: tuple[str, ...],
    pairs: int,
    concurrency: int,
    warmup: int,
    cache: str,
    as_json: bool,
) -> int:
    """Measure targets side by side, prompt by prompt, and show by how much they differ.

    Each prompt goes to every target in turn, in an order drawn anew each time, so that the hour and
    the network bear on all alike. Differences are against the first target, with 95 % intervals.

    \b
    lens-gate compare openai:gpt-4.1-mini anthropic:claude-haiku-4-5 -n 40
    lens-gate compare openai:gpt-4.1-mini,region=us openai:gpt-4.1-mini,region=eu
    """  # noqa: D301  # \b is the character by which click keeps the lines as they are
    if len(targets) < 2:
        raise LensError("there is nothing to compare with", "name two targets or more")
    scenario = {"load": {"pattern": "closed", "concurrency": concurrency}, "cache": cache}
    asked = order(targets, requests=pairs, warmup=warmup, scenario=scenario, side_by_side=True)
    with outside() as world:
        found = measure_adhoc(asked, world)
    tell_warnings(found)
    shown = columns(found)
    if as_json:
        say_columns_json(shown)
    else:
        say(several_targets(shown))
        say_spend(found, asked)
    return exit_code(found)

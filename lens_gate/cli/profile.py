"""`lens-gate profile`: one request, and where its time and money went."""

from collections.abc import Callable

import click

from lens_gate.cli.adhoc_end import tell_warnings
from lens_gate.cli.adhoc_options import TARGET_HELP, adhoc_options
from lens_gate.cli.terminal import outside, say, width
from lens_gate.errors import EXIT_OK, EXIT_UNMEASURED
from lens_gate.flows.adhoc import AdHoc, measure_adhoc
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.metrics.arms import measured
from lens_gate.render.waterfall import waterfall


@click.command("profile")
@click.option("--target", required=True, metavar="TARGET", help=TARGET_HELP)
@click.option("--no-stream", is_flag=True, help="Ask for the answer in one piece.")
@adhoc_options
def command(*, order: Callable[..., AdHoc], target: str, no_stream: bool) -> int:
    """Send one request and show it as a waterfall: DNS to the last byte, gaps, tokens, cost.

    \b
    lens-gate profile --target openai:gpt-4.1-mini --prompt "Say hello."
    """  # noqa: D301  # \b is the character by which click keeps the lines as they are
    scenario = {"connection": "cold", **({"stream": False} if no_stream else {})}
    asked = order((target,), requests=1, warmup=0, scenario=scenario)
    with outside() as world:
        found = measure_adhoc(asked, world)
    tell_warnings(found)
    sample = next(iter(measured(found.run.samples)), None)
    if sample is None:
        say("nothing was measured: " + (found.run.end.detail if found.run.end else "cut off"))
        return EXIT_UNMEASURED
    say(
        waterfall(
            sample,
            width=width(),
            price=found.plan.cells[0].prices.source,
        )
    )
    say(f"\nwrote {asked.output / RUN_FILE}")
    return EXIT_OK if sample.failure is None else EXIT_UNMEASURED

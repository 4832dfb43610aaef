"""`lens-gate selftest`: the policy proven on simulated servers, for CI to do each week."""

import json
import tempfile
from pathlib import Path

import click

from lens_gate.cli.adhoc_end import INTERRUPTED
from lens_gate.cli.options import duration, policy_option, seed_option
from lens_gate.cli.terminal import outside, say, tell
from lens_gate.errors import EXIT_FAILED, EXIT_OK, EXIT_UNMEASURED
from lens_gate.flows.selftest import BrokenOffError, SelftestOrder, selftest
from lens_gate.records.codec import to_json
from lens_gate.render.selftest import selftest_text


@click.command("selftest")
@policy_option
@click.option(
    "--time",
    "seconds",
    default="2m",
    show_default=True,
    callback=duration,
    metavar="TIME",
    help="About how long it may take, at most.",
)
@seed_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(*, policy_path: str | None, seconds: float, seed: int | None, as_json: bool) -> int:
    """Prove the policy on simulated servers: unchanged it must not fail, slowed it must.

    The plan is that of a pull request, with the real prices and so the real N; every target is
    replaced by a simulated one with the noise of its kind. Needs no key, sends nothing to a real
    target and spends nothing. Ends with 0 where the policy is proven and with 1 where it is not.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="lens-gate-selftest-") as folder,
            outside() as world,
        ):
            order = SelftestOrder(
                policy_path=policy_path, time_s=seconds, seed=seed, folder=Path(folder)
            )
            report = selftest(order, world)
    except BrokenOffError as error:
        tell(error.message)
        return INTERRUPTED.get(error.reason, EXIT_UNMEASURED)
    say(json.dumps(to_json(report), indent=2) if as_json else selftest_text(report))
    return EXIT_OK if report.proven else EXIT_FAILED

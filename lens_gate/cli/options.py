"""Options that several verbs share, each with its environment variable."""

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from pathlib import Path

import click

from lens_gate.cli.workflow_options import compare_option, scenario_option
from lens_gate.flows.gate import Order
from lens_gate.flows.overriding import Overrides
from lens_gate.flows.planning import Lowered
from lens_gate.flows.sources import BASE_VARIABLE
from lens_gate.records.policy import Compare
from lens_gate.units import parse_duration, parse_usd


def usd(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Decimal | None:
    """An option's amount of money."""
    if value is None:
        return None
    try:
        return parse_usd(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """An option's time, in seconds, above zero."""
    if value is None:
        return None
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds == 0:
        raise click.BadParameter("no time at all measures nothing")
    return seconds


policy_option = click.option(
    "--policy",
    "policy_path",
    envvar="LENS_GATE_POLICY",
    metavar="FILE",
    help="The policy file [default: lens-gate.yaml, .github/lens-gate.yaml].",
)
base_option = click.option(
    "--base",
    envvar=BASE_VARIABLE,
    metavar="REF",
    help="In local and manual runs: measure against the policy as it was where the work tree left "
    "this branch.",
)
output_option = click.option(
    "--output",
    envvar="LENS_GATE_OUTPUT",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("lens-gate-out"),
    show_default=True,
    metavar="DIR",
    help="Where run.jsonl, report.json, report.html, summary.md and junit.xml go.",
)
seed_option = click.option(
    "--seed",
    envvar="LENS_GATE_SEED",
    type=click.IntRange(0, 2**62),
    metavar="N",
    help="Seed of prompt order, resampling and simulated providers [default: a fresh one].",
)
plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="DIST",
    help="An installed distribution whose providers may be used; may be repeated.",
)


_CAPS = (
    click.option(
        "--max-usd",
        envvar="LENS_GATE_MAX_USD",
        callback=usd,
        metavar="USD",
        help="Lower the policy's cap on money, such as 0.25.",
    ),
    click.option(
        "--max-requests",
        envvar="LENS_GATE_MAX_REQUESTS",
        type=click.IntRange(1),
        metavar="N",
        help="Lower the policy's cap on requests.",
    ),
    click.option(
        "--max-duration",
        envvar="LENS_GATE_MAX_DURATION",
        callback=duration,
        metavar="TIME",
        help="Lower the policy's cap on time, such as 5m.",
    ),
)


def cap_options(function: Callable[..., int]) -> Callable[..., int]:
    """--max-usd, --max-requests and --max-duration, handed over as one ``Lowered``."""

    @wraps(function)
    def gathered(
        *args: object,
        max_usd: Decimal | None,
        max_requests: int | None,
        max_duration: float | None,
        **rest: object,
    ) -> int:
        lowered = Lowered(max_usd=max_usd, max_requests=max_requests, max_duration_s=max_duration)
        return function(*args, lowered=lowered, **rest)

    for option in reversed(_CAPS):
        gathered = option(gathered)
    return gathered


def order_options(function: Callable[..., int]) -> Callable[..., int]:
    """What is measured, how, and where it is written, handed over as one ``Order``."""

    @policy_option
    @base_option
    @output_option
    @scenario_option
    @compare_option
    @cap_options
    @seed_option
    @wraps(function)
    def gathered(
        *,
        policy_path: str | None,
        base: str | None,
        output: Path,
        lowered: Lowered,
        seed: int | None,
        scenarios: tuple[str, ...],
        compare: Compare | None,
        **rest: object,
    ) -> int:
        order = Order(
            policy_path=policy_path,
            output=output,
            lowered=lowered,
            seed=seed,
            base=base,
            overrides=Overrides(scenarios=scenarios, compare=compare),
        )
        return function(order, **rest)

    return gathered

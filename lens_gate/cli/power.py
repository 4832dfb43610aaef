"""`lens-gate power`: what a policy can see at its budget, and at others."""

import json

import click

from lens_gate.cli.options import cap_options, policy_option
from lens_gate.cli.terminal import outside, say
from lens_gate.errors import EXIT_OK
from lens_gate.flows.planning import Lowered, lower
from lens_gate.flows.power import power
from lens_gate.flows.sources import find_sources
from lens_gate.records.codec import to_json
from lens_gate.render.power import power_text


@click.command("power")
@policy_option
@cap_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(policy_path: str | None, lowered: Lowered, *, as_json: bool) -> int:
    """Show what the policy's rules can see at its budget. Sends nothing.

    For each rule that compares, at a quarter, half, once, twice and four times the budget: how many
    pairs a pull request gets, the chance that a change of twice the margin is found and that an
    unchanged build passes, and the smallest margin that would decide. It is computed from the test
    itself, with the spread of stored runs where there are some.
    """
    with outside() as world:
        sources = find_sources(world, policy_path)
        found = power(sources, lower(sources.policy.budget, lowered))
    say(json.dumps(to_json(found), indent=2) if as_json else power_text(found))
    return EXIT_OK

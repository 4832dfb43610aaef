"""`lens-gate check`: the policy's problems, or its plan; nothing is sent."""

import click

from lens_gate.cli.options import cap_options, policy_option
from lens_gate.cli.terminal import outside, say
from lens_gate.flows.planning import Lowered, lower
from lens_gate.flows.preparing import prepare
from lens_gate.flows.sources import find_sources
from lens_gate.policy.plan import expected, expected_duration, worst_case
from lens_gate.render.plan import plan_text


@click.command("check")
@policy_option
@cap_options
def command(policy_path: str | None, lowered: Lowered) -> int:
    """Check the policy and print the plan: cells, requests, cost, time. Sends nothing.

    All problems are listed at once, each with its place and remedy.
    """
    with outside() as world:
        sources = find_sources(world, policy_path)
        budget = lower(sources.policy.budget, lowered)
        prepared = prepare(sources, budget=budget, seed=0)
    plan = prepared.plan
    say(
        plan_text(
            plan,
            worst=worst_case(plan),
            expected=expected(plan),
            duration_s=expected_duration(plan),
            stored={cell: len(history.runs) for cell, history in prepared.histories.items()},
            apart={cell: tuple(h.incomparable) for cell, h in prepared.histories.items()},
            kinds={key: provider.kind for key, provider in prepared.providers.items()},
        )
    )
    return 0

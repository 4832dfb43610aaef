"""`lens-gate check`: the policy's problems, or its plan; nothing is sent."""

import click

from lens_gate.cli.options import cap_options, policy_option
from lens_gate.cli.terminal import outside, say
from lens_gate.errors import EXIT_OK, EXIT_UNMEASURED, LensError
from lens_gate.flows.connect import connect
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import Lowered, lower
from lens_gate.flows.preparing import prepare
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.policy.plan import expected, expected_duration, worst_case
from lens_gate.records.policy import Budget
from lens_gate.render.connections import Told, connections
from lens_gate.render.plan import plan_text


@click.command("check")
@policy_option
@cap_options
@click.option(
    "--connect", "ask", is_flag=True, help="Send one tiny request to each target instead."
)
def command(policy_path: str | None, lowered: Lowered, *, ask: bool) -> int:
    """Check the policy and print the plan: cells, requests, cost, time. Sends nothing.

    All problems are listed at once, each with its place and remedy. With --connect every target is
    asked one tiny question, inside the caps, and what is wrong is said plainly: key, address,
    model, quota, TLS.
    """
    with outside() as world:
        sources = find_sources(world, policy_path)
        budget = lower(sources.policy.budget, lowered)
        if ask:
            return _ask(sources, budget, world)
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


def _ask(sources: Sources, budget: Budget, world: Outside) -> int:
    if sources.not_measured:
        raise LensError(f"nothing may be sent: {sources.not_measured}")
    found = connect(sources.policy, budget, world)
    say(
        connections(
            [
                Told(target=c.target, sample=c.sample, problem=c.problem, remedy=c.remedy)
                for c in found
            ]
        )
    )
    works = all(c.sample is not None and c.sample.failure is None for c in found)
    return EXIT_OK if works else EXIT_UNMEASURED

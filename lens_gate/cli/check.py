"""`lens-gate check`: the policy's problems, or its plan; nothing is sent."""

from collections.abc import Mapping, Sequence

import click
from click.core import ParameterSource

from lens_gate.cli.adhoc_end import INTERRUPTED
from lens_gate.cli.options import base_option, cap_options, policy_option
from lens_gate.cli.terminal import outside, say
from lens_gate.cli.workflow_options import compare_option, scenario_option
from lens_gate.errors import EXIT_BUDGET, EXIT_OK, EXIT_UNMEASURED, EXIT_USAGE, LensError
from lens_gate.flows.connect import Connected, connect
from lens_gate.flows.explaining import VARIABLES, explained
from lens_gate.flows.outside import Outside
from lens_gate.flows.overriding import Overrides, overridden
from lens_gate.flows.planning import Lowered, lower, with_trusted_controls
from lens_gate.flows.power import check
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.policy.plan import expected, expected_duration, requests_of, worst_case
from lens_gate.records.plan import Plan
from lens_gate.records.policy import Budget, Compare
from lens_gate.records.sight import Sight
from lens_gate.render.connections import Told, connections
from lens_gate.render.plan import Costs, Planned, plan_text
from lens_gate.render.settings import settings_text


@click.command("check")
@policy_option
@base_option
@scenario_option
@compare_option
@cap_options
@click.option(
    "--connect",
    "ask",
    is_flag=True,
    help="Send one tiny request to each target instead, and say what is wrong.",
)
@click.option(
    "--explain",
    "tell",
    is_flag=True,
    help="Print every setting in force instead: its value, who said so, and at which ref.",
)
def command(  # one parameter for each option
    policy_path: str | None,
    base: str | None,
    lowered: Lowered,
    *,
    scenarios: tuple[str, ...],
    compare: Compare | None,
    ask: bool,
    tell: bool,
) -> int:
    """Check the policy and print the plan: cells, requests, cost, time. Sends nothing.

    Where a pull request is measured otherwise, pair by pair with its control, that plan is printed
    too; with --base the plan is that of the duet with what that branch sends. Rules that could not
    decide anything at this budget are refused; `lens-gate power` shows what other budgets would do.

    All problems are listed at once, each with its place and remedy. With --connect every target is
    asked one tiny question, inside the caps, and what is wrong is said plainly: key, address,
    model, quota, TLS. It ends with 5 where one does not answer, with 2 where one can't be asked.
    """
    with outside() as world:
        found = find_sources(world, policy_path, base=base, compare=compare)
        sources = overridden(found, Overrides(scenarios=scenarios, compare=compare))
        budget = lower(sources.policy.budget, lowered)
        if tell:
            say(settings_text(explained(sources, budget, said=_said(), environ=world.environ)))
            return EXIT_OK
        if ask:
            return _ask(sources, budget, world)
        checked = check(sources, budget)
    here = checked.here
    say(
        plan_text(
            _planned(here.plan, checked.sights),
            why=here.choice.why,
            stored={cell: len(history.runs) for cell, history in here.histories.items()},
            apart={cell: tuple(h.incomparable) for cell, h in here.histories.items()},
            kinds={key: provider.kind for key, provider in here.providers.items()},
            pulled=_planned(checked.pulled, checked.pulled_sights) if checked.pulled else None,
        )
    )
    return 0


def _said() -> Mapping[str, str]:
    """By setting, the flag or the variable that it came from."""
    context, found = click.get_current_context(), {}
    flags = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    for parameter, (setting, variable) in VARIABLES.items():
        source = context.get_parameter_source(parameter)
        if source is ParameterSource.COMMANDLINE:
            found[setting] = flags[parameter]
        elif source is ParameterSource.ENVIRONMENT:
            found[setting] = variable
    return found


def _planned(plan: Plan, sights: Sequence[Sight]) -> Planned:
    costs = Costs(
        requests=sum(map(requests_of, plan.cells)),
        expected=expected(plan),
        worst=worst_case(plan),
        duration_s=expected_duration(plan),
    )
    return Planned(plan=plan, costs=costs, sights=sights)


def _ask(sources: Sources, budget: Budget, world: Outside) -> int:
    if sources.not_measured:
        raise LensError(
            f"nothing may be sent: {sources.not_measured}",
            "`lens-gate check` without --connect sends nothing",
        )
    found = connect(with_trusted_controls(sources.policy, sources.trusted), budget, world)
    told = [
        Told(target=c.target, sample=c.sample, problem=c.problem, remedy=c.remedy)
        for c in found.targets
    ]
    say(connections(told, budget.max_usd))
    return _connect_code(found)


def _connect_code(found: Connected) -> int:
    """2: a target can't be asked as it is; 5: one did not answer; 4: the caps kept one back."""
    if found.end is not None and found.end.reason in INTERRUPTED:
        return INTERRUPTED[found.end.reason]
    if any(c.lacking for c in found.targets):
        return EXIT_USAGE
    if any(c.sample is not None and c.sample.failure is not None for c in found.targets):
        return EXIT_UNMEASURED
    return EXIT_BUDGET if any(c.sample is None for c in found.targets) else EXIT_OK

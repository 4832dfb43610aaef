"""Comparing two targets without a policy: a duet, judged as any other.

Two targets and some rules become a policy in memory, in which one target is the other's control.
From there on it is the gate's own line: plan, pairs, looks, verdicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.errors import InputError, LensError
from lens_gate.flows.adhoc import AdHoc, adhoc_document, plain, planning_budget, read_adhoc
from lens_gate.flows.judging import terms_of
from lens_gate.flows.looking import looking
from lens_gate.flows.measuring import Conduct, measure_plan, new_header
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import protocols, unit_prices
from lens_gate.flows.preparing import resolve_keys
from lens_gate.metrics.catalogue import by_blocks, split_metric
from lens_gate.policy.plan import make_plan
from lens_gate.policy.plan_duet import ControlSide
from lens_gate.policy.refuse import refuse
from lens_gate.policy.spec import Document
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import Plan
from lens_gate.records.policy import Policy
from lens_gate.records.run import Run

LEAST_PAIRS: Final = 16
_MANY: Final = 100_000
_WHY: Final = "two targets side by side"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """The run of two targets, and the policy that they came to."""

    run: Run
    policy: Policy


def measure_duel(order: AdHoc, rules: Sequence[Mapping[str, object]], outside: Outside) -> Duel:
    """Measure pair by pair what was asked for: ``order.targets`` are the control and the head.

    ``order.requests`` are the pairs, at most: fewer where the caps hold no more, and where all
    rules are decided before. ``rules`` are as in a policy's ``gates``.

    Raises:
        LensError: the request makes no sense, a price or a key is missing, or the rules could not
            decide anything with so few pairs.
        BudgetError: the caps are too small for that.
    """
    plan, providers = plan_duel(order, rules, outside)
    policy = plan.policy
    header = new_header(
        plan,
        outside,
        commit=None,
        dirty=False,
        providers=providers,
        mode="interleaved",
        why=_WHY,
    )
    conduct = Conduct(
        header=header,
        journal_path=order.output / RUN_FILE,
        providers=providers,
        keys=resolve_keys(policy, outside),
        control_keys=resolve_keys(policy, outside),
        after_look=looking(terms_of(policy, header, providers)),
    )
    return Duel(run=measure_plan(plan, conduct, outside), policy=policy)


def plan_duel(
    order: AdHoc, rules: Sequence[Mapping[str, object]], outside: Outside
) -> tuple[Plan, Mapping[str, Provider]]:
    """What would be sent at what cost, and the targets' protocols; nothing is sent.

    Raises:
        LensError: as ``measure_duel``.
    """
    policy = duel_policy(order, rules, outside)
    seed = outside.entropy() if order.seed is None else order.seed
    try:
        providers = protocols(policy)
        prices = unit_prices(policy, providers, at=outside.now())
        plan = make_plan(
            policy,
            budget=planning_budget(order, policy),
            seed=seed,
            prices=prices,
            providers=providers,
            history={},
            control=ControlSide(policy=policy, prices=prices, providers=providers, pairs="named"),
        )
        kinds = {key: provider.kind for key, provider in providers.items()}
        return refuse(replace(plan, budget=policy.budget), kinds=kinds), providers
    except InputError as error:
        raise plain(error) from None


def duel_policy(order: AdHoc, rules: Sequence[Mapping[str, object]], outside: Outside) -> Policy:
    """The policy that two targets and their rules come to.

    Raises:
        LensError: it makes no sense; the message lists all that is wrong.
    """
    if len(order.targets) != 2:
        raise LensError("a duel is between two targets", "name a control and a head")
    document = adhoc_document(order)
    control, head = document["targets"]
    document["targets"][head] = {**document["targets"][head], "control": control}
    scenario = document["scenarios"][order.name]
    scenario["targets"] = [head]
    scenario["gates"] = [dict(rule) for rule in rules]
    scenario["samples"]["min"] = min(LEAST_PAIRS, order.requests)
    document["baseline"] = {"compare": "interleaved"}
    document["budget"]["max_requests"] = _most_requests(order, rules, scenario)
    return read_adhoc(order, document, outside.cwd)


def _most_requests(order: AdHoc, rules: Sequence[Mapping[str, object]], scenario: Document) -> int:
    """Twice what both arms send, warm calls for each prompt included: money is the cap."""
    load = scenario.get("load")
    closed = not isinstance(load, Mapping) or load.get("pattern", "closed") == "closed"
    if not closed or any(_whole(rule) for rule in rules):
        return _MANY
    return 2 * 2 * (2 * order.requests + order.warmup)


def _whole(rule: Mapping[str, object]) -> bool:
    """Whether it asks for a number of whole blocks of load."""
    try:
        return by_blocks(split_metric(str(rule.get("metric")))[0])
    except ValueError:
        return False  # the policy's own checks say what is wrong with it

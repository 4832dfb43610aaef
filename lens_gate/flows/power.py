"""What a policy can see at a spend: a pull request is planned, and its rules are tried on the plan.

Nothing is sent. A pull request is rehearsed as a duet of the policy with itself: what it costs and
how many pairs it gives does not depend on what the change will be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from lens_gate.errors import BudgetError, LensError
from lens_gate.flows.planning import (
    expectations,
    protocols,
    spreads,
    unit_prices,
    with_trusted_controls,
)
from lens_gate.flows.preparing import Prepared, prepare, stored_runs
from lens_gate.flows.sources import Sources
from lens_gate.metrics.catalogue import TargetKind
from lens_gate.policy.plan import expected, make_plan, requests_of
from lens_gate.policy.plan_duet import ControlSide
from lens_gate.policy.refuse import is_refused, refuse
from lens_gate.policy.sight import Spreads, asked, family, sight
from lens_gate.providers.interface import Provider
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Plan, UnitPrices
from lens_gate.records.policy import Budget, Policy
from lens_gate.records.sight import PowerReport, Sight, Spending

TIMES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The spends that a policy is looked at: parts and multiples of its budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a plan of a policy is made from, apart from its budget."""

    policy: Policy
    providers: Mapping[str, Provider]
    prices: Mapping[str, UnitPrices]
    stored: Mapping[str, Sequence[Baseline]]

    @property
    def kinds(self) -> Mapping[str, TargetKind]:
        """The kind of each target."""
        return {key: provider.kind for key, provider in self.providers.items()}

    @property
    def spreads(self) -> Spreads:
        """What the stored runs say of how metrics scatter."""
        return spreads(self.stored)


def rehearsal(sources: Sources) -> Rehearsal:
    """What the policy of these sources would be planned from.

    Raises:
        InputError: unknown prices, or words that a protocol does not have.
        LensError: a plug-in is missing or broken.
    """
    policy = with_trusted_controls(sources.policy, sources.trusted)
    providers = protocols(policy)
    return Rehearsal(
        policy=policy,
        providers=providers,
        prices=unit_prices(policy, providers),
        stored=stored_runs(sources),
    )


def rehearsed(given: Rehearsal, budget: Budget) -> Plan:
    """The plan of a pull request that changes nothing: each cell against itself.

    With ``compare: history`` or ``none`` only targets that name a control have one there too.

    Raises:
        BudgetError: the caps do not hold ``samples.min`` of the gating cells, both arms.
    """
    policy = given.policy
    side = ControlSide(
        policy=policy,
        prices=given.prices,
        providers=given.providers,
        pairs="all" if policy.baseline.compare in ("auto", "interleaved") else "named",
    )
    return make_plan(
        policy,
        budget=budget,
        seed=0,
        prices=given.prices,
        providers=given.providers,
        history=expectations(given.stored),
        control=side,
    )


def sights(plan: Plan, kinds: Mapping[str, TargetKind], seen: Spreads) -> tuple[Sight, ...]:
    """What the relative rules of a plan can see, in the policy's order."""
    return tuple(sight(q, refused=is_refused(plan, q)) for q in asked(plan, kinds, seen))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The plan of a run at this place, and that of a pull request where it is another one."""

    here: Prepared
    sights: tuple[Sight, ...]
    pulled: Plan | None
    pulled_sights: tuple[Sight, ...] = ()


def check(sources: Sources, budget: Budget) -> Checked:
    """The plans of a policy, in which every gating rule can decide something.

    Raises:
        InputError: unknown prices, or rules that could not decide, here or in a pull request.
        BudgetError: the caps do not hold the least of either.
    """
    here = prepare(sources, budget=budget, seed=0)
    given = rehearsal(sources)
    kinds, seen = given.kinds, given.spreads
    own = sights(here.plan, kinds, seen)
    compares = sources.policy.baseline.compare in ("auto", "interleaved")
    if here.choice.pairs == "all" or not compares:
        return Checked(here=here, sights=own, pulled=None)
    try:
        pulled = refuse(rehearsed(given, budget), kinds=kinds, spreads=seen)
    except BudgetError as error:
        raise BudgetError(f"in a pull request: {error.message}", error.hint) from None
    if pulled.cells == here.plan.cells:
        return Checked(here=here, sights=own, pulled=None)
    return Checked(here=here, sights=own, pulled=pulled, pulled_sights=sights(pulled, kinds, seen))


def power(sources: Sources, budget: Budget) -> PowerReport:
    """What a policy can see at several spends.

    Raises:
        InputError: unknown prices.
        LensError: no rule of the policy compares anything.
    """
    given = rehearsal(sources)
    policy = given.policy
    rules = [rule for scenario in policy.scenarios.values() for rule in scenario.rules]
    if not any(rule.relative for rule in rules):
        raise LensError(
            "no rule of this policy compares with anything: absolute limits need no power",
            "a gate without max and min, or with max_regression, compares",
        )
    return PowerReport(
        policy=policy.name,
        confidence=policy.confidence,
        checks=family(policy),
        spendings=tuple(_spending(given, budget, times) for times in TIMES),
    )


def _spending(given: Rehearsal, budget: Budget, times: float) -> Spending:
    budget = _scaled(budget, times)
    usd = budget.max_usd or Decimal(0)
    given = replace(given, policy=_more(given.policy, times))
    try:
        plan = rehearsed(given, budget)
    except BudgetError:
        why = "too little for samples.min of every gating cell"
        return Spending(times=times, max_usd=usd, requests=0, usd=Decimal(0), sights=(), why=why)
    return Spending(
        times=times,
        max_usd=usd,
        requests=sum(map(requests_of, plan.cells)),
        usd=expected(plan),
        sights=sights(plan, given.kinds, given.spreads),
    )


def _scaled(budget: Budget, times: float) -> Budget:
    usd, requests, seconds = budget.max_usd, budget.max_requests, budget.max_duration_s
    return Budget(
        max_usd=None if usd is None else usd * Decimal(times),
        max_requests=None if requests is None else int(requests * times),
        max_duration_s=None if seconds is None else seconds * times,
    )


def _more(policy: Policy, times: float) -> Policy:
    """The policy with its targets' budgets scaled too; beyond its own spend, with more samples."""
    targets = {
        key: replace(target, budget=_scaled(target.budget, times))
        for key, target in policy.targets.items()
    }
    scenarios = {
        key: replace(
            scenario,
            samples=replace(
                scenario.samples, max=max(scenario.samples.max, int(scenario.samples.max * times))
            ),
        )
        for key, scenario in policy.scenarios.items()
    }
    return replace(policy, targets=targets, scenarios=scenarios)

"""From a policy to a plan: how many requests each cell gets, at what cost, before any is sent.

Two different prices decide. That ``samples.min`` of every gating cell can be paid for is checked
at the *worst-case* price, since otherwise a run could end without an answer: nothing is sent then
(exit code 4). How far beyond the minimum a cell goes is shared out at the *expected* price, and
frozen: N never grows during a run (letting it follow the money spent raises the false alarms,
statistics.md 3.4).
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

from lens_gate.errors import BudgetError
from lens_gate.load import expected_s, offered, within
from lens_gate.load.question import chat_request, output_limit
from lens_gate.metrics import pricing
from lens_gate.policy.allot import (
    Cap,
    Draft,
    Resource,
    Share,
    allot,
    allot_new,
    lacking,
    remainder,
)
from lens_gate.policy.fingerprint import fingerprint
from lens_gate.providers.interface import Provider
from lens_gate.records.codec import to_json
from lens_gate.records.plan import CellPlan, Plan, UnitPrices
from lens_gate.records.policy import Budget, Load, Policy, Prompt, Scenario, Target
from lens_gate.units import format_duration

ASSUMED = "assumed: answers as long as allowed, 4 bytes an input token, 1 s + 20 ms a token"
STORED = "stored runs"
_ASSUMED_START_S = 1.0
_ASSUMED_TOKEN_S = 0.02
_BYTES_A_TOKEN = 4
_TOKENS_A_PICTURE = 1000
# Of a longer load the beginning is played out, which tells as much.
_PLAYED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What earlier runs of a cell let us expect of one request: means."""

    output_tokens: float
    input_tokens: float
    e2e_s: float


def make_plan(
    policy: Policy,
    *,
    budget: Budget,
    seed: int,
    prices: Mapping[str, UnitPrices],
    providers: Mapping[str, Provider],
    history: Mapping[str, Expectation],
) -> Plan:
    """The plan of a policy: N, cost and time of every cell.

    Cells come in the order in which they are best measured: gating ones first, those of scenarios
    that are new in the head last, since these get only what the others' worst case leaves. A cell
    that gates nothing, or is new, and has no room for its ``samples.min`` gets N = 0 and a warning;
    a new one then gates nothing in this run.

    Args:
        policy: the effective policy.
        budget: its budget, possibly lowered.
        seed: of the run.
        prices: unit prices by target.
        providers: protocols by target.
        history: by cell (``scenario/target``), where earlier runs are known.

    Raises:
        BudgetError: ``samples.min`` of the gating cells is not affordable at the worst-case price.
    """
    drafts = [
        _draft(scenario, policy.targets[key], prices[key], providers[key], history, budget)
        for scenario in policy.scenarios.values()
        for key in scenario.targets
    ]
    trusted = sorted((d for d in drafts if not d.scenario.new_in_head), key=lambda d: not d.gating)
    new = sorted((d for d in drafts if d.scenario.new_in_head), key=lambda d: not d.gating)
    own = [Cap(target=key, budget=target.budget) for key, target in policy.targets.items()]
    caps = [Cap(target=None, budget=budget), *own]
    gating = [d for d in trusted if d.gating]
    short = lacking(gating, caps)
    if short is not None:
        raise _too_small(*short, gating)
    shares = allot(trusted, caps)
    new, shares_of_new = allot_new(new, [remainder(cap, trusted, shares) for cap in caps])
    shares |= shares_of_new
    cells = tuple(_cell(policy, d, shares[d.cell]) for d in (*trusted, *new))
    plan = Plan(policy=policy, budget=budget, seed=seed, cells=cells, warnings=())
    return replace(plan, warnings=tuple(_warnings(plan)))


def worst_case(plan: Plan) -> Decimal:
    """What the plan costs if every request, and every retry, costs the most it can; US dollars.

    It may lie above the budget's cap, which the ledger keeps whatever happens.
    """
    retries = {key: target.retries for key, target in plan.policy.targets.items()}
    costs = (c.worst_usd * (c.n + c.warmup) * (1 + retries[c.target]) for c in plan.cells)
    return sum(costs, Decimal(0))


def expected(plan: Plan) -> Decimal:
    """What the plan is expected to cost, US dollars."""
    return sum((c.expected_usd * (c.n + c.warmup) for c in plan.cells), Decimal(0))


def expected_duration(plan: Plan) -> float:
    """How long the plan is expected to take, seconds: cells are measured one after the other."""
    loads = {key: scenario.load for key, scenario in plan.policy.scenarios.items()}
    return math.fsum(
        expected_s(loads[c.scenario], c.n, c.expected_s, warmup=c.warmup) for c in plan.cells
    )


def _draft(
    scenario: Scenario,
    target: Target,
    prices: UnitPrices,
    provider: Provider,
    history: Mapping[str, Expectation],
    budget: Budget,
) -> Draft:
    limits = [output_limit(scenario, prompt) for prompt in scenario.prompts]
    worst = max(
        pricing.reserve_for(
            prices, provider.bound_input(chat_request(scenario, target, prompt)), limit
        )
        for prompt, limit in zip(scenario.prompts, limits, strict=True)
    )
    mean_limit = sum(limits) / len(limits)
    found = history.get(f"{scenario.key}/{target.key}")
    seen = found or Expectation(
        output_tokens=mean_limit,
        input_tokens=_mean_input(scenario),
        e2e_s=_ASSUMED_START_S + _ASSUMED_TOKEN_S * mean_limit,
    )
    most = _most(scenario, budget)
    cost = pricing.expected(prices, seen.input_tokens, min(seen.output_tokens, mean_limit))
    return Draft(
        scenario=scenario,
        target=target,
        gating=any(
            rule.severity == "fail" and (not rule.targets or target.key in rule.targets)
            for rule in scenario.rules
        ),
        attempts=1 + target.retries,
        most=most,
        each_s=_each_s(scenario.load, min(most, _looked_at(budget)), seen.e2e_s),
        worst_usd=worst,
        expected_usd=min(cost, worst),
        expected_s=seen.e2e_s,
        expected_from=STORED if found else ASSUMED,
        prices=prices,
        provider=provider,
    )


def _most(scenario: Scenario, budget: Budget) -> int:
    """The largest N that ``samples.max`` and the load allow.

    A load that ends by itself is played out, no longer than the budget has requests.
    """
    load = scenario.load
    most = scenario.samples.max * max(1, len(load.steps))
    if load.duration_s is None and not load.arrivals and load.rate_to != 0:
        return most
    played = most if budget.max_requests is None else min(most, budget.max_requests)
    reached = offered(load, played)
    return reached if reached < played else most


def _looked_at(budget: Budget) -> int:
    """How many requests of a load are played out in advance: never more than can be sent.

    A head may ask for any number in scenarios of its own, and wait for none of them.
    """
    return _PLAYED if budget.max_requests is None else min(_PLAYED, budget.max_requests)


def _each_s(load: Load, n: int, request_s: float) -> Fraction:
    """The time that one request adds, on average over ``n`` of them."""
    if load.pattern == "closed" or n == 0:
        return Fraction(request_s) / load.concurrency
    return Fraction(expected_s(load, n, request_s)) / n


def _mean_input(scenario: Scenario) -> float:
    """Input tokens of a prompt, on average: asked for, or by the length of what is read."""
    around = [scenario.system or ""]
    around += [json.dumps(to_json(t)) for t in scenario.tools]
    own = [_input_tokens(prompt) for prompt in scenario.prompts]
    return math.fsum(own) / len(own) + sum(len(t.encode()) for t in around) / _BYTES_A_TOKEN


def _input_tokens(prompt: Prompt) -> float:
    if prompt.input_tokens is not None:
        return prompt.input_tokens
    texts = [m.content for m in prompt.messages]
    texts += [call.arguments for m in prompt.messages for call in m.tool_calls]
    pictures = sum(len(m.images) for m in prompt.messages)
    return sum(len(t.encode()) for t in texts) / _BYTES_A_TOKEN + pictures * _TOKENS_A_PICTURE


def _too_small(short: Resource, cap: Cap, gating: Sequence[Draft]) -> BudgetError:
    drafts = [d for d in gating if cap.covers(d)]
    if short == "requests":
        needs = sum(d.least * d.attempts for d in drafts)
        each = "; ".join(f"{d.cell} needs {_requests(d)}" for d in drafts)
        return BudgetError(
            f"{cap.name}.max_requests of {cap.budget.max_requests} does not hold samples.min of "
            f"the gating cells: {each}; {needs} in all. Nothing was sent.",
            f"raise {cap.name}.max_requests to {needs} or more, or lower samples.min",
        )
    total = sum((d.worst(d.least) for d in drafts), Decimal(0))
    each = "; ".join(
        f"{d.cell} may cost ${_enough(d.worst(d.least))} "
        f"({_requests(d)} at up to ${_enough(d.worst_usd)})"
        for d in drafts
    )
    allowed = cap.budget.max_usd or Decimal(0)
    return BudgetError(
        f"{cap.name}.max_usd of ${allowed:f} does not pay for samples.min of "
        f"the gating cells at the worst-case price: {each}; ${_enough(total)} in all. "
        "Nothing was sent.",
        f"raise {cap.name}.max_usd to {_enough(total)} or more, or lower max_output_tokens or "
        "samples.min",
    )


def _requests(draft: Draft) -> str:
    warmup = draft.warmup(draft.min_n)
    warm = f" + {warmup} warm-up" if warmup else ""
    retries = f", each sent up to {draft.attempts} times" if draft.attempts > 1 else ""
    return f"{draft.min_n}{warm} requests{retries}"


def _enough(amount: Decimal) -> str:
    """Dollars rounded up, so that a cap of this amount is enough."""
    step = Decimal(1).scaleb(min(-2, amount.adjusted() - 2))
    return f"{amount.quantize(step, rounding=ROUND_CEILING):f}"


def _cell(policy: Policy, draft: Draft, share: Share) -> CellPlan:
    return CellPlan(
        scenario=draft.scenario.key,
        target=draft.target.key,
        n=share.n,
        warmup=draft.warmup(share.n) if share.n else 0,
        min_n=draft.min_n,
        concurrency=draft.scenario.load.concurrency,
        gating=draft.gating,
        worst_usd=draft.worst_usd,
        expected_usd=draft.expected_usd,
        expected_s=draft.expected_s,
        expected_from=draft.expected_from,
        limited_by=share.limited_by,
        prices=draft.prices,
        fingerprint=fingerprint(policy, draft.scenario, draft.target, draft.provider),
        load=within(draft.scenario.load, share.n),
    )


def _warnings(plan: Plan) -> Iterable[str]:
    for cell in plan.cells:
        if cell.n:
            continue
        new = plan.policy.scenarios[cell.scenario].new_in_head
        why = "is new in this change" if new else "gates nothing"
        few = f"the budget leaves too little {cell.limited_by}"
        if cell.limited_by == "requests":
            few = "the budget leaves too few requests"
        elif cell.limited_by == "load":
            few = "its load offers too few requests"
        yield f"{cell.cell} {why} and is not measured: {few} for its samples.min of {cell.min_n}"
    for scenario in plan.policy.scenarios.values():
        limits = [prompt.max_output_tokens or 0 for prompt in scenario.prompts]
        cut = sum(limit > scenario.max_output_tokens for limit in limits)
        if scenario.follows_trace and cut:
            yield (
                f"{scenario.key}: {cut} of {len(limits)} answers of the trace are longer than "
                f"max_output_tokens of {scenario.max_output_tokens}, and are cut there"
            )
    cap, needs = plan.budget.max_duration_s, expected_duration(plan)
    if cap is not None and needs > cap:
        yield (
            f"the run is expected to take {format_duration(needs)} and budget.max_duration is "
            f"{format_duration(cap)}: it may end before samples.min is reached"
        )

"""From a policy to a plan: how many requests each cell gets, at what cost, before any is sent.

Two different prices decide. That ``samples.min`` of every gating cell can be paid for is checked
at the *worst-case* price, since otherwise a run could end without an answer: nothing is sent then
(exit code 4). How far beyond the minimum a cell goes is shared out at the *expected* price, and
frozen: N never grows during a run (letting it follow the money spent raises the false alarms,
statistics.md 3.4).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from lens_gate.load import expected_s, within
from lens_gate.policy.allot import (
    Cap,
    Draft,
    Share,
    allot,
    allot_new,
    lacking,
    remainder,
)
from lens_gate.policy.drafting import Expectation, Sent, arm_draft, each_s, expectation, most
from lens_gate.policy.fingerprint import fingerprint
from lens_gate.policy.plan_duet import (
    BLOCK_PAIRS,
    ControlSide,
    Pairing,
    block_seconds,
    duet_draft,
    duet_of,
    pairing,
    running_on,
)
from lens_gate.policy.plan_words import shrunk, too_small, warnings
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import CellPlan, Duet, Plan, UnitPrices
from lens_gate.records.policy import Budget, Policy, Scenario


def make_plan(
    policy: Policy,
    *,
    budget: Budget,
    seed: int,
    prices: Mapping[str, UnitPrices],
    providers: Mapping[str, Provider],
    history: Mapping[str, Expectation],
    control: ControlSide | None = None,
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
        control: what the control arms send, and which cells have one; N of cells that it shares
            with the head is what the head leaves of it, and a warning says where that is less.

    Raises:
        BudgetError: ``samples.min`` of the gating cells is not affordable at the worst-case price.
    """
    head = _Side(policy=policy, prices=prices, providers=providers)
    cells = _Cells(head, control, history, budget)
    trusted = [d for d in cells.drafts if not d.scenario.new_in_head]
    caps = _caps(policy, budget)
    gating = [d for d in trusted if d.gating]
    short = lacking(gating, caps)
    if short is not None:
        raise too_small(*short, gating)
    shares = allot(trusted, caps)
    new, shares_of_new = allot_new(
        [d for d in cells.drafts if d.scenario.new_in_head],
        [remainder(cap, trusted, shares) for cap in caps],
    )
    shares |= shares_of_new
    every = (*trusted, *new)
    more = running_on(every, shares, [remainder(cap, every, shares) for cap in caps])
    plan = Plan(
        policy=policy,
        budget=budget,
        seed=seed,
        cells=tuple(_cell(cells, d, shares[d.cell], more.get(d.cell, 0)) for d in every),
        warnings=(),
        control=control.policy if control and cells.pairings else None,
    )
    less = () if control is None else _shrunk(control, history, budget, trusted, shares)
    return replace(plan, warnings=(*less, *warnings(plan, expected_s=expected_duration(plan))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A policy with its prices and protocols, by target key."""

    policy: Policy
    prices: Mapping[str, UnitPrices]
    providers: Mapping[str, Provider]


class _Cells:
    """The drafts of all cells, those that gate first, and how those of duets are paired.

    ``unpaired`` says why a cell that should be a duet is none.
    """

    def __init__(
        self,
        head: _Side,
        control: ControlSide | None,
        history: Mapping[str, Expectation],
        budget: Budget,
    ) -> None:
        self.head, self.control = head, control
        self.pairings: dict[str, Pairing] = {}
        self.unpaired: dict[str, str] = {}
        drafts = [
            self._draft(scenario, key, history, budget)
            for scenario in head.policy.scenarios.values()
            for key in scenario.targets
        ]
        self.drafts = sorted(drafts, key=lambda draft: not draft.gating)

    def _draft(
        self, scenario: Scenario, key: str, history: Mapping[str, Expectation], budget: Budget
    ) -> Draft:
        sent = Sent(
            scenario=scenario,
            prompts=scenario.prompts,
            target=self.head.policy.targets[key],
            prices=self.head.prices[key],
            provider=self.head.providers[key],
        )
        gating = any(
            rule.severity == "fail" and (not rule.targets or key in rule.targets)
            for rule in scenario.rules
        )
        cell = f"{scenario.key}/{key}"
        found = pairing(sent, self.control)
        if isinstance(found, Pairing):
            self.pairings[cell] = found
            confirm = self.head.policy.confirm and gating
            return duet_draft(found, history, gating=gating, confirm=confirm)
        if found is not None:
            self.unpaired[cell] = found
        return _alone(sent, history.get(cell), budget, gating=gating)


def _alone(sent: Sent, found: Expectation | None, budget: Budget, *, gating: bool) -> Draft:
    """A cell without a control, before its N is known."""
    scenario, seen = sent.scenario, expectation(sent, found)
    reach = most(scenario, budget)
    each = each_s(scenario.load, reach, seen.e2e_s, budget)
    return Draft(
        scenario=scenario,
        head=arm_draft(sent, seen, each, known=found is not None),
        gating=gating,
        most=reach,
        min_n=scenario.samples.min * max(1, len(scenario.load.steps)),
        prompts=len(scenario.prompts),
        warms=scenario.cache == "warm",
    )


def _caps(policy: Policy, budget: Budget) -> list[Cap]:
    own = [Cap(target=key, budget=target.budget) for key, target in policy.targets.items()]
    return [Cap(target=None, budget=budget), *own]


def requests(cell: CellPlan) -> int:
    """Requests of each arm of a cell, warm-up included; those of a confirming block are not."""
    size = cell.duet.block_requests if cell.duet else 0
    return cell.n * max(1, size) + cell.warmup


def requests_of(cell: CellPlan) -> int:
    """Requests of all arms of a cell, warm-up included; those of a confirming block are not."""
    return requests(cell) * (1 if cell.duet is None else 2)


def _at_most(scenario: Scenario, cell: CellPlan, duet: Duet) -> int:
    """Requests of each arm of a duet, with its warm-up, confirming block and blocks that go on."""
    measured = (cell.n + duet.confirm) * max(1, duet.block_requests + duet.block_more)
    warms = duet.salted or scenario.cache == "warm"
    warm = min(len(scenario.prompts) - len(duet.only_head), measured) if warms else 0
    return measured + scenario.samples.warmup + warm


def worst_case(plan: Plan) -> Decimal:
    """What the plan costs if every request, and every retry, costs the most it can; US dollars.

    With both arms of duets, their confirming blocks, and closed blocks that go on. It may lie above
    the budget's cap, which the ledger keeps whatever happens.
    """
    total = Decimal(0)
    for cell in plan.cells:
        each = cell.worst_usd * (1 + plan.policy.targets[cell.target].retries)
        if cell.duet is None or plan.control is None:
            total += each * requests(cell)
            continue
        control = plan.control.targets[cell.duet.control]
        each += cell.duet.worst_usd * (1 + control.retries)
        total += each * _at_most(plan.policy.scenarios[cell.scenario], cell, cell.duet)
    return total


def expected(plan: Plan) -> Decimal:
    """What the plan is expected to cost, US dollars, if no duet is decided early or confirmed."""
    return sum(
        (
            (c.expected_usd + (c.duet.expected_usd if c.duet else 0)) * requests(c)
            for c in plan.cells
        ),
        Decimal(0),
    )


def expected_duration(plan: Plan) -> float:
    """How long the plan is expected to take, seconds, if no duet is decided early or confirmed.

    One request of a slot at a time: the arms of a pair follow one another, and so do the cells.
    """
    return math.fsum(cell_duration(plan.policy.scenarios[c.scenario], c) for c in plan.cells)


def cell_duration(scenario: Scenario, cell: CellPlan) -> float:
    """How long one cell is expected to take, seconds, likewise."""
    load, duet = scenario.load, cell.duet
    if duet is None:
        return expected_s(load, cell.n, cell.expected_s, warmup=cell.warmup)
    both_s = (cell.expected_s + duet.expected_s) / load.concurrency
    if not duet.block_requests:
        return (cell.n + cell.warmup) * both_s
    blocks = [
        block_seconds(load, duet.block_requests, seconds)
        for seconds in (cell.expected_s, duet.expected_s)
    ]
    return cell.n * math.fsum(blocks) + cell.warmup * both_s


def _cell(cells: _Cells, draft: Draft, share: Share, more: int) -> CellPlan:
    head, scenario, paired = draft.head, draft.scenario, cells.pairings.get(draft.cell)
    duet = None
    if paired is not None and cells.control is not None and draft.control is not None:
        control = cells.control.policy
        duet = duet_of(paired, draft, draft.control, share.n, control, more=more)
    measured = share.n * max(1, draft.block_requests)
    warmup = scenario.samples.warmup + (min(draft.prompts, measured) if draft.warms else 0)
    return CellPlan(
        scenario=scenario.key,
        target=draft.target.key,
        n=share.n,
        warmup=warmup if share.n else 0,
        min_n=min(BLOCK_PAIRS, max(1, share.n)) if draft.block_requests else draft.min_n,
        concurrency=scenario.load.concurrency,
        gating=draft.gating,
        worst_usd=head.worst_usd,
        expected_usd=head.expected_usd,
        expected_s=head.expected_s,
        expected_from=head.expected_from,
        limited_by=share.limited_by,
        prices=head.prices,
        fingerprint=fingerprint(cells.head.policy, scenario, draft.target, head.provider),
        load=within(scenario.load, draft.block_requests or share.n),
        duet=duet,
        unpaired=cells.unpaired.get(draft.cell, ""),
    )


def _shrunk(
    control: ControlSide,
    history: Mapping[str, Expectation],
    budget: Budget,
    trusted: Sequence[Draft],
    shares: Mapping[str, Share],
) -> Iterable[str]:
    """Where the head cuts N below what the control's side alone would have, in words."""
    side = _Side(policy=control.policy, prices=control.prices, providers=control.providers)
    before = [
        d for d in _Cells(side, control, history, budget).drafts if not d.scenario.new_in_head
    ]
    shares_before = allot(before, _caps(control.policy, budget))
    return shrunk({d.cell: d for d in trusted}, {d.cell: d for d in before}, shares, shares_before)

"""The control's side of a plan: which cells are measured in pairs, of what, and in which blocks.

A *pair* is one prompt id, of which each arm sends its own text. Where a load has a schedule of its
own, or a rule asks for a number that no single request has, the arms alternate in *blocks* of load
instead, and two blocks, one of each arm, are the pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from lens_gate.load import forecast, is_open, offered
from lens_gate.metrics.catalogue import by_blocks
from lens_gate.policy.allot import ArmDraft, Cap, Draft, Share
from lens_gate.policy.drafting import PLAYED, Expectation, Sent, arm_draft, expectation, moved
from lens_gate.policy.fingerprint import fingerprint
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import Duet, Look, UnitPrices
from lens_gate.records.policy import Load, Policy, Scenario, Target
from lens_gate.stats.looks import looks

BLOCK_PAIRS: Final = 8
"""Fewer pairs of blocks decide nothing."""
NO_COMMON_PROMPTS: Final = "no common prompts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSide:
    """What the control arms send, at which prices, in which protocols; by target key.

    ``pairs`` says which cells are duets: ``all`` that have a control, those whose target is
    ``named`` with one of its own (``control:``), or ``none``: then this side only tells what N
    would be without the head. ``by_position`` names, by scenario, the prompts that this policy has
    under the head's ids since they stand in the same place.
    """

    policy: Policy
    prices: Mapping[str, UnitPrices]
    providers: Mapping[str, Provider]
    pairs: Literal["all", "named", "none"]
    by_position: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What both arms of a duet cell send, and which prompts are no pair, or one by their place."""

    head: Sent
    control: Sent
    only_head: tuple[str, ...]
    only_control: tuple[str, ...]
    by_position: tuple[str, ...] = ()


def pairing(head: Sent, side: ControlSide | None) -> Pairing | str | None:
    """How a cell is measured in pairs; why it can't be; ``None`` where it should not be.

    A scenario that is new in the head has no control, nor has a target that the control lacks. A
    sweep describes: it is never held against anything. Where nothing but absolute limits is asked
    for, a control would double the cost and decide nothing; unless the target names one.
    """
    control = _control(head, side)
    if control is None:
        return None
    ours = {prompt.id for prompt in head.scenario.prompts}
    theirs = {prompt.id for prompt in control.scenario.prompts}
    common = ours & theirs
    if not common:
        return NO_COMMON_PROMPTS
    salted = head.scenario.cache == "as_is"
    return Pairing(
        head=_of(head, common, salted=salted),
        control=_of(control, common, salted=salted),
        only_head=tuple(p.id for p in head.scenario.prompts if p.id not in common),
        only_control=tuple(p.id for p in control.scenario.prompts if p.id not in common),
        by_position=side.by_position.get(head.scenario.key, ()) if side else (),
    )


def _control(head: Sent, side: ControlSide | None) -> Sent | None:
    scenario, own = head.scenario, head.target.control
    if side is None or side.pairs == "none" or (side.pairs == "named" and own is None):
        return None
    key = own or head.target.key
    if scenario.new_in_head or scenario.load.pattern == "sweep":
        return None
    if own is None and not _compares(head):
        return None
    if not has_control(side.policy, scenario, head.target):
        return None
    return Sent(
        scenario=side.policy.scenarios[scenario.key],
        prompts=(),
        target=side.policy.targets[key],
        prices=side.prices[key],
        provider=side.providers[key],
    )


def has_control(control: Policy, scenario: Scenario, target: Target) -> bool:
    """Whether the control's policy has what a cell of the head is held against.

    A target that names no control is its own, and only where the control's scenario is sent to it:
    one that is new in the head would be held against itself.
    """
    other = control.scenarios.get(scenario.key)
    if other is None:
        return False
    if target.control is not None:
        return target.control in control.targets
    return target.key in other.targets


def _compares(head: Sent) -> bool:
    """Whether a rule holds this cell against anything, other than one that the head adds."""
    return any(
        rule.relative
        and not rule.new_in_head
        and (not rule.targets or head.target.key in rule.targets)
        for rule in head.scenario.rules
    )


def _of(sent: Sent, common: set[str], *, salted: bool) -> Sent:
    prompts = tuple(prompt for prompt in sent.scenario.prompts if prompt.id in common)
    return replace(sent, prompts=prompts, salted=salted)


def in_blocks(scenario: Scenario, target: Target) -> bool:
    """Whether the arms of this cell alternate in blocks of load."""
    return is_open(scenario.load) or any(
        rule.relative and not rule.new_in_head and by_blocks(rule.metric)
        for rule in scenario.rules
        if target.key in rule.targets
    )


def block_load(load: Load) -> Load:
    """The load of one block: the declared one, for as long as a block lasts."""
    seconds = load.block_s if load.duration_s is None else min(load.block_s, load.duration_s)
    return replace(load, duration_s=seconds)


def block_size(load: Load, request_s: float) -> int:
    """The requests of a block whose requests take so long.

    Arrivals by chance come to their mean: a block that has as many sooner is over sooner.
    """
    block = block_load(load)
    if not is_open(load):
        return max(1, forecast(block, PLAYED, request_s).requests)
    return max(1, offered(block, PLAYED))


def running_on(
    drafts: Sequence[Draft], shares: Mapping[str, Share], left: Sequence[Cap]
) -> Mapping[str, int]:
    """By how many requests a closed block of a cell may go on beyond those planned for it.

    Their number is that of an expected time: a server that is faster answers them before the block
    is over. ``left`` is what caps hold beyond the worst case of all that is planned, so that no
    cell, no later block and no confirming one lacks what is sent here. Every block of either arm of
    every such cell gets as much.
    """
    closed = [d for d in drafts if d.block_requests and not is_open(d.scenario.load)]
    blocks = {d.cell: shares[d.cell].n * (2 if d.confirm else 1) for d in closed}
    most = PLAYED
    for cap in left:
        covered = [d for d in closed if cap.covers(d)]
        requests = sum(cap.worst_requests(d, blocks[d.cell]) for d in covered)
        usd = sum((cap.worst_usd(d, blocks[d.cell]) for d in covered), Decimal(0))
        if requests and cap.budget.max_requests is not None:
            most = min(most, cap.budget.max_requests // requests)
        if usd and cap.budget.max_usd is not None:
            most = min(most, int(cap.budget.max_usd // usd))
    return {d.cell: most for d in closed}


def block_seconds(load: Load, requests: int, request_s: float) -> float:
    """How long a block of so many requests lasts, its draining included."""
    return forecast(block_load(load), requests, request_s).seconds


def block_warmup(scenario: Scenario, target: Target) -> int:
    """The warm requests with which a block of cold ones begins; none where no rule asks for them.

    As many as the cell's own warm-up, which is what cold requests are held against elsewhere.
    """
    asks = any(
        rule.metric == "cold_start_penalty" and target.key in rule.targets
        for rule in scenario.rules
    )
    return max(1, scenario.samples.warmup) if asks and scenario.connection == "cold" else 0


def duet_draft(
    found: Pairing, history: Mapping[str, Expectation], *, gating: bool, confirm: bool
) -> Draft:
    """A duet cell before its N is known.

    Stored runs are of what the control's side of the policy asks: what is expected of the head is
    moved from there by what it asks otherwise.
    """
    scenario = found.head.scenario
    cells = [f"{scenario.key}/{arm.target.key}" for arm in (found.head, found.control)]
    known = [history.get(cell) for cell in cells]
    known[0] = moved(known[0], found.control, found.head)
    arms = (found.head, found.control)
    seen = [expectation(sent, one) for sent, one in zip(arms, known, strict=True)]
    size = 0
    if in_blocks(scenario, found.head.target):
        # The faster arm sets it: a closed loop sends as it is answered.
        size = block_size(scenario.load, min(one.e2e_s for one in seen))
        size += block_warmup(scenario, found.head.target)
    head, control = (
        arm_draft(sent, one, _each_s(scenario.load, size, one.e2e_s), known=stored is not None)
        for sent, one, stored in zip(arms, seen, known, strict=True)
    )
    return Draft(
        scenario=scenario,
        head=head,
        control=control,
        gating=gating,
        most=scenario.samples.max,
        min_n=1 if size else scenario.samples.min,
        prompts=len(found.head.prompts),
        warms=found.head.salted or scenario.cache == "warm",
        block_requests=size,
        confirm=confirm,
    )


def _each_s(load: Load, size: int, request_s: float) -> Fraction:
    """The time that one request of an arm adds to the run."""
    if not size:
        return Fraction(request_s) / load.concurrency
    return Fraction(block_seconds(load, size, request_s)) / size


def duet_of(
    found: Pairing, draft: Draft, control: ArmDraft, n: int, policy: Policy, *, more: int
) -> Duet:
    """The control's side of a cell whose N is known; ``policy`` is the control's.

    ``more`` is by how many requests a closed block may go on.
    """
    scenario = draft.scenario
    size = draft.block_requests
    taken = ((n, 1.0),) if size and n else looks(n, draft.min_n)
    return Duet(
        control=control.target.key,
        prices=control.prices,
        fingerprint=fingerprint(policy, found.control.scenario, control.target, control.provider),
        worst_usd=control.worst_usd,
        expected_usd=control.expected_usd,
        expected_s=control.expected_s,
        looks=tuple(Look(pairs=pairs, share=share) for pairs, share in taken),
        confirm=n if draft.confirm else 0,
        salted=found.head.salted,
        block_s=block_load(scenario.load).duration_s or 0.0 if size else 0.0,
        block_requests=size,
        block_more=more,
        block_warmup=block_warmup(scenario, draft.target) if size else 0,
        only_head=found.only_head,
        only_control=found.only_control,
        by_position=found.by_position,
    )

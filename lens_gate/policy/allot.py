"""Sharing a budget among cells: equal parts, none more than it can use, gating ones their minimum.

Fractions keep the arithmetic exact: a cell whose share is just its minimum gets it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

from lens_gate.providers.interface import Provider
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import Budget, Scenario, Target

Resource: TypeAlias = Literal["money", "requests", "time"]
_RESOURCES: tuple[Resource, ...] = ("money", "requests", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDraft:
    """What one request of an arm takes, and where it goes.

    ``attempts`` is how often it may be sent, at most; ``each_s`` the expected time that it adds to
    the run, ``expected_s`` how long it takes itself.
    """

    target: Target
    attempts: int
    each_s: Fraction
    worst_usd: Decimal
    expected_usd: Decimal
    expected_s: float
    expected_from: str
    prices: UnitPrices
    provider: Provider

    def unit(self, resource: Resource) -> Fraction:
        """What one request is expected to take of a resource."""
        if resource == "money":
            return Fraction(self.expected_usd)
        return self.each_s if resource == "time" else Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A cell before its N is known: the head's arm and, in a duet, its control's.

    ``most`` is the largest N that policy and load allow, ``min_n`` the smallest that may be looked
    at. In blocks of load N counts those, of ``block_requests`` each. ``prompts`` is how many
    different ones are sent; ``warms``: each is sent once, unmeasured, before it is measured.
    ``confirm``: as much again is set aside to test a failure on.
    """

    scenario: Scenario
    head: ArmDraft
    gating: bool
    most: int
    min_n: int
    prompts: int
    warms: bool
    control: ArmDraft | None = None
    block_requests: int = 0
    confirm: bool = False

    @property
    def target(self) -> Target:
        """The target of the cell: the head's."""
        return self.head.target

    @property
    def arms(self) -> tuple[ArmDraft, ...]:
        """The head's, and the control's where there is one."""
        return (self.head,) if self.control is None else (self.head, self.control)

    @property
    def cell(self) -> str:
        """``scenario/target``."""
        return f"{self.scenario.key}/{self.target.key}"

    @property
    def steps(self) -> int:
        """Into how many equal parts N is divided."""
        return max(1, len(self.scenario.load.steps))

    @property
    def each(self) -> int:
        """Requests of each arm for one more of N, those of a confirming block among them."""
        return max(1, self.block_requests) * (2 if self.confirm else 1)

    @property
    def least(self) -> int:
        """Requests an arm of the smallest measurement that may be looked at, with its warm-up."""
        return self.total(self.min_n)

    def warmup(self, n: int) -> int:
        """Unmeasured requests of each arm at such an N, those that warm a prompt cache too."""
        return self.scenario.samples.warmup + (
            min(self.prompts, n * self.each) if self.warms else 0
        )

    def total(self, n: int) -> int:
        """Requests of each arm at such an N, warm-up included."""
        return n * self.each + self.warmup(n)

    def fitting(self, requests: int) -> int:
        """The largest N of which each arm's requests, warm-up included, are no more than these."""
        left = requests - self.scenario.samples.warmup
        n = left // self.each
        if self.warms:
            few = min(left // (2 * self.each), self.prompts // self.each)
            n = max((left - self.prompts) // self.each, few)
        return n - n % self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A budget over the requests to one target, or over all (``target`` is ``None``)."""

    target: str | None
    budget: Budget

    @property
    def name(self) -> str:
        """Where the policy has it."""
        return "budget" if self.target is None else f"targets.{self.target}.budget"

    def arms(self, draft: Draft) -> tuple[ArmDraft, ...]:
        """The arms of a cell whose requests draw on it: each on that of the target it goes to."""
        return tuple(arm for arm in draft.arms if self.target in (None, arm.target.key))

    def covers(self, draft: Draft) -> bool:
        """Whether the cell draws on it."""
        return bool(self.arms(draft))

    def unit(self, draft: Draft, resource: Resource) -> Fraction:
        """What one request of each arm is expected to take of it."""
        return sum((arm.unit(resource) for arm in self.arms(draft)), Fraction(0))

    def worst_requests(self, draft: Draft, requests: int) -> int:
        """How often so many requests of each arm may be sent, retries included."""
        return requests * sum(arm.attempts for arm in self.arms(draft))

    def worst_usd(self, draft: Draft, requests: int) -> Decimal:
        """What so many requests of each arm cost at most, retries included."""
        each = (arm.worst_usd * arm.attempts for arm in self.arms(draft))
        return requests * sum(each, Decimal(0))

    def amount(self, resource: Resource) -> Fraction | None:
        """How much of a resource it allows; ``None`` where it sets no limit."""
        found: Decimal | float | None = self.budget.max_requests
        if resource == "money":
            found = self.budget.max_usd
        elif resource == "time":
            found = self.budget.max_duration_s
        return None if found is None else Fraction(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """N of a cell, and what cut it below ``samples.max`` (nothing: the empty word)."""

    n: int
    limited_by: Resource | Literal["load", ""]


def lacking(drafts: Iterable[Draft], caps: Iterable[Cap]) -> tuple[Resource, Cap] | None:
    """The first cap that can't carry ``samples.min`` of these cells in the worst case, if any.

    Worst are money and requests, retries included; of time only the expectation is known, and it is
    not asked here.
    """
    every = list(drafts)
    for cap in caps:
        covered = [d for d in every if cap.covers(d)]
        requests = sum(cap.worst_requests(d, d.least) for d in covered)
        if cap.budget.max_requests is not None and requests > cap.budget.max_requests:
            return "requests", cap
        money = sum((cap.worst_usd(d, d.least) for d in covered), Decimal(0))
        if cap.budget.max_usd is not None and money > cap.budget.max_usd:
            return "money", cap
    return None


def allot(drafts: Sequence[Draft], caps: Sequence[Cap]) -> dict[str, Share]:
    """N of each cell: its equal share of every resource under every cap.

    A gating cell gets its ``samples.min`` in any case. Another one that can't have it gets nothing,
    and what it would have had goes to the rest: a handful of requests could decide nothing.
    """
    rest, dropped = list(drafts), dict[str, Share]()
    while True:
        shares = {d.cell: _n(d, rest, caps) for d in rest}
        for draft in reversed(rest):
            found = shares[draft.cell]
            if not draft.gating and found.n < draft.min_n:
                rest.remove(draft)
                dropped[draft.cell] = replace(found, n=0)
                break
        else:
            return shares | dropped


def _n(draft: Draft, drafts: Sequence[Draft], caps: Iterable[Cap]) -> Share:
    whole = draft.scenario.samples.max * draft.steps
    best = Share(n=draft.most, limited_by="load" if draft.most < whole else "")
    for cap in caps:
        if not cap.covers(draft):
            continue
        covered = [d for d in drafts if cap.covers(d)]
        for resource in _RESOURCES:
            amount, unit = cap.amount(resource), cap.unit(draft, resource)
            if amount is None or unit == 0:
                continue
            level = _level(amount, [_bounds(d, cap, resource) for d in covered])
            low, high = _bounds(draft, cap, resource)
            n = draft.fitting(math.floor(max(low, min(high, level)) / unit))
            if n < best.n:
                best = Share(n=max(0, n), limited_by=resource)
    return best


def _bounds(draft: Draft, cap: Cap, resource: Resource) -> tuple[Fraction, Fraction]:
    """The least and the most of a resource that a cell can take, warm-up included."""
    unit = cap.unit(draft, resource)
    least = draft.least if draft.gating else 0
    return unit * least, unit * draft.total(draft.most)


def _level(amount: Fraction, bounds: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """The equal share: the highest level at which all cells together stay within the amount.

    A cell that can't use its share leaves the rest to the others; one that needs more than an equal
    share for its least takes it from them. Where the leasts alone exceed the amount, each has its
    least (this can only be time, which is expected and not promised).
    """

    def used(level: Fraction) -> Fraction:
        return sum((max(low, min(high, level)) for low, high in bounds), Fraction(0))

    points = sorted({point for pair in bounds for point in pair})
    level = max((p for p in points if used(p) <= amount), default=points[0])
    rising = sum(low <= level < high for low, high in bounds)
    if level == points[-1] or used(level) >= amount:
        return level
    return level + (amount - used(level)) / rising


def allot_new(drafts: Sequence[Draft], left: Sequence[Cap]) -> tuple[list[Draft], dict[str, Share]]:
    """N of the cells that a head adds, from what is left; the last give way where that is little.

    They come back with ``gating`` off where they are not measured: a change must not block itself
    by adding a scenario that the budget at the trust ref, which it can't raise, does not hold.
    """
    rest, settled = list(drafts), dict[str, Share]()
    while rest:
        short = lacking(rest, left) or _late(rest, left)
        if short is None:
            break
        resource, cap = short
        last = next(d for d in reversed(rest) if cap.covers(d))
        rest.remove(last)
        settled[last.cell] = Share(n=0, limited_by=resource)
    # The least of all that remain fits, of those too that gate nothing.
    settled |= allot([replace(d, gating=True) for d in rest], left)
    return [d if settled[d.cell].n else replace(d, gating=False) for d in drafts], settled


def _late(drafts: Sequence[Draft], caps: Iterable[Cap]) -> tuple[Resource, Cap] | None:
    for cap in caps:
        needs = sum((cap.unit(d, "time") * d.least for d in drafts), Fraction(0))
        amount = cap.amount("time")
        if amount is not None and needs > amount:
            return "time", cap
    return None


def remainder(cap: Cap, drafts: Iterable[Draft], shares: Mapping[str, Share]) -> Cap:
    """What these cells leave of a cap in their worst case (of time: in the expected one)."""
    taken = [(d, d.total(shares[d.cell].n)) for d in drafts if cap.covers(d) and shares[d.cell].n]
    usd, requests, seconds = cap.budget.max_usd, cap.budget.max_requests, cap.budget.max_duration_s
    if usd is not None:
        usd = max(Decimal(0), usd - sum((cap.worst_usd(d, n) for d, n in taken), Decimal(0)))
    if requests is not None:
        requests = max(0, requests - sum(cap.worst_requests(d, n) for d, n in taken))
    if seconds is not None:
        seconds = max(0.0, seconds - sum(float(cap.unit(d, "time") * n) for d, n in taken))
    budget = Budget(max_usd=usd, max_requests=requests, max_duration_s=seconds)
    return replace(cap, budget=budget)

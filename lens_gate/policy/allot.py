"""Sharing a budget among cells: equal parts, none more than it can use, gating ones their minimum.

Fractions keep the arithmetic exact: a cell whose share is just its minimum gets it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

from lens_gate.load.order import warm_calls
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import Budget, Scenario, Target

Resource: TypeAlias = Literal["money", "requests", "time"]
_RESOURCES: tuple[Resource, ...] = ("money", "requests", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A cell before its N is known. ``attempts`` is how often one request may be sent, at most.

    ``most`` is the largest N that policy and load allow, ``each_s`` the expected time that one
    request adds to the run.
    """

    scenario: Scenario
    target: Target
    gating: bool
    attempts: int
    most: int
    each_s: Fraction
    worst_usd: Decimal
    expected_usd: Decimal
    expected_s: float
    expected_from: str
    prices: UnitPrices
    provider: Provider

    @property
    def cell(self) -> str:
        """``scenario/target``."""
        return f"{self.scenario.key}/{self.target.key}"

    @property
    def min_n(self) -> int:
        """The smallest N that may be looked at; in a sweep ``samples.min`` is of each step."""
        return self.scenario.samples.min * self.steps

    @property
    def steps(self) -> int:
        """Into how many equal parts N is divided."""
        return max(1, len(self.scenario.load.steps))

    @property
    def least(self) -> int:
        """Requests of the smallest measurement that may be looked at, warm-up included."""
        return self.total(self.min_n)

    def warmup(self, n: int) -> int:
        """Unmeasured requests before ``n`` measured ones, those that warm a prompt cache too."""
        warm = warm_calls(self.scenario.prompts, n) if self.scenario.cache == "warm" else 0
        return self.scenario.samples.warmup + warm

    def total(self, n: int) -> int:
        """Requests of a measurement of ``n``, warm-up included."""
        return n + self.warmup(n)

    def fitting(self, requests: int) -> int:
        """The largest N of which the requests, warm-up included, are no more than these."""
        n = requests - self.scenario.samples.warmup
        if self.scenario.cache == "warm":
            prompts = len(self.scenario.prompts)
            n = max(n - prompts, min(n // 2, prompts))
        return n - n % self.steps

    def worst(self, requests: int) -> Decimal:
        """What so many requests cost at most, retries included."""
        return self.worst_usd * requests * self.attempts

    def unit(self, resource: Resource) -> Fraction:
        """What one request is expected to take of a resource."""
        if resource == "money":
            return Fraction(self.expected_usd)
        if resource == "time":
            return self.each_s
        return Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A budget over the cells of one target, or of all (``target`` is ``None``)."""

    target: str | None
    budget: Budget

    @property
    def name(self) -> str:
        """Where the policy has it."""
        return "budget" if self.target is None else f"targets.{self.target}.budget"

    def covers(self, draft: Draft) -> bool:
        """Whether the cell draws on it."""
        return self.target in (None, draft.target.key)

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
        requests = sum(d.least * d.attempts for d in covered)
        if cap.budget.max_requests is not None and requests > cap.budget.max_requests:
            return "requests", cap
        money = sum((d.worst(d.least) for d in covered), Decimal(0))
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
            amount, unit = cap.amount(resource), draft.unit(resource)
            if amount is None or unit == 0:
                continue
            level = _level(amount, [_bounds(d, resource) for d in covered])
            low, high = _bounds(draft, resource)
            n = draft.fitting(math.floor(max(low, min(high, level)) / unit))
            if n < best.n:
                best = Share(n=max(0, n), limited_by=resource)
    return best


def _bounds(draft: Draft, resource: Resource) -> tuple[Fraction, Fraction]:
    """The least and the most of a resource that a cell can take, warm-up included."""
    unit = draft.unit(resource)
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
        needs = sum((d.unit("time") * d.least for d in drafts if cap.covers(d)), Fraction(0))
        amount = cap.amount("time")
        if amount is not None and needs > amount:
            return "time", cap
    return None


def remainder(cap: Cap, drafts: Iterable[Draft], shares: Mapping[str, Share]) -> Cap:
    """What these cells leave of a cap in their worst case (of time: in the expected one)."""
    taken = [(d, d.total(shares[d.cell].n)) for d in drafts if cap.covers(d) and shares[d.cell].n]
    usd, requests, seconds = cap.budget.max_usd, cap.budget.max_requests, cap.budget.max_duration_s
    if usd is not None:
        usd = max(Decimal(0), usd - sum((d.worst(n) for d, n in taken), Decimal(0)))
    if requests is not None:
        requests = max(0, requests - sum(n * d.attempts for d, n in taken))
    if seconds is not None:
        seconds = max(0.0, seconds - sum(float(d.unit("time") * n) for d, n in taken))
    budget = Budget(max_usd=usd, max_requests=requests, max_duration_s=seconds)
    return replace(cap, budget=budget)

"""Who goes when in a duet: which prompts both arms have, and which arm of a pair goes first.

Everything is drawn from seeded generators before it is sent, so that neither the answers nor the
worker that happens to be free can move it, and a saved run shows every choice.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lens_gate.load.order import Shuffler
from lens_gate.records.policy import Prompt

TURN = 4
"""Pairs of each worker in a cell's turn, where several of them are in flight at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The prompts of a duet, each arm's own text at the same place: unmeasured first, then N.

    The first ``lead`` pairs go before everything. ``calls`` are the unmeasured calls that warm a
    cache, by prompt id, each with its place: they wait for the first measured pair of their prompt.
    Measured pairs begin at ``start``.
    """

    head: tuple[Prompt, ...]
    control: tuple[Prompt, ...]
    lead: int
    calls: Mapping[str, int]

    @property
    def start(self) -> int:
        """How many unmeasured pairs there are at most."""
        return self.lead + len(self.calls)


def common(head: Sequence[Prompt], control: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The head's prompts whose ids the control has as well, in the head's order."""
    known = {prompt.id for prompt in control}
    return tuple(prompt for prompt in head if prompt.id in known)


def score(order: Sequence[Prompt], control: Sequence[Prompt], *, lead: int, measured: int) -> Score:
    """The prompts of both arms, from the head's in the order of sending.

    After the first ``lead`` of them, and before the last ``measured``, come those that warm a
    cache.

    Raises:
        KeyError: the control lacks one of them.
    """
    twins = {prompt.id: prompt for prompt in control}
    return Score(
        head=tuple(order),
        control=tuple(twins[prompt.id] for prompt in order),
        lead=lead,
        calls={order[place].id: place for place in range(lead, len(order) - measured)},
    )


def coins(n: int, rng: Shuffler) -> tuple[bool, ...]:
    """For each of ``n`` pairs whether the head goes first: a fair coin each."""
    return tuple(_coin(rng) for _ in range(n))


def alternating(n: int, rng: Shuffler) -> tuple[bool, ...]:
    """For each of ``n`` pairs of blocks whether the head goes first: randomised ABBA.

    A coin decides the first of every two, and the second is its reverse, so that a steady trend
    falls on both arms alike.
    """
    found: list[bool] = []
    while len(found) < n:
        first = _coin(rng)
        found += (first, not first)
    return tuple(found[:n])


def turns(cells: int, rng: Shuffler) -> tuple[int, ...]:
    """The order in which so many cells have their turns in one round."""
    return tuple(operator.index(i) for i in rng.permutation(cells))


def turn_ends(done: int, *, until: int, concurrency: int) -> int:
    """After how many pairs a cell's turn ends, of which ``done`` are, and ``until`` its next look.

    One pair where one request is in flight; else some for each worker, who would otherwise wait for
    each other after every pair.
    """
    size = 1 if concurrency == 1 else TURN * concurrency
    return min(done + size, until)


def _coin(rng: Shuffler) -> bool:
    return operator.index(next(iter(rng.permutation(2)))) == 0

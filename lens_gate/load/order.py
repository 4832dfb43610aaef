"""Which prompt goes when: balanced cycles, shuffled by a seeded generator."""

import operator
from collections.abc import Iterable, Sequence
from typing import Protocol, SupportsIndex

from lens_gate.records.policy import Prompt


class Shuffler(Protocol):
    """What is asked of a random generator (numpy's has it): the numbers below n in chance order."""

    def permutation(self, x: int, /) -> Iterable[SupportsIndex]:
        """A random order of ``range(x)``."""
        ...


def prompt_order(
    prompts: Sequence[Prompt], n: int, warmup: int, rng: Shuffler
) -> tuple[Prompt, ...]:
    """The prompts of a cell in the order of sending: ``warmup`` of them, then ``n`` measured ones.

    All prompts are cycled through, each cycle in a new random order, so that the measured requests
    hold every prompt equally often, give or take one, and a trend over the run falls on all alike.
    The warm-up continues the last cycle of the measured requests: it does not unbalance them, and
    as long as there are prompts enough, it uses none that is measured afterwards.

    Raises:
        ValueError: requests are asked for and there are no prompts.
    """
    total = n + warmup
    if total and not prompts:
        raise ValueError("there are no prompts to send")
    order: list[Prompt] = []
    while len(order) < total:
        order.extend(prompts[operator.index(i)] for i in rng.permutation(len(prompts)))
    return (*order[n:total], *order[:n])


def trace_order(prompts: Sequence[Prompt], n: int, warmup: int) -> tuple[Prompt, ...]:
    """The prompts of a replayed trace: ``warmup`` of them, then the first ``n`` in their order.

    Each measured prompt belongs to the arrival of its place, so nothing is shuffled; the warm-up
    takes the prompts after them, from the start again where there are no more.

    Raises:
        ValueError: requests are asked for and there are no prompts, or fewer than ``n``.
    """
    if n > len(prompts) or (warmup and not prompts):
        raise ValueError(f"{n} requests of a trace need as many prompts, not {len(prompts)}")
    before = (prompts[i % len(prompts)] for i in range(n, n + warmup))
    return (*before, *prompts[:n])


def warm_calls(prompts: Sequence[Prompt], n: int) -> int:
    """How many unmeasured calls send each prompt of ``n`` measured requests once before."""
    return min(len(prompts), n)


def warmed(order: Sequence[Prompt], n: int) -> tuple[Prompt, ...]:
    """An order whose warm-up ends with each prompt of its ``n`` measured requests, once."""
    start = len(order) - n
    each = {prompt.id: prompt for prompt in order[start:]}
    return (*order[:start], *each.values(), *order[start:])

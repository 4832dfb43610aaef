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

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.load.order import prompt_order, trace_order
from lens_gate.records.policy import Message, Prompt
from lens_gate.stats.rng import generator


def prompts(count: int) -> list[Prompt]:
    return [
        Prompt(id=f"p{i}", messages=(Message(role="user", content=f"{i}"),), max_output_tokens=None)
        for i in range(count)
    ]


def ids(count: int, n: int, warmup: int, *seed) -> list[str]:
    order = prompt_order(prompts(count), n, warmup, generator("order", *seed))
    return [prompt.id for prompt in order]


@given(count=st.integers(1, 12), n=st.integers(0, 60), warmup=st.integers(0, 5), seed=st.integers())
def test_measured_requests_hold_every_prompt_equally_often(count, n, warmup, seed) -> None:
    order = ids(count, n, warmup, seed)
    assert len(order) == n + warmup
    measured = Counter(order[warmup:])
    every = [measured[f"p{i}"] for i in range(count)]
    assert max(every) - min(every) <= 1
    together = Counter(order)
    assert max(together.values(), default=0) - min(together[f"p{i}"] for i in range(count)) <= 1


@given(count=st.integers(1, 12), n=st.integers(1, 60), seed=st.integers())
def test_every_stretch_is_a_balanced_mix_too(count, n, seed) -> None:
    """So that a look at the first requests, or a run cut short, has a fair mix as well."""
    order = ids(count, n, 0, seed)
    for end in range(1, n + 1):
        seen = Counter(order[:end])
        assert max(seen.values()) - min(seen[f"p{i}"] for i in range(count)) <= 1


def test_the_warm_up_uses_no_prompt_that_is_measured_as_long_as_there_are_enough() -> None:
    for seed in range(20):
        order = ids(10, 8, 2, seed)
        assert not set(order[:2]) & set(order[2:])


def test_order_is_by_chance_and_by_seed() -> None:
    orders = {tuple(ids(6, 6, 0, seed)) for seed in range(30)}
    assert len(orders) > 20
    assert ids(6, 30, 1, 7) == ids(6, 30, 1, 7)


def test_each_cycle_is_shuffled_anew() -> None:
    """A fixed order would tie each prompt to a phase of a periodic disturbance."""
    order = ids(8, 80, 0, 1)
    cycles = {tuple(order[i : i + 8]) for i in range(0, 80, 8)}
    assert len(cycles) > 5


def test_nothing_to_send_needs_no_prompts() -> None:
    assert prompt_order([], 0, 0, generator("x")) == ()
    with pytest.raises(ValueError, match="no prompts"):
        prompt_order([], 1, 0, generator("x"))


def test_a_trace_keeps_its_order_and_warms_up_with_what_comes_after() -> None:
    rows = prompts(5)

    def of(n, warmup):
        return [p.id for p in trace_order(rows, n, warmup)]

    assert of(3, 0) == ["p0", "p1", "p2"]
    assert of(3, 3) == ["p3", "p4", "p0", "p0", "p1", "p2"]
    assert trace_order([], 0, 0) == ()
    for impossible in ((rows, 6, 0), ([], 0, 1)):
        with pytest.raises(ValueError, match="as many prompts"):
            trace_order(*impossible)

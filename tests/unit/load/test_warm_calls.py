"""The unmeasured calls that fill a prompt cache before anything is measured."""

import pytest

from lens_gate.load.order import prompt_order, trace_order, warm_calls, warmed
from lens_gate.records.policy import Message, Prompt
from lens_gate.stats.rng import generator


def prompts(count):
    return [
        Prompt(id=f"p{i}", messages=(Message(role="user", content=f"{i}"),), max_output_tokens=None)
        for i in range(count)
    ]


@pytest.mark.parametrize(("count", "n", "calls"), [(5, 20, 5), (20, 5, 5), (5, 5, 5), (3, 0, 0)])
def test_each_measured_prompt_takes_one_call(count, n, calls):
    assert warm_calls(prompts(count), n) == calls


@pytest.mark.parametrize(("count", "n"), [(5, 20), (20, 5), (1, 3)])
@pytest.mark.parametrize("warmup", [0, 2])
def test_every_measured_prompt_was_sent_just_before(count, n, warmup):
    given = prompts(count)
    order = prompt_order(given, n, warmup, generator("order", 1))
    found = warmed(order, n)
    calls = warm_calls(given, n)
    assert found[:warmup] == order[:warmup]
    assert found[warmup + calls :] == order[warmup:]
    each = found[warmup : warmup + calls]
    assert len(set(each)) == calls
    assert set(each) == set(order[warmup:])


def test_a_trace_stays_in_its_order():
    given = prompts(4)
    found = warmed(trace_order(given, 3, 1), 3)
    assert [p.id for p in found] == ["p3", "p0", "p1", "p2", "p0", "p1", "p2"]

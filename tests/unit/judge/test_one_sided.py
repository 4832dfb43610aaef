"""Prompts that were replaced unpaired: nothing in their cell can pass."""

from dataclasses import replace

import pytest

from lens_gate.judge.sequential import replay

LIMIT = "chat/mini/ttft-limit/absolute-max"
RELATIVE = "chat/mini/ttft-typ/duet"
WHY = "1 prompt of the control is gone and 2 of the head are new: what those do is not known"


def terms_of(duet, only_head, only_control, **more):
    plan = duet.plan(60)
    apart = replace(plan.duet, only_head=only_head, only_control=only_control)
    rules = (duet.rule(), duet.limit(max=5.0))
    return duet.terms(*rules, plan=replace(plan, duet=apart), **more)


@pytest.mark.parametrize(
    ("only_head", "only_control", "verdict"),
    [
        ((), (), "pass"),
        (("x", "y"), (), "pass"),
        ((), ("a",), "pass"),
        (("x", "y"), ("a",), "inconclusive"),
    ],
)
def test_nothing_passes_where_prompts_came_and_others_went(duet, only_head, only_control, verdict):
    terms = terms_of(duet, only_head, only_control)
    samples = duet.pairs(60, head=0.9)
    state = replay(terms, "chat/mini", samples)
    found = state.verdicts
    good = {"pass", "improved"} if verdict == "pass" else {"inconclusive"}
    assert found[RELATIVE].verdict in good
    assert found[LIMIT].verdict in good
    if verdict == "inconclusive":
        assert all(v.reason.startswith(WHY) and v.needed_n is None for v in found.values())
        assert [look.pairs for look in state.looks][-1] == 60


def test_what_is_better_is_not_known_to_be_either(duet):
    terms = terms_of(duet, ("x", "y"), ("a",))
    state = replay(terms, "chat/mini", duet.pairs(60, head=0.5))
    assert state.verdicts[RELATIVE].verdict == "inconclusive"


def test_a_failure_stands(duet):
    terms = terms_of(duet, ("x", "y"), ("a",))
    state = replay(terms, "chat/mini", duet.pairs(60, head=3.0))
    assert (state.closed, state.looks[-1].pairs) == (True, 16)
    assert state.verdicts[RELATIVE].verdict == "fail"
    assert WHY not in state.verdicts[RELATIVE].reason

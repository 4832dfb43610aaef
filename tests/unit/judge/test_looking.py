"""The judge beside a measurement: its answers, with how many checks they leave open."""

from dataclasses import replace

from lens_gate.flows.looking import looking
from lens_gate.judge.sequential import answer, look, opening

CELL = "chat/mini"


def test_each_answer_says_how_many_checks_it_leaves_open(duet):
    rules = duet.rule(), duet.rule(metric="e2e", max_regression=0.02)
    terms = duet.terms(*rules, plan=duet.plan(24))
    samples = duet.pairs(24, head=1.1)
    after_look = looking(terms)
    state = opening(terms, CELL)
    for planned in terms.plans[CELL].duet.looks:
        own = [s for s in samples if s.pair < planned.pairs]
        state = look(terms, state, own, planned.pairs)
        told = after_look(CELL, planned.pairs, own)
        assert told == replace(answer(terms, state), open=state.looks[-1].open)
        assert told.open > 0
        if state.closed:
            break

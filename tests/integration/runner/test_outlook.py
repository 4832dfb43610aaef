"""What an onlooker is told of a run: the whole of it from the first news on, looks as they come."""

from dataclasses import replace

import pytest

from lens_gate.load import expected_s
from lens_gate.records.look import LookAnswer
from lens_gate.runner.outlook import outlook

LOOKS = [4, 8, 12]


@pytest.fixture
def paired(bench):
    plan = bench.plan(bench.policy(scenarios__chat__load={"pattern": "closed", "concurrency": 2}))
    return bench.paired(plan, n=12, warmup=1, looks=LOOKS)


def test_a_duet_may_end_at_each_of_its_looks(paired):
    (cell,) = outlook(paired)
    assert cell.requests == 2 * (12 + 1)
    # Warm-up pairs go before the first look.
    assert cell.looks == tuple(2 * (pairs + 1) for pairs in LOOKS)
    plan = paired.cells[0]
    assert cell.expected_s == pytest.approx(13 * (plan.expected_s + plan.duet.expected_s) / 2)


def test_blocks_count_all_their_requests(paired):
    (plan,) = paired.cells
    blocks = replace(plan, duet=replace(plan.duet, block_s=5.0, block_requests=7))
    (cell,) = outlook(replace(paired, cells=(blocks,)))
    assert cell.requests == 2 * (12 * 7 + 1)
    assert cell.looks[0] == 2 * (4 * 7 + 1)


def test_what_is_no_duet_is_measured_to_its_end(bench):
    plan = bench.plan(bench.policy())
    (cell,) = outlook(plan)
    own = plan.cells[0]
    assert (cell.requests, cell.looks) == (own.n + own.warmup, ())
    load = plan.policy.scenarios[own.scenario].load
    assert cell.expected_s == expected_s(load, own.n, own.expected_s, warmup=own.warmup)


def test_news_tell_of_looks_of_what_they_left_open_and_of_the_end(bench, paired):
    seen, open_ones = [], {4: 3, 8: 1}

    def look(_cell, pairs, _samples):
        action = "decided" if pairs == 8 else "go_on"
        return LookAnswer(action=action, open=open_ones[pairs])

    plan = replace(paired, budget=replace(paired.budget, max_duration_s=300.0))
    bench.run(plan, on_look=look, on_progress=lambda p, _: seen.append(p))
    by_done = {one.done: one for one in seen[:-1]}
    assert [(by_done[k].looks, by_done[k].open) for k in (1, 10, 11, 18)] == [
        (0, None),
        (0, None),
        (1, 3),
        (1, 3),
    ]
    last = seen[-1]
    assert (last.looks, last.open, last.end, last.done, last.total) == (2, 1, "decided", 18, 18)
    assert {one.end for one in seen[:-1]} == {""}
    assert {one.outlook for one in seen} == {outlook(plan)}
    assert {one.max_duration_s for one in seen} == {300.0}


def test_a_look_that_is_taken_again_after_its_confirming_block_is_one(bench, paired):
    plan = bench.paired(bench.plan(bench.policy()), n=12, looks=LOOKS, confirm=4)
    answers = iter(["confirm", "go_on", "go_on", "go_on"])
    seen = []
    bench.run(
        plan,
        on_look=lambda *_: LookAnswer(action=next(answers), open=2),
        on_progress=lambda p, _: seen.append((p.phase, p.looks)),
    )
    assert ("confirm", 1) in seen
    assert seen[-1] == ("measured", 2)

"""Pairs of blocks: each arm under the declared load for a while, in randomised ABBA order."""

from collections import Counter, defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from lens_gate.load import within
from lens_gate.load.duet_order import alternating
from lens_gate.metrics.arms import complete_blocks, whole_blocks
from lens_gate.records.look import LookAnswer
from lens_gate.records.policy import Arrival, Load
from lens_gate.stats.rng import generator

MS = 1_000_000


def blocks(bench, load, *, n, block_s=0.06, most=6, cells=1, scenario=None, **given):
    keys = ["one", "two"][:cells]

    def arm(model):
        policy = bench.policy(
            targets={key: {"provider": "simulated", "model": model} for key in keys},
            scenarios__chat__targets=keys,
        )
        own = replace(policy.scenarios["chat"], load=load, **(scenario or {}))
        return replace(policy, scenarios={"chat": own})

    plan = bench.plan(bench.policy(targets=dict.fromkeys(keys, TARGET), **{TARGETS: keys}))
    plan = replace(plan, policy=arm("new"))
    cells = tuple(
        replace(c, concurrency=load.concurrency, expected_s=0.003, load=within(load, most))
        for c in plan.cells
    )
    plan = replace(plan, cells=cells)
    return bench.paired(plan, n=n, policy=arm("old"), block_s=block_s, block_requests=most, **given)


TARGET = {"provider": "simulated", "model": "new"}
TARGETS = "scenarios__chat__targets"
CONSTANT = Load(pattern="constant", concurrency=20, rate=100.0)


def by_block(samples, phase="measured"):
    """By (number, arm), the samples in the order of sending; blocks in the order of sending."""
    found = defaultdict(list)
    for sample in sorted(samples, key=lambda s: s.seq):
        if sample.phase == phase:
            found[sample.block, sample.arm].append(sample)
    return found


def test_the_arms_alternate_in_blocks_each_drained_before_the_next(bench):
    outcome = bench.run(blocks(bench, CONSTANT, n=4, warmup=1))
    found = by_block(outcome.run.samples)
    first = alternating(4, generator(1, "first", "chat", "one", "measured"))
    expected = [
        (k, arm)
        for k in range(4)
        for arm in (("head", "control") if first[k] else ("control", "head"))
    ]
    assert list(found) == expected
    arms = [arm for _, arm in expected]
    assert arms[:4] in (
        ["head", "control", "control", "head"],
        ["control", "head", "head", "control"],
    )
    ended = 0
    for own in found.values():
        assert min(s.marks.due for s in own) >= ended
        ended = max(s.marks.done for s in own)
        dues = sorted(s.marks.due - min(s.marks.due for s in own) for s in own)
        assert dues == [k * 10 * MS for k in range(6)]
    assert {s.pair for own in found.values() for s in own} == {None}
    served = sorted(outcome.stats["one"]["recent"], key=lambda e: e["number"])
    models = Counter(e["model"] for e in served[2:8])
    assert len(models) == 1
    assert [(s.phase, s.pair, s.block) for s in outcome.run.samples[:2]] == [
        ("warmup", 0, None)
    ] * 2
    assert outcome.run.end.cells[0].reason == "complete"


def test_a_block_lasts_as_long_as_it_should_and_that_is_no_early_end(bench):
    outcome = bench.run(blocks(bench, CONSTANT, n=2, block_s=0.035, most=50))
    assert {key: len(own) for key, own in by_block(outcome.run.samples).items()} == {
        (k, arm): 4 for k in range(2) for arm in ("head", "control")
    }
    assert outcome.run.end.cells[0].reason == "complete"
    assert len({s.seq for s in outcome.run.samples}) == 16


def test_a_load_that_is_shorter_than_a_block_keeps_its_own_duration(bench):
    load = replace(CONSTANT, duration_s=0.015)
    outcome = bench.run(blocks(bench, load, n=2, block_s=0.1))
    assert {len(own) for own in by_block(outcome.run.samples).values()} == {2}


def test_both_arms_of_a_pair_have_the_same_arrivals_and_prompts(bench):
    load = Load(pattern="poisson", concurrency=20, rate=200.0)
    found = by_block(bench.run(blocks(bench, load, n=3, block_s=1)).run.samples)

    def shape(own):
        start = min(s.marks.due for s in own)
        return [(round((s.marks.due - start) / 1e3), s.prompt_id) for s in own]

    shapes = []
    for k in range(3):
        head, control = shape(found[k, "head"]), shape(found[k, "control"])
        assert [p for _, p in head] == [p for _, p in control]
        gaps = [abs(a - b) for (a, _), (b, _) in zip(head, control, strict=True)]
        assert max(gaps) <= 1
        shapes.append(tuple(head))
    assert len(set(shapes)) == 3


def test_a_trace_begins_anew_in_every_block(bench):
    load = Load(
        pattern="trace",
        concurrency=9,
        arrivals=tuple(Arrival(at_s=x) for x in (0.0, 0.01, 0.012)),
    )
    plan = blocks(bench, load, n=2, most=3, scenario={"follows_trace": True})
    found = by_block(bench.run(plan).run.samples)
    asked = {tuple(s.prompt_id for s in own) for own in found.values()}
    assert len(found) == 4
    assert len(asked) == 1
    assert len(set(*asked)) == 3


def test_a_closed_loop_in_blocks_keeps_its_concurrency(bench):
    load = Load(pattern="closed", concurrency=3)
    slow = bench.behave(ttft={"fixed": "10ms"})
    outcome = bench.run(blocks(bench, load, n=2, most=9, block_s=5), slow)
    assert {len(own) for own in by_block(outcome.run.samples).values()} == {9}
    assert outcome.stats["one"]["most_in_flight"] == 3
    assert all(s.marks.reused for s in outcome.run.samples)


def test_a_closed_block_that_is_answered_faster_than_expected_goes_on_to_its_end(bench):
    """As many as the plan sets aside for it; with nothing set aside it is over with its number."""
    load = Load(pattern="closed", concurrency=2)
    slow = bench.behave(ttft={"fixed": "10ms"})
    by_time = bench.run(blocks(bench, load, n=2, most=2, block_s=0.2, block_more=400), slow)
    sizes = [len(own) for own in by_block(by_time.run.samples).values()]
    assert len(sizes) == 4
    assert all(2 < size < 402 for size in sizes)
    assert len({s.seq for s in by_time.run.samples}) == sum(sizes)
    first = by_block(by_time.run.samples)[0, "head"]
    # Its own prompts, from the first again.
    assert [s.prompt_id for s in first[:4]] == [s.prompt_id for s in first[:2]] * 2
    by_number = bench.run(blocks(bench, load, n=2, most=2, block_s=5, block_more=3), slow)
    assert {len(own) for own in by_block(by_number.run.samples).values()} == {5}
    assert by_number.run.end.cells[0].reason == "complete"


def test_progress_never_counts_more_than_there_is(bench):
    seen = []
    load = Load(pattern="closed", concurrency=1)
    plan = blocks(bench, load, n=2, most=1, block_s=5, block_more=2)
    outcome = bench.run(plan, on_progress=lambda p, _: seen.append((p.done, p.total)))
    assert seen[0] == (1, 4)
    assert all(done <= total for done, total in seen)
    assert seen[-1] == (12, 12)
    assert len(outcome.run.samples) == 12


def test_progress_tells_what_the_cell_itself_has_spent(bench):
    seen = []
    plan = blocks(bench, CONSTANT, n=1, most=2, cells=2)
    outcome = bench.run(plan, on_progress=lambda p, _: seen.append(p))
    own = {p.cell: p.cell_usd for p in seen}
    spent = {cell: Decimal(0) for cell in own}
    for sample in outcome.run.samples:
        spent[sample.cell] += sample.settled_usd
    assert own == spent
    assert sum(own.values()) == seen[-1].spend.spent_usd > max(own.values()) > 0


def test_cold_blocks_open_a_connection_for_each_request(bench):
    load = Load(pattern="closed", concurrency=2)
    outcome = bench.run(
        blocks(bench, load, n=2, most=4, block_s=5, warmup=1, scenario={"connection": "cold"})
    )
    measured = [s for s in outcome.run.samples if s.phase == "measured"]
    assert len(measured) == 16
    assert not any(s.marks.reused for s in measured)


def test_salted_blocks_are_warmed_before_the_first_that_needs_it(bench):
    outcome = bench.run(blocks(bench, CONSTANT, n=2, salted=True))
    calls = [s for s in outcome.run.samples if s.phase == "warmup"]
    assert Counter(s.arm for s in calls) == {"head": 3, "control": 3}
    first = min(s.marks.due for s in outcome.run.samples if s.phase == "measured")
    assert all(s.marks.done <= first for s in calls)


def test_the_look_at_n_has_every_block_and_a_confirming_one_is_of_new_pairs(bench):
    seen = []

    def look(cell, n, samples):
        seen.append((n, list(samples)))
        return LookAnswer(action="confirm" if len(seen) == 1 else "decided")

    totals = []
    outcome = bench.run(
        blocks(bench, CONSTANT, n=2, confirm=2),
        on_look=look,
        on_progress=lambda p, _: totals.append((p.done, p.total)),
    )
    assert [n for n, _ in seen] == [2, 2]
    for phase, samples in (("measured", seen[0][1]), ("confirm", seen[1][1])):
        assert sorted(by_block(samples, phase)) == [
            (k, arm) for k in range(2) for arm in ("control", "head")
        ]
    assert len(seen[0][1]) == 24
    assert len(seen[1][1]) == 48
    assert totals[0] == (1, 24)
    assert totals[-1] == (48, 48)
    assert outcome.run.end.cells[0].reason == "complete"


@pytest.mark.parametrize("requests", [14, 20])
def test_a_block_that_a_cap_breaks_off_is_no_complete_pair(bench, requests):
    seen = []
    plan = bench.with_budget(blocks(bench, CONSTANT, n=3, looks=[2, 3]), max_requests=requests)
    outcome = bench.run(plan, on_look=lambda *a: seen.append(a) or LookAnswer(action="go_on"))
    assert seen == []
    assert outcome.run.end.cells[0].reason == "requests"
    assert outcome.run.end.spend.requests == requests == outcome.stats["one"]["requests"]
    sizes = {key: len(own) for key, own in by_block(outcome.run.samples).items()}
    assert [k for (k, _), size in sizes.items() if size < 6] == [1]


@pytest.mark.parametrize(("requests", "over"), [(23, 1), (24, 2), (25, 2)])
def test_a_cap_between_two_pairs_of_blocks_breaks_none_off(bench, requests, over):
    plan = bench.with_budget(blocks(bench, CONSTANT, n=3), max_requests=requests)
    outcome = bench.run(plan)
    (end,) = outcome.run.end.cells
    assert (end.reason, end.blocks, end.confirm_blocks) == ("requests", over, 0)
    assert complete_blocks(whole_blocks(outcome.run.samples, end)) == over


def test_a_cap_on_time_inside_a_block_leaves_the_pairs_before_it(bench):
    """What had ended of a block when the others were cut is no block."""
    slow = bench.behave(ttft={"fixed": "30ms"})
    load = Load(pattern="closed", concurrency=3)
    plan = blocks(bench, load, n=9, most=6, block_s=5)
    outcome = bench.run(bench.with_budget(plan, max_duration_s=0.35), slow)
    (end,) = outcome.run.end.cells
    assert end.reason == "time"
    asked = Counter((s.block, s.arm) for s in outcome.run.samples if s.phase == "measured")
    whole = [k for k in range(9) if asked[k, "head"] == asked[k, "control"] == 6]
    assert end.blocks == len(whole) < 9
    assert complete_blocks(whole_blocks(outcome.run.samples, end)) == end.blocks


def test_cells_of_blocks_take_turns_with_the_others(bench):
    plan = blocks(bench, CONSTANT, n=3, cells=2)
    pairs = replace(plan.cells[1], duet=replace(plan.cells[1].duet, block_s=0.0), concurrency=1)
    outcome = bench.run(replace(plan, cells=(plan.cells[0], pairs)))
    stored = sorted(outcome.run.samples, key=lambda s: s.seq)
    assert Counter(s.target for s in stored) == {"one": 36, "two": 6}
    switches = sum(a.target != b.target for a, b in pairwise(stored))
    assert switches >= 3
    assert {e.reason for e in outcome.run.end.cells} == {"complete"}


def test_an_interrupt_inside_a_block_keeps_its_cut_samples(bench):
    def stop(progress, interrupt):
        if progress.done == 8:
            interrupt.set()

    slow = bench.behave(ttft={"fixed": "30ms"})
    outcome = bench.run(blocks(bench, CONSTANT, n=3), slow, on_progress=stop)
    cut = [s for s in outcome.run.samples if s.phase == "cut"]
    assert cut
    assert {(s.block, s.arm) for s in cut} <= {(k, a) for k in (0, 1) for a in ("head", "control")}
    assert outcome.run.end.reason == "interrupted"
    spend = outcome.run.end.spend
    assert sum(s.settled_usd for s in outcome.run.samples) == spend.spent_usd
    assert len(outcome.run.samples) == spend.requests


def test_refusals_of_both_arms_end_a_cell_of_blocks(bench):
    refuse = bench.behave(faults=[{"kind": "status", "status": 401, "every": 1}])
    outcome = bench.run(blocks(bench, CONSTANT, n=3), refuse)
    assert outcome.run.end.cells[0].reason == "hopeless"
    assert len(outcome.run.samples) <= 6


def test_refusals_of_the_calls_before_a_block_end_it_too(bench):
    refuse = bench.behave(faults=[{"kind": "status", "status": 401, "every": 1}])
    outcome = bench.run(blocks(bench, CONSTANT, n=3, salted=True), refuse)
    assert outcome.run.end.cells[0].reason == "hopeless"
    assert {s.phase for s in outcome.run.samples} == {"warmup"}

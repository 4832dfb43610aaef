"""Loads on the wire: open loops keep their schedule, sweeps their steps."""

import gc
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from lens_gate.load import within
from lens_gate.metrics.cold_start import cold_start
from lens_gate.metrics.derive import scalars
from lens_gate.metrics.sweep import saturation, step_reports
from lens_gate.metrics.window import load_report, shortfall
from lens_gate.records.policy import Arrival, Load
from lens_gate.records.sample import Sample
from lens_gate.runner.cell import LOOKED_AT

MS = 1_000_000


def loaded(bench, load, *, n, warmup=0, connection="warm", takes_s=0.05, **given):
    """A plan of one cell with this load: N is what the test says."""
    plan = bench.plan(bench.policy(**given))
    found = replace(plan.policy.scenarios["chat"], load=load, connection=connection)
    policy = replace(plan.policy, scenarios={"chat": found})
    cells = tuple(
        replace(
            cell,
            n=n,
            warmup=warmup,
            concurrency=load.concurrency,
            expected_s=takes_s,
            load=within(load, n),
        )
        for cell in plan.cells
    )
    budget = replace(plan.budget, max_requests=100_000)
    return replace(plan, policy=policy, cells=cells, budget=budget)


def test_an_open_loop_keeps_its_schedule_and_says_so(bench):
    load = Load(pattern="constant", concurrency=50, rate=100.0)
    outcome = bench.run(loaded(bench, load, n=40, warmup=2))
    first = min(s.marks.due for s in outcome.measured)
    due = sorted(s.marks.due - first for s in outcome.measured)
    assert due == [k * 10 * MS for k in range(40)]
    for sample in outcome.measured:
        assert sample.marks.ready == sample.marks.due <= sample.marks.sent
        numbers = scalars(sample)
        late = (sample.marks.sent - sample.marks.due) / 1e9
        assert numbers["ttft_scheduled"] == pytest.approx(numbers["ttft"] + late)
        assert numbers["e2e_scheduled"] == pytest.approx(numbers["e2e"] + late)
    warm = [s for s in outcome.run.samples if s.phase == "warmup"]
    assert {s.marks.due for s in warm} == {None}
    assert "ttft_scheduled" not in scalars(warm[0])
    assert outcome.run.header.cells[0].load == load


def test_replayed_and_drawn_arrivals_are_those_of_the_load(bench):
    moments = (0.0, 0.01, 0.01, 0.05, 0.07)
    load = Load(pattern="trace", concurrency=9, arrivals=tuple(Arrival(at_s=x) for x in moments))
    outcome = bench.run(loaded(bench, load, n=5))
    dues = sorted(s.marks.due for s in outcome.measured)
    assert [round((x - dues[0]) / 1e9, 6) for x in dues] == list(moments)
    draws = [
        bench.run(loaded(bench, Load(pattern="poisson", concurrency=9, rate=200.0), n=8))
        for _ in range(2)
    ]
    first, again = (
        [x - min(d) for x in sorted(d)] for d in ([s.marks.due for s in o.measured] for o in draws)
    )
    assert first == again
    assert len({b - a for a, b in pairwise(first)}) == 7


# One request in flight, and a server that stops for 600 ms once: 30 requests become due meanwhile.
STALL = {"faults": [{"kind": "slow_headers", "at": [5], "delay": "600ms"}]}


def test_a_stall_of_the_server_shows_in_an_open_loop_and_hides_in_a_closed_one(bench):
    slow = bench.behave(**STALL)
    opened = bench.run(
        loaded(bench, Load(pattern="constant", concurrency=1, rate=50.0), n=40), slow
    )
    closed = bench.run(loaded(bench, Load(pattern="closed", concurrency=1), n=40), slow)

    def slow_ones(outcome, metric):
        return sum(scalars(s).get(metric, 0.0) > 0.25 for s in outcome.measured)

    # The one that stalled, and no other: a closed loop sends nothing while nothing answers.
    assert slow_ones(closed, "ttft") == 1
    assert slow_ones(closed, "queue_delay") == 0
    # From sending, the open loop would look as good; from its schedule it does not.
    assert slow_ones(opened, "ttft") == 1
    assert slow_ones(opened, "ttft_scheduled") >= 10
    assert slow_ones(opened, "e2e_scheduled") >= 10
    # What the cap on requests in flight held back is queue delay, and nothing else is.
    assert slow_ones(opened, "queue_delay") >= 9
    for sample in opened.measured:
        numbers = scalars(sample)
        assert numbers["ttft_scheduled"] == pytest.approx(numbers["ttft"] + numbers["queue_delay"])


def test_an_open_loop_does_not_wait_for_slow_answers(bench):
    load = Load(pattern="constant", concurrency=50, rate=100.0)
    slow = bench.behave(ttft={"fixed": "150ms"})
    outcome = bench.run(loaded(bench, load, n=30, takes_s=0.15), slow)
    found = load_report(outcome.measured, {}, concurrency=50)
    assert found.open
    assert found.most_in_flight >= 12
    assert found.asked_rate == pytest.approx(100.0)
    # Connections were open before: nobody waited for one.
    assert all(s.marks.reused for s in outcome.measured)


def test_a_load_that_was_not_offered_is_told(bench):
    load = Load(pattern="constant", concurrency=2, rate=200.0)
    slow = bench.behave(ttft={"fixed": "40ms"})
    outcome = bench.run(loaded(bench, load, n=30), slow)
    found = load_report(outcome.measured, {}, concurrency=2)
    assert found.most_in_flight == 2
    assert found.sent_rate < 60
    assert "offered load not reached" in shortfall(found)
    assert "of 200 requests a second" in shortfall(found)


def test_a_sweep_goes_step_by_step_and_finds_where_the_server_is_full(bench):
    # Two at once, 40 ms each: no more than 50 a second, wherever this runs.
    narrow = bench.behave(
        ttft={"fixed": "40ms"}, concurrency_limit={"requests": 2, "beyond": "queue"}
    )
    load = Load(pattern="sweep", concurrency=100, steps=(10.0, 25.0, 200.0))
    outcome = bench.run(loaded(bench, load, n=45, warmup=1), narrow)
    assert Counter(s.step for s in outcome.measured) == {0: 15, 1: 15, 2: 15}
    steps = [[s for s in outcome.measured if s.step == k] for k in range(3)]
    for before, after in pairwise(steps):
        # Drained between: the next step begins when the last answer has ended.
        assert max(s.marks.done for s in before) <= min(s.marks.due for s in after)
    found = step_reports(outcome.measured, load)
    assert [s.level for s in found] == [10.0, 25.0, 200.0]
    assert found[2].done_rate < 80
    verdict = saturation(found)
    assert (verdict.step, verdict.best) == (2, 1)
    assert outcome.run.end.reason == "complete"


def test_a_sweep_of_concurrencies_has_as_many_in_flight_as_it_says(bench):
    load = Load(pattern="sweep", concurrency=4, steps=(1.0, 4.0), step_by="concurrency")
    outcome = bench.run(loaded(bench, load, n=24), bench.behave(ttft={"fixed": "10ms"}))
    for step, most in ((0, 1), (1, 4)):
        own = [s for s in outcome.measured if s.step == step]
        assert load_report(own, {}, concurrency=most).most_in_flight == most
        assert {s.marks.due for s in own} == {None}


def test_a_step_that_runs_out_of_its_time_is_followed_by_the_next(bench):
    load = Load(pattern="sweep", concurrency=50, steps=(20.0, 40.0), duration_s=0.2)
    outcome = bench.run(loaded(bench, load, n=100))
    assert Counter(s.step for s in outcome.measured) == {0: 4, 1: 8}
    (end,) = outcome.run.end.cells
    assert (end.reason, end.detail) == ("duration", "the load's duration of 0.2 s is over")


def test_cold_requests_open_their_own_connections_and_are_held_against_the_warm_up(bench):
    load = Load(pattern="closed", concurrency=2)
    outcome = bench.run(loaded(bench, load, n=10, warmup=6, connection="cold"))
    assert all(not s.marks.reused for s in outcome.measured)
    assert all(scalars(s)["connect"] > 0 for s in outcome.measured)
    warm = [s for s in outcome.run.samples if s.phase == "warmup"]
    assert all(s.marks.reused for s in warm)
    found = cold_start(outcome.run.samples)
    # The first of the warm-up is a cold start of its own kind.
    assert (found.cold, found.warm) == (11, 5)
    assert found.connect_s > 0
    assert found.low_s <= found.penalty_s <= found.high_s


@pytest.mark.parametrize("pattern", ["closed", "constant"])
def test_a_load_ends_when_its_time_is_over(bench, pattern):
    load = Load(pattern=pattern, concurrency=2, rate=50.0, duration_s=0.2)
    slow = bench.behave(ttft={"fixed": "20ms"})
    outcome = bench.run(loaded(bench, load, n=400), slow)
    (end,) = outcome.run.end.cells
    assert (end.reason, end.detail) == ("duration", "the load's duration of 0.2 s is over")
    assert 2 <= len(outcome.measured) <= 22
    assert all(s.failure is None for s in outcome.measured)


def test_a_load_is_given_up_when_too_much_fails(bench):
    load = Load(pattern="closed", concurrency=4, max_error_rate=0.2)
    broken = bench.behave(faults=[{"kind": "status", "status": 500, "every": 2}])
    outcome = bench.run(loaded(bench, load, n=400), broken)
    (end,) = outcome.run.end.cells
    assert end.reason == "errors"
    assert "max_error_rate of 20 %" in end.detail
    assert 20 <= len(outcome.measured) <= 24


def test_a_target_that_ends_leaves_the_others_running(bench):
    policy = {
        "targets__one": {"provider": "simulated", "model": "sim"},
        "targets__two": {
            "provider": "simulated",
            "model": "sim",
            "budget": {"max_requests": 6},
        },
        "targets__three": {"provider": "simulated", "model": "sim"},
        "scenarios__chat__targets": ["one", "two", "three"],
        "scenarios__chat__samples": {"min": 4, "max": 8, "warmup": 0},
    }
    plan = bench.plan(bench.policy(**policy))
    # The target's own cap is lower than what was planned for it.
    plan = replace(plan, cells=tuple(replace(c, n=8) for c in plan.cells))
    refuse = {**bench.QUICK, "faults": [{"kind": "status", "status": 401, "every": 1}]}
    outcome = bench.run(plan, {"one": refuse})
    ends = {e.cell: e.reason for e in outcome.run.end.cells}
    assert ends == {"chat/one": "hopeless", "chat/two": "target", "chat/three": "complete"}
    good = Counter(s.target for s in outcome.measured if s.failure is None)
    assert good == {"two": 6, "three": 8}


def test_memory_does_not_grow_with_the_requests(bench):
    alive = []

    def look(progress, interrupt):
        if progress.done % 100 == 0:
            gc.collect()
            alive.append(sum(type(x) is Sample for x in gc.get_objects()))

    load = Load(pattern="closed", concurrency=8)
    bench.run(loaded(bench, load, n=400), on_progress=look)
    assert len(alive) == 4
    assert max(alive) <= LOOKED_AT + 3 * load.concurrency + alive[0]
    assert alive[-1] <= alive[1] + load.concurrency

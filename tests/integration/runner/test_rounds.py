"""Cells side by side: every prompt to all of them, nobody favoured, caps and ends kept."""

from collections import Counter

import pytest

from lens_gate.errors import WorldError
from lens_gate.runner import journal

TWO = {
    "one": {"provider": "simulated", "model": "a"},
    "two": {"provider": "simulated", "model": "b"},
}


def side_by_side(bench, **given):
    policy = bench.policy(targets=TWO, scenarios__chat__targets=["one", "two"], **given)
    return bench.plan(policy, seed=3)


def by_target(outcome, phase="measured"):
    return {
        key: [s for s in outcome.run.samples if s.target == key and s.phase == phase]
        for key in ("one", "two")
    }


def test_every_prompt_goes_to_all_targets_in_turn(bench) -> None:
    outcome = bench.run(side_by_side(bench), side_by_side=True)
    cells = by_target(outcome)
    asked = {
        key: [s.prompt_id for s in sorted(own, key=lambda s: s.seq)] for key, own in cells.items()
    }
    assert asked["one"] == asked["two"]
    assert len(asked["one"]) == 12
    assert [len(own) for own in by_target(outcome, "warmup").values()] == [2, 2]
    assert [end.reason for end in outcome.run.end.cells] == ["complete", "complete"]
    assert len({s.seq for s in outcome.run.samples}) == 28


def test_the_order_within_a_round_is_drawn_and_neither_target_always_leads(bench) -> None:
    plan = side_by_side(bench, scenarios__chat__load={"pattern": "closed", "concurrency": 1})
    cells = by_target(bench.run(plan, side_by_side=True))
    first = Counter()
    for one, two in zip(*(sorted(c, key=lambda s: s.seq) for c in cells.values()), strict=True):
        assert one.seq + 14 == two.seq
        # One round is over before the next begins, so the two are neighbours in time.
        first["one" if one.marks.sent < two.marks.sent else "two"] += 1
    assert set(first) == {"one", "two"}
    # Cells measured one after the other, the wrong way to compare, would have one of them first.
    cells = by_target(bench.run(plan))
    assert max(s.marks.sent for s in cells["one"]) < min(s.marks.sent for s in cells["two"])


def test_no_more_are_in_flight_than_the_load_says(bench) -> None:
    outcome = bench.run(side_by_side(bench), side_by_side=True)
    spans = sorted((s.marks.sent, s.marks.done) for s in outcome.run.samples)
    most = max(sum(a <= sent < b for a, b in spans) for sent, _ in spans)
    assert 1 < most <= 4


def test_a_hopeless_target_drops_out_and_the_other_goes_on(bench) -> None:
    behave = {"one": {**bench.QUICK, "faults": [{"kind": "status", "status": 401, "every": 1}]}}
    outcome = bench.run(side_by_side(bench), behave, side_by_side=True)
    ends = {end.cell: end.reason for end in outcome.run.end.cells}
    assert ends == {"chat/one": "hopeless", "chat/two": "complete"}
    assert len(by_target(outcome)["two"]) == 12
    assert len(by_target(outcome)["one"]) < 12


def test_a_cap_ends_all_of_them_and_is_kept(bench) -> None:
    plan = bench.with_budget(side_by_side(bench), max_requests=15)
    outcome = bench.run(plan, side_by_side=True)
    assert [end.reason for end in outcome.run.end.cells] == ["requests", "requests"]
    assert len(outcome.run.samples) == 15
    assert outcome.run.end.reason == "budget"


def test_what_is_in_flight_when_it_is_interrupted_is_kept_as_cut(bench) -> None:
    def stop(progress, interrupt) -> None:
        if progress.done == 3:
            interrupt.set()

    slow = {key: {**bench.QUICK, "ttft": {"fixed": "50ms"}} for key in TWO}
    outcome = bench.run(side_by_side(bench), slow, side_by_side=True, on_progress=stop)
    cut = [s for s in outcome.run.samples if s.phase == "cut"]
    assert cut
    assert all(s.settled_usd == s.reserved_usd for s in cut)
    assert {end.reason for end in outcome.run.end.cells} == {"interrupted"}


def test_a_full_disk_is_told_as_one(bench, monkeypatch) -> None:
    written = []

    def full(stream, record) -> None:
        written.append(record)
        if len(written) == 4:
            raise WorldError("the journal can't be written: No space left on device")

    monkeypatch.setattr("lens_gate.runner.measure.write", full)
    assert journal.write is not full
    with pytest.raises(WorldError, match="No space left"):
        bench.run(side_by_side(bench), side_by_side=True)


def test_cold_requests_open_their_own_connections(bench) -> None:
    outcome = bench.run(side_by_side(bench, scenarios__chat__connection="cold"), side_by_side=True)
    assert not any(s.marks.reused for own in by_target(outcome).values() for s in own)

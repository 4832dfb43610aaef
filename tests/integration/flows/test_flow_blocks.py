"""Gates that alternate in blocks of load, through the front door: every pattern, caps, saved runs.

Blocks are over in a moment, and the head's model takes four times as long to begin.
"""

import json
from dataclasses import replace

import pytest

from lens_gate.flows.gate import gate, judge_saved

N = 8
TTFT = {"id": "slow", "metric": "ttft.typ", "max_regression": "30%", "may_be_inconclusive": True}
THROUGH = {"id": "much", "metric": "throughput", "max_regression": "10%"}
GOOD = [
    {"id": "share", "metric": "goodput", "max_regression": "10%", "may_be_inconclusive": True},
    {"id": "rate", "metric": "goodput_rps", "max_regression": "10%", "may_be_inconclusive": True},
]
CONSTANT = {"pattern": "constant", "rate": 120}
OPEN = {
    # A mean of two in each block: left to chance alone, nobody would come to one in seven.
    "poisson": {"pattern": "poisson", "rate": 66},
    "burst": {"pattern": "burst", "size": 2, "every": "20ms"},
    "ramp": {"pattern": "ramp", "from": 70, "to": 200, "over": "30ms"},
    "trace": {"pattern": "trace", "file": "trace.jsonl"},
}
TRACE = "".join(json.dumps({"timestamp": at}) + "\n" for at in (3.0, 3.01, *range(4, 11)))
BEHAVIOUR = {
    "time_scale": 0.1,
    "output_tokens": {"fixed": 3},
    "ttft": {"median": "40ms", "sigma": 0.02},
    "models": {"new": {"ttft": 4}},
}
FAULTY = {"faults": [{"kind": "status", "status": 500, "rate": "20%", "retry_after": "0"}]}
SAVED = ("rows", "outcome", "headline", "cells", "spend", "family", "reproduce", "warnings")


@pytest.fixture
def gated(repository, policy, tmp_path):
    """A gate of a changed model against `main`, and the same run judged again."""

    def run(load, gates=(TTFT,), *, most=None, caps=None, behaviour=None, **more):
        scenario = {
            "load": {"block": "30ms", **load},
            "samples": {"min": N, "max": most or N, "warmup": 1},
            **more.pop("scenario", {}),
        }
        target = {
            "provider": "simulated",
            "model": "old",
            "price": {"input": 2, "output": 8},
            "simulate": {**BEHAVIOUR, **(behaviour or {})},
            **more.pop("target", {}),
        }
        given = {"baseline": {"compare": "auto"}, **more}
        whole = policy(list(gates), target=target, scenario=scenario, **given)
        whole["budget"] |= {"max_requests": 3000, **(caps or {})}
        place = repository(tmp_path / "r", {"lens-gate.yaml": whole, "trace.jsonl": TRACE})
        target["model"] = "new"
        place.write({"lens-gate.yaml": whole})
        order = replace(place.order(), base="main", seed=3)
        report = gate(order, place.world())
        again = judge_saved(order.output / "run.jsonl", None, place.root / "b", place.world())
        assert {k: getattr(again, k) for k in SAVED} == {k: getattr(report, k) for k in SAVED}
        summary = (order.output / "summary.md").read_text()
        return report, summary

    return run


def verdicts(report):
    """By rule; what a busy machine made the gate withhold, as it was measured."""
    return {row.rule: "fail" if _withheld(row) else row.name for row in report.rows}


def _withheld(row):
    return row.verdict.withheld and "As measured: worse" in row.verdict.reason


@pytest.mark.parametrize("pattern", OPEN)
def test_a_slower_model_is_found_under_every_open_pattern(gated, pattern):
    report, summary = gated(OPEN[pattern])
    assert verdicts(report) == {"slow": "fail"}
    (cell,) = report.cells
    assert (cell.duet.blocks, cell.duet.pairs, cell.duet.block_s) == (N, 0, 0.03)
    assert (report.rows[0].verdict.n, report.rows[0].in_blocks) == (N, True)
    assert [look.pairs for look in cell.duet.looks] == [N]
    moved = cell.duet.moved["ttft"]
    # A change by pair of blocks: that of the single rule, by the same blocks.
    assert moved.pairs == N
    assert moved.change == pytest.approx(report.rows[0].verdict.estimate)
    assert cell.measured == cell.ok
    assert cell.duet.ok == pytest.approx(cell.ok, abs=N)
    for text in (
        "8 pairs of blocks planned",
        "all 8 pairs of blocks measured",
        "8 pairs of blocks",
    ):
        assert text in summary


def test_what_a_closed_load_carries_is_compared_block_by_block(gated):
    # Throughput has no long wait to be seen behind a busy machine's own: three times as long.
    load = {"pattern": "closed", "concurrency": 3, "block": "100ms"}
    slow = {**BEHAVIOUR, "time_scale": 0.3}
    report, _ = gated(load, [THROUGH], scenario={"prompts": ["One?"]}, behaviour=slow)
    assert verdicts(report) == {"much": "fail"}
    assert report.cells[0].duet.blocks == N
    # Each block begins with nobody in flight: by its few requests that is no load not offered.
    assert not [text for text in report.warnings if "offered load" in text]


def test_a_head_of_which_nothing_is_good_fails_and_is_no_lack_of_data(gated):
    report, _ = gated(CONSTANT, GOOD, scenario={"objectives": {"ttft": "10ms"}})
    assert verdicts(report) == {"share": "fail", "rate": "fail"}
    for row in report.rows:
        assert "no block with a good request (0 of 8)" in row.verdict.reason


def test_a_failure_is_tested_again_on_as_many_new_pairs_of_blocks(gated):
    report, summary = gated(CONSTANT, confirm=True)
    assert verdicts(report) == {"slow": "fail"}
    assert report.cells[0].duet.confirm_pairs == N
    (row,) = report.rows
    assert "confirmed in 8 new pairs of blocks" in row.verdict.reason or _withheld(row)
    assert "failures tested again on 8 new pairs of blocks" in summary


@pytest.mark.parametrize(
    ("requests", "confirm", "said", "code"),
    [
        (107, False, " of at least 8 pairs of blocks, then budget.max_requests of 107 is used", 4),
        (212, True, " of 8 new pairs of blocks could be measured. At first: worse", 0),
    ],
)
def test_retries_that_use_the_budget_up_break_a_block_off(gated, requests, confirm, said, code):
    report, summary = gated(
        # Six in each block: of none is every one retried.
        {**CONSTANT, "rate": 200},
        caps={"max_requests": requests},
        behaviour=FAULTY,
        target={"retries": 2},
        confirm=confirm,
    )
    assert report.exit_code == code
    # A machine that was too busy to see when events came withholds what it says.
    (first, *_) = report.rows
    assert said in first.verdict.reason or first.verdict.withheld
    (cell,) = report.cells
    assert cell.end == f"requests: budget.max_requests of {requests} is used up"
    assert report.spend.requests == requests
    got = cell.duet.confirm_pairs if confirm else cell.duet.blocks
    assert 0 < got < N
    assert f"{got} of " in report.rows[0].verdict.reason
    # What the end broke off is in no change either.
    assert cell.duet.moved["ttft"].pairs == cell.duet.blocks
    assert f"{'all 8' if confirm else f'stopped after {got} of 8'} pairs of blocks" in summary


def test_limits_alone_are_no_duet_whatever_else_has_changed(gated):
    report, summary = gated(CONSTANT, [{"id": "roomy", "metric": "e2e.typ", "max": "30s"}])
    assert verdicts(report) == {"roomy": "pass"}
    assert report.cells[0].duet is None
    assert (report.refs.mode, report.refs.control_ref) == ("absolute limits only", None)
    assert "no rule compares a cell that has a control" in report.refs.why
    assert "**Compared** duet" not in summary
    assert "(merge base)" not in summary

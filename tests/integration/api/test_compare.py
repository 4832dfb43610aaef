"""`lens_gate.compare`: a duet with the gate's verdicts, from a call."""

import asyncio
from collections import Counter
from decimal import Decimal

import pytest

import lens_gate
from lens_gate.api.wording import IN_A_COMPARISON, worded

COST = {"metric": "cost_usd.mean", "max_regression": "10%"}


def test_a_dearer_head_fails_and_says_by_how_much(house):
    found = lens_gate.compare(
        house.target("fast"), house.target("dear"), ["a", "b"], rules=[COST], seed=1
    )
    assert not found.ok
    assert found.outcome == "failed"
    assert [row.rule for row in found.failed] == ["cost-usd-mean"]
    (row,) = found.rows
    assert found.row("cost_usd") == found.row("cost_usd.mean") == found.row("cost-usd-mean") == row
    # 10 tokens at $2 and 8 at $8, against 4 at $8.
    assert row.verdict.estimate == pytest.approx(84 / 52 - 1)
    assert found.changes["cost_usd"].change == pytest.approx(84 / 52 - 1)
    # It ended at the first look: the rest of 180 pairs was not sent.
    assert found.pairs == 16
    sent = Counter(body["model"] for body in house.asked)
    assert sent["fast"] == sent["dear"] == len(found.head.requests) == len(found.control.requests)
    assert len(found.head.samples) == len(found.control.samples) == 16
    assert found.head.target == "dear"
    assert found.control.target == "fast"
    assert found.control.request_cost_usd.mean == pytest.approx(52e-6)
    assert found.head.request_cost_usd.mean == pytest.approx(84e-6)
    assert found.head.cost_usd == sent["dear"] * Decimal("84e-6")
    assert found.control.cost_usd == sent["fast"] * Decimal("52e-6")
    assert found.cost_usd == found.report().spend.spent_usd
    assert found.control.complete
    assert found.control.rps > 0
    assert sum(found.control.requests[0].cost_parts.values()) == Decimal("52e-6")
    assert repr(found).startswith("<Comparison dear against fast: ")
    assert "### ❌" in found._repr_markdown_()


def test_what_costs_the_same_passes(house):
    found = asyncio.run(
        lens_gate.compare_async(
            house.target("fast"), house.target("fast"), rules=[COST], pairs=60, concurrency=3
        )
    )
    assert found.ok
    assert found.failed == ()
    assert found.row("cost_usd").name == "pass"
    # Equal models are told apart.
    assert (found.control.target, found.head.target) == ("fast", "fast-2")


def test_a_service_that_changes_meanwhile_is_no_worse_head(house):
    """Beside a plausible wrong way: one measured after the other, and a threshold."""
    before = lens_gate.measure(house.target("drift-a"), requests=20, warmup=0)
    after = lens_gate.measure(house.target("drift-b"), requests=20, warmup=0)
    assert after.request_cost_usd.mean / before.request_cost_usd.mean > 1.5
    house.asked.clear()
    found = lens_gate.compare(
        house.target("drift-a"), house.target("drift-b"), rules=["cost_usd"], pairs=60, seed=3
    )
    assert found.row("cost_usd").name == "pass"
    costs = [r.values["cost_usd"] for r in found.head.requests if r.phase == "measured"]
    assert costs[-1] > 1.5 * costs[0]


def test_the_margin_is_for_rules_without_a_limit_of_their_own(house):
    found = lens_gate.compare(
        house.target("fast"),
        house.target("dear"),
        margin=1.0,
        rules=[
            "cost_usd",
            {"metric": "output_tokens", "max_regression": "50%"},
            {"metric": "input_tokens", "max": 11},
        ],
    )
    assert {row.rule: row.name for row in found.rows} == {
        "cost-usd-mean": "pass",
        "output-tokens-mean": "fail",
        "input-tokens-mean": "pass",
    }
    assert found.row("cost_usd").verdict.margin == 1.0
    with pytest.raises(lens_gate.LensError, match="no rule 'ttft'") as caught:
        found.row("ttft")
    assert "cost-usd-mean" in caught.value.hint


def test_rules_that_could_not_decide_are_refused_in_the_words_of_the_call(house):
    with pytest.raises(lens_gate.LensError, match="would mostly decide nothing") as caught:
        lens_gate.compare(house.target(), house.target("slow"), pairs=20, rules=["ttft.typ"])
    assert "raise pairs to " in caught.value.hint
    assert "samples.max" not in caught.value.hint
    for words, message in [
        ({"rules": ["ttft.p42"]}, "ttft has no statistic 'p42'"),
        ({"rules": [{"metric": "itl", "max": 3}]}, "max of itl must be a duration"),
        ({"margin": -0.1}, "the margin is -0.1"),
        ({"pairs": 0}, "requests is 0"),
        ({"max_usd": "0.000001"}, "does not pay for the least that is looked at"),
    ]:
        with pytest.raises(lens_gate.LensError) as caught:
            lens_gate.compare(house.target(), house.target("slow"), **words)
        assert message in str(caught.value)
    assert house.asked == []


def test_what_it_would_cost_is_known_before(house):
    asked = {"rules": [COST], "pairs": 20, "max_output_tokens": 16}
    cost = lens_gate.plan_compare_cost(house.target(), house.target("dear"), **asked)
    assert house.asked == []
    # Both arms: a warm-up, a warm call for the prompt, and the pairs.
    assert cost.requests == 2 * (1 + 1 + 20)
    found = lens_gate.compare(house.target(), house.target("dear"), **asked, max_usd=cost.worst_usd)
    assert found.cost_usd <= cost.worst_usd


def test_stopped_from_outside_there_is_no_verdict(house, tmp_path):
    stop = lens_gate.Stop()
    found = lens_gate.compare(
        house.target(),
        house.target("dear"),
        rules=[COST],
        on_progress=lambda progress: stop.ask() if progress.done == 10 else None,
        stop=stop,
        output=tmp_path / "kept",
    )
    assert found.outcome == "aborted"
    assert not found.ok
    assert 0 < len(found.head.requests) < 16
    assert lens_gate.read_run(tmp_path / "kept") == found.run
    saved = found.save(tmp_path / "saved")
    assert lens_gate.read_report(saved).outcome == "aborted"


def test_rules_of_whole_blocks_and_open_loads(house):
    """A block of 50 ms of load after the other: throughput has no pairs of single requests."""
    found = lens_gate.compare(
        house.target("fast"),
        house.target("slow"),
        rules=[{"metric": "rps", "max_regression": "20%"}],
        pairs=8,
        scenario={"load": {"pattern": "closed", "concurrency": 1, "block": "50ms"}},
    )
    row = found.row("rps")
    assert row.in_blocks
    # Nobody knows how many go into a block: money is the cap.
    assert found.report().spend.max_requests == 100_000
    assert found.pairs == 8
    assert row.verdict.estimate < -0.2


def test_a_files_own_words_are_left_to_it():
    problem = lens_gate.Problem(file="x.yaml", line=1, column=1, message="samples.max is odd")
    with pytest.raises(lens_gate.InputError, match="is odd"), worded(IN_A_COMPARISON):
        raise lens_gate.InputError([problem])
    with pytest.raises(lens_gate.BudgetError, match="pairs"), worded(IN_A_COMPARISON):
        raise lens_gate.BudgetError("samples.max", "raise it")

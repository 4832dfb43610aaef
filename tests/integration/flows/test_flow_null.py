"""A/A runs in this process: what they count, what they leave, where they end."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.errors import BudgetError, LensError, WorldError
from lens_gate.flows.itself import against_itself, most_requests, rehearsal_of
from lens_gate.flows.null import NullOrder, null
from lens_gate.flows.planning import Lowered
from lens_gate.flows.sources import find_sources
from lens_gate.policy.plan import requests_of
from lens_gate.repo.null_files import null_sessions_in_worktree

TTFT = {"id": "slow", "metric": "ttft.typ", "max_regression": "60%", "may_be_inconclusive": True}
COST = {"id": "dear", "metric": "cost_usd.mean", "max_regression": "20%"}
WARNS = {"id": "told", "metric": "e2e.typ", "max_regression": "20%", "severity": "warn"}
PAIRS = {"samples": {"min": 16, "max": 16, "warmup": 0}}


@pytest.fixture
def place(repository, policy, tmp_path):
    def make(gates=None, **top):
        given = {"baseline": {"compare": "auto"}, **top}
        scenario = {**PAIRS, **given.pop("scenario", {})}
        text = policy(gates or [TTFT, COST, WARNS], scenario=scenario, **given)
        return repository(tmp_path / "repo", {"lens-gate.yaml": text})

    return make


def order(found, runs, **lowered):
    return NullOrder(
        policy_path=None,
        runs=runs,
        lowered=Lowered(**lowered),
        seed=None,
        output=found.root / "out",
    )


def test_the_counts_are_those_of_the_gating_checks_and_are_stored_as_they_are_shown(place):
    found = place()
    end = null(order(found, 2), found.world())
    report = end.report
    assert end.reason == "complete"
    assert [(row.rule, row.runs) for row in report.rows] == [("slow", 2), ("dear", 2)]
    assert all(row.failed + row.passed <= 2 and row.fixed.of == 1 for row in report.rows)
    assert (report.asked, report.stopped, report.fixed.of) == (2, "", 1)
    assert (report.cap_usd, report.seed) == (Decimal(2), 5)
    (session,) = null_sessions_in_worktree(found.root, "baselines", "flows")
    assert session == report.session
    assert session.checks.keys() == {"chat/quick/slow", "chat/quick/dear"}
    assert report.path.startswith("baselines/null/20261121T021500Z-")
    assert " of 2 A/A runs on the real targets raised" in report.measured
    assert "A/A run 2 of 2" in found.said
    headers = [
        json.loads((found.root / "out" / f"null-{n}.jsonl").read_text().splitlines()[0])
        for n in (1, 2)
    ]
    assert [h["mode"] for h in headers] == ["interleaved"] * 2
    assert headers[0]["seed"] != headers[1]["seed"]


@pytest.mark.parametrize(
    ("lowered", "said"),
    [
        ({"max_usd": Decimal("0.000001")}, "a run may cost"),
        ({"max_requests": 3}, "a run may take 36 requests, and 3 are left"),
        ({"max_duration_s": 0.001}, "a run is expected to take"),
    ],
)
def test_a_run_that_can_not_be_paid_for_is_not_begun(place, lowered, said):
    found = place()
    with pytest.raises(BudgetError, match=said):
        null(order(found, 2, **lowered), found.world())
    assert not (found.root / "out").exists()


def test_the_caps_are_those_of_all_runs_together(place):
    found = place()
    report = null(order(found, 3, max_requests=36), found.world()).report
    assert report.session.runs == 1
    assert report.stopped == "a run may take 36 requests, and 0 are left"
    assert null_sessions_in_worktree(found.root, "baselines", "flows") == (report.session,)


def test_a_run_without_data_is_no_run(place):
    broken = {
        "provider": "simulated",
        "price": {"input": 2, "output": 8},
        "simulate": {"faults": [{"kind": "status", "status": 401, "every": 1}]},
    }
    found = place(targets={"quick": broken})
    with pytest.raises(WorldError, match="A/A run 1: no check had data"):
        null(order(found, 2), found.world())
    assert not (found.root / "baselines").exists()


@pytest.mark.parametrize(
    ("gates", "compare", "said"),
    [
        ([{"metric": "ttft.typ", "max": "3s"}], "auto", "nothing to test"),
        ([WARNS], "auto", "nothing to test"),
        ([TTFT | {"max_drift": "200%"}], "history", "measures nothing in pairs"),
        ([{"metric": "ttft.typ", "max": "3s"}], "none", "nothing to test"),
    ],
)
def test_what_is_not_measured_in_pairs_has_no_a_a_run(place, gates, compare, said):
    found = place(gates, baseline={"compare": compare})
    with pytest.raises(LensError, match=said):
        null(order(found, 1), found.world())


def test_the_plan_is_that_of_the_gate_with_every_check_having_its_say(place):
    found = place(fail_fast=True, confirm=True, scenario=PAIRS | {"max_output_tokens": 8})
    sources = find_sources(found.world(), None)
    given, plan = rehearsal_of(sources)
    assert (sources.policy.fail_fast, given.policy.fail_fast) == (True, False)
    (cell,) = plan.cells
    assert cell.duet.confirm == cell.n == 16
    assert most_requests(plan) == requests_of(cell) + 2 * 16
    named = replace(sources.policy.targets["quick"], control="another")
    mine = against_itself(replace(sources.policy, targets={"quick": named}))
    assert mine.targets["quick"].control == "quick"


def test_retries_may_be_sent_as_well(place):
    found = place(budget={"max_usd": 1, "max_requests": 200, "max_duration": "2m"})
    sources = find_sources(found.world(), None)
    again = replace(sources.policy.targets["quick"], retries=2)
    sources = replace(sources, policy=replace(sources.policy, targets={"quick": again}))
    _, plan = rehearsal_of(sources)
    assert most_requests(plan) == 3 * requests_of(plan.cells[0])
    alone = replace(plan, cells=(replace(plan.cells[0], duet=None),))
    assert most_requests(alone) == 3 * (16 + plan.cells[0].warmup)

"""What `check` and `power` plan beforehand: pull requests, controls, what stored runs tell."""

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from lens_gate.errors import BudgetError, InputError, LensError
from lens_gate.flows.connect import connect
from lens_gate.flows.planning import protocols, spreads, unit_prices, used_targets
from lens_gate.flows.power import check, power
from lens_gate.flows.sources import find_sources
from lens_gate.judge.spread import variance_of
from lens_gate.policy import init_files
from lens_gate.policy.plan import worst_case
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint

RULES = [{"metric": "ttft.typ", "max_regression": "30%"}]
ROOM = {"max_usd": 5, "max_requests": 300, "max_duration": "20m"}


@pytest.fixture
def sources(repository, policy, tmp_path):
    """The sources of a policy with room for some hundred requests."""

    def make(gates=None, *, compare="auto", samples=None, **more):
        scenario = {"samples": {"min": 16, "max": 120, "warmup": 1, **(samples or {})}}
        top = {"budget": ROOM, "baseline": {"compare": compare}, **more}
        text = policy(gates or RULES, scenario={**scenario, **top.pop("scenario", {})}, **top)
        place = repository(tmp_path / "repo", {"lens-gate.yaml": text})
        return find_sources(place.world(), None)

    return make


def test_check_plans_a_run_here_and_a_pull_request(sources):
    found = sources()
    checked = check(found, found.policy.budget)
    (here,), (pulled,) = checked.here.plan.cells, checked.pulled.cells
    assert (here.duet, here.n) == (None, 120)
    assert pulled.duet is not None
    assert (pulled.n, pulled.warmup) == (120, 3)
    (past,), (pair,) = checked.sights, checked.pulled_sights
    assert (past.mode, past.margin, past.margin_from) == ("history", 1.0, "default for simulated")
    assert (pair.mode, pair.margin, pair.margin_from) == ("duet", 0.3, "policy")


def test_what_init_writes_decides_nearly_every_build(repository, tmp_path):
    """A pull request that makes nothing worse passes, and one that is twice too slow fails."""
    place = repository(tmp_path / "repo", dict(init_files()))
    found = find_sources(place.world(), None)
    checked = check(found, found.policy.budget)
    sights = [sight for sight in checked.pulled_sights if sight.gating]
    assert len(sights) == 3
    assert all(sight.passes >= 0.97 for sight in sights)
    assert all(sight.finds >= 0.9 for sight in sights)
    (cell,) = checked.pulled.cells
    assert cell.limited_by == ""
    assert worst_case(checked.pulled) < Decimal("0.10")


@pytest.mark.parametrize("compare", ["history", "none"])
def test_without_duets_there_is_nothing_but_the_run_here(sources, compare):
    rules = [{"metric": "ttft.typ", "max": "30s"}] if compare == "none" else None
    rules = rules or [{"metric": "ttft.typ", "max_drift": "100%"}]
    found = sources(rules, compare=compare)
    assert check(found, found.policy.budget).pulled is None


def test_where_nothing_is_compared_a_pull_request_is_the_same_run(sources):
    found = sources([{"metric": "ttft.typ", "max": "30s"}])
    assert check(found, found.policy.budget).pulled is None


def test_a_rule_that_no_pull_request_can_decide_is_refused(sources):
    found = sources([{"metric": "ttft.typ", "max_regression": "10%"}], samples={"max": 20})
    with pytest.raises(InputError) as caught:
        check(found, found.policy.budget)
    (problem,) = caught.value.problems
    assert problem.file == "lens-gate.yaml"
    assert problem.line > 1
    assert "with 20 pairs it finds what is 20 % worse" in problem.message


def test_a_budget_that_holds_one_arm_alone_is_too_small_for_a_pull_request(sources):
    found = sources()
    small = replace(found.policy.budget, max_requests=30)
    with pytest.raises(
        BudgetError, match=r"in a pull request: budget.max_requests of 30"
    ) as caught:
        check(found, small)
    assert caught.value.hint.startswith("raise budget.max_requests to 38")


def test_power_shows_what_parts_and_multiples_of_the_budget_would_do(sources):
    """N + 3 pairs of 300 requests are 147; samples.max is 120, and grows beyond the budget."""
    found = sources()
    report = power(found, found.policy.budget)
    quarter, half, once, twice, four = report.spendings
    assert [s.times for s in report.spendings] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert [s.max_usd for s in report.spendings] == [
        Decimal(5) * Decimal(s.times) for s in report.spendings
    ]
    sizes = [s.sights[0].n for s in report.spendings]
    assert sizes == [34, 72, 120, 240, 480]
    assert [s.sights[0].set_by for s in (quarter, half, once)] == [
        "requests",
        "requests",
        "samples.max",
    ]
    chances = [s.sights[0].finds for s in report.spendings]
    margins = [s.sights[0].smallest_margin for s in report.spendings]
    assert chances == sorted(chances)
    assert margins == sorted(margins, reverse=True)
    assert once.requests == once.sights[0].requests == 246
    assert once.usd == once.sights[0].usd > 0
    assert four.usd > twice.usd > half.usd
    assert report.checks == 1


def test_a_spend_that_is_too_little_says_so(sources):
    found = sources()
    report = power(found, replace(found.policy.budget, max_requests=100))
    assert report.spendings[0].why == "too little for samples.min of every gating cell"
    assert report.spendings[0].sights == ()
    assert report.spendings[2].sights


def test_power_marks_what_the_gate_would_refuse(sources):
    found = sources([{"metric": "ttft.typ", "max_regression": "10%"}], samples={"max": 20})
    once = power(found, found.policy.budget).spendings[2]
    assert once.sights[0].undecidable


def test_power_of_history_is_of_stored_runs(sources):
    found = sources([{"metric": "ttft.typ", "max_drift": "100%"}], compare="history")
    (seen,) = power(found, found.policy.budget).spendings[2].sights
    assert (seen.mode, seen.runs, seen.n) == ("history", 10, 120)


def test_absolute_limits_have_no_power_to_show(sources):
    found = sources([{"metric": "ttft.typ", "max": "30s"}])
    with pytest.raises(LensError, match="no rule of this policy compares"):
        power(found, found.policy.budget)


def side_by_side(**control):
    simulated = {"provider": "simulated", "simulate": {"time_scale": 0.01}}
    return {
        "quick": {**simulated, "price": {"input": 2, "output": 8}, "control": "old"},
        "old": {**simulated, "price": {"input": 1, "output": 4}, **control},
    }


def test_targets_that_are_only_controls_are_priced_and_planned(sources):
    found = sources(compare="history", targets=side_by_side())
    prices = unit_prices(found.policy, protocols(found.policy))
    assert prices["old"].input == 1
    assert list(used_targets(found.policy)) == ["quick", "old"]
    checked = check(found, found.policy.budget)
    (cell,) = checked.here.plan.cells
    assert cell.duet.control == "old"
    assert cell.duet.prices.input == 1
    assert cell.duet.expected_usd * 2 == cell.expected_usd
    assert checked.pulled is None


def test_targets_that_are_only_controls_are_asked_by_connect(sources, folder, tmp_path):
    found = sources(compare="history", targets=side_by_side())
    asked = connect(found.policy, found.policy.budget, folder(tmp_path).world())
    assert [c.target.key for c in asked.targets] == ["quick", "old"]
    assert all(c.sample.failure is None for c in asked.targets)


def baseline(values, prompts, **given):
    whole = {
        "scenario": "chat",
        "target": "mini",
        "created": "20261121T021500Z",
        "commit": "",
        "policy": "demo",
        "run_id": "r",
        "models": (),
        "fingerprint": Fingerprint(fixed={}, compared={}),
        "prompt_ids": prompts,
        "values": values,
        "censored": (),
        "failures": {},
        "spent_usd": Decimal(0),
        "environment": {},
    }
    return Baseline(**{**whole, **given})


def test_what_sets_prompts_apart_is_no_noise_of_pairs():
    """Ten prompts of which the longest takes 1000 times the shortest, each with noise of 10 %."""
    rng = np.random.default_rng(3)
    prompts = [f"p{k}" for k in range(10)] * 6
    long = [10.0 ** (k % 10 / 3) for k in range(60)]
    runs = [
        baseline({"e2e": [size * math.exp(0.1 * rng.normal()) for size in long]}, prompts)
        for _ in range(5)
    ]
    cleaned = spreads({"chat/mini": runs}).values["chat/mini", "e2e"]
    assert variance_of(cleaned, "mean") == pytest.approx(2 * 0.1**2, rel=0.2)
    naive = variance_of([run.values["e2e"] for run in runs], "mean")
    assert naive > 50 * 2 * 0.1**2, "the prompts themselves, taken for noise"


def test_prompts_sent_once_tell_nothing_and_bad_runs_are_left_out():
    once = baseline({"e2e": [1.0, 2.0, None]}, ["a", "b", "c"])
    bad = baseline({"e2e": [1.0, 2.0]}, ["a", "a"], bad="a rehearsal")
    some = baseline({"e2e": [1.0, 4.0, 9.0, 0.0]}, ["a", "a", "b", "b"])
    assert spreads({"chat/mini": [once, bad]}).values == {}
    (values,) = spreads({"chat/mini": [some]}).values["chat/mini", "e2e"]
    # Log 4 apart, about their mean, and wider by the root of 2 for having taken that.
    assert values == pytest.approx([4 ** (-math.sqrt(2) / 2), 4 ** (math.sqrt(2) / 2)])


def test_a_metric_that_only_some_stored_runs_have_is_theirs_alone():
    """On a busy machine an answer can come in one read: then it has no gaps, and its run no ITL."""
    one_read = baseline({"e2e": [1.0, 4.0]}, ["a", "a"])
    gaps = baseline({"e2e": [1.0, 4.0], "itl": [1.0, 2.0]}, ["a", "a"])
    found = spreads({"chat/mini": [gaps, one_read]}).values
    assert (len(found["chat/mini", "e2e"]), len(found["chat/mini", "itl"])) == (2, 1)


def test_the_share_of_errors_is_that_of_all_stored_requests():
    first = baseline({}, ["a"] * 90, failures={"timeout": 10}, retried=(3, 4))
    second = baseline({}, ["a"] * 100)
    rates = spreads({"chat/mini": [first, second], "empty/mini": []}).rates
    assert rates == {("chat/mini", "error_rate"): 12 / 200}

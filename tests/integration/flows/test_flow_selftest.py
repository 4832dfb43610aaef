"""What a selftest plays: simulated targets, the plan's own N, and a slowdown that must be found."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lens_gate.errors import InputError, LensError
from lens_gate.flows.selftest import SelftestOrder, piece_of, played
from lens_gate.flows.simulating import SLOWED, USUAL, Simulation, dialect, faster, without_times
from lens_gate.flows.slowdown import MISSED, false_alarm
from lens_gate.flows.sources import find_sources
from lens_gate.policy.plan import worst_case
from lens_gate.records.policy import Load
from lens_gate.sim.behaviour import behaviour_from_mapping

TTFT = {"id": "slow", "metric": "ttft.typ", "max_regression": "60%"}
E2E = {"id": "long", "metric": "e2e.typ", "max_regression": "50%"}
SMALL = {"samples": {"min": 16, "max": 24, "warmup": 1}, "max_output_tokens": 12}
ROOM = {"max_usd": 1, "max_requests": 200, "max_duration": "5m"}
REAL = {
    "provider": "anthropic",
    "model": "claude-haiku-4-5",
    "api_key_env": "KEY_THAT_IS_NOT_SET",
    "headers": {"x-team": "a"},
    "params": {"thinking": {"type": "disabled"}},
    "rate_limit": {"requests_per_minute": 60},
}


@pytest.fixture
def piece(repository, policy, tmp_path):
    def make(gates=None, *, target=None, compare="auto", **more):
        scenario = {**SMALL, **more.pop("scenario", {})}
        top = {"budget": ROOM, "baseline": {"compare": compare, "history": 3}, **more}
        text = policy(gates or [TTFT, E2E], target=target or REAL, scenario=scenario, **top)
        place = repository(
            tmp_path / f"repo-{len(list(tmp_path.iterdir()))}", {"lens-gate.yaml": text}
        )
        return piece_of(find_sources(place.world(), None)), place

    return make


def order(tmp_path, time_s=60.0):
    return SelftestOrder(policy_path=None, time_s=time_s, seed=3, folder=tmp_path / "runs")


def simulation(found, **more):
    return Simulation(
        policy=found.policy, kinds=found.kinds, **{"scale": 0.05, "factor": 2.5, **more}
    )


def test_every_target_is_simulated_in_its_own_protocol_and_at_its_own_price(piece):
    found, _ = piece()
    sim = simulation(found)
    plan = sim.plan(found.plan, head=SLOWED, control=USUAL, seed=9)
    target, control = plan.policy.targets["quick"], plan.control.targets["quick"]
    assert (target.model, control.model) == (SLOWED, USUAL)
    assert replace(target, model=USUAL) == control
    assert (target.headers, target.params, target.base_url) == ({}, {}, None)
    assert target.api_key.env is None
    behaviour = behaviour_from_mapping(target.simulate)
    assert (behaviour.dialect, behaviour.profile) == ("anthropic", "hosted")
    assert behaviour.model == "claude-haiku-4-5"
    assert (behaviour.models[SLOWED].ttft, behaviour.models[SLOWED].gap) == (2.5, 2.5)
    assert behaviour.time_scale == 0.05
    # Answers end before their limit, so that their length varies as it does in earnest.
    assert behaviour.output_tokens.median == 7
    (real,), (here,) = found.plan.cells, plan.cells
    assert (here.n, here.prices, here.worst_usd) == (real.n, real.prices, real.worst_usd)
    assert worst_case(plan) == worst_case(found.plan)
    assert sim.providers()["quick"].kind == "hosted"


@pytest.mark.parametrize(
    ("target", "said", "profile"),
    [
        ({"provider": "openai-compatible", "base_url": "http://localhost:1/v1"}, "openai", "self"),
        ({"provider": "openai-responses"}, "responses", "hosted"),
        ({"provider": "simulated", "simulate": {"dialect": "gemini"}}, "gemini", "hosted"),
    ],
)
def test_the_noise_is_that_of_the_targets_kind(piece, target, said, profile):
    found, _ = piece(target={"model": "m", "price": {"input": 1, "output": 2}, **target})
    assert dialect(found.policy.targets["quick"]) == said
    plan = simulation(found).plan(found.plan, head=USUAL, control=USUAL, seed=1)
    behaviour = behaviour_from_mapping(plan.policy.targets["quick"].simulate)
    assert behaviour.profile.startswith(profile)
    assert simulation(found).providers()["quick"].kind == found.kinds["quick"]


def test_a_protocol_that_is_not_simulated_is_openais(piece):
    found, _ = piece()
    strange = replace(found.policy.targets["quick"], provider="of-a-plug-in")
    assert dialect(strange) == "openai"
    assert dialect(replace(strange, provider="vertex")) == "gemini"


def test_limits_on_times_can_not_fail_and_keep_their_place_in_the_family(piece):
    absolute = [
        {"metric": "ttft.p90", "max": "1ms"},
        {"metric": "output_tps.typ", "min": 1000},
        {"metric": "output_tokens.mean", "max": 3},
        {"metric": "error_rate", "max": "5%"},
    ]
    found, _ = piece([TTFT, *absolute])
    limits = {r.metric: (r.max, r.min) for r in without_times(found.policy).scenarios["chat"].rules}
    assert limits["ttft"][0] in (None, 1e12)
    assert limits["output_tps"] == (None, 0.0)
    assert limits["output_tokens"] == (3.0, None)
    assert limits["error_rate"] == (0.05, None)
    plan = simulation(found).plan(found.plan, head=USUAL, control=USUAL, seed=1)
    assert (
        plan.policy.scenarios["chat"].rules == without_times(found.policy).scenarios["chat"].rules
    )
    assert len(plan.policy.scenarios["chat"].rules) == len(found.policy.scenarios["chat"].rules)


def test_a_load_with_a_schedule_runs_on_the_same_clock():
    load = Load(
        pattern="ramp",
        concurrency=4,
        rate=2.0,
        rate_to=4.0,
        over_s=10.0,
        every_s=3.0,
        duration_s=20.0,
        block_s=8.0,
    )
    fast = faster(load, 0.5)
    assert (fast.rate, fast.rate_to, fast.speed) == (4.0, 8.0, 2.0)
    assert (fast.over_s, fast.every_s, fast.duration_s, fast.block_s) == (5.0, 1.5, 10.0, 4.0)
    assert faster(Load(pattern="closed", concurrency=4), 0.5).rate is None


def test_the_slowdown_is_clearly_beyond_the_margin_and_hardly_ever_missed(piece):
    found, _ = piece()
    slow = found.slow
    assert slow.factor >= 1 + 3 * 0.6
    assert slow.must_fail == ("chat/quick",)
    assert 0 <= slow.missed <= MISSED
    assert 0 < false_alarm(found.plan, found.kinds) < 0.01


def test_where_few_pairs_make_it_hard_to_see_the_slowdown_grows(piece):
    narrow = {"id": "slow", "metric": "ttft.typ", "max_regression": "25%"}
    few, _ = piece([{**narrow, "may_be_inconclusive": True}])
    assert few.slow.factor > 1 + 3 * 0.25
    assert few.slow.missed <= MISSED


def test_what_has_to_be_confirmed_needs_a_clearer_slowdown(piece):
    room = {"max_usd": 1, "max_requests": 400, "max_duration": "5m"}
    once, _ = piece([TTFT], budget=room)
    twice, _ = piece([TTFT], budget=room, confirm=True)
    assert twice.plan.cells[0].duet.confirm == twice.plan.cells[0].n == once.plan.cells[0].n
    assert twice.slow.factor > once.slow.factor
    assert twice.slow.missed <= MISSED


def test_a_policy_that_can_find_no_slowdown_has_nothing_to_prove(piece):
    cost = {"metric": "cost_usd.mean", "max_regression": "20%"}
    with pytest.raises(LensError, match=r"no slowdown .* no gating rule of it compares a latency"):
        piece([cost])


def test_nothing_that_compares_is_nothing_to_test(piece):
    with pytest.raises(LensError, match="nothing to test"):
        piece([{"metric": "ttft.typ", "max": "3s"}, TTFT | {"id": "w", "severity": "warn"}])


def test_rules_that_can_not_decide_are_named_as_the_gate_would(piece):
    with pytest.raises(InputError, match="would mostly decide nothing"):
        piece([{"metric": "ttft.typ", "max_regression": "5%"}])


def test_too_short_a_time_is_refused_with_one_that_is_enough(piece, tmp_path):
    found, place = piece()
    with pytest.raises(LensError, match=r"are too short for \d+ simulated requests") as caught:
        played(found, order(tmp_path, time_s=2.0), place.world())
    assert "--time" in caught.value.hint


def world_of(place):
    return replace(place.world(), now=lambda: datetime.now(UTC))


def test_a_gate_that_fails_unchanged_builds_and_one_that_sees_nothing_are_not_proven(
    piece, tmp_path
):
    """Both acts with the other one's model stand for a gate that gets both wrong."""
    found, place = piece()
    swapped = replace(found, days=1, heads={"unchanged": SLOWED, "slowed": USUAL})
    report = played(swapped, order(tmp_path, time_s=14.0), world_of(place))
    assert not report.proven
    unchanged, slowed = report.acts
    assert unchanged.name == "unchanged"
    # A busy machine may withhold one of the two.
    assert any(p.startswith("chat/quick/") and ": failed: " in p for p in unchanged.problems)
    (missed,) = slowed.problems
    assert missed.startswith("chat/quick: not found to be slower")
    assert "fail" in {row.unchanged for row in report.rows}
    assert "fail" not in {row.slowed for row in report.rows}
    assert report.seed == 3


def test_stored_runs_stand_in_for_the_control_where_the_policy_has_history_alone(piece, tmp_path):
    rules = [
        {"id": "slow", "metric": "e2e.typ", "max_drift": "150%"},
        # Broken by every answer, and by none of the acts.
        {"id": "long", "metric": "output_tokens.mean", "max": 1},
    ]
    found, place = piece(rules, compare="history")
    assert found.days == 3
    report = played(found, order(tmp_path, time_s=14.0), world_of(place))
    assert report.proven, report.acts
    (row,) = report.rows
    assert (row.unit, row.slowed) == ("requests", "fail")
    # Three days, and the unchanged one beside them.
    assert row.fixed.of == 3
    runs = [json.loads(p.read_text().splitlines()[0]) for p in (tmp_path / "runs").iterdir()]
    assert len(runs) == 3 + 2
    assert {cell["duet"] for run in runs for cell in run["cells"]} == {None}

"""Money and requests never pass their caps: concurrency, retries, faults and lying usage."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FAULTS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "kind": st.just("status"),
                "status": st.sampled_from([429, 500, 503, 400, 401]),
                "every": st.integers(1, 5),
                "retry_after_ms": st.just("1"),
            }
        ),
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["no_usage", "no_finish", "empty_200", "not_streamed"]),
                "every": st.integers(1, 5),
            }
        ),
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["cut", "truncated", "error_event"]),
                "every": st.integers(2, 5),
                "after_chunks": st.integers(0, 3),
            }
        ),
    ),
    max_size=3,
)


def stingy(bench, *, usd, requests, concurrency, retries, minimum=4):
    """A plan whose caps are then cut below what it was made for."""
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "retries": retries},
        scenarios__chat__load={"pattern": "closed", "concurrency": concurrency},
        scenarios__chat__samples={"min": minimum, "max": 24, "warmup": 2},
    )
    return bench.with_budget(bench.plan(policy), max_usd=usd, max_requests=requests)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    faults=FAULTS,
    usage=st.sampled_from(["full", "missing", {"lying": 0.1}, {"lying": 30}]),
    requests=st.integers(1, 40),
    thousandths=st.integers(1, 40),
    concurrency=st.integers(1, 8),
    retries=st.integers(0, 2),
)
def test_caps_hold_whatever_the_server_does(
    bench, faults, usage, requests, thousandths, concurrency, retries
):
    cap = Decimal(thousandths) / 10_000
    plan = stingy(bench, usd=cap, requests=requests, concurrency=concurrency, retries=retries)
    outcome = bench.run(plan, bench.behave(faults=faults, usage=usage))
    spend = outcome.run.end.spend
    assert outcome.stats["one"]["requests"] <= requests
    assert spend.requests == outcome.stats["one"]["requests"]
    assert outcome.stats["one"]["most_in_flight"] <= concurrency
    assert sum(s.settled_usd for s in outcome.run.samples) == spend.spent_usd
    assert sum(s.attempts for s in outcome.run.samples) == spend.requests
    overrun = sum(
        (max(Decimal(0), s.settled_usd - s.attempts * s.reserved_usd)) for s in outcome.run.samples
    )
    assert spend.spent_usd <= cap + overrun
    assert spend.peak_usd <= cap + overrun
    if usage != {"lying": 0.1}:
        # By the server's own books: what it really made is never more than what we booked.
        assert bench.true_cost(outcome) <= spend.spent_usd
    if overrun:
        late = [s for s in outcome.run.samples if s.settled_usd > s.attempts * s.reserved_usd]
        assert len(late) <= concurrency


def test_a_purse_that_forgets_unknown_bills_would_pass_the_cap(bench):
    """The plausible wrong ledger: no usage, so nothing is booked. Its books break the cap."""
    plan = stingy(bench, usd=Decimal("0.0006"), requests=40, concurrency=4, retries=0)
    outcome = bench.run(plan, bench.behave(usage="missing"))
    forgetful = sum((s.cost_usd or Decimal(0)) for s in outcome.run.samples)
    assert forgetful == 0
    assert bench.true_cost(outcome) > forgetful
    assert bench.true_cost(outcome) <= outcome.run.end.spend.spent_usd <= Decimal("0.0006")
    # By the forgetful books there would be money left for all 26 requests; ours stopped before.
    assert len(outcome.run.samples) < 26
    assert outcome.run.end.cells[0].reason == "money"


def test_a_bill_above_its_reservation_is_booked_and_ends_the_target(bench):
    plan = stingy(bench, usd=Decimal(1), requests=40, concurrency=1, retries=0)
    outcome = bench.run(plan, bench.behave(usage={"lying": 1000}))
    (sample,) = outcome.run.samples
    assert sample.settled_usd > sample.reserved_usd
    assert outcome.run.end.cells[0].reason == "target"
    assert "beyond" in outcome.run.end.cells[0].detail or "above" in outcome.run.end.cells[0].detail


def test_an_early_cell_leaves_a_later_one_its_least(bench):
    policy = bench.policy(
        targets__two={"provider": "simulated", "model": "sim"},
        scenarios__chat__targets=["one", "two"],
        scenarios__chat__samples={"min": 8, "max": 40, "warmup": 0},
    )
    plan = bench.plan(policy)
    first, second = plan.cells
    least = first.worst_usd * 8 + second.worst_usd * 8
    # Just enough for both least numbers: without the hold-back the first cell, whose usage never
    # comes and which is therefore booked at the worst, would use up what the second needs.
    plan = bench.with_budget(plan, max_usd=least)
    behaviours = {key: {**bench.QUICK, "usage": "missing"} for key in ("one", "two")}
    outcome = bench.run(plan, behaviours)
    sent = {key: outcome.stats[key]["requests"] for key in ("one", "two")}
    assert sent["two"] >= 8
    assert sent["one"] >= 8
    assert outcome.run.end.spend.spent_usd <= least


def test_the_retries_of_an_early_cell_leave_a_later_one_its_least(bench):
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "retries": 2},
        targets__two={"provider": "simulated", "model": "sim"},
        scenarios__chat__targets=["one", "two"],
        scenarios__chat__load={"pattern": "closed", "concurrency": 1},
        scenarios__chat__samples={"min": 8, "max": 40, "warmup": 0},
    )
    # The least of the first with every retry, that of the second, and one: it buys no two retries.
    plan = bench.with_budget(bench.plan(policy), max_requests=8 * 3 + 8 + 1)
    fault = {"kind": "status", "status": 429, "every": 1, "retry_after_ms": "1"}
    outcome = bench.run(plan, bench.behave(faults=[fault]))
    assert outcome.stats["two"]["requests"] >= 8


@pytest.mark.parametrize("own", [{"max_requests": 6}, {"max_usd": 0.0002}])
def test_a_targets_own_budget_ends_that_target_alone(bench, own):
    policy = bench.policy(
        targets__two={"provider": "simulated", "model": "sim"},
        scenarios__chat__targets=["one", "two"],
    )
    plan = bench.plan(policy)
    targets = dict(plan.policy.targets)
    budget = replace(
        targets["one"].budget,
        max_requests=own.get("max_requests"),
        max_usd=Decimal(str(own["max_usd"])) if "max_usd" in own else None,
    )
    targets["one"] = replace(targets["one"], budget=budget)
    plan = replace(plan, policy=replace(plan.policy, targets=targets))
    outcome = bench.run(plan)
    ends = {end.cell: end.reason for end in outcome.run.end.cells}
    assert ends == {"chat/one": "target", "chat/two": "complete"}
    assert outcome.stats["two"]["requests"] == 14

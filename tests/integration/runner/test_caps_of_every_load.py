"""Spent and reserved together stay below the cap at every moment, whatever the load."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lens_gate.load import within
from lens_gate.records.policy import Arrival, Load, RateCap
from lens_gate.runner import measure as runner
from lens_gate.runner.till import Till

LOADS = {
    "closed": Load(pattern="closed", concurrency=8),
    "constant": Load(pattern="constant", concurrency=30, rate=2000.0),
    "poisson": Load(pattern="poisson", concurrency=30, rate=2000.0),
    "burst": Load(pattern="burst", concurrency=200, size=200, every_s=0.01),
    "ramp": Load(pattern="ramp", concurrency=30, rate=100.0, rate_to=5000.0, over_s=0.01),
    "sweep": Load(pattern="sweep", concurrency=30, steps=(200.0, 2000.0, 9000.0)),
    "concurrencies": Load(
        pattern="sweep", concurrency=9, steps=(1.0, 4.0, 9.0), step_by="concurrency"
    ),
    "trace": Load(
        pattern="trace",
        concurrency=40,
        arrivals=tuple(Arrival(at_s=k // 9 / 500) for k in range(40)),
    ),
}
FAULTS = (
    {"kind": "status", "status": 429, "every": 4, "retry_after_ms": "1"},
    {"kind": "cut", "every": 5, "after_chunks": 1},
    {"kind": "no_usage", "every": 3},
    {"kind": "not_streamed", "every": 7},
)


class Witness(Till):
    """The till, and the most that was ever spent and reserved while no bill was too high."""

    seen: list["Witness"] = []  # noqa: RUF012  # the runner makes it; the test asks for it

    def __init__(self, ledger):
        super().__init__(ledger)
        self.most = Decimal(0)
        self.open = 0
        Witness.seen.append(self)

    def _look(self):
        self.most = max(self.most, self.ledger.spent_usd + self.ledger.reserved_usd)
        accounts = self.ledger.accounts.values()
        assert sum(a.spent_usd for a in accounts) == self.ledger.spent_usd
        assert sum(a.reserved_usd for a in accounts) == self.ledger.reserved_usd

    def reserve(self, target, amount, *keep):
        answer = super().reserve(target, amount, *keep)
        if answer is None:
            self.open += 1
            assert self.ledger.spent_usd + self.ledger.reserved_usd <= self.ledger.cap_usd
        self._look()
        return answer

    def settle(self, target, reserved, bill):
        booked = super().settle(target, reserved, bill)
        self.open -= 1
        self._look()
        return booked


@pytest.fixture(autouse=True)
def witness(monkeypatch):
    monkeypatch.setattr(runner, "Till", Witness)
    Witness.seen.clear()


def planned(bench, load, *, usd, retries, rate_limit=None):
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "retries": retries},
        scenarios__chat__samples={"min": 3, "max": 13, "warmup": 2},
    )
    plan = bench.plan(policy)
    target = replace(plan.policy.targets["one"], rate_limit=rate_limit or RateCap())
    scenario = replace(plan.policy.scenarios["chat"], load=load)
    policy = replace(
        plan.policy, scenarios={"chat": scenario}, targets={**plan.policy.targets, "one": target}
    )
    cells = tuple(
        replace(cell, n=39, load=within(load, 39), concurrency=load.concurrency)
        for cell in plan.cells
    )
    return bench.with_budget(replace(plan, policy=policy, cells=cells), max_usd=usd)


@settings(max_examples=24, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(LOADS)),
    faults=st.sets(st.integers(0, len(FAULTS) - 1)),
    thousandths=st.integers(1, 60),
    retries=st.integers(0, 2),
    stop_after=st.one_of(st.none(), st.integers(1, 12)),
)
def test_no_load_passes_the_cap_at_any_moment(
    bench, name, faults, thousandths, retries, stop_after
):
    cap = Decimal(thousandths) / 10_000
    plan = planned(bench, LOADS[name], usd=cap, retries=retries)

    def interrupt(progress, event):
        if stop_after is not None and progress.done >= stop_after:
            event.set()

    behaviour = bench.behave(faults=[FAULTS[k] for k in sorted(faults)])
    outcome = bench.run(plan, behaviour, on_progress=interrupt)
    till, spend = Witness.seen[-1], outcome.run.end.spend
    assert till.most <= cap
    assert till.open == 0
    assert till.ledger.reserved_usd == 0
    assert spend.spent_usd == sum(s.settled_usd for s in outcome.run.samples) <= cap
    # By the server's own books: what it made is never more than what we booked.
    assert bench.true_cost(outcome) <= spend.spent_usd


@pytest.mark.parametrize("lie", [0, 0.1, 30, 1000])
@pytest.mark.parametrize("name", ["burst", "poisson", "concurrencies"])
def test_lies_about_usage_end_the_target_or_stay_below_the_cap(bench, name, lie):
    cap = Decimal("0.003")
    outcome = bench.run(
        planned(bench, LOADS[name], usd=cap, retries=0), bench.behave(usage={"lying": lie})
    )
    too_dear = [s for s in outcome.run.samples if s.settled_usd > s.reserved_usd]
    over = sum((s.settled_usd - s.reserved_usd for s in too_dear), Decimal(0))
    assert outcome.run.end.spend.spent_usd <= cap + over
    if too_dear:
        assert outcome.run.end.cells[0].reason == "target"
        # Nothing was sent after the first bill was seen: at most the two of the warm-up were out.
        assert len(too_dear) <= 2


def test_a_server_that_counts_no_output_of_what_it_said_is_not_believed(bench):
    plan = planned(bench, LOADS["closed"], usd=Decimal("0.003"), retries=0)
    outcome = bench.run(plan, bench.behave(usage={"lying": 0}))
    assert {s.cost_usd for s in outcome.run.samples} == {None}
    assert all(s.settled_usd == s.reserved_usd for s in outcome.run.samples)
    assert bench.true_cost(outcome) <= outcome.run.end.spend.spent_usd <= Decimal("0.003")


def test_requests_that_are_held_back_hold_no_more_than_the_cap(bench):
    plan = planned(
        bench,
        LOADS["burst"],
        usd=Decimal("0.002"),
        retries=1,
        rate_limit=RateCap(requests_per_minute=3.0),
    )
    outcome = bench.run(
        bench.with_budget(plan, max_usd=Decimal("0.002"), max_duration_s=0.3), bench.behave()
    )
    till = Witness.seen[-1]
    assert till.open == 0
    assert till.most <= Decimal("0.002")
    # What was never sent costs nothing, and does not pass for sent.
    unsent = [s for s in outcome.run.samples if s.phase == "cut" and s.settled_usd == 0]
    assert unsent
    assert outcome.stats["one"]["requests"] == len(outcome.run.samples) - len(unsent)
    # How long they waited until then is known.
    assert all(s.held_s > 0 for s in unsent)


def test_rounds_side_by_side_share_one_cap(bench):
    policy = bench.policy(
        targets={key: {"provider": "simulated", "model": "sim"} for key in ("one", "two")},
        scenarios__chat__targets=["one", "two"],
        scenarios__chat__samples={"min": 3, "max": 13, "warmup": 2},
    )
    cap = Decimal("0.0019")
    plan = bench.with_budget(bench.plan(policy), max_usd=cap)
    faulty = {**bench.QUICK, "faults": [{"kind": "no_usage", "every": 2}]}
    outcome = bench.run(plan, {"one": faulty, "two": faulty}, side_by_side=True)
    till = Witness.seen[-1]
    assert till.most <= cap
    assert till.open == 0
    assert {cell.reason for cell in outcome.run.end.cells} == {"money"}

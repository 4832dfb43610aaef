"""Duets inside their caps: no cap breaks a pair, and however a run ends its books are right."""

from collections import Counter, defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lens_gate.records.look import LookAnswer
from lens_gate.runner import pairs as pairs_module
from lens_gate.runner.till import Till

FAULTS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "kind": st.just("status"),
                "status": st.sampled_from([429, 500, 400]),
                "every": st.integers(2, 5),
                "retry_after_ms": st.just("1"),
            }
        ),
        st.fixed_dictionaries(
            {"kind": st.sampled_from(["no_usage", "empty_200"]), "every": st.integers(1, 5)}
        ),
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["cut", "truncated"]),
                "every": st.integers(2, 5),
                "after_chunks": st.integers(0, 3),
            }
        ),
    ),
    max_size=2,
)


def duet(bench, *, n, concurrency=1, cells=1, retries=0, **given):
    keys = ["one", "two", "three"][:cells]

    def arm(model):
        return bench.policy(
            targets={
                key: {"provider": "simulated", "model": model, "retries": retries} for key in keys
            },
            scenarios__chat__targets=keys,
            scenarios__chat__load={"pattern": "closed", "concurrency": concurrency},
        )

    return bench.paired(bench.plan(arm("new")), n=n, policy=arm("old"), **given)


def broken(samples):
    """Pairs of which one side is missing, by cell, phase and number."""
    arms = defaultdict(set)
    for s in samples:
        if s.pair is not None:
            arms[s.cell, s.phase, s.pair].add(s.arm)
    return [key for key, found in arms.items() if len(found) == 1]


def check_books(outcome, targets=("one",)):
    spend, samples = outcome.run.end.spend, outcome.run.samples
    assert sum(s.settled_usd for s in samples) == spend.spent_usd
    assert sum(s.attempts + s.resent for s in samples) == spend.requests
    assert spend.requests <= spend.max_requests
    assert len({s.seq for s in samples}) == len(samples)
    return sum(outcome.stats[key]["requests"] for key in targets)


class Books:
    """A till that looks at its own ledger after every change."""

    def __init__(self, monkeypatch):
        self.worst = Decimal(0)
        for name in ("reserve", "reserve_all", "settle", "release"):
            monkeypatch.setattr(Till, name, self.watched(getattr(Till, name)))

    def watched(self, change):
        def changed(till, *args, **kwargs):
            answer = change(till, *args, **kwargs)
            ledger = till.ledger
            overrun = ledger.overrun_usd
            self.worst = max(
                self.worst, (ledger.spent_usd + ledger.reserved_usd - overrun) / ledger.cap_usd
            )
            assert ledger.reserved_usd >= 0
            assert ledger.spent_usd + ledger.reserved_usd <= ledger.cap_usd + overrun
            assert ledger.requests <= ledger.max_requests
            return answer

        return changed


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    faults=FAULTS,
    usage=st.sampled_from(["full", "missing", {"lying": 0.1}, {"lying": 30}]),
    requests=st.integers(1, 60),
    thousandths=st.integers(1, 60),
    concurrency=st.integers(1, 6),
    retries=st.integers(0, 2),
    cells=st.integers(1, 2),
)
def test_caps_hold_and_no_cap_breaks_a_pair_whatever_the_server_does(
    bench, faults, usage, requests, thousandths, concurrency, retries, cells
):
    plan = duet(bench, n=10, warmup=1, concurrency=concurrency, retries=retries, cells=cells)
    cap = Decimal(thousandths) / 10_000
    plan = bench.with_budget(plan, max_usd=cap, max_requests=requests)
    behaviour = {**bench.QUICK, "faults": faults, "usage": usage}
    with pytest.MonkeyPatch.context() as monkeypatch:
        Books(monkeypatch)
        outcome = bench.run(plan, {"one": behaviour, "two": behaviour})
    targets = ("one", "two")[:cells]
    assert check_books(outcome, targets) == outcome.run.end.spend.requests
    overruns = [
        s for s in outcome.run.samples if s.settled_usd > (s.attempts + s.resent) * s.reserved_usd
    ]
    if not overruns:
        assert outcome.run.end.spend.spent_usd <= cap
        assert broken(outcome.run.samples) == []
    else:
        # A target that bills more than it can is asked no more, not even for the second of a pair.
        assert len(broken(outcome.run.samples)) <= concurrency * cells
    assert all(s.phase != "cut" for s in outcome.run.samples)


def test_pairs_of_which_only_the_first_is_set_aside_are_broken_by_a_cap(bench, monkeypatch):
    """The plausible wrong purse: each request reserves for itself, as outside of a duet."""

    async def alone(course, phase, number):
        place, seq = pairs_module._place(course, phase, number), course.run.seqs.take(2)
        for k, arm in enumerate(course.arms(phase, number)):
            job = arm.job(phase, arm.prompts[place], seq=seq + k, pair=number)
            refusal = arm.till.reserve(job.wire.target.key, job.reservation())
            if refusal is not None:
                course.end(refusal.reason, refusal.detail)
                return
            await course.lane.send(job, course.keep(phase, number))
        course.complete(phase, number)

    plan = bench.with_budget(duet(bench, n=10), max_requests=7)
    ours = bench.run(plan)
    monkeypatch.setattr(pairs_module, "_pair", alone)
    theirs = bench.run(plan)
    assert len(broken(theirs.run.samples)) == 1
    assert broken(ours.run.samples) == []
    assert len(ours.run.samples) == 6
    assert ours.run.end.cells[0].reason == theirs.run.end.cells[0].reason == "requests"


def test_money_that_carries_one_request_but_no_pair_sends_nothing(bench):
    plan = duet(bench, n=4)
    plan = bench.with_budget(plan, max_usd=plan.cells[0].worst_usd * Decimal("1.5"))
    outcome = bench.run(plan)
    assert outcome.run.samples == ()
    (end,) = outcome.run.end.cells
    assert end.reason == "money"
    assert outcome.run.end.reason == "budget"
    spend = outcome.run.end.spend
    assert (spend.spent_usd, spend.peak_usd, spend.requests) == (0, 0, 0)


def test_an_overrun_on_the_first_of_a_pair_keeps_the_second_at_home(bench):
    outcome = bench.run(duet(bench, n=4), bench.behave(usage={"lying": 1000}))
    (sample,) = outcome.run.samples
    assert sample.settled_usd > sample.reserved_usd
    assert outcome.run.end.cells[0].reason == "target"
    assert "overrun" in outcome.run.end.cells[0].detail
    assert check_books(outcome) == 1 == outcome.run.end.spend.requests


def test_a_cell_leaves_the_others_their_least_and_only_that(bench):
    plan = duet(bench, n=40, cells=3, concurrency=2)
    plan = replace(plan, cells=(*plan.cells[:2], replace(plan.cells[2], duet=None, n=4, min_n=4)))
    worst = sum((c.worst_usd * c.min_n * (2 if c.duet else 1) for c in plan.cells), Decimal(0))
    plan = bench.with_budget(plan, max_usd=worst)
    missing = {key: {**bench.QUICK, "usage": "missing"} for key in ("one", "two", "three")}
    outcome = bench.run(plan, missing)
    sent = Counter(s.target for s in outcome.run.samples)
    assert sent["one"] >= 8
    assert sent["two"] >= 8
    assert sent["three"] == 4
    assert broken(outcome.run.samples) == []


def test_cells_leave_the_others_what_confirming_their_least_takes(bench):
    """The first look at ``one`` fails: its new pairs are there, though ``two`` would have more."""

    def look(cell, n, samples):
        again = cell == "chat/one" and all(s.phase == "measured" for s in samples)
        return LookAnswer(action="confirm" if again else "go_on")

    plan = duet(bench, n=40, cells=2, looks=[4, 40], confirm=40)
    # Its turns are sixteen pairs long, those of ``one`` a single one.
    plan = replace(plan, cells=(plan.cells[0], replace(plan.cells[1], concurrency=4)))
    worst = sum((c.worst_usd * 2 * c.min_n * 2 for c in plan.cells), Decimal(0))
    missing = {key: {**bench.QUICK, "usage": "missing"} for key in ("one", "two")}
    outcome = bench.run(bench.with_budget(plan, max_usd=worst), missing, on_look=look)
    sent = Counter((s.target, s.phase) for s in outcome.run.samples)
    assert sent["one", "confirm"] == 8
    assert sent["one", "measured"] >= 8
    assert sent["two", "measured"] >= 8


def test_nothing_is_kept_for_a_cell_that_gates_nothing(bench):
    plan = duet(bench, n=10, cells=2)
    idle, busy = plan.cells
    plan = replace(plan, cells=(replace(idle, gating=False), replace(busy, concurrency=4)))
    outcome = bench.run(bench.with_budget(plan, max_requests=12))
    sent = Counter(s.target for s in outcome.run.samples)
    # A turn of the second is long enough for all that the first has not taken by then.
    assert sent["one"] <= 2
    assert sent["one"] + sent["two"] == 12


def test_a_controls_target_pays_for_the_controls_requests(bench):
    policy = bench.policy(
        targets__before={"provider": "simulated", "model": "old"},
        scenarios__chat__load={"pattern": "closed", "concurrency": 1},
    )
    plan = bench.paired(bench.plan(policy), n=10, control="before")
    targets = dict(plan.policy.targets)
    own = replace(targets["before"].budget, max_requests=3)
    targets["before"] = replace(targets["before"], budget=own)
    plan = replace(plan, policy=replace(plan.policy, targets=targets))
    outcome = bench.run(plan)
    assert {key: s["requests"] for key, s in outcome.stats.items()} == {"one": 3, "before": 3}
    assert outcome.run.end.cells[0].reason == "target"
    assert "before" in outcome.run.end.cells[0].detail
    assert broken(outcome.run.samples) == []


def test_money_that_ends_inside_a_confirming_block_ends_the_cell_without_another_look(bench):
    seen = []

    def look(cell, n, samples):
        seen.append((n, len(samples)))
        return LookAnswer(action="confirm")

    plan = duet(bench, n=8, looks=[4, 8], confirm=8)
    outcome = bench.run(bench.with_budget(plan, max_requests=8 + 5), on_look=look)
    assert seen == [(4, 8)]
    assert outcome.run.end.cells[0].reason == "requests"
    assert Counter(s.phase for s in outcome.run.samples) == {"measured": 8, "confirm": 4}


# -- ends of other kinds


def test_refusals_of_both_arms_end_a_cell_and_the_others_go_on(bench):
    refuse = {**bench.QUICK, "faults": [{"kind": "status", "status": 401, "every": 1}]}
    outcome = bench.run(duet(bench, n=8, cells=2), {"one": refuse})
    ends = {e.cell: e.reason for e in outcome.run.end.cells}
    assert ends == {"chat/one": "hopeless", "chat/two": "complete"}
    sent = Counter(s.target for s in outcome.run.samples)
    assert sent == {"one": 4, "two": 16}
    assert broken(outcome.run.samples) == []


def test_refusals_of_one_arm_alone_are_what_the_duet_is_to_find(bench):
    policy = bench.policy(
        targets__before={"provider": "simulated", "model": "old"},
        scenarios__chat__load={"pattern": "closed", "concurrency": 1},
    )
    plan = bench.paired(bench.plan(policy), n=8, control="before")
    refuse = {**bench.QUICK, "faults": [{"kind": "status", "status": 404, "every": 1}]}
    outcome = bench.run(plan, {"one": refuse})
    assert outcome.run.end.cells[0].reason == "complete"
    failed = Counter(s.arm for s in outcome.run.samples if s.failure is not None)
    assert failed == {"head": 8}


def test_a_load_is_given_up_when_too_much_of_one_arm_fails(bench):
    policy = bench.policy(
        targets__before={"provider": "simulated", "model": "old"},
        scenarios__chat__load={"pattern": "closed", "concurrency": 1, "max_error_rate": "50%"},
    )
    plan = bench.paired(bench.plan(policy), n=60, control="before")
    broken_one = {**bench.QUICK, "faults": [{"kind": "status", "status": 500, "every": 1}]}
    outcome = bench.run(plan, {"one": broken_one})
    (end,) = outcome.run.end.cells
    assert end.reason == "errors"
    assert "20 of 20 requests failed" in end.detail
    assert len(outcome.run.samples) == 40


def test_a_load_with_a_duration_ends_when_its_own_turns_took_that_long(bench):
    plan = duet(bench, n=400, concurrency=2)
    scenario = plan.policy.scenarios["chat"]
    scenario = replace(scenario, load=replace(scenario.load, duration_s=0.2))
    plan = replace(plan, policy=replace(plan.policy, scenarios={"chat": scenario}))
    outcome = bench.run(plan, bench.behave(ttft={"fixed": "20ms"}))
    (end,) = outcome.run.end.cells
    assert (end.reason, end.detail) == ("duration", "the load's duration of 0.2 s is over")
    assert 4 <= len(outcome.run.samples) <= 44
    assert broken(outcome.run.samples) == []


def test_a_server_that_is_not_there_is_said_by_its_requests(bench):
    outcome = bench.run(duet(bench, n=3), {"one": "http://127.0.0.1:9/v1"})
    assert {s.failure.status for s in outcome.run.samples} == {"connection"}
    assert len(outcome.run.samples) == 6


@pytest.mark.parametrize("when", [1, 2, 3, 4, 7, 12, 17, 30])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_interrupt_at_any_moment_loses_nothing(bench, when, concurrency):
    def stop(progress, interrupt):
        seen.append(progress)
        if len(seen) == when:
            interrupt.set()

    seen = []
    slow = {**bench.QUICK, "ttft": {"fixed": "4ms"}}
    plan = duet(bench, n=12, cells=2, warmup=1, concurrency=concurrency, salted=True)
    outcome = bench.run(plan, {"one": slow, "two": slow}, on_progress=stop)
    end = outcome.run.end
    assert end.reason == "interrupted"
    assert {e.reason for e in end.cells} == {"interrupted"}
    check_books(outcome)
    cut = [s for s in outcome.run.samples if s.phase == "cut"]
    assert all(s.settled_usd == s.reserved_usd for s in cut)
    # At most as many pairs are cut as were under way, and none of the others lost a side.
    assert len(broken([s for s in outcome.run.samples if s.phase != "cut"])) <= concurrency
    assert len(cut) <= concurrency
    first = outcome.raw.index(b"\n") + 1
    for size in range(first, len(outcome.raw), 1499):
        assert bench.read(outcome.raw[:size]).header == outcome.run.header


def test_the_cap_on_time_cuts_what_is_in_flight_and_keeps_what_had_ended(bench):
    def look(cell, n, _samples):
        return LookAnswer(action="decided" if cell == "chat/one" else "go_on")

    plan = bench.with_budget(duet(bench, n=200, cells=2, looks=[2, 200]), max_duration_s=0.5)
    slow = {key: {**bench.QUICK, "ttft": {"fixed": "10ms"}} for key in ("one", "two")}
    outcome = bench.run(plan, slow, on_look=look)
    ends = {e.cell: e.reason for e in outcome.run.end.cells}
    assert ends == {"chat/one": "decided", "chat/two": "time"}
    assert outcome.run.end.reason == "budget"
    # The moment may fall between two requests.
    assert [s.phase for s in outcome.run.samples].count("cut") <= 1
    check_books(outcome, ("one", "two"))


def test_a_retried_side_costs_every_attempt_and_its_pair_goes_on(bench):
    fault = {"kind": "status", "status": 503, "at": [3], "retry_after_ms": "3"}
    outcome = bench.run(duet(bench, n=4, retries=1), bench.behave(faults=[fault]))
    (retried,) = [s for s in outcome.run.samples if s.attempts == 2]
    assert retried.failure is None
    assert broken(outcome.run.samples) == []
    assert check_books(outcome) == 9


def test_the_arms_share_what_the_target_may_be_asked_for(bench):
    """Both arms of a target count against its one rate: a server would count them so as well."""
    plan = duet(bench, n=3)
    limits = [s.held_s for s in bench.run(plan).run.samples]
    assert limits == [0.0] * 6
    policies = [
        replace(
            policy,
            targets={
                "one": replace(
                    policy.targets["one"],
                    rate_limit=replace(policy.targets["one"].rate_limit, requests_per_minute=4),
                )
            },
        )
        for policy in (plan.policy, plan.control)
    ]
    plan = replace(plan, policy=policies[0], control=policies[1])
    outcome = bench.run(bench.with_budget(plan, max_duration_s=0.3))
    whole = [s for s in outcome.run.samples if s.phase == "measured"]
    assert len(whole) == 4
    assert Counter(s.arm for s in whole) == {"head": 2, "control": 2}
    (cut,) = [s for s in outcome.run.samples if s.phase == "cut"]
    assert cut.settled_usd == 0

"""The looks at a duet: what they decide, when a cell stops, and that a saved run gives the same."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.judge.sequential import answer, look, opening, replay

RELATIVE = "chat/mini/ttft-typ/duet"


def live(terms, samples, *, sizes=None, confirm=(), extend=True):
    """The looks as they are taken while the pairs come in; and the last answer.

    ``confirm`` are the samples of the confirming block, which are there only once asked for.
    """
    cell = "chat/mini"
    plan = terms.plans[cell]
    state, seen, action = opening(terms, cell), [], ""
    for size in sizes or [found.pairs for found in plan.duet.looks]:
        own = [s for s in samples if s.pair < size]
        state = look(terms, state, own + seen, size)
        action = answer(terms, state).action
        if action == "confirm" and extend:
            seen = [s for s in confirm if s.pair < size]
            state = look(terms, state, own + seen, size)
            action = answer(terms, state).action
        if action in ("decided", "stop"):
            break
    return state, action


def test_a_large_slowdown_is_decided_at_an_early_look_and_the_cell_stops(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120))
    state, action = live(terms, duet.pairs(120, head=2.0))
    assert action == "decided"
    assert state.verdicts[RELATIVE].verdict == "fail"
    assert [found.pairs for found in state.looks] == [16]
    assert state.looks[0].decided == {RELATIVE: "fail"}
    assert state.looks[0].open == 0
    assert state.looks[0].share == pytest.approx((16 / 120) ** 0.5)
    assert answer(terms, state).why == "after 16 pairs"


def test_an_unchanged_cell_goes_on_until_it_passes(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120))
    state, action = live(terms, duet.pairs(120))
    assert state.verdicts[RELATIVE].verdict == "pass"
    assert action == "decided"
    *early, final = state.looks
    assert early
    assert all(not found.decided and found.open == 1 for found in early)
    assert final.decided == {RELATIVE: "pass"}


def test_what_is_not_decided_at_n_stays_open_and_nothing_more_is_sent(duet):
    terms = duet.terms(duet.rule(max_regression=0.02), plan=duet.plan(24))
    state, action = live(terms, duet.pairs(24))
    assert (state.closed, state.last, action) == (True, True, "go_on")
    assert state.verdicts[RELATIVE].verdict == "inconclusive"


def test_a_look_uses_the_first_pairs_whatever_else_has_come_in(duet):
    """By order of completion, quick pairs would come first and bias the look."""
    terms = duet.terms(duet.rule(), plan=duet.plan(120))
    late = duet.pairs(104, head=9.0, seed=5, first=16)
    first = duet.pairs(16)
    mixed = [*late, *first, *duet.pairs(9, phase="warmup", head=9.0)]
    random.Random(3).shuffle(mixed)
    alone = look(terms, opening(terms, "chat/mini"), first, 16)
    assert look(terms, opening(terms, "chat/mini"), mixed, 16) == alone
    other = [replace(s, target="maxi") for s in duet.pairs(16, head=9.0)]
    assert look(terms, opening(terms, "chat/mini"), [*first, *other], 16) == alone


def test_decided_checks_stay_and_only_open_ones_are_tested(duet):
    both = (duet.rule(), duet.rule("itl", max_regression=0.02))
    terms = duet.terms(*both, plan=duet.plan(54))
    first, rest = duet.pairs(16, head=2.0), duet.pairs(38, first=16)
    slow_ttft = [
        replace(s, marks=replace(s.marks, last_output=s.marks.first_text + 400_000_000))
        for s in first
    ]
    state, _ = live(terms, [*slow_ttft, *rest])
    # All pairs taken together, TTFT is no failure any more; what the first look said stays.
    assert state.verdicts[RELATIVE].verdict == "fail"
    assert state.verdicts[RELATIVE].n == 16
    assert len(state.looks) > 1
    assert RELATIVE not in state.looks[-1].decided


def test_the_share_of_the_look_is_what_a_check_may_spend(duet):
    """With the whole error budget at each look, unchanged builds would fail too often."""
    terms = duet.terms(duet.rule(), plan=duet.plan(120))
    state = look(terms, opening(terms, "chat/mini"), duet.pairs(16, head=1.45), 16)
    verdict = state.verdicts[RELATIVE]
    share = terms.plans["chat/mini"].duet.looks[0].share
    assert verdict.p_margin is not None
    assert (verdict.verdict == "fail") == (
        verdict.p_worse <= 0.01 * share and verdict.p_margin <= 0.05 * share
    )
    assert f"{0.05 * share:.3g}" in verdict.reason


def test_checks_of_other_cells_count_in_the_family(duet):
    crowd = [duet.rule("e2e", id=f"r{k}", targets=("maxi",)) for k in range(30)]
    terms = duet.terms(duet.rule(), *crowd, plan=duet.plan(120))
    state = look(terms, opening(terms, "chat/mini"), duet.pairs(16, head=2.0), 16)
    assert "over 31 checks" in state.verdicts[RELATIVE].reason
    assert set(state.verdicts) == {RELATIVE}


def test_an_absolute_check_may_fail_at_any_look(duet):
    terms = duet.terms(duet.rule(), duet.limit(max=0.05), plan=duet.plan(120))
    state = look(terms, opening(terms, "chat/mini"), duet.pairs(16), 16)
    assert state.looks[0].decided == {"chat/mini/ttft-limit/absolute-max": "fail"}
    assert not state.closed


def test_an_absolute_check_passes_only_at_the_cells_last_look(duet):
    name = "chat/mini/ttft-limit/absolute-max"
    terms = duet.terms(duet.rule(), duet.limit(max=0.15), plan=duet.plan(120))
    state = look(terms, opening(terms, "chat/mini"), duet.pairs(16), 16)
    assert state.verdicts[name].verdict == "inconclusive"
    assert "last look" in state.verdicts[name].reason
    state, action = live(terms, duet.pairs(120))
    assert (state.verdicts[name].verdict, action) == ("pass", "decided")
    assert state.looks[-1].decided == {RELATIVE: "pass", name: "pass"}


def test_a_cell_with_absolute_checks_alone_runs_to_n(duet):
    terms = duet.terms(duet.limit(max=0.15), plan=duet.plan(54))
    state, action = live(terms, duet.pairs(54))
    assert [found.pairs for found in state.looks] == [16, 24, 36, 54]
    assert (state.last, action) == (True, "go_on")
    assert state.looks[-1].decided == {"chat/mini/ttft-limit/absolute-max": "pass"}


def test_warnings_never_keep_a_cell_going_where_gating_rules_are_decided(duet):
    warn = duet.rule("output_tokens", "mean", max_regression=0.0, severity="warn")
    terms = duet.terms(duet.rule(), warn, plan=duet.plan(120))
    state, action = live(terms, duet.pairs(120, head=2.0))
    assert action == "decided"
    assert [found.pairs for found in state.looks] == [16]
    alone = duet.terms(replace(warn, max_regression=0.2), plan=duet.plan(120))
    state, action = live(alone, duet.pairs(120, head=2.0))
    assert action == "decided"
    both = duet.terms(duet.rule(), replace(warn, severity="fail"), plan=duet.plan(120))
    assert live(both, duet.pairs(120, head=2.0))[1] == "go_on"


def test_new_rules_are_no_checks_on_pairs(duet):
    terms = duet.terms(duet.rule(new_in_head=True), duet.limit("itl", max=1.0), plan=duet.plan(24))
    state, action = live(terms, duet.pairs(24, head=3.0))
    assert set(state.verdicts) == {"chat/mini/itl-limit/absolute-max"}
    assert action == "go_on"


def test_without_data_a_check_stays_open(duet):
    silent = [replace(s, usage=None, cost_usd=None) for s in duet.pairs(24)]
    terms = duet.terms(duet.rule("cost_usd", "mean"), plan=duet.plan(24))
    state, action = live(terms, silent)
    verdict = state.verdicts["chat/mini/cost_usd-mean/duet"]
    assert (verdict.verdict, action) == ("no_data", "go_on")
    assert "no answer reported usage" in verdict.reason
    half = [s if s.arm == "head" else silent[k] for k, s in enumerate(duet.pairs(24))]
    state, _ = live(terms, half)
    assert "requests of the control has" in state.verdicts["chat/mini/cost_usd-mean/duet"].reason


def test_fail_fast_stops_the_run_at_a_failure_that_counts(duet):
    rules = (duet.rule(), duet.rule("itl", max_regression=0.02))
    terms = duet.terms(*rules, plan=duet.plan(120), fail_fast=True)
    state, action = live(terms, duet.pairs(120, head=2.0))
    assert action == "stop"
    assert answer(terms, state).why.endswith("failed")
    patient = duet.terms(duet.rule(), plan=duet.plan(120))
    assert live(patient, duet.pairs(120, head=2.0))[1] == "decided"
    warned = duet.terms(duet.rule(severity="warn"), plan=duet.plan(120), fail_fast=True)
    assert live(warned, duet.pairs(120, head=2.0))[1] == "decided"


def test_a_failure_is_confirmed_on_new_pairs_alone(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120, confirm=120), confirm=True)
    samples = duet.pairs(120, head=2.0)
    again = duet.pairs(16, head=2.0, phase="confirm")
    asked = look(terms, opening(terms, "chat/mini"), samples, 16)
    assert answer(terms, asked).action == "confirm"
    assert asked.suspects == {RELATIVE: 16}
    assert asked.looks[0].decided == {}
    state, action = live(terms, samples, confirm=again)
    assert action == "decided"
    verdict = state.verdicts[RELATIVE]
    assert verdict.verdict == "fail"
    assert "; confirmed in 16 new pairs: +" in verdict.reason
    assert state.looks[-1].confirming
    assert state.looks[-1].decided == {RELATIVE: "fail"}
    assert state.looks[-1].pairs == 16


def test_a_failure_that_new_pairs_do_not_show_is_inconclusive(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120, confirm=120), confirm=True)
    samples = duet.pairs(120, head=2.0)
    state, action = live(terms, samples, confirm=duet.pairs(16, phase="confirm"))
    verdict = state.verdicts[RELATIVE]
    assert (verdict.verdict, action) == ("inconclusive", "decided")
    assert verdict.reason.startswith("not confirmed in 16 new pairs: ")
    assert "At first: worse" in verdict.reason


def test_the_confirming_block_is_judged_by_key_2_at_the_whole_of_gamma(duet):
    """With the family's key 1, or the look's share, a real failure would not be confirmed."""
    crowd = [duet.rule("e2e", id=f"r{k}", targets=("maxi",)) for k in range(30)]
    terms = duet.terms(duet.rule(), *crowd, plan=duet.plan(120, confirm=120), confirm=True)
    again = duet.pairs(16, head=1.4, phase="confirm", seed=2)
    state, _ = live(terms, duet.pairs(120, head=2.5), confirm=again)
    assert state.verdicts[RELATIVE].verdict == "fail"
    p = float(state.verdicts[RELATIVE].reason.rpartition("p = ")[2])
    assert 0.01 < p <= 0.05


@pytest.mark.parametrize(("got", "reserve"), [(9, 120), (0, 0)])
def test_a_confirming_block_that_could_not_be_measured_fails_nothing(duet, got, reserve):
    terms = duet.terms(duet.rule(), plan=duet.plan(120, confirm=reserve), confirm=True)
    again = duet.pairs(got, head=2.0, phase="confirm")
    samples = [*duet.pairs(16, head=2.0), *again]
    state = replay(terms, "chat/mini", samples, duet.ended("money"))
    verdict = state.verdicts[RELATIVE]
    assert verdict.verdict == "inconclusive"
    assert f"not confirmed: {got} of 16 new pairs" in verdict.reason


def test_what_no_reserve_can_confirm_is_settled_at_once(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120, confirm=0), confirm=True)
    state = look(terms, opening(terms, "chat/mini"), duet.pairs(16, head=2.0), 16)
    assert answer(terms, state).action == "decided"
    assert state.verdicts[RELATIVE].verdict == "inconclusive"


def test_a_margin_of_zero_is_confirmed_at_gamma_too(duet):
    """Where key 1 is the same test as key 2, it must not ask for more."""
    terms = duet.terms(
        duet.rule(max_regression=0.0), plan=duet.plan(120, confirm=120), confirm=True
    )
    again = duet.pairs(16, head=1.15, phase="confirm", seed=2)
    state, _ = live(terms, duet.pairs(120, head=2.5), confirm=again)
    reason = state.verdicts[RELATIVE].reason
    p = float(reason.rpartition("p = ")[2])
    assert 0.01 < p <= 0.05
    assert state.verdicts[RELATIVE].verdict == "fail"


def test_an_absolute_failure_needs_no_confirmation(duet):
    terms = duet.terms(duet.limit(max=0.05), plan=duet.plan(16, confirm=16), confirm=True)
    state, action = live(terms, duet.pairs(16))
    assert not state.suspects
    assert (state.verdicts["chat/mini/ttft-limit/absolute-max"].verdict, action) == (
        "fail",
        "go_on",
    )


def test_new_pairs_without_the_number_confirm_nothing(duet):
    terms = duet.terms(duet.rule("itl"), plan=duet.plan(120, confirm=120), confirm=True)
    silent = [replace(s, usage=None) for s in duet.pairs(16, head=2.0, phase="confirm")]
    state, _ = live(terms, duet.pairs(120, head=2.0), confirm=silent)
    verdict = state.verdicts["chat/mini/itl-typ/duet"]
    assert verdict.verdict == "inconclusive"
    assert "not confirmed in 16 new pairs: none of the 16" in verdict.reason


def test_a_head_that_answers_nothing_any_more_is_confirmed(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120, confirm=120), confirm=True)
    broken = [
        s
        if s.arm == "control"
        else duet.sample(s.pair, "head", failure="server_error", phase="confirm")
        for s in duet.pairs(16, phase="confirm")
    ]
    state, _ = live(terms, duet.pairs(120, head=2.0), confirm=broken)
    assert state.verdicts[RELATIVE].verdict == "fail"
    assert "no successful request" in state.verdicts[RELATIVE].reason


def test_a_second_failure_extends_the_confirming_block(duet):
    """Pairs of the first block count, and each check has as many as its own failure took."""
    wide = duet.rule("itl", max_regression=0.5)
    terms = duet.terms(duet.rule(), wide, plan=duet.plan(120, confirm=120), confirm=True)
    state, action = live(
        terms,
        duet.pairs(120, head=1.8),
        confirm=duet.pairs(120, head=1.8, seed=50, phase="confirm"),
    )
    assert [(found.pairs, found.confirming) for found in state.looks] == [
        (16, False),
        (16, True),
        (24, False),
        (24, True),
    ]
    whole = [*duet.pairs(120, head=1.8), *duet.pairs(24, head=1.8, seed=50, phase="confirm")]
    assert replay(terms, "chat/mini", [s for s in whole if s.pair < 24]) == state
    itl = state.verdicts["chat/mini/itl-typ/duet"]
    assert "confirmed in 24 new pairs" in itl.reason
    assert "confirmed in 16 new pairs" in state.verdicts[RELATIVE].reason
    assert action == "decided"


def test_a_block_that_is_there_already_is_judged_at_once(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120, confirm=120), confirm=True)
    there = [*duet.pairs(16, head=2.0), *duet.pairs(30, head=2.0, phase="confirm")]
    state = look(terms, opening(terms, "chat/mini"), there, 16)
    assert not state.suspects
    assert state.looks[-1].confirming


def test_money_that_ends_between_looks_gives_a_last_one_with_what_is_left_to_spend(duet):
    terms = duet.terms(duet.rule(max_regression=0.05), duet.limit(max=0.15), plan=duet.plan(120))
    samples = duet.pairs(50)
    state = replay(terms, "chat/mini", samples, duet.ended("money"))
    assert [found.pairs for found in state.looks][-1] == 50
    # What looks up to 36 spent is gone, and no more than sqrt(50/120) may be spent by now.
    assert sum(found.share for found in state.looks) == pytest.approx((50 / 120) ** 0.5)
    assert state.last
    assert state.looks[-1].decided["chat/mini/ttft-limit/absolute-max"] == "pass"
    running = replay(terms, "chat/mini", samples)
    assert [found.pairs for found in running.looks][-1] == 36
    assert not running.closed


def test_an_end_just_after_a_look_is_that_look_and_the_last(duet):
    terms = duet.terms(duet.rule(max_regression=0.02), duet.limit(max=0.15), plan=duet.plan(120))
    state = replay(terms, "chat/mini", duet.pairs(36), duet.ended("requests"))
    assert [found.pairs for found in state.looks] == [16, 24, 36]
    assert state.looks[-1].decided == {"chat/mini/ttft-limit/absolute-max": "pass"}
    assert sum(found.share for found in state.looks) == pytest.approx((36 / 120) ** 0.5)


def test_below_the_least_nothing_is_looked_at(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120, least=24))
    state = replay(terms, "chat/mini", duet.pairs(20, head=9.0), duet.ended("money"))
    assert state.looks == ()
    assert state.verdicts == {}


def test_a_run_stopped_elsewhere_takes_no_last_look(duet):
    terms = duet.terms(duet.rule(max_regression=0.02), plan=duet.plan(120))
    state = replay(terms, "chat/mini", duet.pairs(50), duet.ended("stopped"))
    assert [found.pairs for found in state.looks][-1] == 36
    assert not state.closed


def test_a_stop_ends_the_replay_too(duet):
    rules = (duet.rule(), duet.rule("output_tokens", "mean", max_regression=0.0))
    terms = duet.terms(*rules, plan=duet.plan(120), fail_fast=True)
    samples = duet.pairs(120, head=2.0, seed=4)
    state, action = live(terms, samples)
    assert (action, state.closed) == ("stop", False)
    assert replay(terms, "chat/mini", samples, duet.ended("stopped")) == state


def test_a_pair_that_is_missing_ends_what_can_be_looked_at(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(54))
    whole = duet.pairs(54)
    holed = [s for s in whole if (s.pair, s.arm) != (30, "head")]
    state = replay(terms, "chat/mini", holed)
    assert [found.pairs for found in state.looks] == [16, 24]


def test_a_cell_that_is_no_duet_has_no_looks(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(54, duet=False))
    assert opening(terms, "chat/mini").closed
    state = replay(terms, "chat/mini", duet.pairs(54))
    assert state.looks == ()
    assert look(terms, state, duet.pairs(54), 54) == state
    assert look(terms, replace(state, closed=False), duet.pairs(54), 54).looks == ()


def test_a_closed_cell_stays_as_it_is(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120))
    state, _ = live(terms, duet.pairs(120, head=2.0))
    assert look(terms, state, duet.pairs(120), 24) is state


def test_the_ceiling_of_a_waiver_is_what_a_cell_goes_on_for(duet):
    """Stopping at the first failure of its own margin, any regression would slip through early."""
    terms = duet.terms(
        duet.rule(), plan=duet.plan(120), waivers=[duet.waiver(ceiling=0.6)], fail_fast=True
    )
    state, action = live(terms, duet.pairs(120, head=1.55, noise=0.2, seed=2))
    assert state.verdicts[RELATIVE].verdict == "fail"
    assert state.gate.verdicts[RELATIVE].verdict != "fail"
    assert len(state.looks) > 1
    assert action == "go_on"
    worse, action = live(terms, duet.pairs(120, head=2.6, noise=0.2))
    assert worse.gate.verdicts[RELATIVE].verdict == "fail"
    assert action == "stop"


def test_what_holds_its_own_margin_needs_no_ceiling(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120), waivers=[duet.waiver(ceiling=0.1)])
    state, action = live(terms, duet.pairs(120, noise=0.1))
    assert (state.verdicts[RELATIVE].verdict, action) == ("pass", "decided")


def test_a_ceiling_that_fails_is_confirmed_and_the_own_margin_is_not(duet):
    terms = duet.terms(
        duet.rule(),
        plan=duet.plan(120, confirm=120),
        waivers=[duet.waiver(ceiling=0.5)],
        confirm=True,
    )
    samples = duet.pairs(120, head=3.0)
    state, _ = live(terms, samples, confirm=duet.pairs(120, phase="confirm"))
    assert state.verdicts[RELATIVE].verdict == "fail"
    assert state.gate.verdicts[RELATIVE].verdict == "inconclusive"
    state, _ = live(terms, samples, confirm=duet.pairs(120, head=3.0, phase="confirm"))
    assert state.gate.verdicts[RELATIVE].verdict == "fail"


def test_blocks_have_one_look_and_one_number_each(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(12, least=8, block_s=20.0))
    state = replay(terms, "chat/mini", duet.blocks(12, head=2.0), duet.ended())
    verdict = state.verdicts[RELATIVE]
    assert (verdict.verdict, verdict.n) == ("fail", 12)
    assert [(found.pairs, found.share) for found in state.looks] == [(12, 1.0)]


def test_a_block_that_a_cap_broke_off_is_no_block(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(12, least=8, block_s=20.0))
    samples = duet.blocks(11)[:-3]
    state = replay(terms, "chat/mini", samples, duet.ended("money"))
    assert [found.pairs for found in state.looks] == [10]
    assert state.looks[0].share == pytest.approx((10 / 12) ** 0.5)
    assert replay(terms, "chat/mini", [], duet.ended("money")).looks == ()


def test_blocks_are_confirmed_by_blocks(duet):
    terms = duet.terms(
        duet.rule(), plan=duet.plan(12, least=8, block_s=20.0, confirm=12), confirm=True
    )
    first = duet.blocks(12, head=2.0)
    again = [
        replace(s, phase="confirm", seq=s.seq + 9999) for s in duet.blocks(12, head=2.0, seed=1)
    ]
    state = replay(terms, "chat/mini", [*first, *again], duet.ended())
    assert state.verdicts[RELATIVE].verdict == "fail"
    assert "; confirmed in 12 new pairs" in state.verdicts[RELATIVE].reason
    broken = replay(terms, "chat/mini", [*first, *again[:-3]], duet.ended("money"))
    assert "not confirmed: 11 of 12" in broken.verdicts[RELATIVE].reason


RULES = st.sampled_from(
    [("ttft", "typ"), ("itl", "typ"), ("e2e", "typ"), ("output_tokens", "mean"), ("error_rate", "")]
)


@settings(max_examples=40, deadline=None)
@given(
    rules=st.lists(RULES, min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 999),
    head=st.sampled_from([0.7, 1.0, 1.2, 1.6]),
    margin=st.sampled_from([0.0, 0.1, 0.3]),
    got=st.integers(0, 60),
    switches=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    failing=st.integers(0, 8),
)
def test_a_saved_run_gives_what_the_live_one_gave(
    duet, rules, seed, head, margin, got, switches, failing
):
    """For all data, early ends and confirming blocks, wherever the live run stopped."""
    confirm, fail_fast, waived, absolute = switches
    asked = [duet.rule(m, s, max_regression=margin) for m, s in rules]
    if absolute:
        asked.append(duet.limit(max=0.11))
    waivers = [duet.waiver(rule=asked[0].id, ceiling=0.4)] if waived else []
    plan = duet.plan(54, least=16, confirm=54 if confirm else 0)
    terms = duet.terms(*asked, plan=plan, confirm=confirm, fail_fast=fail_fast, waivers=waivers)
    random.seed(seed)
    samples = [
        replace(s, failure=duet.Failure(status="server_error", detail=""))
        if s.arm == "head" and random.random() * 100 < failing
        else s
        for s in duet.pairs(min(got, 54), seed=seed, head=head)
    ]
    again = duet.pairs(54, seed=seed + 1, head=head, phase="confirm")
    sizes = [found.pairs for found in plan.duet.looks if found.pairs <= got]
    state, sent, kept, action = opening(terms, "chat/mini"), 0, [], "go_on"
    for size in sizes:
        sent = size
        own = [s for s in samples if s.pair < size]
        state = look(terms, state, own + kept, size)
        action = answer(terms, state).action
        if action == "confirm":
            kept = [s for s in again if s.pair < size]
            state = look(terms, state, own + kept, size)
            action = answer(terms, state).action
        if action != "go_on":
            break
    else:
        sent = min(got, 54)
    saved = [s for s in samples if s.pair < sent] + kept
    random.shuffle(saved)
    assert replay(terms, "chat/mini", saved) == state
    if action == "stop":
        assert replay(terms, "chat/mini", saved, duet.ended("stopped")) == state
    elif state.closed:
        for reason in ("complete", "decided", "money"):
            assert replay(terms, "chat/mini", saved, duet.ended(reason)) == state
    elif sent >= 16:
        last = look(terms, state, saved, sent)
        if last.suspects:
            last = look(terms, last, saved, sent)
        assert replay(terms, "chat/mini", saved, duet.ended("money")) == last
        assert last.closed

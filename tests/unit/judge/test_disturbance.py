"""Verdicts that rest on what hit one arm by chance are withheld; what a head does itself is not."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.judge.disturbance import disturbances, hits_of
from lens_gate.judge.sequential import replay
from lens_gate.records.exchange import ServerTimes, Usage

MS = 1_000_000
TYP = "chat/mini/ttft-typ/duet"


def verdicts(duet, samples, *rules, n=None):
    size = n or len(samples) // 2
    terms = duet.terms(*rules, plan=duet.plan(size, least=size))
    return replay(terms, duet.CELL, samples).verdicts


def loaded(sample, ms=3000):
    """The server loaded its model for this request, which therefore took longer."""
    late = round(ms * MS)
    marks = sample.marks
    return replace(
        sample,
        server=ServerTimes(source="usage", load_s=ms / 1000),
        marks=replace(
            marks,
            first_text=marks.first_text + late,
            last_output=marks.last_output + late,
            output_ns=tuple(at + late for at in marks.output_ns),
            done=marks.done + late,
        ),
    )


def hit(samples, arm, pairs, change):
    return [change(s) if s.arm == arm and s.pair in pairs else s for s in samples]


def test_a_failure_that_stands_without_the_hit_pairs_stands(duet):
    samples = hit(duet.pairs(60, head=2.0), "head", {3, 17}, loaded)
    found = verdicts(duet, samples, duet.rule())[TYP]
    assert found.verdict == "fail"
    assert not found.withheld


def tipping(duet, change, *, other=()):
    """The smallest slowdown that fails only with four hits, and the samples at it."""
    for percent in range(128, 140):
        base = duet.pairs(40, head=percent / 100, noise=0.25, seed=5)
        low = sorted(
            (s for s in base if s.arm == "head"), key=lambda s: s.marks.first_text - s.marks.sent
        )
        chosen = {s.pair for s in low[:4]}
        strike = hit(hit(base, "head", chosen, change), "control", set(other) - chosen, change)
        blind = [unmarked(s) for s in strike]
        if verdicts(duet, blind, duet.rule())[TYP].verdict == "fail":
            assert verdicts(duet, base, duet.rule())[TYP].verdict != "fail"
            return strike
    raise AssertionError


def unmarked(sample):
    """The same times, with nothing that says what happened."""
    total = sample.usage.output_total if sample.usage else 0
    return replace(
        sample,
        server=None,
        held_s=0.0,
        model="m-1",
        usage=sample.usage and Usage(input_total=100, output_total=total),
        marks=replace(sample.marks, connect_start=None, reused=True),
    )


def held(sample):
    return replace(loaded(sample), server=None, held_s=2.0)


def fresh(sample):
    moved = replace(loaded(sample), server=None)
    return replace(
        moved,
        marks=replace(
            moved.marks, reused=False, connect_start=moved.marks.ready, connected=moved.marks.ready
        ),
    )


def other_model(sample):
    return replace(loaded(sample), server=None, model="m-2")


def named(sample):
    return replace(sample, model="m-2")


def uncached(sample):
    return replace(loaded(sample), server=None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (loaded, "a replica was cold in 4 of 40 pairs on the head's side alone, in 0"),
        (fresh, "a replica was cold in 4 of 40 pairs"),
        (held, "the rate limiter held requests back in 4 of 40 pairs"),
        (other_model, "another model answered than usually in 4 of 40 pairs"),
    ],
)
def test_a_failure_that_a_few_hits_tipped_is_withheld_and_says_why(duet, change, words):
    samples = tipping(duet, change)
    found = verdicts(duet, samples, duet.rule())[TYP]
    assert found.verdict == "inconclusive"
    assert found.withheld
    assert found.reason.startswith(f"withheld: {words}")
    assert "Without those pairs it is inconclusive. As measured: worse" in found.reason


def test_cache_states_that_differ_by_chance_are_a_disturbance(duet):
    warm = lambda s: replace(  # noqa: E731
        s, usage=Usage(input_total=100, output_total=s.usage.output_total, cache_read=80)
    )
    samples = tipping(duet, uncached)
    cold = {s.pair for s in samples if s.arm == "head" and s.marks.first_text - s.marks.sent > 3e9}
    told = [s if s.arm == "head" and s.pair in cold else warm(s) for s in samples]
    found = verdicts(duet, told, duet.rule())[TYP]
    assert found.withheld
    assert "less of the input came from the prompt cache in 4 of 40 pairs" in found.reason
    silent = [replace(s, usage=None) for s in samples]
    assert not verdicts(duet, silent, duet.rule())[TYP].withheld


def test_what_hits_the_head_more_often_than_a_coin_would_is_its_own_doing(duet):
    """Or a change that makes its own requests cold could not fail for it."""
    base = duet.pairs(40, noise=0.1)
    cold = hit(base, "head", set(range(5)), loaded)
    hits = hits_of(cold)["cold"]
    assert (len(hits.head), len(hits.control)) == (5, 0)
    assert hits.own
    assert hits.rare
    assert hits.out(of_a_failure=True) == frozenset()
    assert hits.out(of_a_failure=False) == frozenset(range(5))
    four = hits_of(hit(base, "head", set(range(4)), loaded))["cold"]
    assert four.out(of_a_failure=True) == frozenset(range(4))


def test_a_head_that_is_always_cold_fails(duet):
    samples = hit(duet.pairs(40), "head", set(range(40)), loaded)
    found = verdicts(duet, samples, duet.rule())[TYP]
    assert (found.verdict, found.withheld) == ("fail", False)


def test_what_strikes_both_arms_often_is_how_the_set_up_runs(duet):
    """Two models taking turns on one server load all the time: a failure among that stands."""
    samples = duet.pairs(60, head=3.0)
    for arm, first in (("head", 0), ("control", 1)):
        samples = hit(samples, arm, set(range(first, 60, 4)), lambda s: loaded(s, 300))
    hits = hits_of(samples)["cold"]
    assert not hits.rare
    assert not hits.own
    assert hits.out(of_a_failure=True) == frozenset()
    assert verdicts(duet, samples, duet.rule())[TYP].verdict == "fail"


def test_a_pair_of_which_both_sides_were_hit_is_no_disturbance(duet):
    both = [loaded(s) if s.pair in (2, 3) else s for s in duet.pairs(20)]
    assert hits_of(both)["cold"].one_sided == frozenset()


def test_a_pass_that_rests_on_a_cold_control_is_withheld(duet):
    rule = duet.rule(max_regression=0.2)
    for percent in range(100, 125):
        base = duet.pairs(60, head=percent / 100, noise=0.2, seed=7)
        high = sorted(
            (s for s in base if s.arm == "control"), key=lambda s: s.marks.first_text - s.marks.sent
        )
        samples = hit(base, "control", {s.pair for s in high[:10]}, loaded)
        blind = verdicts(duet, [unmarked(s) for s in samples], rule)[TYP]
        if blind.verdict in ("pass", "improved"):
            found = verdicts(duet, samples, rule)[TYP]
            if found.withheld:
                assert found.verdict == "inconclusive"
                assert "in 0 of 60 pairs on the head's side alone, in 10 on" in found.reason
                return
    raise AssertionError


def test_an_improvement_that_rests_on_the_other_arm_being_hit_is_a_pass(duet):
    rule = duet.rule(max_regression=0.5)
    base = duet.pairs(60, head=1.0, noise=0.25, seed=3)
    for factor in range(100, 60, -1):
        base = duet.pairs(60, head=factor / 100, noise=0.25, seed=3)
        samples = hit(base, "control", set(range(10)), loaded)
        blind = verdicts(duet, [unmarked(s) for s in samples], rule)[TYP]
        if blind.verdict == "improved":
            found = verdicts(duet, samples, rule)[TYP]
            assert found.verdict == "pass"
            assert not found.withheld
            assert "better" not in found.reason
            return
    raise AssertionError


def test_a_control_whose_model_changed_midway_decides_nothing_alone(duet):
    """No change can choose the control's model, so that this needs no bound on how often."""
    base = duet.pairs(60, noise=0.2)

    def quicker(sample):
        took = (sample.marks.first_text - sample.marks.sent) // 8
        marks = replace(sample.marks, first_text=sample.marks.sent + took)
        return replace(sample, model="m-2", marks=marks)

    # The control's second model is much quicker than its first, and than the head's.
    quick = hit(base, "control", set(range(33, 60)), quicker)
    hits = hits_of(quick)["model"]
    assert hits.parted
    assert not hits.rare
    mean = duet.rule("ttft", "p50", max_regression=0.2)
    name = "chat/mini/ttft-p50/duet"
    assert verdicts(duet, [unmarked(s) for s in quick], mean)[name].verdict == "fail"
    found = verdicts(duet, quick, mean)[name]
    assert found.withheld
    assert "another model answered than usually" in found.reason


def test_a_router_that_mixes_its_models_is_no_change_midway(duet):
    mixed = [
        replace(s, model=f"m-{s.seq % 3}") if s.arm == "control" else s for s in duet.pairs(60)
    ]
    assert not hits_of(mixed)["model"].parted
    assert not hits_of([replace(s, model=None) for s in mixed])["model"].parted
    # The head's own mixture is its own doing, however it comes.
    heads = hit(duet.pairs(60), "head", set(range(31, 60)), named)
    assert not hits_of(heads)["model"].parted
    assert hits_of(heads)["model"].out(of_a_failure=True) == frozenset()


def test_a_head_hit_during_the_controls_second_model_is_left_in_for_a_failure(duet):
    base = hit(duet.pairs(60), "control", set(range(40, 60)), named)
    both = hit(base, "head", {2}, named)
    hits = hits_of(both)["model"]
    assert hits.out(of_a_failure=True) == frozenset(range(40, 60))
    assert hits.out(of_a_failure=False) == frozenset({2, *range(40, 60)})


def test_a_pass_may_not_rest_on_answers_that_a_throttled_head_never_gave(duet):
    def refused(samples, arm, pairs):
        return [
            duet.sample(s.pair, arm, failure="rate_limited")
            if s.arm == arm and s.pair in pairs
            else s
            for s in samples
        ]

    rule = duet.rule(max_regression=0.2)
    for percent in range(100, 125):
        base = duet.pairs(80, head=percent / 100, noise=0.2, seed=9)
        found = verdicts(duet, refused(base, "head", range(5)), rule)[TYP]
        if found.withheld:
            assert found.verdict == "inconclusive"
            assert "requests were throttled: 5 of the head's, 0 of the control's" in found.reason
            # Where the control was throttled too, chance may have done it.
            alike = refused(refused(base, "head", range(5)), "control", (5, 6))
            assert verdicts(duet, alike, rule)[TYP].verdict == "pass"
            return
    raise AssertionError


def test_throttling_withholds_no_failure_and_no_pass_that_has_room(duet):
    throttled = lambda s: duet.sample(s.pair, "head", failure="rate_limited")  # noqa: E731
    slower = hit(duet.pairs(80, head=2.0), "head", set(range(7)), throttled)
    assert verdicts(duet, slower, duet.rule())[TYP].verdict == "fail"
    quick = hit(duet.pairs(80, head=0.5, noise=0.1), "head", set(range(7)), throttled)
    assert verdicts(duet, quick, duet.rule())[TYP].verdict == "improved"
    speed = duet.rule("output_tps", "typ", max_regression=0.5)
    found = verdicts(duet, quick, speed, duet.rule("cost_usd", "mean"))
    assert found["chat/mini/output_tps-typ/duet"].verdict in ("pass", "improved")
    assert not found["chat/mini/cost_usd-mean/duet"].withheld
    dead = [throttled(s) if s.arm == "head" else s for s in duet.pairs(20)]
    assert verdicts(duet, dead, duet.rule())[TYP].verdict == "fail"


def test_a_throttled_head_beside_timeouts_keeps_their_marks(duet):
    samples = [
        duet.sample(s.pair, "head", failure="rate_limited")
        if s.arm == "head" and s.pair in range(7)
        else duet.sample(s.pair, "head", failure="timeout", limit_s=60.0)
        if s.arm == "head" and s.pair == 20
        else s
        for s in duet.pairs(80, head=0.5, noise=0.1)
    ]
    assert verdicts(duet, samples, duet.rule())[TYP].verdict in ("pass", "improved")


def test_counts_of_errors_and_absolute_limits_take_every_request(duet):
    samples = hit(duet.pairs(60), "head", {1, 2, 3}, loaded)
    rules = (duet.rule("error_rate", "", max_regression=0.02), duet.limit(max=1.0))
    told, plain = (
        verdicts(duet, found, *rules) for found in (samples, [unmarked(s) for s in samples])
    )
    assert {v.reason for v in told.values()} == {v.reason for v in plain.values()}


def test_only_the_checks_that_a_hit_touches_are_decided_anew(duet):
    samples = tipping(duet, loaded)
    rules = (duet.rule(), duet.rule("cost_usd", "mean"), duet.limit(max=9.0))
    found = verdicts(duet, samples, *rules)
    assert found[TYP].withheld
    plain = verdicts(duet, [unmarked(s) for s in samples], *rules)
    for name in ("chat/mini/cost_usd-mean/duet", "chat/mini/ttft-limit/absolute-max"):
        assert found[name] == plain[name]


def test_error_rates_count_the_pairs_that_another_model_answered(duet):
    """Left out, all the errors of the head would be gone."""
    samples = hit(duet.pairs(80), "control", set(range(16)), named)
    lost = [
        duet.sample(s.pair, "head", failure="server_error")
        if s.arm == "head" and s.pair in range(16)
        else s
        for s in samples
    ]
    rule = duet.rule("error_rate", "", max_regression=0.02)
    found = verdicts(duet, lost, rule)["chat/mini/error_rate-/duet"]
    assert (found.verdict, found.withheld) == ("fail", False)


def test_a_cost_that_rests_on_the_cache_of_one_arm_is_withheld(duet):
    def priced(sample, factor, cached):
        usage = Usage(input_total=100, output_total=10, cache_read=cached)
        return replace(sample, usage=usage, cost_usd=sample.cost_usd * factor)

    rule = duet.rule("cost_usd", "typ", max_regression=0.1)
    name = "chat/mini/cost_usd-typ/duet"
    for cents in range(100, 140):
        base = duet.pairs(40)
        cheap = sorted((s for s in base if s.arm == "head"), key=lambda s: s.cost_usd)
        missed = {s.pair for s in cheap[:4]}
        samples = [
            priced(s, 9, 0)
            if s.arm == "head" and s.pair in missed
            else priced(s, Decimal(cents) / 100 if s.arm == "head" else 1, 80)
            for s in base
        ]
        if verdicts(duet, [unmarked(s) for s in samples], rule)[name].verdict == "fail":
            found = verdicts(duet, samples, rule)[name]
            assert found.withheld
            assert "less of the input came from the prompt cache" in found.reason
            return
    raise AssertionError


def test_costs_are_touched_by_the_cache_and_times_by_all(duet):
    samples = hit(duet.pairs(40), "head", {1, 2}, loaded)
    for metric, statistic in (("cost_usd", "mean"), ("output_tokens", "mean")):
        rule = duet.rule(metric, statistic, max_regression=0.1)
        name = f"chat/mini/{metric}-{statistic}/duet"
        told = verdicts(duet, samples, rule)[name]
        assert told == verdicts(duet, [unmarked(s) for s in samples], rule)[name]


def test_blocks_are_judged_as_they_are(duet):
    samples = [
        replace(s, held_s=1.0) if (s.arm, s.block) == ("head", 2) else s for s in duet.blocks(12)
    ]
    terms = duet.terms(duet.rule(), plan=duet.plan(12, least=8, block_s=9.0))
    found = replay(terms, duet.CELL, samples, duet.ended()).verdicts[TYP]
    assert found.verdict == "pass"
    assert disturbances(samples) == ()


def test_what_hit_the_arms_is_told_in_the_report(duet):
    samples = hit(duet.pairs(20), "head", {1}, loaded)
    samples = hit(samples, "control", {4}, lambda s: replace(s, held_s=3.0))
    busy = duet.sample(6, "control", failure="overloaded")
    samples = hit(samples, "control", {6}, lambda _: busy)
    more = duet.pairs(5, phase="confirm") + duet.pairs(2, phase="warmup")
    held_back, cold, throttled = disturbances(samples + more)
    assert held_back.startswith("the rate limiter held requests back in 0 of 20 pairs on the head")
    assert cold == (
        "a replica was cold in 1 of 20 pairs on the head's side alone, in 0 on the control's"
    )
    assert throttled == "requests were throttled: 0 of the head's, 1 of the control's"
    assert disturbances(duet.pairs(20)) == ()
    assert disturbances([]) == ()


def test_a_new_connection_alone_is_not_a_cold_replica(duet):
    new = lambda s: replace(s, marks=replace(s.marks, reused=False, connect_start=s.marks.ready))  # noqa: E731
    samples = hit(duet.pairs(20), "head", {1, 2}, new)
    assert hits_of(samples)["cold"].one_sided == frozenset()
    dead = hit(samples, "head", {3}, lambda s: new(duet.sample(3, "head", failure="timeout")))
    assert hits_of(dead)["cold"].one_sided == frozenset()
    arms = ("head", "control")
    none = [new(duet.sample(k, arm, failure="timeout")) for k in range(9) for arm in arms]
    assert hits_of(none)["cold"].one_sided == frozenset()
    resident = ServerTimes(source="usage", load_s=0.1)
    quick = hit(duet.pairs(20), "head", {1}, lambda s: replace(s, server=resident))
    assert hits_of(quick)["cold"].one_sided == frozenset()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    head=st.sampled_from([0.8, 1.0, 1.15, 1.3, 1.6]),
    ours=st.sets(st.integers(0, 39), max_size=9),
    theirs=st.sets(st.integers(0, 39), max_size=9),
    how=st.sampled_from([loaded, held, fresh, other_model]),
)
def test_it_only_ever_takes_verdicts_back(duet, seed, head, ours, theirs, how):
    """Whatever hits whom: nothing fails or passes that would not without it."""
    samples = duet.pairs(40, seed=seed, head=head)
    samples = hit(hit(samples, "head", ours, how), "control", theirs, how)
    rules = (duet.rule(), duet.rule("e2e", "p50"))
    told = verdicts(duet, samples, *rules)
    plain = verdicts(duet, [unmarked(s) for s in samples], *rules)
    for name, found in told.items():
        was = plain[name].verdict
        assert found.verdict in (was, "inconclusive", "pass" if was == "improved" else was)
        assert found.withheld is (found.verdict == "inconclusive" and was != "inconclusive")

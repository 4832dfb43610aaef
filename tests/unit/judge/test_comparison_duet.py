"""Rows of cells that are measured in pairs, and of those that are not though they should be."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from lens_gate.judge.comparison import family_size, judge_cells
from lens_gate.judge.outcome import counts, used
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint


def judged(duet, terms, samples, **given):
    return judge_cells(terms, {duet.CELL: duet.data(samples, **given)})


def past(duet, runs=3, centre=0.1):
    """Stored runs of twenty requests, much alike."""
    return [
        Baseline(
            scenario="chat",
            target="mini",
            created=f"202611{k + 1:02d}T000000Z",
            commit="",
            policy="p",
            run_id=str(k),
            models=(),
            fingerprint=Fingerprint(fixed={}, compared={}),
            prompt_ids=tuple(f"p{i % 5}" for i in range(20)),
            values={"ttft": tuple(centre * (0.9 + 0.01 * (i + k)) for i in range(20))},
            censored=(),
            failures={},
            spent_usd=Decimal(0),
            environment={},
        )
        for k in range(runs)
    ]


def test_a_duets_row_has_its_mode_its_margin_and_its_looks(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120))
    found = judged(duet, terms, duet.pairs(16, head=2.0), end=duet.ended("decided"))
    (row,) = found.rows
    assert (row.name, row.mode, row.kind, row.margin_from) == ("fail", "duet", "relative", "policy")
    assert (row.verdict.margin, row.verdict.n, row.verdict.base_n) == (0.2, 16, 16)
    assert row.verdict.estimate == pytest.approx(1.0, abs=0.25)
    assert "control" not in row.verdict.reason or "its history" not in row.verdict.reason
    assert found.looks[duet.CELL].looks[0].decided == {row.verdict.id: "fail"}
    assert family_size(found.rows, terms.policy) == 1


@pytest.mark.parametrize(
    ("given", "kind", "paired", "margin", "source"),
    [
        ({"max_regression": 0.3}, "hosted", True, 0.3, "policy"),
        ({"max_regression": None}, "hosted", True, 0.2, "default"),
        ({"max_regression": None}, "self-hosted", True, 0.1, "default"),
        ({"max_regression": None, "max_drift": 0.9}, "hosted", True, 0.2, "default"),
        ({"max_regression": 0.0, "max_drift": 0.9}, "hosted", True, 0.0, "policy"),
        ({"max_regression": 0.3}, "hosted", False, 1.0, "default"),
        ({"max_regression": 0.3, "max_drift": 0.9}, "hosted", False, 0.9, "policy"),
        # Where a mode has no default, the other's margin is the one that there is.
        ({"metric": "ttfr", "max_regression": None, "max_drift": 9}, "hosted", True, 9, "policy"),
        ({"metric": "ttfr", "max_regression": 0.3}, "hosted", False, 0.3, "policy"),
    ],
)
def test_each_mode_has_its_own_margin(duet, given, kind, paired, margin, source):
    terms = duet.terms(duet.rule(**given), plan=duet.plan(16, duet=paired), kind=kind)
    samples = duet.pairs(16)
    heads = samples if paired else [s for s in samples if s.arm == "head"]
    (row,) = judged(duet, terms, heads, kind=kind, stored=past(duet)).rows
    assert (row.verdict.margin, row.margin_from) == (margin, source)
    assert row.mode == ("duet" if paired else "history")


@pytest.mark.parametrize("paired", [True, False])
def test_a_rule_without_any_margin_has_no_data(duet, paired):
    terms = duet.terms(duet.rule("ttfr", max_regression=None), plan=duet.plan(16, duet=paired))
    (row,) = judged(duet, terms, [s for s in duet.pairs(16) if paired or s.arm == "head"]).rows
    assert row.name == "no_data"
    assert row.verdict.reason.startswith("no margin")


def test_a_duet_is_compared_even_where_the_policy_compares_nothing(duet):
    terms = replace(duet.terms(duet.rule(), plan=duet.plan(16)), relative=False)
    assert len(judged(duet, terms, duet.pairs(16)).rows) == 1
    alone = replace(terms, plans={duet.CELL: duet.plan(16, duet=False)})
    assert judged(duet, alone, duet.pairs(16)).rows == ()


def test_stored_runs_are_not_asked_in_a_duet(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(16))
    without = judged(duet, terms, duet.pairs(16))
    slow = judged(duet, terms, duet.pairs(16), stored=past(duet, centre=0.001))
    assert slow.rows == without.rows


def test_a_cell_that_should_have_had_a_control_says_why_it_has_none(duet):
    terms = duet.terms(duet.rule(), duet.limit(max=1.0), plan=duet.plan(16, duet=False))
    heads = [s for s in duet.pairs(16) if s.arm == "head"]
    found = judged(duet, terms, heads, stored=past(duet), no_control="no common prompts")
    assert [(row.name, row.kind) for row in found.rows] == [
        ("no_data", "relative"),
        ("pass", "absolute"),
    ]
    assert found.rows[0].verdict.reason == "no common prompts"
    assert found.looks == {}


def test_where_both_arms_fail_the_head_is_held_against_no_limit_either(duet):
    rules = (duet.rule(), duet.limit("error_rate", max=0.02))
    terms = duet.terms(*rules, plan=duet.plan(16))
    arms = ("head", "control")
    dead = [duet.sample(k, arm, failure="connection") for k in range(16) for arm in arms]
    rows = judged(duet, terms, dead).rows
    assert [row.name for row in rows] == ["no_data", "no_data"]
    assert "neither head (0 of 16) nor control (0 of 16)" in rows[1].verdict.reason
    half = [s if s.arm == "head" else duet.sample(s.pair, "control") for s in dead]
    assert [row.name for row in judged(duet, terms, half).rows] == ["fail", "fail"]


def test_what_is_new_in_the_head_has_its_absolute_limits_alone(duet):
    terms = duet.terms(duet.rule(max=0.01, new_in_head=True), plan=duet.plan(16))
    found = judged(duet, terms, duet.pairs(16, head=3.0))
    assert [(row.name, row.kind, row.mode) for row in found.rows] == [
        ("fail", "absolute", ""),
        ("new", "new", ""),
    ]
    assert found.rows[1].verdict.margin is None


def test_both_arms_failing_is_the_environment(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(16))
    arms = ("head", "control")
    dead = [duet.sample(k, arm, failure="connection") for k in range(16) for arm in arms]
    (row,) = judged(duet, terms, dead).rows
    assert row.name == "no_data"
    assert row.verdict.reason.startswith("environment")
    half = [s if s.arm == "head" else duet.sample(s.pair, "control") for s in dead]
    (row,) = judged(duet, terms, half).rows
    assert row.name == "fail"
    assert "no successful request" in row.verdict.reason


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"starved": "3 of at least 16 pairs"}, "3 of at least 16 pairs"),
        ({"samples": []}, "no request was measured"),
    ],
)
def test_a_duet_without_its_least_has_no_data_and_no_looks(duet, given, reason):
    terms = duet.terms(duet.rule(), plan=duet.plan(120))
    found = judged(duet, terms, **{"samples": duet.pairs(3), **given})
    assert {(row.name, row.verdict.reason) for row in found.rows} == {("no_data", reason)}
    assert found.looks == {}
    (missing,) = judge_cells(terms, {}).rows
    assert missing.verdict.reason == "this cell was not measured"


def test_a_run_that_stopped_elsewhere_leaves_its_checks_open(duet):
    terms = duet.terms(duet.rule(max_regression=0.05), plan=duet.plan(120))
    (row,) = judged(duet, terms, duet.pairs(20), end=duet.ended("stopped")).rows
    assert row.name == "inconclusive"
    assert row.verdict.reason.startswith("stopped at the first failure: ")
    (early,) = judged(duet, terms, duet.pairs(9), end=duet.ended("stopped")).rows
    assert early.name == "inconclusive"
    assert early.verdict.reason == ("stopped at the first failure, before this cell's first look")
    (odd,) = judged(duet, terms, duet.pairs(9), end=None).rows
    assert odd.verdict.reason == "no look was reached, before this cell's first look"


def test_what_a_stopped_run_had_decided_stays_decided(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(120), fail_fast=True)
    (row,) = judged(duet, terms, duet.pairs(16, head=2.0), end=duet.ended("stopped")).rows
    assert row.name == "fail"
    assert "stopped" not in row.verdict.reason


def test_what_is_open_says_what_would_settle_it(duet):
    terms = duet.terms(duet.rule(max_regression=0.05), plan=duet.plan(24))
    (row,) = judged(duet, terms, duet.pairs(24, head=1.25)).rows
    assert row.name == "inconclusive"
    needed = row.verdict.needed_n
    assert needed > 24
    assert row.needs_requests == 2 * needed
    assert row.needs_usd == needed * Decimal("0.03")
    (row,) = judged(duet, terms, duet.pairs(24, head=1.2)).rows
    assert row.verdict.needed_n > 240
    assert (row.needs_requests, row.needs_usd) == (None, None)


def test_blocks_need_blocks(duet):
    terms = duet.terms(duet.rule(max_regression=0.01), plan=duet.plan(10, least=8, block_s=9.0))
    (row,) = judged(duet, terms, duet.blocks(10, head=1.005)).rows
    assert row.name == "inconclusive"
    assert row.needs_requests == 60 * row.verdict.needed_n
    assert row.needs_usd == 30 * row.verdict.needed_n * Decimal("0.03")


def test_a_failure_against_history_does_not_blame_the_change(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(16, duet=False))
    heads = [s for s in duet.pairs(16, head=9.0) if s.arm == "head"]
    (row,) = judged(duet, terms, heads, stored=past(duet, 10)).rows
    assert row.name == "fail"
    assert "slower than it used to be, which need not be this change's doing" in row.verdict.reason
    assert "interleaved" not in row.verdict.reason
    cost = duet.rule("cost_usd", "mean", max_drift=0.01)
    dear = [s for s in duet.pairs(16, tokens=9.0) if s.arm == "head"]
    terms_of_cost = duet.terms(cost, plan=duet.plan(16, duet=False))
    cheap = [
        replace(run, values={"cost_usd": (0.04,) * len(run.prompt_ids)}) for run in past(duet, 10)
    ]
    (row,) = judged(duet, terms_of_cost, dear, stored=cheap).rows
    assert "it is worse than it used to be" in row.verdict.reason
    offered = replace(terms, offer="`--base REF` tells")
    (row,) = judged(duet, offered, heads, stored=past(duet, 10)).rows
    assert row.verdict.reason.endswith("this change's doing; `--base REF` tells")
    beside = replace(offered.policy, targets={"mini": SimpleNamespace(control="old")})
    (row,) = judged(duet, replace(offered, policy=beside), heads, stored=past(duet, 10)).rows
    assert "--base" not in row.verdict.reason


@pytest.mark.parametrize(("runs", "said"), [(3, "; 3 of 10 runs"), (10, ""), (0, "")])
def test_a_short_history_says_how_short_where_it_can_not_decide(duet, runs, said):
    terms = duet.terms(duet.rule(max_drift=0.02), plan=duet.plan(16, duet=False))
    heads = [s for s in duet.pairs(16) if s.arm == "head"]
    (row,) = judged(duet, terms, heads, stored=past(duet, runs)).rows
    assert row.name == "inconclusive"
    assert row.verdict.reason.endswith(said)
    assert ("of 10 runs" in row.verdict.reason) == bool(said)


@pytest.mark.parametrize(
    ("ceiling", "waived"),
    [(2.0, "accepted up to +200 % until 2026-12-24 by anna: a larger prompt"), (0.3, "")],
)
@pytest.mark.parametrize("paired", [True, False])
def test_a_waiver_lets_a_failure_through_up_to_its_ceiling(duet, paired, ceiling, waived):
    accepted = duet.waiver(ceiling=ceiling)
    rule = duet.rule(max_drift=0.2)
    terms = duet.terms(rule, plan=duet.plan(16, duet=paired), waivers=[accepted])
    samples = [s for s in duet.pairs(16, head=2.2) if paired or s.arm == "head"]
    stored = past(duet, 10, centre=0.098)
    (row,) = judged(duet, terms, samples, stored=stored).rows
    assert (row.name, row.waived) == ("fail", waived)
    assert row.verdict.margin == 0.2
    assert counts(row) is not bool(waived)
    assert used(accepted, [row]) is bool(waived)
    assert ("lets no more than +30 % through" in row.verdict.reason) is not bool(waived)
    assert not used(duet.waiver(rule="other"), [row])


def test_a_waiver_of_another_rule_or_cell_changes_nothing(duet):
    elsewhere = replace(duet.waiver(ceiling=9.0), cell="x/y")
    for other in (duet.waiver(rule="itl-typ", ceiling=9.0), elsewhere):
        terms = duet.terms(duet.rule(), plan=duet.plan(16), waivers=[other])
        (row,) = judged(duet, terms, duet.pairs(16, head=2.0)).rows
        assert (row.name, row.waived) == ("fail", "")


def test_a_waiver_of_the_margin_and_one_of_the_limit_both_hold(duet):
    margin = duet.waiver(ceiling=2.0)
    limit = duet.waiver(ceiling=None, limit=0.9)
    terms = duet.terms(duet.rule(max=0.05), plan=duet.plan(16), waivers=[margin, limit])
    rows = judged(duet, terms, duet.pairs(16, head=2.2)).rows
    assert [(row.kind, row.name) for row in rows] == [("absolute", "fail"), ("relative", "fail")]
    assert [row.waived[:20] for row in rows] == ["accepted up to 900 m", "accepted up to +200 "]
    assert [used(margin, [row]) for row in rows] == [False, True]
    assert [used(limit, [row]) for row in rows] == [True, False]


def test_of_several_waivers_the_one_that_was_accepted_last_holds(duet):
    renewed = [duet.waiver(ceiling=0.3), replace(duet.waiver(ceiling=2.0), who="bert")]
    rule, samples = duet.rule(), duet.pairs(16, head=2.2)
    for waivers, held in ((renewed, True), (renewed[::-1], False)):
        terms = duet.terms(rule, plan=duet.plan(16), waivers=waivers)
        (row,) = judged(duet, terms, samples).rows
        assert ("by bert" in row.waived) is held


def test_a_ceiling_below_the_margin_loosens_and_tightens_nothing(duet):
    terms = duet.terms(duet.rule(), plan=duet.plan(16), waivers=[duet.waiver(ceiling=0.01)])
    (row,) = judged(duet, terms, duet.pairs(16, head=2.0)).rows
    assert (row.name, row.waived) == ("fail", "")
    assert "no more than +20 %" in row.verdict.reason


@pytest.mark.parametrize(
    ("metric", "bounds", "limit", "said"),
    [
        ("ttft", {"max": 0.05}, 0.5, "accepted up to 500 ms"),
        ("output_tps", {"min": 900.0}, 10.0, "accepted up to 10 tok/s"),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_a_waiver_of_a_limit_is_in_the_metrics_unit(duet, metric, bounds, limit, said, paired):
    rule = duet.limit(metric, **bounds)
    accepted = duet.waiver(rule=rule.id, ceiling=None, limit=limit)
    terms = duet.terms(rule, plan=duet.plan(24, duet=paired), waivers=[accepted])
    samples = [s for s in duet.pairs(24) if paired or s.arm == "head"]
    (row,) = judged(duet, terms, samples).rows
    assert row.name == "fail"
    assert row.waived.startswith(said)
    # A ceiling for the margin is none for the limit.
    other = replace(terms, waivers=[duet.waiver(rule=rule.id, ceiling=5.0)])
    assert not judged(duet, other, samples).rows[0].waived


def test_a_waiver_of_an_error_rate_speaks_in_points(duet):
    rule = duet.rule("error_rate", "", max_regression=0.02)
    accepted = duet.waiver(rule=rule.id, ceiling=0.9)
    samples = [
        s if s.arm == "control" or s.pair % 2 else duet.sample(s.pair, "head", failure="timeout")
        for s in duet.pairs(54)
    ]
    terms = duet.terms(rule, plan=duet.plan(54), waivers=[accepted])
    (row,) = judged(duet, terms, samples).rows
    assert row.name == "fail"
    assert row.waived.startswith("accepted up to +90 points until")


def test_throttled_heads_count_in_the_error_check(duet):
    samples = [
        s
        if s.arm == "control" or s.pair % 3
        else duet.sample(s.pair, "head", failure="rate_limited")
        for s in duet.pairs(54)
    ]
    terms = duet.terms(duet.rule("error_rate", "", max_regression=0.02), plan=duet.plan(54))
    (row,) = judged(duet, terms, samples).rows
    assert row.name == "fail"
    assert row.verdict.estimate == pytest.approx(1 / 3)


@pytest.mark.parametrize("share", ["error_rate", "goodput"])
def test_shares_in_blocks_are_tested_block_by_block_and_told_as_added_shares(duet, share):
    rule = duet.rule(share, "", max_regression=0.02)
    terms = duet.terms(rule, plan=duet.plan(12, least=8, block_s=9.0), objectives={"e2e": 9.0})
    whole = duet.blocks(12)
    lost = [
        duet.sample(None, "head", failure="timeout", block=s.block, seq=s.seq, at=s.marks.ready)
        if s.arm == "head" and s.seq % 4 == 0
        else s
        for s in whole
    ]
    (row,) = judged(duet, terms, lost).rows
    sign = 1 if share == "error_rate" else -1
    assert row.name == "fail", row.verdict.reason
    assert row.verdict.estimate == pytest.approx(sign * 0.25, abs=0.05)
    assert row.verdict.low <= row.verdict.estimate <= row.verdict.high
    assert row.verdict.margin == 0.02
    assert row.verdict.reason.startswith("share of good requests, block by block: worse")
    (fine,) = judged(duet, terms, whole).rows
    assert fine.name == "pass"
    base = fine.verdict.base_value
    assert base == pytest.approx(0.0 if share == "error_rate" else 1.0, abs=0.03)
    failure = duet.Failure(status="timeout", detail="")
    broken = [s if s.arm == "control" else replace(s, failure=failure) for s in whole]
    (none,) = judged(duet, terms, broken).rows
    assert none.name == "fail"
    assert "no block with a good request (0 of 12)" in none.verdict.reason
    assert none.verdict.low is None


def test_the_margin_of_a_share_is_an_added_share_in_blocks_too(duet):
    """Forty points of errors are within fifty; as a plain ratio of good ones they would not be."""
    rule = duet.rule("error_rate", "", max_regression=0.5)
    terms = duet.terms(rule, plan=duet.plan(12, least=8, block_s=9.0))
    failure = duet.Failure(status="timeout", detail="")
    samples = [
        replace(s, failure=failure) if s.arm == "head" and s.seq % 5 < 2 else s
        for s in duet.blocks(12)
    ]
    (row,) = judged(duet, terms, samples).rows
    assert row.verdict.estimate == pytest.approx(0.4, abs=0.05)
    assert (row.name, row.verdict.margin) == ("pass", 0.5)


def test_rates_and_limits_of_blocks(duet):
    rules = (
        duet.rule("rps", "", max_regression=0.2),
        duet.limit("rps", "", min=1.0),
        duet.rule("cold_start_penalty", "", max_regression=0.2),
    )
    terms = duet.terms(*rules, plan=duet.plan(12, least=8, block_s=9.0))
    rps, floor, cold = judged(duet, terms, duet.blocks(12, head=2.0)).rows
    assert rps.name == "fail"
    assert rps.verdict.estimate == pytest.approx(-0.45, abs=0.06)
    assert floor.name == "pass"
    assert floor.verdict.n == 12
    assert cold.name in ("pass", "inconclusive", "no_data")
    one = [s for s in duet.blocks(12, requests=1) if s.block is not None]
    *_, cold = judged(duet, terms, one).rows
    assert (cold.name, cold.verdict.reason) == ("no_data", "no block has a value")

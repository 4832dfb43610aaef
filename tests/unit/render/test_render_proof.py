"""A/A sessions and selftests as text: all that was found is there, and nothing can pass for it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.records.null import NullCount, NullSession
from lens_gate.records.proof import Act, NullReport, NullRow, SelftestReport, SelftestRow, Tally
from lens_gate.render.null import null_text
from lens_gate.render.selftest import selftest_text

SESSION = NullSession(
    created="20261121T021500Z",
    commit="a" * 40,
    policy="checkout",
    runs=9,
    failed=1,
    spent_usd=Decimal("0.41"),
    checks={"chat/mini/ttft-typ": NullCount(runs=9, failed=1, passed=6)},
)
NULL = NullReport(
    session=SESSION,
    asked=9,
    path="baselines/null/x.json",
    stopped="",
    rows=(
        NullRow(
            scenario="chat",
            target="mini",
            rule="ttft-typ",
            metric="ttft",
            statistic="typ",
            runs=9,
            failed=1,
            passed=6,
            upper=0.429,
            fixed=Tally(failed=3, of=8),
        ),
        NullRow(
            scenario="chat",
            target="mini",
            rule="error-rate",
            metric="error_rate",
            statistic="",
            runs=9,
            failed=0,
            passed=9,
            upper=0.283,
            fixed=Tally(),
        ),
    ),
    upper=0.429,
    fixed=Tally(failed=4, of=8),
    cap_usd=Decimal("4.5"),
    seed=7,
    measured="1 of 9 A/A runs",
    demoted={"chat/mini/ttft-typ": "1 of 9 A/A runs failed it"},
)


def test_a_session_is_a_table_with_the_fixed_rule_beside():
    text = null_text(NULL)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "checkout: 9 of 9 A/A runs, $0.41 of $4.50, seed 7"
    assert "TTFT typ of chat/mini 1 6 2 42.9 % failed 3 of 8" in lines
    assert any(line.endswith("0 9 0 28.3 % -") for line in lines)
    assert "false alarms: 1 of 9 runs (at most 42.9 % with 95 % confidence)" in lines
    assert any("fails at +10 % against the run before: 4 of 8 runs" in line for line in lines)
    assert "all stored sessions: 1 of 9 A/A runs" in lines
    assert any(line.startswith("chat/mini/ttft-typ only warns once this") for line in lines)
    assert lines[-1].startswith("wrote baselines/null/x.json")


def test_a_session_that_ended_early_says_why_and_what_is_left_of_it():
    one = replace(NULL, stopped="stopped by a signal", fixed=Tally(), measured="", demoted={})
    text = null_text(one)
    assert "stopped early: stopped by a signal" in text
    assert "+10 % against" not in text
    none = null_text(replace(one, session=replace(SESSION, runs=0), rows=(), path=""))
    assert none.splitlines()[-1] == "not one run ended: nothing was stored"


def row(**given):
    whole = {
        "scenario": "chat",
        "target": "mini",
        "rule": "ttft-typ",
        "metric": "ttft",
        "statistic": "typ",
        "n": 120,
        "unit": "pairs",
        "margin": 0.2,
        "unchanged": "pass",
        "slowed": "fail",
        "slows": True,
        "fixed": Tally(failed=3, of=5),
    }
    return SelftestRow(**{**whole, **given})


GOOD = Act(name="unchanged", problems=(), tries=1, requests=200)
FOUND = Act(name="slowed", problems=(), tries=1, requests=40)


def report(*acts, **given):
    whole = {
        "policy": "checkout",
        "seed": 7,
        "scale": 0.05,
        "factor": 1.6,
        "elapsed_s": 64.0,
        "acts": acts or (GOOD, FOUND),
        "rows": (row(),),
        "must_fail": ("chat/mini",),
        "may_stay": {},
        "false_alarm": 0.002,
        "missed": 0.0004,
        "fixed": Tally(failed=4, of=5),
        "left_out": ("2 absolute limits on times",),
    }
    return SelftestReport(**{**whole, **given})


def test_a_proven_policy_says_so_and_how_sure_that_is():
    cost = row(rule="cost", metric="cost_usd", statistic="mean", slowed="pass", slows=False)
    rate = row(metric="error_rate", statistic="", margin=0.02, slows=False, slowed="no_data")
    found = report(rows=(row(), cost, rate))
    assert found.proven
    text = selftest_text(found)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("checkout: proven on simulated servers (240 requests in both acts")
    assert "20 times as fast as real ones, seed 7" in lines[0]
    assert "TTFT typ chat/mini 120 pairs 20 % pass fail failed 3 of 5" in lines
    assert any("pass pass (not slowed)" in line for line in lines)
    assert any("2 points pass no data (not slowed)" in line for line in lines)
    assert "unchanged, both arms the same: no rule failed" in lines
    assert "slowed: found in chat/mini" in lines
    assert any("would have failed 4 of 5 days on which nothing changed" in x for x in lines)
    assert any("in at most 0.2 % of all selftests, and misses" in x for x in lines)
    assert any(x.endswith("in at most 0.04 %") for x in lines)
    assert "not tested: 2 absolute limits on times" in lines


def test_what_is_not_proven_is_named_act_by_act():
    bad = replace(GOOD, problems=("chat/mini/ttft-typ: failed: why",), tries=2)
    missed = replace(FOUND, problems=("chat/mini: not found to be slower",))
    found = report(bad, missed, fixed=Tally(), may_stay={"chat/own": "it has 8 pairs"})
    assert not found.proven
    text = selftest_text(found)
    assert "checkout: NOT PROVEN" in text
    assert "unchanged: chat/mini/ttft-typ: failed: why (played 2 times)" in text
    assert "slowed: chat/mini: not found to be slower" in text
    assert "found in" not in text.replace("not found", "")
    assert "no rule failed" not in text
    assert "chat/own need not be found to be slower: it has 8 pairs" in text
    assert "a fixed rule" not in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"slowed": "inconclusive", "open_because": "too few"}, True),
        ({"slowed": "inconclusive", "open_because": "too few", "slows": False}, False),
        ({}, False),
    ],
)
def test_what_stayed_open_though_it_was_slowed_has_its_reason(given, said):
    text = selftest_text(report(rows=(row(**given),)))
    assert ("TTFT typ of chat/mini stayed open: too few" in text) == said


def test_foreign_text_stays_on_its_line():
    text = selftest_text(report(GOOD, replace(FOUND, problems=("a\n::error::b",))))
    assert "\n::error::" not in text

"""False alarms that were measured: told with their bound, and held against the rate allowed."""

from decimal import Decimal

import pytest
from scipy import stats

from lens_gate.judge.null import DOUBT, demotions, null_rate
from lens_gate.records.null import NullCount, NullSession

RULE = "chat/mini/ttft-typ"


def session(runs, failed, *, created="20261120T020000Z", passed=0, **others):
    counts = {RULE: NullCount(runs=runs, failed=failed, passed=passed), **others}
    return NullSession(
        created=created,
        commit="c",
        policy="p",
        runs=runs,
        failed=failed,
        spent_usd=Decimal(1),
        checks=counts,
    )


def test_without_a_run_nothing_is_said():
    assert null_rate([]) == ""
    assert demotions([], alpha=0.01) == {}


def test_sessions_add_up_and_the_last_day_is_told():
    text = null_rate([session(12, 0), session(8, 1, created="20260901T000000Z")])
    bound = stats.binomtest(1, 20).proportion_ci(0.90, method="exact").high
    assert "1 of 20 A/A runs" in text
    assert f"at most {bound * 100:.1f} %" in text
    assert "2026-11-20" in text


@pytest.mark.parametrize("runs", [1, 5, 20, 100, 500])
def test_a_rule_is_demoted_exactly_where_its_alarms_are_more_than_chance(runs):
    for failed in range(min(runs, 12) + 1):
        p = stats.binom.sf(failed - 1, runs, 0.01)
        found = demotions([session(runs, failed)], alpha=0.01)
        assert (RULE in found) == bool(failed and p <= DOUBT), (runs, failed)


def test_one_alarm_in_twenty_runs_is_chance_and_three_are_not():
    assert demotions([session(20, 1)], alpha=0.01) == {}
    (words,) = demotions([session(10, 1), session(10, 2)], alpha=0.01).values()
    assert words.startswith("3 of 20 A/A runs failed it, more than the 1 %")


def test_each_check_is_counted_by_itself():
    other = {"chat/own/e2e-typ": NullCount(runs=20, failed=0, passed=20)}
    assert list(demotions([session(20, 4, **other)], alpha=0.01)) == [RULE]

"""Error rates of the history mode, on simulated services; fixed seeds, binomial bounds.

Thirty checks, runs some hours apart, 20 requests each. Unchanged builds fail in at most 1 % of
policies; the methods that people use instead, on the very same runs, fail most of them.
"""

import pytest
from scipy import stats as reference

from bench.verdicts import methods
from bench.verdicts.model import Service, slower
from bench.verdicts.policies import CENTRES, HISTORY_MARGINS, TARGETS, flat, history_checks
from bench.verdicts.procedures import any_fails, at_once

N = 20


def judged(policies, *, runs, gap_h=24.0, margins=None, change=None):
    """The verdicts of each policy, by check."""
    for seed in range(policies):
        service = Service([runs, seed])
        checks = []
        for target in range(TARGETS):
            past, head = service.history(runs=runs, n=N, gap_h=gap_h)
            head = head.changed(change) if change else head
            checks += history_checks(target, (past, head), margins or flat(0.0))
        yield at_once(checks)


def most_expected(trials, rate):
    """The count that trials with this rate exceed by chance once in a thousand."""
    return reference.binom.ppf(0.999, trials, rate)


@pytest.mark.parametrize(("runs", "gap_h"), [(1, 24.0), (3, 24.0), (5, 4.0), (10, 24.0)])
def test_unchanged_builds_do_not_fail(runs, gap_h):
    policies = 40
    answers = list(judged(policies, runs=runs, gap_h=gap_h))
    assert sum(map(any_fails, answers)) <= most_expected(policies, 0.01)
    for metric, kind in CENTRES:
        p_values = [
            answer[f"{target}/{metric}.{kind}"].p_worse
            for answer in answers
            for target in range(TARGETS)
        ]
        for level in (0.3, 0.1, 0.03, 0.01):
            below = sum(p <= level for p in p_values)
            assert below <= most_expected(len(p_values), level), (metric, level)


def test_the_usual_rules_fail_unchanged_builds_on_the_same_runs(tallied):
    policies = 4
    found = tallied(methods.compare, policies, changes=("none",))
    failed = {
        name.partition(";")[0]: total.sum for name, total in found.items() if name.endswith("any")
    }
    ours = {name: count for name, count in failed.items() if name.startswith("ours")}
    assert len(ours) == 4
    assert sum(ours.values()) == 0
    for name in ("threshold +10 %", "Mann-Whitney", "Kayenta-like", "bootstrap"):
        assert failed[name] >= policies - 1, name


def test_a_service_three_times_as_slow_is_found():
    answers = judged(16, runs=10, margins=HISTORY_MARGINS, change=slower(3.0))
    assert sum(map(any_fails, answers)) >= 15

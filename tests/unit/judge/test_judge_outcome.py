import itertools

import pytest

from lens_gate.judge import WORST_FIRST, rule_verdict, settle


@pytest.mark.parametrize("best", range(len(WORST_FIRST)))
def test_a_rule_is_as_bad_as_its_worst_check(best):
    for count in range(1, 4):
        for names in itertools.product(WORST_FIRST[best:], repeat=count):
            expected = WORST_FIRST[min(WORST_FIRST.index(n) for n in names)]
            assert rule_verdict(names) == expected


def test_a_rule_without_a_check_has_no_data():
    assert rule_verdict([]) == "no_data"


ROWS = [
    # gating verdicts, run end, starved cells, on_inconclusive -> outcome, exit code
    (["pass", "improved"], "complete", [], "warn", "passed", 0),
    (["new"], "complete", [], "fail", "passed", 0),
    ([], "complete", [], "fail", "passed", 0),
    (["pass"], "budget", [], "fail", "passed", 0),
    (["pass", "inconclusive"], "complete", [], "warn", "inconclusive", 0),
    (["pass", "inconclusive"], "complete", [], "pass", "passed", 0),
    (["pass", "inconclusive"], "complete", [], "fail", "inconclusive", 3),
    (["pass", "inconclusive"], "budget", ["chat/mini"], "fail", "budget", 4),
    (["pass"], "budget", ["chat/mini"], "pass", "budget", 4),
    (["no_data", "inconclusive"], "budget", ["chat/mini"], "fail", "no_data", 5),
    (["no_data", "pass"], "complete", [], "pass", "no_data", 5),
    (["pass"], "error", [], "warn", "aborted", 5),
    (["no_data"], "error", ["chat/mini"], "warn", "aborted", 5),
    (["fail", "pass"], "complete", [], "pass", "failed", 1),
    (["fail", "no_data"], "complete", [], "warn", "failed", 1),
    (["fail", "inconclusive"], "budget", ["chat/mini"], "fail", "failed", 1),
    (["fail"], "error", [], "warn", "failed", 1),
    (["fail"], "interrupted", [], "warn", "aborted", 130),
    (["pass"], "interrupted", [], "warn", "aborted", 130),
    (["fail"], "terminated", ["chat/mini"], "warn", "aborted", 143),
    (["fail"], None, [], "warn", "aborted", 5),
    (["pass"], None, [], "warn", "aborted", 5),
]


@pytest.mark.parametrize(("gating", "end", "starved", "switch", "outcome", "code"), ROWS)
def test_the_first_that_applies(gating, end, starved, switch, outcome, code):
    settled = settle(gating=gating, run_end=end, starved_cells=starved, on_inconclusive=switch)
    assert (settled.outcome, settled.exit_code) == (outcome, code)


def test_failure_beats_no_data_beats_budget_beats_inconclusive():
    causes = ["fail", "no_data", "starved", "inconclusive"]
    codes = {"fail": 1, "no_data": 5, "starved": 4, "inconclusive": 3}
    for count in range(1, 5):
        for present in itertools.combinations(causes, count):
            settled = settle(
                gating=[name for name in present if name != "starved"],
                run_end="complete",
                starved_cells=["a/b"] if "starved" in present else [],
                on_inconclusive="fail",
            )
            assert settled.exit_code == codes[present[0]]


@pytest.mark.parametrize("reason", ["unchanged", "not_measured"])
def test_a_reason_to_send_nothing_is_no_failure(reason):
    settled = settle(gating=[], run_end=None, on_inconclusive="fail", nothing_sent=reason)
    assert (settled.outcome, settled.exit_code) == (reason, 0)
    lost = settle(
        gating=[], run_end=None, on_inconclusive="fail", nothing_sent=reason, undelivered=True
    )
    assert (lost.outcome, lost.exit_code) == (reason, 5)


@pytest.mark.parametrize(
    ("gating", "end", "outcome", "code"),
    [
        (["pass"], "complete", "passed", 5),
        (["inconclusive"], "complete", "inconclusive", 5),
        (["fail"], "complete", "failed", 1),
        (["pass"], "interrupted", "aborted", 130),
    ],
)
def test_what_was_not_delivered_never_changes_the_outcome(gating, end, outcome, code):
    settled = settle(gating=gating, run_end=end, on_inconclusive="fail", undelivered=True)
    assert (settled.outcome, settled.exit_code) == (outcome, code)

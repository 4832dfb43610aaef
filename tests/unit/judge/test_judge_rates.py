import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide


def arm(bad, n):
    return Arm([1.0] * (n - bad), errors=bad)


def by_key(n, failed):
    keys = [i for i in range(n) if i not in failed]
    return Arm([1.0] * len(keys), pair=keys, errors=len(failed))


def test_against_a_control_it_is_fishers_exact_test(verdict):
    answer = verdict("error_rate", margin=0.02, head=arm(20, 100), base=arm(2, 100))
    expected = reference.fisher_exact([[20, 80], [2, 98]], alternative="greater").pvalue
    assert answer.p_worse == pytest.approx(expected, rel=1e-9)
    assert (answer.verdict, answer.n, answer.base_n) == ("fail", 100, 100)
    assert answer.estimate == pytest.approx(0.18)
    assert (answer.base_value, answer.head_value) == (0.02, 0.20)
    assert "+18 points" in answer.reason
    assert "the margin 2 points" in answer.reason


def test_with_keys_it_is_mcnemars_test_on_the_pairs(verdict):
    head, base = by_key(60, set(range(14))), by_key(60, set(range(10, 18)))
    answer = verdict("error_rate", margin=0.0, head=head, base=base)
    expected = reference.binomtest(10, 14, 0.5, alternative="greater").pvalue
    assert answer.p_worse == pytest.approx(expected, rel=1e-9)
    assert answer.p_margin == answer.p_worse


FIFTY_LESS_FOUR = Arm([1.0] * 46, pair=range(4, 50), errors=4)


@pytest.mark.parametrize(
    ("head", "base"),
    [
        (Arm([1.0] * 46, pair=range(46), errors=10), FIFTY_LESS_FOUR),  # more than the control sent
        (FIFTY_LESS_FOUR, Arm([1.0] * 45, pair=[*range(44), 99], errors=5)),  # 5 keys, 4 errors
        (FIFTY_LESS_FOUR, Arm([1.0] * 45, errors=5)),
        (Arm([1.0] * 45, errors=5), FIFTY_LESS_FOUR),
    ],
)
def test_keys_that_do_not_add_up_leave_fishers_test(verdict, head, base):
    answer = verdict("error_rate", margin=0.0, head=head, base=base)
    table = [[head.errors, len(head.values)], [base.errors, len(base.values)]]
    expected = reference.fisher_exact(table, alternative="greater").pvalue
    assert answer.p_worse == pytest.approx(expected, rel=1e-9)


def test_against_a_history_it_is_the_pooled_runs(verdict):
    answer = verdict("error_rate", margin=0.02, head=arm(6, 20), base=[arm(0, 20)] * 10)
    expected = reference.fisher_exact([[6, 14], [0, 200]], alternative="greater").pvalue
    assert answer.p_worse == pytest.approx(expected, rel=1e-9)
    assert (answer.verdict, answer.n, answer.base_n) == ("fail", 20, 10)
    assert answer.reason.startswith("worse than its history: +30 points")


def test_bouts_of_errors_in_the_history_make_one_more_bout_no_news(verdict):
    """The same 20 errors in 200: spread evenly, or all in one bad run of ten."""
    even = [arm(2, 20)] * 10
    bouts = [arm(20, 20), *[arm(0, 20)] * 9]
    head = arm(10, 20)
    assert verdict("error_rate", margin=0.02, head=head, base=even).verdict == "fail"
    assert verdict("error_rate", margin=0.02, head=head, base=bouts).verdict == "inconclusive"


def test_the_interval_is_made_of_clopper_pearson_limits(verdict):
    answer = verdict("error_rate", margin=0.0, head=arm(9, 90), base=arm(3, 120))
    head = reference.binomtest(9, 90).proportion_ci(0.9, method="exact")
    base = reference.binomtest(3, 120).proportion_ci(0.9, method="exact")
    gap = 0.1 - 0.025
    assert answer.low == pytest.approx(gap - math.hypot(0.1 - head.low, base.high - 0.025))
    assert answer.high == pytest.approx(gap + math.hypot(head.high - 0.1, 0.025 - base.low))


def test_key_2_and_the_pass_test_agree_with_the_interval(verdict):
    fields = {"head": arm(9, 90), "base": arm(3, 120)}
    wide = verdict("error_rate", margin=0.5, **fields)
    at_high = verdict("error_rate", margin=wide.high, **fields)
    assert at_high.p_within == pytest.approx(0.05, rel=0.01)
    low = verdict("error_rate", margin=0.0, head=arm(30, 90), base=arm(3, 120)).low
    at_low = verdict("error_rate", margin=low, head=arm(30, 90), base=arm(3, 120))
    assert at_low.p_margin == pytest.approx(0.05, rel=0.01)
    assert verdict("error_rate", margin=0.3, head=arm(0, 90), base=arm(0, 90)).p_margin == 1.0


def test_no_errors_pass_once_there_are_enough_requests(verdict):
    assert verdict("error_rate", margin=0.02, head=arm(0, 300), base=arm(0, 300)).verdict == "pass"
    few = verdict("error_rate", margin=0.02, head=arm(0, 30), base=arm(0, 30))
    assert few.verdict == "inconclusive"
    assert "points" in few.reason
    assert 0.1 < few.detectable < 0.4
    higher = verdict("error_rate", margin=0.02, head=arm(0, 30), base=arm(0, 30), better="higher")
    assert higher.detectable == pytest.approx(-few.detectable)


def test_fewer_errors_are_an_improvement(verdict):
    head, base = by_key(60, set()), by_key(60, set(range(30)))
    assert verdict("error_rate", margin=0.1, head=head, base=base).verdict == "improved"
    assert verdict("error_rate", margin=0.1, head=head, base=[base]).verdict == "improved"


def test_where_more_is_better_it_is_the_share_without_error(verdict):
    answer = verdict(
        "error_rate", margin=0.02, head=arm(20, 100), base=arm(2, 100), better="higher"
    )
    mirror = verdict("error_rate", margin=0.02, head=arm(20, 100), base=arm(2, 100))
    assert answer.verdict == "fail"
    assert (answer.estimate, answer.low, answer.high) == pytest.approx(
        (-mirror.estimate, -mirror.high, -mirror.low)
    )
    assert (answer.base_value, answer.head_value) == pytest.approx((0.98, 0.80))


@pytest.mark.parametrize("base", [None, [], [Arm([])]])
def test_without_a_history_this_run_is_offered_as_the_first(verdict, base):
    answer = verdict("error_rate", margin=0.02, head=arm(1, 50), base=base)
    assert (answer.verdict, answer.n) == ("inconclusive", 50)
    assert "offered as the first" in answer.reason


def test_a_control_that_sent_nothing_is_no_data(verdict):
    answer = verdict("error_rate", margin=0.02, head=arm(1, 50), base=Arm([]))
    assert (answer.verdict, answer.reason) == ("no_data", "the control sent no request")


def test_few_requests_decide_nothing(verdict):
    answer = verdict("error_rate", margin=0.02, head=arm(3, 7), base=[arm(0, 20)] * 5)
    assert (answer.verdict, answer.n) == ("inconclusive", 7)
    answer = verdict("error_rate", margin=0.02, head=arm(30, 70), base=arm(0, 7))
    assert answer.verdict == "inconclusive"


def test_all_requests_failing(verdict):
    failing = Arm([], errors=20)
    assert verdict("error_rate", limit=0.5, head=failing).verdict == "fail"
    assert verdict("error_rate", limit=0.5, head=failing, base=arm(0, 20)).verdict == "fail"
    assert verdict("error_rate", limit=0.5, head=failing, base=failing).verdict == "no_data"
    assert verdict("error_rate", margin=0.5, head=failing, base=[arm(0, 20)]).verdict == "fail"
    assert verdict("error_rate", margin=0.5, head=failing, base=failing).verdict == "no_data"
    assert verdict("error_rate", margin=0.5, head=failing).verdict == "no_data"
    assert verdict("error_rate", limit=0.5, head=Arm([], errors=3)).verdict == "inconclusive"
    control_down = verdict("error_rate", margin=0.1, head=arm(0, 40), base=Arm([], errors=40))
    assert control_down.verdict == "improved"


def test_at_its_margin_a_rate_fails_and_passes_in_at_most_one_of_twenty():
    """2 % errors in the base, 2 points of margin, 4 % in the head; pooled history of 10 x 40."""
    rng, policies = np.random.default_rng(4), 300
    names = []
    for _ in range(policies):
        head = arm(int(rng.binomial(120, 0.04)), 120)
        base = [arm(int(b), 40) for b in rng.binomial(40, 0.02, 10)]
        check = Check("x", "error_rate", margin=0.02, head=head, base=base)
        names.append(decide([check])[0].verdict)
    most = reference.binom.ppf(0.999, policies, 0.05)
    assert names.count("fail") <= most
    assert names.count("pass") + names.count("improved") <= most

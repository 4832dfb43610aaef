"""Error rates and requests over the looks, on simulated services; fixed seeds.

The short version of the campaign in ``bench/verdicts``, whose claims must not be contradicted.
"""

import math

import pytest
from scipy import stats as reference

from bench.verdicts import mutants
from bench.verdicts.experiments import at_its_margin, sequential
from bench.verdicts.model import Service, slower
from bench.verdicts.policies import CENTRES, FAMILY, GATES, duet_checks, flat, growing
from bench.verdicts.procedures import PLANNED, at_once, over_looks


def most_expected(trials, rate):
    """The count that trials with this rate exceed by chance once in a thousand."""
    return reference.binom.ppf(0.999, trials, rate)


def most_of_mean(total, target):
    """What a mean of these numbers exceeds by chance once in a thousand, were it the target."""
    spread = total.squares / total.of - total.mean**2
    return target + 3.1 * math.sqrt(spread / total.of)


def test_an_unchanged_build_does_not_fail(tallied):
    found = tallied(sequential, 8, margins=flat(0.0))["build fails"]
    assert found.sum <= most_expected(found.of, 0.01)


@pytest.mark.parametrize(("factor", "requests"), [(1.5, 50), (1.2, 230)])
def test_a_slowdown_is_found_with_few_requests(tallied, factor, requests):
    found = tallied(sequential, 50, margins=flat(0.1), change=slower(factor))
    assert found["build fails"].mean >= 0.98
    counted = found["requests to the first fail"]
    assert counted.mean <= most_of_mean(counted, requests)


def test_an_unchanged_build_passes_with_few_requests_at_a_wide_margin(tallied):
    found = tallied(sequential, 15, margins=flat(0.2))
    assert found["build fails"].sum == 0
    assert found["all pass"].mean >= 0.97
    assert found["requests"].mean <= most_of_mean(found["requests"], 205)


@pytest.mark.parametrize("way", ["duet", "looks", "history"])
def test_at_its_margin_a_check_fails_and_passes_in_at_most_one_of_twenty(tallied, way):
    policies = 20 if way == "looks" else 80
    found = tallied(at_its_margin, policies, way=way)
    assert len(found) == 2 * len(GATES)
    for name, total in found.items():
        assert total.sum <= most_expected(policies, 0.05), name
    # It is a test, not a shrug.
    assert sum(total.sum for total in found.values()) > 0


def test_a_look_tests_only_what_is_open_with_its_share_of_the_budget():
    """Each verdict of the course is that of `decide` at its look, with the share of that look."""
    duet = Service(3).duet(400).changed(slower(1.2))
    course = over_looks(growing(0, duet, flat(0.1), CENTRES))
    shares = dict(PLANNED)
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares) == [16, 24, 36, 54, 80, 120, 180, 270, 400]
    assert len(course.decided) == len(CENTRES)
    for name, (verdict, pairs) in course.decided.items():
        (check,) = (c for c in duet_checks(0, duet.first(pairs), flat(0.1)) if c.id == name)
        alone = at_once([check])[name]
        assert alone.verdict == verdict, "with the whole budget it is decided all the more"
        p = alone.p_within if verdict != "fail" else alone.p_margin
        assert p <= 0.05 * shares[pairs]
        if verdict == "fail":  # the last step of Holm's that this cell alone can reach
            assert alone.p_worse <= 0.01 / (FAMILY - len(CENTRES) + 1) * shares[pairs]


def test_spending_all_at_each_look_fails_unchanged_checks(tallied):
    found = tallied(mutants.spending, 50, most=80, confidence=0.95)
    trials = found["shares of N"].of
    assert trials == 250
    assert found["shares of N"].sum <= most_expected(trials, 0.05)
    assert found["no shares"].sum > most_expected(trials, 0.05)
    assert found["shares of N"].sum < found["N follows the money"].sum < found["no shares"].sum

"""One change over several targets."""

import math

import pytest
from scipy import stats as reference

from bench.verdicts.model import Service
from lens_gate.judge import Arm, Check, Verdict, decide
from lens_gate.judge.pooled import pooled


def verdict(estimate, low, high, n=50):
    return Verdict(
        id="x", verdict="pass", estimate=estimate, low=low, high=high, n=n, reason="", base_n=n
    )


def of_logs(worse, se, n=50, half=1.6448536269514722):
    ends = (math.expm1(worse + shift * half * se) for shift in (0, -1, 1))
    return verdict(*ends, n=n)


def test_the_formula():
    together = pooled([of_logs(0.1, 0.03), of_logs(0.2, 0.04), of_logs(-0.03, 0.12)], "typ")
    se = math.sqrt(0.03**2 + 0.04**2 + 0.12**2) / 3
    assert together.estimate == pytest.approx(math.expm1(0.09))
    assert together.low == pytest.approx(math.expm1(0.09 - 1.6449 * se), rel=1e-3)
    assert together.high == pytest.approx(math.expm1(0.09 + 1.6449 * se), rel=1e-3)
    assert together.p_worse == pytest.approx(reference.norm.sf(0.09 / se))
    assert (together.targets, together.pairs) == (3, 150)


def test_means_have_the_degrees_of_freedom_of_welch():
    half = reference.t.ppf(0.95, 9)
    together = pooled([of_logs(0.1, 0.05, 10, half), of_logs(0.2, 0.05, 10, half)], "mean")
    se = 0.05 / math.sqrt(2)
    assert together.p_worse == pytest.approx(reference.t.sf(0.15 / se, 18))
    assert together.high == pytest.approx(math.expm1(0.15 + reference.t.ppf(0.95, 18) * se))


def test_where_more_is_better_a_fall_is_worse():
    falls = [of_logs(-0.1, 0.03), of_logs(-0.1, 0.03)]
    assert pooled(falls, "typ", better="higher").p_worse < 0.001
    assert pooled(falls, "typ").p_worse > 0.999
    one, other = pooled(falls, "typ", better="higher"), pooled(falls, "typ")
    assert (one.estimate, one.low, one.high) == pytest.approx(
        (other.estimate, other.low, other.high)
    )


def test_targets_without_an_interval_are_left_out():
    known = [of_logs(0.1, 0.03), of_logs(0.2, 0.04)]
    loose = [verdict(None, None, None), verdict(0.1, None, 0.2), verdict(-1.0, -1.0, 0.1)]
    assert pooled([*known, *loose], "typ") == pooled(known, "typ")
    assert pooled(known[:1], "typ") is None
    assert pooled([], "typ") is None


def test_equal_constants_have_an_error_all_the_same():
    together = pooled([verdict(0.0, 0.0, 0.0)] * 2, "typ")
    assert together.low < 0.0 < together.high
    assert together.p_worse == pytest.approx(0.5)


def test_a_change_beyond_all_numbers_is_none():
    assert pooled([verdict(1e308, 1.0, 1e308)] * 2, "typ") is None


def test_five_targets_show_what_one_can_not():
    """Statistics, section 3.2: of 5 targets with 50 pairs each, +10 % E2E is shown with .89."""
    level, sessions = 0.01 / 30, 60
    shown = {"pooled": 0, "alone": 0, "unchanged": 0}
    for seed in range(sessions):
        service = Service([50, seed])
        duets = [service.duet(50) for _ in range(5)]

        def verdicts(factor, duets=duets):
            checks = [
                Check(
                    str(target),
                    "typ",
                    margin=0.0,
                    head=Arm(factor * duet.head.values("e2e")),
                    base=Arm(duet.control.values("e2e")),
                )
                for target, duet in enumerate(duets)
            ]
            return decide(checks)

        worse = verdicts(1.1)
        shown["pooled"] += pooled(worse, "typ").p_worse <= level
        shown["alone"] += worse[0].p_worse <= level
        shown["unchanged"] += pooled(verdicts(1.0), "typ").p_worse <= level
    assert shown["pooled"] >= reference.binom.ppf(0.001, sessions, 0.80)
    assert shown["alone"] <= reference.binom.ppf(0.999, sessions, 0.10)
    assert shown["unchanged"] <= reference.binom.ppf(0.999, sessions, 0.01)

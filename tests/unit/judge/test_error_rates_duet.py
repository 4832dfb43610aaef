"""Error rates and power of the duet, on simulated services; fixed seeds, binomial bounds.

The short version of the campaign in ``bench/verdicts``: the same services, policies and mutants.
"""

import numpy as np
import pytest
from scipy import stats as reference

from bench.verdicts import mutants
from bench.verdicts.experiments import unchanged_medians
from bench.verdicts.model import Service, slower
from bench.verdicts.policies import CENTRES, GATES, TARGETS, duet_checks, flat
from bench.verdicts.procedures import any_fails, at_once
from lens_gate.judge import decide
from lens_gate.records.check import Arm, Check


def most_expected(trials, rate):
    """The count that trials with this rate exceed by chance once in a thousand."""
    return reference.binom.ppf(0.999, trials, rate)


def least_expected(trials, rate):
    return reference.binom.ppf(0.001, trials, rate)


def judged(policies, *, n, profile="hosted", change=None, gates=GATES):
    """The verdicts of each policy, margin 0, by check."""
    for seed in range(policies):
        service = Service([n, seed], profile)
        drawn = [service.duet(n) for _ in range(TARGETS)]
        duets = [duet.changed(change) for duet in drawn] if change else drawn
        checks = [c for t, duet in enumerate(duets) for c in duet_checks(t, duet, flat(0.0), gates)]
        yield at_once(checks)


@pytest.mark.parametrize(
    ("profile", "n", "policies", "gates"),
    [
        ("hosted", 20, 150, CENTRES),
        ("hosted", 50, 40, GATES),
        ("stress", 50, 40, GATES),
    ],
)
def test_unchanged_builds_do_not_fail_and_p_values_are_what_they_say(profile, n, policies, gates):
    answers = list(judged(policies, n=n, profile=profile, gates=gates))
    assert sum(map(any_fails, answers)) <= most_expected(policies, 0.01)
    for kind in {kind for _, kind in gates}:
        found = [v for answer in answers for name, v in answer.items() if name.endswith(kind)]
        p_values = [v.p_worse for v in found]
        # E2E is made of TTFT and ITL: their p-values come in groups, hence the room.
        room = 1.0 if kind == "mean" else 1.3
        for level in (0.3, 0.1, 0.05, 0.02, 0.01, 0.003):
            below = sum(p <= level for p in p_values)
            assert below <= room * most_expected(len(p_values), level), (kind, level)


@pytest.mark.parametrize("n", [12, 50])
def test_medians_hold_their_rate_as_well(tallied, n):
    """The cap on the median's label-swap error must not cost the error rate."""
    found = tallied(unchanged_medians, 40, n=n)["build fails"]
    assert found.sum <= most_expected(found.of, 0.01)


@pytest.mark.parametrize(
    ("gate", "n", "factor", "policies", "power"),
    [
        (("e2e", "typ"), 30, 1.5, 40, 0.95),
        (("ttft", "typ"), 50, 1.5, 40, 0.90),
        (("e2e", "typ"), 100, 1.2, 40, 0.88),
        (("ttft", "typ"), 200, 1.2, 20, 0.85),
        (("e2e", "p95"), 200, 1.5, 12, 0.95),
    ],
)
def test_a_real_slowdown_is_found(gate, n, factor, policies, power):
    answers = judged(policies, n=n, change=slower(factor), gates=[gate])
    found = sum(v.verdict == "fail" for answer in answers for v in answer.values())
    assert found >= least_expected(policies * TARGETS, power)


def test_without_interleaving_an_unchanged_build_fails(tallied):
    assert tallied(mutants.interleaving, 15)["build fails"].mean >= 0.5


def test_without_key_1_an_unchanged_build_fails(tallied):
    assert tallied(mutants.key_1, 15)["build fails"].mean >= 0.25


def test_without_its_pairs_a_change_across_unlike_prompts_is_lost(tallied):
    found = tallied(mutants.pairing, 20)
    assert found["pairs found"].sum >= least_expected(100, 0.95)
    assert found["shuffled found"].mean <= 0.4


def two_modes(rng, n):
    """A service with a quick and a slow mode, such as one with a cache: two heaps by itself."""
    return rng.lognormal(0.0, 0.1, n) * np.where(rng.random(n) < 0.5, 3.0, 1.0)


@pytest.mark.parametrize("n", [20, 50])
def test_a_median_between_two_modes_raises_no_false_alarms(n):
    """One check of thirty; bounding the label-swap error alone fails ten times as many."""
    rng = np.random.default_rng([n, 2])
    policies, failed = 300, 0
    for seed in range(policies):
        check = Check(
            "p50", "p50", margin=0.0, head=Arm(two_modes(rng, n)), base=Arm(two_modes(rng, n))
        )
        failed += decide([check], family=30, seed=seed)[0].verdict == "fail"
    assert failed <= most_expected(policies, 0.01 / 30)


def test_the_larger_a_change_of_the_median_the_surer_it_is_found():
    rng = np.random.default_rng(3)
    for factor in (2.0, 30.0):
        head, base = factor * rng.lognormal(0, 0.3, 50), rng.lognormal(0, 0.3, 50)
        (found,) = decide(
            [Check("p50", "p50", margin=0.1, head=Arm(head), base=Arm(base))], family=30
        )
        assert found.verdict == "fail"
        assert found.p_worse < 1e-9

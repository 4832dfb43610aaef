"""Error rates and power of the duet, on simulated hosted APIs; fixed seeds, binomial bounds."""

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide


def policy(hosted, seed, *, n, **factors):
    model = hosted.HostedModel(seed)
    return [model.duet(n=n, **factors) for _ in range(hosted.TARGETS)]


def verdicts(hosted, drawn, *, margins=None, gates=None, shuffle=None):
    checks = []
    for target, (control, head) in enumerate(drawn):
        for metric, kind in gates or hosted.GATES:
            values = head[metric] if shuffle is None else shuffle.permutation(head[metric])
            checks.append(
                Check(
                    f"{target}/{metric}/{kind}",
                    kind,
                    margin=margins[metric, kind] if margins else 0.0,
                    head=Arm(values),
                    base=Arm(control[metric]),
                )
            )
    return {v.id: v for v in decide(checks, family=30)}


def most_expected(trials, rate):
    return reference.binom.ppf(0.999, trials, rate)


def least_expected(trials, rate):
    return reference.binom.ppf(0.001, trials, rate)


@pytest.mark.parametrize("n", [20, 50])
def test_unchanged_builds_fail_in_at_most_one_of_a_hundred_policies(hosted, n):
    policies = 150
    failed = sum(
        any(v.verdict == "fail" for v in verdicts(hosted, policy(hosted, [n, s], n=n)).values())
        for s in range(policies)
    )
    assert failed <= most_expected(policies, 0.01)


def test_medians_hold_their_rate_as_well(hosted):
    """The cap on the median's label-swap error must not cost the error rate."""
    gates, policies = [("ttft", "p50"), ("itl", "p50"), ("e2e", "p50")], 120
    failed = sum(
        any(
            v.verdict == "fail"
            for v in verdicts(hosted, policy(hosted, [12, s], n=12), gates=gates).values()
        )
        for s in range(policies)
    )
    assert failed <= most_expected(policies, 0.01)


@pytest.mark.parametrize(
    ("metric", "n", "factor", "power"), [("e2e", 30, 1.5, 0.95), ("ttft", 50, 1.5, 0.90)]
)
def test_a_real_slowdown_is_found(hosted, metric, n, factor, power):
    policies, found = 50, 0
    for seed in range(policies):
        drawn = policy(hosted, [n, 1, seed], n=n, ttft_factor=factor, itl_factor=factor)
        answers = verdicts(hosted, drawn, gates=[(metric, "typ")])
        found += sum(v.verdict == "fail" for v in answers.values())
    assert found >= least_expected(policies * hosted.TARGETS, power)


def test_at_its_margin_a_check_fails_and_passes_in_at_most_one_of_twenty(hosted):
    """ITL slower by exactly its margin of 15 %, alone in its family."""
    trials, names = 0, []
    for seed in range(120):
        for control, head in policy(hosted, [6, seed], n=50, itl_factor=1.15):
            check = Check("x", "typ", margin=0.15, head=Arm(head["itl"]), base=Arm(control["itl"]))
            names.append(decide([check], confidence=0.9)[0].verdict)
            trials += 1
    passed = names.count("pass") + names.count("improved")
    assert names.count("fail") <= most_expected(trials, 0.05)
    assert passed <= most_expected(trials, 0.05)
    assert names.count("fail") + passed >= trials * 0.03  # it is a test, not a shrug


def test_without_interleaving_an_unchanged_build_fails(hosted):
    """The same test on pairs made of yesterday's run and today's."""
    policies, ours, naive = 30, 0, 0
    for seed in range(policies):
        model = hosted.HostedModel([8, seed])
        drawn = [model.history(runs=1, n=50) for _ in range(hosted.TARGETS)]
        old = [(past[0], head) for past, head in drawn]
        naive += any(v.verdict == "fail" for v in verdicts(hosted, old).values())
        fresh = policy(hosted, [8, 1, seed], n=50)
        ours += any(v.verdict == "fail" for v in verdicts(hosted, fresh).values())
    assert ours <= most_expected(policies, 0.01)
    assert naive >= policies / 2


def test_without_key_1_an_unchanged_policy_fails(hosted):
    policies = 40
    failed = sum(
        any(v.p_margin <= 0.05 for v in verdicts(hosted, policy(hosted, [3, s], n=20)).values()
            if v.p_margin is not None)
        for s in range(policies)
    )  # fmt: skip
    assert failed >= policies / 4


def test_without_its_pairs_a_change_across_unlike_prompts_is_lost(hosted):
    """Prompts ten times as long as others: pairing removes that, shuffled pairs do not."""
    rng, found = np.random.default_rng(21), {"paired": 0, "shuffled": 0}
    for seed in range(15):
        drawn = []
        for control, head in policy(hosted, [2, seed], n=50, itl_factor=1.5, ttft_factor=1.5):
            size = np.exp(rng.standard_normal(50))
            drawn.append(
                ({m: v * size for m, v in control.items()}, {m: v * size for m, v in head.items()})
            )
        gates = [("e2e", "typ")]
        paired = verdicts(hosted, drawn, gates=gates)
        shuffled = verdicts(hosted, drawn, gates=gates, shuffle=rng)
        found["paired"] += sum(v.verdict == "fail" for v in paired.values())
        found["shuffled"] += sum(v.verdict == "fail" for v in shuffled.values())
    assert found["paired"] >= 70
    assert found["shuffled"] <= 35

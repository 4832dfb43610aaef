"""Error rates of the history mode, on simulated hosted APIs; fixed seeds, binomial bounds.

Thirty checks, runs a day apart, 20 requests each. Unchanged builds fail in at most 1 % of policies;
the methods that people use instead, on the very same runs, fail most of them.
"""

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide

N = 20


def policy(hosted, seed, *, runs, factor=1.0, gap_h=24.0):
    """Five targets of one policy: stored runs and the head's, by metric."""
    model = hosted.HostedModel(seed)
    return [
        model.history(runs=runs, n=N, gap_h=gap_h, ttft_factor=factor, itl_factor=factor)
        for _ in range(hosted.TARGETS)
    ]


def checks_of(hosted, drawn, margins):
    result = []
    for target, (past, head) in enumerate(drawn):
        for metric, kind in hosted.GATES:
            base = [Arm(run[metric]) for run in past]
            result.append(
                Check(
                    f"{target}/{metric}/{kind}",
                    kind,
                    margin=margins[metric, kind] if margins else 0.0,
                    head=Arm(head[metric]),
                    base=base,
                    run_sd=hosted.RUN_SD[metric],
                )
            )
    return result


def names(hosted, drawn, margins=None):
    return [v.verdict for v in decide(checks_of(hosted, drawn, margins))]


def most_expected(trials, rate):
    """The count that ``trials`` with ``rate`` reach by chance once in a thousand."""
    return reference.binom.ppf(0.999, trials, rate)


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("margins", [None, "defaults"])
def test_unchanged_builds_fail_in_at_most_one_of_a_hundred_policies(hosted, runs, margins):
    policies = 200 if margins is None else 60
    chosen = hosted.HISTORY_MARGINS if margins else None
    failed = sum(
        "fail" in names(hosted, policy(hosted, [runs, seed], runs=runs), chosen)
        for seed in range(policies)
    )
    assert failed <= most_expected(policies, 0.01)


def test_three_hours_after_the_last_run_it_is_no_different(hosted):
    failed = sum(
        "fail" in names(hosted, policy(hosted, [4, seed], runs=5, gap_h=4.0)) for seed in range(150)
    )
    assert failed <= most_expected(150, 0.01)


def fixed_threshold(drawn):
    """What most gates do: the head's medians against the last run's, +10 % fails."""
    return any(
        np.median(head[metric]) > 1.1 * np.median(past[-1][metric])
        for past, head in drawn
        for metric in ("ttft", "itl", "e2e")
    )


def requests_as_replicates(drawn):
    """Mann-Whitney on all requests, head against every stored run pooled, p < .05."""
    return any(
        reference.mannwhitneyu(
            head[metric], np.concatenate([run[metric] for run in past]), alternative="greater"
        ).pvalue
        < 0.05
        for past, head in drawn
        for metric in ("ttft", "itl", "e2e")
    )


def without_key_1(hosted, drawn):
    """The right test, but each check for itself at the level of key 2."""
    return any(v.p_margin <= 0.05 for v in decide(checks_of(hosted, drawn, None)) if v.p_margin)


def test_the_usual_rules_fail_unchanged_builds_on_the_same_runs(hosted):
    policies = 100
    counts = {"ours": 0, "+10 %": 0, "Mann-Whitney": 0, "no key 1": 0}
    for seed in range(policies):
        drawn = policy(hosted, [77, seed], runs=10)
        counts["ours"] += "fail" in names(hosted, drawn)
        counts["+10 %"] += fixed_threshold(drawn)
        counts["Mann-Whitney"] += requests_as_replicates(drawn)
        counts["no key 1"] += without_key_1(hosted, drawn)
    assert counts["ours"] <= most_expected(policies, 0.01)
    assert counts["+10 %"] >= policies / 2
    assert counts["Mann-Whitney"] >= policies / 2
    assert counts["no key 1"] >= policies / 4


def test_a_service_three_times_as_slow_is_found(hosted):
    policies = 20
    found = sum(
        "fail" in names(hosted, policy(hosted, [9, s], runs=10, factor=3.0), hosted.HISTORY_MARGINS)
        for s in range(policies)
    )
    assert found >= 0.95 * policies


def test_at_its_margin_a_check_fails_and_passes_in_at_most_one_of_twenty(hosted):
    """The service has become slower by exactly what the rule tolerates."""
    trials = 150
    failed = passed = 0
    for seed in range(trials):
        model = hosted.HostedModel([5, seed])
        past, head = model.history(runs=10, n=N, itl_factor=1.75)
        check = Check(
            "x",
            "typ",
            margin=0.75,
            head=Arm(head["itl"]),
            base=[Arm(run["itl"]) for run in past],
            run_sd=hosted.RUN_SD["itl"],
        )
        # Alone in its family, so that key 1 does not hide what key 2 does.
        verdict = decide([check], confidence=0.9)[0].verdict
        failed += verdict == "fail"
        passed += verdict in ("pass", "improved")
    assert failed <= most_expected(trials, 0.05)
    assert passed <= most_expected(trials, 0.05)

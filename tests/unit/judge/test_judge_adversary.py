"""Data that were made to be misjudged: values that outweigh all others, services of two modes."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, decide
from lens_gate.records.check import Check
from lens_gate.stats.means import paired_log_ratio


def stalling(rng, n, *, share, times):
    """One arm of latencies of which a few took very much longer."""
    values = 0.5 * np.exp(rng.normal(0.0, 0.35, n))
    return np.where(rng.random(n) < share, times, 1.0) * values


@pytest.mark.parametrize(("share", "times"), [(0.02, 60.0), (0.005, 300.0)])
def test_a_few_stalls_make_no_mean_worse(share, times):
    """A stall falls on either arm: it proves nothing, however far it moves the mean.

    By the delta method, beside it, it does: the logarithm of the ratio is many of its own standard
    errors away from anything.
    """
    rng, n, trials = np.random.default_rng(11), 50, 1000
    ours = by_delta = at_margin = 0
    for _ in range(trials):
        head, base = (stalling(rng, n, share=share, times=times) for _ in range(2))
        (same,) = decide([Check("x", "mean", margin=0.0, head=Arm(head), base=Arm(base))])
        ours += same.verdict == "fail"
        estimate, se, df = paired_log_ratio(head, base)
        by_delta += reference.t.sf(estimate / se, df) <= 0.01
        moved = Check("x", "mean", margin=0.2, head=Arm(1.2 * head), base=Arm(base))
        at_margin += decide([moved])[0].verdict in ("pass", "improved")
    assert ours <= 0.01 * trials
    assert by_delta >= 0.04 * trials
    assert at_margin <= 0.05 * trials


def test_a_single_endless_answer_is_no_proof_and_is_told_as_none():
    rng = np.random.default_rng(3)
    head, base = (0.5 * np.exp(rng.normal(0.0, 0.1, 40)) for _ in range(2))
    head[7] = 3000.0
    (found,) = decide([Check("x", "mean", margin=0.2, head=Arm(head), base=Arm(base))])
    assert found.verdict == "inconclusive"
    assert found.p_worse == pytest.approx(reference.ttest_rel(head, base).pvalue / 2)
    assert found.low is None or found.low < 0.0


def test_means_still_find_what_costs_a_fifth_more():
    """Costs scatter by 13 % and have no stalls: thirty pairs are enough for one of thirty rules."""
    rng, found = np.random.default_rng(4), 0
    for _ in range(300):
        head, base = (np.exp(rng.normal(0.0, 0.13, 31)) for _ in range(2))
        check = Check("x", "mean", margin=0.05, head=Arm(1.2 * head), base=Arm(base))
        found += decide([check], family=30)[0].verdict == "fail"
    assert found >= 0.85 * 300


def test_the_second_way_to_prove_a_median_counts_double():
    """Far apart, label swaps see two heaps and the signed rank decides: at twice its p-value.

    At its own, a service of two modes would fail as often by the one as by the other, and unchanged
    builds 1.6 % of the time over thirty rules.
    """
    rng, n = np.random.default_rng(6), 12
    base = np.exp(rng.normal(0.0, 0.1, n))
    head = 20.0 * np.exp(rng.normal(0.0, 0.1, n))
    (found,) = decide([Check("x", "p50", margin=0.2, head=Arm(head), base=Arm(base))])
    assert found.p_worse == pytest.approx(2.0 * 2.0**-n)
    assert found.verdict == "fail"
    assert math.isclose(found.estimate, 19.0, rel_tol=0.2)

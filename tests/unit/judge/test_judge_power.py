"""What a check can see: against the tables of the procedure, and against its verdicts."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide
from lens_gate.judge.power import (
    DuetTrial,
    HistoryTrial,
    Odds,
    deciding_margin,
    fewest_blocks,
    pairs_needed,
    shown_change,
    whole,
)
from lens_gate.stats.looks import looks

TTFT, ITL, E2E, COST, E2E_P95, TTFT_P95 = 0.32, 0.12, 0.124, 0.0338, 1.27, 4.2
FAMILY = 30


def duet(kind, variance, planned, **given):
    return DuetTrial(kind=kind, variance=variance, looks=planned, **{"family": FAMILY, **given})


def history(kind, variance, run_sd, **given):
    whole = {"n": 20, "runs": 10, "family": FAMILY, **given}
    return HistoryTrial(kind=kind, variance=variance, run_sd=run_sd, **whole)


@pytest.mark.parametrize(
    ("n", "margin", "ttft", "e2e"),
    [
        (20, 0.0, (0.01, 0.01, 0.23), (0.0, 0.09, 0.80)),
        (30, 0.0, (0.01, 0.02, 0.53), (0.02, 0.24, 0.98)),
        (50, 0.0, (0.01, 0.13, 0.92), (0.04, 0.61, 1.0)),
        (100, 0.0, (0.02, 0.37, 1.0), (0.20, 0.90, 1.0)),
        (200, 0.0, (0.14, 0.87, 1.0), (0.66, 1.0, 1.0)),
        (30, 0.1, (0.01, 0.02, 0.53), (0.02, 0.24, 0.98)),
        (100, 0.1, (0.02, 0.36, 1.0), (0.06, 0.72, 1.0)),
        (200, 0.1, (0.07, 0.68, 1.0), (0.06, 0.97, 1.0)),
    ],
)
def test_typ_at_a_fixed_size_as_tabled(n, margin, ttft, e2e):
    """Statistics, table 4.1, whose figures come from 100 to 150 policies each."""
    for variance, expected in ((TTFT, ttft), (E2E, e2e)):
        trial = duet("typ", variance, whole(n))
        found = [trial.odds(margin, change).fails for change in (0.1, 0.2, 0.5)]
        assert found == pytest.approx(expected, abs=0.11)


@pytest.mark.parametrize(
    ("n", "ttft", "e2e"), [(30, 0.22, 0.41), (100, 0.53, 0.84), (200, 0.76, 0.98)]
)
def test_unchanged_builds_pass_as_tabled(n, ttft, e2e):
    """Statistics, table 4.1, last column: margin 10 %."""
    for variance, expected in ((TTFT, ttft), (E2E, e2e)):
        assert duet("typ", variance, whole(n)).odds(0.1, 0.0).passes == pytest.approx(
            expected, abs=0.04
        )


@pytest.mark.parametrize(
    ("n", "e2e", "ttft"),
    [(30, 0.13, 0.01), (50, 0.22, 0.01), (100, 0.72, 0.10), (200, 0.97, 0.42), (400, 1.0, 0.73)],
)
def test_a_tail_as_tabled_and_never_promised_much_too_early(n, e2e, ttft):
    """Statistics, table 4.1: p95, +50 %."""
    for variance, tabled in ((E2E_P95, e2e), (TTFT_P95, ttft)):
        chance = duet("p95", variance, whole(n)).odds(0.0, 0.5).fails
        assert tabled - 0.16 < chance < tabled + 0.03


@pytest.mark.parametrize(
    ("kind", "variance", "margin", "most", "tabled", "below"),
    [
        ("typ", TTFT, 0.20, 120, 0.75, 0.02),
        ("typ", ITL, 0.15, 120, 0.92, 0.03),
        ("typ", E2E, 0.15, 120, 0.92, 0.03),
        ("mean", COST, 0.10, 120, 1.00, 0.02),
        ("typ", TTFT, 0.10, 120, 0.29, 0.03),
        ("typ", TTFT, 0.10, 400, 0.78, 0.03),
        ("p95", E2E_P95, 0.40, 120, 0.66, 0.10),
        ("p95", TTFT_P95, 0.75, 120, 0.42, 0.10),
        ("p95", TTFT_P95, 0.75, 180, 0.63, 0.10),
    ],
)
def test_sequential_power_at_twice_the_margin_as_tabled(
    kind, variance, margin, most, tabled, below
):
    """Statistics, section 3.7: N = 120, 180, 400, with the looks and their shares."""
    chance = duet(kind, variance, looks(most, 8)).odds(margin, 2 * margin).fails
    assert tabled - below <= chance <= tabled + 0.03


def test_forgetting_what_the_looks_cost_promises_too_much():
    """A single look at N has .91 where the sequence has .75: what a wrong planner would print."""
    assert duet("typ", TTFT, whole(120)).odds(0.2, 0.4).fails > 0.88
    assert duet("typ", TTFT, looks(120, 8)).odds(0.2, 0.4).fails < 0.78


@pytest.mark.parametrize(
    ("kind", "variance", "run_sd", "margin", "least"),
    [
        ("typ", TTFT, 0.17, 1.0, 0.59),
        ("typ", ITL, 0.14, 0.75, 0.6),
        ("typ", E2E, 0.14, 0.75, 0.6),
        ("mean", COST, 0.02, 0.10, 0.6),
        ("typ", 0.083, 0.045, 0.25, 0.6),
        ("typ", 0.006, 0.04, 0.15, 0.6),
        ("typ", 0.033, 0.04, 0.20, 0.6),
    ],
)
def test_the_default_drifts_are_seen_at_twice_their_size(kind, variance, run_sd, margin, least):
    """Statistics, section 3.7: K = 10, n = 20, 30 checks: .60 or more."""
    assert history(kind, variance, run_sd).odds(margin, 2 * margin).fails >= least


def test_history_sees_doublings_as_tabled():
    """Statistics, table 4.3: +10/20/50 % 0/0/.08, threefold .99."""
    trial = history("typ", E2E, 0.14, n=50)
    found = [trial.odds(0.0, change).fails for change in (0.1, 0.2, 0.5, 2.0)]
    assert found == pytest.approx([0.0, 0.0, 0.08, 0.99], abs=0.02)
    assert history("typ", E2E, 0.14, n=50, runs=1).odds(0.0, 1.0).fails < 0.1
    assert history("typ", E2E, 0.14, runs=0).odds(0.5, 9.0) == Odds(fails=0.0, passes=0.0)


def test_a_history_of_one_run_is_known_by_the_prior_alone():
    """Half of the difference's variance is the run's own: 1 + 1/K, and 4 degrees of freedom."""
    sd = math.sqrt(2 * (0.17**2 + TTFT / 2 / 20))
    steps = max(reference.t.isf(0.01 / FAMILY, 4), math.log(1.5) / sd + reference.t.isf(0.05, 4))
    odds = history("typ", TTFT, 0.17, runs=1).odds(0.5, 9.0)
    assert odds.fails == pytest.approx(reference.norm.sf(steps - math.log(10) / sd))
    passes = reference.norm.cdf(math.log(1.5) / sd - reference.t.isf(0.05, 4))
    assert history("typ", TTFT, 0.17, runs=1).odds(0.5, 0.0).passes == pytest.approx(passes)


def verdict_names(make, trials, **given):
    return [
        decide([make(np.random.default_rng([trials, k]))], family=FAMILY, **given)[0].verdict
        for k in range(trials)
    ]


def shares(names):
    good = sum(name in ("pass", "improved") for name in names)
    return names.count("fail") / len(names), good / len(names)


@pytest.mark.parametrize(
    ("kind", "n", "margin", "change"),
    [
        ("typ", 24, 0.1, 0.5),
        ("typ", 60, 0.2, 0.0),
        ("mean", 60, 0.05, 0.25),
        ("p90", 60, 0.2, 0.7),
        ("p50", 60, 0.2, 0.0),
    ],
)
def test_a_fixed_duet_decides_as_often_as_foretold(kind, n, margin, change):
    """Log-normal values, spread .3 on each side; each kind's pair variance from many pairs."""
    trials, sd = 250, 0.3
    many = np.random.default_rng(5).normal(0.0, sd, (2, 4000, n))
    spreads = {
        "typ": 2 * sd * sd * math.pi / 3,
        "mean": n * np.var(np.subtract(*np.log(np.exp(many).mean(axis=2)))),
        "p90": n * np.var(np.subtract(*np.quantile(many, 0.9, axis=2))),
        "p50": n * np.var(np.subtract(*np.median(many, axis=2))),
    }

    def make(rng):
        logs = rng.normal(0.0, sd, (2, n))
        head = np.exp(logs[0]) * (1 + change)
        return Check("x", kind, margin=margin, head=Arm(head), base=Arm(np.exp(logs[1])))

    odds = duet(kind, float(spreads[kind]), whole(n)).odds(margin, change)
    fails, passes = shares(verdict_names(make, trials))
    slack = 0.20 if kind == "p90" else 0.09
    assert fails == pytest.approx(odds.fails, abs=slack)
    assert passes == pytest.approx(odds.passes, abs=slack)
    assert max(fails, passes) > 0.3


def test_a_sequence_of_looks_decides_as_often_as_foretold():
    """TTFT's spread, margin 20 %, worse by 40 %: decided at the first look that decides."""
    planned, trials, names = looks(120, 8), 250, []
    sd = math.sqrt(TTFT * 3 / math.pi / 2)
    for k in range(trials):
        logs = np.random.default_rng([9, k]).normal(0.0, sd, (2, 120))
        head, base = np.exp(logs[0]) * 1.4, np.exp(logs[1])
        for n, share in planned:
            arms = {"head": Arm(head[:n]), "base": Arm(base[:n])}
            check = Check("x", "typ", margin=0.2, fraction=share, **arms)
            name = decide([check], family=FAMILY)[0].verdict
            if name != "inconclusive":
                break
        names.append(name)
    odds = duet("typ", TTFT, planned).odds(0.2, 0.4)
    assert shares(names) == pytest.approx((odds.fails, odds.passes), abs=0.08)


def test_a_history_decides_as_often_as_foretold():
    trials, n, sd = 250, 20, 0.3

    def make(rng):
        def run(factor):
            return Arm(factor * np.exp(rng.normal(0.0, 0.14) + rng.normal(0.0, sd, n)))

        past = [run(1.0) for _ in range(10)]
        return Check("x", "typ", margin=0.75, head=run(2.5), base=past, run_sd=0.14)

    odds = history("typ", 2 * sd * sd * math.pi / 3, 0.14).odds(0.75, 1.5)
    assert shares(verdict_names(make, trials)) == pytest.approx((odds.fails, odds.passes), abs=0.08)


def test_below_the_minimum_of_its_kind_a_look_decides_nothing():
    nothing = Odds(fails=0.0, passes=0.0)
    assert duet("p95", 0.01, whole(29)).odds(0.1, 9.0) == nothing
    assert duet("p95", 0.01, whole(30)).odds(0.1, 9.0).fails > 0.99
    assert duet("typ", 0.01, whole(7)).odds(0.1, 9.0) == nothing
    assert duet("typ", 0.01, ()).odds(0.1, 9.0) == nothing
    assert history("p99", 0.01, 0.1, n=149).odds(0.1, 99.0) == nothing
    # Eight pairs of blocks can fail a policy of a few checks, never one of thirty: 2^-8.
    assert duet("typ", 0.001, whole(8), family=30).odds(0.1, 9.0).fails == 0.0
    assert duet("typ", 0.001, whole(8), family=2).odds(0.1, 9.0).fails > 0.99


@pytest.mark.parametrize("kind", ["typ", "mean", "p95"])
def test_more_pairs_larger_changes_and_smaller_families_are_seen_better(kind):
    base = {"kind": kind, "variance": 0.3, "planned": looks(120, 8)}
    middle = duet(**base).odds(0.2, 0.4)
    assert duet(**{**base, "planned": looks(270, 8)}).odds(0.2, 0.4).fails > middle.fails
    assert duet(**base, family=3).odds(0.2, 0.4).fails >= middle.fails
    assert duet(**base, alpha=0.1).odds(0.2, 0.4).fails >= middle.fails
    assert duet(**base).odds(0.2, 0.5).fails > middle.fails
    assert duet(**base).odds(0.3, 0.0).passes > duet(**base).odds(0.2, 0.0).passes
    at_margin = duet(**base).odds(0.2, 0.2)
    assert at_margin.fails < 0.05
    assert at_margin.passes < 0.05
    assert middle.fails + middle.passes <= 1.0


def test_a_margin_of_zero_is_passed_by_an_improvement_only():
    for kind in ("typ", "mean", "p50"):
        trial = duet(kind, ITL, whole(100))
        assert trial.odds(0.0, 0.0).passes < 0.001
        assert trial.odds(0.0, -0.4).passes > 0.99
    assert history("typ", ITL, 0.04).odds(0.0, 0.0).passes < 0.001
    assert history("typ", ITL, 0.04).odds(0.0, -0.7).passes > 0.99


def test_constants_are_seen_at_once():
    assert duet("mean", 0.0, whole(8)).odds(0.1, 0.2).fails == pytest.approx(1.0)
    assert duet("typ", 0.0, whole(16)).odds(0.1, 0.2).fails == pytest.approx(1.0)
    assert history("mean", 0.0, 0.0).odds(0.1, 0.2).fails > 0.99


def test_the_smallest_margin_that_decides_does_and_a_smaller_one_does_not():
    for trial in (duet("typ", TTFT, looks(120, 8)), history("typ", TTFT, 0.17)):
        margin = deciding_margin(trial)
        for size, decides in ((margin, True), (margin * 0.98, False)):
            odds = trial.odds(size, 0.0).passes, trial.odds(size, 2 * size).fails
            assert (min(odds) >= 0.5) is decides
    assert 0.10 < deciding_margin(duet("typ", TTFT, looks(120, 8))) < 0.20
    assert deciding_margin(duet("p99", 30.0, looks(120, 8))) is None


def test_a_margin_that_unchanged_builds_do_not_pass_decides_nothing():
    class Strict:
        largest = 10.0

        def odds(self, margin, change):
            return Odds(fails=float(change > 0.1), passes=float(margin > 0.4 and change < margin))

    assert deciding_margin(Strict()) == pytest.approx(0.4, rel=0.01)


def test_the_smallest_change_that_is_shown_is_and_a_smaller_one_is_not():
    trial = duet("typ", E2E, looks(120, 8))
    change = shown_change(trial, 0.1)
    assert change > 0.1
    assert trial.odds(0.1, change).fails >= 0.9
    assert trial.odds(0.1, change * 0.98).fails < 0.9
    assert shown_change(duet("typ", 9.0, whole(8)), 0.1) is None


@pytest.mark.parametrize(
    ("kind", "variance", "tabled", "slack"),
    [
        ("typ", E2E, (319, 88), 0.06),
        ("typ", ITL, (310, 85), 0.06),
        ("typ", TTFT, (786, 215), 0.06),
        ("p95", E2E_P95, (3069, 839, 170), 0.01),
        ("p95", TTFT_P95, (10147, 2773, 561), 0.01),
    ],
)
def test_the_pairs_for_ninety_per_cent_as_tabled(kind, variance, tabled, slack):
    """Statistics, section 4.3: one look, Holm's first step of 30. Of few pairs signs say little."""
    for expected, change in zip(tabled, (0.1, 0.2, 0.5), strict=False):
        needed = pairs_needed(lambda n: duet(kind, variance, whole(n)), 0.0, change)
        assert needed == pytest.approx(expected, rel=slack)


def test_the_pairs_needed_are_the_fewest():
    def at_size(n):
        return duet("typ", E2E, looks(n, 8))

    needed = pairs_needed(at_size, 0.1, 0.3)
    assert at_size(needed).odds(0.1, 0.3).fails >= 0.9
    assert at_size(needed - 1).odds(0.1, 0.3).fails < 0.9
    assert pairs_needed(at_size, 0.1, 0.3, found=0.5) < needed
    assert pairs_needed(at_size, 0.1, 0.1) is None
    assert pairs_needed(at_size, 0.1, 30.0) == 16
    assert pairs_needed(at_size, 0.1, 30.0, least=40) == 40


@pytest.mark.parametrize("family", [1, 30, 100])
def test_the_fewest_blocks_are_those_that_one_check_of_the_family_could_fail_with(family):
    n = fewest_blocks(family)
    # All pairs of blocks worse: the signed rank's smallest p-value is one sign pattern in 2^n.
    least = reference.wilcoxon(
        np.arange(1.0, n + 1.0), alternative="greater", method="exact"
    ).pvalue
    assert least <= 0.01 / family
    assert n == 8 or 2 * least > 0.01 / family

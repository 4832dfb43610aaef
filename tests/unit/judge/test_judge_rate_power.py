"""What a check of an error rate can see, against its own verdicts."""

import numpy as np
import pytest

from lens_gate.judge import Arm, Check, decide
from lens_gate.judge.power import Odds, deciding_margin, shown_change, whole
from lens_gate.judge.rate_power import RateTrial
from lens_gate.stats.looks import looks


def arm(bad, n):
    return Arm([1.0] * (n - bad), errors=bad)


def trial(rate, planned, **given):
    return RateTrial(rate=rate, looks=planned, **{"family": 30, **given})


@pytest.mark.parametrize(
    ("rate", "margin", "change", "n", "runs"),
    [
        (0.02, 0.02, 0.20, 100, 0),
        (0.05, 0.05, 0.0, 100, 0),
        (0.0, 0.0, 0.15, 100, 0),
        (0.02, 0.02, 0.15, 60, 10),
        (0.3, 0.0, -0.25, 120, 0),
    ],
)
def test_rates_are_decided_as_often_as_foretold(rate, margin, change, n, runs):
    """At one look every pair of counts is put to the very tests: only chance sets them apart."""
    rng, trials = np.random.default_rng(n), 250
    names = []
    for _ in range(trials):
        head = arm(int(rng.binomial(n, rate + change)), n)
        base = [arm(int(b), n) for b in rng.binomial(n, rate, max(1, runs))]
        if runs:  # all in one, so that their counts vary as chance has it
            base = [arm(sum(run.errors for run in base), runs * n)]
        check = Check("x", "error_rate", margin=margin, head=head, base=base if runs else base[0])
        names.append(decide([check], family=30)[0].verdict)
    odds = trial(rate, whole(n), base_n=runs * n or None).odds(margin, change)
    fails = names.count("fail") / trials
    passes = sum(name in ("pass", "improved") for name in names) / trials
    assert fails == pytest.approx(odds.fails, abs=0.07)
    assert passes == pytest.approx(odds.passes, abs=0.07)
    assert max(fails, passes) > 0.15


def test_looks_cost_and_give():
    one = trial(0.02, whole(120)).odds(0.02, 0.12).fails
    several = trial(0.02, looks(120, 8)).odds(0.02, 0.12).fails
    assert several < one - 0.05
    last = trial(0.02, looks(120, 8)[-1:]).odds(0.02, 0.12).fails
    assert last <= several


def test_few_requests_decide_nothing():
    assert trial(0.0, whole(7)).odds(0.1, 1.0) == Odds(fails=0.0, passes=0.0)
    assert trial(0.0, whole(20)).odds(0.1, 1.0).fails == pytest.approx(1.0)


def test_an_unchanged_rate_fails_in_less_than_its_share():
    for rate in (0.0, 0.05, 0.5):
        assert trial(rate, looks(120, 8)).odds(0.0, 0.0).fails < 0.01 / 30
        assert trial(rate, whole(120)).odds(0.05, 0.05).fails < 0.05
        assert trial(rate, whole(120)).odds(0.05, 0.05).passes < 0.05


def test_a_margin_is_held_where_the_family_alone_would_fail_it():
    """One lenient family: key 2 is what keeps a rate at its margin from failing."""
    lenient = trial(0.05, whole(200), family=1, alpha=0.5)
    assert lenient.odds(0.05, 0.05).fails < 0.05
    assert lenient.odds(0.0, 0.05).fails > 0.5


def test_a_margin_of_zero_is_passed_by_fewer_errors_only():
    given = trial(0.3, whole(200))
    assert given.odds(0.0, 0.0).passes < 0.01 / 30
    assert given.odds(0.0, -0.1).passes < 0.5 < given.odds(0.01, -0.1).passes


def test_margins_and_changes_are_found_in_shares():
    for rate in (0.0, 0.02):
        given = trial(rate, looks(400, 8))
        margin = deciding_margin(given)
        assert 0.01 < margin < 0.1
        assert given.odds(margin, 2 * margin).fails >= 0.5
        assert given.odds(margin, 0.0).passes >= 0.5
        change = shown_change(given, 0.02)
        assert given.odds(0.02, change).fails >= 0.9
        assert 0.02 < change < 0.2
    assert shown_change(trial(0.9, whole(20)), 0.02) is None

"""The rivals do what their names say, so that their error rates are theirs."""

import numpy as np
import pytest
from scipy import stats as reference

from bench.verdicts import methods
from bench.verdicts.model import Service, slower
from bench.verdicts.policies import GATES
from bench.verdicts.rivals import RIVALS, kayenta, mann_whitney, t_over_history, threshold
from bench.verdicts.tally import Tally


@pytest.fixture
def runs():
    past, head = Service(1).history(runs=10, n=100)
    return past, head


@pytest.mark.parametrize("name", RIVALS)
def test_all_see_a_service_six_times_as_slow_and_none_a_run_like_the_last(runs, name):
    past, head = runs
    rival, _ = RIVALS[name]
    slowed = rival(past, head.changed(slower(6.0)))
    assert set(slowed) <= set(GATES)
    assert all(fails for (metric, _), fails in slowed.items() if metric != "cost")
    same = rival(past, past[-1])
    assert not any(same.values())


def test_a_threshold_is_one(runs):
    past, _ = runs
    last = past[-1]
    assert not any(threshold(1.1)(past, last.changed(slower(1.099))).values())
    fails = threshold(1.1)(past, last.changed(slower(1.101)))
    assert [gate for gate, failed in fails.items() if failed] == [
        gate for gate in GATES if gate[0] != "cost"
    ]


def test_kayenta_asks_for_a_shift_whose_interval_clears_a_quarter_of_it():
    """The interval is the one whose ends the 98 % Mann-Whitney test just keeps."""
    past, head = Service(2).history(runs=1, n=60)
    seen = set()
    for factor in np.linspace(0.9, 2.0, 23):
        slowed = head.changed(slower(float(factor)))
        fails = kayenta(past, slowed)["itl", "typ"]
        new, old = slowed.itl, past[0].itl
        shift = np.median(np.subtract.outer(new, old))
        moved = reference.mannwhitneyu(
            new - 0.25 * abs(shift), old, alternative="greater", method="asymptotic"
        )
        assert fails == (moved.pvalue < 0.01), factor
        seen.add(fails)
    assert seen == {True, False}


def test_t_is_that_of_a_prediction(runs):
    past, head = runs
    centres = [np.log(np.median(run.ttft)) for run in past]
    new = np.log(np.median(head.ttft))
    t = (new - np.mean(centres)) / (np.std(centres, ddof=1) * np.sqrt(1.1))
    assert t_over_history(past, head)["ttft", "typ"] == (reference.t.sf(t, 9) < 0.05)


def test_mann_whitney_takes_the_last_run_alone(runs):
    past, head = runs
    assert mann_whitney(past, head) == mann_whitney(past[-1:], head)


def test_all_methods_are_counted_on_the_same_runs():
    tally = Tally()
    methods.compare([1], tally, changes=("none", "+50 %"))
    names = {name.partition(";")[0] for name in tally.totals}
    assert names == {
        *RIVALS,
        methods.HISTORY,
        methods.INTERLEAVED,
        methods.FIXED,
        *methods.SEQUENTIAL,
    }
    for name in names:
        assert tally.totals[f"{name}; +50 %; shown"].of == 5
        assert tally.totals[f"{name}; none; any"].of == 1
    assert tally.totals[f"{methods.FIXED}; +50 %; shown"].mean == 1

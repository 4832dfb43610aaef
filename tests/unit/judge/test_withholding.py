"""What the client's own lateness could have made is no verdict."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lens_gate.errors import LensError
from lens_gate.judge import Arm, Check, decide
from lens_gate.judge.withhold import _moved
from lens_gate.judge.wording import next_step

rng = random.Random(7)
RUNS = [Arm(values=[rng.lognormvariate(-1.6, 0.1) for _ in range(60)]) for _ in range(8)]
HEAD = [rng.lognormvariate(-1.6, 0.1) for _ in range(60)]


def relative(values, *, low=None, high=None, **changes):
    fields = {"margin": 0.2, "base": RUNS, "run_sd": 0.04, "unit": "s"} | changes
    return Check("c", "typ", head=Arm(values=values, low=low, high=high), **fields)


def absolute(values, *, limit=0.3, low=None, high=None, **changes):
    head = Arm(values=values, low=low, high=high)
    return Check("c", "p50", limit=limit, head=head, unit="s", **changes)


def one(check, **options):
    return decide([check], **options)[0]


LATE = 0.2
SLOW = [value + LATE for value in HEAD]


def test_past_the_machines_capacity_a_fake_regression_is_withheld():
    """The client read everything 200 ms late. Who looks at the values alone fails the build."""
    ignoring = one(relative(SLOW))
    ours = one(relative(SLOW, low=HEAD))
    assert ignoring.verdict == "fail"
    assert (ours.verdict, ours.withheld) == ("inconclusive", True)
    assert "up to 200 ms" in ours.reason
    assert "run fewer streams on this machine" in ours.reason
    assert ignoring.reason in ours.reason


def test_a_regression_that_lateness_does_not_explain_fails_all_the_same():
    found = one(relative([3 * v for v in HEAD], low=[3 * v - 0.01 for v in HEAD]))
    assert (found.verdict, found.withheld) == ("fail", False)
    assert "withheld" not in found.reason


def test_bounds_that_are_the_values_change_nothing():
    for values in (HEAD, SLOW):
        assert one(relative(values, low=values, high=values)) == one(relative(values))


@pytest.mark.parametrize(
    ("values", "low", "high", "verdict", "withheld"),
    [
        ([0.5] * 30, [0.2] * 30, None, "inconclusive", True),
        ([0.5] * 30, [0.4] * 30, None, "fail", False),
        ([0.2] * 30, None, [0.5] * 30, "inconclusive", True),
        ([0.2] * 30, [0.1] * 30, [0.25] * 30, "pass", False),
    ],
)
def test_a_limit_that_only_one_end_keeps_is_undecided(values, low, high, verdict, withheld):
    found = one(absolute(values, low=low, high=high))
    assert (found.verdict, found.withheld) == (verdict, withheld)


def test_where_more_is_better_the_high_bound_favours_the_head():
    slow = absolute([10.0] * 30, limit=20.0, high=[40.0] * 30, better="higher")
    assert (one(slow).verdict, one(slow).withheld) == ("inconclusive", True)
    assert one(replace(slow, head=Arm(values=[10.0] * 30, low=[1.0] * 30))).verdict == "fail"
    fast = absolute([40.0] * 30, limit=20.0, low=[10.0] * 30, better="higher")
    assert (one(fast).verdict, one(fast).withheld) == ("inconclusive", True)


def test_a_pass_and_an_improvement_that_a_late_control_made_are_withheld():
    """The control arm was read late: held against it, the head looks good."""
    control = Arm(values=[v + LATE for v in HEAD], low=HEAD)
    for values, believed in (([1.3 * v for v in HEAD], "improved"), (SLOW, "pass")):
        duet = Check("c", "typ", margin=0.2, head=Arm(values=values), base=control, unit="s")
        assert one(replace(duet, base=Arm(values=control.values))).verdict == believed
        found = one(duet)
        assert (found.verdict, found.withheld) == ("inconclusive", True)


def test_an_improvement_that_is_only_sure_to_be_no_loss_is_a_pass():
    pairs = [(v, rng.uniform(0.97, 1.03)) for v in HEAD]
    control = Arm(values=[v * 1.3 for v in HEAD], low=[v * f for v, f in pairs])
    duet = Check("c", "typ", margin=0.2, head=Arm(values=HEAD), base=control, unit="s")
    assert one(replace(duet, base=Arm(values=control.values))).verdict == "improved"
    found = one(duet)
    assert (found.verdict, found.withheld) == ("pass", False)


def test_requests_that_could_count_either_way_decide_no_rate():
    rate = Check("c", "error_rate", limit=0.1, head=Arm(values=[1.0] * 60, errors=40))
    assert one(rate).verdict == "fail"
    found = one(replace(rate, head=replace(rate.head, errors_low=1)))
    assert (found.verdict, found.withheld) == ("inconclusive", True)
    assert "39 of 100 requests could count either way" in found.reason
    good = replace(rate, head=Arm(values=[1.0] * 100, errors=0, errors_high=50))
    assert one(good).withheld


def test_stored_runs_with_bounds_count_too():
    """Read late, a history would hide a real regression as a pass."""
    late = [Arm(values=[v + LATE for v in run.values], low=run.values) for run in RUNS]
    slow = [v * 1.9 for v in HEAD]
    assert one(relative(slow, base=late)).withheld
    assert one(relative(slow, base=[Arm(values=arm.values) for arm in late])).verdict != "fail"


def test_the_others_of_a_family_stand_as_they_are():
    late = replace(relative(SLOW, low=HEAD), id="late")
    real = replace(relative([3 * v for v in HEAD]), id="real")
    fine = replace(relative(HEAD), id="fine")
    assert [v.verdict for v in decide([late, real, fine])] == ["inconclusive", "fail", "pass"]


@pytest.mark.parametrize(
    "arm",
    [
        Arm(values=[1.0, 2.0], low=[1.0]),
        Arm(values=[1.0, 2.0], low=[1.0, 2.5]),
        Arm(values=[1.0, 2.0], high=[1.0, 1.0]),
        Arm(values=[1.0, 2.0], errors=1, errors_low=2),
        Arm(values=[1.0, 2.0], errors=1, errors_high=0),
        Arm(values=[1.0, 2.0], errors=1, errors_high=9),
        Arm(values=[1.0, 2.0], low="ab"),
        Arm(values=[1.0, 2.0], low=3.0),
        Arm(values=[1.0, 2.0], high=[None, 2.0]),
    ],
)
def test_bounds_that_contradict_the_arm_are_refused(arm):
    with pytest.raises(LensError) as caught:
        decide([Check("c", "p50", limit=1.0, head=arm)])
    assert caught.value.hint


@pytest.mark.parametrize("confidence", ["a", None, 0, 1, 2.0])
def test_a_confidence_that_is_no_probability_is_refused(confidence):
    with pytest.raises(LensError, match="confidence is"):
        decide([], confidence=confidence)


def test_no_values_and_no_base_have_no_bounds_to_move():
    empty = Check("c", "p50", limit=1.0, head=Arm(values=[], low=[]))
    assert _moved(empty, favour=True) == empty
    assert one(empty).verdict == "no_data"


def test_what_to_do_about_a_withheld_verdict_is_to_run_fewer_streams():
    def step(verdict):
        row = SimpleNamespace(
            gating=True,
            name=verdict.verdict,
            kind="absolute",
            verdict=verdict,
            scenario="s",
            target="t",
            waived="",
            mode="",
        )
        return next_step("inconclusive", [row], [])

    late = one(absolute([0.5] * 30, low=[0.2] * 30))
    assert "lens-gate calibrate" in step(late)
    assert "calibrate" not in step(replace(late, withheld=False))

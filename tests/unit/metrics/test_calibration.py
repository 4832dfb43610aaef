"""Our stamps against a server's own."""

import pytest

from lens_gate.metrics.calibration import Told, calibration, calibration_step
from lens_gate.records.calibration import CalibrationStep

MS = 1_000_000


def told(*, first=0, gap=0, late=0, lag=2 * MS, merged=0, n=51):
    """A server that sends every 20 ms; ours are ``first`` late, every other one ``gap`` more."""
    due = [1000 * MS + 20 * MS * k for k in range(n)]
    sent = [at + late for at in due]
    arrived = [at + first + (gap if k % 2 else 0) for k, at in enumerate(sent)]
    return Told(arrived=arrived, sent=sent, due=due, merged=merged, late=lag)


def test_the_errors_are_ours_and_the_servers_lateness_is_its_own():
    step = calibration_step(2, [told(first=MS // 10, gap=MS // 5, late=7 * MS, merged=3)] * 2)
    assert step.ttft.p50_s == step.ttft.p99_s == pytest.approx(0.0001)
    assert step.gap.p99_s == pytest.approx(0.0002)
    assert step.server_late_p99_s == pytest.approx(0.007)
    assert step.client_lag_p99_s == pytest.approx(0.002)
    assert step.merged_share == pytest.approx(3 / 51)
    assert (step.events, step.problem, step.trusted) == (102, "", True)
    assert step.events_per_s == pytest.approx(102 / 1.0, rel=0.01)


@pytest.mark.parametrize(
    ("how", "trusted"),
    [
        ({"first": MS}, True),
        ({"first": MS + 1000}, False),
        ({"first": -MS - 1000}, False),
        ({"gap": MS // 2}, True),
        ({"gap": MS // 2 + 1000}, False),
        ({"late": 900 * MS}, True),
    ],
)
def test_the_rule_of_trust(how, trusted):
    assert calibration_step(1, [told(**how)]).trusted is trusted


def test_a_step_without_lag_does_not_know_it():
    assert calibration_step(1, [told(lag=None)]).client_lag_p99_s is None


def test_streams_that_broke_make_a_step_that_says_nothing():
    cut = Told(arrived=[1, 2], sent=[1, 2, 3], due=[1, 2, 3], merged=0, late=0)
    one = Told(arrived=[1], sent=[1], due=[1], merged=0, late=0)
    step = calibration_step(4, [told(), cut, one])
    assert (step.trusted, step.ttft, step.problem) == (False, None, "3 of 4 streams broke")


def test_trust_ends_at_the_first_step_that_is_not_trusted():
    def step(streams, *, trusted):
        return CalibrationStep(streams=streams, trusted=trusted, events_per_s=50.0 * streams)

    steps = [step(1, trusted=True), step(10, trusted=True), step(50, trusted=False)]
    found = calibration([*steps, step(100, trusted=True)], clock="kernel")
    assert (found.trusted_streams, found.events_per_s, len(found.steps)) == (10, 500.0, 4)
    assert calibration([step(1, trusted=False)], clock="kernel").trusted_streams == 0

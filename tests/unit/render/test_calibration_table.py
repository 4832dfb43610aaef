"""What a calibration prints."""

from dataclasses import replace

import pytest

from lens_gate.records.calibration import Calibration, CalibrationStep, Spread
from lens_gate.render.calibration import calibration_head, calibration_line, calibration_words

STEP = CalibrationStep(
    streams=100,
    events=7500,
    events_per_s=4648.2,
    ttft=Spread(p50_s=0.00003, p99_s=0.0003),
    gap=Spread(p50_s=0.00001, p99_s=0.0001),
    merged_share=0.0123,
    client_lag_p99_s=0.004,
    server_late_p99_s=0.0002,
    trusted=True,
)
FOUND = Calibration(
    steps=(STEP,),
    trusted_streams=100,
    events_per_s=4648.2,
    clock="kernel",
    ttft_limit_s=0.001,
    gap_limit_s=0.0005,
)


def test_a_step_is_a_line_under_its_head():
    line = calibration_line(STEP)
    for text in ("100", "4648", "30 µs / 300 µs", "10 µs / 100 µs", "1.2", "4 ms", "trusted"):
        assert text in line
    assert "not trusted" not in line
    assert "late by" not in line
    assert len(calibration_head()) == line.index("trusted")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trusted": False}, "not trusted"),
        ({"server_late_p99_s": 0.009}, "the server itself was late by 9 ms, p99"),
        ({"client_lag_p99_s": None}, "?"),
        ({"ttft": None, "gap": None, "problem": "3 of 100 streams broke"}, "nothing: 3 of 100"),
    ],
)
def test_what_is_wrong_with_a_step_is_said(changes, words):
    assert words in calibration_line(replace(STEP, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "up to 100 streams at once, 4648 events a second; more were not tried."),
        ({"steps": (STEP, replace(STEP, streams=200, trusted=False))}, "events a second. The rule"),
        ({"trusted_streams": 1}, "up to 1 stream at once"),
        ({"trusted_streams": 0}, "Not even one stream"),
        ({"clock": "transport"}, "no kernel stamps"),
        ({}, "TTFT within 1 ms and gaps within 500 µs"),
    ],
)
def test_the_whole_is_said_with_its_rule(changes, words):
    assert words in calibration_words(replace(FOUND, **changes))

"""Loads, sweeps and cold starts in words: in the details, the terminal and the JSON."""

import json
from dataclasses import replace

import jsonschema
import pytest

from lens_gate.policy import report_schema_text
from lens_gate.records.load_report import ColdStart, LoadReport, Saturation, StepReport
from lens_gate.render.markdown import markdown
from lens_gate.render.offered import load_facts, step_lines
from lens_gate.render.report_json import read_report, report_json
from lens_gate.render.terminal import terminal

OPEN = LoadReport(
    open=True,
    window_s=12.5,
    requests=50,
    rps=3.96,
    throughput=118.2,
    goodput_rps=3.5,
    asked_rate=4.0,
    sent_rate=3.98,
    asked_concurrency=100,
    concurrency=2.25,
    most_in_flight=6,
)
CLOSED = replace(OPEN, open=False, throughput=None, goodput_rps=None, asked_rate=None)
COLD = ColdStart(
    cold=12,
    warm=9,
    penalty_s=0.0405,
    low_s=0.031,
    high_s=None,
    connect_s=0.0021,
    first_s=1.5,
    warm_s=0.21,
    loaded=1,
    load_s=1.29,
    loaded_by="server",
)
SATURATED = Saturation(step=1, best=0, reason="at 8/s only 5/s succeeded")


def step(index, level, *, by="rate", **given):
    whole = {
        "step": index,
        "by": by,
        "level": level,
        "requests": 30,
        "failed": 2,
        "sent_rate": level,
        "done_rate": 5.0,
        "throughput": None,
        "ttft_p50": 0.1,
        "ttft_p95": 0.25,
        "e2e_p50": 0.5,
        "e2e_p95": None,
    }
    return StepReport(**{**whole, **given})


STEPS = (step(0, 4.0), step(1, 8.0))


@pytest.fixture
def cell(build):
    return build.cell


def test_an_open_load_says_what_was_asked_and_what_came(cell) -> None:
    (fact,) = load_facts(cell(load=OPEN))
    assert fact == (
        "load: 3.96 successful requests/s, 118 output tokens/s, 3.5 requests/s within every "
        "objective, 3.98 of 4 requests/s sent; 2.25 in flight on average, 6 at most (cap 100); "
        "window 12.5 s"
    )


def test_a_closed_load_asks_for_no_rate(cell) -> None:
    (fact,) = load_facts(cell(load=CLOSED))
    assert fact == (
        "load: 3.96 successful requests/s; 2.25 in flight on average, 6 at most (asked 100); "
        "window 12.5 s"
    )
    assert list(load_facts(cell())) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (SATURATED, "sweep: saturated at 8/s; sustained: 4/s (at 8/s only 5/s succeeded)"),
        (
            Saturation(step=None, best=1, reason="every rate of the sweep was sustained"),
            "sweep: not saturated; sustained: 8/s (every rate of the sweep was sustained)",
        ),
        (
            Saturation(step=0, best=None, reason="no request succeeded"),
            "sweep: saturated at 4/s (no request succeeded)",
        ),
    ],
)
def test_a_sweep_says_where_its_target_is_full(cell, found, told) -> None:
    assert list(load_facts(cell(steps=STEPS, saturation=found))) == [told]


def test_the_steps_are_a_table(cell) -> None:
    assert step_lines(cell(steps=STEPS))[1] == [
        "8/s", "8", "5", "–", "100 ms", "250 ms", "500 ms", "–", "30", "2",
    ]  # fmt: skip
    assert step_lines(cell(steps=(step(0, 4.0, by="concurrency"),)))[0][0] == "4 at once"
    assert step_lines(cell()) == []


def test_a_cold_start_is_told_with_its_interval(cell) -> None:
    (fact,) = load_facts(cell(cold=COLD))
    assert fact == (
        "cold start: 40.5 ms [31 ms, –] more than when warm; 12 cold requests against 9 warm ones; "
        "the first took 1.5 s, warm ones 210 ms; connection set-up 2.1 ms; "
        "model loaded for 1 request, up to 1.29 s, as the server says"
    )
    spike = replace(COLD, penalty_s=None, connect_s=None, warm_s=None, loaded_by="spike")
    (fact,) = load_facts(cell(cold=spike))
    assert fact == (
        "cold start: 12 cold requests against 9 warm ones; "
        "model loaded for 1 request, up to 1.29 s, by the look of a spike"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, False),
        ({"low_s": 0.01}, True),
        ({"low_s": -0.01}, False),
        ({"connect_s": 0.001}, True),
        ({"loaded": 1, "load_s": 2.0, "loaded_by": "server"}, True),
    ],
)
def test_a_cold_start_that_shows_nothing_is_not_told(cell, given, said) -> None:
    plain = replace(COLD, low_s=None, connect_s=None, loaded=0, load_s=None, loaded_by="")
    assert bool(list(load_facts(cell(cold=replace(plain, **given))))) == said


def test_every_medium_has_it(build, cell) -> None:
    swept = cell(load=OPEN, steps=STEPS, saturation=SATURATED, cold=COLD)
    report = build.report(cells=[swept])
    summary = markdown(report)
    assert "| 8/s" in summary.replace("`", "")
    assert "saturated at 8/s" in summary
    lines = terminal(report, width=120, colour=False)
    assert "saturated at 8/s" in lines
    assert "TTFT p95" in lines
    assert "\x1b" not in lines
    written = report_json(report)
    assert read_report(written) == report
    validator = jsonschema.Draft202012Validator(json.loads(report_schema_text()))
    assert [error.json_path for error in validator.iter_errors(json.loads(written))] == []


def test_the_terminal_tells_of_loads_that_are_no_plain_closed_loop(build, cell) -> None:
    def told(**given):
        return "in flight on average" in terminal(
            build.report(cells=[cell(**given)]), width=120, colour=False
        )

    assert not told()
    assert not told(load=CLOSED)
    assert not told(load=CLOSED, cold=replace(COLD, cold=1))
    assert told(load=OPEN)
    assert told(load=CLOSED, cold=COLD)

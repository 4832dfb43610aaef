"""Rules on what no single request has: rates of a whole run, cold starts; and on schedules."""

import pytest

TEXT = """\
version: 1
name: rules
budget: {max_usd: 1, max_requests: 600, max_duration: 10m}
baseline: {compare: auto}
targets:
  mini: {provider: openai, model: gpt-4.1-mini}
scenarios:
  chat:
    targets: [mini]
    prompts: [Hello]
    connection: CONNECTION
    load: LOAD
    samples: {min: 20, max: 180, warmup: 9}
    objectives: {OBJECTIVES}
    gates:
      - RULE
"""
OPEN = "{pattern: constant, rate: 2}"


def policy(rule, *, connection="warm", load="{pattern: closed, concurrency: 2}", objectives=""):
    words = {"RULE": rule, "CONNECTION": connection, "LOAD": load, "OBJECTIVES": objectives}
    text = TEXT
    for word, value in words.items():
        text = text.replace(word, value)
    return text


@pytest.mark.parametrize(
    ("rule", "around"),
    [
        ("{metric: throughput, min: 40.5}", {}),
        ("{metric: rps, min: 2}", {}),
        ("{metric: goodput_rps, min: 2}", {"objectives": "ttft: 1s"}),
        ("{metric: cold_start_penalty, max: 500ms}", {"connection": "cold"}),
        ("{metric: cold_start_penalty, max_regression: 30%}", {"connection": "cold"}),
        ("{metric: throughput, max_regression: 10%}", {}),
        ("{metric: rps, max_regression: 0, min: 2}", {"load": OPEN}),
        ("{metric: goodput, max_regression: 10%}", {"objectives": "ttft: 1s"}),
        ("{metric: goodput_rps, max_regression: 10%}", {"objectives": "ttft: 1s"}),
        ("{metric: ttft_scheduled.p95, max: 2s}", {"load": OPEN}),
        ("{metric: e2e_scheduled, max_drift: 100%}", {"load": OPEN}),
    ],
)
def test_rules_on_whole_runs_and_schedules_are_read(load_text, rule, around):
    assert len(load_text(policy(rule, **around)).scenarios["chat"].rules) == 1


@pytest.mark.parametrize(
    ("rule", "around", "message", "hint"),
    [
        (
            "{metric: throughput, max_drift: 20%}",
            {},
            "throughput has no comparison with stored runs: it is one number for a whole run",
            "give max_regression, for a duet, or min",
        ),
        (
            "{metric: rps}",
            {},
            "a gate without a limit: rps has no default margin",
            "add max_regression, such as 10%, for a duet, or min",
        ),
        (
            "{metric: error_rate, max_drift: 2%}",
            {},
            "error_rate has no comparison with stored runs",
            "give max_regression, for a duet, or max",
        ),
        ("{metric: rps, max: 9}", {}, "of rps more is better: its limit is min", "write min"),
        ("{metric: goodput_rps, min: 2}", {}, "goodput_rps without objectives", "add objectives"),
        (
            "{metric: cold_start_penalty, max: 500ms}",
            {},
            "cold_start_penalty needs new connections, and the scenario keeps them open",
            "connection: cold",
        ),
        (
            "{metric: ttft_scheduled.p95, max: 2s}",
            {},
            "ttft_scheduled counts from the schedule, and a closed loop has none",
            "gate ttft, or take an open load",
        ),
    ],
)
def test_what_can_not_be_judged_is_said(only_problem, rule, around, message, hint):
    found = only_problem(policy(rule, **around))
    assert found.message == message
    assert hint in found.hint

"""Times that are gated where failures are not."""

from dataclasses import replace

import pytest

from lens_gate.policy.unguarded import unguarded

SAID = "times are gated and error_rate is not"


def told(build, *rules, targets=("mini",)):
    scenario = build.scenario(rules=rules, targets=targets)
    return list(unguarded(build.policy([scenario], [build.target(key) for key in targets])))


def made(build, metric="ttft", **given):
    whole = {"relative": True, "max": None, "min": None, "targets": (), "severity": "fail"}
    return replace(build.rule(), metric=metric, **{**whole, **given})


@pytest.mark.parametrize("metric", ["ttft", "e2e", "output_tps"])
def test_a_relative_time_needs_an_error_rate_beside_it(build, metric):
    (text,) = told(build, made(build, metric))
    assert text.startswith(f"chat: {SAID}")
    assert "can't fail it" in text
    for rate in ({"relative": True}, {"relative": False, "max": 0.05}):
        assert not told(build, made(build, metric), made(build, "error_rate", **rate))


def test_what_gates_no_time_needs_none(build):
    for rule in (
        made(build, severity="warn"),
        made(build, relative=False, max=1.0),
        made(build, "cost_usd"),
        made(build, "throughput"),
        made(build, new_in_head=True),
    ):
        assert not told(build, rule)


def test_a_rate_that_does_not_gate_is_none(build):
    for given in ({"severity": "warn"}, {"new_in_head": True}):
        assert told(build, made(build), made(build, "error_rate", **given))


def test_targets_that_no_rate_is_for_are_named(build):
    both = ("mini", "large")
    rate = made(build, "error_rate", targets=("mini",))
    (text,) = told(build, made(build), rate, targets=both)
    assert text.startswith(f"chat on large: {SAID}")
    assert not told(build, made(build, targets=("mini",)), rate, targets=both)

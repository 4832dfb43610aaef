"""`lens-gate selftest` through the front door: proven policies, and those that can't be."""

import json
import signal

import pytest

REAL = {"provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
KEYED = {**REAL, "api_key_env": "KEY_THAT_IS_NOT_SET", "price": {"input": 2, "output": 8}}
GATES = [
    {"id": "slow", "metric": "ttft.typ", "max_regression": "30%"},
    {"id": "long", "metric": "e2e.typ", "max_regression": "20%"},
    {"id": "dear", "metric": "cost_usd.mean", "max_regression": "20%"},
    {"id": "late", "metric": "ttft.p90", "max": "1ms"},
]


@pytest.fixture
def folder(tmp_path, policy):
    def make(gates=GATES, **top):
        scenario = {"samples": {"min": 16, "max": 36, "warmup": 1}, "max_output_tokens": 16}
        given = {
            "budget": {"max_usd": 1, "max_requests": 300, "max_duration": "5m"},
            "baseline": {"compare": "auto"},
            **top,
        }
        text = policy(gates, target=KEYED, scenario=scenario, **given)
        (tmp_path / "lens-gate.yaml").write_text(json.dumps(text, indent=1))
        return tmp_path

    return make


def test_a_sound_policy_is_proven_without_its_key_and_its_targets(folder, lens):
    place = folder()
    done = lens(place, "selftest", "--time", "18s", "--seed", "11")
    assert done.code == 0, done.said
    assert [p.name for p in place.iterdir()] == ["lens-gate.yaml"]
    assert "proven on simulated servers" in done.out
    assert "seed 11" in done.out
    assert "slowed: found in chat/quick" in done.out
    assert "1 absolute limit on times" in done.out
    assert "nothing was sent to a real target" in done.out
    assert "act: slowed" in done.err


@pytest.mark.parametrize(
    ("gates", "top", "said"),
    [
        ([GATES[3]], {}, "nothing to test"),
        ([GATES[2]], {}, "no slowdown that this policy had to find"),
        ([{"metric": "ttft.p95", "max_regression": "10%"}], {}, "would mostly decide nothing"),
        (GATES, {"colour": "red"}, "colour"),
    ],
)
def test_what_can_not_be_proven_is_said_before_anything_starts(folder, lens, gates, top, said):
    done = lens(folder(gates, **top), "selftest")
    assert done.code == 2, done.said
    assert said in done.err


def test_a_time_that_is_too_short_is_refused(folder, lens):
    done = lens(folder(), "selftest", "--time", "1s")
    assert done.code == 2, done.said
    assert "hint: give it --time" in done.err


def test_a_budget_that_is_too_small_is_no_plan(folder, lens):
    small = {"max_usd": 1, "max_requests": 30, "max_duration": "5m"}
    assert lens(folder(budget=small), "selftest").code == 4


def test_a_signal_ends_it_without_an_answer(folder, start):
    process = start(folder(), "selftest", "--time", "1m")
    assert process.stderr.readline() == b"day 1 of 4\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"proven on" not in out
    assert b"Traceback" not in err

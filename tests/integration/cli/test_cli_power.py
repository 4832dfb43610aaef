"""`lens-gate power` and the short version of it in `lens-gate check`, through the front door."""

import json

import pytest


@pytest.fixture
def folder(tmp_path):
    """A folder with a policy of these gates."""

    def make(*gates, compare="auto", most=120):
        policy = {
            "version": 1,
            "name": "power",
            "budget": {"max_usd": 1, "max_requests": 300, "max_duration": "20m"},
            "baseline": {"compare": compare},
            "targets": {
                "mini": {"provider": "simulated", "price": {"input": 1, "output": 4}},
            },
            "scenarios": {
                "chat": {
                    "targets": ["mini"],
                    "prompts": ["One?", "Two?"],
                    "max_output_tokens": 32,
                    "load": {"pattern": "closed", "concurrency": 2},
                    "samples": {"min": 16, "max": most, "warmup": 1},
                    "gates": list(gates),
                }
            },
        }
        (tmp_path / "lens-gate.yaml").write_text(json.dumps(policy, indent=1))
        return tmp_path

    return make


TTFT = {"metric": "ttft.typ", "max_regression": "30%"}


def test_power_prints_a_table_and_sends_nothing(folder, lens):
    place = folder(TTFT)
    done = lens(place, "power")
    assert done.code == 0, done.said
    assert "TTFT typ of chat/mini: margin 30 % (policy)" in done.out
    assert "$1.00 (x 1)     120 pairs" in done.out
    assert [p.name for p in place.iterdir()] == ["lens-gate.yaml"]


def test_power_as_json_has_the_same_numbers(folder, lens):
    done = lens(folder(TTFT), "power", "--json", "--max-requests", "100")
    found = json.loads(done.out)
    assert found["schema"] == "lens-gate/power/1"
    first, *_, last = found["spendings"]
    assert first["why"]
    assert last["sights"][0]["n"] == 197
    assert 0 < last["sights"][0]["smallest_margin"] < 0.3


def test_check_shows_both_plans_and_what_their_rules_can_see(folder, lens):
    done = lens(folder(TTFT), "check")
    assert done.code == 0, done.said
    here, there = done.out.split("in a pull request that changes what is sent")
    assert "120 + 1 requests" in here
    assert "120 + 3 pairs" in there
    assert "30 % (policy)" in there
    assert "requests   246 of at most 300" in there
    assert done.out.rstrip().endswith("nothing was sent")


@pytest.mark.parametrize("verb", ["check", "gate"])
def test_a_rule_that_can_not_decide_is_an_error_with_place_and_remedy(folder, lens, verb):
    place = folder({"metric": "ttft.typ", "max_drift": "20%"}, compare="history")
    done = lens(place, verb)
    assert done.code == 2, done.said
    assert done.err.startswith("lens-gate.yaml:")
    assert "would mostly decide nothing" in done.err
    assert "hint: set max_drift to" in done.err
    assert "1 problem; nothing was sent" in done.err


def test_a_rule_that_may_stay_open_is_let_through(folder, lens):
    open_rule = {"metric": "ttft.typ", "max_regression": "10%", "may_be_inconclusive": True}
    assert lens(folder(open_rule, most=20), "check").code == 0
    done = lens(folder({"metric": "ttft.typ", "max_regression": "10%"}, most=20), "check")
    assert done.code == 2
    assert "raise samples.max to" in done.err

"""From real policies to the mode: controls that can not be sent, rules that are new."""

import json

import pytest

from lens_gate.flows.choosing import chosen
from lens_gate.flows.sources import find_sources

RULES = [{"metric": "ttft.typ", "max_regression": "20%"}]
AUTO = {"baseline": {"compare": "auto"}}


def openai(model, **more):
    return {"provider": "openai", "model": model, "api_key_env": "KEY", **more}


@pytest.fixture
def hosted(policy):
    def make(model="gpt-4.1-mini", gates=None, *, target=None, scenario=None, **more):
        return policy(
            gates or RULES,
            target=openai(model, **(target or {})),
            scenario=scenario,
            **{**AUTO, "watch": [], **more},
        )

    return make


@pytest.fixture
def pull(repository, tmp_path):
    """How the pull request from one policy to another is measured."""

    def make(before, after):
        place = repository(tmp_path / "origin", {"lens-gate.yaml": before})
        start = place.git("rev-parse", "HEAD")
        place.git("checkout", "-q", "-b", "feature")
        tip = place.commit({"lens-gate.yaml": after, "more": "x"})
        event = {
            "base": {"ref": "main", "sha": start, "repo": {"id": 1}},
            "head": {"ref": "feature", "sha": tip, "repo": {"id": 1}},
        }
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": event}))
        environ = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        }
        return chosen(find_sources(place.world(**environ), None))

    return make


def test_another_model_is_a_duet_with_prices_of_either_side(pull, hosted):
    found = pull(hosted("gpt-4.1"), hosted("gpt-4.1-mini"))
    assert (found.choice.mode, found.choice.pairs) == ("interleaved", "all")
    assert found.control.pairs == "all"
    assert found.control.policy.targets["quick"].model == "gpt-4.1"
    assert found.control.prices["quick"].model == "gpt-4.1"
    assert found.head.policy.targets["quick"].model == "gpt-4.1-mini"


def test_nothing_else_than_before_is_unchanged(pull, hosted):
    found = pull(hosted(), hosted(confidence=0.9))
    assert (found.choice.mode, found.choice.pairs, found.control) == ("unchanged", "none", None)


def test_a_rule_that_the_head_adds_is_measured(pull, hosted):
    found = pull(hosted(), hosted(gates=[*RULES, {"metric": "e2e.typ", "max": "9s"}]))
    assert (found.choice.mode, found.choice.pairs) == ("history", "none")
    assert "chat has 1 new rule" in found.choice.why
    # What would be measured without the head is known, so that nothing shrinks unseen.
    assert (found.control.pairs, found.control.policy.scenarios["chat"].rules[1:]) == ("none", ())


def test_a_control_whose_price_nobody_knows_can_not_run(pull, hosted):
    """Who mends the model's name is not told that the old one was wrong."""
    found = pull(hosted("gpt-4.1-mni"), hosted("gpt-4.1-mini"))
    assert (found.choice.mode, found.choice.pairs) == ("history", "none")
    assert "the control can't run: what it asks for can't be sent" in found.choice.why
    assert "gpt-4.1-mni" in found.choice.why
    assert found.control is None


@pytest.mark.parametrize("compare", ["history", "none"])
def test_where_no_duet_is_asked_for_there_is_no_control(pull, hosted, compare):
    gates = [{"metric": "ttft.typ", "max": "9s"}]
    settings = {"baseline": {"compare": compare}}
    found = pull(hosted("gpt-4.1", gates, **settings), hosted("gpt-4.1-mini", gates, **settings))
    assert (found.choice.mode, found.choice.pairs) == (compare, "none")
    assert found.control.policy.targets["quick"].model == "gpt-4.1"


def test_a_control_of_ones_own_is_paired_everywhere(folder, hosted, tmp_path):
    made = hosted()
    made["targets"]["older"] = openai("gpt-4.1")
    made["targets"]["quick"]["control"] = "older"
    place = folder(tmp_path)
    place.write({"lens-gate.yaml": made})
    found = chosen(find_sources(place.world(), None))
    assert (found.choice.mode, found.choice.pairs) == ("interleaved", "named")
    assert found.choice.why == "quick side by side with its control"
    assert found.control.policy is found.head.policy
    assert found.control.prices["older"].model == "gpt-4.1"

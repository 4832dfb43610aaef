"""From real policies to the mode: controls that can not be sent, rules that are new."""

import json

import pytest

from lens_gate.errors import InputError
from lens_gate.flows.choosing import chosen
from lens_gate.flows.preparing import prepare
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

    def make(before, after, later=None):
        place = repository(tmp_path / "origin", {"lens-gate.yaml": before})
        start = place.git("rev-parse", "HEAD")
        place.git("checkout", "-q", "-b", "feature")
        tip = place.commit({"lens-gate.yaml": after, "more": "x"})
        place.git("checkout", "-q", "main")
        if later is not None:
            start = place.commit({"lens-gate.yaml": later})
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
        make.sources.append(find_sources(place.world(**environ), None))
        return chosen(make.sources[-1])

    make.sources = []
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


def beside(model, hosted):
    made = hosted(gates=[{**RULES[0], "may_be_inconclusive": True}])
    made["targets"]["older"] = openai(model, price={"input": 1, "output": 2})
    made["targets"]["quick"]["control"] = "older"
    return made


def unpriced(model, hosted):
    made = beside(model, hosted)
    del made["targets"]["older"]["price"]
    made["targets"]["quick"]["model"] = "gpt-4.1-mini"
    return made


def test_a_control_whose_model_the_head_moves_is_sent_as_it_was(pull, hosted):
    """The policy's own price is for the old model, and that is what the control arm sends."""
    found = pull(beside("gpt-foo-1", hosted), beside("gpt-foo-2", hosted))
    assert (found.choice.mode, found.choice.pairs) == ("interleaved", "all")
    assert found.control.prices["older"].model == "gpt-foo-1"
    assert found.head.policy.targets["older"].price is None
    plan = prepare(pull.sources[-1], budget=pull.sources[-1].policy.budget, seed=1, by=found).plan
    assert plan.cells[0].duet.control == "older"
    assert plan.cells[0].duet.prices.source.startswith("policy")


def test_a_control_that_only_the_head_could_send_can_not_run(pull, hosted):
    """Neither the merge base nor the target branch has a price for it; the head's is no control."""
    found = pull(unpriced("gpt-foo-1", hosted), unpriced("gpt-4.1", hosted))
    assert (found.choice.mode, found.choice.pairs) == ("history", "none")
    missing = "the control can't run: what it asks for can't be sent: target 'older': the price"
    assert found.choice.unpaired.startswith(missing)
    assert found.choice.alone == ("quick",)
    assert f"of quick {missing}" in found.choice.why
    sources = pull.sources[-1]
    plan = prepare(sources, budget=sources.policy.budget, seed=1, by=found).plan
    assert plan.cells[0].unpaired == found.choice.unpaired


def test_only_the_cells_whose_control_is_missing_are_without_one(pull, hosted):
    def both(model):
        made = unpriced(model, hosted)
        made["targets"]["plain"] = openai("gpt-4.1")
        made["scenarios"]["chat"]["targets"] = ["quick", "plain"]
        return made

    found = pull(both("gpt-foo-1"), both("gpt-4.1"))
    sources = pull.sources[-1]
    plan = prepare(sources, budget=sources.policy.budget, seed=1, by=found).plan
    assert [bool(cell.unpaired) for cell in plan.cells] == [True, False]


def test_on_ones_own_commit_an_unknown_price_is_ones_own_problem(folder, hosted, tmp_path):
    made = beside("gpt-foo-1", hosted)
    del made["targets"]["older"]["price"]
    place = folder(tmp_path)
    place.write({"lens-gate.yaml": made})
    with pytest.raises(InputError, match="older"):
        chosen(find_sources(place.world(), None))


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

"""A scenario that asks for what a protocol has no words for is refused, each with its place."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lens_gate.errors import InputError
from lens_gate.flows.fitting import check_features
from lens_gate.providers.table import DIALECTS, PROVIDERS
from lens_gate.records.policy import Image, Message, Place, Prompt, Tool, ToolCall

BARE = replace(PROVIDERS["openai"], name="bare", features=frozenset(), whole=None)
TOOL = Tool(name="look", description="", parameters={})
CALL = ToolCall(id="1", name="look", arguments="{}")


def scenario(*messages, **given):
    prompt = Prompt(
        id="p",
        messages=messages or (Message(role="user", content="One?"),),
        max_output_tokens=None,
    )
    whole = {
        "key": "chat",
        "targets": ("mini",),
        "prompts": (prompt,),
        "system": None,
        "tools": (),
        "stream": True,
        "place": Place(file="lens-gate.yaml", line=7, column=3),
    }
    return SimpleNamespace(**{**whole, **given})


def user(**more):
    return Message(role="user", content="x", **more)


WANTS = {
    "system": (scenario(system="Be brief."), "has a system prompt"),
    "system message": (scenario(Message(role="system", content="x"), user()), "a system prompt"),
    "developer": (scenario(Message(role="developer", content="x"), user()), "a system prompt"),
    "tools": (scenario(tools=(TOOL,)), "has tools"),
    "call": (scenario(Message(role="assistant", content="", tool_calls=(CALL,)), user()), "tools"),
    "answer": (scenario(Message(role="tool", content="x", tool_call_id="1")), "has tools"),
    "image": (scenario(user(images=(Image(base64="QUJD"),))), "has images,"),
    "address": (scenario(user(images=(Image(url="https://x.example/1.png"),))), "has images,"),
    "whole": (scenario(stream=False), "asks for answers in one piece"),
}


def check(wanted, row):
    policy = SimpleNamespace(
        scenarios={"chat": wanted}, targets={"mini": SimpleNamespace(control=None)}
    )
    check_features(policy, {"mini": row})


def test_the_control_that_a_target_names_is_asked_the_same_and_must_have_words_for_it():
    targets = {
        "mini": SimpleNamespace(control="old"),
        "old": SimpleNamespace(control=None),
        "unused": SimpleNamespace(control=None),
    }
    wanted, words = WANTS["tools"]
    policy = SimpleNamespace(scenarios={"chat": wanted}, targets=targets)
    rows = {"mini": PROVIDERS["openai"], "old": BARE, "unused": BARE}
    with pytest.raises(InputError) as caught:
        check_features(policy, rows)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert "the provider of target 'old'" in problem.message
    check_features(policy, {**rows, "old": PROVIDERS["openai"]})


@pytest.mark.parametrize("name", WANTS)
def test_what_a_protocol_can_not_say_is_refused_and_what_it_can_is_not(name):
    wanted, words = WANTS[name]
    check(wanted, PROVIDERS["openai"])
    with pytest.raises(InputError) as caught:
        check(wanted, BARE)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == ("lens-gate.yaml", 7, 3)
    assert problem.message.startswith("scenario 'chat' ")
    assert words in problem.message
    assert "bare, the provider of target 'mini', has no words for that" in problem.message
    assert problem.hint


def test_pictures_by_address_are_apart_from_pictures():
    row = replace(BARE, features=frozenset({"images"}))
    check(WANTS["image"][0], row)
    with pytest.raises(InputError, match="has images by their address") as caught:
        check(WANTS["address"][0], row)
    assert caught.value.problems[0].hint == "give them as files"


def test_all_that_is_missing_is_told_at_once():
    wanted = scenario(user(images=(Image(base64="QUJD"),)), system="x", tools=(TOOL,), stream=False)
    with pytest.raises(InputError) as caught:
        check(wanted, BARE)
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("row", [*PROVIDERS.values(), *DIALECTS.values()], ids=lambda r: r.title)
def test_every_built_in_has_words_for_a_plain_conversation(row):
    check(scenario(system="Be brief.", tools=(TOOL,), stream=False), row)

import pytest

from lens_gate.providers.conversation import (
    Turn,
    arguments,
    caller,
    media_type,
    result,
    system_texts,
    turns,
)
from lens_gate.records.exchange import ChatRequest
from lens_gate.records.policy import Image, Message, ToolCall


def said(role: str, content: str, **more) -> Message:
    return Message(role=role, content=content, **more)


def test_neighbouring_turns_of_one_side_are_one_turn():
    messages = [
        said("system", "S"),
        said("user", "a"),
        said("tool", "b"),
        said("assistant", "c"),
        said("developer", "D"),
        said("assistant", "d"),
        said("user", "e"),
    ]
    assert turns(messages, lambda m: [m.content]) == (
        Turn(ours=True, blocks=("a", "b")),
        Turn(ours=False, blocks=("c", "d")),
        Turn(ours=True, blocks=("e",)),
    )
    assert turns([], lambda m: [m.content]) == ()


def test_system_texts_in_order():
    asked = ChatRequest(
        model="m",
        messages=(said("developer", "B"), said("user", "x"), said("system", "C")),
        system="A",
        max_output_tokens=1,
        params={},
    )
    assert system_texts(asked) == ("A", "B", "C")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]", {"arguments": "[1]"}),
        ("oops", {"arguments": "oops"}),
        ("", {"arguments": ""}),
        ("[" * 100_000, {"arguments": "[" * 100_000}),
    ],
)
def test_arguments_are_an_object(text, expected):
    assert arguments(ToolCall(id="t", name="f", arguments=text)) == expected


def test_a_tool_s_answer_is_an_object():
    assert result(said("tool", '{"a": 1}')) == {"a": 1}
    assert result(said("tool", "4")) == {"result": "4"}


def test_who_called_the_tool():
    calls = (ToolCall(id="t1", name="f", arguments="{}"),)
    messages = [said("assistant", "", tool_calls=calls)]
    assert caller(messages, said("tool", "", tool_call_id="t1")) == "f"
    assert caller(messages, said("tool", "", tool_call_id="t2")) == "t2"
    assert caller(messages, said("tool", "")) == ""


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ({"base64": "iVBORw0KGgoAAAA"}, "image/png"),
        ({"base64": "/9j/4AAQ"}, "image/jpeg"),
        ({"base64": "R0lGODlh"}, "image/gif"),
        ({"base64": "UklGRh4A"}, "image/webp"),
        ({"base64": "AAAA"}, "image/png"),
        ({"base64": "/9j/4AAQ", "media_type": "image/gif"}, "image/gif"),
        ({"url": "https://x/a.JPG?size=1.png"}, "image/jpeg"),
        ({"url": "https://x/a"}, "image/png"),
    ],
)
def test_the_type_of_a_picture(image, kind):
    assert media_type(Image(**image)) == kind

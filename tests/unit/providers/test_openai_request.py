"""What is asked of servers of OpenAI's Chat Completions, beyond a plain question."""

import json

import pytest

from lens_gate.providers.openai_request import PARAMS, RESERVED, image_url
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import ChatRequest, Endpoint
from lens_gate.records.policy import Image, Message, Tool, ToolCall

ENDPOINT = Endpoint(base_url="https://host/v1", region=None, headers={})
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool(name="weather", description="Says the weather.", parameters=SCHEMA)
CALL = ToolCall(id="call_1", name="weather", arguments='{"city":"Köln"}')
TURNS = (
    Message(role="user", content="Weather?"),
    Message(role="assistant", content="", tool_calls=(CALL,)),
    Message(role="tool", content="rain", tool_call_id="call_1"),
    Message(role="assistant", content="It rains.", tool_calls=(CALL,)),
)


def request(**changes) -> ChatRequest:
    fields = {
        "model": "m",
        "messages": (Message(role="user", content="Hi"),),
        "system": None,
        "max_output_tokens": 8,
        "params": {},
    }
    return ChatRequest(**(fields | changes))


def sent(name="openai", endpoint=ENDPOINT, **changes) -> dict:
    return json.loads(PROVIDERS[name].encode(request(**changes), endpoint).body)


def test_tools_are_functions_and_the_choice_is_a_parameter():
    body = sent(tools=(WEATHER,), params={"tool_choice": "required"})
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Says the weather.",
                "parameters": SCHEMA,
            },
        }
    ]
    assert body["tool_choice"] == "required"
    assert "tools" not in sent()


def test_calls_and_their_answers_are_turns():
    assert sent(messages=TURNS)["messages"] == [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Köln"}'},
                }
            ],
        },
        {"role": "tool", "content": "rain", "tool_call_id": "call_1"},
        {
            "role": "assistant",
            "content": "It rains.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Köln"}'},
                }
            ],
        },
    ]


def test_an_empty_turn_keeps_its_empty_text():
    empty = (Message(role="user", content=""),)
    assert sent(messages=empty)["messages"] == [{"role": "user", "content": ""}]


def test_images_are_parts_after_the_text():
    images = (
        Image(url="https://pictures/cat.png"),
        Image(base64="QUJD", media_type="image/jpeg"),
        Image(base64="/9j/QUJD"),
    )
    urls = [
        "https://pictures/cat.png",
        "data:image/jpeg;base64,QUJD",
        "data:image/jpeg;base64,/9j/QUJD",
    ]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    message = Message(role="user", content="What?", images=images)
    assert sent(messages=(message,))["messages"][0]["content"] == [
        {"type": "text", "text": "What?"},
        *parts,
    ]
    message = Message(role="user", content="", images=images)
    assert sent(messages=(message,))["messages"][0]["content"] == parts
    assert image_url(Image()) == "data:image/png;base64,"


@pytest.mark.parametrize("name", ["openai", "openai-compatible", "azure", "openai-responses"])
def test_an_answer_in_one_piece_is_asked_for_plainly(name):
    row = PROVIDERS[name]
    asked = row.encode(request(stream=False), ENDPOINT)
    body = json.loads(asked.body)
    assert body["stream"] is False
    assert "stream_options" not in body
    assert asked.headers["Accept"] == "application/json"
    assert asked.headers["Accept-Encoding"] == "identity"
    streamed = row.encode(request(), ENDPOINT)
    assert json.loads(streamed.body)["stream"] is True
    assert "stream_options" in json.loads(streamed.body)
    assert streamed.headers["Accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("openai", "bearer"),
        ("openai-responses", "bearer"),
        ("openai-compatible", "bearer"),
        ("ollama", "bearer"),
        ("azure", "api-key"),
        ("azure-responses", "api-key"),
    ],
)
def test_a_target_without_credentials_sends_none(name, scheme):
    row = PROVIDERS[name]
    assert row.encode(request(), ENDPOINT).auth == scheme
    bare = Endpoint(base_url="https://host", region=None, headers={}, credentials="none")
    assert row.encode(request(), bare).auth == "none"


def test_tools_are_no_parameter_and_the_choice_is_one():
    assert "tools" in RESERVED
    assert "tool_choice" in PARAMS
    assert "tools" not in sent("openai-compatible", params={"tools": [{"hostile": 1}]})

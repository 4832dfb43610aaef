"""The bound of a request's input: never below what any provider would count."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.providers.outgoing import IMAGE_TOKENS, bound_input, bounder
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import ChatRequest
from lens_gate.records.policy import Image, Message, Tool, ToolCall

PICTURE = Image(base64="QUJD", media_type="image/png")
TOOL = Tool(name="f", description="d", parameters={"type": "object", "title": "日本"})


def request(*messages: Message, **changes) -> ChatRequest:
    fields = {"model": "m", "system": None, "max_output_tokens": 8, "params": {}}
    return ChatRequest(messages=messages, **(fields | changes))


def test_tools_count_by_their_json_escaped_and_what_is_written_before_them():
    plain = bound_input(request(Message(role="user", content="Hi")))
    one = bound_input(request(Message(role="user", content="Hi"), tools=(TOOL,)))
    two = bound_input(request(Message(role="user", content="Hi"), tools=(TOOL, TOOL)))
    written = len(json.dumps(["f", "d", {"type": "object", "title": "日本"}]))
    assert two - one == written + 16
    assert one - plain == written + 16 + 1024
    # A template that escapes characters makes more tokens than their bytes.
    assert written > len(json.dumps(TOOL.parameters, ensure_ascii=False).encode())


def test_calls_and_their_answers_count():
    call = ToolCall(id="c1", name="f", arguments='{"ü":1}')
    said = request(Message(role="assistant", content="", tool_calls=(call,)))
    assert bound_input(said) == 16 + 16 + 2 + 1 + len(json.dumps('{"ü":1}'))
    answered = request(Message(role="tool", content="ok", tool_call_id="c1"))
    assert bound_input(answered) == 16 + 2 + 2


def test_images_count_by_the_rule_of_their_provider():
    turn = Message(role="user", content="", images=(PICTURE, PICTURE))
    assert bound_input(request(turn, turn)) == 2 * 16 + 4 * IMAGE_TOKENS
    assert bounder(len)(request(turn, model="four")) == 16 + 8


@pytest.mark.parametrize(
    ("name", "model", "tokens"),
    [
        # 2,833 and 8 tiles of 5,667; 10,000 patches 2.46 times; whatever the deployment is.
        ("openai", "gpt-4o-mini", 2833 + 8 * 5667),
        ("openai", "gpt-4o-mini-2024-07-18", 2833 + 8 * 5667),
        ("openai", "gpt-4.1-nano", round(10_000 * 2.46)),
        ("openai-responses", "gpt-4o", 85 + 8 * 170),
        ("azure", "my-deployment", 2833 + 8 * 5667),
        ("openai-compatible", "qwen-vl", 16_384),
        ("ollama", "llava", 16_384),
    ],
)
def test_no_rule_for_images_reaches_the_bound(name, model, tokens):
    turn = Message(role="user", content="", images=(PICTURE,))
    assert PROVIDERS[name].bound_input(request(turn, model=model)) >= 16 + tokens


def test_an_openai_image_is_not_bounded_by_the_dearest_model():
    turn = Message(role="user", content="", images=(PICTURE,))
    openai = PROVIDERS["openai"].bound_input
    assert openai(request(turn, model="gpt-5")) == 16 + 25_000
    assert openai(request(turn, model="gpt-4o-mini")) == 16 + IMAGE_TOKENS


texts = st.text(max_size=30)


@given(content=texts, name=texts, arguments=texts, system=st.none() | texts)
def test_every_byte_that_is_sent_of_the_question_is_in_the_bound(content, name, arguments, system):
    """No tokenizer makes more tokens than bytes, so the bound may not be below the bytes."""
    call = ToolCall(id="c", name=name, arguments=arguments)
    tool = Tool(name=name, description=content, parameters={"title": arguments})
    turn = Message(role="assistant", content=content, tool_calls=(call,))
    whole = request(turn, system=system, tools=(tool,))
    bytes_of = [content, name, arguments, system or "", name, content, arguments]
    assert bound_input(whole) >= sum(len(t.encode("utf-8", "surrogatepass")) for t in bytes_of)

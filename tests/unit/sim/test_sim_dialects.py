"""The dialects against reference figures written down by hand, not against our own decoder."""

import json
from dataclasses import replace

import pytest

from lens_gate.sim.dialect import (
    Allowance,
    Answer,
    Ask,
    Counts,
    Facts,
    Keys,
    Place,
    Refusal,
    Request,
    Spoken,
    Timing,
)
from lens_gate.sim.dialects.table import BY_NAME
from lens_gate.sim.durations import go_duration

OPENAI, ANTHROPIC = BY_NAME["openai"], BY_NAME["anthropic"]

HELLO = [{"role": "user", "content": "hello"}]
CHAT = {"model": "m", "messages": HELLO, "stream": True}
MESSAGE = {"model": "m", "messages": HELLO, "max_tokens": 9, "stream": True}
OLD, NEW = {"anthropic-version": "2023-06-01"}, {"anthropic-version": "2026-10-21"}
ASK = Ask(model="m", stream=True, limit=None, pieces=())
COUNTS = Counts(prompt=20, output=7, reasoning=3, cached=8, written_short=4, written_long=2)
ANSWER = Answer(
    id="id-1",
    request_id="req-1",
    created=5,
    model="m",
    text_tokens=2,
    reasoning_tokens=0,
    finish="stop",
    usage=COUNTS,
    counts=COUNTS,
)
THOUGHT = replace(ANSWER, reasoning_tokens=3, shown=True)


def data(events):
    return [json.loads(e.data) if e.data != b"[DONE]" else "[DONE]" for e in events]


def chat(**changes):
    return OPENAI.read({**CHAT, **changes}, Request(), Place())


def message(headers=OLD, **changes):
    return ANTHROPIC.read({**MESSAGE, **changes}, Request(headers=headers), Place())


def opening(dialect, answer=ANSWER, ask=ASK):
    return dialect.voice(answer, ask).opening()


def turn(dialect, answer, ask=ASK):
    return dialect.voice(answer, ask).turn()


def closing(dialect, answer=ANSWER, ask=ASK):
    return dialect.voice(answer, ask).closing(Timing())


def text(dialect, words, answer=ANSWER, ask=ASK):
    return dialect.voice(answer, ask).delta(words, 1)


def thought(dialect, words, answer, ask=ASK):
    return dialect.voice(answer, ask).thought(words, 1)


def whole(dialect, answer, thinking, words):
    return json.loads(dialect.whole(answer, ASK, Spoken(thinking, words), Timing()))


def facts(processing_ms, limits, now_s=0.0):
    return Facts(request_id="req-9", processing_ms=processing_ms, now_s=now_s, limits=limits)


def authorised(dialect, headers, key="sk"):
    return dialect.authorised(Request(headers=headers), Keys(key=key))


def without(body, key):
    return {name: value for name, value in body.items() if name != key}


def test_chat_stream_ends_with_finish_usage_and_done():
    finish, usage, done = data(closing(OPENAI, ANSWER, ASK))
    assert finish["choices"] == [
        {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    ]
    assert finish["usage"] is None
    assert usage["choices"] == []
    assert {k: usage["usage"][k] for k in ("prompt_tokens", "completion_tokens")} == {
        "prompt_tokens": 20,
        "completion_tokens": 7,
    }
    assert usage["usage"]["total_tokens"] == 27
    assert usage["usage"]["prompt_tokens_details"]["cached_tokens"] == 8
    assert usage["usage"]["prompt_tokens_details"]["cache_write_tokens"] == 6
    assert usage["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert done == "[DONE]"


def test_chat_without_usage_or_finish():
    unasked = data(closing(OPENAI, ANSWER, replace(ASK, wants_usage=False)))
    assert len(unasked) == 2
    assert "usage" not in unasked[0]
    assert data(closing(OPENAI, replace(ANSWER, finish=None, usage=None), ASK)) == ["[DONE]"]


def test_chat_opens_with_a_role_and_no_text():
    (role,) = data(opening(OPENAI, ANSWER, ASK))
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert role["object"] == "chat.completion.chunk"
    assert turn(OPENAI, THOUGHT, ASK) == ()


@pytest.mark.parametrize("model", ["m", "\0", 'a"b', "é\ud800"])
def test_chat_deltas_carry_any_text_for_any_model(model):
    (chunk,) = data(text(OPENAI, ' dé"jà\n', replace(ANSWER, model=model)))
    assert chunk["choices"][0]["delta"] == {"content": ' dé"jà\n'}
    assert chunk["model"] == model
    assert "obfuscation" not in chunk
    thinking = thought(OPENAI, "hm", replace(THOUGHT, reasoning_field="reasoning"))
    assert data(thinking)[0]["choices"][0]["delta"] == {"reasoning": "hm"}


def test_chat_padding_evens_sizes():
    ask = replace(ASK, pads=True)
    events = [text(OPENAI, words, ask=ask)[0] for words in ("a", "abc", "abcdefghijklmno")]
    assert len({len(event.data) for event in events}) == 1


def test_chat_whole_answer():
    body = whole(OPENAI, THOUGHT, "hm", "hello")
    (choice,) = body["choices"]
    assert body["object"] == "chat.completion"
    assert choice["message"]["content"] == "hello"
    assert choice["message"]["reasoning_content"] == "hm"
    assert choice["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == 27
    hidden = whole(OPENAI, replace(ANSWER, usage=None), "hm", "hello")
    assert "usage" not in hidden
    assert "reasoning_content" not in hidden["choices"][0]["message"]


def test_chat_read():
    ask = chat(
        max_tokens=5,
        max_completion_tokens=7,
        stream_options={"include_usage": True, "include_obfuscation": False},
        tools=[{"type": "function"}],
        messages=[
            {"role": "system", "content": "be"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
        ],
    )
    assert (ask.limit, ask.stream, ask.wants_usage, ask.pads) == (7, True, True, False)
    assert [p.role for p in ask.pieces] == ["tools", "system", "user", "assistant"]
    assert [len(p.data) for p in ask.pieces] == [21, 2, 2 + 1024, 12]
    assert ask.cache == "automatic"
    plain = chat()
    assert (plain.wants_usage, plain.pads, plain.limit) == (False, True, None)
    assert chat(stream=False).wants_usage
    assert chat(prompt_cache_options={"mode": "explicit"}).cache == "off"
    assert not chat(reasoning_effort="none").thinks


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (without(CHAT, "model"), "model"),
        (without(CHAT, "messages"), "messages"),
        ({**CHAT, "model": ""}, "model"),
        ({**CHAT, "messages": []}, "messages"),
        ({**CHAT, "messages": ["hi"]}, "messages[0]"),
        ({**CHAT, "messages": [{"role": "boss", "content": "x"}]}, "messages[0]"),
        ({**CHAT, "messages": [*HELLO, {"role": "user"}]}, "messages[1]"),
        ({**CHAT, "messages": [{"role": "user", "content": ["x"]}]}, "messages[0]"),
        ({**CHAT, "max_tokens": 0}, "max_tokens"),
        ({**CHAT, "max_completion_tokens": "9"}, "max_completion_tokens"),
        ({**CHAT, "max_completion_tokens": True}, "max_completion_tokens"),
        ({**CHAT, "temperature": "hot"}, "temperature"),
        ({**CHAT, "top_p": True}, "top_p"),
        ({**CHAT, "n": 2}, "n"),
        ({**CHAT, "stream": "yes"}, "stream"),
        ({**CHAT, "stream": False, "stream_options": {}}, "stream_options"),
        ({**CHAT, "stream_options": {"include_usage": 1}}, "stream_options"),
        ({**CHAT, "max_output_tokens": 4}, "max_output_tokens"),
    ],
)
def test_chat_refuses(body, param):
    refusal = OPENAI.read(body, Request(), Place())
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.param) == (400, param)
    error = json.loads(OPENAI.refusal_body(refusal, "r"))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (Refusal(status=429, message="m"), "requests", "rate_limit_exceeded"),
        (Refusal(status=401, message="m"), "invalid_request_error", "invalid_api_key"),
        (Refusal(status=503, message="m"), "server_error", None),
        (
            Refusal(status=429, message="m", type="t", code="insufficient_quota"),
            "t",
            "insufficient_quota",
        ),
    ],
)
def test_chat_error_shape(refusal, kind, code):
    wanted = {"error": {"message": "m", "type": kind, "param": None, "code": code}}
    assert json.loads(OPENAI.refusal_body(refusal, "r")) == wanted
    (event,) = OPENAI.error_event(refusal, "r", 0)
    assert (event.name, json.loads(event.data)) == (None, wanted)


def test_chat_headers():
    head = OPENAI.head(facts(12, {"requests": Allowance(60, 59, 1.0)}))
    assert head["x-request-id"] == "req-9"
    assert head["openai-processing-ms"] == "12"
    assert head["x-ratelimit-limit-requests"] == "60"
    assert head["x-ratelimit-remaining-requests"] == "59"
    assert head["x-ratelimit-reset-requests"] == "1s"
    assert "x-ratelimit-limit-tokens" not in head


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.012, "12ms"),
        (1, "1s"),
        (7.66, "7.66s"),
        (360, "6m0s"),
        (179.56, "2m59.56s"),
        (3723, "1h2m3s"),
    ],
)
def test_go_durations(seconds, text):
    assert go_duration(seconds) == text


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC])
def test_keys(dialect):
    assert authorised(dialect, {"Authorization": "Bearer sk"})
    for headers in ({}, {"Authorization": "sk"}, {"Authorization": "Bearer sk2"}):
        assert not authorised(dialect, headers)
    assert authorised(ANTHROPIC, {"x-api-key": "sk"})
    assert not authorised(OPENAI, {"x-api-key": "sk"})
    assert not authorised(dialect, {"Authorization": "Bearer \udce9"})


def kinds(events):
    parsed = data(events)
    assert [e.name.decode() for e in events] == [d["type"] for d in parsed]
    return [(d["type"], d.get("index")) for d in parsed]


def test_message_stream_without_thought():
    assert kinds(opening(ANTHROPIC, ANSWER, ASK)) == [
        ("message_start", None),
        ("content_block_start", 0),
        ("ping", None),
    ]
    assert kinds(text(ANTHROPIC, "a")) == [("content_block_delta", 0)]
    assert kinds(closing(ANTHROPIC, ANSWER, ASK)) == [
        ("content_block_stop", 0),
        ("message_delta", None),
        ("message_stop", None),
    ]


def test_message_stream_with_thought():
    opened = opening(ANTHROPIC, THOUGHT, ASK)
    assert json.loads(opened[1].data)["content_block"]["type"] == "thinking"
    delta = data(thought(ANTHROPIC, "hm", THOUGHT))[0]
    assert (delta["index"], delta["delta"]) == (0, {"type": "thinking_delta", "thinking": "hm"})
    assert kinds(turn(ANTHROPIC, THOUGHT, ASK)) == [
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
    ]
    words = data(text(ANTHROPIC, 'é"', THOUGHT))[0]
    assert (words["index"], words["delta"]) == (1, {"type": "text_delta", "text": 'é"'})
    assert kinds(closing(ANTHROPIC, THOUGHT, ASK))[0] == ("content_block_stop", 1)


def test_message_stream_that_ends_in_thought_or_says_nothing():
    only_thought = replace(THOUGHT, text_tokens=0, finish="length")
    assert kinds(turn(ANTHROPIC, only_thought, ASK))[-1] == ("content_block_stop", 0)
    closed = closing(ANTHROPIC, only_thought, ASK)
    assert kinds(closed) == [("message_delta", None), ("message_stop", None)]
    assert data(closed)[0]["delta"]["stop_reason"] == "max_tokens"
    nothing = replace(ANSWER, text_tokens=0)
    assert kinds(opening(ANTHROPIC, nothing, ASK)) == [("message_start", None), ("ping", None)]


def test_message_usage_is_exclusive_and_cumulative():
    start = data(opening(ANTHROPIC, ANSWER, ASK))[0]["message"]["usage"]
    assert start["input_tokens"] == 20 - 8 - 6
    assert start["cache_read_input_tokens"] == 8
    assert start["cache_creation_input_tokens"] == 6
    assert start["cache_creation"] == {
        "ephemeral_5m_input_tokens": 4,
        "ephemeral_1h_input_tokens": 2,
    }
    assert start["output_tokens"] == 1
    last = data(closing(ANTHROPIC, ANSWER, ASK))[1]
    assert last["usage"]["output_tokens"] == 7
    assert last["usage"]["output_tokens_details"] == {"thinking_tokens": 3}
    assert set(last["usage"]) == set(start) - {"cache_creation", "service_tier"} | {
        "output_tokens_details"
    }
    assert last["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


def test_message_without_usage_or_finish():
    silent = replace(ANSWER, usage=None)
    assert "usage" not in data(opening(ANTHROPIC, silent, ASK))[0]["message"]
    assert "usage" not in data(closing(ANTHROPIC, silent, ASK))[1]
    endless = data(closing(ANTHROPIC, replace(ANSWER, finish=None), ASK))
    assert endless[1]["delta"]["stop_reason"] is None
    assert len(data(closing(ANTHROPIC, replace(silent, finish=None), ASK))) == 2


def test_message_whole_answer():
    body = whole(ANTHROPIC, THOUGHT, "hm", "hello")
    assert [block["type"] for block in body["content"]] == ["thinking", "text"]
    assert body["content"][0]["thinking"] == "hm"
    assert (body["stop_reason"], body["usage"]["output_tokens"]) == ("end_turn", 7)
    omitted = whole(ANTHROPIC, replace(THOUGHT, shown=False), "hm", "")
    assert omitted["content"][0]["thinking"] == ""
    bare = replace(ANSWER, usage=None, finish=None, text_tokens=0)
    empty = whole(ANTHROPIC, bare, "", "")
    assert (empty["content"], empty["stop_reason"], "usage" in empty) == ([], None, False)


def test_message_read():
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ask = message(
        NEW,
        tools=[{"name": "t", "cache_control": {"type": "ephemeral"}}],
        system=[{"type": "text", "text": "be", **mark}],
        messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}],
        thinking={"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        max_tokens=2000,
        cache_control={"type": "ephemeral"},
    )
    assert [(p.role, p.opens, p.cache_ttl_s) for p in ask.pieces] == [
        ("tool", False, 300.0),
        ("system", True, 3600.0),
        ("user", True, None),
        ("user", False, 300.0),
    ]
    assert (ask.cache, ask.limit, ask.thinks, ask.hides) == ("marked", 2000, True, True)
    assert message().cache == "off"
    assert not message(thinking={"type": "disabled"}).thinks
    assert message(max_tokens=0).limit == 0
    assert message(temperature=0.5).limit == 9


@pytest.mark.parametrize(
    ("headers", "body", "word"),
    [
        ({}, MESSAGE, "anthropic-version: header is required"),
        ({"anthropic-version": "1999"}, MESSAGE, "not a valid version"),
        (NEW, {**MESSAGE, "temperature": 1}, "temperature: Extra inputs"),
        (OLD, without(MESSAGE, "max_tokens"), "max_tokens: Field required"),
        (OLD, without(MESSAGE, "model"), "model: Field required"),
        (OLD, without(MESSAGE, "messages"), "messages: Field required"),
        (OLD, {**MESSAGE, "model": 4}, "model:"),
        (OLD, {**MESSAGE, "max_tokens": -1}, "max_tokens:"),
        (OLD, {**MESSAGE, "max_tokens": True}, "max_tokens:"),
        (OLD, {**MESSAGE, "stream": 1}, "stream:"),
        (OLD, {**MESSAGE, "seed": 4}, "seed: Extra inputs"),
        (OLD, {**MESSAGE, "system": 4}, "system:"),
        (OLD, {**MESSAGE, "tools": ["t"]}, "tools:"),
        (OLD, {**MESSAGE, "messages": {}}, "at least one message"),
        (OLD, {**MESSAGE, "messages": ["x"]}, "messages.0.role"),
        (OLD, {**MESSAGE, "messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        (OLD, {**MESSAGE, "messages": [{"role": "user"}]}, "messages.0.content"),
        (OLD, {**MESSAGE, "thinking": "yes"}, "thinking.type"),
        (OLD, {**MESSAGE, "thinking": {"type": "enabled"}}, "budget_tokens"),
        (OLD, {**MESSAGE, "thinking": {"type": "enabled", "budget_tokens": 1024}}, "max_tokens"),
        (
            OLD,
            {**MESSAGE, "system": [{"type": "text", "text": "x", "cache_control": {}}] * 5},
            "Found 5",
        ),
    ],
)
def test_message_refuses(headers, body, word):
    refusal = ANTHROPIC.read(body, Request(headers=headers), Place())
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    assert word in refusal.message
    error = json.loads(ANTHROPIC.refusal_body(refusal, "req-1"))
    assert error["error"]["type"] == "invalid_request_error"
    assert (error["type"], error["request_id"]) == ("error", "req-1")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
        (418, "invalid_request_error"),
    ],
)
def test_message_error_types(status, kind):
    (event,) = ANTHROPIC.error_event(Refusal(status=status, message="m"), "r", 0)
    assert event.name == b"error"
    assert json.loads(event.data)["error"] == {"type": kind, "message": "m"}


def test_message_headers():
    limits = {"requests": Allowance(60, 59, 1.0), "tokens": Allowance(9, 8, 0.0)}
    head = ANTHROPIC.head(facts(12, limits, 1755780058.0))
    assert head["request-id"] == "req-9"
    assert head["x-envoy-upstream-service-time"] == "12"
    assert head["anthropic-ratelimit-requests-limit"] == "60"
    assert head["anthropic-ratelimit-requests-reset"] == "2025-08-21T12:40:59Z"
    assert head["anthropic-ratelimit-tokens-remaining"] == "8"

import json
from decimal import Decimal

import pytest

from lens_gate.providers.openai_chat import decoder, whole
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    ResponseHead,
    ServerTimes,
    StreamEvent,
    Usage,
)
from lens_gate.records.policy import Message

OK = ResponseHead(status=200, headers={"content-type": "text/event-stream"})
ENDPOINT = Endpoint(base_url="https://host/v1", region=None, headers={})
OTHER = StreamEvent(kind="other")


def sse(*chunks: object, done: bool = False) -> bytes:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def delta(finish=None, index=0, **fields) -> dict:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def decode(body: bytes) -> list[StreamEvent]:
    stream = decoder(OK)
    return [*stream.feed(body), *stream.close()]


def kinds(body: bytes) -> list[str]:
    return [event.kind for event in decode(body)]


def only(body: bytes) -> StreamEvent:
    (event,) = decode(body)
    return event


# --- encode -------------------------------------------------------------------------------------


def request(**changes) -> ChatRequest:
    fields = {
        "model": "m",
        "messages": (Message(role="user", content="Grüße"),),
        "system": None,
        "max_output_tokens": 32,
        "params": {},
    }
    return ChatRequest(**(fields | changes))


def test_openai_is_asked_for_a_stream_with_usage_and_without_padding():
    sent = PROVIDERS["openai"].encode(request(params={"temperature": 0, "seed": 7}), ENDPOINT)
    assert (sent.method, sent.url, sent.auth) == (
        "POST",
        "https://host/v1/chat/completions",
        "bearer",
    )
    assert sent.headers == {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
    }
    assert json.loads(sent.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Grüße"}],
        "max_completion_tokens": 32,
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "temperature": 0,
        "seed": 7,
    }


def test_a_compatible_server_gets_max_tokens_and_no_option_that_it_may_refuse():
    row = PROVIDERS["openai-compatible"]
    body = json.loads(row.encode(request(params={"cache_salt": "x"}), ENDPOINT).body)
    assert body["max_tokens"] == 32
    assert "max_completion_tokens" not in body
    assert body["stream_options"] == {"include_usage": True}
    assert body["cache_salt"] == "x"


def test_the_system_prompt_comes_first():
    body = json.loads(PROVIDERS["openai"].encode(request(system="Be kind."), ENDPOINT).body)
    assert body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert len(body["messages"]) == 2


@pytest.mark.parametrize("name", ["openai", "openai-compatible", "simulated"])
def test_no_parameter_takes_the_place_of_a_field_of_the_protocol(name):
    row = PROVIDERS[name]
    plain = json.loads(row.encode(request(), ENDPOINT).body)
    hostile = dict.fromkeys(row.reserved, 999)
    assert json.loads(row.encode(request(params=hostile), ENDPOINT).body) == plain
    assert plain.keys() <= row.reserved


def test_headers_of_the_target_are_sent_but_none_that_would_stop_the_stream():
    headers = {"OpenAI-Project": "p", "accept-encoding": "gzip", "ACCEPT": "*/*"}
    endpoint = Endpoint(base_url="https://host/v1", region=None, headers=headers)
    sent = PROVIDERS["openai"].encode(request(), endpoint)
    assert sent.headers["OpenAI-Project"] == "p"
    assert sent.headers["Accept-Encoding"] == "identity"
    assert len(sent.headers) == 4


def test_a_prompt_with_half_a_surrogate_pair_can_be_sent_and_counted():
    odd = request(messages=(Message(role="user", content="\ud83d"),))
    sent = PROVIDERS["openai"].encode(odd, ENDPOINT)
    assert json.loads(sent.body)["messages"][0]["content"] == "\ud83d"
    assert PROVIDERS["openai"].bound_input(odd) == 3 + 16


def test_the_bound_of_the_input_counts_bytes_messages_and_schemas():
    row = PROVIDERS["openai"]
    messages = (Message(role="user", content="Grüße"), Message(role="assistant", content="日本"))
    assert row.bound_input(request(messages=messages)) == 7 + 6 + 2 * 16
    assert row.bound_input(request(messages=messages, system="abc")) == 13 + 3 + 3 * 16
    schema = {"type": "json_schema", "schema": {"ü": [1, 2]}}
    with_schema = request(
        messages=messages, params={"response_format": schema, "seed": 7, "user": "u"}
    )
    assert row.bound_input(with_schema) == 13 + 2 * 16 + len(
        json.dumps(schema, ensure_ascii=False).encode()
    )


# --- decode: what is output ---------------------------------------------------------------------


def test_a_whole_stream_of_openai():
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 12,
        "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    head = {"id": "c", "model": "gpt-x", "service_tier": "default", "usage": None}
    body = sse(
        head | delta(role="assistant", content="", refusal=None),
        head | delta(content="Hel"),
        head | delta(content="lo"),
        head | delta(finish="stop"),
        head | {"choices": [], "usage": usage},
        done=True,
    )
    assert decode(body) == [
        StreamEvent(kind="meta", model="gpt-x", service_tier="default"),
        StreamEvent(kind="text", text="Hel"),
        StreamEvent(kind="text", text="lo"),
        StreamEvent(kind="finish", finish_reason="stop"),
        StreamEvent(
            kind="usage",
            usage=Usage(
                input_total=9,
                output_total=12,
                cache_read=4,
                cache_write={"default": 2},
                reasoning=5,
            ),
        ),
        StreamEvent(kind="end"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"role": "assistant"},
        {"role": "assistant", "content": ""},
        {"content": None},
        {"content": []},
        {"content": [{"type": "text", "text": ""}]},
        {"content": [{"type": "reference", "reference_ids": [1]}]},
        {"content": 7},
        {"refusal": ""},
        {"reasoning": "", "reasoning_content": None, "reasoning_details": []},
        {"reasoning": {"odd": 1}},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz"}]},
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function"}]},
        {"tool_calls": [{"index": 0, "function": {"name": "", "arguments": ""}}]},
        {"tool_calls": None, "function_call": None},
        {"tool_calls": ["odd"]},
        {"audio": {"expires_at": 1}},
        {"audio": {"data": ""}},
    ],
)
def test_what_is_no_token_is_never_taken_for_one(fields):
    assert decode(sse(delta(**fields))) == [OTHER]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"content": "x"}, ["text"]),
        ({"content": " "}, ["text"]),
        ({"refusal": "no"}, ["text"]),
        ({"content": [{"type": "text", "text": "a"}, "b"]}, ["text"]),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]},
            ["reasoning"],
        ),
        ({"content": [{"type": "thinking", "thinking": "h"}]}, ["reasoning"]),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": ""}]}]},
            ["other"],
        ),
        ({"content": None, "reasoning": "h"}, ["reasoning"]),
        ({"content": None, "reasoning_content": "h"}, ["reasoning"]),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "h"}]}, ["reasoning"]),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "h"}]}, ["reasoning"]),
        ({"reasoning": "h", "content": "x"}, ["reasoning", "text"]),
        ({"tool_calls": [{"function": {"name": "f", "arguments": ""}}]}, ["tool"]),
        ({"tool_calls": [{"function": {"arguments": "{"}}]}, ["tool"]),
        ({"tool_calls": [{"function": {"arguments": {"a": 1}}}]}, ["tool"]),
        ({"tool_calls": [{"custom": {"input": "x"}}]}, ["tool"]),
        ({"function_call": {"name": "f"}}, ["tool"]),
        ({"audio": {"transcript": "x"}}, ["text"]),
        ({"audio": {"data": "AAAA"}}, ["text"]),
    ],
)
def test_what_is_a_token_is_of_its_kind(fields, expected):
    assert kinds(sse(delta(**fields))) == expected


def test_events_of_one_chunk_say_that_they_belong_together():
    events = decode(sse({"model": "m"} | delta(finish="stop", reasoning="h", content="x")))
    assert [(e.kind, e.joined) for e in events] == [
        ("meta", False),
        ("reasoning", True),
        ("text", True),
        ("finish", True),
    ]


def test_the_text_of_a_list_of_parts_is_joined():
    parts = [{"type": "text", "text": "a"}, "b", {"type": "text", "text": "c"}]
    assert only(sse(delta(content=parts))).text == "abc"


def test_azure_chunks_without_choices_or_delta_are_no_tokens():
    body = sse(
        {"id": "", "model": "", "choices": [], "prompt_filter_results": [{}]},
        {"choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}]},
        {"choices": [None, 3]},
        {"choices": None},
    )
    assert decode(body) == [OTHER] * 4


def test_of_several_choices_the_first_is_timed_and_all_count_as_events():
    body = sse(
        delta(content="a"),
        delta(content="B", index=1),
        delta(finish="length", index=1),
        {"choices": [{"delta": {"content": "c"}}]},
        delta(finish="stop"),
    )
    events = decode(body)
    assert [e.kind for e in events] == ["text", "other", "other", "text", "finish"]
    assert "".join(e.text for e in events) == "ac"
    assert events[-1].finish_reason == "stop"


def test_model_and_tier_are_told_once_and_when_they_change():
    body = sse(
        {"model": "a", "choices": []},
        {"model": "a", "choices": []},
        {"model": "a", "service_tier": "flex", "choices": []},
        {"model": "", "service_tier": None, "choices": []},
        {"model": "b\x00" + "x" * 500, "choices": []},
    )
    assert [(e.kind, e.model, e.service_tier) for e in decode(body)] == [
        ("meta", "a", None),
        ("other", None, None),
        ("meta", "a", "flex"),
        ("other", None, None),
        ("meta", "b " + "x" * 198, "flex"),
    ]


@pytest.mark.parametrize("field", ["model", "service_tier", "choices", "usage", "error", "x_groq"])
def test_values_nested_up_to_the_limit_of_the_stack_never_raise(field):
    for depth in range(500, 1000):
        chunk = f'data: {{"{field}": {"[" * depth}1{"]" * depth}}}\n\n'.encode()
        last = decode(chunk * 2)[-1]
        assert last.kind in ("other", "error")


# --- decode: usage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(input_total=9, output_total=2)),
        ({"prompt_tokens": 9, "completion_tokens": None}, Usage(input_total=9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, Usage(input_total=9)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": None}},
            Usage(input_total=9),
        ),
        (
            {
                "prompt_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            },
            Usage(input_total=9, cache_read=0, cache_write={"default": 0}),
        ),
        (
            {"prompt_tokens": 9, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1},
            Usage(input_total=9, cache_read=8),
        ),
        (
            {
                "prompt_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 0},
                "prompt_cache_hit_tokens": 8,
            },
            Usage(input_total=9, cache_read=0),
        ),
        ({"completion_tokens": 5, "reasoning_tokens": 3}, Usage(output_total=5, reasoning=3)),
        ({"prompt_tokens": 9.0}, Usage(input_total=9)),
        (
            {"prompt_tokens": 9, "cost": 0.0133176},
            Usage(input_total=9, cost_usd=Decimal("0.0133176")),
        ),
        ({"prompt_tokens": 9, "cost": 0}, Usage(input_total=9, cost_usd=Decimal(0))),
    ],
)
def test_usage_tells_absent_from_zero(reported, expected):
    assert only(sse({"choices": [], "usage": reported})).usage == expected


@pytest.mark.parametrize(
    "reported",
    [
        None,
        {},
        [],
        "9",
        {"prompt_tokens": None},
        {"prompt_tokens": -1},
        {"prompt_tokens": True},
        {"prompt_tokens": "9"},
        {"prompt_tokens": 9.5},
        {"prompt_tokens": 10**40},
        {"cost": "0.1"},
        {"cost": -1},
        {"cost": 1e-40},
        {"cost": False},
        {"cost": {"total": 1}},
    ],
)
def test_a_number_of_the_wrong_kind_was_not_reported(reported):
    assert decode(sse({"choices": [], "usage": reported})) == [OTHER]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_were_not_reported(number):
    body = f'data: {{"choices": [], "usage": {{"prompt_tokens": {number}, "cost": {number}}}}}\n\n'
    assert decode(body.encode()) == [OTHER]


def test_usage_on_every_chunk_and_in_x_groq():
    body = sse(
        delta(content="a") | {"usage": {"prompt_tokens": 9, "completion_tokens": 1}},
        delta(finish="stop") | {"x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 2}}},
    )
    assert [e.usage.output_total for e in decode(body) if e.usage] == [1, 2]
    assert kinds(body) == ["text", "usage", "finish", "usage"]


# --- decode: errors and ends --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        (
            b'data: {"error":{"message":"m","type":"server_error","code":null}}\n\n',
            "server_error",
            "server_error",
            "m",
        ),
        (b'data: {"error":"it broke"}\n\n', "server_error", None, "it broke"),
        (
            (
                b"event: error\n"
                b'data: {"error":{"message":"m","code":"tool_use_failed","status_code":400}}\n\n'
            ),
            "bad_request",
            "tool_use_failed",
            "m",
        ),
        (b'event: error\ndata: {"message":"m","code":429}\n\n', "rate_limited", None, "m"),
        (b"event: error\ndata: out of memory\n\n", "server_error", None, "out of memory"),
        (b'event: error\ndata: "out of memory"\n\n', "server_error", None, "out of memory"),
        (b'event: error\ndata: {"error": null}\n\n', "server_error", None, '{"error": null}'),
        (b'data: [{"error":{"message":"m","code":503}}]\n\n', "overloaded", None, "m"),
        (b'data: {"choices":[],"x_groq":{"error":"stopped"}}\n\n', "server_error", None, "stopped"),
        (
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]}\n\n',
            "server_error",
            "abort",
            "finish_reason: abort",
        ),
        (
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}\n\n',
            "server_error",
            None,
            "finish_reason: error",
        ),
    ],
)
def test_errors_inside_the_stream(body, status, code, detail):
    failure = decode(body)[-1].failure
    assert (failure.status, failure.code, failure.detail) == (status, code, detail)
    assert (failure.http_status, failure.retryable) == (
        200,
        status in ("overloaded", "rate_limited") or code == "server_error",
    )


@pytest.mark.parametrize("falsy", [None, "", {}, 0, False])
def test_an_empty_error_field_is_no_error(falsy):
    assert kinds(sse(delta(content="x") | {"error": falsy})) == ["text"]


def test_usage_of_an_error_chunk_is_kept_and_nothing_after_it():
    body = sse(
        delta(content="a"),
        delta(content="") | {"error": {"code": 400, "message": "m"}, "usage": {"prompt_tokens": 4}},
        delta(content="b"),
        done=True,
    )
    assert kinds(body) == ["text", "usage", "error"]


def test_done_is_a_prefix_and_the_end():
    assert kinds(b"data: [DONE] bye\n\n" + sse(delta(content="late"))) == ["end"]
    assert kinds(b"data: [DONE]") == ["end"]


def test_comments_and_strange_events_prove_life_and_nothing_else():
    body = (
        b": ping\n\nevent: sglext_ids\ndata: not json\n\ndata: 17\n\ndata: null\n\n"
        b"data: []\n\ndata:\ndata:\n\nid: 3\n\n" + sse({"object": "new.thing"})
    )
    assert decode(body) == [OTHER] * 7


@pytest.mark.parametrize("data", [b"{", b"\xff{}", b"hello", b"[" * 5000, "{}".encode("utf-16-le")])
def test_an_event_that_is_no_json_is_a_failure_but_usage_may_follow(data):
    body = (
        b"data: " + data + b"\n\n" + sse({"choices": [], "usage": {"prompt_tokens": 1}}, done=True)
    )
    events = decode(body)
    assert [e.kind for e in events] == ["error", "usage", "end"]
    assert events[0].failure.status == "malformed"


def test_half_an_event_at_the_end_is_dropped_and_a_whole_one_is_not():
    assert decode(b'data: {"choices": [{"ind') == []
    assert kinds(b'data: {"choices":[{"delta":{"content":"x"}}]}') == ["text"]


def test_an_event_beyond_all_bounds_is_malformed():
    stream = decoder(OK)
    events = [e for _ in range(150) for e in stream.feed(b"x" * 65536)]
    assert [e.failure.status for e in events] == ["malformed"]
    assert stream.close() == []


# --- decode: no stream at all -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"error":{"message":"m","code":"rate_limit_exceeded"}}', "rate_limited"),
        (b'[{"error":{"code":503,"message":"m"}}]', "overloaded"),
        (b'{"detail":"m"}', "server_error"),
        (
            b'{"object":"chat.completion","choices":[{"index":0,"message":{"content":"Hi"}}]}',
            "not_streamed",
        ),
        (b'{"error":{"message":"m"},"choices":[{}]}', "server_error"),
        (b'{"hello":1}', "malformed"),
        (b"[]", "malformed"),
        (b"[1]", "malformed"),
        (b"{ no json", "malformed"),
    ],
)
def test_a_json_body_instead_of_a_stream(body, status):
    assert decode(body)[-1].failure.status == status


def test_an_answer_in_one_piece_still_tells_its_usage():
    body = json.dumps(
        {
            "model": "m",
            "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }
    ).encode()
    assert kinds(body) == ["meta", "finish", "usage", "error"]


def test_a_text_among_the_parameters_may_be_read_and_is_reserved_for():
    """vLLM takes a chat template with the request: a head's could be larger than its prompts."""
    row = PROVIDERS["openai-compatible"]
    plain = row.bound_input(request())
    assert row.bound_input(request(params={"chat_template": "ü" * 5000})) >= plain + 10_000
    assert row.bound_input(request(params={"reasoning_effort": "high"})) == plain


# --- decode: times, filters, answers in one piece ------------------------------------------------


def test_times_of_the_server_come_with_their_chunk():
    timings = {"prompt_n": 4, "cache_n": 2, "predicted_n": 3, "prompt_ms": 250, "predicted_ms": 500}
    body = sse(delta(content="a"), delta(finish="stop") | {"timings": timings})
    events = decode(body)
    assert [(e.kind, e.joined) for e in events[1:]] == [
        ("finish", False),
        ("usage", True),
        ("meta", True),
    ]
    assert events[2].usage == Usage(input_total=6, output_total=3, cache_read=2)
    assert events[3].server == ServerTimes(source="timings", prompt_s=0.25, generation_s=0.5)


def test_counts_beside_timings_give_way_to_usage():
    timings = {"prompt_n": 4, "predicted_n": 3}
    chunk = {"choices": [], "usage": {"prompt_tokens": 9}, "timings": timings}
    assert [e.usage for e in decode(sse(chunk))] == [Usage(input_total=9)]


def test_a_filtered_answer_is_a_failure_whose_usage_still_counts():
    body = sse(
        delta(content="a"),
        delta(finish="content_filter"),
        {"choices": [], "usage": {"prompt_tokens": 9}},
        done=True,
    )
    events = decode(body)
    assert [e.kind for e in events] == ["text", "finish", "error", "usage", "end"]
    assert (events[2].failure.status, events[2].failure.retryable) == ("content_filter", False)


def test_what_a_stream_repeats_in_message_is_no_output():
    chunk = delta(content="b")
    chunk["choices"][0]["message"] = {"role": "assistant", "content": "ab"}
    assert [e.text for e in decode(sse(delta(content="a"), chunk))] == ["a", "b"]


def in_one_piece(body: object) -> list[StreamEvent]:
    answer = whole(ResponseHead(status=200, headers={"content-type": "application/json"}))
    return [*answer.feed(json.dumps(body).encode()), *answer.close()]


def test_an_answer_in_one_piece():
    message = {
        "role": "assistant",
        "content": "Hello",
        "reasoning_content": "hm",
        "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
    }
    events = in_one_piece(
        {
            "model": "m",
            "service_tier": "flex",
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls"},
                {"index": 1, "message": {"content": "Other"}, "finish_reason": "length"},
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }
    )
    assert events == [
        StreamEvent(kind="meta", model="m", service_tier="flex"),
        StreamEvent(kind="reasoning", joined=True),
        StreamEvent(kind="text", text="Hello", joined=True),
        StreamEvent(kind="tool", joined=True),
        StreamEvent(kind="finish", finish_reason="tool_calls", joined=True),
        StreamEvent(kind="usage", usage=Usage(input_total=1, output_total=2), joined=True),
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "m", "code": 503}, "usage": {"prompt_tokens": 1}}, "overloaded"),
        ({"choices": [{"message": {}, "finish_reason": "content_filter"}]}, "content_filter"),
        ({"detail": "m"}, "malformed"),
        ([], "server_error"),
    ],
)
def test_what_else_may_come_in_one_piece(body, status):
    assert in_one_piece(body)[-1].failure.status == status

import json

import pytest

from lens_gate.providers.openai_responses import PARAMS, RESERVED, decoder, failure, refuse, whole
from lens_gate.providers.table import PROVIDERS, param_problems
from lens_gate.records.exchange import ChatRequest, Endpoint, ResponseHead, StreamEvent, Usage
from lens_gate.records.policy import Image, Message, Tool, ToolCall

ROW = PROVIDERS["openai-responses"]
OK = ResponseHead(status=200, headers={"content-type": "text/event-stream"})
ENDPOINT = Endpoint(base_url="https://host/v1", region=None, headers={})
OTHER = StreamEvent(kind="other")
END = StreamEvent(kind="end")
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {
        "cached_tokens": 4,
        "cache_write_tokens": 2,
        "cache_write_tokens_details": {"ttl_30m_tokens": 2, "ttl_12h_tokens": 0},
    },
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 21,
}
COUNTED = Usage(
    input_total=9,
    output_total=12,
    cache_read=4,
    cache_write={"30m": 2, "12h": 0},
    reasoning=5,
)


def request(**changes) -> ChatRequest:
    fields = {
        "model": "m",
        "messages": (Message(role="user", content="Grüße"),),
        "system": None,
        "max_output_tokens": 32,
        "params": {},
    }
    return ChatRequest(**(fields | changes))


def sent(**changes) -> dict:
    return json.loads(ROW.encode(request(**changes), ENDPOINT).body)


def sse(*events: dict, named: bool = True) -> bytes:
    lines = (
        (f"event: {event['type']}\n" if named and "type" in event else "")
        + f"data: {json.dumps(event)}\n\n"
        for event in events
    )
    return "".join(lines).encode()


def decode(body: bytes) -> list[StreamEvent]:
    stream = decoder(OK)
    return [*stream.feed(body), *stream.close()]


def read(body: object) -> list[StreamEvent]:
    answer = whole(OK)
    return [*answer.feed(json.dumps(body).encode()), *answer.close()]


def bare(events: list[StreamEvent]) -> list[tuple]:
    return [
        (e.kind, e.text or e.finish_reason or e.model or (e.failure and e.failure.status))
        for e in events
    ]


def ended(name="completed", **fields) -> dict:
    response = {"object": "response", "model": "gpt-x", "status": name, "usage": USAGE, **fields}
    return {"type": f"response.{name}", "response": response}


# --- encode -------------------------------------------------------------------------------------


def test_a_stream_is_asked_for_and_nothing_is_stored():
    asked = ROW.encode(request(system="Be kind.", params={"temperature": 0}), ENDPOINT)
    assert (asked.method, asked.url, asked.auth) == (
        "POST",
        "https://host/v1/responses",
        "bearer",
    )
    assert json.loads(asked.body) == {
        "model": "m",
        "input": [{"role": "user", "content": "Grüße"}],
        "instructions": "Be kind.",
        "max_output_tokens": 32,
        "store": False,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "temperature": 0,
    }
    assert sent(params={"store": True})["store"] is True


def test_tools_are_not_strict_as_they_are_not_in_chat():
    tool = Tool(name="f", description="d", parameters={"type": "object"})
    assert sent(tools=(tool,))["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object"},
            "strict": False,
        }
    ]
    assert "tools" not in sent()


def test_calls_and_their_answers_are_items():
    call = ToolCall(id="c1", name="f", arguments="{}")
    turns = (
        Message(role="user", content="?"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="rain", tool_call_id="c1"),
        Message(role="assistant", content="Well.", tool_calls=(call,)),
        Message(role="assistant", content=""),
    )
    item = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    assert sent(messages=turns)["input"] == [
        {"role": "user", "content": "?"},
        item,
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"role": "assistant", "content": "Well."},
        item,
        {"role": "assistant", "content": ""},
    ]


def test_images_are_parts():
    images = (Image(url="https://p/cat.png"), Image(base64="QUJD", media_type="image/webp"))
    parts = [
        {"type": "input_image", "image_url": "https://p/cat.png"},
        {"type": "input_image", "image_url": "data:image/webp;base64,QUJD"},
    ]
    turn = Message(role="user", content="What?", images=images)
    text = {"type": "input_text", "text": "What?"}
    assert sent(messages=(turn,))["input"] == [{"role": "user", "content": [text, *parts]}]
    turn = Message(role="user", content="", images=images)
    assert sent(messages=(turn,))["input"] == [{"role": "user", "content": parts}]


def test_no_parameter_takes_the_place_of_a_field_of_the_protocol():
    assert sent(params=dict.fromkeys(RESERVED, 999)) == sent()
    assert not PARAMS & RESERVED


def test_a_seed_is_refused_and_told_once():
    (problem,) = param_problems(ROW, {"seed": 7, "temperature": 0}, {})
    assert (problem.name, problem.message) == ("seed", "the Responses API takes no seed")
    assert "chat completions" in problem.hint
    assert refuse({"temperature": 0}, {}) == {}


# --- decode -------------------------------------------------------------------------------------


def test_a_whole_stream():
    created = {"object": "response", "model": "gpt-x", "service_tier": "auto", "usage": None}
    item = {"type": "message", "content": []}
    body = sse(
        {"type": "response.created", "response": created},
        {"type": "response.in_progress", "response": created},
        {"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_item.added", "item": item},
        {"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}},
        {"type": "response.output_text.delta", "delta": "Hel"},
        {"type": "response.output_text.delta", "delta": "lo"},
        {"type": "response.output_text.done", "text": "Hello"},
        {"type": "response.output_item.done", "item": {"type": "message", "content": ["Hello"]}},
        ended(service_tier="default"),
    )
    events = decode(body)
    assert events == decode(body.replace(b"event: ", b"x: "))
    assert events == [
        StreamEvent(kind="meta", model="gpt-x"),
        OTHER,
        OTHER,
        StreamEvent(kind="reasoning"),
        OTHER,
        OTHER,
        StreamEvent(kind="text", text="Hel"),
        StreamEvent(kind="text", text="lo"),
        OTHER,
        OTHER,
        StreamEvent(kind="meta", model="gpt-x", service_tier="default"),
        StreamEvent(kind="finish", finish_reason="completed", joined=True),
        StreamEvent(kind="usage", usage=COUNTED, joined=True),
        StreamEvent(kind="end", joined=True),
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("output_text", "text"),
        ("refusal", "text"),
        ("reasoning_text", "reasoning"),
        ("reasoning_summary_text", "reasoning"),
        ("function_call_arguments", "tool"),
        ("custom_tool_call_input", "tool"),
        ("mcp_call_arguments", "tool"),
        ("code_interpreter_call_code", "tool"),
    ],
)
def test_every_delta_is_of_its_kind_and_an_empty_one_is_none(kind, expected):
    event = {"type": f"response.{kind}.delta", "delta": "x", "sequence_number": 3}
    text = "x" if expected == "text" else ""
    assert decode(sse(event)) == [StreamEvent(kind=expected, text=text)]
    for empty in ("", None, 7, {"a": 1}):
        assert decode(sse(event | {"delta": empty})) == [OTHER]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"type": "function_call", "name": "f", "arguments": ""}, "tool"),
        ({"type": "custom_tool_call", "name": "f"}, "tool"),
        ({"type": "function_call", "name": ""}, "other"),
        ({"type": "web_search_call", "name": "f"}, "other"),
        ({"type": "message", "content": [{"type": "output_text", "text": "x"}]}, "other"),
        ("odd", "other"),
        (None, "other"),
    ],
)
def test_a_calls_name_is_its_first_byte(item, expected):
    event = {"type": "response.output_item.added", "item": item}
    assert [e.kind for e in decode(sse(event))] == [expected]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ended(), [("finish", "completed"), ("usage", None)]),
        (
            ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            [("finish", "max_output_tokens"), ("usage", None)],
        ),
        (ended("incomplete"), [("finish", "incomplete"), ("usage", None)]),
        (
            ended("incomplete", incomplete_details={"reason": "content_filter"}),
            [("finish", "content_filter"), ("usage", None), ("error", "content_filter")],
        ),
        (
            ended("failed", error={"code": "server_error", "message": "m"}),
            [("usage", None), ("error", "server_error")],
        ),
        (
            ended("failed", error={"code": "rate_limit_exceeded", "message": "m"}, usage=None),
            [("error", "rate_limited")],
        ),
        (ended("failed"), [("usage", None), ("error", "server_error")]),
        (ended("cancelled"), [("usage", None), ("error", "server_error")]),
        # The event's name says it where the response does not.
        (ended("completed", status=None), [("finish", "completed"), ("usage", None)]),
        (ended("completed", status="failed"), [("usage", None), ("error", "server_error")]),
    ],
)
def test_every_terminal_event_ends_it_and_says_how(event, expected):
    assert bare(decode(sse(event))) == [("meta", "gpt-x"), *expected, ("end", None)]


def test_an_ending_without_a_response_ends_it_all_the_same():
    assert bare(decode(sse({"type": "response.completed"}))) == [
        ("finish", "completed"),
        ("end", None),
    ]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (sse({"type": "error", "code": "server_error", "message": "m"}), "server_error", "m"),
        (
            sse({"type": "error", "code": "rate_limit_exceeded", "message": "m"}, named=False),
            "rate_limited",
            "m",
        ),
        (
            sse({"type": "error", "error": {"code": "server_error", "message": "m"}}),
            "server_error",
            "m",
        ),
        (sse({"error": {"message": "m", "code": 503}}), "overloaded", "m"),
        (b"event: error\ndata: out of memory\n\n", "server_error", "out of memory"),
    ],
)
def test_errors_inside_the_stream(body, status, detail):
    late = sse({"type": "response.output_text.delta", "delta": "late"})
    (event,) = decode(body + late)
    assert (event.kind, event.failure.status, event.failure.detail) == ("error", status, detail)


def test_nothing_counts_after_the_end_and_done_is_one():
    late = sse({"type": "response.output_text.delta", "delta": "late"})
    assert (
        decode(sse({"type": "response.completed"}) + late + b"data: [DONE]\n\n")[-1].kind == "end"
    )
    assert decode(b"data: [DONE]\n\n" + late) == [END]


def test_a_named_event_that_is_no_json_is_a_failure_and_a_strange_one_is_not():
    (event,) = decode(b"event: response.output_text.delta\ndata: oops\n\n")
    assert event.failure.status == "malformed"
    assert decode(b"event: novelty\ndata: oops\n\n") == [OTHER]


def test_an_http_error_is_told():
    head = ResponseHead(status=404, headers={})
    told = failure(head, b'{"error":{"message":"no such model","code":"model_not_found"}}')
    assert (told.status, told.detail) == ("not_found", "no such model")


# --- in one piece -------------------------------------------------------------------------------


def answer(**fields) -> dict:
    return {"object": "response", "status": "completed", "error": None, "output": [], **fields}


def test_a_response_in_one_piece():
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "summary": [], "content": [{"text": "raw"}]},
        {"type": "reasoning", "summary": []},
        {
            "type": "message",
            "content": [
                {"type": "output_text", "text": "Hello"},
                {"type": "refusal", "refusal": " no"},
                "odd",
            ],
        },
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "web_search_call"},
        "odd",
    ]
    events = read(answer(output=output, model="gpt-x", service_tier="flex", usage=USAGE))
    assert bare(events) == [
        ("reasoning", None),
        ("reasoning", None),
        ("text", "Hello no"),
        ("tool", None),
        ("meta", "gpt-x"),
        ("finish", "completed"),
        ("usage", None),
    ]
    assert [e.joined for e in events] == [False] + [True] * 6
    assert (events[4].service_tier, events[6].usage) == ("flex", COUNTED)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (answer(status="queued"), [("error", "malformed")]),
        (
            answer(status="failed", error={"code": "server_error"}, usage=USAGE),
            [("usage", None), ("error", "server_error")],
        ),
        (
            answer(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            [("finish", "max_output_tokens")],
        ),
        ({"error": {"message": "m", "code": "insufficient_quota"}}, [("error", "quota")]),
        ({"hello": 1}, [("error", "malformed")]),
        ([{"error": {"code": 503}}], [("error", "overloaded")]),
    ],
)
def test_what_else_may_come_in_one_piece(body, expected):
    assert bare(read(body)) == expected


@pytest.mark.parametrize("body", [b"", b" \n\r\n "])
def test_nothing_is_no_answer(body):
    answer = whole(OK)
    assert [*answer.feed(body), *answer.close()] == []


def test_a_body_that_is_no_json_is_malformed():
    answer = whole(OK)
    (event,) = [*answer.feed(b"data: {}\n\n"), *answer.close()]
    assert (event.failure.status, event.failure.detail) == (
        "malformed",
        "an answer that is no JSON",
    )


def test_a_response_where_a_stream_was_asked_for_still_tells_its_usage():
    body = answer(model="m", usage=USAGE, output=[{"type": "message"}])
    events = decode(json.dumps(body).encode())
    assert bare(events) == [
        ("meta", "m"),
        ("finish", "completed"),
        ("usage", None),
        ("error", "not_streamed"),
    ]

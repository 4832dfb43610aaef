import json

import pytest

from lens_gate.errors import LensError
from lens_gate.providers import bedrock
from lens_gate.providers.answer import collect, judge_answer
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    Read,
    ResponseHead,
    ServerTimes,
    Signing,
    StreamEvent,
    Usage,
)
from lens_gate.records.policy import Image, Message, Tool, ToolCall

TYPE = "application/vnd.amazon.eventstream"
OK = ResponseHead(status=200, headers={"content-type": TYPE})
HOST = "https://bedrock-runtime.eu-west-1.amazonaws.com"
OTHER = StreamEvent(kind="other")
ROW = PROVIDERS["bedrock"]


def decode(body: bytes) -> list[StreamEvent]:
    stream = bedrock.decoder(OK)
    return [*stream.feed(body), *stream.close()]


def judged(body: bytes):
    decoded = collect(ROW, OK, body, [Read(end=len(body), at_ns=1)])
    return decoded, judge_answer(
        OK, decoded, ended="clean", body_length=len(body), media_type=ROW.media_type
    )


# --- encode -------------------------------------------------------------------------------------


def encode(**changes):
    place = {"base_url": HOST, "region": "eu-west-1", "headers": {}, "credentials": "aws"}
    question = {
        "model": "us.amazon.nova-micro-v1:0",
        "messages": (Message(role="user", content="Hi"),),
        "system": None,
        "max_output_tokens": 32,
        "params": {},
    }
    for key, value in changes.items():
        (question if key in ChatRequest.__slots__ else place)[key] = value
    return ROW.encode(ChatRequest(**question), Endpoint(**place))


def test_a_request():
    sent = encode(params={"temperature": 0, "serviceTier": {"type": "flex"}}, system="Be kind.")
    assert sent.url == f"{HOST}/model/us.amazon.nova-micro-v1%3A0/converse-stream"
    assert (sent.auth, sent.signing) == ("sigv4", Signing(service="bedrock", region="eu-west-1"))
    assert sent.headers["Accept"] == TYPE
    assert json.loads(sent.body) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"temperature": 0, "maxTokens": 32},
        "serviceTier": {"type": "flex"},
        "system": [{"text": "Be kind."}],
    }


def test_an_answer_in_one_piece_is_asked_for():
    sent = encode(stream=False)
    assert sent.url.endswith("/converse")
    assert sent.headers["Accept"] == "application/json"


def test_trap_22_an_arn_is_one_segment_of_the_path():
    arn = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x:0"
    assert encode(model=arn).url == (
        f"{HOST}/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x%3A0"
        "/converse-stream"
    )


@pytest.mark.parametrize(
    ("credentials", "auth", "signed"),
    [("aws", "sigv4", True), ("key", "bearer", False), ("none", "none", False)],
)
def test_what_authorises_it(credentials, auth, signed):
    sent = encode(credentials=credentials)
    assert (sent.auth, sent.signing is not None) == (auth, signed)


@pytest.mark.parametrize(
    ("base_url", "region", "expected"),
    [
        (HOST, "us-east-2", "us-east-2"),
        (HOST, None, "eu-west-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", None, "us-gov-west-1"),
        ("http://127.0.0.1:80", None, "us-east-1"),
    ],
)
def test_the_region_that_it_is_signed_for(base_url, region, expected):
    assert encode(base_url=base_url, region=region).signing.region == expected


def test_each_region_has_its_host():
    assert ROW.regional("eu-west-1") == HOST
    assert ROW.regional("cn-north-1") == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"


def unfit(params=None, **settings):
    place = {"base_url": "", "region": None, "headers": {}} | settings
    return ROW.unfit(params or {}, Endpoint(**place))


def test_settings_that_do_not_fit():
    assert unfit(region="us-east-1") == unfit(base_url=HOST) == {}
    assert unfit().keys() == unfit(region="evil.example/").keys() == {"region"}
    lifted = unfit({"additionalModelRequestFields": {"max_tokens": 9}}, base_url=HOST)
    assert lifted["additionalModelRequestFields"][0] == "'max_tokens' is set by the protocol"
    for fine in ({"top_k": 5}, 7):
        assert unfit({"additionalModelRequestFields": fine}, base_url=HOST) == {}


def test_tools_images_and_turns_of_tool_use():
    messages = (
        Message(
            role="user",
            content="Look",
            images=(Image(base64="/9j/AAAA"), Image(base64="AAAA", media_type="image/jpg")),
        ),
        Message(
            role="assistant",
            content="",
            tool_calls=(ToolCall(id="t1", name="f", arguments='{"a": 1}'),),
        ),
        Message(role="tool", content="4", tool_call_id="t1"),
        Message(role="user", content="Well?"),
        Message(role="assistant", content=""),
    )
    tools = (
        Tool(name="f", description="adds", parameters={"type": "object"}),
        Tool(name="g", description="", parameters={}),
    )
    body = json.loads(
        encode(messages=messages, tools=tools, params={"toolChoice": {"any": {}}}).body
    )
    assert body["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "f",
                    "description": "adds",
                    "inputSchema": {"json": {"type": "object"}},
                }
            },
            {"toolSpec": {"name": "g", "inputSchema": {"json": {}}}},
        ],
        "toolChoice": {"any": {}},
    }
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"image": {"format": "jpeg", "source": {"bytes": "/9j/AAAA"}}},
                {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                {"text": "Look"},
            ],
        },
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "4"}]}},
                {"text": "Well?"},
            ],
        },
        {"role": "assistant", "content": [{"text": ""}]},
    ]
    plain = json.loads(encode(tools=tools[:1]).body)
    assert "toolChoice" not in plain["toolConfig"]


@pytest.mark.parametrize("name", ["bedrock", "bedrock-invoke"])
def test_an_image_by_its_address_is_refused_before_anything_is_planned(name):
    row = PROVIDERS[name]
    asked = ChatRequest(
        model="anthropic.x",
        messages=(Message(role="user", content="", images=(Image(url="https://x/y"),)),),
        system=None,
        max_output_tokens=1,
        params={},
    )
    place = Endpoint(base_url=HOST, region=None, headers={})
    for attempt in (lambda: row.bound_input(asked), lambda: row.encode(asked, place)):
        with pytest.raises(LensError, match="no image by its address"):
            attempt()


def test_no_parameter_takes_the_place_of_a_field_of_the_protocol():
    hostile = dict.fromkeys(bedrock.RESERVED, 999)
    assert encode(params=hostile).body == encode().body


# --- decode -------------------------------------------------------------------------------------


def test_a_whole_stream(frame):
    body = b"".join(
        [
            frame("messageStart", {"role": "assistant", "p": "abc"}),
            frame("contentBlockDelta", {"delta": {"reasoningContent": {"text": "Hm"}}}),
            frame("contentBlockDelta", {"delta": {"reasoningContent": {"signature": "x"}}}),
            frame("contentBlockDelta", {"delta": {"text": "Hi"}, "p": "abcdef"}),
            frame("contentBlockStop", {"contentBlockIndex": 0}),
            frame("messageStop", {"stopReason": "end_turn"}),
            frame(
                "metadata",
                {
                    "usage": {
                        "inputTokens": 10,
                        "outputTokens": 7,
                        "totalTokens": 36,
                        "cacheReadInputTokens": 15,
                        "cacheWriteInputTokens": 4,
                        "cacheDetails": [{"ttl": "1h", "inputTokens": 4}],
                    },
                    "metrics": {"latencyMs": 422},
                    "serviceTier": {"type": "priority"},
                },
            ),
        ]
    )
    times = ServerTimes(source="metrics.latencyMs", total_s=pytest.approx(0.422))
    assert decode(body) == [
        OTHER,
        StreamEvent(kind="reasoning"),
        OTHER,
        StreamEvent(kind="text", text="Hi"),
        OTHER,
        StreamEvent(kind="finish", finish_reason="end_turn"),
        StreamEvent(kind="meta", service_tier="priority", server=times),
        StreamEvent(
            kind="usage",
            joined=True,
            usage=Usage(input_total=29, output_total=7, cache_read=15, cache_write={"1h": 4}),
        ),
        StreamEvent(kind="end", joined=True),
    ]
    decoded, failure = judged(body)
    assert failure is None
    assert decoded.usage_final
    assert decoded.server == times


@pytest.mark.parametrize(
    ("event", "payload", "kinds"),
    [
        ("contentBlockDelta", {"delta": {"text": ""}}, ["other"]),
        ("contentBlockDelta", {}, ["other"]),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": '{"a'}}}, ["tool"]),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": ""}}}, ["other"]),
        ("contentBlockDelta", {"delta": {"citation": {}}}, ["other"]),
        ("contentBlockDelta", {"delta": {"reasoningContent": {"redactedContent": "x"}}}, ["other"]),
        ("contentBlockStart", {"start": {"toolUse": {"toolUseId": "t", "name": "f"}}}, ["tool"]),
        ("contentBlockStart", {"start": {}}, ["other"]),
        ("messageStop", {}, ["other"]),
        ("messageStop", {"stopReason": "guardrail_intervened"}, ["finish", "error"]),
        ("messageStop", {"stopReason": "malformed_model_output"}, ["finish", "error"]),
        ("metadata", {}, ["end"]),
        ("metadata", {"performanceConfig": {"latency": "optimized"}}, ["meta", "end"]),
        ("initial-response", {}, ["other"]),
        ("novelty", {"delta": {"text": "x"}}, ["other"]),
        ("novelty", [1], ["other"]),
        ("novelty", b"nope", ["other"]),
        ("messageStop", b"nope", ["error"]),
        ("contentBlockDelta", b"\xff", ["error"]),
    ],
)
def test_trap_19_one_event(frame, event, payload, kinds):
    assert [e.kind for e in decode(frame(event, payload))] == kinds


def test_latency_optimised_inference_is_told_as_a_tier(frame):
    told = {"performanceConfig": {"latency": "optimized"}, "serviceTier": {"type": "default"}}
    assert decode(frame("metadata", told))[0].service_tier == "optimized"


def test_a_stop_by_a_filter_is_billed(frame):
    usage = {"usage": {"inputTokens": 3, "outputTokens": 1}}
    body = frame("messageStop", {"stopReason": "content_filtered"}) + frame("metadata", usage)
    decoded, failure = judged(body)
    assert (failure.status, failure.code) == ("content_filter", "content_filtered")
    assert decoded.usage == Usage(input_total=3, output_total=1)
    assert decoded.usage_final


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, None),
        ({"inputTokens": 5}, Usage(input_total=5)),
        ({"outputTokens": 5}, Usage(output_total=5)),
        (
            {"inputTokens": 1, "cacheWriteInputTokens": 9},
            Usage(input_total=10, cache_write={"default": 9}),
        ),
        (
            {
                "inputTokens": 1,
                "cacheWriteInputTokens": 9,
                "cacheDetails": [
                    {"ttl": "5m", "inputTokens": 2},
                    {"ttl": "5m", "inputTokens": 3},
                    {"ttl": None, "inputTokens": 3},
                    {"ttl": "1h"},
                ],
            },
            Usage(input_total=10, cache_write={"5m": 5, "default": 4}),
        ),
        (
            {
                "inputTokens": 1,
                "cacheWriteInputTokens": 2,
                "cacheDetails": [{"ttl": "5m", "inputTokens": 3}],
            },
            Usage(input_total=3, cache_write={"default": 2}),
        ),
        (
            {"inputTokens": 1, "cacheDetails": [{"ttl": "5m", "inputTokens": 3}]},
            Usage(input_total=1, cache_write={"5m": 3}),
        ),
    ],
)
def test_trap_17_cached_tokens_are_exclusive(frame, usage, expected):
    events = decode(frame("metadata", {"usage": usage}))
    assert [e.usage for e in events if e.usage] == ([] if expected is None else [expected])


EXCEPTION = {"message_type": "exception", "exception_type": "throttlingException"}


def test_trap_21_an_exception_after_text(frame):
    body = frame("contentBlockDelta", {"delta": {"text": "x"}})
    body += frame(payload={"message": "Too many requests"}, **EXCEPTION)
    body += frame("contentBlockDelta", {"delta": {"text": "late"}})
    events = decode(body)
    assert [e.kind for e in events] == ["text", "error"]
    failure = events[1].failure
    assert (failure.status, failure.code, failure.detail, failure.retryable) == (
        "rate_limited",
        "throttlingException",
        "Too many requests",
        True,
    )
    assert judged(body)[1] == failure


@pytest.mark.parametrize(
    ("name", "payload", "status", "retryable"),
    [
        ("internalServerException", {"message": "m"}, "server_error", True),
        ("modelStreamErrorException", {"message": "m"}, "server_error", True),
        (
            "modelStreamErrorException",
            {"message": "m", "originalStatusCode": 400},
            "server_error",
            False,
        ),
        ("validationException", {"message": "m"}, "bad_request", False),
        (
            "validationException",
            {"message": "Input is too long for requested model."},
            "context_too_long",
            False,
        ),
        ("serviceUnavailableException", {"Message": "m"}, "overloaded", True),
        ("modelTimeoutException", {"message": "m"}, "server_error", True),
        ("brandNewException", b"m", "server_error", False),
    ],
)
def test_exceptions_by_name(frame, name, payload, status, retryable):
    (event,) = decode(frame(payload=payload, message_type="exception", exception_type=name))
    failure = event.failure
    assert (failure.status, failure.retryable, failure.code) == (status, retryable, name)


def test_an_unmodelled_error_stands_in_the_headers(frame):
    headers = {"message_type": "error", "error_code": "InternalFailure", "error_message": "oops"}
    (event,) = decode(frame(payload=b"", **headers))
    assert (event.failure.code, event.failure.detail) == ("InternalFailure", "oops")


def test_trap_20_nothing_counts_after_the_last_word(frame):
    usage = frame("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}})
    late = frame("contentBlockDelta", {"delta": {"text": "late"}})
    assert [e.kind for e in decode(usage + late)] == ["usage", "end"]


def test_traps_1_and_21_a_broken_stream_is_malformed_and_a_cut_one_truncated(frame):
    good = frame("contentBlockDelta", {"delta": {"text": "x"}})
    assert judged(good[:-1] + b"\0")[1].status == "malformed"
    assert judged(good + good[:-1])[1].status == "truncated"
    assert judged(good)[1].status == "truncated"
    assert judged(b"")[1].status == "empty"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"output": {"message": {}}, "stopReason": "end_turn"}, "not_streamed"),
        ({"message": "The security token is expired", "__type": "ExpiredTokenException"}, "auth"),
        ([1], "server_error"),
    ],
)
def test_json_instead_of_a_stream(body, status):
    (event,) = decode(json.dumps(body).encode())
    assert event.failure.status == status


def test_text_that_begins_like_json_is_no_stream():
    (event,) = decode(b"{oops")
    assert event.failure.status == "malformed"


# --- the watch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 10, 10**6])
def test_the_watch_stops_at_the_last_word(frame, size):
    start = frame("contentBlockDelta", {"delta": {"text": '"metadata" messageStop'}})
    start += frame("messageStop", {"stopReason": "end_turn"})
    ends = {
        "metadata": frame("metadata", {"usage": {}}),
        "exception": frame(payload={"message": "m"}, **EXCEPTION),
        "broken": b"nonsense nonsense",
    }
    for end in ends.values():
        watch = bedrock.watch(OK)
        assert not any(watch(start[i : i + size]) for i in range(0, len(start), size))
        assert any(watch(end[i : i + size]) for i in range(0, len(end), size))


def test_the_watch_is_not_taken_in_by_what_can_not_be_read(frame):
    watch = bedrock.watch(OK)
    assert not watch(frame("metadata", b"nope"))
    assert not bedrock.watch(OK)(b'{"message": 1}')


# --- in one piece, errors -----------------------------------------------------------------------


def in_one_piece(value) -> list[StreamEvent]:
    reader = bedrock.whole(OK)
    return [*reader.feed(json.dumps(value).encode()), *reader.close()]


def test_an_answer_in_one_piece():
    content = [
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"text": "Hi"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}},
        7,
    ]
    events = in_one_piece(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": 3, "outputTokens": 2},
            "metrics": {"latencyMs": 1000},
        }
    )
    assert [e.kind for e in events] == ["reasoning", "text", "tool", "finish", "meta", "usage"]
    assert events[4].server.total_s == 1.0
    filtered = in_one_piece({"output": {}, "stopReason": "content_filtered", "usage": {}})
    assert [e.kind for e in filtered] == ["finish", "error"]


def test_an_error_in_one_piece():
    (event,) = in_one_piece({"__type": "ThrottlingException", "message": "slow"})
    assert event.failure.status == "rate_limited"


def test_http_errors_name_their_type_in_a_header():
    head = ResponseHead(
        status=403, headers={"x-amzn-errortype": "InvalidSignatureException:http://internal/x"}
    )
    failure = bedrock.failure(head, b'{"message":"Signature expired"}')
    assert (failure.status, failure.code, failure.detail) == (
        "auth",
        "InvalidSignatureException",
        "Signature expired",
    )

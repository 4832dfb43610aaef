import json

import pytest

from lens_gate.providers import anthropic
from lens_gate.providers.anthropic import decoder
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    ResponseHead,
    ServerTimes,
    StreamEvent,
    Usage,
)
from lens_gate.records.policy import Image, Message, Tool, ToolCall

OK = ResponseHead(status=200, headers={"content-type": "text/event-stream"})
OTHER = StreamEvent(kind="other")


def sse(*events: dict) -> bytes:
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def start(**usage) -> dict:
    return {
        "type": "message_start",
        "message": {"model": "claude-x", "content": [], "usage": usage},
    }


def block(**content) -> dict:
    return {"type": "content_block_start", "index": 0, "content_block": content}


def delta(**fields) -> dict:
    return {"type": "content_block_delta", "index": 0, "delta": fields}


def stop(reason="end_turn", **usage) -> dict:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


END = {"type": "message_stop"}


def decode(body: bytes) -> list[StreamEvent]:
    stream = decoder(OK)
    return [*stream.feed(body), *stream.close()]


def kinds(body: bytes) -> list[str]:
    return [event.kind for event in decode(body)]


def last_usage(*events: dict) -> Usage:
    return [e.usage for e in decode(sse(*events)) if e.usage][-1]


# --- encode -------------------------------------------------------------------------------------


def encode(base_url="https://host", headers=None, version=None, **changes):
    fields = {
        "model": "claude-x",
        "messages": (Message(role="user", content="Hi"),),
        "system": None,
        "max_output_tokens": 32,
        "params": {},
    }
    endpoint = Endpoint(base_url=base_url, region=None, headers=headers or {}, api_version=version)
    return PROVIDERS["anthropic"].encode(ChatRequest(**(fields | changes)), endpoint)


def test_a_request():
    sent = encode(params={"thinking": {"type": "disabled"}}, system="Be kind.")
    assert (sent.method, sent.url, sent.auth) == ("POST", "https://host/v1/messages", "x-api-key")
    assert sent.headers == {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        "anthropic-version": "2026-10-21",
    }
    assert json.loads(sent.body) == {
        "model": "claude-x",
        "messages": [{"role": "user", "content": "Hi"}],
        "system": "Be kind.",
        "max_tokens": 32,
        "stream": True,
        "thinking": {"type": "disabled"},
    }


def test_both_spellings_of_the_base_url_lead_to_the_same_place():
    assert encode("https://host/v1").url == encode("https://host").url
    assert encode("https://host/anthropic").url == "https://host/anthropic/v1/messages"


def test_system_messages_of_a_prompt_move_into_the_system_prompt():
    messages = (
        Message(role="system", content="B"),
        Message(role="user", content="Hi"),
        Message(role="developer", content="C"),
    )
    body = json.loads(encode(messages=messages, system="A").body)
    assert body["system"] == "A\n\nB\n\nC"
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert "system" not in json.loads(encode().body)


def test_the_version_of_a_target_wins_however_it_is_spelt():
    sent = encode(headers={"Anthropic-Version": "2023-06-01", "anthropic-beta": "a"})
    assert sent.headers["Anthropic-Version"] == "2023-06-01"
    assert "anthropic-version" not in sent.headers
    assert sent.headers["anthropic-beta"] == "a"


def test_no_parameter_takes_the_place_of_a_field_of_the_protocol():
    hostile = dict.fromkeys(anthropic.RESERVED, 999)
    assert encode(params=hostile).body == encode().body


def unfit(params, headers=None, version=None):
    place = Endpoint(
        base_url="https://host", region=None, headers=headers or {}, api_version=version
    )
    return anthropic.unfit(params, place)


@pytest.mark.parametrize(
    ("headers", "version", "refused"),
    [
        ({}, None, {"temperature", "top_k"}),
        ({"anthropic-version": "2026-10-21"}, None, {"temperature", "top_k"}),
        ({"ANTHROPIC-VERSION": "2027-01-01"}, None, {"temperature", "top_k"}),
        ({}, "2026-10-21", {"temperature", "top_k"}),
        ({"Anthropic-Version": "2023-06-01"}, None, set()),
        ({"Anthropic-Version": "2023-06-01"}, "2023-06-01", set()),
        ({}, "2023-06-01", set()),
    ],
)
def test_trap_29_sampling_parameters_are_refused_where_the_version_has_none(
    headers, version, refused
):
    found = unfit({"temperature": 1, "top_k": 5, "thinking": {}}, headers, version)
    assert set(found) == refused
    for reason, remedy in found.values():
        assert "takes no sampling parameters" in reason
        assert "api_version: '2023-06-01'" in remedy


def test_a_version_that_is_named_twice_must_be_one():
    ((name, (reason, remedy)),) = unfit(
        {}, {"anthropic-version": "2023-06-01"}, "2026-10-21"
    ).items()
    assert name == "api_version"
    assert "2023-06-01" in reason
    assert "2026-10-21" in reason
    assert "remove the header" in remedy


def test_a_version_is_a_date():
    ((name, (reason, remedy)),) = unfit({}, version="v1").items()
    assert (name, reason) == ("api_version", "'v1' is no version of this API")
    assert "2026-10-21" in remedy


def test_the_version_of_a_target_is_sent():
    assert encode().headers["anthropic-version"] == "2026-10-21"
    sent = encode(version="2023-06-01")
    assert sent.headers["anthropic-version"] == "2023-06-01"


def test_an_answer_in_one_piece_is_asked_for():
    sent = encode(stream=False)
    assert json.loads(sent.body)["stream"] is False
    assert sent.headers["Accept"] == "application/json"


def test_tools_images_and_turns_of_tool_use():
    messages = (
        Message(
            role="user",
            content="Look",
            images=(
                Image(base64="iVBORw0KGgoAAA"),
                Image(url="https://x/y.gif"),
                Image(base64="AAAA", media_type="image/webp"),
            ),
        ),
        Message(
            role="assistant",
            content="",
            tool_calls=(
                ToolCall(id="t1", name="f", arguments='{"a": 1}'),
                ToolCall(id="t2", name="g", arguments="nonsense"),
            ),
        ),
        Message(role="tool", content="4", tool_call_id="t1"),
        Message(role="tool", content="five", tool_call_id="t2"),
        Message(role="user", content="Well?"),
        Message(role="assistant", content="Hm", tool_calls=()),
        Message(role="user", content=""),
    )
    tool = Tool(name="f", description="adds", parameters={"type": "object"})
    body = json.loads(encode(messages=messages, tools=(tool,)).body)
    assert body["tools"] == [
        {"name": "f", "description": "adds", "input_schema": {"type": "object"}}
    ]
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {
                    "type": "image",
                    "source": {
                        "type": "base64",
                        "media_type": "image/png",
                        "data": "iVBORw0KGgoAAA",
                    },
                },
                {"type": "image", "source": {"type": "url", "url": "https://x/y.gif"}},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/webp", "data": "AAAA"},
                },
                {"type": "text", "text": "Look"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                {
                    "type": "tool_use",
                    "id": "t2",
                    "name": "g",
                    "input": {"arguments": "nonsense"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "4"},
                {"type": "tool_result", "tool_use_id": "t2", "content": "five"},
                {"type": "text", "text": "Well?"},
            ],
        },
        {"role": "assistant", "content": "Hm"},
        {"role": "user", "content": ""},
    ]


# --- decode -------------------------------------------------------------------------------------


def test_a_whole_message():
    body = sse(
        start(
            input_tokens=11,
            cache_creation_input_tokens=3,
            cache_read_input_tokens=5,
            output_tokens=1,
            cache_creation={"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0},
            service_tier="standard",
        ),
        block(type="text", text=""),
        {"type": "ping"},
        delta(type="text_delta", text="Hel"),
        delta(type="text_delta", text="lo"),
        {"type": "content_block_stop", "index": 0},
        stop(output_tokens=6, output_tokens_details={"thinking_tokens": 2}),
        END,
    )
    writes = {"5m": 3, "1h": 0}
    assert decode(body) == [
        StreamEvent(kind="meta", model="claude-x", service_tier="standard"),
        StreamEvent(
            kind="usage", joined=True, usage=Usage(input_total=19, cache_read=5, cache_write=writes)
        ),
        OTHER,
        OTHER,
        StreamEvent(kind="text", text="Hel"),
        StreamEvent(kind="text", text="lo"),
        OTHER,
        StreamEvent(kind="finish", finish_reason="end_turn"),
        StreamEvent(
            kind="usage",
            joined=True,
            usage=Usage(
                input_total=19, output_total=6, cache_read=5, cache_write=writes, reasoning=2
            ),
        ),
        StreamEvent(kind="end"),
    ]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (delta(type="text_delta", text="x"), StreamEvent(kind="text", text="x")),
        (delta(type="text_delta", text=""), OTHER),
        (delta(type="thinking_delta", thinking="hm"), StreamEvent(kind="reasoning")),
        (delta(type="thinking_delta", thinking=""), OTHER),
        (delta(type="signature_delta", signature="abc"), OTHER),
        (delta(type="citations_delta", citation={}), OTHER),
        (delta(type="compaction_delta", content="x"), OTHER),
        (delta(type="input_json_delta", partial_json='{"a'), StreamEvent(kind="tool")),
        (delta(type="input_json_delta", partial_json=""), OTHER),
        (delta(type=7, text="x"), OTHER),
        ({"type": "content_block_delta"}, OTHER),
        (block(type="tool_use", id="t", name="f", input={}), StreamEvent(kind="tool")),
        (block(type="server_tool_use", name="web_search", input={}), StreamEvent(kind="tool")),
        (block(type="tool_use", id="t", name=""), OTHER),
        (block(type="web_search_tool_result", content=[]), OTHER),
        (block(type="redacted_thinking", data="abc"), OTHER),
        (block(type="thinking", thinking="", signature=""), OTHER),
        (block(type="thinking", thinking="hm"), StreamEvent(kind="reasoning")),
        (block(type="text", text="x"), StreamEvent(kind="text", text="x")),
        (block(type="brand_new"), OTHER),
        ({"type": "brand_new_event"}, OTHER),
        ({"type": "message_start"}, OTHER),
        (END, StreamEvent(kind="end")),
    ],
)
def test_traps_14_15_19_one_event(event, expected):
    assert decode(sse(event)) == [expected]


def test_the_type_in_the_data_is_trusted_and_the_name_stands_in_for_it():
    named = b"event: message_stop\n" + sse(delta(type="text_delta", text="x")).partition(b"\n")[2]
    assert kinds(named) == ["text"]
    assert kinds(b"event: message_stop\ndata: {}\n\n") == ["end"]
    assert kinds(b'data: {"type":"message_stop"}\n\n') == ["end"]


def test_trap_16_later_counts_overwrite_and_are_never_added():
    assert last_usage(
        start(input_tokens=10, output_tokens=1),
        stop(None, output_tokens=5),
        stop(output_tokens=9),
    ) == Usage(input_total=10, output_total=9)


def test_input_counts_of_the_end_supersede_those_of_the_start():
    assert last_usage(
        start(input_tokens=100, cache_read_input_tokens=55096, output_tokens=7),
        stop(input_tokens=181, cache_read_input_tokens=0, output_tokens=8),
    ) == Usage(input_total=181, output_total=8, cache_read=0)


def test_trap_27_the_model_is_the_one_that_the_response_names():
    named = [e.model for e in decode(sse(start(input_tokens=1), stop(), END)) if e.model]
    assert named == ["claude-x"]
    assert json.loads(encode(model="claude-latest").body)["model"] == "claude-latest"


def test_before_the_end_the_output_count_is_a_placeholder():
    assert last_usage(start(input_tokens=10, output_tokens=400)) == Usage(input_total=10)
    assert kinds(sse(start(output_tokens=4))) == ["meta"]


def test_a_delta_without_usage_repeats_what_is_known():
    assert kinds(sse(start(input_tokens=1), {"type": "message_delta", "delta": {}})) == [
        "meta",
        "usage",
        "usage",
    ]
    assert kinds(sse({"type": "message_delta", "delta": {}})) == ["other"]


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        ({}, {}),
        ({"cache_creation_input_tokens": 0}, {}),
        ({"cache_creation_input_tokens": 7}, {"default": 7}),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 7}}, {"5m": 7}),
        (
            {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 7}},
            {"1h": 7, "default": 2},
        ),
        (
            {"cache_creation_input_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 7}},
            {"default": 3},
        ),
    ],
)
def test_trap_17_cache_writes_by_lifetime(usage, written):
    assert last_usage(stop(output_tokens=1, **usage)).cache_write == written


def test_counts_without_input_make_no_total():
    assert last_usage(stop(output_tokens=1, cache_read_input_tokens=5)) == Usage(
        output_total=1, cache_read=5
    )


def test_trap_28_the_fast_mode_is_told_as_a_tier():
    fast = decode(sse(start(service_tier="standard"), stop(service_tier="standard", speed="fast")))
    assert [e.service_tier for e in fast if e.kind == "meta"] == ["standard", "fast"]
    plain = decode(sse(start(service_tier="priority", speed="standard")))
    assert plain[0].service_tier == "priority"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            (
                b'event: error\ndata: {"type":"error",'
                b'"error":{"type":"overloaded_error","message":"busy"}}\n\n'
            ),
            ("overloaded", "overloaded_error", "busy", True),
        ),
        (
            (
                b'data: {"type":"error","error":{"type":"api_error","message":"oops"},'
                b'"request_id":"r"}\n\n'
            ),
            ("server_error", "api_error", "oops", True),
        ),
        (b'data: {"type":"error","message":"bare"}\n\n', ("server_error", None, "bare", False)),
        (b'data: {"error":"a proxy"}\n\n', ("server_error", None, "a proxy", False)),
    ],
)
def test_trap_5_errors_inside_the_stream_end_it(body, expected):
    events = decode(body + sse(delta(type="text_delta", text="late")))
    failure = events[-1].failure
    assert (failure.status, failure.code, failure.detail, failure.retryable) == expected
    assert len(events) == 1


def test_trap_20_nothing_counts_after_message_stop():
    assert kinds(sse(END, delta(type="text_delta", text="late"))) == ["end"]


def test_known_events_must_be_json_and_unknown_ones_need_not():
    assert decode(b"event: message_delta\ndata: nope\n\n")[0].failure.status == "malformed"
    assert decode(b"event: novelty\ndata: nope\n\n") == [OTHER]


def test_a_message_in_one_piece_still_tells_its_usage():
    body = json.dumps(
        {
            "type": "message",
            "model": "claude-x",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 2},
        }
    ).encode()
    events = decode(body)
    assert [e.kind for e in events] == ["meta", "finish", "usage", "error"]
    assert events[2].usage == Usage(input_total=3, output_total=2)
    assert events[3].failure.status == "not_streamed"


def test_a_message_in_one_piece_is_read_where_it_was_asked_for():
    body = {
        "type": "message",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "name": "f", "input": {}},
            {"type": "novelty"},
            7,
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 2, "service_tier": "priority"},
    }
    reader = PROVIDERS["anthropic"].whole(OK)
    events = [*reader.feed(json.dumps(body).encode()), *reader.close()]
    assert [e.kind for e in events] == ["reasoning", "text", "tool", "meta", "finish", "usage"]
    assert events[1].text == "Hi"
    assert events[3].service_tier == "priority"
    assert events[5].usage == Usage(input_total=3, output_total=2)


@pytest.mark.parametrize("asked", ["refusal"])
def test_an_answer_that_a_filter_ended_is_none_and_is_billed(asked):
    events = decode(sse(start(input_tokens=3), stop(asked, output_tokens=2), END))
    assert [e.kind for e in events] == ["meta", "usage", "finish", "usage", "error", "end"]
    failure = events[4].failure
    assert (failure.status, failure.code, failure.retryable) == ("content_filter", asked, False)


def test_what_is_billed_apart_is_counted():
    counted = last_usage(
        start(input_tokens=1),
        stop(
            output_tokens=1,
            server_tool_use={"web_search_requests": 2, "web_fetch_requests": 0, "odd": 3},
        ),
    )
    assert counted.charges == {"web_search": 2}


def test_compaction_and_advisors_are_no_part_of_the_totals_and_are_told():
    """The totals of usage hold the message's own iterations alone."""
    iterations = [
        {"type": "compaction", "input_tokens": 100, "output_tokens": 83},
        {"type": "message", "input_tokens": 181, "output_tokens": 8},
        {"type": "advisor_message", "input_tokens": 9, "output_tokens": 9},
        {"type": "advisor_message", "input_tokens": 9, "output_tokens": 9},
        {"odd": True},
        7,
    ]
    counted = last_usage(stop(input_tokens=181, output_tokens=8, iterations=iterations))
    assert (counted.input_total, counted.output_total) == (181, 8)
    assert counted.charges == {"compaction": 1, "advisor_message": 2}


def test_the_time_that_the_front_states():
    def said(**headers):
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return PROVIDERS["anthropic"].server_times(ResponseHead(status=200, headers=named))

    assert said(x_envoy_upstream_service_time="812") == ServerTimes(
        source="x-envoy-upstream-service-time", headers_s=pytest.approx(0.812)
    )
    assert said(server_timing="cdn;dur=1, x-originResponse;dur=940").headers_s == pytest.approx(
        0.94
    )
    assert said() is None

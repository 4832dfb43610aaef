import base64
import json

import pytest

from lens_gate.providers import bedrock_invoke
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
from lens_gate.records.policy import Message

ROW = PROVIDERS["bedrock-invoke"]
OK = ResponseHead(status=200, headers={"content-type": ROW.media_type})
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
METRICS = {
    "inputTokenCount": 11,
    "outputTokenCount": 6,
    "invocationLatency": 900,
    "firstByteLatency": 250,
}
EVENTS = [
    {"type": "message_start", "message": {"model": "claude-x", "usage": {"input_tokens": 11}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 6, "input_tokens": 11},
    },
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS},
]


@pytest.fixture
def chunk(frame):
    def build(event: object, **more: object) -> bytes:
        raw = event if isinstance(event, bytes) else json.dumps(event).encode()
        return frame("chunk", {"bytes": base64.b64encode(raw).decode(), "p": "abcd"} | more)

    return build


def decode(body: bytes) -> list[StreamEvent]:
    stream = bedrock_invoke.decoder(OK)
    return [*stream.feed(body), *stream.close()]


def encode(**changes):
    place = {"base_url": HOST, "region": "us-east-1", "headers": {}, "credentials": "aws"}
    question = {
        "model": "us.anthropic.claude-x-v1:0",
        "messages": (Message(role="user", content="Hi"),),
        "system": "Be kind.",
        "max_output_tokens": 32,
        "params": {"top_k": 5},
    }
    for key, value in changes.items():
        (question if key in ChatRequest.__slots__ else place)[key] = value
    return ROW.encode(ChatRequest(**question), Endpoint(**place))


def test_a_request():
    sent = encode()
    assert sent.url == (f"{HOST}/model/us.anthropic.claude-x-v1%3A0/invoke-with-response-stream")
    assert sent.signing == Signing(service="bedrock", region="us-east-1")
    assert json.loads(sent.body) == {
        "anthropic_version": "bedrock-2023-05-31",
        "messages": [{"role": "user", "content": "Hi"}],
        "system": "Be kind.",
        "max_tokens": 32,
        "top_k": 5,
    }
    assert encode(stream=False).url.endswith("/invoke")


def test_the_version_and_the_betas_go_into_the_body():
    sent = encode(api_version="2026-10-21", headers={"Anthropic-Beta": "a, b,", "X-Own": "1"})
    body = json.loads(sent.body)
    assert body["anthropic_version"] == "2026-10-21"
    assert body["anthropic_beta"] == ["a", "b"]
    assert "Anthropic-Beta" not in sent.headers
    assert sent.headers["X-Own"] == "1"


def test_settings_that_do_not_fit():
    def unfit(params, **settings):
        place = {"base_url": HOST, "region": None, "headers": {}} | settings
        return ROW.unfit(params, Endpoint(**place))

    assert unfit({"temperature": 0}) == {}
    assert unfit({"temperature": 0}, api_version="bedrock-2023-05-31") == {}
    assert unfit({"temperature": 0}, api_version="2026-10-21").keys() == {"temperature"}
    assert unfit({}, api_version="x", region="/").keys() == {"api_version", "region"}


def test_a_whole_stream(chunk):
    body = b"".join(map(chunk, EVENTS))
    assert [e.kind for e in decode(body)] == [
        *("meta", "usage", "other", "text", "finish", "usage", "meta", "end")
    ]
    decoded = collect(ROW, OK, body, [Read(end=len(body), at_ns=1)])
    failure = judge_answer(
        OK, decoded, ended="clean", body_length=len(body), media_type=ROW.media_type
    )
    assert failure is None
    assert (decoded.model, decoded.finish_reason) == ("claude-x", "end_turn")
    assert decoded.usage == Usage(input_total=11, output_total=6)
    assert decoded.server == ServerTimes(
        source="amazon-bedrock-invocationMetrics",
        ttft_s=pytest.approx(0.25),
        total_s=pytest.approx(0.9),
    )


def test_measurements_that_say_no_time_are_none(chunk):
    told = {"type": "ping", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}
    assert [e.kind for e in decode(chunk(told))] == ["other"]


@pytest.mark.parametrize("packed", ["not base64!", "", "e29vcHM=", "WzFd", None])
def test_a_chunk_that_holds_no_event(frame, packed):
    (event,) = decode(frame("chunk", {"bytes": packed}))
    assert event.failure.status == "malformed"


def test_other_events_say_nothing(frame):
    assert [e.kind for e in decode(frame("novelty", {"bytes": "e30="}))] == ["other"]


def test_an_error_of_the_model_in_a_chunk(chunk):
    busy = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    (event,) = decode(chunk(busy))
    assert event.failure.status == "overloaded"


@pytest.mark.parametrize("pad", ["", "x", "xx", "xxx"])
@pytest.mark.parametrize("last", [EVENTS[-1], {"type": "error", "error": {"message": "m"}}])
def test_the_watch_sees_the_last_chunk_however_base64_falls(chunk, last, pad):
    watch = bedrock_invoke.watch(OK)
    speaks = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": pad}}
    speaks["delta"]["text"] += ' "message_stop" "error" ' * 3
    for event in (*EVENTS[:-1], speaks):
        assert not watch(chunk(event))
    assert watch(chunk({"pad": pad, **last}))


def test_an_answer_in_one_piece():
    head = ResponseHead(status=200, headers={"x-amzn-bedrock-invocation-latency": "500"})
    assert ROW.server_times(head) == ServerTimes(
        source="x-amzn-bedrock-invocation-latency", total_s=0.5
    )
    assert ROW.server_times(OK) is None
    reader = ROW.whole(head)
    said = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "x"}
    assert [e.kind for e in [*reader.feed(json.dumps(said).encode()), *reader.close()]] == [
        "text",
        "finish",
    ]


def test_no_parameter_takes_the_place_of_a_field_of_the_protocol():
    hostile = {**dict.fromkeys(bedrock_invoke.RESERVED, 999), "top_k": 5}
    assert encode(params=hostile).body == encode().body

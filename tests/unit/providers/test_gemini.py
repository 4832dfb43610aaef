import json
from decimal import Decimal

import pytest

from lens_gate.metrics.pricing import bill, resolve
from lens_gate.providers import gemini
from lens_gate.providers.answer import collect, judge_answer
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    Read,
    ResponseHead,
    StreamEvent,
    Usage,
)
from lens_gate.records.policy import Image, Message, Tool, ToolCall

OK = ResponseHead(status=200, headers={"content-type": "text/event-stream"})
STUDIO = "https://generativelanguage.googleapis.com"


def sse(*chunks: dict) -> bytes:
    return "".join(f"data: {json.dumps(c)}\r\n\r\n" for c in chunks).encode()


def chunk(*parts: dict, finish=None, usage=None, **more) -> dict:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **({"usageMetadata": usage} if usage else {}), **more}


def text(told: str, **more) -> dict:
    return {"text": told, **more}


def decode(body: bytes) -> list[StreamEvent]:
    stream = gemini.decoder(OK)
    return [*stream.feed(body), *stream.close()]


def kinds(body: bytes) -> list[str]:
    return [event.kind for event in decode(body)]


def last_usage(*chunks: dict) -> Usage:
    return [e.usage for e in decode(sse(*chunks)) if e.usage][-1]


def judged(body: bytes):
    decoded = collect(PROVIDERS["gemini"], OK, body, [Read(end=len(body), at_ns=1)])
    return decoded, judge_answer(OK, decoded, ended="clean", body_length=len(body))


# --- encode -------------------------------------------------------------------------------------


def encode(name="gemini", **changes):
    place = {
        "base_url": STUDIO,
        "region": None,
        "headers": {},
        "credentials": PROVIDERS[name].credentials[0],
    }
    question = {
        "model": "gemini-x",
        "messages": (Message(role="user", content="Hi"),),
        "system": None,
        "max_output_tokens": 32,
        "params": {},
    }
    for key, value in changes.items():
        (question if key in ChatRequest.__slots__ else place)[key] = value
    return PROVIDERS[name].encode(ChatRequest(**question), Endpoint(**place))


def test_a_request():
    sent = encode(params={"temperature": 0, "serviceTier": "flex"}, system="Be kind.")
    assert (sent.method, sent.auth) == ("POST", "x-goog-api-key")
    assert sent.url == f"{STUDIO}/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
    assert sent.headers["Accept"] == "text/event-stream"
    assert json.loads(sent.body) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"temperature": 0, "maxOutputTokens": 32},
        "serviceTier": "flex",
        "systemInstruction": {"parts": [{"text": "Be kind."}]},
    }


def test_an_answer_in_one_piece_is_asked_for():
    sent = encode(stream=False)
    assert sent.url.endswith("/models/gemini-x:generateContent")
    assert sent.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    ("base_url", "version", "start"),
    [
        (STUDIO, None, f"{STUDIO}/v1beta/"),
        (STUDIO, "v1", f"{STUDIO}/v1/"),
        (f"{STUDIO}/v1", None, f"{STUDIO}/v1/"),
        (f"{STUDIO}/v1", "v1alpha", f"{STUDIO}/v1alpha/"),
        ("http://host:80/google", None, "http://host:80/google/v1beta/"),
    ],
)
def test_the_version_of_the_address(base_url, version, start):
    sent = encode(base_url=base_url, api_version=version)
    assert sent.url == f"{start}models/gemini-x:streamGenerateContent?alt=sse"


def test_a_tuned_model_has_a_collection_of_its_own():
    assert "/v1beta/tunedModels/mine:stream" in encode(model="tunedModels/mine").url
    assert "/models/odd%3Fname%23:stream" in encode(model="odd?name#").url


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_has_a_host_for_each_region(region, url):
    assert PROVIDERS["vertex"].regional(region) == url


def test_vertex_by_token_names_its_project():
    base = "https://europe-west4-aiplatform.googleapis.com"
    sent = encode("vertex", base_url=base, region="europe-west4", project="p-1")
    assert sent.auth == "bearer"
    assert sent.url == (
        f"{base}/v1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-x"
        ":streamGenerateContent?alt=sse"
    )
    anywhere = encode("vertex", base_url="https://h", project="p-1", stream=False)
    assert "/projects/p-1/locations/global/publishers/google/" in anywhere.url


def test_vertex_by_an_express_key_needs_none():
    sent = encode("vertex", base_url="https://h", credentials="key", model="publishers/x/models/y")
    assert sent.auth == "x-goog-api-key"
    assert sent.url == "https://h/v1/publishers/x/models/y:streamGenerateContent?alt=sse"


def test_vertex_has_endpoints_of_its_own():
    own = "projects/7/locations/us-central1/endpoints/9"
    sent = encode("vertex", base_url="https://h", project="p", model=own)
    assert sent.url == f"https://h/v1/{own}:streamGenerateContent?alt=sse"


def test_a_simulated_server_takes_no_key():
    assert encode(credentials="none").auth == "none"


def unfit(name, **settings):
    place = {"base_url": "https://h", "region": None, "headers": {}} | settings
    return PROVIDERS[name].unfit({}, Endpoint(**place))


def test_settings_that_do_not_fit():
    assert unfit("gemini", api_version="v1") == unfit("gemini") == {}
    assert unfit("gemini", api_version="2024-01-01").keys() == {"api_version"}
    assert unfit("vertex", credentials="google").keys() == {"project"}
    assert unfit("vertex", credentials="google", project="p", region="europe-west4") == {}
    assert unfit("vertex", credentials="key") == {}
    assert unfit("vertex", credentials="key", region="evil.example/").keys() == {"region"}
    assert unfit("vertex", credentials="key", api_version="x").keys() == {"api_version"}


def test_tools_images_and_turns_of_tool_use():
    messages = (
        Message(role="system", content="Be brief."),
        Message(
            role="user",
            content="Look",
            images=(Image(base64="/9j/AAAA"), Image(url="https://x/Y.PNG?z=1")),
        ),
        Message(
            role="assistant",
            content="One moment",
            tool_calls=(ToolCall(id="t1", name="f", arguments='{"a": 1}'),),
        ),
        Message(role="tool", content='{"b": 2}', tool_call_id="t1"),
        Message(role="tool", content="7", tool_call_id="t9"),
        Message(role="tool", content="?"),
        Message(
            role="assistant",
            content="",
            tool_calls=(ToolCall(id="t2", name="g", arguments="{}"),),
        ),
        Message(role="user", content=""),
    )
    tool = Tool(name="f", description="adds", parameters={"type": "object"})
    body = json.loads(encode(messages=messages, tools=(tool,), system="A").body)
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "Be brief."}]}
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "adds", "parametersJsonSchema": {"type": "object"}}
            ]
        }
    ]
    assert body["contents"] == [
        {
            "role": "user",
            "parts": [
                {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/AAAA"}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://x/Y.PNG?z=1"}},
                {"text": "Look"},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "One moment"},
                {"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "t1", "name": "f", "response": {"b": 2}}},
                {"functionResponse": {"id": "t9", "name": "t9", "response": {"result": "7"}}},
                {"functionResponse": {"name": "", "response": {"result": "?"}}},
            ],
        },
        {"role": "model", "parts": [{"functionCall": {"id": "t2", "name": "g", "args": {}}}]},
        {"role": "user", "parts": [{"text": ""}]},
    ]


@pytest.mark.parametrize(
    ("model", "signed"),
    [("gemini-3-flash-preview", True), ("gemini-3.8-pro", True), ("gemini-2.5-pro", False)],
)
def test_calls_that_the_model_did_not_make_itself_say_so(model, signed):
    calls = tuple(ToolCall(id=f"t{i}", name="f", arguments="{}") for i in range(2))
    turn = Message(role="assistant", content="", tool_calls=calls)
    first, second = json.loads(encode(model=model, messages=(turn,)).body)["contents"][0]["parts"]
    word = "skip_thought_signature_validator" if signed else None
    assert (first.get("thoughtSignature"), "thoughtSignature" in second) == (word, False)


def test_no_parameter_takes_the_place_of_a_field_of_the_protocol():
    hostile = dict.fromkeys(gemini.RESERVED, 999)
    assert encode(params=hostile).body == encode().body


# --- decode -------------------------------------------------------------------------------------


def test_a_whole_stream():
    start = {"promptTokenCount": 4, "totalTokenCount": 35, "thoughtsTokenCount": 31}
    end = {
        "promptTokenCount": 4,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 31,
        "totalTokenCount": 37,
        "serviceTier": "standard",
    }
    body = sse(
        chunk(text("Hm", thought=True), usage=start, modelVersion="gemini-x"),
        chunk(text(" world"), finish="STOP", usage=end, modelVersion="gemini-x"),
    )
    assert decode(body) == [
        StreamEvent(kind="meta", model="gemini-x"),
        StreamEvent(kind="reasoning", joined=True),
        StreamEvent(
            kind="usage",
            joined=True,
            usage=Usage(input_total=4, output_total=31, reasoning=31),
        ),
        StreamEvent(kind="meta", model="gemini-x", service_tier="standard"),
        StreamEvent(kind="text", text=" world", joined=True),
        StreamEvent(kind="finish", finish_reason="STOP", joined=True),
        StreamEvent(
            kind="usage",
            joined=True,
            usage=Usage(input_total=4, output_total=33, reasoning=31),
        ),
    ]
    decoded, failure = judged(body)
    assert failure is None
    assert decoded.usage_final


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([text("x")], ["text"]),
        ([text("")], ["other"]),
        ([], ["other"]),
        ([7], ["other"]),
        ([text("", thoughtSignature="abc")], ["other"]),
        ([{"thoughtSignature": "abc"}], ["other"]),
        ([text("", thought=True)], ["other"]),
        ([text("x", thought=True)], ["reasoning"]),
        ([text("x"), text("hm", thought=True)], ["reasoning", "text"]),
        ([{"functionCall": {"name": "f", "args": {}}}], ["tool"]),
        ([{"executableCode": {"code": "1"}}, text("")], ["tool"]),
        ([{"codeExecutionResult": {"output": "1"}}], ["other"]),
        ([{"inlineData": {"data": "AAAA"}}], ["text"]),
        ([text("x"), {"functionCall": {"name": "f"}}], ["text", "tool"]),
        ([{"novelty": {}}], ["other"]),
    ],
)
def test_trap_14_and_15_one_chunk(parts, expected):
    assert kinds(sse(chunk(*parts))) == expected


def test_text_of_several_parts_is_one_arrival():
    (event,) = decode(sse(chunk(text("a"), text("b"))))
    assert event == StreamEvent(kind="text", text="ab")


def test_trap_18_other_candidates_share_the_bill_and_no_clock():
    two = {"candidates": [{"index": 1, "content": {"parts": [text("no")]}, "finishReason": "X"}]}
    assert kinds(sse(two)) == ["other"]
    bare = {"candidates": [{"content": {"parts": [text("yes")]}}]}
    assert kinds(sse(bare)) == ["text"]


def test_trap_16_usage_grows_and_its_last_word_on_each_count_holds():
    grown = last_usage(
        chunk(usage={"promptTokenCount": 46, "candidatesTokenCount": 51}),
        chunk(usage={"promptTokenCount": 46, "totalTokenCount": 46}),
        chunk(
            finish="STOP",
            usage={
                "promptTokenCount": 147,
                "toolUsePromptTokenCount": 360,
                "thoughtsTokenCount": 168,
                "cachedContentTokenCount": 12,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 7},
                    {"modality": "AUDIO", "tokenCount": 9},
                    {"modality": "IMAGE", "tokenCount": 5},
                    {"modality": "IMAGE", "tokenCount": 1},
                    {"modality": "AUDIO", "tokenCount": "odd"},
                    None,
                ],
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}],
            },
        ),
    )
    assert grown == Usage(
        input_total=507,
        output_total=219,
        cache_read=12,
        reasoning=168,
        input_audio=9,
        input_image=6,
        output_audio=3,
    )


def test_tokens_in_the_sum_that_no_count_names_have_no_price():
    whole = {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 30}
    assert last_usage(chunk(usage={**whole, "totalTokenCount": 43})).charges == {}
    hidden = last_usage(chunk(usage={**whole, "totalTokenCount": 50}))
    assert hidden.charges == {"tokens that no count names": 7}
    prices = resolve("google", "gemini-2.5-flash", None, simulated=False, request_usd=Decimal(0))
    told = bill(prices, hidden, model="gemini-2.5-flash", service_tier=None)
    assert told.usd is None
    assert "tokens that no count names" in told.note
    # What is known of it is still the least that is booked.
    assert told.check_usd > 0
    # A later chunk may name them, and its sum may be an older one.
    grown = last_usage(
        chunk(usage={"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 43}),
        chunk(usage={"thoughtsTokenCount": 30}),
    )
    assert grown.charges == {"tokens that no count names": 0}
    assert bill(prices, grown, model="gemini-2.5-flash", service_tier=None).usd is not None
    assert last_usage(chunk(usage={**whole, "totalTokenCount": 12})).charges == {}


def test_a_count_of_zero_that_was_left_out():
    nothing = {"promptTokenCount": 9, "totalTokenCount": 9}
    assert last_usage(chunk(usage=nothing)).output_total == 0
    assert last_usage(chunk(usage={"promptTokenCount": 9})).output_total is None
    assert last_usage(chunk(usage={"candidatesTokenCount": 9})).input_total is None
    assert kinds(sse(chunk(usage={"novelty": 1}))) == ["other"]


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"trafficType": "ON_DEMAND"}, "on_demand"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"serviceTier": "SERVICE_TIER_FLEX", "trafficType": "ON_DEMAND"}, "flex"),
        ({"serviceTier": "standard"}, "standard"),
    ],
)
def test_trap_28_the_tier_that_served(usage, tier):
    assert decode(sse(chunk(usage=usage)))[0].service_tier == tier


@pytest.mark.parametrize("told", ["TRAFFIC_TYPE_UNSPECIFIED", ""])
def test_a_tier_that_says_nothing(told):
    assert kinds(sse(chunk(usage={"trafficType": told}))) == ["other"]


def test_searches_are_billed_apart():
    found = chunk(usage={"promptTokenCount": 1})
    found["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b"]}
    assert last_usage(found).charges == {"web_search": 2}


def test_a_finish_reason_that_says_nothing_is_none():
    assert kinds(sse(chunk(finish="FINISH_REASON_UNSPECIFIED"))) == ["other"]


@pytest.mark.parametrize(
    ("finish", "status"),
    [
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "malformed"),
        ("CONTINUATION", "truncated"),
    ],
)
def test_an_end_that_makes_the_answer_none_is_billed(finish, status):
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 2}
    decoded, failure = judged(sse(chunk(text("x"), finish=finish, usage=usage)))
    assert (failure.status, failure.code, failure.retryable) == (status, finish, False)
    assert decoded.usage_final
    assert decoded.usage.output_total == 2


@pytest.mark.parametrize("finish", ["STOP", "MAX_TOKENS", "BRAND_NEW"])
def test_an_end_that_is_one(finish):
    decoded, failure = judged(sse(chunk(text("x"), finish=finish)))
    assert failure is None
    assert decoded.finish_reason == finish


def test_a_blocked_prompt_is_a_failure_with_its_cost():
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
        "modelVersion": "gemini-x",
    }
    decoded, failure = judged(sse(blocked))
    assert (failure.status, failure.code) == ("content_filter", "PROHIBITED_CONTENT")
    assert failure.detail == "the prompt was blocked: PROHIBITED_CONTENT"
    assert (decoded.usage, decoded.usage_final) == (Usage(input_total=9, output_total=0), True)
    blocked["promptFeedback"]["blockReasonMessage"] = "No\nway"
    assert judged(sse(blocked))[1].detail == "No way"


def test_a_stream_without_a_finish_reason_is_truncated():
    assert judged(sse(chunk(text("x"))))[1].status == "truncated"


BUSY = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}


def test_trap_5_an_error_among_the_events():
    events = decode(sse(chunk(text("x")), BUSY, chunk(text("late"))))
    assert [e.kind for e in events] == ["text", "error"]
    assert (events[1].failure.status, events[1].failure.retryable) == ("overloaded", True)


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: [e]])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_trap_6_an_error_in_raw_json_after_events(wrap, end, size):
    told = json.dumps(wrap(BUSY), indent=2).replace("\n", end)
    body = f"data: {json.dumps(chunk(text('[x] {y}')))}{end}{end}{told}{end}".encode()
    stream = gemini.decoder(OK)
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    events = [e for piece in pieces for e in stream.feed(piece)] + list(stream.close())
    assert [e.kind for e in events] == ["text", "error"]
    failure = events[1].failure
    assert (failure.status, failure.code, failure.detail) == ("overloaded", "UNAVAILABLE", "busy")


@pytest.mark.parametrize("start", ["", "\r\n", " \n"])
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: [e]])
def test_trap_6_a_body_that_is_an_error_from_its_start(wrap, start):
    body = start + json.dumps(wrap(BUSY), indent=2)
    (event,) = decode(body.encode())
    assert (event.kind, event.failure.status) == ("error", "overloaded")


def test_trap_6_an_array_without_events_is_an_answer_in_one_piece():
    body = json.dumps([chunk(text("x"), finish="STOP")]).encode()
    assert decode(body)[-1].failure.status == "not_streamed"


def test_raw_bytes_that_are_neither():
    events = decode(sse(chunk(text("x"))) + b"{oops\n" + b"more")
    assert [e.kind for e in events] == ["text", "error"]
    assert events[1].failure.status == "malformed"


def test_the_raw_end_of_a_stream_fills_no_memory(monkeypatch):
    monkeypatch.setattr("lens_gate.providers.raw_tail.MAX_EVENT_BYTES", 100)
    stream = gemini.decoder(OK)
    stream.feed(b": hello\n\n[")
    for _ in range(50):
        assert stream.feed(b"1," * 30) == []
    assert len(stream._raw) < 200
    assert stream.close()[-1].failure.status == "malformed"


def test_whether_an_event_is_under_way():
    stream = gemini.decoder(OK)
    seen = []
    for piece in (b"data: {}\n\n", b"data", b": {}\n\n", b"{"):
        stream.feed(piece)
        seen.append(stream.at_boundary)
    assert seen == [True, False, True, False]


def test_the_watch_sees_errors_go_by():
    watch = gemini.watch(OK)
    assert not watch(sse(chunk(text('"error"'), finish="STOP")))
    assert watch(sse(BUSY))


def test_an_answer_in_one_piece():
    said = chunk(text("Hi"), finish="STOP", usage={"promptTokenCount": 1, "totalTokenCount": 3})
    reader = gemini.whole(OK)
    events = [*reader.feed(json.dumps(said).encode()), *reader.close()]
    assert [e.kind for e in events] == ["text", "finish", "usage"]


def test_http_errors_of_google():
    body = json.dumps([{"error": {"code": 404, "message": "m", "status": "NOT_FOUND"}}]).encode()
    failure = gemini.failure(ResponseHead(status=404, headers={}), body)
    assert (failure.status, failure.code) == ("not_found", "NOT_FOUND")


def test_the_time_that_the_front_states():
    head = ResponseHead(status=200, headers={"server-timing": "gfet4t7; dur=2666"})
    assert gemini.server_times(head).headers_s == pytest.approx(2.666)
    for told in ("gfet4t7", "gfet4t7; dur=x", "other; dur=1", ""):
        assert (
            gemini.server_times(ResponseHead(status=200, headers={"server-timing": told})) is None
        )

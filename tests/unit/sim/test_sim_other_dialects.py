"""The newer dialects, read by hand from the bytes that would be sent."""

import base64
import json
import struct
import zlib

import pytest

from lens_gate.sim.dialect import Refusal

THINKING = {"reasoning": {"tokens": {"fixed": 2}, "streamed": True}}
CALLING = {"tool_calls": "100%"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
RESPONSES = {"model": "m", "input": "hello", "stream": True}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
INVOKE = {
    "anthropic_version": "2026-10-21",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 50,
}
OLLAMA = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
STREAM = "/v1/models/gem:streamGenerateContent?alt=sse"
VERTEX = "/v1/projects/p/locations/us/publishers/google/models/gem:streamGenerateContent?alt=sse"
PICTURE = 1024 // 4


def words(text):
    return len(text.split())


# --- responses


def test_a_response_numbers_its_events_and_repeats_itself_at_the_ends(played):
    events = played("/v1/responses", RESPONSES).sse()
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert [name.removeprefix("response.") for name, _ in events] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * 4,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    text = "".join(data["delta"] for name, data in events if name.endswith("text.delta"))
    by_name = dict(events)
    assert by_name["response.output_text.done"]["text"] == text
    response = by_name["response.completed"]["response"]
    assert response["output"][0]["content"][0]["text"] == text
    assert response["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 9,
    }
    assert by_name["response.created"]["response"]["usage"] is None
    assert "obfuscation" in by_name["response.output_text.delta"]


def test_a_response_shows_its_thought_only_when_a_summary_is_asked_for(played):
    asked = {**RESPONSES, "reasoning": {"summary": "auto"}}
    shown = played("/v1/responses", asked, THINKING).sse()
    summary = [data["delta"] for name, data in shown if "summary_text.delta" in name]
    assert len(summary) == 2
    done = next(data for name, data in shown if name.endswith("summary_text.done"))
    assert done["text"] == "".join(summary)
    texts = [data for name, data in shown if name == "response.output_text.delta"]
    assert {data["output_index"] for data in texts} == {1}
    hidden = played("/v1/responses", RESPONSES, THINKING)
    assert b"summary_text" not in hidden.body
    assert hidden.sse()[-1][1]["response"]["usage"]["output_tokens_details"] == {
        "reasoning_tokens": 2
    }
    none = {**RESPONSES, "reasoning": {"effort": "none"}}
    assert played("/v1/responses", none, THINKING).counts.reasoning == 0


def test_a_response_that_calls(played, whole):
    body = {**RESPONSES, "tools": [{"type": "function", "name": "look"}]}
    events = played("/v1/responses", body, CALLING).sse()
    pieces = [d["delta"] for n, d in events if n == "response.function_call_arguments.delta"]
    added = next(d for n, d in events if n == "response.output_item.added")
    (item,) = events[-1][1]["response"]["output"]
    assert len(pieces) == 4
    assert words(json.loads("".join(pieces))["text"]) == 4
    assert (item["name"], item["arguments"]) == ("look", "".join(pieces))
    assert (added["item"]["name"], added["item"]["arguments"]) == ("look", "")
    assert whole("/v1/responses", body, CALLING)["output"] == [item]


def test_a_response_that_is_cut_off_is_incomplete(played, whole):
    mapping = {"output_tokens": {"fixed": 40}}
    body = {**RESPONSES, "max_output_tokens": 16}
    name, data = played("/v1/responses", body, mapping).sse()[-1]
    assert name == "response.incomplete"
    assert data["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert data["response"]["usage"]["output_tokens"] == 16
    assert whole("/v1/responses", body, mapping)["status"] == "incomplete"


def test_a_response_that_fails_in_the_middle_ends_with_an_error(played):
    fault = {"kind": "error_event", "after_chunks": 2, "code": "rate_limit_exceeded", "every": 1}
    name, data = played("/v1/responses", RESPONSES, {"faults": [fault]}).sse()[-1]
    assert (name, data["type"], data["code"]) == ("error", "error", "rate_limit_exceeded")
    assert data["sequence_number"] == 6
    bare = {"faults": [{"kind": "error_event", "shape": "string", "every": 1}]}
    assert isinstance(played("/v1/responses", RESPONSES, bare).sse()[-1][1]["error"], str)


def test_a_response_without_an_end_or_usage(played, whole):
    endless = {"faults": [{"kind": "no_finish", "every": 1}]}
    assert played("/v1/responses", RESPONSES, endless).sse()[-1][0] == "response.output_item.done"
    assert whole("/v1/responses", RESPONSES, endless)["status"] is None
    silent = played("/v1/responses", RESPONSES, {"usage": "missing"}).sse()[-1][1]
    assert silent["response"]["usage"] is None


@pytest.mark.parametrize(
    ("tier", "forced", "said"),
    [
        (None, None, "default"),
        ("auto", None, "default"),
        ("flex", None, "flex"),
        ("fast", None, "priority"),
        ("priority", "default", "default"),
    ],
)
def test_the_tier_is_echoed_or_lowered(played, tier, forced, said):
    asked = {} if tier is None else {"service_tier": tier}
    mapping = {} if forced is None else {"service_tier": forced}
    response = played("/v1/responses", {**RESPONSES, **asked}, mapping).sse()[-1][1]["response"]
    assert response["service_tier"] == said
    chat = played("/v1/chat/completions", {**CHAT, **asked}, mapping).chunks()
    assert {chunk["service_tier"] for chunk in chat} == {said}


# --- gemini


@pytest.mark.parametrize("path", [STREAM, VERTEX])
def test_gemini_tells_usage_as_it_grows_and_ends_without_a_marker(played, path):
    chunks = played(path, GEMINI).chunks()
    usage = [chunk["usageMetadata"] for chunk in chunks]
    assert [u.get("candidatesTokenCount", 0) for u in usage] == [1, 2, 3, 4, 4]
    assert all(u["totalTokenCount"] == 5 + u["candidatesTokenCount"] for u in usage)
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None] * 4 + ["STOP"]
    text = "".join(chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks)
    assert words(text) == 4
    assert {chunk["modelVersion"] for chunk in chunks} == {"gem"}
    if path == VERTEX:
        assert usage[-1]["trafficType"] == "ON_DEMAND"
    else:
        assert usage[-1]["serviceTier"] == "standard"


def test_gemini_counts_thought_apart(played, whole):
    asked = {**GEMINI, "generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
    chunks = played(STREAM, asked, THINKING).chunks()
    thoughts = [c for c in chunks if c["candidates"][0]["content"]["parts"][0].get("thought")]
    assert len(thoughts) == 2
    last = chunks[-1]["usageMetadata"]
    assert (last["thoughtsTokenCount"], last["candidatesTokenCount"]) == (2, 4)
    assert last["totalTokenCount"] == 5 + 2 + 4
    hidden = played(STREAM, GEMINI, THINKING).chunks()
    assert not any("thought" in json.dumps(c["candidates"]) for c in hidden)
    assert hidden[0]["usageMetadata"]["thoughtsTokenCount"] == 2
    parts = whole(STREAM.replace("stream", "").replace("Gen", "gen"), asked, THINKING)
    assert [p.get("thought") for p in parts["candidates"][0]["content"]["parts"]] == [True, None]
    snake = {**GEMINI, "generation_config": {"thinking_config": {"include_thoughts": True}}}
    assert played(STREAM, snake, THINKING).chunks() == chunks
    off = {"thinkingConfig": {"thinkingBudget": 0}}
    assert played(STREAM, {**GEMINI, "generationConfig": off}, THINKING).counts.reasoning == 0


def test_gemini_calls_at_once(played, whole):
    body = {**GEMINI, "tools": [{"functionDeclarations": [{"name": "look"}]}]}
    answer = played(STREAM, body, CALLING)
    call, end = answer.chunks()
    function = call["candidates"][0]["content"]["parts"][0]["functionCall"]
    assert function["name"] == "look"
    assert words(function["args"]["text"]) == 4
    assert end["candidates"][0]["finishReason"] == "STOP"
    # It is whole when its last token is there.
    (sent,) = (w for w in answer.writes if b"functionCall" in w.data)
    assert sent.at_s == pytest.approx(1.3)
    assert sum(w.tokens for w in answer.writes) == 4
    parts = whole("/v1/models/gem:generateContent", body, CALLING)["candidates"][0]["content"]
    assert parts["parts"][0]["functionCall"] == function


def test_gemini_says_nothing_of_a_call_that_was_cut_off(played):
    body = {
        **GEMINI,
        "tools": [{"functionDeclarations": [{"name": "look"}]}],
        "generationConfig": {"maxOutputTokens": 2},
    }
    (end,) = played(STREAM, body, CALLING).chunks()
    assert end["candidates"][0]["finishReason"] == "MAX_TOKENS"


def test_gemini_without_sse_is_one_array(read):
    asked = read("/v1beta/models/gem:streamGenerateContent", GEMINI)
    assert (asked.stream, asked.whole) == (True, True)
    assert not read(STREAM, GEMINI).whole


def test_gemini_error_in_the_stream(played):
    fault = {"kind": "error_event", "after_chunks": 1, "every": 1}
    error = played(STREAM, GEMINI, {"faults": [fault]}).chunks()[-1]["error"]
    assert (error["code"], error["status"]) == (503, "UNAVAILABLE")


# --- bedrock


def test_converse_in_frames(played):
    answer = played("/model/a%3A0/converse-stream", CONVERSE, {**THINKING, "service_tier": "flex"})
    frames = answer.frames()
    assert [headers[":event-type"] for headers, _ in frames] == [
        "messageStart",
        *["contentBlockDelta"] * 3,
        "contentBlockStop",
        *["contentBlockDelta"] * 4,
        *("contentBlockStop", "messageStop", "metadata"),
    ]
    assert {headers[":message-type"] for headers, _ in frames} == {"event"}
    assert all(set(payload.pop("p")) for _, payload in frames)
    thought = [p["delta"] for _, p in frames if "reasoningContent" in p.get("delta", {})]
    assert [set(delta["reasoningContent"]) for delta in thought] == [
        {"text"},
        {"text"},
        {"signature"},
    ]
    text = [p for _, p in frames if "text" in p.get("delta", {})]
    assert {payload["contentBlockIndex"] for payload in text} == {1}
    assert frames[-2][1] == {"stopReason": "end_turn"}
    assert frames[-1][1] == {
        "metrics": {"latencyMs": 1600},
        "serviceTier": {"type": "flex"},
        "usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11},
    }
    assert answer.script.answer.model == "a:0"


def test_converse_times_are_real_seconds(played):
    scaled = played("/model/m/converse-stream", CONVERSE, {"time_scale": 0.5}, queue_s=0.25)
    assert scaled.frames()[-1][1]["metrics"] == {"latencyMs": 250 + 700}


def test_converse_calls_in_pieces(played, whole):
    tools = {"tools": [{"toolSpec": {"name": "look"}}]}
    body = {**CONVERSE, "toolConfig": tools}
    frames = played("/model/m/converse-stream", body, CALLING).frames()
    start = next(p for h, p in frames if h[":event-type"] == "contentBlockStart")
    assert start["start"]["toolUse"]["name"] == "look"
    pieces = [p["delta"]["toolUse"]["input"] for _, p in frames if "delta" in p]
    assert words(json.loads("".join(pieces))["text"]) == 4
    assert frames[-2][1]["stopReason"] == "tool_use"
    answer = whole("/model/m/converse", body, CALLING)
    (block,) = answer["output"]["message"]["content"]
    assert block["toolUse"]["input"] == json.loads("".join(pieces))
    assert (answer["stopReason"], answer["metrics"]) == ("tool_use", {"latencyMs": 1400})
    chosen = {**tools, "toolChoice": {"tool": {"name": "other"}}}
    forced = whole("/model/m/converse", {**CONVERSE, "toolConfig": chosen})
    assert forced["output"]["message"]["content"][0]["toolUse"]["name"] == "other"


def test_converse_whole_with_thought(whole):
    blocks = whole("/model/m/converse", CONVERSE, THINKING)["output"]["message"]["content"]
    assert words(blocks[0]["reasoningContent"]["reasoningText"]["text"]) == 2
    assert words(blocks[1]["text"]) == 4


def test_converse_caches_what_is_marked_and_counts_it_apart(played):
    body = {
        "system": [{"text": "x" * 400}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
    }
    cache = {"prompt_cache": {"min_tokens": 16}}
    usage = played("/model/m/converse-stream", body, cache).frames()[-1][1]["usage"]
    assert usage == {
        "inputTokens": 5,
        "outputTokens": 4,
        "totalTokens": 109,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 100,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 100}],
    }


def test_invoke_wraps_the_events_of_messages(played):
    frames = played("/model/m/invoke-with-response-stream", INVOKE).frames()
    assert {headers[":event-type"] for headers, _ in frames} == {"chunk"}
    events = [json.loads(base64.b64decode(payload["bytes"])) for _, payload in frames]
    assert [event["type"] for event in events] == [
        *("message_start", "content_block_start"),
        *["content_block_delta"] * 4,
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    assert events[-1]["amazon-bedrock-invocationMetrics"] == {
        "inputTokenCount": 5,
        "outputTokenCount": 4,
        "invocationLatency": 1400,
        "firstByteLatency": 1000,
    }
    assert events[-2]["usage"]["output_tokens"] == 4
    silent = played("/model/m/invoke-with-response-stream", INVOKE, {"usage": "missing"})
    assert b"invocationMetrics" not in base64.b64decode(silent.frames()[-1][1]["bytes"])


def test_invoke_whole_and_thinking(played, whole):
    assert whole("/model/m/invoke", INVOKE)["content"][0]["type"] == "text"
    thinking = played("/model/m/invoke-with-response-stream", INVOKE, THINKING)
    assert len(thinking.frames()) == 14


@pytest.mark.parametrize("call", ["converse-stream", "invoke-with-response-stream"])
def test_bedrock_fails_by_an_exception_frame(played, call):
    fault = {"kind": "error_event", "after_chunks": 2, "every": 1}
    body = CONVERSE if call == "converse-stream" else INVOKE
    headers, payload = played(f"/model/m/{call}", body, {"faults": [fault]}).frames()[-1]
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "modelStreamErrorException"
    assert ":event-type" not in headers
    assert set(payload) == {"message"}
    named = {**fault, "error_type": "throttlingException"}
    headers, _ = played(f"/model/m/{call}", body, {"faults": [named]}).frames()[-1]
    assert headers[":exception-type"] == "throttlingException"


# --- anthropic

MESSAGES = {"model": "m", "messages": CHAT["messages"], "max_tokens": 50, "stream": True}
OLD, NEW = {"anthropic-version": "2023-06-01"}, {"anthropic-version": "2026-10-21"}


@pytest.mark.parametrize("path", ["/v1/messages", "/anthropic/v1/messages"])
def test_a_message_calls_in_pieces_and_names_the_tool_with_the_first(played, whole, path):
    body = {**MESSAGES, "tools": [{"name": "look"}]}
    answer = played(path, body, CALLING, NEW)
    events = answer.chunks()
    (start,) = (e for e in events if e["type"] == "content_block_start")
    assert start["content_block"]["type"] == "tool_use"
    assert (start["content_block"]["name"], start["content_block"]["input"]) == ("look", {})
    (sent,) = (write for write in answer.writes if b"content_block_start" in write.data)
    assert (sent.at_s, sent.what) == (1.0, "text")
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"input_json_delta"}
    arguments = json.loads("".join(delta["partial_json"] for delta in deltas))
    assert words(arguments["text"]) == 4
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    (block,) = whole(path, body, CALLING, NEW)["content"]
    assert (block["type"], block["input"]) == ("tool_use", arguments)


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_is_for_the_older_version_only(read, name):
    asked = read("/v1/messages", {**MESSAGES, name: 1}, None, OLD)
    assert not isinstance(asked, Refusal)
    refusal = read("/v1/messages", {**MESSAGES, name: 1}, None, NEW)
    assert (refusal.status, name in refusal.message) == (400, True)


# --- azure

DEPLOYED = "/openai/deployments/my%2Fdeployment/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", DEPLOYED])
def test_azure_filters_before_and_after_the_text(played, path):
    body = {**CHAT, "stream_options": {"include_usage": True}}
    first, *chunks, usage = played(path, body).chunks()
    assert (first["choices"], first["id"], first["model"], first["object"]) == ([], "", "", "")
    assert first["prompt_filter_results"][0]["content_filter_results"]["hate"]["filtered"] is False
    choices = [chunk["choices"][0] for chunk in chunks]
    assert all("content_filter_results" in choice for choice in choices)
    (check,) = (choice for choice in choices if "delta" not in choice)
    assert "content_filter_offsets" in check
    text = "".join(choice.get("delta", {}).get("content", "") for choice in choices)
    assert words(text) == 4
    assert usage["usage"]["completion_tokens"] == 4


def test_azure_takes_the_model_from_the_path(read):
    body = {"messages": CHAT["messages"]}
    assert read(DEPLOYED, body).model == "my/deployment"
    refusal = read(DEPLOYED.partition("?")[0], body)
    assert (refusal.status, refusal.code) == (404, "404")
    assert read("/openai/v1/chat/completions", body).param == "model"
    dated = read("/openai/v1/chat/completions?api-version=2024-10-21", CHAT)
    assert dated.status == 400


# --- ollama


def test_ollama_speaks_lines_with_nanoseconds(played):
    lines = played("/api/chat", OLLAMA).lines()
    assert [line["done"] for line in lines] == [False] * 4 + [True]
    assert words("".join(line["message"]["content"] for line in lines)) == 4
    end = lines[-1]
    assert end["done_reason"] == "stop"
    assert (end["prompt_eval_count"], end["eval_count"]) == (5, 4)
    assert end["total_duration"] == 1_300_000_000
    assert end["load_duration"] == 0
    assert end["prompt_eval_duration"] == 1_000_000_000
    assert end["eval_duration"] == 300_000_000


def test_ollama_streams_unless_told_otherwise(read):
    assert read("/api/chat", OLLAMA).stream
    assert read("/api/chat", {**OLLAMA, "stream": True}).stream
    assert not read("/api/chat", {**OLLAMA, "stream": False}).stream


def test_arguments_that_were_cut_off_lack_their_end(played):
    body = {**RESPONSES, "tools": [{"name": "look"}], "max_output_tokens": 16}
    mapping = {**CALLING, "output_tokens": {"fixed": 40}}
    item = played("/v1/responses", body, mapping).sse()[-1][1]["response"]["output"][0]
    assert item["arguments"].startswith('{"text": "')
    assert words(item["arguments"]) == 17
    with pytest.raises(json.JSONDecodeError):
        json.loads(item["arguments"])


def test_ollama_loads(played):
    end = played("/api/chat", OLLAMA, load_s=2.0, queue_s=0.5).lines()[-1]
    assert end["load_duration"] == 2_000_000_000
    assert end["prompt_eval_duration"] == 1_000_000_000
    assert end["total_duration"] == 3_800_000_000


def test_ollama_thinks_calls_and_stops_at_a_limit(played, whole):
    lines = played("/api/chat", OLLAMA, THINKING).lines()
    assert sum("thinking" in line["message"] for line in lines) == 2
    assert played("/api/chat", {**OLLAMA, "think": False}, THINKING).counts.reasoning == 0
    tools = {**OLLAMA, "tools": [TOOL]}
    call, _end = played("/api/chat", tools, CALLING).lines()
    function = call["message"]["tool_calls"][0]["function"]
    assert (function["name"], words(function["arguments"]["text"])) == ("look", 4)
    assert whole("/api/chat", tools, CALLING)["message"]["tool_calls"][0]["function"] == function
    limited = {**OLLAMA, "options": {"num_predict": 2}}
    assert played("/api/chat", limited).lines()[-1]["done_reason"] == "length"
    endless = {**OLLAMA, "options": {"num_predict": -1}}
    assert played("/api/chat", endless).lines()[-1]["eval_count"] == 4
    thoughtful = whole("/api/chat", {**OLLAMA, "stream": False}, THINKING)
    assert words(thoughtful["message"]["thinking"]) == 2


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(None, None), (0, 0), (60, 60), (-1, float("inf")), ("10m", 600), ("-1m", float("inf"))],
)
def test_ollama_keep_alive(read, given, seconds):
    assert read("/api/chat", {**OLLAMA, "keep_alive": given}).keep_alive_s == seconds
    assert read("/api/chat", {**OLLAMA, "keep_alive": "soon"}).keep_alive_s is None


def test_ollama_fails_in_a_line(played):
    fault = {"kind": "error_event", "after_chunks": 1, "every": 1, "message": "out of memory"}
    assert played("/api/chat", OLLAMA, {"faults": [fault]}).lines()[-1] == {
        "error": "out of memory"
    }
    endless = played("/api/chat", OLLAMA, {"faults": [{"kind": "no_finish", "every": 1}]})
    assert not any(line["done"] for line in endless.lines())


# --- what nobody knows

STRANGE = {"faults": [{"kind": "strange_events", "every": 1}]}
STREAMS = [
    ("/v1/chat/completions", CHAT),
    ("/v1/responses", RESPONSES),
    (STREAM, GEMINI),
    ("/model/m/converse-stream", CONVERSE),
    ("/api/chat", OLLAMA),
]


@pytest.mark.parametrize(("path", "body"), STREAMS)
def test_strange_events_stand_between_the_others(played, path, body):
    strange, plain = played(path, body, STRANGE), played(path, body)
    between = [write for write in strange.writes if write.what == "strange"]
    assert len(between) == 5
    assert len({write.data for write in between}) == 1
    assert b"strange" in between[0].data
    others = [write for write in strange.writes if write.what != "strange"]
    assert [write.what for write in others] == [write.what for write in plain.writes]


def test_a_strange_frame_has_headers_of_every_type(played):
    strange = played("/model/m/converse-stream", CONVERSE, STRANGE)
    data = next(write.data for write in strange.writes if write.what == "strange")
    total, size, crc = struct.unpack(">III", data[:12])
    assert (total, crc) == (len(data), zlib.crc32(data[:8]))
    assert struct.unpack(">I", data[-4:])[0] == zlib.crc32(data[:-4])
    headers, kinds = data[12 : 12 + size], []
    while headers:
        kind = headers[1 + headers[0]]
        rest = headers[2 + headers[0] :]
        length = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}.get(kind)
        if length is None:
            length = 2 + struct.unpack(">H", rest[:2])[0]
        kinds.append(kind)
        headers = rest[length:]
    assert kinds == [0, 1, 2, 3, 4, 5, 6, 8, 9, 7, 7, 7]


# --- what is refused

REFUSED = [
    ("/v1/responses", RESPONSES, {"messages": []}, "Unknown parameter"),
    ("/v1/responses", RESPONSES, {"model": ""}, "non-empty"),
    ("/v1/responses", RESPONSES, {"input": []}, "input"),
    ("/v1/responses", RESPONSES, {"max_output_tokens": 15}, ">= 16"),
    ("/v1/responses", RESPONSES, {"reasoning": "low"}, "reasoning"),
    ("/v1/responses", RESPONSES, {"tools": ["x"]}, "tools"),
    ("/v1/responses", RESPONSES, {"seed": 3}, "Unknown parameter"),
    ("/v1/responses", {"model": "m"}, {}, "Missing required"),
    (
        "/v1/responses",
        {**RESPONSES, "stream": False},
        {"stream_options": {"include_obfuscation": False}},
        "only allowed",
    ),
    (STREAM, GEMINI, {"messages": []}, "Unknown name"),
    (STREAM, GEMINI, {"contents": []}, "contents is not specified"),
    (STREAM, GEMINI, {"contents": [{"parts": []}]}, "must not be empty"),
    (STREAM, GEMINI, {"contents": [{"role": "boss", "parts": [{}]}]}, "valid role"),
    (STREAM, GEMINI, {"systemInstruction": "be"}, "system_instruction"),
    (STREAM, GEMINI, {"tools": 3}, "tools"),
    (STREAM, GEMINI, {"serviceTier": 3}, "service_tier"),
    (STREAM, GEMINI, {"generationConfig": 3}, "generation_config"),
    (STREAM, GEMINI, {"generationConfig": {"max_tokens": 3}}, "Unknown name"),
    (STREAM, GEMINI, {"generationConfig": {"maxOutputTokens": 0}}, "max_output_tokens"),
    (STREAM, GEMINI, {"generationConfig": {"candidateCount": 2}}, "one candidate"),
    (STREAM, GEMINI, {"generationConfig": {"thinkingConfig": 1}}, "thinking_config"),
    ("/model/m/converse", CONVERSE, {"model": "m"}, "extraneous"),
    ("/model/m/converse", CONVERSE, {"messages": []}, "empty"),
    ("/model/m/converse", CONVERSE, {"messages": [{"role": "system", "content": []}]}, "role"),
    ("/model/m/converse", CONVERSE, {"system": "be"}, "system"),
    ("/model/m/converse", CONVERSE, {"inferenceConfig": []}, None),
    ("/model/m/converse", CONVERSE, {"inferenceConfig": [1]}, "inferenceConfig"),
    ("/model/m/converse", CONVERSE, {"inferenceConfig": {"maxTokens": 0}}, "maxTokens"),
    ("/model/m/converse", CONVERSE, {"toolConfig": {"tools": 3}}, "tools"),
    ("/model/m/invoke", INVOKE, {"anthropic_version": ""}, "Field required"),
    ("/model/m/invoke", INVOKE, {"anthropic_version": 4}, "valid string"),
    ("/model/m/invoke", INVOKE, {"model": "m"}, "model: Extra inputs"),
    ("/model/m/invoke", INVOKE, {"temperature": 1}, "temperature: Extra inputs"),
    ("/api/chat", OLLAMA, {"model": 3}, "model is required"),
    ("/api/chat", OLLAMA, {"messages": []}, "messages is required"),
    ("/api/chat", OLLAMA, {"messages": [{"content": []}]}, "type string"),
    ("/api/chat", OLLAMA, {"options": 3}, "options"),
    ("/api/chat", OLLAMA, {"options": {"num_predict": "x"}}, "num_predict"),
    ("/api/chat", OLLAMA, {"tools": 3}, "tools"),
]


@pytest.mark.parametrize(("path", "body", "changes", "word"), REFUSED)
def test_what_is_refused(read, path, body, changes, word):
    found = read(path, {**body, **changes})
    if word is None:
        assert not isinstance(found, Refusal)
    else:
        assert found.status == 400
        assert word in found.message


def test_pictures_tools_and_system_texts_count_as_input(played):
    def prompt(path, body):
        return played(path, body).counts.prompt

    image = {"type": "input_image", "image_url": "data:..."}
    item = {"role": "user", "content": [{"type": "input_text", "text": "hello"}, image]}
    assert prompt("/v1/responses", {**RESPONSES, "input": [item]}) == 2 + PICTURE + 3
    output = {"type": "function_call_output", "call_id": "c", "output": "y" * 100}
    assert prompt("/v1/responses", {**RESPONSES, "input": [item, output]}) > 5 + PICTURE + 25
    system = {**RESPONSES, "instructions": "x" * 40}
    assert prompt("/v1/responses", system) == 5 + 10 + 3
    parts = [{"text": "hello"}, {"inlineData": {"mimeType": "image/png", "data": "x"}}]
    seen = {"contents": [{"parts": parts}], "system_instruction": {"parts": [{"text": "x" * 40}]}}
    assert prompt(STREAM, seen) == 2 + PICTURE + 3 + 10 + 3
    blocks = [{"text": "hello"}, {"image": {"format": "png", "source": {"bytes": ""}}}]
    converse = {"messages": [{"role": "user", "content": blocks}]}
    assert prompt("/model/m/converse-stream", converse) == 2 + PICTURE + 3
    message = {"role": "user", "content": "hello", "images": ["aGk="]}
    assert prompt("/api/chat", {"model": "m", "messages": [message]}) == 2 + PICTURE + 3
    assert prompt("/api/chat", {**OLLAMA, "tools": [TOOL]}) > prompt("/api/chat", OLLAMA) + 10


TOOLS = [
    ("/v1/responses", {**RESPONSES, "tools": [{"name": "a"}, {"name": "b"}]}, "tool_choice"),
    ("/v1/chat/completions", {**CHAT, "tools": [TOOL]}, "tool_choice"),
]


@pytest.mark.parametrize(("path", "body", "key"), TOOLS)
@pytest.mark.parametrize(
    ("choice", "calls"), [("auto", False), ("none", False), ("required", True)]
)
def test_a_call_that_is_demanded_comes(read, played, path, body, key, choice, calls):
    answer = played(path, {**body, key: choice})
    assert (answer.script.answer.tool is not None) == calls
    assert (read(path, {**body, key: choice}).tool is None) == (choice == "none")


def test_a_call_can_be_named(read):
    named = {**TOOLS[0][1], "tool_choice": {"type": "function", "name": "b"}}
    assert (read("/v1/responses", named).tool, read("/v1/responses", named).must_call) == (
        "b",
        True,
    )
    chat = {"type": "function", "function": {"name": "look"}}
    asked = read("/v1/chat/completions", {**CHAT, "tools": [TOOL], "tool_choice": chat})
    assert (asked.tool, asked.must_call) == ("look", True)
    modes = {"NONE": (None, False), "ANY": ("look", True), "AUTO": ("look", False)}
    for mode, wanted in modes.items():
        config = {"functionCallingConfig": {"mode": mode}}
        body = {**GEMINI, "tools": [{"functionDeclarations": [{"name": "look"}]}]}
        asked = read(STREAM, {**body, "toolConfig": config})
        assert (asked.tool, asked.must_call) == wanted
    anthropic = {**INVOKE, "tools": [{"name": "look"}], "tool_choice": {"type": "any"}}
    assert read("/model/m/invoke", anthropic).must_call
    none = {**anthropic, "tool_choice": {"type": "none"}}
    assert read("/model/m/invoke", none).tool is None

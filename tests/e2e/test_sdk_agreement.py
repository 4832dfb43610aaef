"""The vendors' own stream decoders as the oracle: theirs and ours say the same of the same bytes.

Each official client sends a real request to a local server that plays a recording, or a generated
stream, back to it. What the client makes of it is compared with what our decoder makes of the very
same bytes: text, tool calls, reasoning, usage, finish reason, error.
"""

import base64
import json
import os
import random
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anthropic
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from botocore.session import Session as BotoSession
from google import genai

from lens_gate.providers.answer import collect
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import Read, ResponseHead

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT = PROJECT.parent / "shared" / "fixtures"
RECORDINGS = Path(os.environ.get("LENS_GATE_RECORDINGS") or DEFAULT)
GENERATED = 40
# Failures that we find in a finish reason; the clients leave judging it to their users.
BY_REASON = frozenset({"content_filter", "truncated"})


@dataclass
class Said:
    """What a stream says: text, events with reasoning or tool bytes, counts, the end."""

    text: str = ""
    reasoning: int = 0
    tools: int = 0
    tokens: tuple[int | None, int | None] = (None, None)
    cached: int | None = None
    finish: str | None = None
    model: str | None = None
    failed: bool = False
    notes: dict = field(default_factory=dict)


# --- the server that plays back -----------------------------------------------------------------


class Playback(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, body = self.server.plays
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    playing = ThreadingHTTPServer(("127.0.0.1", 0), Playback)
    playing.daemon_threads = True
    playing.url = f"http://127.0.0.1:{playing.server_port}"
    thread = threading.Thread(target=playing.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield playing
    playing.shutdown()
    thread.join()
    playing.server_close()


@pytest.fixture(scope="module")
def clients(server):
    """The official clients, made once: each takes a while."""
    boto = BotoSession()
    boto.set_credentials("key", "secret")
    return {
        "openai": openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0),
        "anthropic": anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0),
        "gemini": genai.Client(
            api_key="k", http_options=genai.types.HttpOptions(base_url=server.url)
        ),
        "bedrock": boto.create_client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=server.url,
            config=Config(retries={"total_max_attempts": 1}),
        ),
    }


# --- what the official clients say --------------------------------------------------------------


def chat(client) -> Said:
    said = Said()
    try:
        asked = client.chat.completions.create(model="m", messages=[], stream=True)
        for part in asked:
            said.model = part.model or said.model
            for choice in part.choices[:1]:
                delta = choice.delta
                extra = (delta.model_extra or {}) if delta else {}
                said.text += (delta.content or "") + (delta.refusal or "") if delta else ""
                said.reasoning += bool(extra.get("reasoning") or extra.get("reasoning_content"))
                calls = (
                    [c.function for c in (delta.tool_calls or []) if c.function] if delta else []
                )
                said.tools += any(c.name or c.arguments for c in calls)
                said.finish = choice.finish_reason or said.finish
            groq = (part.model_extra or {}).get("x_groq") or {}
            if part.usage is None and groq.get("usage"):
                # Groq's own place for it, which OpenAI's client keeps and has no name for.
                told = groq["usage"]
                said.tokens = (told["prompt_tokens"], told["completion_tokens"])
            if part.usage:
                said.tokens = (part.usage.prompt_tokens, part.usage.completion_tokens)
                details = part.usage.prompt_tokens_details
                said.cached = details.cached_tokens if details else None
    except openai.APIError:
        said.failed = True
    return said


# Of calls of ours, of connected servers, and of what runs at the provider.
TOOL_BYTES = (
    "_call_arguments.delta",
    "custom_tool_call_input.delta",
    "code_interpreter_call_code.delta",
)


def responses(client) -> Said:
    said = Said()
    try:
        for event in client.responses.create(model="m", input="x", stream=True):
            kind = event.type
            if kind in ("response.output_text.delta", "response.refusal.delta"):
                said.text += event.delta
            if kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
                said.reasoning += bool(event.delta)
            if kind.endswith(TOOL_BYTES):
                said.tools += bool(event.delta)
            if kind in ("response.completed", "response.incomplete"):
                usage = event.response.usage
                said.tokens = (usage.input_tokens, usage.output_tokens)
                said.cached = usage.input_tokens_details.cached_tokens
                said.model = event.response.model
            if kind in ("response.failed", "error"):
                said.failed = True
    except openai.APIError:
        said.failed = True
    return said


def messages(client) -> Said:
    said = Said()
    try:
        stream = client.beta.messages.create(model="m", max_tokens=1, messages=[], stream=True)
        for event in stream:
            if event.type == "message_start":
                said.model, start = event.message.model, event.message.usage
            if event.type == "content_block_start":
                block = event.content_block
                said.text += getattr(block, "text", "") or "" if block.type == "text" else ""
                said.tools += bool(block.type.endswith("tool_use"))
            if event.type == "content_block_delta":
                delta = event.delta
                said.text += delta.text if delta.type == "text_delta" else ""
                said.reasoning += bool(delta.type == "thinking_delta" and delta.thinking)
                said.tools += bool(delta.type == "input_json_delta" and delta.partial_json)
            if event.type == "message_delta":
                said.finish, usage = event.delta.stop_reason, event.usage
                counts = [
                    getattr(start, name) if getattr(usage, name) is None else getattr(usage, name)
                    for name in (
                        "input_tokens",
                        "cache_creation_input_tokens",
                        "cache_read_input_tokens",
                    )
                ]
                said.tokens = (sum(n or 0 for n in counts), usage.output_tokens)
                said.cached = counts[2]
    except anthropic.APIError:
        said.failed = True
    return said


def generate(client) -> Said:
    said, prompt, output = Said(), None, {}
    try:
        for part in client.models.generate_content_stream(model="m", contents="x"):
            said.model = part.model_version or said.model
            for candidate in (part.candidates or [])[:1]:
                pieces = (candidate.content.parts if candidate.content else None) or []
                said.text += "".join(p.text or "" for p in pieces if not p.thought)
                said.reasoning += any(p.thought and p.text for p in pieces)
                said.tools += any(p.function_call or p.executable_code for p in pieces)
                said.finish = (
                    candidate.finish_reason.value if candidate.finish_reason else said.finish
                )
            usage = part.usage_metadata
            if usage is not None:
                found = {
                    "prompt": usage.prompt_token_count,
                    "tools": usage.tool_use_prompt_token_count,
                    "text": usage.candidates_token_count,
                    "thoughts": usage.thoughts_token_count,
                    "cached": usage.cached_content_token_count,
                }
                output |= {name: n for name, n in found.items() if n is not None}
    except genai.errors.APIError:
        said.failed = True
    if "prompt" in output:
        prompt = output["prompt"] + output.get("tools", 0)
    total = [output[name] for name in ("text", "thoughts") if name in output]
    said.tokens = (prompt, sum(total) if total else None)
    said.cached = output.get("cached")
    return said


def converse(client) -> Said:
    said = Said()
    try:
        asked = [{"role": "user", "content": [{"text": "x"}]}]
        for event in client.converse_stream(modelId="m", messages=asked)["stream"]:
            if "contentBlockStart" in event:
                said.tools += "toolUse" in event["contentBlockStart"]["start"]
            if "contentBlockDelta" in event:
                delta = event["contentBlockDelta"]["delta"]
                said.text += delta.get("text", "")
                said.reasoning += bool(delta.get("reasoningContent", {}).get("text"))
                said.tools += bool(delta.get("toolUse", {}).get("input"))
            if "messageStop" in event:
                said.finish = event["messageStop"]["stopReason"]
            if "metadata" in event:
                usage = event["metadata"]["usage"]
                cached = [usage.get(f"cache{way}InputTokens") for way in ("Read", "Write")]
                said.tokens = (
                    usage["inputTokens"] + sum(n or 0 for n in cached),
                    usage["outputTokens"],
                )
                said.cached = cached[0]
    except (EventStreamError, ClientError):
        said.failed = True
    return said


def invoke(client) -> Said:
    """AWS's client unpacks the frames; the events inside are Anthropic's and read naively."""
    said, counts = Said(), {}
    try:
        asked = client.invoke_model_with_response_stream(modelId="m", body=b"{}")
        for event in asked["body"]:
            inner = json.loads(event["chunk"]["bytes"])
            delta = inner.get("delta") or {}
            said.text += delta.get("text") or ""
            said.reasoning += bool(delta.get("thinking"))
            said.tools += bool(delta.get("partial_json"))
            said.tools += (inner.get("content_block") or {}).get("type", "").endswith("tool_use")
            if inner["type"] == "message_start":
                said.model = inner["message"]["model"]
            counts |= inner.get("usage") or (inner.get("message") or {}).get("usage") or {}
            said.finish = delta.get("stop_reason") or said.finish
    except (EventStreamError, ClientError):
        said.failed = True
    if "input_tokens" in counts:
        said.cached = counts.get("cache_read_input_tokens")
        written = counts.get("cache_creation_input_tokens") or 0
        said.tokens = (
            counts["input_tokens"] + (said.cached or 0) + written,
            counts.get("output_tokens"),
        )
    return said


@dataclass(frozen=True)
class Protocol:
    row: str
    client: str
    read: Callable[[object], Said]
    # Whether the client tells of a finish reason as we do, and counts tool events as we do.
    finish: bool = True
    counts: bool = True


PROTOCOLS = {
    "chat": Protocol("openai-compatible", "openai", chat),
    "responses": Protocol("openai-responses", "openai", responses, finish=False, counts=False),
    "anthropic": Protocol("anthropic", "anthropic", messages),
    "gemini": Protocol("gemini", "gemini", generate),
    "bedrock": Protocol("bedrock", "bedrock", converse),
    "bedrock-invoke": Protocol("bedrock-invoke", "bedrock", invoke),
}


def ours(row: str, body: bytes) -> Said:
    """What our decoder says, reading in pieces as a network would bring them."""
    provider = PROVIDERS[row]
    head = ResponseHead(status=200, headers={"content-type": provider.media_type})
    rng = random.Random(len(body))
    cuts = sorted(rng.sample(range(1, len(body)), min(20, len(body) - 1))) if body else []
    reads = [Read(end=end, at_ns=i) for i, end in enumerate([*cuts, len(body)])]
    events, decoder, start = [], provider.decoder(head), 0
    for read in reads:
        events += decoder.feed(body[start : read.end])
        start = read.end
    events += decoder.close()
    kinds = [event.kind for event in events]
    decoded = collect(provider, head, body, reads)
    usage, failure = decoded.usage, decoded.failure
    return Said(
        text="".join(event.text for event in events),
        reasoning=kinds.count("reasoning"),
        tools=kinds.count("tool"),
        tokens=(usage.input_total, usage.output_total) if usage else (None, None),
        cached=usage.cache_read if usage else None,
        finish=decoded.finish_reason,
        model=decoded.model,
        failed=failure is not None and failure.status not in BY_REASON,
    )


def agree(name: str, clients, server, body: bytes) -> Said:
    protocol = PROTOCOLS[name]
    server.plays = (PROVIDERS[protocol.row].media_type, body)
    theirs, mine = protocol.read(clients[protocol.client]), ours(protocol.row, body)
    assert mine.text == theirs.text
    assert mine.failed == theirs.failed
    if protocol.counts:
        assert (mine.reasoning, mine.tools) == (theirs.reasoning, theirs.tools)
    else:
        assert (bool(mine.reasoning), bool(mine.tools)) == (
            bool(theirs.reasoning),
            bool(theirs.tools),
        )
    if protocol.finish:
        assert mine.finish == theirs.finish
    if theirs.model is not None:
        assert mine.model == theirs.model
    if not theirs.failed:
        # A client that raised had no chance to tell what came with the error.
        assert mine.tokens == theirs.tokens
        assert (mine.cached or 0) == (theirs.cached or 0)
    return theirs


# --- recordings ---------------------------------------------------------------------------------


def protocol_of(row: dict) -> str | None:
    folder, url = row["file"].partition("/")[0], row["url"]
    if row["status"] != 200 or folder == "mistral":
        return None
    if row["file"].endswith(".eventstream"):
        return "bedrock"
    if re.search(r"/chat/completions(#stream)?$", url):
        return "chat"
    if re.search(r"/responses(\?|$)", url):
        return "responses"
    if re.search(r"/v1/messages(\?|$)", url):
        return "anthropic"
    return "gemini" if ":streamGenerateContent" in url else None


def recordings() -> Iterator[tuple[str, str, bytes]]:
    index = RECORDINGS / "streams" / "index.jsonl"
    rows = index.read_text("utf-8").splitlines() if index.is_file() else []
    for row in {row["file"]: row for row in map(json.loads, rows)}.values():
        name = protocol_of(row)
        if name is not None and row["file"].endswith((".sse", ".eventstream")):
            yield name, row["file"], (index.parent / row["file"]).read_bytes()


ALL = list(recordings())


@pytest.mark.parametrize(("name", "body"), [pytest.param(n, b, id=f) for n, f, b in ALL])
def test_recordings(name, body, clients, server):
    agree(name, clients, server, body)


def test_the_recordings_hold_what_this_test_is_about():
    if not ALL:
        pytest.skip(f"no recordings in {RECORDINGS}: set LENS_GATE_RECORDINGS to test with them")
    assert {name for name, _, _ in ALL} == {"chat", "responses", "anthropic", "gemini", "bedrock"}
    assert len(ALL) >= 60


# --- generated streams --------------------------------------------------------------------------

WORDS = [
    "Hello",
    " world",
    "…",
    "🙂👍🏽",
    "\n\n",
    "\u2028",
    " [DONE]",
    '{"error":',
    "data: x",
    "ß",
    "  ",
]


def say(rng: random.Random) -> str:
    return "".join(rng.choices(WORDS, k=rng.randint(1, 4)))


def sse(
    events: list[dict], rng: random.Random, *, named: bool, done: bool = False, plain: bool = False
) -> bytes:
    """An event stream in one of the ways to write it; ``plain``: the only one Google's takes."""
    lines = []
    for event in events:
        if rng.random() < 0.2 and not plain:
            lines.append(": keep-alive\n\n")
        name = f"event: {event['type']}\n" if named else ""
        space = " " if plain else rng.choice(["", " "])
        lines.append(f"{name}data:{space}{json.dumps(event, ensure_ascii=rng.random() < 0.5)}\n\n")
    if done:
        lines.append("data: [DONE]\n\n")
    return "".join(lines).replace("\n", rng.choice(["\n", "\r\n"])).encode()


def generated_chat(rng: random.Random) -> bytes:
    def part(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-1"} | {
            "choices": [choice]
        }

    events = [part({"role": "assistant", "content": ""})]
    for _ in range(rng.randint(0, 6)):
        events.append(part({rng.choice(["content", "reasoning_content", "refusal"]): say(rng)}))
        if rng.random() < 0.3:
            call = {"index": 0, "id": "t", "type": "function"}
            call["function"] = {"name": rng.choice(["f", None]), "arguments": say(rng)}
            events.append(part({"tool_calls": [call]}))
    if rng.random() < 0.15:
        events.append({"error": {"message": say(rng), "type": "server_error", "code": None}})
        return sse(events, rng, named=False)
    events.append(part({}, rng.choice(["stop", "length", "tool_calls"])))
    usage = {"prompt_tokens": rng.randint(1, 999), "completion_tokens": rng.randint(0, 99)}
    usage |= {"total_tokens": 0, "prompt_tokens_details": {"cached_tokens": rng.randint(0, 1)}}
    events.append({**part({}), "choices": [], "usage": usage})
    return sse(events, rng, named=False, done=rng.random() < 0.8)


def generated_messages(rng: random.Random) -> list[dict]:
    counts = {
        "input_tokens": rng.randint(1, 99),
        "cache_creation_input_tokens": rng.randint(0, 9),
        "cache_read_input_tokens": rng.randint(0, 9),
    }
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "c-1"}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {**counts, "output_tokens": 1}}
    events: list[dict] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    blocks = {
        "text": ({"type": "text", "text": ""}, "text_delta", "text"),
        "thinking": (
            {"type": "thinking", "thinking": "", "signature": ""},
            "thinking_delta",
            "thinking",
        ),
        "tool_use": (
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            "input_json_delta",
            "partial_json",
        ),
    }
    for index in range(rng.randint(0, 4)):
        block, kind, name = blocks[rng.choice(list(blocks))]
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        for _ in range(rng.randint(0, 4)):
            delta = {"type": kind, name: rng.choice(["", say(rng)])}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    if rng.random() < 0.15:
        error = {"type": "overloaded_error", "message": "busy"}
        return [*events, {"type": "error", "error": error}]
    stop = {"stop_reason": rng.choice(["end_turn", "max_tokens", "tool_use", "refusal"])}
    usage = {"output_tokens": rng.randint(0, 99)} | (counts if rng.random() < 0.5 else {})
    events.append(
        {"type": "message_delta", "delta": {**stop, "stop_sequence": None}, "usage": usage}
    )
    return [*events, {"type": "message_stop"}]


def generated_gemini(rng: random.Random) -> bytes:
    counts = {"promptTokenCount": rng.randint(1, 99), "totalTokenCount": 7}
    chunks = []
    for _ in range(rng.randint(1, 6)):
        parts = []
        for _ in range(rng.randint(0, 2)):
            told = {"text": rng.choice(["", say(rng)])}
            call = {"functionCall": {"name": "f", "args": {"a": 1}}}
            parts.append(rng.choice([told, told, {**told, "thought": True}, call]))
        counts |= {"candidatesTokenCount": rng.randint(0, 99)}
        if rng.random() < 0.5:
            counts |= {"thoughtsTokenCount": rng.randint(1, 99)}
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        chunks.append({"candidates": [candidate], "usageMetadata": dict(counts)})
        chunks[-1] |= {"modelVersion": "g-1", "responseId": "r"}
    if rng.random() < 0.15:
        # As Google's servers do: raw, over many lines.
        error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
        return sse(chunks, rng, named=False, plain=True) + json.dumps(error, indent=2).encode()
    chunks[-1]["candidates"][0]["finishReason"] = rng.choice(["STOP", "MAX_TOKENS", "SAFETY"])
    return sse(chunks, rng, named=False, plain=True)


def frame(payload: dict, **named: str) -> bytes:
    headers = b""
    for name, value in {**named, "content-type": "application/json"}.items():
        key, raw = f":{name.replace('_', '-')}".encode(), value.encode()
        headers += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(raw)) + raw
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return head + struct.pack(">I", zlib.crc32(head))


def event(name: str, payload: dict) -> bytes:
    return frame({**payload, "p": "abc"}, event_type=name, message_type="event")


THROTTLED = frame(
    {"message": "slow"}, exception_type="throttlingException", message_type="exception"
)


def generated_converse(rng: random.Random) -> bytes:
    body = event("messageStart", {"role": "assistant"})
    for index in range(rng.randint(0, 6)):
        where = {"contentBlockIndex": index}
        delta = rng.choice(
            [
                {"text": rng.choice(["", say(rng)])},
                {"reasoningContent": {"text": say(rng)}},
                {"reasoningContent": {"signature": "abc"}},
                {"toolUse": {"input": say(rng)}},
            ]
        )
        if "toolUse" in delta:
            start = {"toolUse": {"toolUseId": "t", "name": "f"}}
            body += event("contentBlockStart", {"start": start, **where})
        body += event("contentBlockDelta", {"delta": delta, **where})
        body += event("contentBlockStop", where)
    if rng.random() < 0.15:
        return body + THROTTLED
    reasons = ["end_turn", "max_tokens", "tool_use", "guardrail_intervened"]
    body += event("messageStop", {"stopReason": rng.choice(reasons)})
    usage = {"inputTokens": rng.randint(1, 99), "outputTokens": rng.randint(0, 99)}
    usage |= {"totalTokens": 7, "cacheReadInputTokens": rng.randint(0, 9)}
    return body + event("metadata", {"usage": usage, "metrics": {"latencyMs": 5}})


def generated_invoke(rng: random.Random) -> bytes:
    told = generated_messages(rng)
    body = b""
    for inner in told:
        if inner["type"] == "error":
            return body + THROTTLED
        packed = base64.b64encode(json.dumps(inner).encode()).decode()
        body += event("chunk", {"bytes": packed})
    return body


def generated_responses(rng: random.Random) -> bytes:
    number = iter(range(10_000))
    response = {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "model": "m-1",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }

    def told(kind: str, **more) -> dict:
        return {"type": f"response.{kind}", "sequence_number": next(number), **more}

    events = [told("created", response={**response, "status": "in_progress", "usage": None})]
    at = {"item_id": "i", "output_index": 0}
    for _ in range(rng.randint(0, 6)):
        kind = rng.choice(["output_text", "refusal", "reasoning_summary_text", "reasoning_text"])
        more = {"content_index": 0, "logprobs": [], "summary_index": 0}
        events.append(told(f"{kind}.delta", delta=say(rng), **at, **more))
    if rng.random() < 0.3:
        call = {"type": "function_call", "name": "f", "arguments": "", "call_id": "t"}
        events.append(told("output_item.added", output_index=0, item=call))
        events.append(told("function_call_arguments.delta", delta=say(rng), **at))
    if rng.random() < 0.15:
        error = {"code": "server_error", "message": "oops"}
        end = {**response, "status": "failed", "error": error, "usage": None}
        return sse([*events, told("failed", response=end)], rng, named=True)
    usage = {"input_tokens": rng.randint(1, 99), "output_tokens": rng.randint(0, 99)}
    usage |= {"input_tokens_details": {"cached_tokens": rng.randint(0, 1), "cache_write_tokens": 0}}
    usage |= {"output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7}
    end = {**response, "status": "completed", "usage": usage}
    return sse([*events, told("completed", response=end)], rng, named=True)


GENERATORS: dict[str, Callable[[random.Random], bytes]] = {
    "chat": generated_chat,
    "responses": generated_responses,
    "anthropic": lambda rng: sse(generated_messages(rng), rng, named=True),
    "gemini": generated_gemini,
    "bedrock": generated_converse,
    "bedrock-invoke": generated_invoke,
}


@pytest.mark.parametrize("name", GENERATORS)
def test_generated_streams(name, clients, server):
    said = []
    for seed in range(GENERATED):
        body = GENERATORS[name](random.Random(f"{name} {seed}"))
        said.append(agree(name, clients, server, body))
    # Each kind of thing was among them.
    assert sum(bool(s.text) for s in said) > GENERATED / 8
    assert any(s.reasoning for s in said)
    assert any(s.tools for s in said)
    assert any(s.failed for s in said)
    assert not all(s.failed for s in said)

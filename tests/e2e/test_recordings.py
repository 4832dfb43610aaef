"""Real responses: every recording that a protocol of ours speaks, at every class of chunk boundary.

What our decoders say is compared with an extraction that is written here, naively, from the raw
bytes: it shares no line with them. The recordings are third-party data that lie beside the project
or in the folder named by ``LENS_GATE_RECORDINGS``.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from lens_gate.providers.answer import collect, judge_answer
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import Read, ResponseHead

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT = PROJECT.parent / "shared" / "fixtures"
RECORDINGS = Path(os.environ.get("LENS_GATE_RECORDINGS") or DEFAULT)
CHAT = re.compile(r"/chat/completions(#stream)?$")
RESPONSES = re.compile(r"/responses(/[^?]*)?(\?|$)")
MESSAGES = re.compile(r"/v1/messages(\?|$)")


@dataclass(frozen=True)
class Recording:
    file: str
    status: int
    url: str
    body: bytes

    @property
    def protocol(self) -> str | None:
        if CHAT.search(self.url):
            return "openai-compatible"
        if RESPONSES.search(self.url):
            return "openai-responses"
        return "anthropic" if MESSAGES.search(self.url) else None

    def __str__(self) -> str:
        return self.file


def recordings() -> Iterator[Recording]:
    index = RECORDINGS / "streams" / "index.jsonl"
    if not index.is_file():
        return
    seen = set()
    for line in index.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["file"] not in seen:
            seen.add(row["file"])
            body = (index.parent / row["file"]).read_bytes()
            yield Recording(row["file"], row["status"], row["url"], body)


ALL = list(recordings())
STREAMS = [r for r in ALL if r.status == 200 and r.protocol and r.file.endswith(".sse")]
ERRORS = [r for r in ALL if r.status >= 400]


@pytest.fixture(autouse=True)
def _recordings_are_there():
    if not ALL:
        pytest.skip(f"no recordings in {RECORDINGS}: set LENS_GATE_RECORDINGS to test with them")


# --- the naive extraction -----------------------------------------------------------------------


@dataclass
class Said:
    """What a stream says, by the naive reading."""

    text: str = ""
    reasoning: int = 0
    tools: int = 0
    outputs: int = 0
    finish: str | None = None
    model: str | None = None
    tier: str | None = None
    error: str | None = None
    usage: dict = field(default_factory=dict)


def payloads(body: bytes) -> Iterator[tuple[str, object]]:
    """Event name and JSON of every event, for bodies whose data is on one line each."""
    for piece in re.split(r"\n\n+", body.decode("utf-8").replace("\r\n", "\n")):
        name, data = "", None
        for line in piece.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                assert data is None, "a recording with data on several lines"
                data = line[5:].strip()
        if data and not data.startswith("[DONE]"):
            yield name, json.loads(data, parse_float=Decimal)


def naive_chat(body: bytes) -> Said:
    said = Said()
    for _, chunk in payloads(body):
        said.model = chunk.get("model") or said.model
        said.tier = chunk.get("service_tier") or said.tier
        for choice in chunk.get("choices") or []:
            delta = choice.get("delta") or {}
            content, thought = delta.get("content") or "", delta.get("reasoning")
            thought = thought or delta.get("reasoning_content")
            if isinstance(content, list):
                thought = "".join(t["text"] for p in content for t in p.get("thinking") or [])
                content = "".join(p.get("text", "") for p in content)
            content += delta.get("refusal") or ""
            calls = [c.get("function") or {} for c in delta.get("tool_calls") or []]
            tool = any(c.get("name") or c.get("arguments") for c in calls)
            said.text += content
            said.reasoning += bool(thought)
            said.tools += tool
            said.outputs += bool(content or thought or tool)
            said.finish = choice.get("finish_reason") or said.finish
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
        if usage:
            prompt = usage.get("prompt_tokens_details") or {}
            completion = usage.get("completion_tokens_details") or {}
            cached = prompt.get("cached_tokens")
            said.usage = {
                "input_total": usage.get("prompt_tokens"),
                "output_total": usage.get("completion_tokens"),
                "cache_read": usage.get("prompt_cache_hit_tokens") if cached is None else cached,
                "reasoning": completion.get("reasoning_tokens"),
                "cost_usd": usage.get("cost"),
            }
        if chunk.get("error"):
            said.error = chunk["error"]["message"]
    return said


# What the model itself writes of a call, hosted tools' among them.
CALLING = ("function_call_arguments", "mcp_call_arguments", "code_interpreter_call_code")


def naive_responses(body: bytes) -> Said:
    said = Said()
    for _, event in payloads(body):
        kind, delta = event["type"].removeprefix("response."), event.get("delta") or ""
        text = delta if kind in ("output_text.delta", "refusal.delta") else ""
        thought = bool(delta) and kind.startswith("reasoning_") and kind.endswith("text.delta")
        tool = bool(delta) and kind.removesuffix(".delta") in CALLING
        item = event.get("item") or {}
        tool = tool or (kind == "output_item.added" and item["type"] == "function_call")
        said.text += text
        said.reasoning += thought
        said.tools += tool
        said.outputs += bool(text or thought or tool)
        response = event.get("response") or {}
        said.model = response.get("model") or said.model
        if kind in ("completed", "incomplete"):
            details = response.get("incomplete_details") or {}
            said.finish = details.get("reason") or kind
            said.tier = response.get("service_tier")
            usage = response["usage"]
            said.usage = {
                "input_total": usage["input_tokens"],
                "output_total": usage["output_tokens"],
                "cache_read": usage["input_tokens_details"]["cached_tokens"],
                "reasoning": usage["output_tokens_details"]["reasoning_tokens"],
                "cost_usd": None,
            }
    return said


def naive_messages(body: bytes) -> Said:
    said = Said()
    counts: dict = {}
    for _, event in payloads(body):
        kind = event["type"]
        delta = event.get("delta") or {}
        block = event.get("content_block") or {}
        text, thought = delta.get("text") or block.get("text") or "", delta.get("thinking") or ""
        tool = bool(delta.get("partial_json")) or bool(block.get("name"))
        if kind.startswith("content_block"):
            said.text += text
            said.reasoning += bool(thought)
            said.tools += tool
            said.outputs += bool(text or thought or tool)
        if kind == "message_start":
            said.model = event["message"]["model"]
            counts |= event["message"]["usage"]
        if kind == "message_delta":
            said.finish = delta["stop_reason"]
            counts |= event["usage"]
    said.tier = counts.get("service_tier")
    said.usage = {
        "input_total": counts["input_tokens"]
        + counts["cache_creation_input_tokens"]
        + counts["cache_read_input_tokens"],
        "output_total": counts["output_tokens"],
        "cache_read": counts["cache_read_input_tokens"],
        "reasoning": (counts.get("output_tokens_details") or {}).get("thinking_tokens"),
        "cost_usd": None,
    }
    return said


NAIVE = {
    "openai-compatible": naive_chat,
    "openai-responses": naive_responses,
    "anthropic": naive_messages,
}


# --- ours against it ----------------------------------------------------------------------------


def boundaries(body: bytes, way: str) -> list[int]:
    if way == "whole":
        return [len(body)]
    if way == "byte by byte":
        return list(range(1, len(body) + 1))
    if way == "lines":
        return [m.end() for m in re.finditer(rb"\n", body)] + [len(body)]
    rng = random.Random(way)
    inside = sorted(rng.sample(range(1, len(body)), min(40, len(body) - 1)))
    return [*inside, len(body)]


WAYS = ["whole", "byte by byte", "lines", "random 1", "random 2"]
HEAD = ResponseHead(status=200, headers={"content-type": "text/event-stream"})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recording", STREAMS, ids=str)
def test_a_stream_says_what_its_bytes_say(recording, way):
    provider = PROVIDERS[recording.protocol]
    said = NAIVE[recording.protocol](recording.body)
    reads = [Read(end=e, at_ns=i) for i, e in enumerate(boundaries(recording.body, way))]
    texts, kinds, decoder, start = [], [], provider.decoder(HEAD), 0
    for read in reads:
        for event in decoder.feed(recording.body[start : read.end]):
            texts.append(event.text)
            kinds.append(event.kind)
        start = read.end
    for event in decoder.close():
        texts.append(event.text)
        kinds.append(event.kind)
    decoded = collect(provider, HEAD, recording.body, reads)

    assert "".join(texts) == said.text
    assert kinds.count("reasoning") == said.reasoning
    assert kinds.count("tool") == said.tools
    assert len(decoded.output_ns) == said.outputs
    assert decoded.output_chars == len(said.text)
    assert (decoded.finish_reason, decoded.model) == (said.finish, said.model)
    assert decoded.service_tier == said.tier
    if said.usage:
        found = {name: getattr(decoded.usage, name) for name in said.usage}
        assert found == said.usage
    else:
        assert decoded.usage is None

    failure = judge_answer(HEAD, decoded, ended="clean", body_length=len(recording.body))
    if said.error:
        assert failure.detail == " ".join(said.error.split())[:300]
        assert failure.status == "bad_request"
    elif said.finish is None:
        assert failure.status == "truncated"
    else:
        assert failure is None
        assert decoded.usage_final


GROQ = [r for r in STREAMS if "api.groq.com" in r.url and b'"total_time"' in r.body]


@pytest.mark.parametrize("recording", GROQ, ids=str)
def test_groq_tells_its_own_times_in_seconds(recording):
    numbers = dict(re.findall(r'"(\w+_time)":([0-9.]+)', recording.body.decode()))
    said = {name: float(number) for name, number in numbers.items()}
    reads = [Read(end=len(recording.body), at_ns=0)]
    server = collect(PROVIDERS[recording.protocol], HEAD, recording.body, reads).server
    assert (server.source, server.queue_s) == ("usage", said["queue_time"])
    assert server.ttft_s == said["queue_time"] + said["prompt_time"]
    assert server.generation_s == said["completion_time"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recording", STREAMS, ids=str)
def test_the_watch_stops_a_recording_at_its_last_word_and_no_earlier(recording, way):
    provider = PROVIDERS[recording.protocol]
    watch, decoder = provider.watch(HEAD), provider.decoder(HEAD)
    start = 0
    for end in boundaries(recording.body, way):
        piece = recording.body[start:end]
        start = end
        last = [e for e in decoder.feed(piece) if e.kind in ("end", "error")]
        assert watch(piece) == bool(last)
        if last:
            return
    # Only an error as the very last event, without its blank line, is seen by nobody in time.
    assert [e.kind for e in decoder.close()][-1:] == ["error"]


@pytest.mark.parametrize("recording", ERRORS, ids=str)
def test_an_error_is_told_with_a_fitting_status(recording):
    provider = PROVIDERS[recording.protocol or "openai-compatible"]
    failure = provider.failure(ResponseHead(status=recording.status, headers={}), recording.body)
    error = json.loads(recording.body).get("error") or {}
    by_status = {400: "bad_request", 404: "not_found", 429: "rate_limited"}[recording.status]
    named = "not_found" if error.get("code") == "model_not_found" else by_status
    assert failure.status == named
    assert failure.http_status == recording.status
    assert failure.retryable == (recording.status == 429)
    message = error.get("message") or json.loads(recording.body)["message"]
    assert failure.detail.startswith(" ".join(message.split())[:300])


def test_the_recordings_hold_what_this_test_is_about():
    """So that an empty or a moved folder can't pass for a good one."""
    spoken = [NAIVE[r.protocol](r.body) for r in STREAMS]
    assert len(STREAMS) >= 40
    assert {r.protocol for r in STREAMS} == NAIVE.keys()
    assert sum(bool(s.text) for s in spoken) > 10
    assert sum(bool(s.reasoning) for s in spoken) > 5
    assert sum(bool(s.tools) for s in spoken) > 5
    assert sum(bool(s.error) for s in spoken) >= 3
    assert len(ERRORS) >= 25

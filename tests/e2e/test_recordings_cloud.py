"""Real answers of Anthropic, Gemini, Vertex and Bedrock, at every class of chunk boundary.

As in ``test_recordings``: what our decoders say is compared with a naive extraction that shares no
line with them.
"""

import base64
import json
import os
import random
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lens_gate.providers.answer import collect, judge_answer
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import Read, ResponseHead

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT = PROJECT.parent / "shared" / "fixtures"
RECORDINGS = Path(os.environ.get("LENS_GATE_RECORDINGS") or DEFAULT)
GENERATE = re.compile(r":(streamG|g)enerateContent(\?|$)|:countTokens|:batchEmbed")
ROWS = {"gemini": "gemini", "vertex": "vertex", "bedrock": "bedrock", "anthropic": "anthropic"}


@dataclass(frozen=True)
class Recording:
    file: str
    status: int
    url: str
    headers: dict
    body: bytes

    @property
    def protocol(self) -> str:
        return ROWS[self.file.partition("/")[0]]

    def __str__(self) -> str:
        return self.file

    def __hash__(self) -> int:
        return hash(self.file)


def recordings() -> Iterator[Recording]:
    index = RECORDINGS / "streams" / "index.jsonl"
    if not index.is_file():
        return
    seen = set()
    for line in index.read_text("utf-8").splitlines():
        row = json.loads(line)
        folder = row["file"].partition("/")[0]
        # Bedrock also speaks OpenAI's protocols, at other addresses.
        if row["file"] not in seen and folder in ROWS and "/openai/" not in row["url"]:
            seen.add(row["file"])
            body = (index.parent / row["file"]).read_bytes()
            headers = row.get("response_headers", {})
            yield Recording(row["file"], row["status"], row["url"], headers, body)


ALL = list(recordings())
STREAMS = [r for r in ALL if r.status == 200]
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
    latency_ms: int | None = None
    usage: dict = field(default_factory=dict)
    charges: dict = field(default_factory=dict)

    def add(self, text: str, *, thought: bool, tool: bool) -> None:
        self.text += text
        self.reasoning += thought
        self.tools += tool
        self.outputs += bool(text or thought or tool)


def payloads(body: bytes) -> Iterator[dict]:
    for line in body.decode("utf-8").splitlines():
        if line.startswith("data:"):
            yield json.loads(line[5:])


def naive_gemini(body: bytes) -> Said:
    said, counts = Said(), {}
    for chunk in payloads(body):
        said.model = chunk["modelVersion"]
        counts |= chunk["usageMetadata"]
        (candidate,) = chunk["candidates"]
        parts = candidate.get("content", {}).get("parts", [])
        said.add(
            "".join(p.get("text", "") for p in parts if not p.get("thought")),
            thought=any(p.get("thought") and p["text"] for p in parts),
            tool=any("functionCall" in p or "executableCode" in p for p in parts),
        )
        said.finish = candidate.get("finishReason") or said.finish
    tier = counts.get("serviceTier") or counts.get("trafficType")
    said.tier = tier and tier.lower().replace("on_demand_", "")
    tools = counts.get("toolUsePromptTokenCount", 0)
    total = counts["totalTokenCount"]
    said.usage = {
        "input_total": counts["promptTokenCount"] + tools,
        # The vendor's own sum is the check of ours.
        "output_total": total - counts["promptTokenCount"] - tools,
        "reasoning": counts.get("thoughtsTokenCount"),
        "cache_read": counts.get("cachedContentTokenCount"),
    }
    return said


def frames(body: bytes) -> Iterator[tuple[str, dict]]:
    while body:
        total, size = struct.unpack(">II", body[:8])
        name = re.search(
            rb":event-type\x07..(\w+?)(?:\r:|\x0b:|$)", body[12 : 12 + size], re.DOTALL
        )
        yield name[1].decode(), json.loads(body[12 + size : total - 4])
        body = body[total:]


def naive_converse(body: bytes) -> Said:
    said = Said()
    for name, event in frames(body):
        delta, start = event.get("delta") or {}, event.get("start") or {}
        tool = (delta.get("toolUse") or {}).get("input") or (start.get("toolUse") or {}).get("name")
        thought = (delta.get("reasoningContent") or {}).get("text")
        said.add(delta.get("text") or "", thought=bool(thought), tool=bool(tool))
        if name == "messageStop":
            said.finish = event["stopReason"]
        if name == "metadata":
            usage = event["usage"]
            said.usage = {
                "input_total": usage["totalTokens"] - usage["outputTokens"],
                "output_total": usage["outputTokens"],
                "cache_read": usage.get("cacheReadInputTokens"),
            }
            said.latency_ms = event["metrics"]["latencyMs"]
    return said


def naive_messages(body: bytes) -> Said:
    said, counts = Said(), {}
    for event in payloads(body):
        kind = event["type"]
        delta, block = event.get("delta") or {}, event.get("content_block") or {}
        if kind.startswith("content_block"):
            said.add(
                delta.get("text") or block.get("text") or "",
                thought=bool(delta.get("thinking")),
                tool=bool(delta.get("partial_json") or block.get("name")),
            )
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
    }
    for name, asked in (counts.get("server_tool_use") or {}).items():
        if asked:
            said.charges[name.removesuffix("_requests")] = asked
    for each in counts.get("iterations") or []:
        if each["type"] != "message":
            said.charges[each["type"]] = said.charges.get(each["type"], 0) + 1
    return said


NAIVE = {
    "gemini": naive_gemini,
    "vertex": naive_gemini,
    "bedrock": naive_converse,
    "anthropic": naive_messages,
}


# --- ours against it ----------------------------------------------------------------------------


def boundaries(body: bytes, way: str) -> list[int]:
    if way == "whole":
        return [len(body)]
    if way == "byte by byte":
        return list(range(1, len(body) + 1))
    rng = random.Random(way)
    inside = sorted(rng.sample(range(1, len(body)), min(40, len(body) - 1)))
    return [*inside, len(body)]


def head_of(recording: Recording) -> ResponseHead:
    kind = PROVIDERS[recording.protocol].media_type
    return ResponseHead(status=200, headers={**recording.headers, "content-type": kind})


WAYS = ["whole", "byte by byte", "random 1", "random 2"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recording", STREAMS, ids=str)
def test_a_stream_says_what_its_bytes_say(recording, way):
    provider, head = PROVIDERS[recording.protocol], head_of(recording)
    said = NAIVE[recording.protocol](recording.body)
    reads = [Read(end=e, at_ns=i) for i, e in enumerate(boundaries(recording.body, way))]
    events, decoder, start = [], provider.decoder(head), 0
    for read in reads:
        events += decoder.feed(recording.body[start : read.end])
        start = read.end
    events += decoder.close()
    kinds = [event.kind for event in events]
    decoded = collect(provider, head, recording.body, reads)

    assert "".join(event.text for event in events) == said.text
    assert kinds.count("reasoning") == said.reasoning
    assert kinds.count("tool") == said.tools
    assert len(decoded.output_ns) == said.outputs
    assert decoded.output_chars == len(said.text)
    assert (decoded.finish_reason, decoded.model) == (said.finish, said.model)
    assert decoded.service_tier == said.tier
    assert {name: getattr(decoded.usage, name) for name in said.usage} == said.usage
    assert decoded.usage.charges == said.charges
    assert decoded.usage_final
    if said.latency_ms is not None:
        assert decoded.server.total_s == pytest.approx(said.latency_ms / 1000)
    assert (
        judge_answer(
            head,
            decoded,
            ended="clean",
            body_length=len(recording.body),
            media_type=provider.media_type,
        )
        is None
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recording", STREAMS, ids=str)
def test_the_watch_stops_a_recording_at_its_last_word_and_no_earlier(recording, way):
    provider, head = PROVIDERS[recording.protocol], head_of(recording)
    watch, decoder = provider.watch(head), provider.decoder(head)
    start = 0
    for end in boundaries(recording.body, way):
        piece = recording.body[start:end]
        start = end
        last = any(event.kind in ("end", "error") for event in decoder.feed(piece))
        assert watch(piece) == last
        if last:
            return
    # Google's streams have no last word: they end with the body.
    assert recording.protocol in ("gemini", "vertex")


@pytest.mark.parametrize("recording", [r for r in STREAMS if r.protocol == "anthropic"], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_messages_of_anthropic_say_the_same_in_frames(recording, way):
    """The same recordings through ``bedrock-invoke``: its frames hold these very events."""
    body = b"".join(map(_chunk, payloads(recording.body)))
    row, plain = PROVIDERS["bedrock-invoke"], PROVIDERS["anthropic"]
    head = ResponseHead(status=200, headers={"content-type": row.media_type})
    reads = [Read(end=e, at_ns=0) for e in boundaries(body, way)]
    ours = collect(row, head, body, reads)
    once = collect(plain, head, recording.body, [Read(end=len(recording.body), at_ns=0)])
    for name in ("usage", "finish_reason", "model", "service_tier", "output_chars", "saw_end"):
        assert getattr(ours, name) == getattr(once, name)
    assert len(ours.output_ns) == len(once.output_ns)


def _chunk(event: dict) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    headers = b"\x0b:event-type\x07\x00\x05chunk\r:message-type\x07\x00\x05event"
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize("recording", ERRORS, ids=str)
def test_an_error_is_told_with_a_fitting_status(recording):
    provider = PROVIDERS[recording.protocol]
    failure = provider.failure(ResponseHead(status=recording.status, headers={}), recording.body)
    told = json.loads(recording.body)
    error = told.get("error") or told
    assert failure.status == {400: "bad_request", 404: "not_found"}[recording.status]
    assert failure.detail == " ".join(error["message"].split())[:300]
    assert failure.code == error.get("status", error.get("type"))
    assert not failure.retryable


@pytest.mark.parametrize("recording", [r for r in STREAMS if r.protocol == "gemini"], ids=str)
def test_the_time_of_google_s_front(recording):
    stated = recording.headers["server-timing"].rpartition("=")[2]
    times = PROVIDERS["gemini"].server_times(head_of(recording))
    assert times.headers_s == pytest.approx(int(stated) / 1000)


def test_the_recordings_hold_what_this_test_is_about():
    """So that an empty or a moved folder can't pass for a good one."""
    spoken = [NAIVE[r.protocol](r.body) for r in STREAMS]
    assert {r.protocol for r in STREAMS} == set(ROWS)
    assert len(STREAMS) >= 25
    assert len(ERRORS) >= 10
    assert sum(bool(s.text) for s in spoken) >= 20
    assert sum(bool(s.reasoning) for s in spoken) >= 4
    assert sum(bool(s.tools) for s in spoken) >= 8
    assert sum(bool(s.charges) for s in spoken) >= 4

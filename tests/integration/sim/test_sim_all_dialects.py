"""Every dialect over real HTTP: what is read by hand agrees with the server's own books."""

import asyncio
import base64
import itertools
import json
import struct
import zlib

import pytest

HELLO = [{"role": "user", "content": "hello there"}]
VERSION = {"anthropic-version": "2023-06-01"}
CHAT = {"model": "m", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
GEMINI = {
    "contents": [{"parts": [{"text": "hello there"}]}],
    "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello there"}]}]}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", "messages": HELLO, "max_tokens": 900}
VERTEX = "/v1/projects/p/locations/us/publishers/google/models/m:streamGenerateContent?alt=sse"
RESPONSES = {"model": "m", "input": "hello there", "stream": True, "reasoning": {"summary": "auto"}}
WAYS = {
    "openai": ("/v1/chat/completions", CHAT, {}),
    "azure": ("/openai/v1/chat/completions", CHAT, {}),
    "azure-deployment": ("/openai/deployments/m/chat/completions?api-version=1", CHAT, {}),
    "responses": ("/v1/responses", RESPONSES, {}),
    "azure-responses": ("/openai/responses?api-version=1", RESPONSES, {}),
    "anthropic": (
        "/v1/messages",
        {"model": "m", "messages": HELLO, "stream": True, "max_tokens": 900},
        VERSION,
    ),
    "gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI, {}),
    "vertex": (VERTEX, GEMINI, {}),
    "converse": ("/model/m/converse-stream", CONVERSE, {}),
    "invoke": ("/model/m/invoke-with-response-stream", INVOKE, {}),
    "ollama": ("/api/chat", {"model": "m", "messages": HELLO}, {}),
}
WHOLE = {
    "openai": ("/v1/chat/completions", {"model": "m", "messages": HELLO}, {}),
    "azure": ("/openai/v1/chat/completions", {"model": "m", "messages": HELLO}, {}),
    "responses": ("/v1/responses", {**RESPONSES, "stream": False}, {}),
    "anthropic": ("/v1/messages", {"model": "m", "messages": HELLO, "max_tokens": 900}, VERSION),
    "gemini": ("/v1beta/models/m:generateContent", GEMINI, {}),
    "gemini-array": ("/v1beta/models/m:streamGenerateContent", GEMINI, {}),
    "converse": ("/model/m/converse", CONVERSE, {}),
    "invoke": ("/model/m/invoke", INVOKE, {}),
    "ollama": ("/api/chat", {"model": "m", "messages": HELLO, "stream": False}, {}),
}


def frames(body):
    found = []
    while body:
        total, size, crc = struct.unpack(">III", body[:12])
        assert crc == zlib.crc32(body[:8])
        assert struct.unpack(">I", body[total - 4 : total])[0] == zlib.crc32(body[: total - 4])
        found.append(json.loads(body[12 + size : total - 4]))
        body = body[total:]
    return found


def values(way, reply):
    """The JSON values of a stream, in order."""
    if way == "converse":
        return frames(reply.body)
    if way == "invoke":
        return [json.loads(base64.b64decode(f["bytes"])) for f in frames(reply.body)]
    if way == "ollama":
        return [json.loads(line) for line in reply.body.splitlines()]
    return [data for _, data in reply.events() if data != "[DONE]"]


def told(way, found):
    """(input, output, reasoning, text) by what the answer says of itself."""
    last = found[-1]
    if way in ("openai", "azure", "azure-deployment"):
        usage = last["usage"]
        deltas = [c.get("delta", {}) for v in found for c in v["choices"]]
        text = "".join(d.get("content") or "" for d in deltas)
        thought = usage["completion_tokens_details"]["reasoning_tokens"]
        return usage["prompt_tokens"], usage["completion_tokens"], thought, text
    if way in ("responses", "azure-responses"):
        usage = last["response"]["usage"]
        text = "".join(v["delta"] for v in found if v["type"] == "response.output_text.delta")
        thought = usage["output_tokens_details"]["reasoning_tokens"]
        return usage["input_tokens"], usage["output_tokens"], thought, text
    if way in ("anthropic", "invoke"):
        usage = found[-2]["usage"]
        text = "".join(v["delta"].get("text", "") for v in found if "delta" in v)
        thought = usage["output_tokens_details"]["thinking_tokens"]
        return usage["input_tokens"], usage["output_tokens"], thought, text
    if way in ("gemini", "vertex"):
        usage = last["usageMetadata"]
        parts = [p for v in found for p in v["candidates"][0]["content"]["parts"]]
        text = "".join(p["text"] for p in parts if not p.get("thought"))
        thought = usage["thoughtsTokenCount"]
        return usage["promptTokenCount"], usage["candidatesTokenCount"] + thought, thought, text
    if way == "converse":
        usage = last["usage"]
        text = "".join(v["delta"].get("text", "") for v in found if "delta" in v)
        return usage["inputTokens"], usage["outputTokens"], 3, text
    text = "".join(v["message"]["content"] for v in found)
    return last["prompt_eval_count"], last["eval_count"], 3, text


MAPPING = {"reasoning": {"tokens": {"fixed": 3}, "streamed": True}, "output_tokens": {"fixed": 6}}


async def send(client, wire, way, headers=None):
    path, body, usual = way
    return wire.parse(
        await client.raw(wire.request_bytes(path, body, {**usual, **(headers or {})}))
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_and_the_books_agree(served, wire, tmp_path, way):
    log = tmp_path / "stamps.jsonl"

    async def scenario(client):
        return await send(client, wire, WAYS[way]), (await client.stats())["recent"][-1]

    reply, entry = served(MAPPING, scenario, log_path=log)
    assert (reply.status, reply.clean) == (200, True)
    prompt, output, thought, text = told(way, values(way, reply))
    assert (output, thought, len(text.split())) == (9, 3, 6)
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (prompt, output)
    assert entry["reasoning_tokens"] == thought
    assert entry["reported"] == [prompt, output]
    assert (entry["finish"], entry["ended"], entry["stream"]) == ("stop", "complete", True)
    assert entry["model"] == "m"
    stamps = [json.loads(line) for line in log.read_text().splitlines()]
    at = {what: [s["at_ns"] for s in stamps if s["what"] == what] for what in ("text", "reasoning")}
    assert entry["read_ns"] == stamps[0]["at_ns"]
    assert entry["headers_ns"] == stamps[1]["at_ns"]
    assert entry["first_output_ns"] == at["reasoning"][0]
    assert entry["first_text_ns"] == at["text"][0]
    assert entry["last_output_ns"] == at["text"][-1]
    assert entry["end_ns"] == stamps[-1]["at_ns"]
    sent = [s["bytes"] for s in stamps if s["what"] not in ("request", "headers", "end")]
    assert sum(sent) == len(reply.body)


@pytest.mark.parametrize("way", WHOLE)
def test_a_whole_answer_and_the_books_agree(served, wire, way):
    async def scenario(client):
        return await send(client, wire, WHOLE[way]), (await client.stats())["recent"][-1]

    reply, entry = served(MAPPING, scenario)
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    if way == "gemini-array":
        (body,) = body
    usage = body.get("usage") or body.get("usageMetadata") or body
    names = ("completion_tokens", "output_tokens", "outputTokens", "eval_count")
    output = next((usage[name] for name in names if name in usage), None)
    if output is None:
        output = usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert output == entry["completion_tokens"] == 9
    assert entry["reported"][1] == 9
    assert (entry["finish"], entry["ended"], entry["first_output_ns"]) == ("stop", "complete", 0)
    assert entry["headers_ns"] > entry["read_ns"]
    if way == "invoke":
        assert reply.headers["x-amzn-bedrock-output-token-count"] == "9"
        latency_ms = int(reply.headers["x-amzn-bedrock-invocation-latency"])
        # Thought and text take eight gaps after the first token, the end one more.
        assert latency_ms == round((0.4 + 9 * 0.02) * 0.01 * 1000)


KEYS = {
    "openai": ({"Authorization": "Bearer sk"}, 401),
    "azure": ({"api-key": "sk"}, 401),
    "responses": ({"Authorization": "Bearer sk"}, 401),
    "azure-responses": ({"api-key": "sk"}, 401),
    "anthropic": ({"x-api-key": "sk"}, 401),
    "gemini": ({"x-goog-api-key": "sk"}, 401),
    "vertex": ({"Authorization": "Bearer sk"}, 401),
    "converse": ({"Authorization": "Bearer sk"}, 403),
    "ollama": ({"Authorization": "Bearer sk"}, 401),
}


@pytest.mark.parametrize("way", KEYS)
def test_each_dialect_has_its_header_for_the_key(served, wire, way):
    head, status = KEYS[way]

    async def scenario(client):
        wrong = {name: f"{value}x" for name, value in head.items()}
        return [await send(client, wire, WAYS[way], h) for h in (None, wrong, head)]

    replies = served({"api_key": "sk"}, scenario)
    assert [reply.status for reply in replies] == [status, status, 200]
    assert all(b"sk" not in reply.body for reply in replies[:2])
    assert isinstance(replies[0].json(), list if way in ("gemini", "vertex") else dict)


def test_bedrock_names_its_error_in_a_header(served, wire):
    async def scenario(client):
        return await send(client, wire, ("/model/m/converse", {"messages": []}, {}))

    reply = served({}, scenario)
    assert reply.status == 400
    assert reply.headers["x-amzn-errortype"].split(":")[0] == "ValidationException"
    assert set(reply.json()) == {"message"}


def test_requests_are_verified_where_keys_to_sign_with_are_set(served, wire):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fm/converse"
    body = json.dumps(CONVERSE).encode()

    def signed(secret):
        request = AWSRequest("POST", f"http://sim{path}", data=body)
        SigV4Auth(Credentials("AKID", secret), "bedrock", "us-east-1").add_auth(request)
        return {k: v for k, v in request.headers.items() if k.lower() != "host"}

    async def scenario(client):
        heads = [{}, signed("wrong"), signed("secret"), {"Authorization": "Bearer sk"}]
        raws = [await client.raw(wire.request_bytes(path, body, head)) for head in heads]
        return [wire.parse(raw).status for raw in raws], (await client.stats())["recent"][-1]

    pair = {"access_key": "AKID", "secret_key": "secret"}
    statuses, entry = served({"sigv4": pair, "api_key": "sk"}, scenario)
    assert statuses == [403, 403, 200, 200]
    assert entry["model"] == "arn:aws:bedrock:us-east-1:1:inference-profile/m"
    statuses, _ = served({"sigv4": pair}, scenario)
    assert statuses == [403, 403, 200, 403]


@pytest.mark.parametrize("way", ["gemini", "converse", "openai", "anthropic"])
def test_a_refusal_for_the_rate_in_each_dialect(served, wire, way):
    async def scenario(client):
        return [await send(client, wire, WAYS[way]) for _ in range(2)]

    passed, refused = served({"rate_limit": {"requests_per_minute": 1}}, scenario)
    assert (passed.status, refused.status) == (200, 429)
    assert ("retry-after" in refused.headers) == (way in ("openai", "anthropic"))
    if way == "gemini":
        (body,) = refused.json()
        delay = body["error"]["details"][0]["retryDelay"]
        assert 0 < float(delay.removesuffix("s")) <= 60


def test_the_first_request_loads_the_model_and_ollama_says_so(served, wire):
    path, body, _ = WHOLE["ollama"]

    async def scenario(client):
        bodies = [body, body, {**body, "keep_alive": 0}, body, {**body, "model": "other"}]
        replies = [await send(client, wire, (path, each, {})) for each in bodies]
        return [reply.json() for reply in replies], (await client.stats())["recent"]

    cold = {"cold_start": {"takes": "3s", "idle": "10m"}}
    answers, entries = served(cold, scenario)
    loads = [answer["load_duration"] for answer in answers]
    assert loads == [30_000_000, 0, 0, 30_000_000, 30_000_000]
    assert [entry["load_s"] for entry in entries] == [0.03, 0, 0, 0.03, 0.03]
    took = [entry["end_ns"] - entry["read_ns"] for entry in entries]
    assert min(took[0], took[3], took[4]) >= 30_000_000


def test_a_new_connection_can_be_cold(served, wire):
    cold = {"cold_start": {"takes": "3s", "each_connection": True}}

    async def scenario(client):
        for _ in range(2):
            reader, writer = await client.connect()
            for _ in range(2):
                path, body, head = WAYS["openai"]
                data = wire.request_bytes(path, body, head)
                writer.write(data.replace(b"Connection: close\r\n", b""))
                await reader.readuntil(b"0\r\n\r\n")
            writer.close()
        return [entry["load_s"] for entry in (await client.stats())["recent"]]

    assert served(cold, scenario) == [0.03, 0, 0.03, 0]


def test_time_in_line_is_told_apart(served, wire):
    body = {
        "model": "m",
        "messages": HELLO,
        "stream": True,
        "stream_options": CHAT["stream_options"],
    }

    async def scenario(client):
        way = ("/v1/chat/completions", body, {})
        replies = await asyncio.gather(*(send(client, wire, way) for _ in range(3)))
        return replies, (await client.stats())["recent"]

    limit = {"flavor": "vllm", "concurrency_limit": {"requests": 1}}
    replies, entries = served(limit, scenario)
    waits = sorted(values("openai", r)[-1]["metrics"]["queue_time_ms"] for r in replies)
    assert waits == pytest.approx(sorted(entry["queue_s"] * 1000 for entry in entries))
    # By the server's own stamps, whatever the machine does in between: nobody's turn comes before
    # the one ahead has its last output.
    turns = sorted(entries, key=lambda entry: entry["last_output_ns"])
    for ahead, entry in itertools.pairwise(turns):
        least_s = (ahead["last_output_ns"] - entry["read_ns"]) / 1e9
        assert entry["queue_s"] >= least_s - 2e-3


def test_headers_tell_the_time_until_they_are_sent(served, wire):
    async def scenario(client):
        replies = [
            await send(client, wire, WAYS[way]) for way in ("responses", "anthropic", "gemini")
        ]
        return replies, (await client.stats())["recent"]

    replies, entries = served({"headers_delay": "5s"}, scenario)
    said = [
        replies[0].headers["openai-processing-ms"],
        replies[1].headers["x-envoy-upstream-service-time"],
        replies[2].headers["server-timing"].rpartition("=")[2],
    ]
    for text, entry in zip(said, entries, strict=True):
        true_ms = (entry["headers_ns"] - entry["read_ns"]) / 1e6
        assert 50 <= int(text) <= true_ms + 0.5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["cut", "truncated", "error_event", "empty_200"])
def test_faults_strike_every_dialect(served, wire, way, kind):
    extra = {} if kind == "empty_200" else {"after_chunks": 2}
    mapping = {**MAPPING, "faults": [{"kind": kind, "every": 1, **extra}]}

    async def scenario(client):
        return await send(client, wire, WAYS[way]), (await client.stats())["recent"][-1]

    reply, entry = served(mapping, scenario)
    assert reply.status == 200
    assert reply.clean == (kind in ("error_event", "empty_200"))
    ended = {"error_event": "error", "empty_200": "complete"}
    assert entry["ended"] == ended.get(kind, "dropped")
    assert entry["finish"] is None
    assert entry["reported"] is None
    assert entry["completion_tokens"] == (0 if kind == "empty_200" else 2)


def test_one_server_answers_one_model_slower_and_longer_than_another(served, wire):
    mapping = {
        "ttft": {"fixed": "200ms"},
        "gap": {"fixed": "0ms"},
        "output_tokens": {"fixed": 4},
        "models": {"slow": {"ttft": 20, "output_tokens": 2}},
        "faults": [{"kind": "empty_200", "every": 1, "model": "broken"}],
    }

    async def scenario(client):
        for model in ("quick", "slow", "broken"):
            body = {"model": model, "messages": HELLO, "stream": True}
            await send(client, wire, ("/v1/chat/completions", body, {}))
        return (await client.stats())["recent"]

    quick, slow, broken = served(mapping, scenario)
    assert (quick["completion_tokens"], slow["completion_tokens"]) == (4, 8)
    # At least as late as its script says, by the server's own stamps.
    assert slow["first_output_ns"] - slow["read_ns"] >= 40e6
    assert broken["completion_tokens"] == 0
    assert (quick["faults"], broken["faults"]) == ([], ["empty_200"])

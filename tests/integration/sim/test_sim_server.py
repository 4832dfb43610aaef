import asyncio
import json
import socket

import pytest

from lens_gate.errors import LensError, WorldError

DIALECTS = ("openai", "anthropic")


def fault(kind, dialect="openai", **more):
    when = {} if {"at", "rate", "every"} & set(more) else {"every": 1}
    return {"dialect": dialect, "faults": [{"kind": kind, **when, **more}]}


def one(served, mapping, changes=None, headers=None, **options):
    """One request; its reply and the server's own entry for it."""

    async def scenario(client):
        reply = await client.send(changes, headers)
        return reply, (await client.stats())["recent"][-1]

    return served(mapping, scenario, **options)


def text_of(reply):
    pieces = []
    for _, data in reply.events():
        if data == "[DONE]":
            continue
        for choice in data.get("choices", ()):
            pieces.append(choice["delta"].get("content") or "")
        if data.get("type") == "content_block_delta":
            pieces.append(data["delta"].get("text", ""))
    return "".join(pieces)


def chunks_of(reply):
    return [
        data
        for _, data in reply.events()
        if data != "[DONE]"
        and (
            any(c["delta"].get("content") for c in data.get("choices", ()))
            or data.get("delta", {}).get("type") == "text_delta"
        )
    ]


def test_a_chat_stream(served):
    reply, entry = one(served, {})
    assert reply.status == 200
    assert reply.clean
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-request-id"] == entry["request_id"]
    assert reply.headers["openai-processing-ms"].isdigit()
    assert len(text_of(reply).split()) == 5
    events = [data for _, data in reply.events()]
    assert events[-1] == "[DONE]"
    assert events[-3]["choices"][0]["finish_reason"] == "stop"
    assert events[-2]["usage"]["completion_tokens"] == 5
    assert (entry["ended"], entry["completion_tokens"]) == ("complete", 5)


def test_a_message_stream(served):
    reply, entry = one(served, {"dialect": "anthropic"})
    assert reply.clean
    assert reply.headers["request-id"] == entry["request_id"]
    assert [name for name, _ in reply.events()] == [
        *("message_start", "content_block_start", "ping"),
        *["content_block_delta"] * 5,
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    assert len(text_of(reply).split()) == 5
    assert entry["reported"] == [entry["prompt_tokens"], 5]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_request_that_does_not_stream(served, dialect):
    reply, entry = one(served, {"dialect": dialect}, {"stream": False, "stream_options": None})
    assert reply.headers["content-type"].startswith("application/json")
    body = reply.json()
    text = (
        body["choices"][0]["message"]["content"]
        if dialect == "openai"
        else body["content"][0]["text"]
    )
    assert len(text.split()) == 5
    assert (entry["completion_tokens"], entry["ended"]) == (5, "complete")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_unknown_paths_are_refused_in_the_dialect_of_the_target(served, wire, dialect):
    async def scenario(client):
        wrong = await client.raw(wire.request_bytes("/v1/nothing", {"model": "m"}))
        return (
            wire.parse(wrong),
            await client.get(wire.paths["openai"]),
            await client.get("/health"),
            await client.stats(),
        )

    wrong, get, health, stats = served({"dialect": dialect}, scenario)
    assert (wrong.status, get.status, health.status) == (404, 405, 200)
    kind = "invalid_request_error" if dialect == "openai" else "not_found_error"
    assert wrong.json()["error"]["type"] == kind
    assert health.json() == {"status": "ok"}
    assert stats["requests"] == 0


def test_an_unknown_path_is_refused_in_the_flavor(served, wire):
    async def scenario(client):
        return wire.parse(await client.raw(wire.request_bytes("/v1/nothing", {})))

    error = served({"flavor": "llama-cpp"}, scenario).json()["error"]
    assert set(error) == {"code", "message", "type"}
    assert error["code"] == 404


def test_one_server_speaks_all_dialects_whatever_the_target_speaks(served, wire):
    async def scenario(client):
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4}
        head = {"anthropic-version": "2023-06-01"}
        await client.raw(wire.request_bytes("/v1/messages", body, head))
        await client.raw(wire.request_bytes("/api/chat", body))
        await client.send()
        return [entry["dialect"] for entry in (await client.stats())["recent"]]

    assert served({}, scenario) == ["anthropic", "ollama", "openai"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_connection_serves_many_requests(served, dialect):
    async def scenario(client):
        reader, writer = await client.connect()
        seen = []
        for _ in range(3):
            writer.write(client.request().replace(b"Connection: close\r\n", b""))
            seen.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.close()
        return seen

    seen = served({"dialect": dialect}, scenario)
    assert [raw.startswith(b"HTTP/1.1 200") for raw in seen] == [True] * 3


def test_http_1_0_gets_a_plain_body_until_the_end(served):
    async def scenario(client):
        return await client.raw(client.request().replace(b"HTTP/1.1", b"HTTP/1.0"))

    head, _, body = served({}, scenario).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body.startswith(b'data: {"id"')
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [400, 429, 500, 529])
def test_fault_status(served, dialect, status):
    mapping = fault("status", dialect, status=status, retry_after="1.5", retry_after_ms="1500")
    reply, entry = one(served, mapping)
    assert reply.status == status
    assert reply.headers["retry-after"] == "1.5"
    assert reply.headers["retry-after-ms"] == "1500"
    assert reply.json()["error"]["message"]
    assert (entry["status"], entry["ended"], entry["completion_tokens"]) == (status, "refused", 0)


def test_fault_status_in_its_own_words(served):
    words = {"error_type": "t", "code": "insufficient_quota", "message": "spent"}
    reply, _ = one(served, fault("status", status=429, **words))
    assert "retry-after" not in reply.headers
    assert reply.json()["error"] == {
        "message": "spent",
        "type": "t",
        "param": None,
        "code": "insufficient_quota",
    }
    plain, _ = one(served, fault("status", status=502, body="<html>"))
    assert plain.body == b"<html>"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_fault_error_event(served, dialect):
    reply, entry = one(served, fault("error_event", dialect, after_chunks=2))
    assert reply.status == 200
    assert reply.clean
    assert len(chunks_of(reply)) == 2
    name, data = reply.events()[-1]
    assert data["error"]["message"]
    assert name == (None if dialect == "openai" else "error")
    assert (entry["ended"], entry["completion_tokens"]) == ("error", 2)
    assert entry["reported"] is None
    whole, entry = one(
        served, fault("error_event", dialect), {"stream": False, "stream_options": None}
    )
    assert (whole.status, entry["status"]) == ((500,) * 2 if dialect == "openai" else (529,) * 2)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_fault_cut(served, dialect, how):
    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(client.request())
        raw, reset = b"", False
        try:
            while data := await reader.read(65536):
                raw += data
        except ConnectionResetError:
            reset = True
        writer.close()
        return raw, reset, (await client.stats())["recent"][-1]

    mapping = {"tokens_per_chunk": 2, **fault("cut", dialect, after_chunks=1, how=how)}
    raw, reset, entry = served(mapping, scenario)
    assert reset == (how == "reset")
    assert b"0\r\n\r\n" not in raw
    assert raw.endswith(b"\n\n\r\n")
    assert (entry["ended"], entry["completion_tokens"], entry["reported"]) == ("dropped", 2, None)


def test_fault_truncated(served):
    async def scenario(client):
        return await client.raw(client.request())

    raw = served(fault("truncated", after_chunks=2), scenario)
    chunk = raw[raw.rindex(b"data: ") :]
    announced = raw[: -len(chunk)].rsplit(b"\r\n", 2)[1]
    assert int(announced, 16) > len(chunk) > 10
    assert raw.count(b'"content":"') == 1 + 2


@pytest.mark.parametrize("kind", ["cut", "truncated"])
def test_a_whole_answer_is_cut_in_the_middle(served, kind):
    reply, entry = one(served, fault(kind), {"stream": False, "stream_options": None})
    assert reply.status == 200
    assert not reply.clean
    assert 0 < len(reply.body) < int(reply.headers["content-length"])
    assert (entry["ended"], entry["reported"]) == ("dropped", None)


@pytest.mark.parametrize("stream", [True, False])
def test_fault_empty_200(served, stream):
    changes = {} if stream else {"stream": False, "stream_options": None}
    reply, entry = one(served, fault("empty_200"), changes)
    assert (reply.status, reply.body, reply.clean) == (200, b"", True)
    assert entry["reported"] is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_fault_no_usage(served, dialect):
    reply, entry = one(served, fault("no_usage", dialect))
    assert b'"usage"' not in reply.body
    assert len(chunks_of(reply)) == 5
    assert (entry["reported"], entry["completion_tokens"]) == (None, 5)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_fault_no_finish(served, dialect):
    reply, _ = one(served, fault("no_finish", dialect))
    assert b'"finish_reason":"' not in reply.body
    assert b'"stop_reason":"' not in reply.body
    last = reply.events()[-1][1]
    assert last == "[DONE]" if dialect == "openai" else last["type"] == "message_stop"
    assert reply.body.count(b"_tokens") > 0


def test_fault_comments(served):
    reply, _ = one(served, fault("comments"))
    lines = reply.body.decode().split("\n")
    assert lines.count(":") > 1
    assert lines.count(": SIMULATED PROCESSING") > 1
    assert len(chunks_of(reply)) == 5


def test_fault_not_streamed(served):
    reply, entry = one(served, fault("not_streamed"))
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json()["choices"][0]["finish_reason"] == "stop"
    assert entry["stream"] is True


def test_faults_strike_by_arrival(served):
    async def scenario(client):
        return [(await client.send()).status for _ in range(6)]

    mapping = fault("status", status=503, at=[1, 4])
    assert served(mapping, scenario) == [503, 200, 200, 503, 200, 200]
    assert served(fault("status", status=503, every=3), scenario) == [200, 200, 503] * 2


def stamps_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_tells_when_each_event_was_sent_and_nothing_was_early(served, tmp_path):
    log = tmp_path / "stamps.jsonl"
    mapping = {
        "time_scale": 0.05,
        "ttft": {"fixed": "400ms"},
        "gap": {"fixed": "20ms"},
        "headers_delay": "100ms",
        "role_lead": "100ms",
        "keepalive": {"every": "70ms"},
    }
    reply, entry = one(served, mapping, log_path=log)
    stamps = stamps_of(log)
    assert {stamp["request"] for stamp in stamps} == {entry["number"]}
    start = stamps[0]["at_ns"]
    due = [0.1, 0.17, 0.24, 0.3, 0.31, 0.38, 0.4, 0.42, 0.44, 0.45, 0.46, 0.48]
    names = ["headers", "keepalive", "keepalive", "open", "keepalive", "keepalive"]
    names += ["text"] * 3 + ["keepalive"] + ["text"] * 2 + ["close"] * 3 + ["end"]
    assert [stamp["what"] for stamp in stamps] == ["request", *names]
    for stamp, moment in zip(stamps[1:], due, strict=False):
        assert stamp["at_ns"] - start >= moment * 0.05e9 - 1e3, stamp
    assert [s["at_ns"] for s in stamps] == sorted(s["at_ns"] for s in stamps)
    sent = [s["bytes"] for s in stamps if s["what"] not in ("request", "headers", "end")]
    assert sum(sent) == len(reply.body)


def test_stall_and_slow_headers_hold_back_what_follows(served, tmp_path):
    log = tmp_path / "stamps.jsonl"
    mapping = {
        "faults": [
            {"kind": "stall", "after_chunks": 2, "for": "10s", "every": 1},
            {"kind": "slow_headers", "delay": "2s", "every": 1},
        ]
    }
    one(served, mapping, log_path=log)
    stamps = stamps_of(log)
    start = stamps[0]["at_ns"]
    headers = next(s["at_ns"] for s in stamps if s["what"] == "headers")
    text = [s["at_ns"] for s in stamps if s["what"] == "text"]
    assert headers - start >= 2 * 0.01e9 - 1e3
    assert text[2] - start >= (2 + 2 * 0.02 + 10) * 0.01e9 - 1e3


def test_a_log_that_cannot_be_written_is_said_so(served, tmp_path):
    with pytest.raises(WorldError, match="can't be written"):
        one(served, {}, log_path=tmp_path / "no" / "such.jsonl")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_same_seed_same_answers(served, dialect):
    async def scenario(client):
        return [text_of(await client.send()) for _ in range(4)]

    mapping = {"dialect": dialect, "output_tokens": {"median": 12, "sigma": 0.5}}
    first = served(mapping, scenario, seed=1)
    assert first == served(mapping, scenario, seed=1)
    assert first != served(mapping, scenario, seed=2)
    assert len({len(text.split()) for text in first}) > 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_our_books_agree_with_what_clients_were_told(served, dialect):
    mapping = {
        "dialect": dialect,
        "profile": "hosted",
        "time_scale": 0.02,
        "output_tokens": {"median": 15, "sigma": 0.4},
        "reasoning": {"tokens": {"median": 5, "sigma": 0.5}, "streamed": True},
    }

    async def scenario(client):
        replies = await asyncio.gather(
            *(client.send({"max_tokens": 8 + number}) for number in range(30))
        )
        return replies, await client.stats()

    replies, stats = served(mapping, scenario, seed=4)
    told = {"prompt": 0, "completion": 0, "reasoning": 0}
    for reply in replies:
        if dialect == "openai":
            usage = reply.events()[-2][1]["usage"]
            told["prompt"] += usage["prompt_tokens"]
            told["completion"] += usage["completion_tokens"]
            told["reasoning"] += usage["completion_tokens_details"]["reasoning_tokens"]
        else:
            usage = reply.events()[-2][1]["usage"]
            told["prompt"] += usage["input_tokens"]
            told["completion"] += usage["output_tokens"]
            told["reasoning"] += usage["output_tokens_details"]["thinking_tokens"]
    assert {name: stats[f"{name}_tokens"] for name in told} == told
    assert stats["requests"] == stats["by_status"]["200"] == 30
    assert stats["by_ending"] == {"complete": 30}
    assert stats["in_flight"] == 0
    assert stats["most_in_flight"] > 1


def test_lying_usage_does_not_reach_our_books(served):
    reply, entry = one(served, {"usage": {"lying": 10}})
    usage = reply.events()[-2][1]["usage"]
    assert usage["completion_tokens"] == 50
    assert entry["completion_tokens"] == 5
    assert entry["reported"] == [10 * entry["prompt_tokens"], 50]


def test_usage_that_was_not_asked_for_is_not_told(served):
    reply, entry = one(served, {}, {"stream_options": None})
    assert b"usage" not in reply.body
    assert b"obfuscation" in reply.body
    assert entry["reported"] is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_prompt_cache_remembers_earlier_prompts(served, dialect):
    long = "lorem ipsum " * 100
    content = (
        long
        if dialect == "openai"
        else [{"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}]
    )
    changes = {"messages": [{"role": "user", "content": content}]}
    cache = {"min_tokens": 64, "step_tokens": 64}

    async def scenario(client):
        usages = []
        for _ in range(2):
            usages.append((await client.send(changes)).events()[-2][1]["usage"])
        return usages, await client.stats()

    (cold, warm), stats = served({"dialect": dialect, "prompt_cache": cache}, scenario)
    read = [
        usage["prompt_tokens_details"]["cached_tokens"]
        if dialect == "openai"
        else usage["cache_read_input_tokens"]
        for usage in (cold, warm)
    ]
    assert read[0] == 0
    assert read[1] == stats["cached_tokens"] == (256 if dialect == "openai" else 303)
    if dialect == "anthropic":
        assert cold["cache_creation_input_tokens"] == 303
        assert warm["input_tokens"] == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_keys(served, dialect, monkeypatch):
    async def scenario(client):
        good = {"Authorization": "Bearer sk-1"} if dialect == "openai" else {"x-api-key": "sk-1"}
        return [await client.send(headers=headers) for headers in ({}, good)]

    for mapping in ({"api_key": "sk-1"}, {"api_key_env": "SIM_TEST_KEY"}):
        monkeypatch.setenv("SIM_TEST_KEY", "sk-1")
        refused, answered = served({"dialect": dialect, **mapping}, scenario)
        assert (refused.status, answered.status) == (401, 200)
        assert "error" in refused.json()
        assert b"sk-1" not in refused.body


def test_a_key_variable_that_is_not_set(served, monkeypatch):
    monkeypatch.delenv("SIM_TEST_KEY", raising=False)
    with pytest.raises(LensError, match="SIM_TEST_KEY is not set"):
        one(served, {"api_key_env": "SIM_TEST_KEY"})


@pytest.mark.parametrize(
    ("dialect", "prefix"),
    [("openai", "x-ratelimit-limit-requests"), ("anthropic", "anthropic-ratelimit-requests-limit")],
)
def test_rate_limit(served, dialect, prefix):
    async def scenario(client):
        return [await client.send() for _ in range(3)]

    *passed, refused = served(
        {"dialect": dialect, "rate_limit": {"requests_per_minute": 2}}, scenario
    )
    assert [reply.status for reply in passed] == [200, 200]
    assert [reply.headers[prefix] for reply in (*passed, refused)] == ["2"] * 3
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 30


def test_rate_limit_of_tokens_counts_what_could_be_answered(served):
    async def scenario(client):
        limits = [{"max_tokens": 80}, {"max_tokens": 80}, {"max_tokens": 1}]
        return [(await client.send(limit)).status for limit in limits]

    assert served({"rate_limit": {"tokens_per_minute": 100}}, scenario) == [200, 429, 200]


def test_a_concurrency_limit_refuses_or_queues(served):
    stuck = {"kind": "stall", "for": "1d", "at": [1]}

    async def refuse(client):
        reader, writer = await client.connect()
        writer.write(client.request())
        await reader.readuntil(b"\r\n\r\n")
        second = await client.send()
        writer.close()
        while (await client.stats())["in_flight"]:
            pass
        return second.status, (await client.send()).status, await client.stats()

    limit = {"requests": 1, "beyond": "reject"}
    second, third, stats = served({"concurrency_limit": limit, "faults": [stuck]}, refuse)
    assert (second, third) == (429, 200)
    assert stats["by_ending"] == {"client_gone": 1, "refused": 1, "complete": 1}

    async def queue(client):
        replies = await asyncio.gather(*(client.send() for _ in range(6)))
        return [reply.status for reply in replies]

    assert served({"concurrency_limit": {"requests": 2}}, queue) == [200] * 6


def test_a_queue_lets_no_more_through_than_it_says(served, tmp_path):
    log = tmp_path / "stamps.jsonl"

    async def scenario(client):
        await asyncio.gather(*(client.send() for _ in range(6)))

    served({"concurrency_limit": {"requests": 2}}, scenario, log_path=log)
    busy, most = 0, 0
    for stamp in stamps_of(log):
        busy += {"headers": 1, "end": -1}.get(stamp["what"], 0)
        most = max(most, busy)
    assert most == 2


HOSTILE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"[" * 200_000,
    b'{"model": ' + b"9" * 10_000 + b"}",
    b'{"model":"m","messages":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":NaN}',
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies_are_refused_in_the_dialect(served, wire, dialect, body):
    async def scenario(client):
        headers = {"anthropic-version": "2023-06-01"}
        raw = await client.raw(wire.request_bytes(wire.paths[dialect], body, headers))
        return wire.parse(raw), await client.stats()

    reply, stats = served({"dialect": dialect}, scenario)
    assert reply.status == 400
    assert reply.json()["error"]["message"]
    assert stats["by_status"] == {"400": 1}


def test_a_body_that_is_not_in_its_encoding(served, wire):
    async def scenario(client):
        headers = {"Content-Encoding": "gzip"}
        return wire.parse(
            await client.raw(wire.request_bytes(wire.paths["openai"], b"hello", headers))
        )

    reply = served({}, scenario)
    assert reply.status == 400
    assert "decoded" in reply.json()["error"]["message"]


def test_an_echoed_surrogate_stays_valid_json(served):
    reply, _ = one(served, {}, {"model": "m\ud800\0", "stream": False, "stream_options": None})
    assert reply.json()["model"] == "m\ud800\0"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_body_beyond_reason_is_413(served, wire, dialect):
    announced = wire.request_bytes(wire.paths[dialect], b"").replace(
        b"Content-Length: 0", b"Content-Length: 99999999999"
    )

    async def scenario(client):
        return wire.parse(await client.raw(announced + b"{"))

    async def head_only(client):
        reader, writer = await client.connect()
        writer.write(announced)
        raw = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return raw

    assert served({"dialect": dialect}, head_only).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_beyond_reason_is_413(served, monkeypatch):
    from lens_gate.sim import server

    monkeypatch.setattr(server, "MOST_BODY_BYTES", 1000)

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"7d0\r\n" + b" " * 2000 + b"\r\n0\r\n\r\n"
        )
        raw = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return raw

    assert served({}, scenario).startswith(b"HTTP/1.1 413")


def test_a_port_that_is_taken(served):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WorldError, match="can't listen on"):
            one(served, {}, port=taken.getsockname()[1])

"""What an adversary sends, seen by a client that reads bytes and no more than it wants."""

import gzip
import json
import zlib

import pytest

WHOLE = {"stream": False, "stream_options": None}


def fault(kind, **more):
    return {"faults": [{"kind": kind, "every": 1, **more}]}


def one(served, mapping, changes=None):
    async def scenario(client):
        return await client.send(changes), (await client.stats())["recent"][-1]

    return served(mapping, scenario)


def start_of(served, mapping, size, changes=None):
    """The first bytes of an answer whose end nobody waits for, and the books after it."""

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(client.request(changes))
        data = await reader.readexactly(size)
        writer.transport.abort()
        while (await client.stats())["in_flight"]:
            pass
        return data, await client.stats()

    return served(mapping, scenario)


def test_headers_without_an_end(served):
    data, stats = start_of(served, fault("endless_headers", pause="0s"), 300_000)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in data
    assert data.count(b"\r\nx-endless-") > 250
    assert stats["by_ending"] == {"client_gone": 1}


def test_a_stream_without_an_end(served):
    mapping = {**fault("endless_stream"), "gap": {"fixed": "0s"}}
    data, stats = start_of(served, mapping, 100_000)
    assert data.count(b'"content":') > 300
    assert b"[DONE]" not in data
    assert stats["recent"][-1]["completion_tokens"] > 300
    reply, entry = one(served, mapping, WHOLE)
    assert len(reply.json()["choices"][0]["message"]["content"].split()) == 5
    assert entry["ended"] == "complete"


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_a_line_without_an_end(served, changes):
    data, _ = start_of(served, fault("huge_line", bytes=1_000_000_000), 5_000_000, changes)
    assert b"x" * 60_000 in data
    reply, entry = one(served, fault("huge_line", bytes=100_000), changes)
    assert not reply.clean
    assert reply.body.count(b"x") > 100_000
    assert entry["ended"] == "dropped"


def test_a_client_that_does_not_read_holds_the_server_back(served, tmp_path):
    log = tmp_path / "stamps.jsonl"

    async def scenario(client):
        _, writer = await client.connect()
        writer.write(client.request())
        for _ in range(300):  # time in which a server without measure makes a lot
            await client.stats()
        writer.transport.abort()
        while (await client.stats())["in_flight"]:
            pass

    served(fault("huge_line", bytes=10**9), scenario, log_path=log)
    made = sum(json.loads(line)["bytes"] for line in log.read_text().splitlines())
    # The sockets' own buffers take a few megabytes; the rest stays unmade.
    assert 100_000 < made < 20_000_000


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_a_bomb(served, changes):
    reply, _ = one(served, fault("bomb", bytes=20_000_000), changes)
    assert (reply.headers["content-encoding"], reply.clean) == ("gzip", True)
    assert len(reply.body) < 100_000
    assert gzip.decompress(reply.body) == b" " * 20_000_000


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_an_answer_that_is_compressed(served, changes):
    reply, entry = one(served, fault("gzip"), changes)
    assert reply.headers["content-encoding"] == "gzip"
    body = gzip.decompress(reply.body)
    if changes:
        assert json.loads(body)["usage"]["completion_tokens"] == 5
        assert reply.headers["content-type"] == "application/json"
    else:
        assert body.endswith(b"data: [DONE]\n\n")
    assert entry["reported"] == [entry["prompt_tokens"], 5]


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_another_address(served, changes):
    mapping = fault("redirect", to="http://127.0.0.1:9/elsewhere", status=308)
    reply, entry = one(served, mapping, changes)
    assert (reply.status, reply.headers["location"]) == (308, "http://127.0.0.1:9/elsewhere")
    assert (entry["status"], entry["completion_tokens"]) == (308, 0)


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_another_type(served, changes):
    reply, _ = one(served, fault("wrong_type", content_type="text/html; x=y"), changes)
    assert reply.headers["content-type"] == "text/html; x=y"
    assert (b"[DONE]" in reply.body) == (changes is None)


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_framing_that_breaks(served, changes):
    async def scenario(client):
        return await client.raw(client.request(changes)), await client.stats()

    raw, stats = served(fault("broken_chunking", after_chunks=1), scenario)
    assert b"transfer-encoding: chunked" in raw.lower()
    assert raw.endswith(b"no size\r\n")
    assert stats["by_ending"] == {"dropped": 1}


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_bytes_that_are_no_text(served, changes):
    reply, _ = one(served, fault("invalid_utf8"), changes)
    assert reply.clean
    with pytest.raises(UnicodeDecodeError):
        reply.body.decode()


@pytest.mark.parametrize("changes", [None, WHOLE])
@pytest.mark.parametrize("at", [0, 1, 77])
def test_a_cut_at_a_byte(served, changes, at):
    reply, entry = one(served, fault("cut", after_bytes=at), changes)
    assert (len(reply.body), reply.clean) == (at, False)
    assert entry["ended"] == "dropped"


@pytest.mark.parametrize("changes", [None, WHOLE])
def test_a_drip(served, changes):
    async def scenario(client):
        return await client.raw(client.request(changes))

    mapping = {**fault("slow_drip", pause="1us"), "output_tokens": {"fixed": 1}}
    raw = served(mapping, scenario)
    assert raw.count(b"\r\n1\r\n") > 200


def test_writes_of_one_byte(served):
    async def scenario(client):
        return await client.raw(client.request())

    raw = served({"framing": {"write_bytes": 1}, "output_tokens": {"fixed": 1}}, scenario)
    body = raw.partition(b"\r\n\r\n")[2]
    assert set(body.split(b"\r\n")[0::2]) <= {b"1", b"0", b""}


def test_garbage_after_the_end(served):
    reply, entry = one(served, fault("garbage_after"))
    assert reply.clean
    assert reply.body.endswith(b"\x00\xfe garbage")
    assert entry["reported"] is not None


@pytest.mark.parametrize(("shape", "kind"), [("object", dict), ("string", str), ("array", list)])
def test_errors_of_any_shape(served, shape, kind):
    reply, _ = one(served, fault("status", status=400, shape=shape))
    found = reply.json()
    assert isinstance(found if kind is list else found["error"], kind)


def test_gzip_and_a_cut(served):
    mapping = {"faults": [*fault("gzip")["faults"], *fault("cut", after_bytes=300)["faults"]]}
    reply, _ = one(served, mapping)
    assert zlib.decompressobj(31).decompress(reply.body).startswith(b"data: {")
    assert not reply.clean

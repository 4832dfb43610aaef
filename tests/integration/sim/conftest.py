"""A raw client: bytes over a socket, so that no HTTP library can smooth over what was sent."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from lens_gate import sim

HELLO = [{"role": "user", "content": "hello there"}]
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
BODIES = {
    "openai": {
        "model": "m",
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
    },
    "anthropic": {"model": "m", "messages": HELLO, "stream": True, "max_tokens": 1000},
}
FAST = {"time_scale": 0.01, "output_tokens": {"fixed": 5}}


@dataclass(frozen=True)
class Reply:
    """A response as it came: ``clean`` says that its body ended as its framing demands."""

    status: int
    headers: dict
    body: bytes
    clean: bool

    def json(self):
        return json.loads(self.body)

    def events(self):
        """(event name, parsed data) of each event, comments left out."""
        found = []
        for block in self.body.decode().split("\n\n"):
            lines = [line for line in block.splitlines() if line and not line.startswith(":")]
            fields = dict(line.split(": ", 1) for line in lines)
            if "data" in fields:
                text = fields["data"]
                data = text if text == "[DONE]" else json.loads(text)
                found.append((fields.get("event"), data))
        return found


def request_bytes(path, body, headers=None, method="POST"):
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: sim", f"Content-Length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + payload


def parse(raw):
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") != "chunked":
        clean = len(rest) == int(headers.get("content-length", len(rest)))
        return Reply(int(first.split()[1]), headers, rest, clean)
    body, clean = b"", False
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, clean = body + rest[:length], length == 0 and rest == b"\r\n"
        rest = rest[length + 2 :] if length else b""
    return Reply(int(first.split()[1]), headers, body, clean)


class Client:
    def __init__(self, port, dialect="openai"):
        self.port, self.dialect = port, dialect

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, data):
        reader, writer = await self.connect()
        writer.write(data)
        raw = await reader.read()
        writer.close()
        return raw

    def request(self, changes=None, headers=None):
        body = {**BODIES[self.dialect], **(changes or {})}
        body = {name: value for name, value in body.items() if value is not None}
        version = {"anthropic-version": "2023-06-01"} if self.dialect == "anthropic" else {}
        return request_bytes(PATHS[self.dialect], body, {**version, **(headers or {})})

    async def send(self, changes=None, headers=None):
        return parse(await self.raw(self.request(changes, headers)))

    async def get(self, path):
        return parse(await self.raw(request_bytes(path, b"", method="GET")))

    async def stats(self):
        return (await self.get("/__sim/stats")).json()


@asynccontextmanager
async def _served(mapping, **options):
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    behaviour = sim.behaviour_from_mapping({**FAST, **mapping})
    task = asyncio.create_task(sim.serve(behaviour, ready=ready.set_result, stop=stop, **options))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if ready.done():
            yield Client(ready.result(), behaviour.dialect)
    finally:
        stop.set()
        await task


@pytest.fixture
def served():
    """``served(mapping, scenario, **options)`` runs a coroutine function against a server."""

    def run(mapping, scenario, **options):
        async def session():
            # A bound on hanging, nothing that a slow machine could reach.
            async with asyncio.timeout(60), _served(mapping, **options) as client:
                return await scenario(client)

        return asyncio.run(session())

    return run


@pytest.fixture
def wire():
    return SimpleNamespace(Client=Client, parse=parse, request_bytes=request_bytes, paths=PATHS)

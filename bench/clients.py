"""Four ways to read a stream, each as well as it can be done, and the numbers that each arrives at.

``ours``: ``lens_gate.transport`` with the decoder of ``lens_gate.providers``. ``raw``: an asyncio
protocol that keeps each read with its time and parses at the end. ``aiohttp``: ``iter_any()`` with
the time of each piece, parsed at the end. ``httpx``: ``aiter_lines()``, each line parsed as it
comes, which is what most programs do.

Run by the other files here as a process of its own, pinned to a core:
``python bench/clients.py ours 127.0.0.1:8080 --streams 100`` prints one JSON object.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from arena import alone_on

BODY = json.dumps(
    {
        "model": "bench-model",
        "messages": [{"role": "user", "content": "Count the words of this sentence, please."}],
        "max_tokens": 4096,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
).encode()
LIMIT_S = 300.0
# What the runner does during a run (`runner.measure`), here for every client alike.
GC = (50_000, 50, 100)


@dataclass(slots=True, kw_only=True)
class Answer:
    """One stream: when it was sent, when each output event came (monotonic ns), and how read.

    ``alone`` counts the events that did not share their read with an earlier one.
    """

    id: str
    sent: int
    outputs: list[int] = field(default_factory=list)
    reads: int = 0
    alone: int = 0


@dataclass(slots=True, kw_only=True)
class Kept:
    """A stream as the timed path left it: its reads, to be parsed when there is time."""

    id: str
    sent: int
    reads: list[tuple[bytes, int]]
    chunked: bool


def parsed(kept):
    """The answer in what was kept: an event counts to the read that completes it."""
    answer = Answer(id=kept.id, sent=kept.sent, reads=len(kept.reads))
    rest = b""
    head = kept.chunked
    for data, at_ns in kept.reads:
        rest += data
        if head:
            _, end, rest = rest.partition(b"\r\n\r\n")
            head = not end
        *events, rest = rest.split(b"\n\n")
        found = sum(map(has_output, events))
        answer.outputs += [at_ns] * found
        answer.alone += found > 0
    return answer


def has_output(event):
    """Whether an event carries text; the size line of a chunk may stand before it."""
    data = event[event.find(b"data: ") + 6 :]
    if data == b"[DONE]":
        return False
    choices = json.loads(data)["choices"]
    return bool(choices and choices[0]["delta"].get("content"))


class OursClient:
    """Our transport, watched by the provider's watch, decoded by ``collect``."""

    def __init__(self, address, streams):
        from lens_gate.providers.answer import collect
        from lens_gate.providers.table import PROVIDERS
        from lens_gate.records.exchange import HttpRequest, ResponseHead
        from lens_gate.records.policy import Timeouts
        from lens_gate.transport import exchange, open_session, warm

        self.url = f"http://{address}"
        self.streams = streams
        self.provider = PROVIDERS["openai-compatible"]
        self.exchange, self.open, self.warm, self.collect = exchange, open_session, warm, collect
        self.request, self.head = HttpRequest, ResponseHead
        self.timeouts = Timeouts(
            connect_s=LIMIT_S, first_byte_s=LIMIT_S, idle_s=LIMIT_S, total_s=LIMIT_S
        )

    async def __aenter__(self):
        self.entered = self.open(self.url)
        self.session = await self.entered.__aenter__()
        assert await self.warm(self.session, self.streams, timeout_s=LIMIT_S) == self.streams
        return self

    async def __aexit__(self, *exc):
        await self.entered.__aexit__(*exc)

    async def fetch(self, name):
        result = await self.exchange(
            self.session,
            self.request(
                method="POST",
                url=self.url + "/v1/chat/completions",
                headers={"Content-Type": "application/json", "x-bench-id": name},
                body=BODY,
                auth="none",
            ),
            secret=None,
            timeouts=self.timeouts,
            origin_ns=0,
            watch=self.provider.watch(self.head(status=200, headers={})),
            max_body=1 << 24,
        )
        assert result.ended == "clean", (result.ended, result.detail)
        return name, result

    def parse(self, kept):
        name, result = kept
        decoded = self.collect(self.provider, result.head, result.body, result.reads)
        assert decoded.failure is None
        assert decoded.finish_reason == "stop"
        return Answer(
            id=name,
            sent=result.sent,
            outputs=list(decoded.output_ns),
            reads=len(result.reads),
            alone=len(decoded.output_ns) - decoded.merged,
        )


class RawProtocol(asyncio.Protocol):
    """Keeps what comes with its time; sees only whether it was the end."""

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, data, done):
        self.reads, self.done = [], done
        self.sent = time.monotonic_ns()
        self.transport.write(data)

    def data_received(self, data):
        self.reads.append((data, time.monotonic_ns()))
        if data.endswith(b"0\r\n\r\n"):
            self.done.set_result(None)


class RawClient:
    """A bare asyncio protocol: the least that Python can do under the standard event loop."""

    def __init__(self, address, streams):
        self.host, _, port = address.partition(":")
        self.port = int(port)
        self.streams = streams

    async def __aenter__(self):
        self.loop = asyncio.get_running_loop()
        self.idle = []
        for _ in range(self.streams):
            _, protocol = await self.loop.create_connection(RawProtocol, self.host, self.port)
            self.idle.append(protocol)
        return self

    async def __aexit__(self, *exc):
        for protocol in self.idle:
            protocol.transport.abort()
        await asyncio.sleep(0)

    async def fetch(self, name):
        protocol = self.idle.pop()
        done = self.loop.create_future()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.host}\r\nx-bench-id: {name}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        protocol.ask(head.encode() + BODY, done)
        await done
        kept = Kept(id=name, sent=protocol.sent, reads=protocol.reads, chunked=True)
        self.idle.append(protocol)
        return kept

    parse = staticmethod(parsed)


class AiohttpClient:
    """aiohttp through its public interface, parsed at the end."""

    def __init__(self, address, streams):
        import aiohttp

        self.url = f"http://{address}/v1/chat/completions"
        self.streams = streams
        self.http = aiohttp

    async def __aenter__(self):
        connector = self.http.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = self.http.ClientTimeout(total=None)
        self.session = self.http.ClientSession(connector=connector, timeout=timeout)
        await warmed(self, self.streams)
        return self

    async def __aexit__(self, *exc):
        await self.session.close()

    async def fetch(self, name, tokens=None):
        headers = {"Content-Type": "application/json", "x-bench-id": name, **asking(tokens)}
        sent = time.monotonic_ns()
        async with self.session.post(self.url, data=BODY, headers=headers) as response:
            reads = [(data, time.monotonic_ns()) async for data in response.content.iter_any()]
        return Kept(id=name, sent=sent, reads=reads, chunked=False)

    parse = staticmethod(parsed)


class HttpxClient:
    """httpx as people use it: lines, parsed as they come."""

    def __init__(self, address, streams):
        import httpx

        self.url = f"http://{address}/v1/chat/completions"
        self.streams = streams
        self.http = httpx

    async def __aenter__(self):
        limits = self.http.Limits(max_connections=None, max_keepalive_connections=None)
        self.client = self.http.AsyncClient(limits=limits, timeout=None)
        await warmed(self, self.streams)
        return self

    async def __aexit__(self, *exc):
        await self.client.aclose()

    async def fetch(self, name, tokens=None):
        headers = {"Content-Type": "application/json", "x-bench-id": name, **asking(tokens)}
        answer = Answer(id=name, sent=time.monotonic_ns())
        async with self.client.stream("POST", self.url, content=BODY, headers=headers) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: ") and has_output(line.encode()):
                    answer.outputs.append(time.monotonic_ns())
        # It does not tell its reads: lines that came within 20 microseconds came together.
        spans = zip(answer.outputs, answer.outputs[1:], strict=False)
        answer.alone = len(answer.outputs) - sum(b - a < 20_000 for a, b in spans)
        return answer

    def parse(self, kept):
        return kept


CLIENTS = {"ours": OursClient, "raw": RawClient, "aiohttp": AiohttpClient, "httpx": HttpxClient}


def asking(tokens):
    return {} if tokens is None else {"x-bench-tokens": str(tokens), "x-bench-ttft-ms": "300"}


async def warmed(client, streams):
    """Open connections by short requests at once; they overlap, so each has its own."""
    await asyncio.gather(*(client.fetch(f"warm-{n}", tokens=1) for n in range(streams)))


async def work(options):
    """Ask for the streams, all at once, once for each round."""
    pages = os.sysconf("SC_PAGE_SIZE")
    idle = resident(pages)
    async with CLIENTS[options.client](options.address, options.streams) as client:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC)
        open_bytes = resident(pages)
        if options.starts:
            return await replay(client, [float(start) for start in options.starts.split(",")])
        answers, cpu, decode, wall = [], 0.0, 0.0, 0.0
        for turn in range(options.rounds):
            names = [f"{turn}-{n}" for n in range(options.streams)]
            before, cpu_before = time.monotonic(), time.process_time()
            if options.decode == "at-end":
                kept = await asyncio.gather(*map(client.fetch, names))
                wall += time.monotonic() - before
                cpu += time.process_time() - cpu_before
                before_decode = time.process_time()
                answers += map(client.parse, kept)
                decode += time.process_time() - before_decode
            else:
                answers += await asyncio.gather(*(in_full(client, name) for name in names))
                wall += time.monotonic() - before
                cpu += time.process_time() - cpu_before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "client": options.client,
        "cpu_s": cpu,
        "decode_s": decode,
        "wall_s": wall,
        "idle_bytes": idle,
        "open_bytes": open_bytes,
        "peak_bytes": peak,
        "events": sum(len(a.outputs) for a in answers),
        "alone": sum(a.alone for a in answers),
        "answers": [asdict(a) for a in answers] if options.answers else [],
    }


async def replay(client, starts):
    """Ask for one stream at each of these moments (ms), to some 20 microseconds.

    Timers of the event loop are a millisecond late, in which streams meet that came one by one:
    a thread keeps the time.
    """
    loop = asyncio.get_running_loop()
    turns = [asyncio.Event() for _ in starts]
    before, cpu_before = time.monotonic(), time.process_time()

    def ring():
        for start, turn in zip(starts, turns, strict=True):
            time.sleep(max(0.0, before + start / 1e3 - time.monotonic()))
            loop.call_soon_threadsafe(turn.set)

    async def taken(n):
        await turns[n].wait()
        return await in_full(client, f"0-{n}")

    ringing = asyncio.to_thread(ring)
    *answers, _ = await asyncio.gather(*map(taken, range(len(starts))), ringing)
    return {
        "client": "replay",
        "cpu_s": time.process_time() - cpu_before,
        "wall_s": time.monotonic() - before,
        "events": sum(len(a.outputs) for a in answers),
    }


async def in_full(client, name):
    """A stream, parsed as soon as it is over, while others go on: as the runner does."""
    return client.parse(await client.fetch(name))


def resident(page):
    """Bytes of memory in use now, 0 where the system does not tell."""
    with suppress(OSError), open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * page
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("address")
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--decode", choices=("each", "at-end"), default="each")
    parser.add_argument("--answers", action="store_true", help="print the times too")
    parser.add_argument("--starts", default="", help="ms, by commas: streams one after the other")
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args()
    if options.cpu is not None:
        alone_on(options.cpu)
    json.dump(asyncio.run(work(options)), sys.stdout)


if __name__ == "__main__":
    main()

"""A raw streaming server that keeps a schedule, and notes when it really sent.

One thread, one epoll, no web framework. Every POST is answered by an event stream in the form of
OpenAI's chat completions: the first token TTFT after the request arrived (by the kernel's stamp on
its last bytes), then tokens at a steady rate. Each stream's schedule begins at its own request, so
streams that were asked for one after the other are sent to one after the other.

The defaults come from the command line; a request may say otherwise in its headers:
``x-bench-tokens``, ``x-bench-rate`` (tokens a second), ``x-bench-ttft-ms``, ``x-bench-head``
(``early``: status line and headers at once; ``first``: together with the first token).
``x-bench-id`` names it in the log.

``GET /stamps`` gives the log since the last time, as JSON, and forgets it: for each stream its id,
the arrival of its request, and the moments before and after each send call of a token, in
nanoseconds of CLOCK_MONOTONIC, which is one clock for all processes of a machine.
``GET /lateness`` gives the same without the moments. Both hold the server's own lateness.

    python bench/raw_server.py --port 8080 --tokens 100 --rate 50

Serves until its standard input ends. Its last line says how late it was; where the 99th percentile
is above 0.1 ms the line begins with VOID: no measurement against this server counts.
"""

import argparse
import gc
import heapq
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

LATE_LIMIT_NS: Final = 100_000
# <asm-generic/socket.h>
SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@ll")
# Waking up takes up to this long, and the rest of a wait is spent awake: long after a long sleep,
# in which the core goes to rest, and after any where others may hold the core.
_AWAKE_NS: Final = 400_000
_AWAKE_REALTIME_NS: Final = 120_000
_LONG_NS: Final = 1_000_000
# With a send due sooner than this, requests wait: taking one in costs about as much.
_BUSY_NS: Final = 40_000
# While sends are due one after the other, requests are looked at after so many of them.
_SENDS_IN_A_ROW: Final = 16
_END: Final = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a stream is: tokens, nanoseconds to the first one and between two of them."""

    tokens: int
    first_ns: int
    gap_ns: int
    early_head: bool


class Stream:
    """One answer under way. ``before`` and ``after`` hold the moments around each send call."""

    __slots__ = ("after", "arrived", "before", "connection", "due", "name", "pieces", "schedule")

    def __init__(
        self, name: str, arrived: int, schedule: Schedule, connection: "Connection"
    ) -> None:
        self.name = name
        self.arrived = arrived
        self.schedule = schedule
        self.connection = connection
        self.due = arrived + schedule.first_ns
        self.before: list[int] = []
        self.after: list[int] = []
        self.pieces = pieces(schedule)


class Connection:
    """An accepted socket and what it has sent so far of a request."""

    __slots__ = ("data", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""


HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def event(value: object) -> bytes:
    """One event of the stream, as one chunk of HTTP."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    data = b"data: " + text.encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunk(**fields: object) -> dict[str, object]:
    """A chunk of a chat completion in OpenAI's form."""
    return {
        "id": "chatcmpl-BenchBenchBenchBenchBench",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "bench-model",
        "service_tier": "default",
        "system_fingerprint": "fp_0000000000",
        **fields,
    }


def delta(content: dict[str, object], finish: str | None = None) -> dict[str, object]:
    """A chunk with one choice."""
    return chunk(
        choices=[{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish}]
    )


TOKEN: Final = event(delta({"content": " word"}))


def pieces(schedule: Schedule) -> list[bytes]:
    """What the send calls of a stream carry, one for each token.

    The role comes with the first one. The finish reason, the usage and the end come with the last.
    """
    made = [TOKEN] * schedule.tokens
    made[0] = event(delta({"role": "assistant", "content": ""})) + made[0]
    if not schedule.early_head:
        made[0] = HEAD + made[0]
    usage = {"prompt_tokens": 10, "completion_tokens": schedule.tokens}
    usage["total_tokens"] = sum(usage.values())
    made[-1] += event(delta({}, "stop")) + event(chunk(choices=[], usage=usage))
    made[-1] += event("[DONE]") + _END
    return made


class Server:
    """The loop, its sockets, its heap of sends and its log."""

    def __init__(self, listener: socket.socket, defaults: Schedule, *, realtime: bool) -> None:
        self.defaults = defaults
        self.awake_ns = _AWAKE_REALTIME_NS if realtime else _AWAKE_NS
        self.listener = listener
        self.poll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.heap: list[tuple[int, int, Stream]] = []
        self.count = 0
        self.log: list[Stream] = []
        self.stalled = 0
        self.all_late: list[int] = []
        self.poll.register(listener.fileno(), select.EPOLLIN)
        self.poll.register(sys.stdin.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Serve until standard input ends."""
        now = time.monotonic_ns
        in_a_row = 0
        while True:
            wait_ns = self.heap[0][0] - now() if self.heap else 1 << 62
            if wait_ns <= 0 and in_a_row < _SENDS_IN_A_ROW:
                self.send_next()
                in_a_row += 1
                continue
            if wait_ns <= _BUSY_NS and in_a_row < _SENDS_IN_A_ROW:
                continue
            in_a_row = 0
            if not self.look(wait_ns):
                return

    def look(self, wait_ns: int) -> bool:
        """Take one thing in, or sleep until shortly before the next send is due."""
        awake_ns = _AWAKE_NS if wait_ns > _LONG_NS else self.awake_ns
        if wait_ns > awake_ns + _BUSY_NS:
            # The epoll object itself can be waited for by the microsecond.
            seconds = min((wait_ns - awake_ns) / 1e9, 1.0)
            if not select.select([self.poll.fileno()], [], [], seconds)[0]:
                return True
        for fileno, _ in self.poll.poll(0, 1):
            if fileno == sys.stdin.fileno():
                return bool(os.read(fileno, 4096))
            if fileno == self.listener.fileno():
                self.accept()
            else:
                self.read(self.connections[fileno])
        return True

    def accept(self) -> None:
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[sock.fileno()] = Connection(sock)
        self.poll.register(sock.fileno(), select.EPOLLIN)

    def read(self, connection: Connection) -> None:
        try:
            data, ancillary, _, _ = connection.sock.recvmsg(65536, socket.CMSG_SPACE(16))
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            self.close(connection)
            return
        connection.data += data
        head, end, body = connection.data.partition(b"\r\n\r\n")
        if not end:
            return
        line, _, rest = head.partition(b"\r\n")
        headers = dict(field.split(b":", 1) for field in rest.lower().split(b"\r\n") if field)
        if len(body) < int(headers.get(b"content-length", 0)):
            return
        connection.data = b""
        if line.startswith(b"POST"):
            self.start(connection, headers, arrival(ancillary))
        elif line.split(b" ")[1] in (b"/stamps", b"/lateness"):
            self.tell(connection, moments=line.split(b" ")[1] == b"/stamps")
        else:
            connection.sock.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def start(self, connection: Connection, headers: dict[bytes, bytes], arrived: int) -> None:
        self.count += 1
        name = headers.get(b"x-bench-id", b"%d" % self.count).strip().decode()
        stream = Stream(name, arrived, asked(headers, self.defaults), connection)
        self.log.append(stream)
        if stream.schedule.early_head:
            connection.sock.send(HEAD)
        heapq.heappush(self.heap, (stream.due, self.count, stream))

    def send_next(self) -> None:
        _, number, stream = self.heap[0]
        data = stream.pieces[len(stream.before)]
        before = time.monotonic_ns()
        try:
            sent = stream.connection.sock.send(data)
        except OSError:
            sent = -1
        after = time.monotonic_ns()
        if sent != len(data):
            # The client is gone, or has not read for so long that the kernel takes no more.
            heapq.heappop(self.heap)
            self.stalled += 1
            self.close(stream.connection)
            return
        stream.before.append(before)
        stream.after.append(after)
        done = len(stream.before)
        if done == stream.schedule.tokens:
            heapq.heappop(self.heap)
            return
        due = stream.due + done * stream.schedule.gap_ns
        heapq.heapreplace(self.heap, (due, number, stream))

    def close(self, connection: Connection) -> None:
        fileno = connection.sock.fileno()
        if fileno in self.connections:
            self.poll.unregister(fileno)
            del self.connections[fileno]
            connection.sock.close()

    def tell(self, connection: Connection, *, moments: bool) -> None:
        """Answer with the log, and begin a new one."""
        late = lateness(self.log)
        self.all_late += late
        told: dict[str, object] = {
            "lateness": summary(late),
            "streams": len(self.log),
            "sends": sum(len(s.before) for s in self.log),
            "stalled": self.stalled,
        }
        if moments:
            told["log"] = [
                {"id": s.name, "arrived": s.arrived, "before": s.before, "after": s.after}
                for s in self.log
            ]
        self.log, self.stalled = [], 0
        body = json.dumps(told).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        with suppress(OSError):
            connection.sock.setblocking(True)
            connection.sock.sendall(head % len(body) + body)
            connection.sock.setblocking(False)


def asked(headers: dict[bytes, bytes], defaults: Schedule) -> Schedule:
    """The schedule that a request asks for."""
    schedule = defaults
    if b"x-bench-tokens" in headers:
        schedule = replace(schedule, tokens=int(headers[b"x-bench-tokens"]))
    if b"x-bench-rate" in headers:
        schedule = replace(schedule, gap_ns=round(1e9 / float(headers[b"x-bench-rate"])))
    if b"x-bench-ttft-ms" in headers:
        schedule = replace(schedule, first_ns=round(1e6 * float(headers[b"x-bench-ttft-ms"])))
    if b"x-bench-head" in headers:
        schedule = replace(schedule, early_head=headers[b"x-bench-head"].strip() == b"early")
    return schedule


def arrival(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    """When the kernel took in what was just read, on the monotonic clock; else now."""
    read_ns = time.monotonic_ns()
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, rest = _TIMESPEC.unpack(payload)
            return min(seconds * 1_000_000_000 + rest - wall_offset(), read_ns)
    return read_ns


def wall_offset() -> int:
    """Wall clock minus monotonic clock, by the tightest of three readings."""
    tries = []
    for _ in range(3):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        tries.append((after - before, wall - (before + after) // 2))
    return min(tries)[1]


def lateness(log: Sequence[Stream]) -> list[int]:
    """How long after its due moment each send call began, in nanoseconds."""
    return [
        before - (stream.due + place * stream.schedule.gap_ns)
        for stream in log
        for place, before in enumerate(stream.before)
    ]


def summary(late: Sequence[int]) -> dict[str, object]:
    """Lateness in words of a log: milliseconds at p50, p99 and worst, and whether it is void."""
    if not late:
        return {"n": 0, "p50_ms": None, "p99_ms": None, "max_ms": None, "void": True}
    ordered = sorted(late)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return {
        "n": len(ordered),
        "p50_ms": ordered[len(ordered) // 2] / 1e6,
        "p99_ms": p99 / 1e6,
        "max_ms": ordered[-1] / 1e6,
        "void": p99 > LATE_LIMIT_NS,
    }


def settle(cpu: int | None, *, realtime: bool) -> bool:
    """Stay on one core, before all others where wanted and allowed, without pauses; whether so."""
    gc.collect()
    gc.freeze()
    gc.disable()
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    with suppress(PermissionError):
        if realtime:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return realtime
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50.0, help="tokens a second of a stream")
    parser.add_argument("--ttft-ms", type=float, default=200.0)
    parser.add_argument("--head", choices=("early", "first"), default="early")
    parser.add_argument("--cpu", type=int, help="the core to stay on")
    parser.add_argument(
        "--no-realtime", action="store_true", help="ask for no priority over other programs"
    )
    options = parser.parse_args()
    if options.tokens < 1 or options.rate <= 0 or options.ttft_ms < 0:
        parser.error("a stream needs a token, a rate above 0, and no token before its request")
    realtime = settle(options.cpu, realtime=not options.no_realtime)
    with socket.create_server(("127.0.0.1", options.port), backlog=4096) as listener:
        listener.setblocking(False)
        # Accepted sockets inherit it.
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        defaults = Schedule(
            tokens=options.tokens,
            first_ns=round(options.ttft_ms * 1e6),
            gap_ns=round(1e9 / options.rate),
            early_head=options.head == "early",
        )
        print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
        server = Server(listener, defaults, realtime=realtime)
        server.run()
    total = summary(server.all_late + lateness(server.log))
    word = "VOID: " if total["void"] and total["n"] else ""
    print(f"{word}sends late by (ms): {json.dumps(total)}", flush=True)


if __name__ == "__main__":
    main()

"""Where clients are measured: the server on one core, the client on another, and the table."""

import fcntl
import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
# A measurement whose server was late is made again, so often; then it is shown as void.
TRIES = 3


def cores():
    """The client's core and the server's; the same where there is one only."""
    if not hasattr(os, "sched_getaffinity"):
        sys.exit("this benchmark pins processes to cores, which needs Linux")
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[-1]


def alone_on(cpu):
    """Keep this process on a core, before all others where we may: they are not measured."""
    os.sched_setaffinity(0, {cpu})
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


class Server:
    """The raw server in its process."""

    def __init__(self, process, port):
        self.process = process
        self.address = f"127.0.0.1:{port}"

    def get(self, path):
        """What it says at ``/stamps`` or ``/lateness``; it forgets its log by that."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def serving(*options, cpu=None):
    """The raw server with these options, until the block ends; it waits for another bench's end.

    Two at once share the cores, and each is before all others: they would spoil both.
    """
    command = [sys.executable, HERE / "raw_server.py", *map(str, options)]
    if cpu is not None:
        command += ["--cpu", str(cpu)]
    with Path(__file__).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from _served(command)


def _served(command):
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process, process.stdout.readline().strip().rpartition(":")[2])
        finally:
            process.stdin.close()
            process.stdout.read()


def client(name, server, *options):
    """Run one client in a process of its own and give what it printed."""
    cpu, _ = cores()
    command = [sys.executable, HERE / "clients.py", name, server.address, "--cpu", str(cpu)]
    done = subprocess.run(
        [*command, *map(str, options)], stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


def punctual(measure):
    """``measure()`` until the server was in time: its result, with the server's own account."""
    for _ in range(TRIES):
        result, told = measure()
        if not told["lateness"]["void"] and not told["stalled"]:
            break
    return result, told


def void_words(told):
    """Why a measurement does not count; empty where it does."""
    late = told["lateness"]
    if told["stalled"]:
        return f"VOID: {told['stalled']} streams broke off"
    if late["void"]:
        return f"VOID: the server was late by {late['p99_ms']:.2f} ms (p99)"
    return ""


def quantile(values, share):
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(title, heads, rows):
    """Print columns as wide as they must be."""
    cells = [heads, *([str(c) for c in row] for row in rows)]
    wide = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(c.ljust(w) for c, w in zip(row, wide, strict=True)).rstrip())


def met(value, limit):
    """Whether a target is met, in a word."""
    return "met" if value <= limit else "MISSED"

"""The rules of an exchange, without a network: a tape is told what arrives, and when."""

import asyncio
import gzip
import tracemalloc
import zlib
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.records.exchange import ResponseHead
from lens_gate.records.policy import Timeouts
from lens_gate.transport.deadline import Deadline
from lens_gate.transport.tape import Tape

MS = 1_000_000


class Socket:
    """Sends at 100 ms, unless told otherwise."""

    def __init__(self, *, first=100 * MS, last=100 * MS, opened=1, connected=0):
        self.sends = (first, last)
        self.opened_ns, self.connected_ns = opened, connected
        self.first_sent_ns = self.sent_ns = 7

    def begin(self):
        self.first_sent_ns, self.sent_ns = self.sends


class Loop:
    """Just enough of a loop for a tape and a deadline."""

    def __init__(self):
        self.calls = []

    def create_future(self):
        return SimpleNamespace(done=lambda: False, set_result=lambda _: None)

    def call_later(self, delay_s, call):
        self.calls.append((delay_s, call))
        return SimpleNamespace(cancel=lambda: None)


def tape_of(*, watch=lambda _: False, socket=None, buffered=0, max_body=1000, max_error_body=50):
    tape = Tape(loop=Loop(), watch=watch, max_body=max_body, max_error_body=max_error_body)
    transport = SimpleNamespace(get_write_buffer_size=lambda: buffered)
    tape.bind(socket or Socket(), lambda: transport, connected=None)
    return tape


def head(status=200, **headers):
    return ResponseHead(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


@given(sizes=st.lists(st.integers(1, 30), max_size=30), max_body=st.integers(1, 300))
def test_reads_partition_the_body_up_to_its_limit(sizes, max_body):
    tape = tape_of(max_body=max_body)
    tape.arrived(10, 200 * MS, kernel=True)
    tape.head_arrived(head())
    whole = b""
    for i, size in enumerate(sizes):
        whole += bytes([65 + i]) * size
        tape.arrived(size + 6, (201 + i) * MS, kernel=True)
        tape.body(whole[-size:])
    body = b"".join(tape.chunks)
    assert body == whole[:max_body]
    assert tape.ends == sorted(set(tape.ends))
    assert (tape.ends[-1] if tape.ends else 0) == len(body) == tape.size
    assert len(tape.stamps) == len(tape.ends)
    assert tape.ended == ("too_large" if len(whole) > max_body else None)


@pytest.mark.parametrize(
    ("at_ns", "ended"), [(99 * MS, "malformed"), (100 * MS, None), (150 * MS, None)]
)
def test_bytes_older_than_the_request_are_no_answer_to_it(at_ns, ended):
    tape = tape_of(socket=Socket(first=100 * MS, last=160 * MS))
    tape.arrived(10, at_ns, kernel=True)
    assert tape.ended == ended


@pytest.mark.parametrize(("with_head", "words"), [(False, "head"), (True, "took more than")])
def test_bytes_that_are_no_body_are_bounded_too(with_head, words):
    tape = tape_of()
    tape.arrived(10, 200 * MS, kernel=True)
    if with_head:
        tape.head_arrived(head())
    tape.arrived((1 << 20) - 10, 201 * MS, kernel=True)
    assert tape.ended is None
    tape.arrived(10_000, 202 * MS, kernel=True)
    assert tape.ended == "too_large"
    assert words in tape.detail


def test_bytes_before_any_send_are_no_answer():
    tape = tape_of(socket=Socket(first=0, last=0))
    tape.arrived(10, 5 * MS, kernel=True)
    assert tape.ended == "malformed"
    assert tape.sent is None


def test_sends_before_the_connection_was_ours_do_not_count():
    assert tape_of(socket=Socket(first=0, last=0)).last_sent() is None
    assert tape_of().last_sent() == 100 * MS


def test_without_a_stamped_socket_the_request_went_when_it_got_its_connection():
    tape = Tape(loop=Loop(), watch=lambda _: False, max_body=1, max_error_body=1)
    assert tape.last_sent() is None
    tape.asked(1)
    tape.bind(None, lambda: None, connected=2)
    assert tape.last_sent() == tape.bound
    assert (tape.connect_start, tape.connected, tape.reused) == (1, 2, False)


@pytest.mark.parametrize(("buffered", "sent"), [(0, 100 * MS), (1, None)])
def test_a_request_with_bytes_left_on_our_side_was_not_sent(buffered, sent):
    tape = tape_of(buffered=buffered)
    tape.time_out("first_byte", 1.0, "no byte")
    assert (tape.sent, tape.ended, tape.limit_s) == (sent, "timeout", 1.0)
    assert (tape.timed_out, tape.detail) == ("first_byte", "no byte")


def test_one_read_without_the_kernels_stamp_makes_it_the_transports_clock():
    tape = tape_of()
    for kernel in (True, False, True):
        tape.arrived(1, 200 * MS, kernel=kernel)
    assert tape.kernel is False


def test_the_first_word_about_the_end_counts():
    tape = tape_of()
    tape.time_out("idle", 2.0, "first")
    tape.end("connection", "second")
    tape.time_out("total", 3.0, "third")
    assert (tape.ended, tape.detail, tape.limit_s) == ("timeout", "first", 2.0)
    assert tape.timed_out == "idle"


@pytest.mark.parametrize(
    ("how", "ended"),
    [("timeout", "stopped"), ("connection", "connection"), ("truncated", "truncated")],
)
def test_after_the_last_word_a_timeout_is_no_failure_and_a_broken_end_is(how, ended):
    tape = tape_of(watch=lambda data: data == b"end")
    tape.arrived(1, 200 * MS, kernel=True)
    tape.head_arrived(head())
    for at_ns, data in ((201 * MS, b"one"), (202 * MS, b"end"), (203 * MS, b"more")):
        tape.arrived(3, at_ns, kernel=True)
        tape.body(data)
    if how == "timeout":
        tape.time_out("idle", 9.0, "why")
    else:
        tape.end(how, "why")
    assert (tape.ended, tape.done) == (ended, 202 * MS)
    assert (tape.limit_s, tape.timed_out) == (None, None)
    assert b"".join(tape.chunks) == b"oneend"


def test_a_watch_that_fails_is_kept_for_the_task():
    def watch(_data):
        raise ZeroDivisionError

    tape = tape_of(watch=watch)
    tape.arrived(1, 200 * MS, kernel=True)
    tape.head_arrived(head())
    tape.body(b"x")
    assert isinstance(tape.crash, ZeroDivisionError)
    assert tape.ended == "client"


@pytest.mark.parametrize("status", [200, 500])
def test_a_compression_bomb_is_unpacked_no_further_than_allowed(status):
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()
    tape = tape_of(max_body=100_000, max_error_body=50_000)
    tape.arrived(1, 200 * MS, kernel=True)
    tape.head_arrived(head(status, content_encoding="gzip"))
    tracemalloc.start()
    try:
        tape.arrived(len(bomb), 201 * MS, kernel=True)
        tape.body(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tape.ended == ("too_large" if status == 200 else "stopped")
    assert tape.size == (100_000 if status == 200 else 50_000)
    assert peak < 1 << 20, "it unpacks to 64 MiB"


def test_decoded_bytes_are_those_that_the_watch_sees_and_reads_count():
    seen = []
    tape = tape_of(watch=lambda data: bool(seen.append(data)))
    tape.arrived(1, 200 * MS, kernel=True)
    tape.head_arrived(head(content_encoding="gzip"))
    data = gzip.compress(b"hello")
    for i in range(len(data)):
        tape.arrived(1, (201 + i) * MS, kernel=True)
        tape.body(data[i : i + 1])
    tape.body_ended()
    assert b"".join(seen) == b"hello"
    assert tape.ends[-1] == 5
    assert (tape.ended, tape.done) == ("clean", (200 + len(data)) * MS)


def due(phase, limits, *, sent=None, last=None, done=None):
    tape = tape_of(socket=Socket(first=sent or 0, last=sent or 0))
    deadline = Deadline(tape, limits, loop=Loop(), expired=lambda: None)
    tape.phase, tape.sent, tape.last, tape.done = phase, sent, last, done
    found = deadline._next()
    deadline.close()
    return found[:2]


LIMITS = Timeouts(connect_s=1.0, first_byte_s=2.0, idle_s=3.0, total_s=60.0)


@pytest.mark.parametrize(
    ("phase", "moments", "limits", "at_ns", "limit_s"),
    [
        ("first_byte", {"sent": 5_000 * MS}, {}, 7_000 * MS, 2.0),
        ("first_byte", {"sent": 5_000 * MS}, {"total_s": 1.5}, 6_500 * MS, 1.5),
        ("idle", {"sent": 5_000 * MS, "last": 9_000 * MS}, {}, 12_000 * MS, 3.0),
        ("idle", {"sent": 5_000 * MS, "last": 64_000 * MS}, {}, 65_000 * MS, 60.0),
        (
            "drain",
            {"sent": 5_000 * MS, "last": 9_500 * MS, "done": 9_000 * MS},
            {},
            9_100 * MS,
            0.1,
        ),
    ],
)
def test_which_limit_runs_out_first_and_from_when_it_counts(phase, moments, limits, at_ns, limit_s):
    changed = {
        name: limits.get(name, getattr(LIMITS, name)) for name in LIMITS.__dataclass_fields__
    }
    assert due(phase, Timeouts(**changed), **moments) == (at_ns, limit_s)


@pytest.mark.parametrize(
    ("opening", "words"),
    [(None, "DNS"), (Socket(), "TCP"), (Socket(connected=5), "TLS")],
)
def test_a_connection_that_does_not_come_about_says_what_of_it_did(opening, words):
    loop = Loop()
    tape = Tape(loop=loop, watch=lambda _: False, max_body=1, max_error_body=1)
    limits = Timeouts(connect_s=0.0, first_byte_s=9, idle_s=9, total_s=9)
    Deadline(tape, limits, loop=loop, expired=lambda: None)
    if opening is not None:
        tape.socket_made(opening)
    loop.calls[-1][1]()
    assert (tape.ended, tape.timed_out, tape.limit_s) == ("timeout", "connect", 0.0)
    assert tape.tcp_connected == (5 if words == "TLS" else None)
    assert words in tape.detail
    assert sum(word in tape.detail for word in ("DNS", "no answer to TCP", "TLS")) == 1


def test_a_connection_from_the_pool_has_no_phases():
    tape = Tape(loop=Loop(), watch=lambda _: False, max_body=1, max_error_body=1)
    tape.asked(1)
    tape.socket_made(Socket(connected=5))  # a try that lost against an idle connection
    tape.bind(Socket(connected=5), lambda: None, connected=None)
    assert tape.reused
    assert (tape.connect_start, tape.resolved, tape.tcp_connected, tape.connected) == (None,) * 4


def test_a_new_connection_has_its_phases():
    tape = Tape(loop=Loop(), watch=lambda _: False, max_body=1, max_error_body=1)
    tape.asked(1)
    tape.socket_made(Socket(opened=2))
    tape.socket_made(Socket(opened=3))  # the first address did not answer
    tape.bind(Socket(opened=3, connected=5), lambda: None, connected=9)
    assert (tape.connect_start, tape.resolved, tape.tcp_connected, tape.connected) == (1, 2, 5, 9)


def test_the_lag_of_an_exchange_is_that_of_its_latest_read():
    tape = tape_of()
    for at_ns, late in ((200, 3), (300, 9), (400, None), (500, 4)):
        tape.arrived(1, at_ns * MS, kernel=True, since=at_ns * MS - 1, late=late)
        if tape.head is None:
            tape.head_arrived(head())
        else:
            tape.body(b"x")
    assert tape.late == 9
    assert tape.sinces == [300 * MS - 1, 400 * MS - 1, 500 * MS - 1]
    assert tape.since_first_byte == 200 * MS - 1


def test_the_connect_limit_counts_from_the_start():
    loop = Loop()
    tape = Tape(loop=loop, watch=lambda _: False, max_body=1, max_error_body=1)
    expired = []
    deadline = Deadline(tape, LIMITS, loop=loop, expired=lambda: expired.append(True))
    delay_s, look = loop.calls[-1]
    assert 0.9 < delay_s <= 1.0
    look()  # fired too early, by a coarse clock: it waits on
    assert tape.ended is None
    assert len(loop.calls) == 2
    tape.end("clean")
    look()
    assert expired == []
    deadline.close()


def test_a_limit_that_has_run_out_ends_the_tape_and_tells():
    async def run():
        loop = asyncio.get_running_loop()
        tape = Tape(loop=loop, watch=lambda _: False, max_body=1, max_error_body=1)
        limits = Timeouts(connect_s=0.0, first_byte_s=9, idle_s=9, total_s=9)
        ended = loop.create_future()
        Deadline(tape, limits, loop=loop, expired=lambda: ended.set_result(tape.ended))
        return await ended

    assert asyncio.run(run()) == "timeout"

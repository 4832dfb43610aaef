"""The kernel stamps by the wall clock; these tests set it while nobody looks."""

import asyncio
import socket
import sys
import time
from types import SimpleNamespace

import pytest

from lens_gate.transport.clock import SocketClock, StampedSocket, WallOffset

SECOND = 1_000_000_000


class Clocks:
    """Two clocks that advance by ``tick_ns`` at every reading, and a wall clock that can be set."""

    def __init__(self, tick_ns=40):
        self.now_ns, self.apart_ns, self.tick_ns, self.pauses = (
            5 * SECOND,
            1_000 * SECOND,
            tick_ns,
            {},
        )
        self.readings = 0

    def _go(self):
        self.readings += 1
        self.now_ns += self.tick_ns + self.pauses.pop(self.readings, 0)
        return self.now_ns

    def monotonic_ns(self):
        return self._go()

    def wall_ns(self):
        return self._go() + self.apart_ns

    def offset(self):
        return WallOffset(monotonic_ns=self.monotonic_ns, wall_ns=self.wall_ns)


def test_a_stamp_is_mapped_by_the_offset():
    clocks = Clocks()
    offset = clocks.offset()
    stamp = clocks.now_ns + clocks.apart_ns
    clocks.now_ns += 30_000_000  # the loop is busy
    at = offset.arrival(stamp, clocks.monotonic_ns())
    assert abs(at - (stamp - clocks.apart_ns)) <= 2 * clocks.tick_ns
    assert offset.steps == 0


@pytest.mark.parametrize("step_ns", [-SECOND, -100_000, 100_000, SECOND, 3600 * SECOND])
def test_after_a_step_the_stamp_at_hand_is_not_believed_and_the_next_one_is(step_ns):
    clocks = Clocks()
    offset = clocks.offset()
    before = clocks.now_ns + clocks.apart_ns
    clocks.apart_ns += step_ns
    assert offset.arrival(before, clocks.monotonic_ns()) is None
    assert offset.steps == 1
    arrived = clocks.now_ns
    at = offset.arrival(arrived + clocks.apart_ns, clocks.monotonic_ns())
    assert abs(at - arrived) <= 2 * clocks.tick_ns
    # An offset taken once at the start, the plausible wrong way, is off by the whole step.
    frozen = WallOffset(monotonic_ns=Clocks().monotonic_ns, wall_ns=Clocks().wall_ns).ns
    assert abs((arrived + clocks.apart_ns - frozen) - arrived) >= abs(step_ns) - 1000


def test_an_interruption_between_the_readings_is_no_step():
    clocks = Clocks()
    offset = clocks.offset()
    stamp = clocks.now_ns + clocks.apart_ns
    now = clocks.monotonic_ns()
    clocks.pauses[clocks.readings + 1] = 7_000_000  # before the wall clock is read
    at = offset.arrival(stamp, now)
    assert at is not None
    assert abs(at - (stamp - clocks.apart_ns)) <= 4 * clocks.tick_ns
    assert offset.steps == 0


def test_the_tightest_of_the_first_readings_counts():
    clocks = Clocks()
    clocks.pauses = {2: 3_000_000, 5: 9_000_000, 8: 1_000_000}
    assert abs(clocks.offset().ns - clocks.apart_ns) <= 2 * clocks.tick_ns


def test_a_stamp_from_the_future_is_not_believed_and_noise_is_cut_off():
    clocks = Clocks()
    offset = clocks.offset()
    now = clocks.monotonic_ns()
    assert offset.arrival(now + clocks.apart_ns + 1_000, now) == now
    assert offset.arrival(now + clocks.apart_ns + 1_000_000, now) is None


def pair(offset):
    """A connected pair: a plain end and a stamped one."""
    listener = socket.create_server(("127.0.0.1", 0))
    stamped = StampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0, offset=offset)
    stamped.connect(listener.getsockname())
    plain, _ = listener.accept()
    listener.close()
    return plain, stamped


@pytest.mark.parametrize("into", [False, True])
def test_without_kernel_stamps_a_read_is_stamped_when_it_returns(into):
    plain, stamped = pair(None)
    with plain, stamped:
        assert (stamped.received_ns, stamped.sent_ns, stamped.kernel) == (0, 0, False)
        plain.send(b"hello")
        before = time.monotonic_ns()
        buffer = bytearray(10)
        data = bytes(buffer[: stamped.recv_into(buffer)]) if into else stamped.recv(10)
        assert data == b"hello"
        assert before <= stamped.received_ns <= time.monotonic_ns()
        assert not stamped.kernel


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps received data")
@pytest.mark.parametrize("into", [False, True])
def test_with_kernel_stamps_a_late_read_has_the_time_of_the_arrival(into):
    clock = SocketClock()
    assert asyncio.run(clock.ask_kernel())
    stamped = clock.socket_factory((socket.AF_INET, socket.SOCK_STREAM, 0, "", ()))
    with socket.create_server(("127.0.0.1", 0)) as listener, stamped:
        stamped.connect(listener.getsockname())
        plain, _ = listener.accept()
        with plain:
            before = time.monotonic_ns()
            plain.send(b"hello")
            after = time.monotonic_ns()
            while time.monotonic_ns() < after + 20_000_000:
                pass
            late = time.monotonic_ns()
            buffer = bytearray(10)
            data = bytes(buffer[: stamped.recv_into(buffer)]) if into else stamped.recv(10)
            assert data == b"hello"
            assert stamped.kernel
            assert before - 5_000 <= stamped.received_ns
            assert (stamped.received_ns - before) * 2 < late - before
    clock.close()


def test_the_end_of_a_connection_is_no_arrival():
    plain, stamped = pair(None)
    with stamped:
        plain.send(b"x")
        stamped.recv(10)
        at = stamped.received_ns
        plain.close()
        assert stamped.recv(10) == b""
        assert stamped.recv_into(bytearray(5)) == 0
        assert stamped.received_ns == at


def test_sends_are_stamped_before_they_go_and_forgotten_at_the_next_request():
    plain, stamped = pair(None)
    with plain, stamped:
        before = time.monotonic_ns()
        stamped.send(b"one")
        first = stamped.sent_ns
        stamped.sendmsg([b"two", b"three"])
        assert before <= first <= stamped.sent_ns <= time.monotonic_ns()
        assert stamped.first_sent_ns == first
        stamped.begin()
        assert (stamped.first_sent_ns, stamped.sent_ns) == (0, 0)
        stamped.send(b"four")
        assert stamped.first_sent_ns == stamped.sent_ns > first
        assert plain.recv(100).startswith(b"one")


@pytest.mark.skipif(not hasattr(socket, "CMSG_SPACE"), reason="no ancillary data here")
@pytest.mark.parametrize("payload", [b"", b"short", bytes(17)])
def test_a_stamp_of_another_shape_is_not_believed(payload):
    offset = Clocks().offset()
    stamped = StampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0)
    stamped._offset = offset
    with stamped:
        before = time.monotonic_ns()
        stamped._note([(socket.SOL_SOCKET, 35, payload)], 0, full=False)
        assert stamped.received_ns >= before
        assert not stamped.kernel


def test_a_stamp_earlier_than_the_last_one_is_not_believed():
    stamped = StampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0)
    stamped._offset = offset = WallOffset()
    with stamped:

        def note(at_ns):
            wall = at_ns + offset.ns
            seconds, rest = divmod(wall, SECOND)
            payload = seconds.to_bytes(8, sys.byteorder) + rest.to_bytes(8, sys.byteorder)
            stamped._note([(socket.SOL_SOCKET, 35, payload)], 0, full=False)

        first = time.monotonic_ns()
        note(first)
        assert (stamped.kernel, stamped.received_ns) == (True, first)
        note(first - 1_000_000)
        assert not stamped.kernel
        assert stamped.received_ns > first
        seen = stamped.received_ns
        note(first + 1)
        assert stamped.kernel
        assert stamped.received_ns == seen, "stamps never go back"


def test_a_transport_of_another_kind_has_no_stamped_socket():
    class Transport:
        def __init__(self, sock):
            self.sock = sock

        def get_extra_info(self, name):
            return self.sock if name == "socket" else None

    clock = SocketClock()
    ours = clock.socket_factory((socket.AF_INET, socket.SOCK_STREAM, 0, "", ()))
    with ours, socket.socket() as theirs:
        assert clock.under(Transport(ours)) is ours
        assert clock.under(Transport(theirs)) is None
        assert clock.under(Transport(None)) is None
    clock.close()


@pytest.mark.parametrize("into", [False, True])
def test_a_read_bounds_the_next_one_by_the_moment_at_which_it_was_asked_for(monkeypatch, into):
    """The process loses its core within each call: what came meanwhile is in the next read."""
    asked = []

    def half_a_second_later():
        asked.append(asked[-1] + SECOND // 2 if asked else 1000 * SECOND)
        return asked[-1]

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        StampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0) as stamped,
    ):
        stamped._offset = WallOffset() if into else None
        stamped.connect(listener.getsockname())
        far, _ = listener.accept()
        monkeypatch.setattr(
            "lens_gate.transport.clock.time", SimpleNamespace(monotonic_ns=half_a_second_later)
        )
        for _ in range(2):
            far.send(b"x")
            assert (stamped.recv_into(bytearray(9)) if into else stamped.recv(9)) in (1, b"x")
        far.close()
    assert stamped.since_ns == asked[0]
    assert stamped.received_ns > asked[2]

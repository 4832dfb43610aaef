"""What a loop knows of when its reads can have come."""

import asyncio
import selectors
import socket
import sys
from types import SimpleNamespace

import pytest

from lens_gate.transport.arrivals import (
    WAKE_NS,
    MeasuringLoop,
    NotingSelector,
    measuring_loop,
    noting_of,
)

MS = 1_000_000


class Play:
    """Time that goes on as the test says, and a platform's selector that takes its time."""

    def __init__(self, monkeypatch):
        self.now = 1000 * MS
        self.takes = 0
        self.ready: list[object] = []
        monkeypatch.setattr(
            "lens_gate.transport.arrivals.time", SimpleNamespace(monotonic_ns=lambda: self.now)
        )

        def select(_self, timeout=None):
            self.now += self.takes
            return self.ready

        monkeypatch.setattr(selectors.DefaultSelector, "select", select)
        monkeypatch.setattr(
            "lens_gate.transport.arrivals.os",
            SimpleNamespace(
                O_RDONLY=0, open=lambda *_: 7, pread=self.schedstat, close=lambda _file: None
            ),
        )
        self.held = self.total = self.asked = 0
        self.told: object = "what it is"
        self.noting = NotingSelector()

    def schedstat(self, *_place):
        self.asked += 1
        self.total += self.held
        if self.told is None:
            raise OSError("nothing there")
        return b"1234 %d 5\n" % self.total if self.told == "what it is" else self.told

    def round(self, *, gap=0, takes=0, ready=1, timeout=None):
        self.now += gap
        self.takes, self.ready = takes, [object()] * ready
        return self.noting.select(timeout)


@pytest.fixture
def play(monkeypatch):
    made = Play(monkeypatch)
    yield made
    made.noting.close()


def test_where_the_loop_did_not_sleep_data_came_after_the_look_before(play):
    play.round()
    looked = play.now
    play.round(gap=40 * MS, takes=10_000)
    since = play.noting.since(play.now - 1 * MS)
    # Not the time of this look: it may have waited for 40 ms while we were busy.
    assert looked - 50_000 < since <= looked
    assert play.noting.since(looked - 9 * MS) == looked - 9 * MS, "never after its own stamp"


def test_where_the_loop_slept_data_came_when_it_woke_up(play):
    play.round()
    play.round(gap=1 * MS, takes=500 * MS)
    assert play.noting.since(play.now) == play.now - WAKE_NS


def test_a_stamp_from_long_before_it_ran_shows_that_it_was_woken_up_late(play):
    """Two events 20 ms apart, 15 ms before the process ran again: the first one is in the bound."""
    play.round()
    play.round(gap=1 * MS, takes=500 * MS)
    slept, stamp = play.now - 500 * MS, play.now - 15 * MS
    assert play.noting.since(stamp) == slept


def test_what_the_thread_waited_for_a_core_stands_before_its_waking_up(play):
    play.round()
    play.held = 40 * MS  # no stamp tells: the last event came as the process ran again
    play.round(gap=1 * MS, takes=500 * MS)
    assert play.noting.since(play.now) == play.now - 40 * MS - WAKE_NS
    play.held = 0
    play.round(takes=500 * MS)
    assert play.noting.since(play.now) == play.now - WAKE_NS, "only what is new counts"


def test_a_call_that_waited_for_its_core_all_the_time_did_not_sleep(play):
    play.round()
    looked = play.now
    play.held = 30 * MS
    play.round(gap=40 * MS, takes=30 * MS)
    assert looked - 50_000 < play.noting.since(play.now) <= looked


@pytest.mark.parametrize("told", [b"", b"no such thing", None])
def test_a_system_that_does_not_tell_is_asked_once(play, told):
    play.told = told
    play.round()
    for _ in range(2):
        play.round(gap=1 * MS, takes=500 * MS)
        assert play.noting.since(play.now) == play.now - WAKE_NS
    assert play.asked == 1


def test_a_stamp_from_before_the_sleep_shows_that_there_was_none(play):
    """The process lost its core within a call that had data at once."""
    play.round()
    looked = play.now
    play.round(gap=40 * MS, takes=30 * MS)
    since = play.noting.since(looked + 20 * MS)
    assert looked - 50_000 < since <= looked


def test_a_call_that_may_not_wait_did_not_sleep_however_long_it_took(play):
    play.round()
    looked = play.now
    play.round(gap=1 * MS, takes=30 * MS, timeout=0)
    assert play.noting.since(play.now) <= looked


def test_the_more_was_ready_the_longer_ago_the_look_may_be(play):
    play.round(takes=50 * MS, ready=500)
    looked = play.now
    play.round(gap=10 * MS)
    assert looked - 600_000 < play.noting.since(play.now) <= looked - 500 * 1000


@pytest.mark.parametrize("how", [{"timeout": 0}, {"held": 30 * MS}])
def test_a_look_is_no_later_than_its_question_where_the_core_was_lost(play, how):
    """Data that came while the process waited for its core on the way back were not reported."""
    play.round()
    play.held = how.pop("held", 0)
    asked = play.now
    play.round(takes=30 * MS, **how)
    play.round(gap=1 * MS)
    assert play.noting.since(play.now) == asked


def test_the_bound_never_claims_too_much_on_a_real_loop():
    """Bytes are sent at a known moment while the loop is busy: the bound is before it."""
    if sys.platform == "win32":
        pytest.skip("no measuring loop there")
    loop = MeasuringLoop()
    near, far = socket.socketpair()
    far.setblocking(False)
    found = []

    def read():
        far.recv(99)
        found.append(loop.noting.since(loop.time_ns()))
        loop.stop()

    import time

    loop.time_ns = time.monotonic_ns
    sent = []

    def busy():
        until = time.monotonic_ns() + 5 * MS
        while time.monotonic_ns() < until:
            pass
        sent.append(time.monotonic_ns())
        near.send(b"x")
        until = time.monotonic_ns() + 5 * MS
        while time.monotonic_ns() < until:
            pass

    try:
        loop.add_reader(far, read)
        loop.call_soon(busy)
        loop.run_forever()
        assert found[0] <= sent[0]
    finally:
        loop.remove_reader(far)
        loop.close()
        near.close()
        far.close()


def test_a_measuring_loop_is_known_and_others_are_not(monkeypatch):
    loop = measuring_loop()
    try:
        assert isinstance(noting_of(loop), NotingSelector)
        assert loop.run_until_complete(asyncio.sleep(0, "ran")) == "ran"
    finally:
        loop.close()
    assert noting_of(SimpleNamespace(noting="something else")) is None
    assert noting_of(object()) is None
    monkeypatch.setattr(sys, "platform", "win32")
    other = measuring_loop()
    assert noting_of(other) is None
    other.close()

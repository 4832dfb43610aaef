import asyncio
from types import SimpleNamespace

import pytest

from lens_gate.sim.player import Stage, play
from lens_gate.sim.script import Write
from lens_gate.sim.service import _transport


class Wire:
    """A transport that keeps what is written; it closes itself after ``closes_after`` writes."""

    def __init__(self, closes_after=99):
        self.sent, self.closes_after, self.closed = [], closes_after, False

    def get_write_buffer_size(self):
        return 0

    def write(self, data):
        self.sent.append(data)

    def is_closing(self):
        return self.closed or len(self.sent) >= self.closes_after

    def close(self):
        self.closed = True


def run(script, wire, *, chunked=True, cancel=False):
    noted = []

    async def scenario():
        begun = asyncio.Event()

        def note(write, _at_ns):
            noted.append(write.what)
            begun.set()

        stage = Stage(
            transport=wire,
            start_s=asyncio.get_running_loop().time(),
            scale=1.0,
            chunked=chunked,
            note=note,
        )
        task = asyncio.create_task(play(iter(script), stage))
        if cancel:
            await begun.wait()
            task.cancel()
        return await task

    return asyncio.run(scenario()), noted


def writes(*texts, **more):
    return [Write(0.0, "text", text, **more) for text in texts]


def test_each_event_is_one_write_with_its_chunk():
    wire = Wire()
    ended, noted = run(writes(b"ab", b"", b"c" * 17), wire)
    assert wire.sent == [b"2\r\nab\r\n", b"11\r\n" + b"c" * 17 + b"\r\n"]
    assert (ended, noted) == ("complete", ["text"] * 3)
    plain = Wire()
    run(writes(b"ab", b"c"), plain, chunked=False)
    assert plain.sent == [b"ab", b"c"]


def test_nothing_is_a_complete_answer():
    assert run([], Wire()) == ("complete", [])


def test_a_drop_ends_the_play():
    wire = Wire()
    ended, noted = run([*writes(b"ab", missing=5, ends="close"), *writes(b"never")], wire)
    assert (ended, noted, wire.closed) == ("dropped", ["text"], True)
    assert wire.sent == [b"7\r\nab"]


def test_a_client_that_has_gone_ends_the_play():
    wire = Wire(closes_after=2)
    with pytest.raises(ConnectionResetError):
        run(writes(b"a", b"b", b"c"), wire)
    assert len(wire.sent) == 2


def test_a_script_that_breaks_is_no_silent_end():
    def broken():
        yield from writes(b"a")
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(broken(), Wire())


def test_a_cancelled_play_sends_nothing_more():
    wire = Wire()
    endless = (Write(0.0, "text", b"a") for _ in iter(int, 1))
    with pytest.raises(asyncio.CancelledError):
        run(endless, wire, cancel=True)
    assert len(wire.sent) < 10


def test_a_connection_that_is_gone_has_no_transport():
    with pytest.raises(ConnectionResetError):
        _transport(SimpleNamespace(request=SimpleNamespace(transport=None)))

"""Plays a script onto a socket: one send for each event, at absolute moments of one clock."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from lens_gate.sim.script import Write

MOST_UNSENT = 1 << 20
_FULL_WAIT_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where and by which clock a script is played.

    ``start_s`` is the moment of the script's zero on the loop's clock, ``scale`` stretches it.
    ``chunked``: whether events are framed as HTTP chunks. ``note`` is called with each write and
    the CLOCK_MONOTONIC nanoseconds just before its send.
    """

    transport: asyncio.Transport
    start_s: float
    scale: float
    chunked: bool
    note: Callable[[Write, int], None]


async def play(script: Iterator[Write], stage: Stage) -> Literal["complete", "dropped"]:
    """Sends all writes when they are due; returns early when one drops the connection.

    Raises ``ConnectionResetError`` when the client has gone.

    The next write is made ready right after the last one was sent, so that only the send itself is
    left at its moment. No task is woken in between: hundreds of streams fit on one core.
    """
    playing = _Playing(script, stage)
    try:
        playing.schedule()
        return await playing.done
    finally:
        playing.cancel()


class _Playing:
    """One script on its way; ``done`` tells how it ended."""

    def __init__(self, script: Iterator[Write], stage: Stage) -> None:
        self._script, self._stage = script, stage
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self.done: asyncio.Future[Literal["complete", "dropped"]] = self._loop.create_future()

    def schedule(self) -> None:
        write = next(self._script, None)
        if write is None:
            self.done.set_result("complete")
        else:
            moment_s = self._stage.start_s + write.at_s * self._stage.scale
            self._handle = self._loop.call_at(moment_s, self._step, write)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _step(self, write: Write) -> None:
        if self.done.done():  # cancelled, and this call was on its way already
            return
        transport = self._stage.transport
        if transport.is_closing():
            self.done.set_exception(ConnectionResetError())
        elif transport.get_write_buffer_size() > MOST_UNSENT:
            # A client that reads slowly holds the writes back: they may not pile up in memory.
            self._handle = self._loop.call_later(_FULL_WAIT_S, self._step, write)
        else:
            self._send(write)

    def _send(self, write: Write) -> None:
        try:
            _send(write, self._stage)
            if write.ends is None:
                self.schedule()
            else:
                drop(self._stage.transport, write.ends)
                self.done.set_result("dropped")
        except Exception as error:  # noqa: BLE001  # a callback's error belongs to the awaiting task
            self.done.set_exception(error)


def drop(transport: asyncio.Transport, how: Literal["close", "reset"]) -> None:
    """Ends a connection in the middle: an orderly FIN, or a RST that may overtake sent data."""
    if how == "close":
        transport.close()
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _send(write: Write, stage: Stage) -> None:
    data = write.data
    if data and stage.chunked and not write.raw:
        size = len(data) + write.missing
        data = b"%x\r\n%b%b" % (size, data, b"" if write.missing else b"\r\n")
    at_ns = time.monotonic_ns()
    if data:
        stage.transport.write(data)
    stage.note(write, at_ns)

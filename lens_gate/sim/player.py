"""Plays a script onto a socket: one send for each event, at absolute moments of one clock."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from lens_gate.sim.script import Write


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
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Literal["complete", "dropped"]] = loop.create_future()
    handle: asyncio.TimerHandle | None = None

    def schedule() -> None:
        nonlocal handle
        write = next(script, None)
        if write is None:
            done.set_result("complete")
        else:
            handle = loop.call_at(stage.start_s + write.at_s * stage.scale, step, write)

    def step(write: Write) -> None:
        if done.done():  # cancelled, and this call was on its way already
            return
        if stage.transport.is_closing():
            done.set_exception(ConnectionResetError())
            return
        try:
            _send(write, stage)
            if write.ends is None:
                schedule()
            else:
                drop(stage.transport, write.ends)
                done.set_result("dropped")
        except Exception as error:  # noqa: BLE001  # a callback's error belongs to the awaiting task
            done.set_exception(error)

    try:
        schedule()
        return await done
    finally:
        if handle is not None:
            handle.cancel()


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
    if data and stage.chunked:
        size = len(data) + write.missing
        data = b"%x\r\n%b%b" % (size, data, b"" if write.missing else b"\r\n")
    at_ns = time.monotonic_ns()
    if data:
        stage.transport.write(data)
    stage.note(write, at_ns)

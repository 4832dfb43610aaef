"""What wakes the sender: a moment, to a fraction of a millisecond, or a request that has ended.

The timers of the event loop are late by up to a millisecond on Linux, since ``epoll_wait`` counts
in whole ones: at 500 requests a second that is half of the time between two. The kernel's own timer
(``timerfd_create(2)``) is a file descriptor that the loop reads like a socket; it fires within some
tens of microseconds and costs nothing while it waits. Elsewhere the loop's timers serve: those of
macOS (kqueue) are finer.
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeAlias

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_NS = 1_000_000_000

_Fire: TypeAlias = Callable[[], None]


class _Timer(Protocol):
    def set(self, at_ns: int | None) -> None: ...

    def close(self) -> None: ...


class Alarm:
    """One waiter's bell. ``kernel``: whether its moments are the kernel's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._rung = False
        timer = _kernel_timer(self._loop, self.ring)
        self.kernel = timer is not None
        self._timer: _Timer = timer or _LoopTimer(self._loop, self.ring)

    def ring(self) -> None:
        """End the wait under way; or, where there is none, the next one before it begins."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, until_ns: int | None) -> None:
        """Sleep until it rings, or until this moment of the monotonic clock."""
        if not self._rung:
            self._waiter = self._loop.create_future()
            self._timer.set(until_ns)
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._timer.set(None)
        self._rung = False

    def close(self) -> None:
        """Give the timer back."""
        self._timer.close()


class _LoopTimer:
    def __init__(self, loop: asyncio.AbstractEventLoop, fire: _Fire) -> None:
        self._loop = loop
        self._fire = fire
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at_ns: int | None) -> None:
        if self._handle is not None:
            self._handle.cancel()
        # The loop's clock is the monotonic one.
        self._handle = None if at_ns is None else self._loop.call_at(at_ns / _NS, self._fire)

    def close(self) -> None:
        self.set(None)


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("value", _Moment))


class _KernelTimer:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, fire: _Fire, libc: ctypes.CDLL, number: int
    ) -> None:
        self._loop = loop
        self._fire = fire
        self._libc = libc
        self._number = number
        self._set = False
        loop.add_reader(number, self._fired)

    def _fired(self) -> None:
        # Another bell may have stopped the timer between the loop's look at it and this call.
        with suppress(BlockingIOError):
            os.read(self._number, 8)
            self._set = False
            self._fire()

    def set(self, at_ns: int | None) -> None:
        if at_ns is None and not self._set:
            return
        self._set = at_ns is not None
        # A moment of zero means no moment; one that has passed fires at once.
        seconds, rest = divmod(0 if at_ns is None else max(1, at_ns), _NS)
        setting = _Setting(value=_Moment(seconds=seconds, nanoseconds=rest))
        self._libc.timerfd_settime(self._number, _ABSOLUTE, ctypes.byref(setting), None)

    def close(self) -> None:
        self._loop.remove_reader(self._number)
        os.close(self._number)


def _kernel_timer(loop: asyncio.AbstractEventLoop, fire: _Fire) -> _KernelTimer | None:
    """The kernel's timer, or ``None`` where there is none."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        number = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        return None if number < 0 else _KernelTimer(loop, fire, libc, number)
    except (AttributeError, OSError, NotImplementedError):
        return None

"""Work in a thread of its own with an event loop of its own, whatever the caller is doing.

So a call works in a script, in any thread, in a notebook (whose event loop is running: there
``asyncio.run`` refuses) and beside a caller's own event loop, which it never blocks. Nothing of the
caller's is touched: signal handlers, event-loop policy, default executor, garbage collector.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lens_gate.errors import LensError

T = TypeVar("T")
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[T]):
    """Something to do, and how it is broken off.

    ``break_off`` may be called from any thread; ``do`` then returns soon. ``left`` says afterwards
    what there is of it, in words, or nothing.
    """

    do: Callable[[], T]
    break_off: Callable[[], None]
    left: Callable[[], str]


def wait_for(work: Work[T]) -> T:
    """Do the work and wait for it.

    Where the wait is broken off (Ctrl-C), so is the work, which is waited for before the exception
    goes on, with a note of what is left. A second exception waits no longer.
    """
    future, thread = _apart(work)
    try:
        thread.start()
        return future.result()
    except BaseException as error:
        # A thread that could not be had has no end to wait for.
        if thread.ident is not None and not future.done():
            work.break_off()
            future.exception()
            _note(error, work)
        raise


async def awaited(work: Work[T]) -> T:
    """The same for a coroutine; being cancelled breaks it off, and so does the end of its loop.

    Raises:
        LensError: the event loop is none of asyncio's; nothing was begun.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise LensError(
            "there is no event loop of asyncio here, and nothing was sent",
            "call the plain function in a thread, as in trio.to_thread.run_sync",
        ) from None
    future, thread = _apart(work)
    thread.start()
    waiting = asyncio.wrap_future(future)
    _watch(loop, future, work)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError as error:
        work.break_off()
        await asyncio.wait({waiting})
        waiting.exception()  # looked at: the cancellation is what the caller hears
        _note(error, work)
        raise


def _watch(loop: asyncio.AbstractEventLoop, future: Future[T], work: Work[T]) -> None:
    """Break the work off where nobody can ever have its result.

    A loop that Ctrl-C throws out of ``run_until_complete`` cancels nothing. The work would go on,
    and be paid for, while the program waits for its thread in order to end.
    """
    main = threading.main_thread()

    def watch() -> None:
        while not wait([future], timeout=_LOOK_S).done:
            if loop.is_closed() or not (loop.is_running() or main.is_alive()):
                work.break_off()
                return

    threading.Thread(target=watch, name="lens-gate-watch").start()


def _note(error: BaseException, work: Work[T]) -> None:
    left = work.left()
    if left:
        error.add_note(left)


def _apart(work: Work[T]) -> tuple[Future[T], threading.Thread]:
    """The result to come, and the thread that it comes from, not yet started."""
    future: Future[T] = Future()
    # From here on nobody can cancel it: it ends by its own end, or by being broken off.
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work.do()
        except BaseException as error:  # noqa: BLE001  # it is the caller's, whatever it is
            future.set_exception(error)
        else:
            future.set_result(result)

    return future, threading.Thread(target=run, name="lens-gate")

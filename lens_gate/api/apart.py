"""Work in a thread of its own with an event loop of its own, whatever the caller is doing.

So a call works in a script, in any thread, in a notebook (whose event loop is running: there
``asyncio.run`` refuses) and beside a caller's own event loop, which it never blocks. Nothing of the
caller's is touched: signal handlers, event-loop policy, default executor, garbage collector.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


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
    future = _begun(work)
    try:
        return future.result()
    except BaseException as error:
        if not future.done():
            work.break_off()
            future.exception()
            _note(error, work)
        raise


async def awaited(work: Work[T]) -> T:
    """The same for a coroutine; being cancelled breaks it off."""
    future = asyncio.wrap_future(_begun(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError as error:
        work.break_off()
        await asyncio.wait({future})
        future.exception()  # looked at: the cancellation is what the caller hears
        _note(error, work)
        raise


def _note(error: BaseException, work: Work[T]) -> None:
    left = work.left()
    if left:
        error.add_note(left)


def _begun(work: Work[T]) -> Future[T]:
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

    threading.Thread(target=run, name="lens-gate").start()
    return future

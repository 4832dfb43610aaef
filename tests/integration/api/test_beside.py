"""Beside a program of somebody else: its loop, its threads, its signals; ended from outside."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lens_gate


def surroundings():
    """What a program has for itself, and a library has to leave alone."""
    loop = asyncio.get_running_loop()
    return {
        "signals": {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)},
        "wakeup": signal.set_wakeup_fd(signal.set_wakeup_fd(-1)),
        "policy": asyncio.get_event_loop_policy(),
        "executor": loop._default_executor,
        "collector": (gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()),
        "environ": dict(os.environ),
        "folder": Path.cwd(),
        "hooks": (sys.excepthook, threading.excepthook, sys.stdout, sys.stderr),
    }


async def while_held(house, work):
    """Starts work of which a request is held by the server, and waits until it is."""
    task = asyncio.create_task(work)
    while not house.held.acquire(blocking=False):
        assert not task.done(), task.result()
        await asyncio.sleep(0.002)
    return task


def test_the_loop_goes_on_and_nothing_of_the_program_is_touched(house, capfd):
    async def program():
        before = surroundings()
        task = await while_held(house, lens_gate.measure_async(house.target("hold"), requests=2))
        # A request is under way: the measuring is in full course, and this loop runs.
        during = surroundings()
        beats = 0
        while beats < 20:
            await asyncio.sleep(0)
            beats += 1
        assert not task.done()
        house.free.set()
        found = await task
        assert found.ok
        assert before == during == surroundings()

    asyncio.run(program())
    assert capfd.readouterr() == ("", "")


WRONG = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from lens_gate.api.world import world
from lens_gate.flows.adhoc import AdHoc, measure_adhoc
from lens_gate.flows.stopping import Stop

def wrong():
    order = AdHoc(
        targets=[{target!r}], requests=1, warmup=0, max_output_tokens=8, max_usd=1,
        max_duration_s=60.0, output=Path("out"), seed=1, scenario={{"prompts": ["hi"]}},
    )
    try:
        measure_adhoc(order, replace(world(Stop(), None, Path.cwd()), stop=None))
    except (RuntimeError, ValueError) as error:
        return str(error)

async def program():
    print(wrong())
    print(await asyncio.to_thread(wrong))

asyncio.run(program())
"""


def test_the_verbs_own_way_can_go_neither_into_a_loop_nor_into_a_thread(house, tmp_path):
    """What the program does for itself: run a loop of its own in the main thread, take signals."""
    program = WRONG.format(target=house.target())
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    in_loop, in_thread = done.stdout.splitlines()
    assert "running" in in_loop
    assert "main thread" in in_thread
    assert house.asked == []


def test_the_plain_call_inside_a_running_loop_as_in_a_notebook(house):
    async def cell():
        return lens_gate.measure(house.target(), requests=1)

    assert asyncio.run(cell()).ok


def test_many_at_once_from_many_threads(house):
    thresholds = gc.get_threshold()

    def one(number):
        return lens_gate.measure(house.target(f"fast-{number}"), requests=3, seed=number)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(8)))
    assert [m.target for m in found] == [f"fast-{number}" for number in range(8)]
    assert all(m.ok and len(m.samples) == 3 for m in found)
    assert len({m.run.header.run_id for m in found}) == 8
    assert gc.get_threshold() == thresholds


def test_many_at_once_in_one_loop(house):
    async def program():
        calls = (lens_gate.measure_async(house.target("slow"), requests=2) for _ in range(3))
        return await asyncio.gather(*calls)

    assert all(found.ok for found in asyncio.run(program()))


def test_being_cancelled_ends_the_run_and_keeps_what_was_measured(house, tmp_path):
    async def program():
        work = lens_gate.measure_async(house.target("hold"), requests=50, concurrency=2, warmup=0)
        task = await while_held(house, work)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert task.cancelled()
        return caught.value.__notes__[0]

    note = asyncio.run(program())
    sent = len(house.asked)
    assert sent <= 2
    path = Path(note.removeprefix("what was measured is in "))
    assert tmp_path in path.parents
    run = lens_gate.read_run(path)
    assert run.end.reason == "interrupted"
    assert run.end.detail == "stopped by its caller; what was measured is kept"
    # Paid for or not, it is booked: nobody knows what the server charges.
    assert run.end.spend.spent_usd > 0


def test_a_timeout_around_it_is_a_cancellation(house):
    async def program():
        async with asyncio.timeout(0.05):
            await lens_gate.measure_async(house.target("hold"), requests=50)

    with pytest.raises(TimeoutError):
        asyncio.run(program())


def test_a_second_cancellation_waits_no_longer(house, monkeypatch):
    free = threading.Event()
    monkeypatch.setattr("lens_gate.api.measuring.measure_adhoc", lambda *_a, **_k: free.wait(20))

    async def program():
        task = asyncio.create_task(lens_gate.measure_async(house.target(), requests=1))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    free.set()


def test_who_asks_to_stop_gets_what_there_is(house):
    stop = lens_gate.Stop()
    asked = []

    def seen(progress):
        if progress.done == 3:
            asked.append(progress)
            stop.ask()

    found = lens_gate.measure(house.target(), requests=40, on_progress=seen, stop=stop)
    assert len(asked) == 1
    assert stop.asked
    assert 2 <= len(found.samples) < 40
    assert not found.complete
    assert not found.ok
    assert found.ended == "stopped by its caller; what was measured is kept"
    assert found.ttft.n == len(found.samples)
    assert found.report().outcome == "aborted"
    # It stays asked: who ends a session ends what would have come next.
    house.asked.clear()
    later = lens_gate.measure(house.target(), requests=40, stop=stop)
    assert not later.complete
    assert len(house.asked) <= 1


def test_ctrl_c_ends_the_run_and_says_where_it_is(house):
    main = threading.main_thread().ident

    def press(progress):
        # As a terminal does: to the main thread, which waits for the result.
        if progress.done == 1:
            signal.pthread_kill(main, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        lens_gate.measure(house.target(), requests=200, warmup=0, on_progress=press)
    (note,) = caught.value.__notes__
    run = lens_gate.read_run(note.removeprefix("what was measured is in "))
    assert run.end.reason == "interrupted"
    assert 1 <= len(run.samples) < 200
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_a_run_with_a_folder_of_its_own(house, tmp_path):
    main = threading.main_thread().ident

    def press(progress):
        if progress.done == 1:
            signal.pthread_kill(main, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        lens_gate.compare(
            house.target(),
            house.target("dear"),
            on_progress=press,
            output=tmp_path / "kept",
        )
    assert caught.value.__notes__ == [f"what was measured is in {tmp_path / 'kept' / 'run.jsonl'}"]
    assert lens_gate.read_run(tmp_path / "kept").end.reason == "interrupted"


def test_where_no_loop_of_asyncio_runs_nothing_is_sent(house):
    """As under trio: the call would be paid for, and its result could not be waited for."""
    work = lens_gate.measure_async(house.target(), requests=3)
    with pytest.raises(lens_gate.LensError, match="no event loop of asyncio here") as caught:
        work.send(None)
    assert "plain function in a thread" in caught.value.hint
    assert not [t for t in threading.enumerate() if t.name == "lens-gate"]
    assert house.asked == []


def test_a_call_whose_loop_is_closed_is_broken_off(house):
    async def program():
        # Left behind, as by Ctrl-C in `run_until_complete`: nobody cancels it.
        return await while_held(house, lens_gate.measure_async(house.target("hold"), requests=50))

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(program())
    task._log_destroy_pending = False
    (thread,) = [t for t in threading.enumerate() if t.name == "lens-gate"]
    (watch,) = [t for t in threading.enumerate() if t.name == "lens-gate-watch"]
    loop.close()
    watch.join(20)
    house.free.set()
    thread.join(20)
    assert not watch.is_alive()
    assert not thread.is_alive()
    assert len(house.asked) <= 2


LEFT = """
import asyncio, lens_gate
async def program():
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    def seen(_progress):
        loop.call_soon_threadsafe(begun.set)
    work = lens_gate.measure_async({target!r}, requests=1000, max_usd=9, on_progress=seen)
    task = asyncio.ensure_future(work)
    await begun.wait()
loop = asyncio.new_event_loop()
loop.run_until_complete(program())  # and never closed
"""


def test_a_program_that_ends_ends_what_its_loop_has_left(house):
    command = [sys.executable, "-c", LEFT.format(target=house.target("slow"))]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert 1 <= len(house.asked) < 900


def test_ctrl_c_while_the_thread_starts_breaks_it_off(house, monkeypatch):
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        if thread.name == "lens-gate":
            assert house.held.acquire(timeout=20)
            house.free.set()
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        lens_gate.measure(house.target("hold"), requests=50, warmup=0)
    (note,) = caught.value.__notes__
    run = lens_gate.read_run(note.removeprefix("what was measured is in "))
    assert run.end.reason == "interrupted"
    assert len(house.asked) < 50


def test_a_thread_that_cannot_be_had_is_an_error_and_no_wait(house, monkeypatch):
    def none_left(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    with pytest.raises(RuntimeError, match="new thread"):
        lens_gate.measure(house.target(), requests=1)
    with pytest.raises(RuntimeError, match="new thread"):
        asyncio.run(lens_gate.measure_async(house.target(), requests=1))
    assert house.asked == []


def test_no_key_in_the_values_that_a_traceback_shows(house, monkeypatch):
    """As `pytest --showlocals` and the reporters of errors do, of every frame."""
    monkeypatch.setenv("HOUSE_KEY", "sk-of-this-house")

    def broken(_progress):
        raise ZeroDivisionError

    try:
        lens_gate.measure(house.target(api_key_env="HOUSE_KEY"), requests=1, on_progress=broken)
    except ZeroDivisionError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    assert "environment variables>" in text
    assert "sk-of-this-house" not in text


def test_an_error_of_the_work_is_the_callers(house):
    async def program():
        with pytest.raises(lens_gate.LensError, match="no target"):
            await lens_gate.measure_async("what is this", requests=1)

    asyncio.run(program())

    def broken(_progress):
        raise ZeroDivisionError("of the caller's own")

    with pytest.raises(ZeroDivisionError, match="of the caller's own"):
        lens_gate.measure(house.target(), requests=1, on_progress=broken)

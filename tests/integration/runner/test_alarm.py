"""The sender's bell: it rings at its moment, at an end, and never too early or twice."""

import asyncio
import time

import pytest

from lens_gate.runner import alarm as alarm_module
from lens_gate.runner.alarm import Alarm

MS = 1_000_000


@pytest.fixture(params=["kernel", "loop"])
def ringing(request, monkeypatch):
    """Play a scene with an alarm of either kind."""
    if request.param == "loop":
        monkeypatch.setattr(alarm_module, "_kernel_timer", lambda *_: None)

    def play(scene):
        async def whole():
            alarm = Alarm()
            try:
                async with asyncio.timeout(10):
                    return await scene(alarm)
            finally:
                alarm.close()

        return asyncio.run(whole())

    return play


def test_it_waits_for_its_moment(ringing):
    async def scene(alarm):
        found = []
        for wait in (5 * MS, 1 * MS, 0, -3 * MS):
            moment = time.monotonic_ns() + wait
            await alarm.wait(moment)
            found.append(time.monotonic_ns() - moment)
        return found

    # A loop's timer may fire a clock tick too early.
    assert all(late > -10_000 for late in ringing(scene))


def test_a_ring_ends_the_wait_and_the_moment_is_forgotten(ringing):
    async def scene(alarm):
        loop = asyncio.get_running_loop()
        start = time.monotonic_ns()
        loop.call_later(0.005, alarm.ring)
        await alarm.wait(start + 2000 * MS)
        first = time.monotonic_ns() - start
        # The next wait has no moment: what was set before must not end it.
        loop.call_later(0.02, alarm.ring)
        start = time.monotonic_ns()
        await alarm.wait(None)
        return first, time.monotonic_ns() - start

    first, second = ringing(scene)
    assert first < 2000 * MS
    assert second >= 19 * MS


def test_a_ring_that_nobody_waits_for_ends_the_next_wait_once(ringing):
    async def scene(alarm):
        alarm.ring()
        alarm.ring()
        start = time.monotonic_ns()
        await alarm.wait(start + 5000 * MS)
        at_once = time.monotonic_ns() - start
        await alarm.wait(time.monotonic_ns() + 3 * MS)
        return at_once, time.monotonic_ns() - start - at_once

    at_once, after = ringing(scene)
    assert at_once < 5000 * MS
    assert after >= 2.9 * MS


def test_a_timer_that_was_stopped_under_the_loops_eyes_rings_nothing(ringing):
    async def scene(alarm):
        if not alarm.kernel:
            return True
        # The descriptor was ready when the loop looked, and is no more.
        alarm._timer._fired()
        start = time.monotonic_ns()
        await alarm.wait(start + 3 * MS)
        return time.monotonic_ns() - start >= 3 * MS

    assert ringing(scene)


def test_a_cancelled_wait_leaves_no_moment_behind(ringing):
    async def scene(alarm):
        waiting = asyncio.create_task(alarm.wait(time.monotonic_ns() + 5 * MS))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        start = time.monotonic_ns()
        asyncio.get_running_loop().call_later(0.03, alarm.ring)
        await alarm.wait(None)
        return time.monotonic_ns() - start

    assert ringing(scene) >= 29 * MS


@pytest.mark.parametrize("how", ["no linux", "no such call", "refused"])
def test_without_a_kernel_timer_the_loops_serves(monkeypatch, how):
    if how == "no linux":
        monkeypatch.setattr(alarm_module.sys, "platform", "darwin")
    else:

        def library(*_, **__):
            if how == "no such call":
                raise OSError("no C library here")

            class Refusing:
                @staticmethod
                def timerfd_create(*_):
                    return -1

            return Refusing()

        monkeypatch.setattr(alarm_module.ctypes, "CDLL", library)

    async def scene():
        alarm = Alarm()
        await alarm.wait(time.monotonic_ns() + MS)
        alarm.close()
        return alarm.kernel

    assert asyncio.run(scene()) is False

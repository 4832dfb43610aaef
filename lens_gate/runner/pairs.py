"""Pairs of requests: one prompt sent by both arms, the second when the first has ended."""

from collections.abc import Sequence
from dataclasses import replace

from lens_gate.load.closed import OVER
from lens_gate.records.sample import Phase
from lens_gate.runner.course import Course
from lens_gate.runner.workers import carry_out


async def send_pairs(course: Course, phase: Phase, numbers: Sequence[int]) -> None:
    """Carry out the pairs of these numbers, as many at once as the load has concurrency.

    Each worker has one request in flight, whichever arm it is for. Unmeasured calls that these
    pairs need first are made before. When this returns nothing is in flight.
    """
    places = [_place(course, phase, number) for number in numbers]
    await send_calls(course, [course.head.prompts[place].id for place in places])
    began_ns = course.head.now_ns()
    await _carry_out(course, phase, numbers, began_ns)
    course.active_ns += course.head.now_ns() - began_ns


async def send_calls(course: Course, prompt_ids: Sequence[str]) -> None:
    """Make the calls, one for each arm, that warm the caches for these prompts, if still needed.

    A call that fails is no harm: the measured requests then say that nothing was cached.
    """
    calls = [course.waiting.pop(key) for key in dict.fromkeys(prompt_ids) if key in course.waiting]
    await _carry_out(course, "warmup", calls, course.head.now_ns())


async def warm_up(course: Course) -> None:
    """Carry out the pairs that go before everything and that nobody looks at."""
    await _carry_out(course, "warmup", range(course.run.score.lead), course.head.now_ns())
    course.warmed_up = True


async def _carry_out(course: Course, phase: Phase, numbers: Sequence[int], began_ns: int) -> None:
    async def carry(number: int) -> bool:
        limit_s = course.head.scenario.load.duration_s
        active_ns = course.active_ns + course.head.now_ns() - began_ns
        if phase != "warmup" and limit_s is not None and active_ns >= limit_s * 1e9:
            course.end("duration", OVER.format(limit_s))
        if course.lane.ended is None:
            await _pair(course, phase, number)
        return course.lane.ended is None

    await carry_out(numbers, min(course.run.plan.concurrency, len(numbers)), carry)


async def _pair(course: Course, phase: Phase, number: int) -> None:
    """Both requests, or none: what they need is set aside before the first one goes."""
    place, seq = _place(course, phase, number), course.run.seqs.take(2)
    first, second = (
        arm.job(phase, arm.prompts[place], seq=seq + k, pair=number)
        for k, arm in enumerate(course.arms(phase, number))
    )
    till, keep = course.head.till, course.keep(phase, number)
    accounts = [(job.wire.target.key, job.reservation()) for job in (first, second)]
    refusal = till.reserve_all(accounts, keep)
    if refusal is not None:
        course.end(refusal.reason, refusal.detail)
        return
    try:
        await course.lane.send(first, keep)
        overrun = till.overrun(accounts[1][0])
    except BaseException:
        till.release(*accounts[1])
        raise
    if overrun:
        till.release(*accounts[1])
        course.end("target", f"overrun: a bill of {accounts[1][0]} was above what it could cost")
        return
    # Its slot is free only now.
    await course.lane.send(replace(second, ready_ns=course.head.now_ns()), keep)
    course.complete(phase, number)


def _place(course: Course, phase: Phase, number: int) -> int:
    """Where this pair's prompts are: a confirming block asks the same as the pairs it confirms."""
    return number if phase == "warmup" else course.run.score.start + number

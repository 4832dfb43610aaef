"""Pairs of blocks: each arm under the declared load for a while, the arms by turns.

For what one request can't say: how much a target carries, or how it does under arrivals that wait
for no answer. All that a block sent has ended before the next one begins.
"""

from collections.abc import Sequence
from dataclasses import replace

from lens_gate.load import connections, stages
from lens_gate.records.policy import Load, Prompt
from lens_gate.records.sample import Phase
from lens_gate.runner.alarm import Alarm
from lens_gate.runner.cell import CellRun, Ended, Part, send_part
from lens_gate.runner.course import Course
from lens_gate.runner.pairs import send_calls


async def send_blocks(course: Course, phase: Phase, numbers: Sequence[int]) -> None:
    """Carry out the pairs of blocks of these numbers, one after the other.

    A pair of which a cap breaks off a block does not count; the cell then ends.
    """
    alarm = Alarm()
    try:
        for number in numbers:
            if course.lane.ended is None:
                await _pair_of_blocks(course, phase, number, alarm)
    finally:
        alarm.close()


async def _pair_of_blocks(course: Course, phase: Phase, number: int, alarm: Alarm) -> None:
    await send_calls(course, [prompt.id for prompt in _prompts(course, course.head, number)])
    for arm in course.arms(phase, number):
        if course.lane.ended is not None:
            return
        found = await _block(course, arm, phase, number, alarm)
        if found is not None:
            course.end(found.reason, found.detail)
            return
    course.complete(phase, number)


async def _block(
    course: Course, arm: CellRun, phase: Phase, number: int, alarm: Alarm
) -> Ended | None:
    load, prompts = block_load(course), _prompts(course, arm, number)
    if arm.scenario.connection == "warm":
        wanted = connections(load, len(prompts), course.run.plan.expected_s)
        await course.open_connections(wanted)
    first = 0
    for stage in stages(load, len(prompts), course.run.arrivals(phase, number)):
        free = number < course.run.plan.min_n
        part = Part(
            stage=stage,
            phase=phase,
            prompts=prompts[first : first + stage.requests],
            first_seq=course.run.seqs.take(stage.requests),
            free=stage.requests if free else 0,
            block=number,
        )
        first += stage.requests
        keep = course.keep(phase, number)
        found = await send_part(replace(arm, keep=keep), part, course.lane.watch, alarm)
        # That its time is over is how a block ends.
        if found is not None and found.reason != "duration":
            return found
    return None


def block_load(course: Course) -> Load:
    """The declared load, no longer than a block."""
    load = course.head.scenario.load
    own_s, block_s = load.duration_s, course.run.duet.block_s
    return replace(load, duration_s=block_s if own_s is None else min(own_s, block_s))


def _prompts(course: Course, arm: CellRun, number: int) -> Sequence[Prompt]:
    """A block's own part of the order; a trace, whose prompts belong to arrivals, begins anew."""
    most = course.run.duet.block_requests
    measured = arm.prompts[course.run.score.start :]
    start = 0 if arm.scenario.follows_trace else number * most
    return measured[start : start + most]

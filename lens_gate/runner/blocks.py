"""Pairs of blocks: each arm under the declared load for a while, the arms by turns.

For what one request can't say: how much a target carries, or how it does under arrivals that wait
for no answer. All that a block sent has ended before the next one begins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import SupportsFloat

from lens_gate.load import Stage, connections, stages
from lens_gate.load.closed import closed
from lens_gate.load.pacer import Chance
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
    before, load = _prompts(course, course.head, number)
    await send_calls(course, [prompt.id for prompt in (*before, *load)])
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
    load = block_load(course)
    before, prompts = _prompts(course, arm, number)
    if arm.scenario.connection == "warm":
        wanted = connections(load, len(prompts), course.run.plan.expected_s)
        await course.open_connections(wanted)
    arrivals = _AtOnce(course.run.arrivals(phase, number))
    parts = [(stage, phase) for stage in stages(load, len(prompts), arrivals)]
    if before:
        parts.insert(0, (await _warm_stage(course, len(before)), "warmup"))
    every, first = (*before, *prompts), 0
    for stage, own in parts:
        part = Part(
            stage=stage,
            phase=own,
            prompts=every[first : first + stage.requests],
            first_seq=course.run.seqs.take(stage.requests),
            free=stage.requests if number < course.run.plan.min_n else 0,
            block=number,
        )
        first += stage.requests
        keep = course.keep(phase, number)
        found = await send_part(replace(arm, keep=keep), part, course.lane.watch, alarm)
        # That its time is over is how a block ends.
        if found is not None and found.reason != "duration":
            return found
    return None


@dataclass(frozen=True, slots=True)
class _AtOnce:
    """Chance by which requests that come at random begin with one at once.

    What follows an arrival of a Poisson process is one. A block that nobody came to in its time
    would compare nothing, and could not be told from one that was never begun.
    """

    chance: Chance

    def standard_exponential(self, size: int, /) -> Iterable[SupportsFloat]:
        """As many gaps, the first one nothing."""
        gaps = tuple(self.chance.standard_exponential(size))
        return (0.0, *gaps[1:])[:size]


async def _warm_stage(course: Course, requests: int) -> Stage:
    """Requests one after the other in each slot, over connections that are open before them."""
    slots = min(course.run.plan.concurrency, requests)
    await course.open_connections(slots)
    pacer = closed(concurrency=slots, requests=requests)
    return Stage(pacer=pacer, requests=requests, slots=slots)


def block_load(course: Course) -> Load:
    """The declared load, no longer than a block."""
    load = course.head.scenario.load
    own_s, block_s = load.duration_s, course.run.duet.block_s
    return replace(load, duration_s=block_s if own_s is None else min(own_s, block_s))


def _prompts(
    course: Course, arm: CellRun, number: int
) -> tuple[Sequence[Prompt], Sequence[Prompt]]:
    """A block's own part of the order: what goes before its load, and that.

    A trace, whose prompts belong to arrivals, begins anew, and lends its first ones. A closed load
    that goes on begins again with the block's own.
    """
    most, warm = course.run.duet.block_requests, course.run.duet.block_warmup
    measured = arm.prompts[course.run.score.start :]
    if arm.scenario.follows_trace:
        return measured[:warm], measured[: most - warm]
    own = measured[number * most : (number + 1) * most]
    load = own[warm:]
    return own[:warm], [*load, *islice(cycle(load), course.run.duet.block_more)]

"""The duets of a run, shuffled: in every round each cell that is still open has a turn.

So whatever changes while they are measured, the hour, the network, a provider's load, changes for
all cells and for both arms of each. Between two turns nothing is in flight: then cells are looked
at, and those that are decided drop out.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lens_gate.load.duet_order import turn_ends, turns
from lens_gate.load.order import Shuffler
from lens_gate.records.look import LookAnswer
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase, Sample
from lens_gate.runner.blocks import send_blocks
from lens_gate.runner.course import Course, DuetRun
from lens_gate.runner.least import least, together
from lens_gate.runner.pairs import send_pairs, warm_up
from lens_gate.runner.till import Kept

AfterLook = Callable[[str, int, Sequence[Sample]], LookAnswer]
"""At each look of a cell, and again when a confirming block is complete: what to do next.

It is told the cell, how many pairs are complete, and the cell's samples, both arms, the warm-up and
the confirming block among them, in the order of sending.
"""


def to_the_end(_cell: str, _pairs: int, _samples: Sequence[Sample]) -> LookAnswer:
    """Measure every cell up to its N."""
    return LookAnswer(action="go_on")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Whom duets ask and tell.

    ``keep`` is what the cells that are no duets must still find; ``ended`` is told each cell's end,
    ``broken_off`` how all of them stood when the run was broken off, ``more`` of requests beyond
    the cell's N, ``chance`` draws the order of turns.
    """

    plan: Plan
    after_look: AfterLook
    keep: Kept
    ended: Callable[[CellEnd], None]
    broken_off: Callable[[Sequence[CellEnd]], None]
    more: Callable[[CellPlan, int], None]
    chance: Shuffler


async def run_duets(runs: Sequence[DuetRun], house: House) -> str | None:
    """Measure these duets; where a look stopped the whole run, its reason."""

    def others(me: Course) -> Kept:
        open_ones = (c for c in courses if c is not me and c.lane.ended is None)
        return together([house.keep, *(_least(house.plan, course) for course in open_ones)])

    courses = [Course(run, others) for run in runs]
    try:
        return await _in_turns(courses, house)
    except asyncio.CancelledError:
        house.broken_off([course.ending() for course in courses])
        raise


async def _in_turns(courses: Sequence[Course], house: House) -> str | None:
    for i in turns(len(courses), house.chance):
        await _begin(courses[i])
        _tell(courses[i], house)
    while any(course.lane.ended is None for course in courses):
        for i in turns(len(courses), house.chance):
            if courses[i].lane.ended is not None:
                continue
            stop = await _turn(courses[i], house)
            if stop is not None:
                for course in courses:
                    if course.lane.ended is None:
                        course.end("stopped", stop)
                        _tell(course, house)
                return stop
            _tell(courses[i], house)
    return None


def _tell(course: Course, house: House) -> None:
    if course.lane.ended is not None:
        house.ended(course.ending())


def _least(plan: Plan, course: Course) -> Kept:
    """What this cell still needs for the least that can decide anything, a failure confirmed."""
    cell, again = course.run.plan, min(course.run.duet.confirm, course.run.plan.min_n)
    return least(
        plan,
        cell,
        warmup=len(course.waiting) + (0 if course.warmed_up else course.run.score.lead),
        measured=max(0, cell.min_n - course.done("measured"))
        + max(0, again - course.done("confirm")),
    )


async def _begin(course: Course) -> None:
    plan = course.run.plan
    if not plan.n:
        course.end("complete", "")
        return
    await course.open_connections(min(plan.concurrency, course.run.score.lead))
    await warm_up(course)


async def _turn(course: Course, house: House) -> str | None:
    """Some pairs of a cell, and its look where they reach one; a reason to stop the whole run."""
    done, until = course.done("measured"), course.next_look()
    concurrency = course.run.plan.concurrency
    ends = done + 1 if course.blocks else turn_ends(done, until=until, concurrency=concurrency)
    await _send(course, "measured", range(done, ends))
    if course.lane.ended is not None or course.done("measured") < until:
        return None
    answer = await _look(course, house)
    if answer is None:
        return None
    complete = until == course.run.plan.n
    if answer.action == "stop":
        course.end("complete" if complete else "stopped", "" if complete else answer.why)
        _tell(course, house)
        return answer.why
    if complete:
        course.end("complete", "")
    elif answer.action == "decided":
        course.end("decided", answer.why)
    return None


async def _look(course: Course, house: House) -> LookAnswer | None:
    """What the look comes to, a confirming block included; ``None`` where that was broken off."""
    cell, pairs = course.run.plan, course.done("measured")
    answer = house.after_look(cell.cell, pairs, _in_order(course))
    if answer.action != "confirm":
        return answer
    before, wanted = course.done("confirm"), min(pairs, course.run.duet.confirm)
    if wanted <= before:
        return LookAnswer(action="go_on")
    house.more(cell, _requests(course, wanted - before))
    await _send(course, "confirm", range(before, wanted))
    if course.lane.ended is not None:
        return None
    return house.after_look(cell.cell, pairs, _in_order(course))


def _requests(course: Course, pairs: int) -> int:
    return 2 * pairs * (course.run.duet.block_requests if course.blocks else 1)


def _in_order(course: Course) -> list[Sample]:
    return sorted(course.samples, key=lambda sample: sample.seq)


async def _send(course: Course, phase: Phase, numbers: range) -> None:
    if course.blocks:
        await send_blocks(course, phase, numbers)
        return
    if course.head.scenario.connection == "warm":
        await course.open_connections(min(course.run.plan.concurrency, len(numbers)))
    await send_pairs(course, phase, numbers)

"""Several cells measured side by side: each prompt goes to all of them before the next one does.

What the network, the hour or a provider's load does to one of them it does to the others as well,
so that their differences are their own. The order within a round is drawn anew for each; as many
workers as the load has concurrency each carry out whole rounds, one request in flight for each.
"""

import asyncio
import operator
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lens_gate.load.order import Shuffler
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase, Sample
from lens_gate.runner.cell import LOOKED_AT, CellRun
from lens_gate.runner.sample import Job, take_sample
from lens_gate.runner.till import NOTHING
from lens_gate.transport import warm


@dataclass(slots=True, kw_only=True)
class _Lane:
    """One cell of a round: what is sent, how it gets on, and why it sends nothing more."""

    cell: CellRun
    first_seq: int
    last: deque[Sample] = field(default_factory=lambda: deque(maxlen=LOOKED_AT))
    reason: str = ""
    detail: str = ""


async def run_rounds(
    cells: Sequence[CellRun], *, first_seq: Sequence[int], chance: Shuffler
) -> list[CellEnd]:
    """Measure these cells of one scenario in rounds; ``first_seq`` numbers each one's samples.

    Every cell has as many warm-up and measured requests as the others, with the same prompts in the
    same order. A cell that is hopeless drops out; where a cap is reached all of them end.
    """
    plan = cells[0].plan
    lanes = [
        _Lane(cell=cell, first_seq=first) for cell, first in zip(cells, first_seq, strict=True)
    ]
    for cell in cells:
        if cell.scenario.connection == "warm":
            timeout_s = cell.wire.target.timeouts.connect_s
            await warm(cell.wire.session, plan.concurrency, timeout_s=timeout_s)
    await _phase(lanes, "warmup", range(plan.warmup), chance)
    await _phase(lanes, "measured", range(plan.warmup, plan.warmup + plan.n), chance)
    return [
        CellEnd(cell=lane.cell.plan.cell, reason=lane.reason or "complete", detail=lane.detail)
        for lane in lanes
    ]


async def _phase(lanes: Sequence[_Lane], phase: Phase, numbers: range, chance: Shuffler) -> None:
    """Carry out the rounds of these numbers; whatever breaks one worker off ends all of them."""
    # Drawn up front: which worker takes a round must not decide its order.
    rounds = iter([(k, [lanes[i] for i in _order(chance, len(lanes))]) for k in numbers])
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(lanes[0].cell.plan.concurrency, len(numbers))):
                group.create_task(_worker(rounds, phase))
    except ExceptionGroup as problems:
        # Who reads it wants the first thing that went wrong, as it is.
        raise problems.exceptions[0] from None


def _order(chance: Shuffler, n: int) -> list[int]:
    return [operator.index(i) for i in chance.permutation(n)]


async def _worker(rounds: Iterator[tuple[int, list[_Lane]]], phase: Phase) -> None:
    for number, lanes in rounds:
        for lane in lanes:
            if not lane.reason and not await _send(lane, phase, number):
                for other in lanes:
                    other.reason, other.detail = (
                        other.reason or lane.reason,
                        other.detail or lane.detail,
                    )
                return


async def _send(lane: _Lane, phase: Phase, number: int) -> bool:
    """One request; false where a cap does not allow it."""
    cell = lane.cell
    job = Job(
        seq=lane.first_seq + number,
        scenario=cell.scenario,
        wire=cell.wire,
        phase=phase,
        prompt=cell.prompts[number],
        ready_ns=cell.clock.now_ns() - cell.clock.origin_ns,
    )
    refusal = cell.till.reserve(cell.wire.target.key, job.reservation())
    if refusal is not None:
        lane.reason, lane.detail = refusal.reason, refusal.detail
        return False
    sample = await take_sample(job, cell.till, cell.clock, NOTHING)
    cell.record(sample)
    lane.last.append(sample)
    if sample.phase == "cut":
        raise asyncio.CancelledError
    hopeless = cell.after_block(list(lane.last))
    if hopeless:
        lane.reason, lane.detail = "hopeless", hopeless
    return True

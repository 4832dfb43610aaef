"""Several cells measured side by side: each prompt goes to all of them before the next one does.

What the network, the hour or a provider's load does to one of them it does to the others as well,
so that their differences are their own. The order within a round is drawn anew for each; as many
workers as the load has concurrency each carry out whole rounds, one request in flight for each.
"""

from collections.abc import Sequence

from lens_gate.load.duet_order import turns
from lens_gate.load.order import Shuffler
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase
from lens_gate.runner.cell import CellRun, Ended
from lens_gate.runner.till import NOTHING
from lens_gate.runner.workers import Lane, carry_out
from lens_gate.transport import warm


async def run_rounds(
    cells: Sequence[CellRun], *, first_seq: Sequence[int], chance: Shuffler
) -> list[CellEnd]:
    """Measure these cells of one scenario in rounds; ``first_seq`` numbers each one's samples.

    Every cell has as many warm-up and measured requests as the others, with the same prompts in the
    same order. A cell that is hopeless drops out; where a cap is reached all of them end.
    """
    plan = cells[0].plan
    lanes = [Lane(cell) for cell in cells]
    for cell in cells:
        if cell.scenario.connection == "warm":
            timeout_s = cell.wire.target.timeouts.connect_s
            await warm(cell.wire.session, plan.concurrency, timeout_s=timeout_s)
    numbered = list(zip(lanes, first_seq, strict=True))
    await _phase(numbered, "warmup", range(plan.warmup), chance)
    await _phase(numbered, "measured", range(plan.warmup, plan.warmup + plan.n), chance)
    return [lane.end() for lane in lanes]


async def _phase(
    lanes: Sequence[tuple[Lane, int]], phase: Phase, numbers: range, chance: Shuffler
) -> None:
    # Drawn up front: which worker takes a round must not decide its order.
    rounds = [(k, [lanes[i] for i in turns(len(lanes), chance)]) for k in numbers]

    async def carry(given: tuple[int, list[tuple[Lane, int]]]) -> bool:
        number, order = given
        for lane, first_seq in order:
            if lane.ended is None and not await _send(lane, phase, number, first_seq + number):
                for other, _ in lanes:
                    other.ended = other.ended or lane.ended
                return False
        return True

    await carry_out(rounds, lanes[0][0].cell.plan.concurrency, carry)


async def _send(lane: Lane, phase: Phase, number: int, seq: int) -> bool:
    """One request; false where a cap does not allow it."""
    cell = lane.cell
    job = cell.job(phase, cell.prompts[number], seq=seq)
    refusal = cell.till.reserve(cell.wire.target.key, job.reservation())
    if refusal is not None:
        lane.ended = Ended(reason=refusal.reason, detail=refusal.detail)
        return False
    await lane.send(job, NOTHING)
    return True

"""The load of one cell: a pacer says when, this sends, and keeps the caps while it does."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lens_gate.load.closed import closed
from lens_gate.load.pacer import Send, Stop, Wait
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Prompt, Scenario
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase, Sample
from lens_gate.runner.sample import Clockwork, Job, take_sample
from lens_gate.runner.till import NOTHING, Kept, Till
from lens_gate.runner.wire import Wire
from lens_gate.transport import warm

# After each sample, told the cell's samples so far: a reason to stop the cell, or None to go on.
AfterBlock = Callable[[Sequence[Sample]], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """Everything that one cell's measuring needs.

    ``prompts`` come in the order of sending; ``keep`` is what later cells must still find.
    """

    plan: CellPlan
    scenario: Scenario
    wire: Wire
    prompts: Sequence[Prompt]
    till: Till
    keep: Kept
    clock: Clockwork
    record: Callable[[Sample], None]
    after_block: AfterBlock


async def run_cell(cell: CellRun, *, first_seq: int) -> CellEnd:
    """Send the warm-up, then the measured requests; say how it ended.

    The warm-up ends before the first measured request starts: it opens the connections and fills
    caches, and its samples are never looked at.
    """
    await warm(
        cell.wire.session, cell.plan.concurrency, timeout_s=cell.wire.target.timeouts.connect_s
    )
    seen: list[Sample] = []
    warmup = cell.plan.warmup
    phases: tuple[tuple[Phase, Sequence[Prompt], int], ...] = (
        ("warmup", cell.prompts[:warmup], first_seq),
        ("measured", cell.prompts[warmup:], first_seq + warmup),
    )
    for phase, prompts, seq in phases:
        reason = await _phase(cell, phase, prompts, seq, seen)
        if reason is not None:
            return CellEnd(cell=cell.plan.cell, reason=reason[0], detail=reason[1])
    return CellEnd(cell=cell.plan.cell, reason="complete", detail="")


async def _phase(
    cell: CellRun,
    phase: Phase,
    prompts: Sequence[Prompt],
    first_seq: int,
    seen: list[Sample],
) -> tuple[str, str] | None:
    """Offer these prompts as the pacer says. Gives why it stopped early, or ``None``."""
    pacer = closed(concurrency=cell.plan.concurrency, requests=len(prompts))
    start_ns = cell.clock.now_ns()
    free_ns = [start_ns - cell.clock.origin_ns] * cell.plan.concurrency
    flight: set[asyncio.Task[Sample]] = set()
    stop: tuple[str, str] | None = None
    sent = 0
    try:
        while True:
            elapsed_s = (cell.clock.now_ns() - start_ns) / 1e9
            answer = Stop() if stop else pacer(elapsed_s, sent, len(flight))
            if isinstance(answer, Send):
                job = _job(cell, phase, prompts[sent], free_ns[0], first_seq + sent)
                # Beyond its least, a cell must not use what a later one needs for its own.
                keep = cell.keep if phase == "measured" and sent >= cell.plan.min_n else NOTHING
                refusal = cell.till.reserve(cell.wire.target.key, job.reservation(), keep)
                if refusal is None:
                    del free_ns[0]
                    sent += 1
                    flight.add(asyncio.create_task(take_sample(job, cell.till, cell.clock, keep)))
                    continue
                # What is in flight may settle below its reservation; only then is it really over.
                if not flight:
                    return refusal.reason, refusal.detail
            elif isinstance(answer, Stop) and not flight:
                return stop
            wait_s = answer.seconds if isinstance(answer, Wait) else None
            done, flight = await asyncio.wait(
                flight, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
            )
            for sample in _take(done, cell, seen):
                free_ns.append(_freed(sample, cell.clock))
                reason = cell.after_block(seen)
                stop = stop or (("hopeless", reason) if reason else None)
    finally:
        await _break_off(flight, cell, seen)


def _job(cell: CellRun, phase: Phase, prompt: Prompt, ready_ns: int, seq: int) -> Job:
    return Job(
        seq=seq,
        scenario=cell.scenario,
        wire=cell.wire,
        phase=phase,
        prompt=prompt,
        ready_ns=ready_ns,
    )


def _take(
    done: Iterable[asyncio.Task[Sample]], cell: CellRun, seen: list[Sample]
) -> Iterator[Sample]:
    tasks = list(done)
    kept = (task.result() for task in tasks if task.exception() is None)
    for sample in sorted(kept, key=lambda s: s.seq):
        cell.record(sample)
        seen.append(sample)
        yield sample
    for task in tasks:
        task.result()  # a bug of ours surfaces, after what was measured beside it is kept


def _freed(sample: Sample, clock: Clockwork) -> int:
    """When this sample's slot became free: its last byte, as the socket stamped it."""
    if sample.marks.done is not None and sample.attempts == 1:
        return sample.marks.done
    return clock.now_ns() - clock.origin_ns


async def _break_off(flight: set[asyncio.Task[Sample]], cell: CellRun, seen: list[Sample]) -> None:
    """Cancel what is in flight and keep its samples: they cost, and they say ``cut``."""
    for task in flight:
        task.cancel()
    results = await asyncio.gather(*flight, return_exceptions=True)
    for result in results:
        if isinstance(result, Sample):
            cell.record(result)
            seen.append(result)
    for result in results:
        if isinstance(result, Exception):
            raise result

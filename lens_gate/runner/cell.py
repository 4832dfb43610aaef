"""The load of one cell: a pattern says when, this sends, and keeps the caps while it does."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lens_gate.load import Chance, Stage, connections, stages, too_many_errors
from lens_gate.load.closed import closed
from lens_gate.load.pacer import Send, Step, Stop, Wait
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Prompt, Scenario
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import ArmName, Phase, Sample
from lens_gate.runner.alarm import Alarm
from lens_gate.runner.flight import Flight
from lens_gate.runner.sample import Clockwork, GiveWay, Job, take_sample
from lens_gate.runner.till import NOTHING, Kept, Till
from lens_gate.runner.wire import Wire
from lens_gate.transport import warm

AfterBlock = Callable[[Sequence[Sample]], str | None]
"""After each sample, told the cell's last samples: a reason to stop the cell, or None to go on."""

LOOKED_AT = 64
"""How many of a cell's last samples ``AfterBlock`` is told of: a run's memory must not grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """Everything that one cell's measuring needs; in a duet, one arm of it.

    ``prompts`` come in the order of sending; ``keep`` is what later cells must still find;
    ``chance`` draws the arrivals of patterns that have chance in them. ``salted``: every question
    begins with the salt of its arm.
    """

    plan: CellPlan
    scenario: Scenario
    wire: Wire
    prompts: Sequence[Prompt]
    chance: Chance
    till: Till
    keep: Kept
    clock: Clockwork
    record: Callable[[Sample], None]
    after_block: AfterBlock
    arm: ArmName = "head"
    salted: bool = False

    def job(
        self,
        phase: Phase,
        prompt: Prompt,
        *,
        seq: int,
        ready_ns: int | None = None,
        pair: int | None = None,
        block: int | None = None,
    ) -> Job:
        """One request of it; ``ready_ns`` is now where nothing else is said."""
        cold = self.scenario.connection == "cold" and phase in ("measured", "confirm")
        return Job(
            seq=seq,
            scenario=self.scenario,
            target=self.plan.target,
            wire=self.wire,
            phase=phase,
            prompt=prompt,
            ready_ns=self.now_ns() if ready_ns is None else ready_ns,
            arm=self.arm,
            pair=pair,
            block=block,
            fresh=cold,
            salted=self.salted,
        )

    def now_ns(self) -> int:
        """Nanoseconds since the run began."""
        return self.clock.now_ns() - self.clock.origin_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why a cell sends nothing more."""

    reason: str
    detail: str


async def run_cell(cell: CellRun, *, first_seq: int) -> CellEnd:
    """Send the warm-up, then the measured requests; say how it ended.

    Connections are opened before the first request, as many as can be expected to be in use at
    once. The warm-up ends before the first measured request starts: its samples are never looked
    at. It keeps connections open even where the measured requests each open their own: theirs is
    the new connection, not also the first call that the server ever saw.
    """
    await warm(cell.wire.session, _connections(cell), timeout_s=cell.wire.target.timeouts.connect_s)
    alarm = Alarm()
    try:
        ended = await _send_all(cell, first_seq, alarm)
    finally:
        alarm.close()
    return CellEnd(cell=cell.plan.cell, reason=ended.reason, detail=ended.detail)


def _connections(cell: CellRun) -> int:
    load, plan = cell.scenario.load, cell.plan
    before = min(plan.warmup, load.concurrency)
    if cell.scenario.connection == "cold":
        return before
    return max(before, connections(load, plan.n, plan.expected_s))


async def _send_all(cell: CellRun, first_seq: int, alarm: Alarm) -> Ended:
    load, warmup = cell.scenario.load, cell.plan.warmup
    slots = max(1, min(load.concurrency, warmup))
    before = Stage(pacer=closed(concurrency=slots, requests=warmup), requests=warmup, slots=slots)
    watch = Watch(cell)
    ended = Ended(reason="complete", detail="")
    first = 0
    for stage in (before, *stages(load, cell.plan.n, cell.chance)):
        part = Part(
            stage=stage,
            phase="warmup" if stage is before else "measured",
            prompts=cell.prompts[first : first + stage.requests],
            first_seq=first_seq + first,
            # Beyond its least, a cell must not use what a later one needs for its own.
            free=max(0, cell.plan.min_n + warmup - first) if stage is not before else warmup,
        )
        found = await send_part(cell, part, watch, alarm)
        if found is not None:
            ended = found
            # A step of a sweep may run out of its time; the next one has its own.
            if not (found.reason == "duration" and stage.step is not None):
                break
        first += stage.requests
    return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stage with what it sends. The first ``free`` requests may use what later cells need.

    ``block`` is the number of the pair of blocks, in a duet of blocks.
    """

    stage: Stage
    phase: Phase
    prompts: Sequence[Prompt]
    first_seq: int
    free: int
    block: int | None = None


class Watch:
    """Looks at the samples of a cell as they come: keeps them, and finds reasons to stop.

    The arms of a duet have one together: a cell is not hopeless as long as one of them works.
    """

    def __init__(self, cell: CellRun) -> None:
        self._cell = cell
        self._last: deque[Sample] = deque(maxlen=LOOKED_AT)
        self._ended: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    @property
    def seen(self) -> bool:
        """Whether there has been one."""
        return bool(self._last)

    def take(self, sample: Sample) -> Ended | None:
        """Keep it; gives why the cell should send nothing more, where that is so."""
        self._cell.record(sample)
        self._last.append(sample)
        if sample.phase == "measured":
            self._ended[sample.arm] += 1
            self._failed[sample.arm] += sample.failure is not None
        hopeless = self._cell.after_block(list(self._last))
        if hopeless:
            return Ended(reason="hopeless", detail=hopeless)
        errors = too_many_errors(
            self._cell.scenario.load,
            ended=self._ended[sample.arm],
            failed=self._failed[sample.arm],
        )
        return Ended(reason="errors", detail=errors) if errors else None


async def send_part(cell: CellRun, part: Part, watch: Watch, alarm: Alarm) -> Ended | None:
    """Offer these prompts as the stage's pacer says. Gives why it stopped early, or ``None``."""
    start_ns = cell.clock.now_ns()
    slots = deque([start_ns - cell.clock.origin_ns] * part.stage.slots)
    flight = Flight(alarm.ring)
    stop: Ended | None = None
    sent = 0
    try:
        while True:
            for sample in flight.landed():
                stop = watch.take(sample) or stop
            if part.stage.slots:
                slots.extend(flight.freed())
            flight.shorten()
            elapsed_s = (cell.clock.now_ns() - start_ns) / 1e9
            answer: Step = Stop() if stop else part.stage.pacer(elapsed_s, sent, flight.size)
            if isinstance(answer, Send):
                job = _job(cell, part, sent, _ready_ns(cell.clock, start_ns, answer, slots))
                keep = NOTHING if sent < part.free else cell.keep
                refusal = cell.till.reserve(cell.wire.target.key, job.reservation(), keep)
                if refusal is None:
                    if answer.due_s is None and slots:
                        slots.popleft()
                    sent += 1
                    # Nothing follows the first ones unseen: a bill may end the target.
                    way = flight.give_way if watch.seen else None
                    due = answer.due_s is not None
                    flight.launch(_take(cell, part, job, keep, flight, way, due=due))
                    # So that it leaves before the next one is made ready.
                    await asyncio.sleep(0)
                    continue
                # What is in flight may settle below its reservation; only then is it really over.
                if not flight.unsettled:
                    return Ended(reason=refusal.reason, detail=refusal.detail)
            elif not flight.unsettled and _is_last_word(answer):
                return stop or _early(answer)
            flight.next_turn()
            await alarm.wait(_until_ns(start_ns, elapsed_s, answer))
    finally:
        await _break_off(cell, flight)


def _job(cell: CellRun, part: Part, index: int, ready_ns: int) -> Job:
    return cell.job(
        part.phase,
        part.prompts[index],
        seq=part.first_seq + index,
        ready_ns=ready_ns,
        block=part.block,
    )


def _ready_ns(clock: Clockwork, start_ns: int, answer: Send, slots: deque[int]) -> int:
    """When the request should have gone: as scheduled, or when its slot became free."""
    if answer.due_s is not None:
        return start_ns - clock.origin_ns + round(answer.due_s * 1e9)
    return slots[0] if slots else clock.now_ns() - clock.origin_ns


async def _take(
    cell: CellRun,
    part: Part,
    job: Job,
    keep: Kept,
    flight: Flight,
    give_way: GiveWay | None,
    *,
    due: bool,
) -> Sample:
    sample = await take_sample(job, cell.till, cell.clock, keep, give_way)
    flight.leaves(_freed(sample, cell.clock))
    marks = sample.marks
    if due:
        # What the rate limiter held back is told by itself, as it is of every delay.
        marks = replace(marks, due=job.ready_ns + round(sample.held_s * 1e9))
    return replace(sample, marks=marks, step=part.stage.step)


def _is_last_word(answer: Step) -> bool:
    """Whether nothing but the end of a request could change the answer."""
    return isinstance(answer, Stop) or (isinstance(answer, Wait) and answer.seconds is None)


def _early(answer: Step) -> Ended | None:
    if isinstance(answer, Stop) and answer.early:
        return Ended(reason="duration", detail=answer.early)
    return None


def _until_ns(start_ns: int, elapsed_s: float, answer: Step) -> int | None:
    if isinstance(answer, Wait) and answer.seconds is not None:
        return start_ns + round((elapsed_s + answer.seconds) * 1e9)
    return None


def _freed(sample: Sample, clock: Clockwork) -> int:
    """When this sample's slot became free: its last byte, as the socket stamped it."""
    if sample.marks.done is not None and sample.attempts == 1:
        return sample.marks.done
    return clock.now_ns() - clock.origin_ns


async def _break_off(cell: CellRun, flight: Flight) -> None:
    """Cancel what is in flight and keep its samples: they cost, and they say ``cut``."""
    samples, problems = await flight.break_off()
    for sample in samples:
        cell.record(sample)
    for problem in problems:
        raise problem

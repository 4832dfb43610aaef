"""The whole run: every cell in turn, inside the caps, written down as it goes."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from decimal import Decimal

from lens_gate.errors import WorldError
from lens_gate.metrics.ledger import open_ledger
from lens_gate.records.look import LookAnswer
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.run import CellEnd, EndReason, RunEnd, Spend
from lens_gate.records.sample import Sample
from lens_gate.runner.cell import AfterBlock, CellRun, run_cell
from lens_gate.runner.duet import AfterLook, House, run_duets
from lens_gate.runner.journal import Journal, write
from lens_gate.runner.lag import Health, LagMeter, lag_meter
from lens_gate.runner.making import Making
from lens_gate.runner.outlook import Outlook, outlook, requests
from lens_gate.runner.rounds import run_rounds
from lens_gate.runner.sample import Clockwork
from lens_gate.runner.till import Till
from lens_gate.runner.wire import Wires
from lens_gate.runner.workers import Seqs
from lens_gate.stats.rng import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What an onlooker may show: the cell at work, its requests, the money, seconds gone.

    ``cell_usd`` is what the cell's own requests have cost, ``spend`` the whole run's. Requests are
    those of both arms, in a duet. A cell that ends before its N, or whose blocks sent less than
    they might have, is told once more: its ``total`` is then what was ``done``.

    ``looks`` were taken at the cell, and the latest left ``open`` checks undecided (``None``: not
    known). ``end`` is why the cell ended before its N (a reason of ``CellEnd``), else empty.
    ``outlook`` is what all cells were going to be; the run has at most ``max_duration_s``.
    """

    cell: str
    phase: str
    done: int
    total: int
    failed: int
    cells_done: int
    cells: int
    spend: Spend
    elapsed_s: float
    cell_usd: Decimal = Decimal(0)
    looks: int = 0
    open: int | None = None
    end: str = ""
    outlook: tuple[Outlook, ...] = ()
    max_duration_s: float | None = None


def nobody(sample: Sample) -> None:
    """Takes no notice."""
    del sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Onlookers:
    """Whom the run tells, and whom it asks: progress out, reasons to stop in.

    ``after_look`` is asked at each look of a duet. ``interrupt`` is set from outside to end the run
    at once, with its reason in ``why``. ``seen`` is given each sample once it is written down; it
    is on the timed path, so it may wait for nothing.
    """

    observe: Callable[[Progress], None]
    after_block: AfterBlock
    after_look: AfterLook
    interrupt: asyncio.Event
    why: Callable[[], EndReason]
    seen: Callable[[Sample], None] = nobody


async def measure(
    plan: Plan,
    *,
    wires: Wires,
    journal: Journal,
    onlookers: Onlookers,
    side_by_side: bool = False,
    own_process: bool = True,
) -> RunEnd:
    """Measure the plan; every sample and the end are in the journal when this returns.

    Duets come first, all together; the other cells are measured one after the other.
    ``side_by_side`` sends each prompt to all cells before the next one; they must then be of one
    scenario, and none a duet. ``own_process``: nobody else minds that garbage collection, which is
    the whole process's, is kept off the timed path.

    Raises:
        WorldError: the journal could not be written. Nothing else: failures are samples.
    """
    state = _State(plan, time.monotonic_ns())
    clock = Clockwork(
        origin_ns=state.origin_ns,
        now_ns=time.monotonic_ns,
        sleep=asyncio.sleep,
        chance=generator(plan.seed, "retries").random,
    )

    def record(sample: Sample, cell: CellPlan) -> None:
        write(journal, sample)
        onlookers.seen(sample)
        onlookers.observe(state.seen(sample, cell))

    def ended(end: CellEnd) -> None:
        last = state.ended(end)
        if last is not None:
            onlookers.observe(last)

    making = Making(
        plan=plan,
        wires=wires,
        till=state.till,
        clock=clock,
        record=record,
        after_block=onlookers.after_block,
        seqs=Seqs(),
    )

    async def cells() -> None:
        if side_by_side:
            runs = [making.cell_run(cell) for cell in plan.cells]
            for end in await _rounds(plan, runs):
                ended(end)
            return
        stopped = await _duets(making, state.noting(onlookers.after_look), state, ended)
        for cell in (cell for cell in plan.cells if cell.duet is None):
            if stopped is not None:
                ended(CellEnd(cell=cell.cell, reason="stopped", detail=stopped))
                continue
            first_seq = making.seqs.take(cell.warmup + cell.n)
            ended(await run_cell(making.cell_run(cell), first_seq=first_seq))

    with quiet_collector() if own_process else nullcontext():
        async with lag_meter() as lag:
            work = asyncio.create_task(cells())
            try:
                reason, detail = await _until(work, plan, onlookers, state, own_process=own_process)
            except Exception:
                # A bug of ours, or a full disk: the journal says so if it still can.
                with suppress(WorldError):
                    write(journal, state.end("error", "the measuring itself failed", lag))
                raise
    end = state.end(reason, detail, lag)
    write(journal, end)
    return end


async def _duets(
    making: Making, after_look: AfterLook, state: "_State", ended: Callable[[CellEnd], None]
) -> str | None:
    """All cells that are duets; gives why the others need not be measured, where that is so."""
    plan = making.plan
    house = House(
        plan=plan,
        after_look=after_look,
        keep=making.least_of([cell for cell in plan.cells if cell.duet is None]),
        ended=ended,
        broken_off=state.broken_off,
        more=state.more,
        chance=generator(plan.seed, "turns"),
    )
    runs = [making.duet_run(cell) for cell in plan.cells if cell.duet is not None]
    return await run_duets(runs, house) if runs else None


async def _rounds(plan: Plan, cells: Sequence[CellRun]) -> list[CellEnd]:
    """All cells in rounds, with the first one's prompts and as many requests as each can have."""
    n = min(cell.plan.n for cell in cells)
    same = [replace(cell, plan=replace(cell.plan, n=n), prompts=cells[0].prompts) for cell in cells]
    size = n + cells[0].plan.warmup
    return await run_rounds(
        same,
        first_seq=[size * k for k in range(len(same))],
        chance=generator(plan.seed, "rounds"),
    )


class _State:
    """What changes while a run goes on, apart from the money."""

    def __init__(self, plan: Plan, origin_ns: int) -> None:
        self.origin_ns = origin_ns
        self.plan = plan
        controls = plan.control.targets if plan.control else {}
        targets = {**controls, **plan.policy.targets}
        self.till = Till(open_ledger(plan.budget, targets.values()))
        self.ends: list[CellEnd] = []
        self._health = Health()
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._usd: dict[str, Decimal] = {}
        self._more: Counter[str] = Counter()
        self._last: dict[str, Progress] = {}
        self._looks: dict[str, set[int]] = {}
        self._open: dict[str, int | None] = {}
        self._outlook = outlook(plan)
        self._under_way: dict[str, CellEnd] = {}

    def ended(self, end: CellEnd) -> Progress | None:
        """Keep it. Where it came before the cell's planned end: what there is, and is all of it."""
        self.ends.append(end)
        last = self._last.get(end.cell)
        if last is None or last.done == last.total:
            return None
        return replace(
            last,
            total=last.done,
            cells_done=len(self.ends),
            spend=self.till.spend(),
            elapsed_s=self.elapsed_s(),
            looks=len(self._looks.get(end.cell, ())),
            open=self._open.get(end.cell),
            end=end.reason,
        )

    def noting(self, after_look: AfterLook) -> AfterLook:
        """The same, each look noted: one that is taken again after its confirming block is one."""

        def looked(cell: str, pairs: int, samples: Sequence[Sample]) -> LookAnswer:
            answer = after_look(cell, pairs, samples)
            self._looks.setdefault(cell, set()).add(pairs)
            self._open[cell] = answer.open
            return answer

        return looked

    def broken_off(self, ends: Sequence[CellEnd]) -> None:
        """How cells stood when all was broken off."""
        self._under_way = {end.cell: end for end in ends}

    def more(self, cell: CellPlan, requests: int) -> None:
        self._more[cell.cell] += requests

    def elapsed_s(self) -> float:
        return (time.monotonic_ns() - self.origin_ns) / 1e9

    def seen(self, sample: Sample, cell: CellPlan) -> Progress:
        self._done[cell.cell] += 1
        self._health.add(sample)
        self._failed[cell.cell] += sample.failure is not None
        self._usd[cell.cell] = self._usd.get(cell.cell, Decimal(0)) + sample.settled_usd
        self._last[cell.cell] = Progress(
            cell=cell.cell,
            phase=sample.phase,
            done=self._done[cell.cell],
            # Closed blocks may go on beyond what was planned.
            total=max(self._done[cell.cell], requests(cell) + self._more[cell.cell]),
            failed=self._failed[cell.cell],
            cells_done=len(self.ends),
            cells=len(self.plan.cells),
            spend=self.till.spend(),
            elapsed_s=self.elapsed_s(),
            cell_usd=self._usd[cell.cell],
            looks=len(self._looks.get(cell.cell, ())),
            open=self._open.get(cell.cell),
            outlook=self._outlook,
            max_duration_s=self.plan.budget.max_duration_s,
        )
        return self._last[cell.cell]

    def end(self, reason: EndReason, detail: str, lag: LagMeter) -> RunEnd:
        ended = {e.cell for e in self.ends}
        why = "time" if reason == "budget" else "interrupted"
        missing = (
            replace(self._under_way.get(c.cell, _begun(c)), reason=why, detail=detail)
            for c in self.plan.cells
            if c.cell not in ended
        )
        return RunEnd(
            reason=reason,
            detail=detail,
            elapsed_s=self.elapsed_s(),
            spend=self.till.spend(),
            cells=(*self.ends, *missing),
            lag_p99_s=lag.p99_s(),
            cpu_share=lag.cpu_share(),
            **self._health.summary(),
        )


def _begun(cell: CellPlan) -> CellEnd:
    return CellEnd(cell=cell.cell, reason="", detail="")


async def _until(
    work: asyncio.Task[None],
    plan: Plan,
    onlookers: Onlookers,
    state: _State,
    *,
    own_process: bool,
) -> tuple[EndReason, str]:
    """Wait for the work's own end, an interrupt or the cap on time, whichever comes first."""
    interrupt = asyncio.create_task(onlookers.interrupt.wait())
    left_s = plan.budget.max_duration_s
    try:
        await asyncio.wait({work, interrupt}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            short = [e for e in state.ends if e.reason in {"money", "requests", "target"}]
            return ("budget", short[0].detail) if short else ("complete", "")
        work.cancel()
        await asyncio.wait({work})
        if not work.cancelled():
            work.result()  # what went wrong while it was broken off is no quiet end
        if onlookers.interrupt.is_set():
            who = "a signal" if own_process else "its caller"
            return onlookers.why(), f"stopped by {who}; what was measured is kept"
        return "budget", f"budget.max_duration of {left_s:g} s is used up"
    finally:
        interrupt.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep garbage collection out of the timed path: rarer, and blind to what already lives."""
    before = gc.get_threshold()
    # The young alone: looking at all that lives takes as long as a thousand events.
    gc.collect(1)
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def hopeless(samples: Sequence[Sample]) -> str | None:
    """Why going on is pointless: three refusals in a row that no repetition mends, no success.

    A wrong key or model would otherwise cost the whole cell's requests to say the same.
    """
    last = samples[-3:]
    refused = {"auth", "quota", "not_found", "bad_request"}
    if len(last) < 3 or any(s.failure is None for s in samples):
        return None
    if all(s.failure is not None and s.failure.status in refused for s in last):
        failure = last[-1].failure
        return f"{failure.status}: {failure.detail}" if failure else None
    return None

"""The whole run: every cell in turn, inside the caps, written down as it goes."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal

from lens_gate.errors import WorldError
from lens_gate.load.order import prompt_order, trace_order, warm_calls, warmed
from lens_gate.metrics.ledger import open_ledger
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Prompt
from lens_gate.records.run import CellEnd, EndReason, RunEnd, Spend
from lens_gate.records.sample import Sample
from lens_gate.runner.cell import AfterBlock, CellRun, run_cell
from lens_gate.runner.journal import Journal, write
from lens_gate.runner.lag import Health, LagMeter, lag_meter
from lens_gate.runner.rounds import run_rounds
from lens_gate.runner.sample import Clockwork
from lens_gate.runner.till import Kept, Till
from lens_gate.runner.wire import Wire
from lens_gate.stats.rng import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What an onlooker may show: the cell at work, its requests, the money, seconds gone."""

    cell: str
    phase: str
    done: int
    total: int
    failed: int
    cells_done: int
    cells: int
    spend: Spend
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Onlookers:
    """Whom the run tells, and whom it asks: progress out, reasons to stop in.

    ``interrupt`` is set from outside to end the run at once, with its reason in ``why``.
    """

    observe: Callable[[Progress], None]
    after_block: AfterBlock
    interrupt: asyncio.Event
    why: Callable[[], EndReason]


async def measure(
    plan: Plan,
    *,
    wires: Mapping[str, Wire],
    journal: Journal,
    onlookers: Onlookers,
    side_by_side: bool = False,
) -> RunEnd:
    """Measure the plan; every sample and the end are in the journal when this returns.

    ``side_by_side`` sends each prompt to all cells before the next one; they must then be of one
    scenario. Else cells are measured one after the other.

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
        onlookers.observe(state.seen(sample, cell))

    def ready(cell: CellPlan) -> CellRun:
        return _cell_run(cell, plan, wires, state.till, clock, record, onlookers.after_block)

    async def cells() -> None:
        if side_by_side:
            state.ends += await _rounds(plan, [ready(cell) for cell in plan.cells])
            return
        for cell in plan.cells:
            end = await run_cell(ready(cell), first_seq=state.first_seq())
            state.ends.append(end)

    with quiet_collector():
        async with lag_meter() as lag:
            work = asyncio.create_task(cells())
            try:
                reason, detail = await _until(work, plan, onlookers, state)
            except Exception:
                # A bug of ours, or a full disk: the journal says so if it still can.
                with suppress(WorldError):
                    write(journal, state.end("error", "the measuring itself failed", lag))
                raise
    end = state.end(reason, detail, lag)
    write(journal, end)
    return end


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
        self.till = Till(open_ledger(plan.budget, plan.policy.targets.values()))
        self.ends: list[CellEnd] = []
        self._health = Health()
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def first_seq(self) -> int:
        return sum(c.n + c.warmup for c in self.plan.cells[: len(self.ends)])

    def elapsed_s(self) -> float:
        return (time.monotonic_ns() - self.origin_ns) / 1e9

    def seen(self, sample: Sample, cell: CellPlan) -> Progress:
        self._done[cell.cell] += 1
        self._health.add(sample)
        self._failed[cell.cell] += sample.failure is not None
        return Progress(
            cell=cell.cell,
            phase=sample.phase,
            done=self._done[cell.cell],
            total=cell.n + cell.warmup,
            failed=self._failed[cell.cell],
            cells_done=len(self.ends),
            cells=len(self.plan.cells),
            spend=self.till.spend(),
            elapsed_s=self.elapsed_s(),
        )

    def end(self, reason: EndReason, detail: str, lag: LagMeter) -> RunEnd:
        ended = {e.cell for e in self.ends}
        why = "time" if reason == "budget" else "interrupted"
        missing = (
            CellEnd(cell=c.cell, reason=why, detail=detail)
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
            **self._health.summary(),
        )


async def _until(
    work: asyncio.Task[None], plan: Plan, onlookers: Onlookers, state: _State
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
            return onlookers.why(), "stopped by a signal; what was measured is kept"
        return "budget", f"budget.max_duration of {left_s:g} s is used up"
    finally:
        interrupt.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})


def _cell_run(
    cell: CellPlan,
    plan: Plan,
    wires: Mapping[str, Wire],
    till: Till,
    clock: Clockwork,
    record: Callable[[Sample, CellPlan], None],
    after_block: AfterBlock,
) -> CellRun:
    scenario = plan.policy.scenarios[cell.scenario]
    return CellRun(
        plan=cell,
        scenario=scenario,
        wire=wires[cell.target],
        prompts=_prompts(cell, plan),
        chance=generator(plan.seed, "arrivals", cell.scenario, cell.target),
        till=till,
        keep=_kept(plan, cell),
        clock=clock,
        record=lambda sample: record(sample, cell),
        after_block=after_block,
    )


def _prompts(cell: CellPlan, plan: Plan) -> Sequence[Prompt]:
    scenario = plan.policy.scenarios[cell.scenario]
    warm = warm_calls(scenario.prompts, cell.n) if scenario.cache == "warm" else 0
    if scenario.follows_trace:
        order = trace_order(scenario.prompts, cell.n, cell.warmup - warm)
    else:
        chance = generator(plan.seed, "order", cell.scenario, cell.target)
        order = prompt_order(scenario.prompts, cell.n, cell.warmup - warm, chance)
    return warmed(order, cell.n) if warm else order


def _kept(plan: Plan, cell: CellPlan) -> Kept:
    """What the gating cells after this one need for their least, at the worst-case price."""
    later = [c for c in plan.cells[plan.cells.index(cell) + 1 :] if c.gating and c.n]
    tries = [(c.min_n + c.warmup) * (1 + plan.policy.targets[c.target].retries) for c in later]
    return Kept(
        usd=sum((c.worst_usd * n for c, n in zip(later, tries, strict=True)), Decimal(0)),
        requests=sum(tries),
    )


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

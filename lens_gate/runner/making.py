"""From a plan and open wires to what each cell's measuring needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lens_gate.load.duet_order import alternating, coins, common, score
from lens_gate.load.order import prompt_order, trace_order, warm_calls, warmed
from lens_gate.load.pacer import Chance
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Prompt, Scenario
from lens_gate.records.sample import ArmName, Phase, Sample
from lens_gate.runner.cell import AfterBlock, CellRun
from lens_gate.runner.course import DuetRun
from lens_gate.runner.least import least, together
from lens_gate.runner.sample import Clockwork
from lens_gate.runner.till import NOTHING, Kept, Till
from lens_gate.runner.wire import Wire, Wires
from lens_gate.runner.workers import Seqs
from lens_gate.stats.rng import generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What all cells of a run have in common."""

    plan: Plan
    wires: Wires
    till: Till
    clock: Clockwork
    record: Callable[[Sample, CellPlan], None]
    after_block: AfterBlock
    seqs: Seqs

    def cell_run(self, cell: CellPlan) -> CellRun:
        """A cell that is measured by itself."""
        scenario = self.plan.policy.scenarios[cell.scenario]
        calls = warm_calls(scenario.prompts, cell.n) if scenario.cache == "warm" else 0
        lead, seed = cell.warmup - calls, self.plan.seed
        prompts = _order(scenario, scenario.prompts, cell, measured=cell.n, lead=lead, seed=seed)
        if calls:
            prompts = warmed(prompts, cell.n)
        later = self.plan.cells[self.plan.cells.index(cell) + 1 :]
        keep = self.least_of([each for each in later if each.duet is None])
        return self._run(cell, scenario, self.wires.head[cell.target], prompts, keep)

    def least_of(self, cells: Sequence[CellPlan]) -> Kept:
        """What these cells need for their least, at the worst-case price."""
        return together(
            least(self.plan, cell, warmup=cell.warmup, measured=cell.min_n) for cell in cells
        )

    def duet_run(self, cell: CellPlan) -> DuetRun:
        """A cell that is measured as a duet.

        Raises:
            ValueError: its arms have no prompt in common.
        """
        duet = cell.duet
        if duet is None:
            raise AssertionError
        seed, key = self.plan.seed, (cell.scenario, cell.target)
        head = self.plan.policy.scenarios[cell.scenario]
        twin = (self.plan.control or self.plan.policy).scenarios[cell.scenario]
        shared = common(head.prompts, twin.prompts)
        requests = cell.n * duet.block_requests if duet.block_s > 0 else cell.n
        if head.follows_trace:
            requests = min(len(shared), duet.block_requests)
        warms = duet.salted or head.cache == "warm"
        lead = head.samples.warmup
        order = _order(head, shared, cell, measured=requests, lead=lead, seed=seed)
        if warms:
            order = warmed(order, requests)
        both = score(order, twin.prompts, lead=lead, measured=requests)
        draw = alternating if duet.block_s > 0 else coins
        first: dict[Phase, Sequence[bool]] = {
            "warmup": coins(both.start, generator(seed, "first", *key, "warmup")),
            "measured": draw(cell.n, generator(seed, "first", *key, "measured")),
            "confirm": draw(duet.confirm, generator(seed, "first", *key, "confirm")),
        }
        wire = self.wires.control[duet.control]
        return DuetRun(
            duet=duet,
            head=self._run(cell, head, self.wires.head[cell.target], both.head, NOTHING),
            control=self._run(cell, twin, wire, both.control, NOTHING, arm="control"),
            score=both,
            head_first=first,
            arrivals=lambda phase, number: generator(seed, "arrivals", *key, phase, number),
            seqs=self.seqs,
        )

    def _run(
        self,
        cell: CellPlan,
        scenario: Scenario,
        wire: Wire,
        prompts: Sequence[Prompt],
        keep: Kept,
        *,
        arm: ArmName = "head",
    ) -> CellRun:
        arrivals: Chance = generator(self.plan.seed, "arrivals", cell.scenario, cell.target)
        return CellRun(
            plan=cell,
            scenario=scenario,
            wire=wire,
            prompts=prompts,
            chance=arrivals,
            till=self.till,
            keep=keep,
            clock=self.clock,
            record=lambda sample: self.record(sample, cell),
            after_block=self.after_block,
            arm=arm,
            salted=cell.duet is not None and cell.duet.salted,
        )


def _order(
    scenario: Scenario,
    prompts: Sequence[Prompt],
    cell: CellPlan,
    *,
    measured: int,
    lead: int,
    seed: int,
) -> tuple[Prompt, ...]:
    """The prompts in the order of sending: ``lead`` of them, then the measured ones."""
    if scenario.follows_trace:
        return trace_order(prompts, measured, lead)
    chance = generator(seed, "order", cell.scenario, cell.target)
    return prompt_order(prompts, measured, lead, chance)

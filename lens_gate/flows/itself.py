"""A policy held against itself: by `null` on the real targets, by `selftest` on simulated ones.

The plan is that of a pull request which changes nothing. Cells in which no gating rule compares
anything are left out; their checks keep their place in the family, so that the others are tested
at the level which they have in the gate.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from lens_gate.errors import LensError
from lens_gate.flows.power import Rehearsal, rehearsal, rehearsed
from lens_gate.flows.sources import Sources
from lens_gate.metrics.summary import statistics
from lens_gate.policy.refuse import refuse
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Policy
from lens_gate.records.report import Row, Statistics
from lens_gate.records.run import Run
from lens_gate.records.sample import ArmName


def against_itself(policy: Policy) -> Policy:
    """The policy in which a target that names a control is its own, and each check has its say."""
    targets = {
        key: replace(target, control=key if target.control else None)
        for key, target in policy.targets.items()
    }
    return replace(policy, targets=targets, fail_fast=False)


def rehearsal_of(sources: Sources) -> tuple[Rehearsal, Plan]:
    """What the policy is planned from when held against itself, and its plan.

    Raises:
        InputError: unknown prices, or rules that could not be decided.
        BudgetError: the caps do not allow the least that could decide anything.
        LensError: no gating rule compares anything.
    """
    given = rehearsal(replace(sources, policy=against_itself(sources.policy)))
    plan = refuse(rehearsed(given, given.policy.budget), kinds=given.kinds, spreads=given.spreads)
    cells = tuple(cell for cell in plan.cells if cell.n and compares(given.policy, cell))
    if not cells:
        raise LensError(
            "no gating rule of this policy compares with anything: there is nothing to test",
            "a gate without max and min, or with max_regression, compares",
        )
    return given, replace(plan, cells=cells)


def compares(policy: Policy, cell: CellPlan) -> bool:
    """Whether a gating rule holds this cell against a control, or against stored runs."""
    if cell.duet is None and policy.baseline.compare == "none":
        return False
    return any(
        rule.relative
        and rule.severity == "fail"
        and not rule.new_in_head
        and cell.target in rule.targets
        for rule in policy.scenarios[cell.scenario].rules
    )


def compared(rows: Collection[Row]) -> list[Row]:
    """The rows that are tested: gating, and held against a control or stored runs."""
    return [row for row in rows if row.gating and row.kind == "relative"]


def key_of(row: Row) -> str:
    """``scenario/target/rule``, by which checks are counted."""
    return f"{row.scenario}/{row.target}/{row.rule}"


def by_cell(run: Run, arm: ArmName) -> Mapping[str, Mapping[str, Statistics]]:
    """The statistics of one arm of a run, by cell."""
    return {
        plan.cell: statistics((s for s in run.samples if s.cell == plan.cell), arm=arm)
        for plan in run.header.cells
    }


def most_requests(plan: Plan) -> int:
    """How many requests a plan may take: both arms, warm-up, confirming blocks and retries."""
    return sum(_most(plan.policy, cell) for cell in plan.cells)


def _most(policy: Policy, cell: CellPlan) -> int:
    attempts, duet = 1 + policy.targets[cell.target].retries, cell.duet
    if duet is None:
        return (cell.n + cell.warmup) * attempts
    size = max(1, duet.block_requests + duet.block_more)
    return 2 * ((cell.n + duet.confirm) * size + cell.warmup) * attempts

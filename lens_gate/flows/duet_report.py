"""What a report says of a cell that was measured in pairs: the control's side, looks, savings."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lens_gate.judge.drift import drift, moved
from lens_gate.metrics.arms import (
    complete_blocks,
    complete_pairs,
    dropped_pairs,
    of_arm,
    whole_blocks,
)
from lens_gate.metrics.catalogue import TargetKind
from lens_gate.metrics.summary import statistics
from lens_gate.policy.fingerprint import differences
from lens_gate.records.baseline import Baseline
from lens_gate.records.difference import Difference
from lens_gate.records.look import LookReport
from lens_gate.records.plan import CellPlan, Duet
from lens_gate.records.report import DuetReport
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase, Sample

_STOPPED = frozenset({"decided", "stopped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InPairs:
    """One cell of a run that was measured in pairs.

    ``samples`` are all of it, both arms and all phases; ``end`` how its measuring ended. ``commit``
    is the control's. ``stored`` are the cell's comparable runs, oldest first. ``differing`` names
    what sets the arms apart, where the contents of both sides are at hand. ``cells`` is how many of
    the run's were measured in pairs.
    """

    plan: CellPlan
    duet: Duet
    samples: Sequence[Sample]
    end: CellEnd | None
    commit: str
    looks: Sequence[LookReport]
    stored: Sequence[Baseline]
    kind: TargetKind
    differing: tuple[str, ...] = ()
    cells: int = 1


def duet_report(cell: InPairs) -> DuetReport:
    """The control's numbers, how the pairs went, and what sets the arms apart."""
    duet, samples = cell.duet, cell.samples
    control = of_arm(samples, "control")
    in_blocks = duet.block_s > 0
    done = _complete(cell, "measured")
    unsent = _unsent(cell, done)
    return DuetReport(
        control=duet.control,
        commit=cell.commit,
        pairs=0 if in_blocks else done,
        dropped=0 if in_blocks else dropped_pairs(samples),
        looks=tuple(cell.looks),
        saved_requests=2 * unsent,
        saved_usd=unsent * (cell.plan.expected_usd + duet.expected_usd),
        confirm_pairs=_complete(cell, "confirm"),
        ok=sum(sample.failure is None for sample in control),
        failures=dict(Counter(s.failure.status for s in control if s.failure is not None)),
        models=tuple(sorted({sample.model for sample in control if sample.model})),
        metrics=statistics(samples, arm="control"),
        moved=_bounded(moved(_whole(cell))),
        # The stored runs are of the cell's own target: another one's drift is not in them.
        drift=drift(
            samples,
            cell.stored if duet.control == cell.plan.target else (),
            kind=cell.kind,
            cells=cell.cells,
        ),
        changed=cell.differing or _differing(cell),
        only_head=duet.only_head,
        only_control=duet.only_control,
        spent_usd=sum((s.settled_usd for s in samples if s.arm == "control"), Decimal(0)),
        blocks=done if in_blocks else 0,
        block_s=duet.block_s,
    )


def _bounded(found: Mapping[str, Difference]) -> Mapping[str, Difference]:
    """Those with an interval: of many time-outs there is none, and JSON has no infinity."""
    return {
        name: difference
        for name, difference in found.items()
        if all(map(math.isfinite, (difference.change, difference.low, difference.high)))
    }


def _complete(cell: InPairs, phase: Phase) -> int:
    """The pairs that are whole, or pairs of blocks: those that the judge counts."""
    return (complete_blocks if cell.duet.block_s > 0 else complete_pairs)(_whole(cell), phase)


def _whole(cell: InPairs) -> Sequence[Sample]:
    """The samples without the pair of blocks that the cell's end broke off."""
    if cell.duet.block_s > 0:
        return whole_blocks(cell.samples, cell.end)
    return cell.samples


def _unsent(cell: InPairs, done: int) -> int:
    """The requests of one arm that a decision made needless; what a cap cut off is no saving."""
    if cell.end is None or cell.end.reason not in _STOPPED:
        return 0
    each = cell.duet.block_requests if cell.duet.block_s > 0 else 1
    return max(0, cell.plan.n - done) * each


def _differing(cell: InPairs) -> tuple[str, ...]:
    """By the fingerprints, which a saved run has: what prompts say is a hash there."""
    fixed, compared = differences(cell.duet.fingerprint, cell.plan.fingerprint)
    return (*fixed, *compared)

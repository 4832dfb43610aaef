"""What a run is going to be, cell by cell, for those who watch it: known before it begins."""

from dataclasses import dataclass

from lens_gate.policy.plan import cell_duration
from lens_gate.records.plan import CellPlan, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A cell's plan: its requests (both arms, with warm-up) and how long they are expected to take.

    ``looks`` says after how many requests each look comes: at any of them the cell may be decided,
    and send no more. It is empty where the cell is measured to its end. ``expected_s`` is seconds.
    """

    cell: str
    requests: int
    expected_s: float
    looks: tuple[int, ...] = ()


def outlook(plan: Plan) -> tuple[Outlook, ...]:
    """The cells of a plan, in its order."""
    return tuple(
        Outlook(
            cell=cell.cell,
            requests=requests(cell),
            expected_s=cell_duration(plan.policy.scenarios[cell.scenario], cell),
            looks=_looks(cell),
        )
        for cell in plan.cells
    )


def requests(cell: CellPlan) -> int:
    """How many requests are planned for a cell, both arms of a duet counted."""
    return cell.n + cell.warmup if cell.duet is None else _of_pairs(cell, cell.n)


def _looks(cell: CellPlan) -> tuple[int, ...]:
    return tuple(_of_pairs(cell, look.pairs) for look in cell.duet.looks) if cell.duet else ()


def _of_pairs(cell: CellPlan, pairs: int) -> int:
    blocks = cell.duet is not None and cell.duet.block_s > 0
    each = cell.duet.block_requests if blocks and cell.duet else 1
    return 2 * (pairs * each + cell.warmup)

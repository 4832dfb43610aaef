"""Which stored runs stand against a cell, and why others do not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lens_gate.policy.fingerprint import differences
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import CellPlan
from lens_gate.records.waiver import LevelShift


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The comparable runs, oldest first, and what sets this run or the others apart.

    ``changed`` are differences that the author may be asking about; ``incomparable`` are those for
    which stored runs were left out, in words.
    """

    runs: Sequence[Baseline]
    changed: Sequence[str]
    incomparable: Sequence[str]


def read_stored(
    cells: Iterable[tuple[str, str]], stored: Callable[[str, str], Sequence[Baseline]]
) -> Mapping[str, Sequence[Baseline]]:
    """The stored runs of each (scenario, target), newest first, by ``scenario/target``."""
    return {
        f"{scenario}/{target}": stored(scenario, target)
        for scenario, target in dict.fromkeys(cells)
    }


def history_of(
    cell: CellPlan,
    stored: Sequence[Baseline],
    *,
    most: int,
    run_id: str,
    shifts: Sequence[LevelShift] = (),
) -> History:
    """The newest ``most`` stored runs that compare with this cell.

    Left out: runs marked bad by hand, this very run, runs whose fixed fingerprint differs, and
    those from before the latest of the cell's accepted level ``shifts``. Whatever a run's verdict
    was, it counts: taking only the good ones would truncate the spread.
    """
    since = max((shift.since for shift in shifts if shift.cell == cell.cell), default="")
    runs: list[Baseline] = []
    apart: dict[str, None] = {}
    changed: Sequence[str] = ()
    marked = sum(bool(baseline.bad) for baseline in stored)
    if marked:
        apart[f"{marked} stored run{'' if marked == 1 else 's'} marked bad by hand"] = None
    older = sum(baseline.created < since for baseline in stored)
    if older:
        runs_of = "1 stored run is" if older == 1 else f"{older} stored runs are"
        apart[f"{runs_of} from before the level that was accepted at {since}"] = None
    for baseline in stored:
        if baseline.bad or baseline.run_id == run_id or len(runs) == most:
            continue
        if baseline.created < since:
            continue
        fixed, compared = differences(baseline.fingerprint, cell.fingerprint)
        if fixed:
            apart.update(dict.fromkeys(fixed))
            continue
        if not runs:
            changed = compared
        runs.append(baseline)
    return History(runs=tuple(reversed(runs)), changed=changed, incomparable=tuple(apart))

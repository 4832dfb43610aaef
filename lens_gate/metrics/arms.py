"""From samples or a stored baseline to the arms that the judge compares; and to baselines."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lens_gate.errors import LensError
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.derive import censored, scalars
from lens_gate.metrics.rows import LOST, Numbers, arm_of, numbers_of, stored_numbers
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Arm
from lens_gate.records.report import Unit
from lens_gate.records.run import CellEnd, Run
from lens_gate.records.sample import ArmName, Phase, Sample

ENVIRONMENT_KEPT: frozenset[str] = frozenset(
    {"lens_gate", "python", "platform", "loop", "clock", "runner"}
)
"""What a baseline remembers of the client's side: nothing that names a person, host or account."""

# A cell that ended for one of these reasons broke off nothing.
_BROKE_OFF_NOTHING = frozenset({"complete", "decided", "stopped"})

# Decimal places of stored values: what the clock and the bill carry.
_PLACES: Mapping[Unit, int] = {
    "s": 6,
    "usd": 9,
    "tokens": 0,
    "share": 6,
    "tokens/s": 3,
    "requests/s": 6,
}


def head_arm(samples: Iterable[Sample], metric: str, objectives: Mapping[str, float]) -> Arm:
    """The head's side of a check: one cell's measured requests, in the order in which they went.

    ``metric`` is a name of the catalogue. For ``error_rate`` and ``goodput`` the arm's values are
    ones for the good requests and its errors the bad ones: failed or retried, and for goodput also
    those that miss one of ``objectives`` (limits by metric in its unit). Elsewhere the errors are
    the requests that failed, and for times those retried (statistics.md 3.6); a request that
    succeeded but has no such number, as ``itl`` at one token, is left out and is no error.

    Raises:
        KeyError: no such metric.
    """
    return arm_of(numbers_of(measured(samples)), metric, objectives)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The numbers of both sides of one cell's pairs."""

    head: tuple[Numbers, ...]
    control: tuple[Numbers, ...]

    def arms(self, metric: str, objectives: Mapping[str, float]) -> tuple[Arm, Arm]:
        """The head's and the control's side of a check.

        As ``head_arm``; the keys are the numbers of the pairs. A pair of which one side succeeded
        but has no such number says nothing on either side: it is left out of both, and is no error.

        Raises:
            KeyError: no such metric.
        """
        void: set[int | None] = set()
        if CATALOGUE[metric].per == "request":
            void = {
                row.pair
                for row in (*self.head, *self.control)
                if row.known(metric) is None and not row.lost(metric)
            }
        head, control = (
            [row for row in rows if row.pair not in void or row.lost(metric)]
            for rows in (self.head, self.control)
        )
        return (
            arm_of(head, metric, objectives, keys=[row.pair for row in head]),
            arm_of(control, metric, objectives, keys=[row.pair for row in control]),
        )

    def without(self, pairs: Collection[int | None]) -> "Pairs":
        """The others."""
        return Pairs(
            head=tuple(row for row in self.head if row.pair not in pairs),
            control=tuple(row for row in self.control if row.pair not in pairs),
        )


def pairs_of(samples: Iterable[Sample], phase: Phase = "measured") -> Pairs:
    """Both sides of the pairs of one cell, in the order of sending. Blocks of load have none."""
    samples = [sample for sample in samples if sample.pair is not None]
    return Pairs(
        head=tuple(numbers_of(of_arm(samples, "head", phase))),
        control=tuple(numbers_of(of_arm(samples, "control", phase))),
    )


def stored_arm(
    baseline: Baseline,
    metric: str,
    objectives: Mapping[str, float],
    *,
    prompts: Collection[str] | None = None,
) -> Arm:
    """The same from a stored run. Goodput is counted anew, by today's objectives.

    ``prompts`` keeps only requests with these prompt ids; failed requests are stored without theirs
    and are all counted.

    Raises:
        KeyError: no such metric.
    """
    rows = stored_numbers(baseline)
    if prompts is not None:
        rows = [row for row in rows if row is LOST or row.prompt_id in prompts]
    return arm_of(rows, metric, objectives)


def measured(samples: Iterable[Sample]) -> list[Sample]:
    """The head's measured requests in the order of sending.

    No warm-up, no control, nothing of a confirming block, nothing broken off.
    """
    return of_arm(samples, "head")


def of_arm(samples: Iterable[Sample], arm: ArmName, phase: Phase = "measured") -> list[Sample]:
    """The requests of one arm and one phase, in the order of sending."""
    kept = (s for s in samples if s.phase == phase and s.arm == arm)
    return sorted(kept, key=lambda s: s.seq)


def complete_pairs(samples: Iterable[Sample], phase: Phase = "measured") -> int:
    """The n such that of the pairs 0 to n - 1 both sides were measured. A failure is a side too."""
    return _leading((s.arm, s.pair) for s in samples if s.phase == phase)


def complete_blocks(samples: Iterable[Sample], phase: Phase = "measured") -> int:
    """The n such that in the pairs of blocks 0 to n - 1 both arms have sent.

    Of a run that has ended, ask for ``whole_blocks`` first: the last pair may be broken off.
    """
    return _leading((s.arm, s.block) for s in samples if s.phase == phase)


def whole_blocks(samples: Iterable[Sample], end: CellEnd | None) -> list[Sample]:
    """The samples of a cell in blocks, without the pair of blocks that its end broke off.

    ``None`` is the end of a run that was killed. There, and in journals whose ends do not say how
    many were over, the last pair is taken to be broken off: nothing in the samples tells.
    """
    samples = list(samples)
    if end is not None and end.blocks is not None:
        over = {"measured": end.blocks, "confirm": end.confirm_blocks or 0}
        return [s for s in samples if s.block is None or s.block < over.get(s.phase, math.inf)]
    under_way = max(samples, key=lambda s: s.seq, default=None)
    if under_way is None or (end is not None and end.reason in _BROKE_OFF_NOTHING):
        return samples
    cut = (under_way.phase, under_way.block)
    return [s for s in samples if (s.phase, s.block) != cut]


def _leading(numbered: Iterable[tuple[ArmName, int | None]]) -> int:
    sides: dict[ArmName, set[int | None]] = {"head": set(), "control": set()}
    for arm, number in numbered:
        sides[arm].add(number)
    both = sides["head"] & sides["control"]
    return next(n for n in range(len(both) + 1) if n not in both)


def first_pairs(samples: Iterable[Sample], pairs: int, phase: Phase = "measured") -> list[Sample]:
    """The samples of both arms that belong to the first pairs (or pairs of blocks)."""
    found = []
    for sample in samples:
        number = sample.pair if sample.block is None else sample.block
        if sample.phase == phase and number is not None and number < pairs:
            found.append(sample)
    return found


def warm_of_blocks(
    samples: Iterable[Sample], blocks: int, phase: Phase = "measured"
) -> list[Sample]:
    """The unmeasured requests over kept connections with which the first pairs of blocks began.

    Blocks of both phases have the same numbers; what comes next in a block says whose they are.
    """
    waiting: dict[tuple[ArmName, int], list[Sample]] = {}
    found: list[Sample] = []
    for sample in sorted(samples, key=lambda s: s.seq):
        if sample.block is None:
            continue
        key = (sample.arm, sample.block)
        if sample.phase == "warmup":
            waiting.setdefault(key, []).append(sample)
        elif (before := waiting.pop(key, None)) and sample.phase == phase:
            found += before if sample.block < blocks else ()
    return found


def dropped_pairs(samples: Iterable[Sample]) -> int:
    """How many complete measured pairs lost a side to an error or a retry, timeouts included."""
    samples = list(samples)
    complete = first_pairs(samples, complete_pairs(samples))
    return len({s.pair for s in complete if s.failure is not None or s.attempts > 1})


def baseline_of(
    run: Run, cell: str, *, environment: Collection[str] = ENVIRONMENT_KEPT
) -> Baseline:
    """The stored form of one cell of a run: scalars by prompt id, and where they come from.

    Of a duet it is the head's side: what a control sent is no baseline of this commit. Rows are
    sorted by prompt id, then by the order of sending. ``environment`` names the keys of the run's
    environment that are kept. Nothing that was sent or answered is in it.

    Raises:
        LensError: the run has no such cell.
    """
    plan = next((c for c in run.header.cells if c.cell == cell), None)
    if plan is None:
        known = ", ".join(c.cell for c in run.header.cells)
        raise LensError(f"The run has no cell {cell!r}.", f"It measured: {known}.")
    own = [s for s in run.samples if s.cell == cell and s.arm == "head"]
    rows = sorted(measured(own), key=lambda s: s.prompt_id)
    kept = [s for s in rows if s.failure is None or censored(s)]
    header = run.header
    return Baseline(
        scenario=plan.scenario,
        target=plan.target,
        created=header.created,
        commit=header.commit or "",
        policy=header.policy,
        run_id=header.run_id,
        models=tuple(sorted({_printable(s.model) for s in own if s.model})),
        fingerprint=plan.fingerprint,
        prompt_ids=tuple(s.prompt_id for s in kept),
        values=_columns(kept),
        censored=tuple(i for i, s in enumerate(kept) if s.failure is not None),
        retried=tuple(i for i, s in enumerate(kept) if s.attempts > 1),
        failures=_failures(rows),
        spent_usd=sum((s.settled_usd for s in own), Decimal(0)),
        environment={k: v for k, v in sorted(header.environment.items()) if k in environment},
    )


def _printable(text: str) -> str:
    """A server's word for its model, fit to be stored: one line, not long."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def _columns(samples: Sequence[Sample]) -> Mapping[str, tuple[float | None, ...]]:
    found = [{**censored(s), **scalars(s)} for s in samples]
    names = sorted({name for row in found for name in row})
    return {name: tuple(_rounded(name, row.get(name)) for row in found) for name in names}


def _rounded(metric: str, value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES[CATALOGUE[metric].unit])


def _failures(samples: Sequence[Sample]) -> Mapping[str, int]:
    """Failed requests without a row, by status: a timed-out one has its row."""
    counted = Counter(
        s.failure.status for s in samples if s.failure is not None and not censored(s)
    )
    return dict(sorted(counted.items()))

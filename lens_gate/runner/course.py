"""How one duet gets on: its pairs, what is known of them, and what it still needs."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lens_gate.load.duet_order import Score
from lens_gate.load.pacer import Chance
from lens_gate.records.plan import CellPlan, Duet
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase, Sample
from lens_gate.runner.cell import CellRun, Ended
from lens_gate.runner.till import NOTHING, Kept
from lens_gate.runner.workers import Lane, Seqs
from lens_gate.transport import Session, warm


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetRun:
    """Everything that one duet's measuring needs.

    ``score`` holds the prompts of both arms. ``head_first`` says by phase and number whether the
    head begins a pair (or a pair of blocks). ``arrivals`` draws the moments of a block, the same
    for both arms.
    """

    duet: Duet
    head: CellRun
    control: CellRun
    score: Score
    head_first: Mapping[Phase, Sequence[bool]]
    arrivals: Callable[[Phase, int], Chance]
    seqs: Seqs

    @property
    def plan(self) -> CellPlan:
        """The cell's."""
        return self.head.plan


class Course:
    """One duet while it is measured. In a duet of blocks, pairs are pairs of blocks.

    ``others`` gives what the other cells must still find. ``samples`` are those that looks are
    taken at. ``waiting`` are the calls that warm a cache and have not been made.
    """

    def __init__(self, run: DuetRun, others: Callable[["Course"], Kept]) -> None:
        self.run = run
        self.head = replace(run.head, record=self._record)
        self.control = replace(run.control, record=self._record)
        self.lane = Lane(self.head)
        self.samples: list[Sample] = []
        self.waiting = dict(run.score.calls)
        self.warmed_up = False
        self.active_ns = 0
        self._others = others
        self._complete: defaultdict[Phase, set[int]] = defaultdict(set)
        self._unreachable: set[int] = set()

    def _record(self, sample: Sample) -> None:
        self.run.head.record(sample)
        if sample.phase != "cut":
            self.samples.append(sample)

    @property
    def blocks(self) -> bool:
        """Whether the arms alternate in blocks of load."""
        return self.run.duet.block_s > 0

    def arms(self, phase: Phase, number: int) -> tuple[CellRun, CellRun]:
        """Both arms, the one first that begins this pair."""
        if self.run.head_first[phase][number]:
            return self.head, self.control
        return self.control, self.head

    def keep(self, phase: Phase, number: int) -> Kept:
        """What this pair must leave to others: nothing, as long as it belongs to the cell's least.

        For that much the plan has seen to it that all cells have enough.
        """
        least = phase == "warmup" or number < self.run.plan.min_n
        return NOTHING if least else self._others(self)

    def complete(self, phase: Phase, number: int) -> None:
        """Both sides of this pair have ended."""
        self._complete[phase].add(number)

    def done(self, phase: Phase) -> int:
        """How many pairs are complete, none before them missing."""
        count = 0
        while count in self._complete[phase]:
            count += 1
        return count

    def ending(self) -> CellEnd:
        """The cell's end as it stands: in blocks with how many pairs of them were over."""
        end = self.lane.end()
        if not self.blocks:
            return end
        return replace(end, blocks=self.done("measured"), confirm_blocks=self.done("confirm"))

    def next_look(self) -> int:
        """After how many pairs the cell is looked at next."""
        done = self.done("measured")
        looks = (look.pairs for look in self.run.duet.looks)
        return next((pairs for pairs in looks if pairs > done), self.run.plan.n)

    def end(self, reason: str, detail: str) -> None:
        """Send nothing more; of several reasons the first one counts."""
        self.lane.ended = self.lane.ended or Ended(reason=reason, detail=detail)

    async def open_connections(self, count: int) -> None:
        """Have so many open on each side, those made anew that a server closed meanwhile."""
        sessions: dict[int, tuple[Session, float]] = {
            id(arm.wire.session): (arm.wire.session, arm.wire.target.timeouts.connect_s)
            for arm in (self.head, self.control)
        }
        for key, (session, timeout_s) in sessions.items():
            # The first request to a server that is not there says so; no turn waits for it again.
            if key in self._unreachable:
                continue
            if await warm(session, count, timeout_s=timeout_s) < count:
                self._unreachable.add(key)

"""The looks at one duet while it is measured, and the same looks at the run when it was saved.

At a look of n pairs, those with a number below n are tested, whatever else has come in; only the
cell's undecided checks are, with this look's share of the error budget, while every other check of
the family counts as p = 1 (statistics, section 3.4). So what a cell comes to depends on its own
samples alone, and a saved run gives the answers that the live one gave.

What a look decides stays. A relative check is decided when it fails or passes. An absolute one may
fail at any look and passes only at the cell's last: the one at which its gating relative checks are
all decided, or the end of its pairs (section 3.8). With ``confirm``, a relative gating check that
fails is tested again on as many new pairs, by key 2 alone (section 3.9); it fails if both hold.

A check under a waiver is tested against its own bound and, beside that, against the waiver's
ceiling. The second is the one that gates: it stays open until that is settled, or its own bound
holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lens_gate.judge.checks import Sides, pair_check, sides_of, told
from lens_gate.judge.confirming import confirmed
from lens_gate.judge.decide import decide
from lens_gate.judge.disturbance import undisturbed
from lens_gate.judge.one_sided import unless_replaced
from lens_gate.judge.terms import FAMILIES, Question, Terms, under_ceiling
from lens_gate.metrics.arms import complete_blocks, complete_pairs, whole_blocks
from lens_gate.records.check import Check, Verdict
from lens_gate.records.look import LookAnswer, LookReport
from lens_gate.records.plan import Duet
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase, Sample
from lens_gate.stats.looks import last_look, spent

_GOOD = ("pass", "improved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The latest verdict of each check, by id, and the checks whose verdict stays."""

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    decided: frozenset[str] = frozenset()

    def found(self, name: str) -> str:
        """The verdict that stays, or nothing."""
        return self.verdicts[name].verdict if name in self.decided else ""

    def joined(self, fresh: Mapping[str, Verdict], decided: Iterable[str]) -> "Track":
        """With later verdicts."""
        return Track(verdicts={**self.verdicts, **fresh}, decided=self.decided | frozenset(decided))


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLooks:
    """What the looks at one cell came to so far.

    ``own`` are the checks by their own bounds; ``gate`` are those that gate, by the ceilings of
    waivers where there are some. ``suspects`` failed, at so many pairs, and wait for their
    confirmation. ``closed``: nothing more needs to be sent; ``last``: the cell's pairs are all in.
    """

    cell: str
    looks: tuple[LookReport, ...] = ()
    own: Track = field(default_factory=Track)
    gate: Track = field(default_factory=Track)
    suspects: Mapping[str, int] = field(default_factory=dict)
    closed: bool = False
    last: bool = False

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """The latest verdict of each check by its own bound, by id."""
        return self.own.verdicts


def opening(terms: Terms, cell: str) -> CellLooks:
    """Before the first look. A cell that is no duet has nothing to look at: it is closed."""
    return CellLooks(cell=cell, closed=terms.duet(cell) is None)


def look(terms: Terms, state: CellLooks, samples: Sequence[Sample], pairs: int) -> CellLooks:
    """The state after a look at the first ``pairs`` pairs of the cell.

    Where the last answer was ``confirm``, that after its confirming block. ``samples`` hold all of
    the cell, both arms; other cells and phases are ignored. A look that the plan does not have, or
    that was taken before, is the last one. A closed cell stays as it is.
    """
    own = [s for s in samples if s.cell == state.cell]
    if state.suspects:
        return _after_confirming(terms, state, own)
    duet = terms.duet(state.cell)
    if state.closed or duet is None:
        return state
    most = terms.plans[state.cell].n
    planned = {found.pairs: found.share for found in duet.looks}
    taken = any(found.pairs >= pairs for found in state.looks if not found.confirming)
    share = planned[pairs] if pairs in planned else _early_share(duet, pairs, most)
    last = taken or pairs >= most or pairs not in planned
    sides = sides_of(own, pairs, blocks=duet.block_s > 0)
    after = _tested(terms, state, sides, pairs, share, last=last)
    wanted = max(after.suspects.values(), default=0)
    if wanted and (_complete(duet, own, "confirm") >= wanted or duet.confirm < wanted):
        return _after_confirming(terms, after, own)
    return after


def answer(terms: Terms, state: CellLooks) -> LookAnswer:
    """What to do after the latest look: ``stop``, ``confirm``, ``decided`` or ``go_on``."""
    failed = _failures(terms, state)
    if terms.policy.fail_fast and failed:
        return LookAnswer(action="stop", why=f"{failed[0].id} failed")
    if state.suspects:
        return LookAnswer(action="confirm", why=f"{', '.join(state.suspects)} failed")
    if state.closed and not state.last:
        return LookAnswer(action="decided", why=f"after {_pairs(state.looks[-1].pairs)}")
    return LookAnswer(action="go_on")


def replay(
    terms: Terms, cell: str, samples: Sequence[Sample], end: CellEnd | None = None
) -> CellLooks:
    """The same looks at a saved run.

    Those of the plan whose pairs are complete, their confirming blocks, and with ``end``, unless
    the run was ``stopped`` at a failure, a last one at the pairs that there are. A confirming block
    that is not complete confirms nothing.
    """
    state = opening(terms, cell)
    duet = terms.duet(cell)
    if duet is None:
        return state
    plan = terms.plans[cell]
    own = [s for s in samples if s.cell == cell]
    if duet.block_s > 0:
        own = whole_blocks(own, end)
    complete = min(_complete(duet, own, "measured"), plan.n)
    sizes = [found.pairs for found in duet.looks if found.pairs <= complete]
    for size in sizes:
        state = _looked(terms, state, own, size)
        if state.closed or answer(terms, state).action == "stop":
            return state
    ended = end is not None and end.reason != "stopped"
    if ended and complete >= max(1, plan.min_n):
        state = _looked(terms, state, own, complete)
    return state


def _looked(terms: Terms, state: CellLooks, samples: Sequence[Sample], pairs: int) -> CellLooks:
    after = look(terms, state, samples, pairs)
    return look(terms, after, samples, pairs) if after.suspects else after


def _complete(duet: Duet, samples: Sequence[Sample], phase: Phase) -> int:
    if duet.block_s > 0:
        return complete_blocks(samples, phase)
    return complete_pairs(samples, phase)


def _early_share(duet: Duet, pairs: int, most: int) -> float:
    """What may be spent at an end between two looks; blocks had none before it."""
    return spent(pairs, most) if duet.block_s > 0 else last_look(pairs, most)


def _tested(
    terms: Terms, state: CellLooks, sides: Sides, pairs: int, share: float, *, last: bool
) -> CellLooks:
    questions = [q for q in terms.questions if q.cell == state.cell and _tests(q)]
    by_id = {q.id: q for q in questions}

    def verdicts(track: Track, *, ceilings: bool, final: bool) -> Mapping[str, Verdict]:
        asked = [
            under_ceiling(q) if ceilings else q for q in questions if q.id not in track.decided
        ]
        return _verdicts(terms, asked, sides, share, final=final)

    def both(*, final: bool) -> tuple[Mapping[str, Verdict], Mapping[str, Verdict]]:
        own = verdicts(state.own, ceilings=False, final=final)
        if any(q.waiver for q in questions):
            return own, verdicts(state.gate, ceilings=True, final=final)
        return own, own

    own, gate = both(final=last)
    suspects = {
        name: pairs
        for name, verdict in gate.items()
        if terms.policy.confirm and verdict.verdict == "fail" and _confirmable(by_id[name])
    }

    def joined(
        own: Mapping[str, Verdict], gate: Mapping[str, Verdict], *, closed: bool
    ) -> CellLooks:
        # What waits for its confirmation is open; of a waived check that is only the ceiling's.
        waiting = {name for name in suspects if by_id[name].waiver is None}
        return replace(
            state,
            own=state.own.joined(own, _decided(own, waiting)),
            gate=state.gate.joined(gate, _decided(gate, set(suspects))),
            suspects=suspects,
            closed=closed,
            last=last,
        )

    after = joined(own, gate, closed=last)
    if not last and _all_decided(questions, after):
        own, gate = both(final=True)
        after = joined(own, gate, closed=True)
    report = LookReport(
        pairs=pairs,
        share=share,
        decided={n: v.verdict for n, v in own.items() if n in after.own.decided},
        open=sum(q.id not in after.own.decided for q in questions),
    )
    earlier = [r for r in state.looks if r.pairs != pairs or r.confirming]
    again = [r for r in state.looks if r.pairs == pairs and not r.confirming]
    known = {name: word for r in again for name, word in r.decided.items()}
    report = replace(report, decided={**known, **report.decided})
    return replace(after, looks=(*earlier, report))


def _tests(question: Question) -> bool:
    """It is tested: a relative limit of a rule that is new in the head is not."""
    return question.relative or question.limit != "relative"


def _confirmable(question: Question) -> bool:
    return question.relative and question.family == "gating"


def _decided(fresh: Mapping[str, Verdict], waiting: set[str]) -> list[str]:
    """Absolute checks pass only at a look that is final for them, so that a pass is one."""
    return [n for n, v in fresh.items() if v.verdict in ("fail", *_GOOD) and n not in waiting]


def _all_decided(questions: Sequence[Question], state: CellLooks) -> bool:
    """Whether the checks for which a cell goes on measuring are decided, or to be confirmed."""
    relative = [q for q in questions if q.relative]
    gating = [q for q in relative if q.family == "gating"]
    wanted = gating or relative
    return bool(wanted) and all(
        q.id in state.gate.decided or q.id in state.suspects or state.own.found(q.id) in _GOOD
        for q in wanted
    )


def _failures(terms: Terms, state: CellLooks) -> list[Question]:
    """The gating checks of which it is settled that they fail, and that count."""
    return [
        q
        for q in terms.questions
        if q.cell == state.cell
        and q.row.gating
        and state.own.found(q.id) == state.gate.found(q.id) == "fail"
    ]


def _verdicts(
    terms: Terms, questions: Sequence[Question], sides: Sides, share: float, *, final: bool
) -> Mapping[str, Verdict]:
    """The verdicts on these questions at one look, family by family."""
    found: dict[str, Verdict] = {}
    for family in FAMILIES:
        asked: list[Question] = []
        checks: list[Check] = []
        for question in questions:
            if question.family != family:
                continue
            check = pair_check(question, sides, fraction=share)
            if isinstance(check, Check):
                asked.append(question)
                checks.append(replace(check, final=final))
            else:
                nothing = question.row.verdict
                found[question.id] = replace(nothing, verdict="no_data", reason=check)
        size = terms.sizes[family]

        def again(given: Sequence[Check], size: int = size) -> list[Verdict]:
            return decide(
                given, confidence=terms.policy.confidence, family=max(1, size), seed=terms.seed
            )

        verdicts = undisturbed(asked, checks, again(checks), sides, again)
        found |= {
            q.id: unless_replaced(told(q, sides, v), terms.duet(q.cell))
            for q, v in zip(asked, verdicts, strict=True)
        }
    return found


def _after_confirming(terms: Terms, state: CellLooks, samples: Sequence[Sample]) -> CellLooks:
    """The state when what failed was tested again on new pairs, as far as there are any."""
    duet = terms.duet(state.cell)
    blocks = duet is not None and duet.block_s > 0
    complete = (complete_blocks if blocks else complete_pairs)(samples, "confirm")
    own, gate = {}, {}
    for question in terms.questions:
        pairs = state.suspects.get(question.id)
        if pairs is None:
            continue
        first = state.gate.verdicts[question.id]
        sides = sides_of(samples, min(pairs, complete), blocks=blocks, phase="confirm")
        verdict = confirmed(
            under_ceiling(question), first, sides, wanted=pairs, got=complete, seed=terms.seed
        )
        gate[question.id] = verdict
        if question.waiver is None:
            own[question.id] = verdict
    after = replace(
        state, own=state.own.joined(own, own), gate=state.gate.joined(gate, gate), suspects={}
    )
    report = LookReport(
        pairs=max(state.suspects.values()),
        share=1.0,
        decided={name: verdict.verdict for name, verdict in gate.items()},
        open=sum(
            q.id not in after.own.decided
            for q in terms.questions
            if q.cell == state.cell and _tests(q)
        ),
        confirming=True,
    )
    return replace(after, looks=(*after.looks, report))


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"

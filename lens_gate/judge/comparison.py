"""From a run and the stored runs before it to rows: every limit of every rule in each of its cells.

A rule has one check for each limit in each of its cells. The family of the gating checks is counted
from the policy and the plan alone, so that a cell without data does not make the others' tests
easier. Cells that were measured in pairs are judged look by look (``sequential``), the others at
once: against their history, or by their absolute limits alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lens_gate.judge.checks import CellData, common_ids, plain_check
from lens_gate.judge.decide import decide
from lens_gate.judge.sequential import CellLooks, replay
from lens_gate.judge.settling import needs
from lens_gate.judge.terms import FAMILIES, Question, Terms, under_ceiling
from lens_gate.records.check import Check, Verdict, VerdictName
from lens_gate.records.policy import Policy
from lens_gate.records.report import Row
from lens_gate.records.waiver import Waiver
from lens_gate.units import format_amount, format_share

__all__ = ["CellData", "Judgement", "common_ids", "family_size", "judge_cells", "judge_run"]

NEW = "new in this change: only its absolute limits apply until it is merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The rows, in the policy's order, and the looks of the cells that were measured in pairs."""

    rows: tuple[Row, ...]
    looks: Mapping[str, CellLooks]


def judge_run(
    policy: Policy, cells: Mapping[str, CellData], *, relative: bool, seed: int
) -> tuple[Row, ...]:
    """The rows of every rule of the policy for a run without duets.

    ``cells`` is by ``scenario/target``; a cell that is not there was not measured. ``relative``
    is whether limits against history apply (``compare`` is not ``none``).
    """
    kinds = {cell.partition("/")[2]: data.kind for cell, data in cells.items()}
    terms = Terms(policy=policy, plans={}, kinds=kinds, seed=seed, relative=relative)
    return judge_cells(terms, cells).rows


def judge_cells(terms: Terms, cells: Mapping[str, CellData]) -> Judgement:
    """The rows of every rule of the policy, and the looks of its duets.

    ``cells`` is by ``scenario/target``; a cell that is not there was not measured.
    """
    looks = {
        cell: replay(terms, cell, data.samples, data.end)
        for cell, data in cells.items()
        if terms.duet(cell) is not None and not _blocked(data)
    }
    plain = [q for q in terms.questions if q.cell not in looks]
    own = _plain(terms, plain, cells)
    gate = own
    if any(q.waiver for q in plain):
        gate = _plain(terms, [under_ceiling(q) for q in plain], cells)
    rows = []
    for question in terms.questions:
        state = looks.get(question.cell)
        if state is None:
            verdict, other = own[question.id], gate[question.id]
        else:
            verdict = _of_looks(question, state, cells[question.cell])
            other = state.gate.verdicts.get(question.id, verdict)
        rows.append(_row(terms, question, verdict, other))
    return Judgement(rows=tuple(rows), looks=looks)


def family_size(rows: Iterable[Row], policy: Policy) -> int:
    """G: how many gating checks of the trusted policy share the error budget."""
    return sum(row.gating and row.place.file == policy.file for row in rows)


def _plain(
    terms: Terms, questions: Sequence[Question], cells: Mapping[str, CellData]
) -> Mapping[str, Verdict]:
    """The verdicts on cells that were measured alone, or not at all, family by family."""
    found: dict[str, Verdict] = {}
    for family in FAMILIES:
        checks: list[Check] = []
        for question in questions:
            if question.family != family:
                continue
            check = _check(question, cells.get(question.cell))
            if isinstance(check, Check):
                checks.append(check)
            else:
                found[question.id] = check
        size = max(1, terms.sizes[family])
        verdicts = decide(checks, confidence=terms.policy.confidence, family=size, seed=terms.seed)
        found |= {verdict.id: verdict for verdict in verdicts}
    return found


def _check(question: Question, data: CellData | None) -> Check | Verdict:
    """The check, or the verdict that needs none."""
    if blocked := _blocked(data):
        return _said(question, "no_data", blocked)
    if question.limit == "relative" and not question.relative:
        return _said(question, "new", NEW)
    check = plain_check(question, data) if data is not None else ""
    return check if isinstance(check, Check) else _said(question, "no_data", check)


def _blocked(data: CellData | None) -> str:
    if data is None:
        return "this cell was not measured"
    if data.starved:
        return data.starved
    return "" if data.samples else "no request was measured"


def _said(question: Question, verdict: VerdictName, reason: str) -> Verdict:
    return replace(question.row.verdict, verdict=verdict, reason=reason)


def _of_looks(question: Question, state: CellLooks, data: CellData) -> Verdict:
    """The verdict that the looks came to."""
    if question.limit == "relative" and not question.relative:
        return _said(question, "new", NEW)
    verdict = state.own.verdicts.get(question.id)
    stopped = data.end is not None and data.end.reason == "stopped"
    if verdict is None:
        why = "stopped at the first failure" if stopped else "no look was reached"
        return _said(question, "inconclusive", f"{why}, before this cell's first look")
    if stopped and question.id not in state.own.decided and verdict.verdict == "inconclusive":
        return replace(verdict, reason=f"stopped at the first failure: {verdict.reason}")
    return verdict


def _row(terms: Terms, question: Question, verdict: Verdict, gate: Verdict) -> Row:
    verdict = _of_history(terms, question, verdict)
    row = replace(question.row, verdict=verdict)
    if verdict.verdict == "inconclusive":
        requests, usd = needs(verdict, terms.plans.get(question.cell), mode=row.mode)
        return replace(row, needs_requests=requests, needs_usd=usd)
    if verdict.verdict != "fail" or question.waiver is None:
        return row
    if gate.verdict == "fail":
        return replace(
            row, verdict=replace(verdict, reason=f"{verdict.reason}; {_beyond(question)}")
        )
    return replace(row, waived=_waived(question, question.waiver))


def _of_history(terms: Terms, question: Question, verdict: Verdict) -> Verdict:
    """What a reader must know of a verdict against stored runs."""
    if not question.relative or question.row.mode != "history":
        return verdict
    if verdict.verdict == "fail":
        word = "slower" if question.row.unit == "s" else "worse"
        text = f"it is {word} than it used to be, which need not be this change's doing"
        target = terms.policy.targets.get(question.row.target)
        if terms.offer and (target is None or target.control is None):
            text += f"; {terms.offer}"
        return replace(verdict, reason=f"{verdict.reason}; {text}")
    wanted = terms.policy.baseline.history
    if verdict.verdict == "inconclusive" and 0 < verdict.base_n < wanted:
        return replace(verdict, reason=f"{verdict.reason}; {verdict.base_n} of {wanted} runs")
    return verdict


def _ceiling(question: Question) -> str:
    relative = question.limit == "relative"
    bound = under_ceiling(question).bound or 0.0
    if not relative:
        return format_amount(bound, question.row.unit)
    if question.row.unit == "share" and not question.row.statistic:
        return f"{format_share(bound, signed=True)[:-2]} points"
    return format_share(bound, signed=True)


def _beyond(question: Question) -> str:
    """Why a waiver in force does not help."""
    return f"the waiver lets no more than {_ceiling(question)} through"


def _waived(question: Question, waiver: Waiver) -> str:
    """Why a failure does not count."""
    ceiling = _ceiling(question)
    return f"accepted up to {ceiling} until {waiver.expires} by {waiver.who}: {waiver.reason}"

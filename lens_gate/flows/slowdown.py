"""How large a known slowdown has to be, so that a sound gate all but always finds it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.flows.simulating import DILUTED
from lens_gate.judge.power import DuetTrial, whole
from lens_gate.metrics.catalogue import TargetKind
from lens_gate.policy.sight import Asked, asked
from lens_gate.records.plan import Plan

REACHED: Final = frozenset(
    {"ttft", "ttft_scheduled", "ttfr", "itl", "tpot", "e2e", "e2e_scheduled", "output_tps"}
)
"""The metrics that a slower first token and slower further ones make worse."""

MISSED: Final = 0.001
"""The slowdown may be missed, in any cell that it is to be found in, with this chance at most."""

_LEAST: Final = 1.5
_STEP: Final = 1.2
_MOST: Final = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """By how much the slowed model is slower, and where that has to be found.

    ``may_stay`` says by cell why it need not be found there. ``missed`` bounds the chance that a
    sound gate misses it in any of the others.
    """

    factor: float
    must_fail: tuple[str, ...]
    may_stay: Mapping[str, str]
    missed: float


def slowdown(plan: Plan, kinds: Mapping[str, TargetKind]) -> Slowdown:
    """Clearly beyond the largest margin of a latency, and as much more as the plan's N asks for.

    At least half as long again, and the margin three times over.
    """
    found: dict[str, list[Asked]] = {cell.cell: [] for cell in plan.cells}
    for question in gating(plan, kinds):
        if question.rule.metric in REACHED:
            found[question.cell.cell].append(question)
    margins = [question.margin for questions in found.values() for question in questions]
    factor = max([_LEAST, *(1 + 3 * margin for margin in margins)])
    share, confirm = MISSED / max(1, len(found)), plan.policy.confirm
    needed: dict[str, float] = {}
    may_stay: dict[str, str] = {}
    for cell, questions in found.items():
        why, least = _needed(questions, factor, share, confirm=confirm)
        if least is None:
            may_stay[cell] = why
        else:
            needed[cell] = least
    factor = max([factor, *needed.values()])
    return Slowdown(
        factor=factor,
        must_fail=tuple(needed),
        may_stay=may_stay,
        missed=sum(_missed(found[cell], factor, confirm=confirm) for cell in needed),
    )


def gating(plan: Plan, kinds: Mapping[str, TargetKind]) -> Iterable[Asked]:
    """The gating relative rules of a plan, as simulated noise lets them see."""
    return (q for q in asked(plan, kinds) if q.rule.severity == "fail")


def false_alarm(plan: Plan, kinds: Mapping[str, TargetKind]) -> float:
    """A bound of the chance that a sound gate fails any relative rule of an unchanged build.

    By the test's own odds where the noise is known, else by the level at which it is tested.
    """
    return sum(
        min(
            question.alpha / question.family,
            question.trial.odds(question.margin, 0.0).fails if question.known_from else 1.0,
        )
        for question in gating(plan, kinds)
    )


def _needed(
    questions: list[Asked], factor: float, share: float, *, confirm: bool
) -> tuple[str, float | None]:
    """The factor from which on a cell misses it no more often than this, or why there is none."""
    if not questions:
        return "no gating rule of it compares a latency", None
    if not any(question.known_from for question in questions):
        return "nobody knows how widely its numbers scatter", None
    while factor <= _MOST:
        if _missed(questions, factor, confirm=confirm) <= share:
            return "", factor
        factor *= _STEP
    return "at its N it can hardly fail, however slow the model is", None


def _missed(questions: Iterable[Asked], factor: float, *, confirm: bool) -> float:
    """The chance that not even the rule that sees it best fails."""
    change = DILUTED * (factor - 1)
    return 1.0 - max(
        _found(question, change, confirm=confirm) for question in questions if question.known_from
    )


def _found(question: Asked, change: float, *, confirm: bool) -> float:
    """The chance that a rule fails; confirmed, where that is asked for, on its fewest new pairs."""
    first, trial = question.trial.odds(question.margin, change).fails, question.trial
    if not confirm or not isinstance(trial, DuetTrial):
        return first
    again = replace(trial, looks=whole(trial.looks[0][0]), family=1, alpha=trial.gamma)
    return first * again.odds(question.margin, change).fails

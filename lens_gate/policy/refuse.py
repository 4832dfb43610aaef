"""Rules that could not decide anything are refused before anything is sent.

A gating rule that finds even a change of twice its margin (of a fifth, where that is more) in fewer
than half of all cases is no gate. In a duet it is held to the N that the budget gives it. Against
history it is held to as many runs as the policy keeps, and is refused only where the policy asks
for history alone (``compare: history``): with ``auto`` history is what remains where no control can
be sent, weak by design, and a rule that is weak there is named in a warning.

A margin of 0 and absolute limits are never refused, nor is a metric of which nobody knows how
widely it scatters. That is whatever has one number for a block of load; but there it is certain how
many pairs of blocks are too few to fail whatever they show, and with so few it is refused.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from lens_gate.errors import InputError, Problem
from lens_gate.judge.power import deciding_margin
from lens_gate.metrics.catalogue import TargetKind
from lens_gate.policy.sight import (
    UNKNOWN,
    Asked,
    Spreads,
    asked,
    finds,
    is_undecidable,
    only_in_pairs,
    pairs_to_decide,
)
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Rule
from lens_gate.units import format_duration, format_share, format_usd


def refuse(plan: Plan, *, kinds: Mapping[str, TargetKind], spreads: Spreads = UNKNOWN) -> Plan:
    """The plan, with warnings of what its rules can't show.

    Args:
        plan: an affordable plan.
        kinds: of the targets, by key.
        spreads: what stored runs say.

    Raises:
        InputError: rules that could not decide anything, all of them.
    """
    questions = list(asked(plan, kinds, spreads))
    weak = [question for question in questions if is_undecidable(question)]
    refused = [question for question in weak if is_refused(plan, question)]
    if refused:
        raise InputError(_problem(plan, question) for question in refused)
    told = [
        *(_never(question) for question in questions if question.cell.n < question.fewest),
        *(_of_no_margin(question) for question in questions if question.margin == 0),
        *(_of_history(question) for question in weak),
        *(_of_pairs(rule, cell) for rule, cell in only_in_pairs(plan)),
    ]
    return replace(plan, warnings=(*plan.warnings, *told))


def is_refused(plan: Plan, question: Asked) -> bool:
    """Whether a rule of this kind is refused where it can't decide, and not only warned of."""
    return question.cell.duet is not None or plan.policy.baseline.compare == "history"


def named(rule: Rule, cell: CellPlan) -> str:
    """``ttft.typ of chat/mini``."""
    metric = f"{rule.metric}.{rule.statistic}" if rule.statistic else rule.metric
    return f"{metric} of {cell.cell}"


def size(question: Asked, share: float) -> str:
    """A margin or a change in words: ``12 %``, of shares ``2 points``."""
    text = format_share(share)
    return f"{text[:-2]} points" if question.is_share else text


def _problem(plan: Plan, question: Asked) -> Problem:
    place = question.rule.place
    message = f"{_weakness(question)}; a gate needs a chance of 50 %"
    if question.cell.n < question.fewest:
        message = _never(question)
    return Problem(
        file=place.file,
        line=place.line,
        column=place.column,
        message=message,
        hint=_remedy(plan, question),
    )


def _never(question: Asked) -> str:
    cell, family = question.cell, question.family
    one = "it" if family == 1 else f"one of {family} checks"
    pairs = "1 pair" if cell.n == 1 else f"{cell.n} pairs"
    return (
        f"{named(question.rule, cell)} can never fail with {pairs} of blocks: the fewest with "
        f"which {one} can are {question.fewest}"
    )


def _weakness(question: Asked) -> str:
    cell = question.cell
    against = f"{cell.n} pairs" if cell.duet else f"{question.runs} runs of {cell.n} requests"
    chance = format_share(finds(question) or 0.0)
    return (
        f"{named(question.rule, cell)} would mostly decide nothing: with {against} it finds what "
        f"is {size(question, question.change)} worse (margin {size(question, question.margin)}, "
        f"{question.margin_from}) with a chance of {chance}"
    )


def _remedy(plan: Plan, question: Asked) -> str:
    return f"{', or '.join(_remedies(plan, question))}, or say may_be_inconclusive: true"


def _remedies(plan: Plan, question: Asked) -> Iterable[str]:
    cell = question.cell
    if question.fewest:
        yield f"{_more(plan, question, question.fewest)} for {question.fewest} pairs of blocks"
        return
    needed = pairs_to_decide(question) if cell.duet else None
    if needed is not None:
        yield f"{_more(plan, question, needed)} for {needed} pairs"
    margin = deciding_margin(question.trial)
    if margin is not None and margin > question.margin:
        key = "max_regression" if cell.duet else "max_drift"
        # Rounded up, so that the margin which is written is no smaller than the one that decides.
        yield f"set {key} to {math.ceil(margin * 1000) / 10:g}% or more"
    if not cell.duet:
        yield "let baseline.compare be auto: a duet sees smaller changes"


def _more(plan: Plan, question: Asked, needed: int) -> str:
    """What to raise so that a cell has so many pairs; of a budget about how far."""
    cell, budget = question.cell, plan.budget
    factor = Fraction(needed, cell.n)
    if cell.limited_by == "money" and budget.max_usd is not None:
        return (
            f"raise budget.max_usd to about {format_usd(budget.max_usd * Decimal(float(factor)))}"
        )
    if cell.limited_by == "requests" and budget.max_requests is not None:
        return f"raise budget.max_requests to about {int(budget.max_requests * factor)}"
    if cell.limited_by == "time" and budget.max_duration_s is not None:
        seconds = format_duration(float(budget.max_duration_s * factor))
        return f"raise budget.max_duration to about {seconds}"
    return f"raise samples.max to {needed}, and the budget with it,"


def _of_no_margin(question: Asked) -> str:
    cell = question.cell
    costs = f"; costs {cell.n} pairs each time" if cell.duet else ""
    return f"{named(question.rule, cell)} has a margin of 0: it can fail, can't pass{costs}"


def _of_history(question: Asked) -> str:
    return f"{_weakness(question)}; against its control a change shows sooner"


def _of_pairs(rule: Rule, cell: CellPlan) -> str:
    return (
        f"{named(rule, cell)} is compared in duets only, pair by pair with a control: this run has "
        "none for it, and its relative limit is not judged"
    )

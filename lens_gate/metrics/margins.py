"""The relative limit of a rule, by what it is held against: one answer for the plan and the judge.

A rule may name a margin for the duet (``max_regression``) and one for stored runs (``max_drift``).
Where it names none for the mode that a cell is judged in, the default of that mode counts; where
there is none either, the margin that the rule names for the other mode stands in.
"""

from typing import Literal, TypeAlias

from lens_gate.metrics.catalogue import CATALOGUE, TargetKind, default_drift, default_margin
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Rule

Base: TypeAlias = Literal["duet", "history"]
MarginFrom: TypeAlias = Literal["policy", "default"]


def compares(metric: str, base: Base) -> bool:
    """Whether a metric can be held against this; what no single request has, against pairs alone.

    Raises:
        KeyError: no such metric.
    """
    return base == "duet" or bool(CATALOGUE[metric].statistics)


def margin_of(rule: Rule, base: Base, kind: TargetKind) -> tuple[float | None, MarginFrom]:
    """The margin of a relative rule on a target of this kind, and whose it is.

    ``None``: the rule has no limit there.
    """
    own, other, default = rule.max_drift, rule.max_regression, default_drift
    if base == "duet":
        own, other, default = rule.max_regression, rule.max_drift, default_margin
    if own is not None:
        return own, "policy"
    found = default(rule.metric, rule.statistic, kind)
    return (other, "policy") if found is None else (found, "default")


def is_asked(rule: Rule, cell: CellPlan | None, *, history: bool) -> bool:
    """Whether the relative limit of a rule is one of the questions in a cell that is planned so.

    ``history`` is whether the policy compares with stored runs. A rule that only pairs can answer
    is no question where the run has none by design; where pairs were asked for and can't be had
    (``CellPlan.unpaired``) it is one, without data. What is new in the head is told as such.
    """
    if not rule.relative or (cell is not None and cell.duet is not None):
        return rule.relative
    unpaired = cell is not None and bool(cell.unpaired)
    return history and (compares(rule.metric, "history") or unpaired or rule.new_in_head)

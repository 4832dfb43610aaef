"""A policy with its waivers applied: ceilings in the place of margins, for a while.

A waiver raises one rule's margin (or moves its limit) in one cell. So a change beyond the ceiling
still fails, by the same tests, and a duet measures as long as it takes to tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from lens_gate.metrics.catalogue import TargetKind, default_drift, default_margin
from lens_gate.policy.per_cell import in_each_cell
from lens_gate.records.policy import Place, Policy, Rule
from lens_gate.records.waiver import Accepted, Waiver, WaiverReport, WaiverState

_ANYWHERE = Place(file="", line=0, column=0)


def state_of(waiver: Waiver, today: date) -> WaiverState:
    """Whether a merged waiver holds today (UTC); before its first day it is pending."""
    if today > date.fromisoformat(waiver.expires):
        return "expired"
    return "pending" if today < date.fromisoformat(waiver.created) else "in_force"


def waived(
    policy: Policy,
    accepted: Accepted,
    *,
    head: Accepted,
    today: date,
    kinds: Mapping[str, TargetKind],
) -> tuple[Policy, tuple[WaiverReport, ...]]:
    """The policy to judge by, and every waiver with its state.

    Args:
        policy: the effective policy.
        accepted: what the trust ref accepts; it alone counts.
        head: what the change under test would accept: listed as pending where it is new.
        today: in UTC.
        kinds: the kind of each target, whose default margins differ.
    """
    found = [WaiverReport(waiver=w, state=state_of(w, today), used=False) for w in accepted.waivers]
    holding = [report.waiver for report in found if report.state == "in_force"]
    known = {replace(w, place=_ANYWHERE) for w in accepted.waivers}
    pending = [
        WaiverReport(waiver=w, state="pending", used=False)
        for w in head.waivers
        if replace(w, place=_ANYWHERE) not in known
    ]

    def change(rule: Rule, cell: str) -> Rule:
        own = [w for w in holding if (w.rule, w.cell) == (rule.id, cell)]
        kind = kinds.get(rule.targets[0])
        return _raised(rule, own, kind) if own and kind is not None else rule

    return in_each_cell(policy, change), (*found, *pending)


def _raised(rule: Rule, own: Sequence[Waiver], kind: TargetKind) -> Rule:
    """The rule in one cell with the highest of the ceilings that hold there."""
    raised = rule
    because: list[Waiver] = []
    for waiver in own:
        changed = _with_ceiling(_with_limit(raised, waiver), waiver, kind)
        if changed != raised:
            because.append(waiver)
        raised = changed
    words = "; ".join(_words(waiver) for waiver in because)
    return replace(raised, waived=words)


def _with_ceiling(rule: Rule, waiver: Waiver, kind: TargetKind) -> Rule:
    if waiver.ceiling is None or not rule.relative:
        return rule
    usual = default_margin(rule.metric, rule.statistic, kind)
    drift = default_drift(rule.metric, rule.statistic, kind)
    return replace(
        rule,
        max_regression=_higher(rule.max_regression, usual, waiver.ceiling),
        max_drift=_higher(rule.max_drift, drift, waiver.ceiling),
    )


def _higher(own: float | None, usual: float | None, ceiling: float) -> float | None:
    """The rule's own margin (``None``: the usual one), or the ceiling where that is higher."""
    margin = usual if own is None else own
    return own if margin is not None and margin >= ceiling else ceiling


def _with_limit(rule: Rule, waiver: Waiver) -> Rule:
    if waiver.limit is None:
        return rule
    upper = None if rule.max is None else max(rule.max, waiver.limit)
    lower = None if rule.min is None else min(rule.min, waiver.limit)
    return replace(rule, max=upper, min=lower)


def _words(waiver: Waiver) -> str:
    return f"accepted until {waiver.expires}: {waiver.reason} ({waiver.who})"


def demoted(policy: Policy, found: Mapping[str, str]) -> Policy:
    """The policy in which rules that raise false alarms only warn.

    ``found`` says why, in words, by ``scenario/target/rule``.
    """

    def change(rule: Rule, cell: str) -> Rule:
        why = found.get(f"{cell}/{rule.id}")
        if why is None or rule.severity == "warn":
            return rule
        return replace(rule, severity="warn", demoted=why)

    return in_each_cell(policy, change)

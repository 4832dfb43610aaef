"""What a run is judged by: everything that is settled before its first request.

The same terms come from the plan while a run is measured and from its header when it was saved, so
that both are judged alike. From them follow the questions: one row for each limit of each rule in
each of its cells, and the family that it shares its error budget with.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from lens_gate.metrics.catalogue import CATALOGUE, TargetKind
from lens_gate.metrics.margins import Base, MarginFrom, is_asked, margin_of
from lens_gate.records.check import Verdict
from lens_gate.records.plan import CellPlan, Duet
from lens_gate.records.policy import Policy, Rule, Scenario
from lens_gate.records.report import Row
from lens_gate.records.waiver import Waiver

Family = Literal["gating", "warning", "new"]
"""Rules that are new in the head are a family of their own.

However many a head adds, the trusted rules stay as easy to fail as they were.
"""

FAMILIES: tuple[Family, ...] = ("gating", "warning", "new")
Limit = Literal["max", "min", "relative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One limit of one rule in one cell: its row to be, which has no data yet, and what it tests.

    ``bound`` is the limit or the margin; ``None`` where a relative rule has neither a margin nor a
    default. ``waiver`` is the one in force for it, and ``ceiling`` stands in for the bound then.
    """

    row: Row
    rule: Rule
    scenario: Scenario
    family: Family
    limit: Limit
    bound: float | None
    waiver: Waiver | None = None
    ceiling: float | None = None

    @property
    def id(self) -> str:
        """The check's."""
        return self.row.verdict.id

    @property
    def cell(self) -> str:
        """``scenario/target``."""
        return f"{self.row.scenario}/{self.row.target}"

    @property
    def relative(self) -> bool:
        """It is tested against a control or a history; what is new in the head is not."""
        return self.limit == "relative" and not self.rule.new_in_head


def under_ceiling(question: Question) -> Question:
    """The question with the ceiling of its waiver in place of its bound, where it has one.

    A ceiling never makes a limit stricter than it is.
    """
    own, ceiling = question.bound, question.ceiling
    if question.waiver is None or own is None or ceiling is None:
        return question
    return replace(question, bound=(min if question.limit == "min" else max)(own, ceiling))


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A policy, the plan of a run, and what else decides how it is judged.

    ``policy`` has the rules that apply. ``plans`` are those of the run by cell, ``kinds`` the
    targets' by key. ``relative`` is false where the policy compares with nothing; cells of a duet
    are compared all the same. ``waivers`` are only those in force. ``offer`` says how a duet could
    be had for what is held against history; it is empty where none could.
    """

    policy: Policy
    plans: Mapping[str, CellPlan]
    kinds: Mapping[str, TargetKind]
    seed: int
    relative: bool = True
    waivers: Sequence[Waiver] = ()
    offer: str = ""

    def duet(self, cell: str) -> Duet | None:
        """The control's side of this cell, where it is measured in pairs."""
        plan = self.plans.get(cell)
        return plan.duet if plan else None

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """All of them, in the policy's order."""
        return tuple(
            question
            for scenario in self.policy.scenarios.values()
            for rule in scenario.rules
            for target in rule.targets
            for question in self._of(scenario, rule, target)
        )

    @cached_property
    def sizes(self) -> Mapping[Family, int]:
        """How many checks each family has: those of cells without data count as well."""
        return Counter(question.family for question in self.questions)

    def _of(self, scenario: Scenario, rule: Rule, target: str) -> Iterable[Question]:
        cell = f"{scenario.key}/{target}"
        waivers = [w for w in self.waivers if (w.rule, w.cell) == (rule.id, cell)]
        limits: tuple[tuple[Limit, float | None], ...] = (("max", rule.max), ("min", rule.min))
        for limit, bound in limits:
            if bound is not None:
                yield _question(scenario, rule, target, limit, bound, waivers)
        plan = self.plans.get(cell)
        if not is_asked(rule, plan, history=self.relative):
            return
        duet = self.duet(cell)
        mode: Base = "duet" if duet else "history"
        margin, margin_from = margin_of(rule, mode, self.kinds.get(target, "hosted"))
        question = _question(
            scenario,
            rule,
            target,
            "relative",
            margin,
            waivers,
            mode=mode,
            margin_from=margin_from,
        )
        in_blocks = duet is not None and duet.block_s > 0 and not rule.new_in_head
        yield replace(question, row=replace(question.row, in_blocks=in_blocks))


def _family(rule: Rule) -> Family:
    if rule.severity == "warn":
        return "warning"
    return "new" if rule.new_in_head else "gating"


def _question(
    scenario: Scenario,
    rule: Rule,
    target: str,
    limit: Limit,
    bound: float | None,
    waivers: Sequence[Waiver],
    *,
    mode: Base | Literal[""] = "",
    margin_from: MarginFrom | Literal[""] = "",
) -> Question:
    relative = limit == "relative"
    fresh = relative and rule.new_in_head
    waiver, ceiling = _accepted(waivers, relative=relative)
    metric = CATALOGUE[rule.metric]
    nothing = Verdict(
        id=f"{scenario.key}/{target}/{rule.id}/{mode or f'absolute-{limit}'}",
        verdict="no_data",
        estimate=None,
        low=None,
        high=None,
        n=0,
        reason="",
        margin=bound if relative and not fresh else None,
        limit=None if relative else bound,
    )
    row = Row(
        rule=rule.id,
        scenario=scenario.key,
        target=target,
        metric=rule.metric,
        statistic=rule.statistic,
        unit=metric.unit,
        better=metric.better,
        gating=rule.severity == "fail",
        kind="new" if fresh else "relative" if relative else "absolute",
        verdict=nothing,
        margin_from="" if fresh else margin_from,
        policy_line="",
        place=rule.place,
        mode="" if fresh else mode,
        demoted=rule.demoted,
    )
    return Question(
        row=row,
        rule=rule,
        scenario=scenario,
        family=_family(rule),
        limit=limit,
        bound=bound,
        waiver=waiver,
        ceiling=ceiling,
    )


def _accepted(waivers: Sequence[Waiver], *, relative: bool) -> tuple[Waiver | None, float | None]:
    """The waiver that speaks of this kind of limit, and up to what: of several, the last one.

    One may be of the rule's margin and another of its absolute limit; a later one renews.
    """
    for waiver in reversed(waivers):
        ceiling = waiver.ceiling if relative else waiver.limit
        if ceiling is not None:
            return waiver, ceiling
    return None, None

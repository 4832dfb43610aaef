"""What the relative rules of a plan can see: the chance to find a change, to pass without one.

A cell with a control is judged pair by pair at its N. Any other one is judged against history, and
taken to have as many stored runs as ``baseline.history`` asks for: that there are fewer is a matter
of weeks, not of the policy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from lens_gate.judge.power import (
    EVEN,
    DuetTrial,
    HistoryTrial,
    Looks,
    Trial,
    deciding_margin,
    fewest_blocks,
    pairs_needed,
    shown_change,
)
from lens_gate.judge.rate_power import RateTrial
from lens_gate.judge.spread import pair_variance, variance_of
from lens_gate.metrics.catalogue import (
    CATALOGUE,
    TargetKind,
    check_kind,
    prior_sd,
)
from lens_gate.metrics.margins import compares, is_asked, margin_of
from lens_gate.policy.plan import requests, requests_of
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Policy, Rule, Severity
from lens_gate.records.sight import Sight
from lens_gate.stats.looks import looks

LEAST_CHANGE: Final = 0.20
"""A rule must find what is worse by this, or by twice its margin where that is more."""
STORED: Final = "stored runs"
ASSUMED: Final = "what such targets usually scatter"
# Of a share that nobody has measured yet.
_RATE = 0.01
_WEIGHT = 50
_MOST_OF_SHARES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreads:
    """What stored runs say of how metrics scatter.

    ``values`` are the values of one metric in each run, by (cell, metric), without what sets one
    prompt apart from another: pairs are of one prompt. ``rates`` are shares by (cell, metric).
    """

    values: Mapping[tuple[str, str], Sequence[Sequence[float]]]
    rates: Mapping[tuple[str, str], float]

    def variance(
        self, cell: str, metric: str, statistic: str, *, assumed: float | None
    ) -> tuple[float | None, bool]:
        """The pair variance (n times the variance of the log change that n pairs show).

        And whether stored runs have a say in it: what they show is drawn to what is ``assumed``, as
        if that were known from as many values as ``_WEIGHT``, so that a first small run does not
        turn an accepted policy into a refused one. Where nothing is assumed, it takes as many.
        """
        runs = self.values.get((cell, metric), ())
        found = variance_of(runs, check_kind(metric, statistic), better=CATALOGUE[metric].better)
        count = sum(map(len, runs))
        if found is None or (assumed is None and count < _WEIGHT):
            return assumed, False
        if assumed is None:
            return found, True
        return (_WEIGHT * assumed + count * found) / (_WEIGHT + count), True


UNKNOWN: Final = Spreads(values={}, rates={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A relative rule in a cell of a plan, and what its chances follow from.

    ``variance`` is ``None`` where nobody knows how widely the metric scatters; for a share it is
    not needed. ``known_from`` says whence it is known. ``family``: how many checks it shares its
    error budget with.
    """

    rule: Rule
    cell: CellPlan
    kind: TargetKind
    margin: float
    margin_from: str
    family: int
    alpha: float
    runs: int
    variance: float | None
    rate: float
    known_from: str

    @property
    def is_share(self) -> bool:
        """Whether it compares shares of all requests, whose margins are added shares."""
        return check_kind(self.rule.metric, self.rule.statistic) == "error_rate"

    @property
    def fewest(self) -> int:
        """The fewest pairs of blocks with which it can fail; 0 where it is not tested on blocks."""
        duet = self.cell.duet
        blocks = duet is not None and duet.block_requests > 0
        return fewest_blocks(max(1, self.family), self.alpha) if blocks else 0

    @property
    def change(self) -> float:
        """What the rule must find: twice its margin, of times and tokens a fifth at least."""
        return 2 * self.margin if self.is_share else max(2 * self.margin, LEAST_CHANGE)

    @property
    def trial(self) -> Trial:
        """The rule's test as the plan has it; it says something only where ``known_from`` does."""
        cell, duet = self.cell, self.cell.duet
        if duet is not None:
            return self.against_control(tuple((look.pairs, look.share) for look in duet.looks))
        return HistoryTrial(
            kind=check_kind(self.rule.metric, self.rule.statistic),
            run_sd=prior_sd(self.rule.metric, self.kind),
            variance=self.variance or 0.0,
            n=cell.n,
            runs=self.runs,
            family=self.family,
            alpha=self.alpha,
        )

    def against_control(self, taken: Looks) -> Trial:
        """The rule's test on pairs, with these looks."""
        if self.is_share:
            return RateTrial(rate=self.rate, looks=taken, family=self.family, alpha=self.alpha)
        return DuetTrial(
            kind=check_kind(self.rule.metric, self.rule.statistic),
            variance=self.variance or 0.0,
            looks=taken,
            family=self.family,
            alpha=self.alpha,
        )


def asked(
    plan: Plan, kinds: Mapping[str, TargetKind], spreads: Spreads = UNKNOWN
) -> Iterable[Asked]:
    """The relative rules of the cells that are measured, in the policy's order.

    Left out are rules that are new in the head, and cells that have lost their control.

    Args:
        plan: the plan.
        kinds: of the targets, by key.
        spreads: what stored runs say.
    """
    policy = plan.policy
    sizes: dict[Severity, int] = {
        severity: family(policy, severity, cells=plan.cells) for severity in ("fail", "warn")
    }
    for rule, cell in _relative(plan):
        if cell.unpaired or rule.new_in_head:
            continue
        if is_asked(rule, cell, history=policy.baseline.compare != "none"):
            kind = kinds[cell.target]
            found = _asked(policy, rule, cell, kind, spreads, sizes[rule.severity])
            if found is not None:
                yield found


def only_in_pairs(plan: Plan) -> Iterable[tuple[Rule, CellPlan]]:
    """Relative rules that this plan does not ask, since only pairs could answer, and their cells.

    Rules that are new in the head are left out, and cells that have lost their control.
    """
    for rule, cell in _relative(plan):
        alone = cell.duet is None and not cell.unpaired and not rule.new_in_head
        if alone and not compares(rule.metric, "history"):
            yield rule, cell


def _relative(plan: Plan) -> Iterable[tuple[Rule, CellPlan]]:
    """The relative rules in the cells that are measured, in the policy's order."""
    cells = {cell.cell: cell for cell in plan.cells if cell.n}
    for scenario in plan.policy.scenarios.values():
        for rule in scenario.rules:
            for target in rule.targets:
                cell = cells.get(f"{scenario.key}/{target}")
                if cell is not None and rule.relative:
                    yield rule, cell


def _asked(
    policy: Policy,
    rule: Rule,
    cell: CellPlan,
    kind: TargetKind,
    spreads: Spreads,
    size: int,
) -> Asked | None:
    """The rule in this cell; ``None`` where it has no margin there."""
    margin, whose = margin_of(rule, "history" if cell.duet is None else "duet", kind)
    if margin is None:
        return None
    variance, stored = spreads.variance(
        cell.cell,
        rule.metric,
        rule.statistic,
        assumed=pair_variance(rule.metric, rule.statistic, kind),
    )
    rate = spreads.rates.get((cell.cell, rule.metric))
    known = stored or rate is not None
    share = check_kind(rule.metric, rule.statistic) == "error_rate"
    if cell.duet and cell.duet.block_requests:
        # One number for each block: nobody knows how those scatter.
        variance, known, share = None, False, False
    return Asked(
        rule=rule,
        cell=cell,
        kind=kind,
        margin=margin,
        margin_from="policy" if whose == "policy" else f"default for {kind}",
        family=size,
        alpha=1 - policy.confidence,
        runs=policy.baseline.history,
        variance=variance,
        rate=_RATE if rate is None else rate,
        known_from=(STORED if known else ASSUMED) if share or variance is not None else "",
    )


def family(
    policy: Policy, severity: Severity = "fail", *, cells: Iterable[CellPlan] | None = None
) -> int:
    """How many checks share one error budget: those that gate, or those that only warn.

    Rules that are new in the head are a family of their own, and not counted. ``cells`` are those
    of a plan; without them it is a pull request in which all that is compared has its control.
    """
    planned = None if cells is None else {cell.cell: cell for cell in cells}
    history = policy.baseline.compare != "none"

    def relative(rule: Rule, cell: str) -> bool:
        if planned is None:
            return rule.relative
        return is_asked(rule, planned.get(cell), history=history)

    return sum(
        (rule.max is not None) + (rule.min is not None) + relative(rule, f"{scenario.key}/{target}")
        for scenario in policy.scenarios.values()
        for rule in scenario.rules
        for target in rule.targets
        if rule.severity == severity and not rule.new_in_head
    )


def finds(question: Asked) -> float | None:
    """The chance that the rule finds what it must; ``None`` where that is not known.

    Of blocks nobody knows how they scatter, but with too few of them nothing is ever found.
    """
    if question.cell.n < question.fewest:
        return 0.0
    if not question.known_from:
        return None
    return question.trial.odds(question.margin, question.change).fails


def is_undecidable(question: Asked) -> bool:
    """Whether a gating rule with a margin above 0 would mostly decide nothing."""
    rule, chance = question.rule, finds(question)
    return (
        rule.severity == "fail"
        and question.margin > 0
        and not rule.may_be_inconclusive
        and chance is not None
        and chance < EVEN
    )


def sight(question: Asked, *, refused: bool) -> Sight:
    """All that can be said of a rule; ``refused``: rules of its mode are, where undecidable."""
    cell, rule = question.cell, question.rule
    known, duet, trial = bool(question.known_from), cell.duet, question.trial
    unit = "requests" if duet is None else "pairs"
    return Sight(
        rule=rule.id,
        scenario=cell.scenario,
        target=cell.target,
        metric=rule.metric,
        statistic=rule.statistic,
        gating=rule.severity == "fail",
        mode="history" if duet is None else "duet",
        n=cell.n,
        unit="pairs of blocks" if duet and duet.block_requests else unit,
        set_by=cell.limited_by or "samples.max",
        margin=question.margin,
        margin_from=question.margin_from,
        change=question.change,
        finds=finds(question),
        passes=trial.odds(question.margin, 0.0).passes if known else None,
        smallest_margin=deciding_margin(trial) if known else None,
        smallest_change=shown_change(trial, question.margin) if known else None,
        known_from=question.known_from,
        requests=requests_of(cell),
        usd=(cell.expected_usd + (duet.expected_usd if duet else Decimal(0))) * requests(cell),
        runs=question.runs if duet is None else 0,
        undecidable=refused and is_undecidable(question),
        fewest=question.fewest,
    )


def pairs_to_decide(question: Asked) -> int | None:
    """N in pairs at which the rule would find what it must; ``None``: none that is ever sent.

    Shares are not asked beyond ``_MOST_OF_SHARES``, since their odds are sums over counts.
    """
    least = question.cell.min_n

    def at_size(n: int) -> Trial:
        return question.against_control(looks(n, least))

    margin, change = question.margin, question.change
    if question.is_share:
        most = at_size(max(least, _MOST_OF_SHARES)).odds(margin, change).fails
        if most < EVEN:
            return None
    return pairs_needed(at_size, margin, change, least=least, found=EVEN)

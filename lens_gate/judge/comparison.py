"""From a run and the stored runs before it to checks, and from their verdicts to rows.

A rule has one check for each limit in each of its cells. The family of the gating checks is counted
from the policy alone, so that a cell without data does not make the others' tests easier.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lens_gate.judge.decide import decide
from lens_gate.metrics.arms import head_arm, stored_arm, without_value
from lens_gate.metrics.catalogue import (
    CATALOGUE,
    TargetKind,
    check_kind,
    default_drift,
    prior_sd,
)
from lens_gate.metrics.cold_start import cold_arms
from lens_gate.metrics.window import window_arm
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Arm, Check, Verdict
from lens_gate.records.policy import Policy, Rule, Scenario
from lens_gate.records.report import Row
from lens_gate.records.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class CellData:
    """What there is to judge a cell by.

    ``samples`` are the head's measured requests, ``warmup`` those before them. ``stored`` are the
    comparable runs, oldest first. ``incomparable`` says why stored runs that exist do not compare.
    ``starved`` says what ended the cell before its first allowed look (fewer requests than
    ``samples.min``), or is empty.
    """

    kind: TargetKind
    samples: Sequence[Sample]
    stored: Sequence[Baseline]
    incomparable: str
    starved: str
    warmup: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A row to be, its check, and the family that it shares its error budget with.

    Rules that are new in the head are a family of their own: however many a head adds, the trusted
    rules stay as easy to fail as they were.
    """

    row: Row
    check: Check | None
    family: Literal["gating", "warning", "new"] = "gating"


def judge_run(
    policy: Policy, cells: Mapping[str, CellData], *, relative: bool, seed: int
) -> tuple[Row, ...]:
    """The rows of every rule of the policy, in its order.

    ``cells`` is by ``scenario/target``; a cell that is not there was not measured. ``relative``
    is whether limits against history apply (``compare`` is not ``none``).
    """
    questions = [
        replace(question, family=_family(rule))
        for scenario in policy.scenarios.values()
        for rule in scenario.rules
        for target in rule.targets
        for question in _questions(
            scenario, rule, target, cells.get(f"{scenario.key}/{target}"), relative=relative
        )
    ]
    verdicts: dict[str, Verdict] = {}
    for kind in ("gating", "warning", "new"):
        family = [q for q in questions if q.family == kind]
        checks = [q.check for q in family if q.check is not None]
        for verdict in decide(
            checks, confidence=policy.confidence, family=max(1, len(family)), seed=seed
        ):
            verdicts[verdict.id] = verdict
    return tuple(
        replace(q.row, verdict=verdicts[q.check.id]) if q.check else q.row for q in questions
    )


def _family(rule: Rule) -> Literal["gating", "warning", "new"]:
    if rule.severity == "warn":
        return "warning"
    return "new" if rule.new_in_head else "gating"


def family_size(rows: Iterable[Row], policy: Policy) -> int:
    """G: how many gating checks of the trusted policy share the error budget."""
    return sum(row.gating and row.place.file == policy.file for row in rows)


def _questions(
    scenario: Scenario, rule: Rule, target: str, data: CellData | None, *, relative: bool
) -> Iterable[_Question]:
    if rule.max is not None:
        yield _absolute(scenario, rule, target, data, rule.max, "max")
    if rule.min is not None:
        yield _absolute(scenario, rule, target, data, rule.min, "min")
    if rule.relative and relative:
        yield _relative(scenario, rule, target, data)


def _absolute(  # a limit in a cell is named by all of these
    scenario: Scenario,
    rule: Rule,
    target: str,
    data: CellData | None,
    limit: float,
    which: Literal["max", "min"],
) -> _Question:
    row = _row(scenario, rule, target, f"absolute-{which}", kind="absolute")
    blocked = _blocked(data)
    if blocked or data is None:
        return _Question(row=_no_data(row, blocked, limit=limit), check=None)
    if missing := _missing(data.samples, rule.metric):
        return _Question(row=_no_data(row, missing, limit=limit), check=None)
    head, base = _arms(scenario, rule, data)
    check = Check(
        row.verdict.id,
        check_kind(rule.metric, rule.statistic),
        limit=limit,
        head=head,
        base=base,
        better="higher" if which == "min" else "lower",
        shown=rule.assurance == "shown",
        unit=row.unit,
        bad="missed an objective" if rule.metric == "goodput" else "failed",
    )
    return _Question(row=row, check=check)


def _arms(scenario: Scenario, rule: Rule, data: CellData) -> tuple[Arm, Arm | None]:
    """The head's side of an absolute check, and what it is shifted against where it is a shift."""
    if rule.metric == "cold_start_penalty":
        return cold_arms([*data.warmup, *data.samples])
    if CATALOGUE[rule.metric].per == "window":
        return window_arm(data.samples, rule.metric, scenario.objectives), None
    return head_arm(data.samples, rule.metric, scenario.objectives), None


def _relative(scenario: Scenario, rule: Rule, target: str, data: CellData | None) -> _Question:
    kind: Literal["relative", "new"] = "new" if rule.new_in_head else "relative"
    row = _row(scenario, rule, target, "history", kind=kind)
    blocked = _blocked(data)
    if blocked or data is None:
        return _Question(row=_no_data(row, blocked), check=None)
    if rule.new_in_head:
        reason = "new in this change: only its absolute limits apply until it is merged"
        return _Question(row=_said(row, "new", reason), check=None)
    margin = rule.max_drift
    if margin is None:
        margin = default_drift(rule.metric, rule.statistic, data.kind)
        row = replace(row, margin_from="default")
    if data.incomparable and not data.stored:
        return _Question(row=_no_data(row, data.incomparable, margin=margin), check=None)
    common = common_ids(data.samples, data.stored)
    if data.stored and not common:
        return _Question(row=_no_data(row, "no common prompts", margin=margin), check=None)
    samples = [s for s in data.samples if not data.stored or s.prompt_id in common]
    if missing := _missing(samples, rule.metric):
        return _Question(row=_no_data(row, missing, margin=margin), check=None)
    check = Check(
        row.verdict.id,
        check_kind(rule.metric, rule.statistic),
        margin=margin,
        head=head_arm(samples, rule.metric, scenario.objectives),
        base=[stored_arm(b, rule.metric, scenario.objectives, prompts=common) for b in data.stored],
        run_sd=prior_sd(rule.metric, data.kind),
        better=CATALOGUE[rule.metric].better,
        unit=row.unit,
    )
    return _Question(row=row, check=check)


def common_ids(samples: Sequence[Sample], stored: Sequence[Baseline]) -> frozenset[str]:
    """Prompt ids that the head and at least one stored run sent."""
    before = {prompt_id for baseline in stored for prompt_id in baseline.prompt_ids}
    return frozenset(before & {sample.prompt_id for sample in samples})


def _missing(samples: Sequence[Sample], metric: str) -> str:
    """Why no request has this metric though all succeeded, or nothing."""
    per = CATALOGUE[metric].per
    if per != "request" and (metric != "throughput" or any(map(_has_usage, samples))):
        return ""
    if per == "request" and without_value(samples, metric) < len(samples):
        return ""
    none = f"none of the {len(samples)} measured requests has a value"
    if metric == "connect":
        return f"{none}: all connections were open already"
    if metric in ("ttft_scheduled", "e2e_scheduled"):
        return f"{none}: the load has no schedule, or none succeeded"
    if not any(map(_has_usage, samples)):
        return f"{none}: no answer reported usage"
    return none


def _has_usage(sample: Sample) -> bool:
    return sample.usage is not None and sample.usage.source == "provider"


def _blocked(data: CellData | None) -> str:
    if data is None:
        return "this cell was not measured"
    if data.starved:
        return data.starved
    return "" if data.samples else "no request was measured"


def _row(
    scenario: Scenario,
    rule: Rule,
    target: str,
    limit: str,
    *,
    kind: Literal["relative", "absolute", "new"],
) -> Row:
    metric = CATALOGUE[rule.metric]
    nothing = Verdict(
        id=f"{scenario.key}/{target}/{rule.id}/{limit}",
        verdict="no_data",
        estimate=None,
        low=None,
        high=None,
        n=0,
        reason="",
    )
    return Row(
        rule=rule.id,
        scenario=scenario.key,
        target=target,
        metric=rule.metric,
        statistic=rule.statistic,
        unit=metric.unit,
        better=metric.better,
        gating=rule.severity == "fail",
        kind=kind,
        verdict=nothing,
        margin_from="policy" if kind == "relative" else "",
        policy_line="",
        place=rule.place,
    )


def _no_data(
    row: Row, reason: str, *, margin: float | None = None, limit: float | None = None
) -> Row:
    row = _said(row, "no_data", reason)
    return replace(row, verdict=replace(row.verdict, margin=margin, limit=limit))


def _said(row: Row, verdict: Literal["no_data", "new"], reason: str) -> Row:
    return replace(row, verdict=replace(row.verdict, verdict=verdict, reason=reason))

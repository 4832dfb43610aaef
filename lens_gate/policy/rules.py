"""Rules: one limit, or several, on a statistic of a metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from lens_gate.judge.evidence import minimum
from lens_gate.metrics.catalogue import (
    ABSOLUTE_ONLY,
    CATALOGUE,
    Metric,
    TargetKind,
    by_blocks,
    check_kind,
    default_drift,
    default_margin,
    split_metric,
)
from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.literal_secrets import brief, escaped, shown
from lens_gate.policy.modes import DUET, HISTORY, RelativeMode
from lens_gate.policy.node import Entry, Node, entries, field, items
from lens_gate.policy.read import one_of, share, text, truth
from lens_gate.records.policy import Assurance, Compare, Connection, Rule, Severity
from lens_gate.units import parse_duration

_SEVERITY: dict[str, Severity] = {"fail": "fail", "warn": "warn"}
_ASSURANCE: dict[str, Assurance] = {"point": "point", "shown": "shown"}
_LARGEST = 10**12
_MARGINS: dict[RelativeMode, str] = {DUET: "max_regression", HISTORY: "max_drift"}
_SUCH_AS: dict[RelativeMode, str] = {DUET: "20%", HISTORY: "100%"}
_WAYS: dict[RelativeMode, str] = {DUET: "in a duet", HISTORY: "against stored runs"}

STREAM_ONLY = frozenset(
    {"ttft", "ttft_scheduled", "ttfr", "itl", "tpot", "chunk_gap_max", "output_tps"}
)
"""Metrics of the moments at which an answer's parts arrive: in one piece there are none."""
OPEN_ONLY = frozenset({"ttft_scheduled", "e2e_scheduled"})
"""Metrics from the moment for which a request was scheduled: a closed loop has no schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a rule has to know of its scenario and policy.

    ``kinds`` has the kind of each target of the scenario whose provider is known, ``modes`` the
    ways in which a relative rule may be judged there. ``most`` is how many requests a cell has at
    most; ``is_open``: its load has a schedule.
    """

    targets: tuple[str, ...]
    kinds: Mapping[str, TargetKind]
    most: int
    objectives: Mapping[str, float]
    modes: Mapping[str, tuple[RelativeMode, ...]]
    compare: Compare
    pattern: str
    is_open: bool
    connection: Connection
    stream: bool


def build_rules(node: Node | None, around: Surroundings, findings: Findings) -> tuple[Rule, ...]:
    """The rules of a scenario, each with an id of its own."""
    rules: list[Rule] = []
    first: dict[str, Node] = {}
    for item in items(node):
        if not findings.fine(item) or "metric" not in entries(item):
            continue
        rule = _rule(item, around, findings)
        if rule is None:
            continue
        if rule.id in first:
            place = (field(item, "id") or item).place
            line = first[rule.id].place.line
            hint = f"the first stands in line {line}; give this one an id of its own"
            findings.add(place, f"two rules have the id {rule.id}", hint)
        first.setdefault(rule.id, item)
        rules.append(rule)
    return tuple(rules)


def _rule(item: Node, around: Surroundings, findings: Findings) -> Rule | None:
    named = field(item, "metric")
    if named is None or not findings.fine(named):
        return None
    try:
        name, statistic = split_metric(text(named)[:64])
    except ValueError as reason:
        findings.blame(named, *_metric_problem(str(reason)))
        return None
    metric = CATALOGUE[name]
    targets = _targets(field(item, "targets"), around, findings)
    regression, drift = field(item, "max_regression"), field(item, "max_drift")
    upper, lower = (_limit(item, key, metric, findings) for key in ("max", "min"))
    absolute = "max" in entries(item) or "min" in entries(item)
    relative = regression is not None or drift is not None or not absolute
    rule = Rule(
        id=text(field(item, "id")) or "-".join(filter(None, (name.replace("_", "-"), statistic))),
        metric=name,
        statistic=statistic,
        relative=relative,
        max_drift=None if drift is None else share(drift) or 0.0,
        max=upper,
        min=lower,
        severity=one_of(field(item, "severity"), _SEVERITY, "fail"),
        assurance=one_of(field(item, "assurance"), _ASSURANCE, "point"),
        targets=targets,
        new_in_head=False,
        place=item.place,
        max_regression=None if regression is None else share(regression) or 0.0,
        may_be_inconclusive=truth(field(item, "may_be_inconclusive"), fallback=False),
    )
    _check_relative(rule, item, around, findings)
    _check_fit(rule, item, around, findings, absolute=absolute)
    return rule


def _metric_problem(reason: str) -> tuple[str, str]:
    """Message and hint out of the catalogue's own sentence."""
    message, _, hint = reason.partition("; ")
    return escaped(message), hint


def _targets(node: Node | None, around: Surroundings, findings: Findings) -> tuple[str, ...]:
    if node is None:
        return around.targets
    chosen: list[str] = []
    for item in items(node):
        key = text(item)
        if not findings.fine(item):
            continue
        if key not in around.targets:
            hint = did_you_mean(key, around.targets, what="targets of the scenario")
            findings.blame(item, f"the scenario has no target {shown(key)}", hint)
        elif key in chosen:
            findings.blame(item, f"the target {brief(key)} is listed twice", "keep one of them")
        else:
            chosen.append(key)
    return tuple(chosen)


def _limit(item: Node, key: str, metric: Metric, findings: Findings) -> float | None:
    """An absolute limit in the metric's unit."""
    node = field(item, key)
    if node is None or not findings.fine(node):
        return None
    other = "min" if metric.better == "higher" else "max"
    if key != other and metric.unit != "tokens":
        side = "more" if metric.better == "higher" else "less"
        hint = f"write {other}"
        findings.blame(node, f"of {metric.name} {side} is better: its limit is {other}", hint)
        return None
    try:
        value = _quantity(node, metric)
    except ValueError as reason:
        findings.blame(node, f"{key} of {metric.name} {reason}", _example(node, metric))
        return None
    if value > _LARGEST or (value <= 0 and metric.unit != "share"):
        findings.blame(node, f"{key} of {metric.name} must be above zero, and of use")
        return None
    return value


def _quantity(node: Node, metric: Metric) -> float:
    if metric.unit == "s":
        try:
            return parse_duration(text(node))
        except ValueError:
            raise ValueError(f"must be a duration, not {shown(node.value)}") from None
    if metric.unit == "share":
        value = share(node)
        if value is None or value > 1:
            raise ValueError(f"must be a share from 0% to 100%, not {shown(node.value)}")
        return value
    if isinstance(node.value, bool) or not isinstance(node.value, int | Decimal):
        raise ValueError(f"must be a number ({metric.unit}), not {shown(node.value)}")
    return float(node.value)


def _example(node: Node, metric: Metric) -> str:
    value = node.value
    if metric.unit == "s":
        return f"add the unit: {value}s" if isinstance(value, int | Decimal) else "such as 1.5s"
    if metric.unit == "share":
        return "such as 2%"
    return "such as 0.002, in US dollars" if metric.unit == "usd" else "such as 200"


def _check_relative(rule: Rule, item: Node, around: Surroundings, findings: Findings) -> None:
    """A relative limit needs something to be relative to, and a margin."""
    if not rule.relative:
        return
    given = [key for key in _MARGINS.values() if key in entries(item)]
    where = entries(item)[given[0]].place if given else item.place
    name = f"{rule.metric}.{rule.statistic}" if rule.statistic else rule.metric
    own = "min" if CATALOGUE[rule.metric].better == "higher" else "max"
    if rule.statistic in ABSOLUTE_ONLY:
        hint = f"remove {' and '.join(given)} and give {own}" if given else f"give {own}, or p99"
        findings.add(where, f"{name} takes an absolute limit only", hint)
    elif around.pattern == "sweep":
        hint = f"give {own}, or gate a load of one rate"
        findings.add(where, f"a sweep describes: {name} can't be compared in it", hint)
    elif around.compare == "none":
        what = given[0] if given else "a rule without max or min"
        hint = f"give {own}, or let baseline.compare be auto"
        findings.add(where, f"{what} compares, and baseline.compare is none", hint)
    elif not CATALOGUE[rule.metric].statistics:
        _check_whole(rule, item, around, findings)
    else:
        _check_margins(rule, item, around, findings)


def _check_whole(rule: Rule, item: Node, around: Surroundings, findings: Findings) -> None:
    """What no single request has: stored runs have one number of it, or none, a duet its pairs."""
    own = "min" if CATALOGUE[rule.metric].better == "higher" else "max"
    drift = entries(item).get("max_drift")
    in_duet = any(DUET in around.modes.get(target, ()) for target in rule.targets)
    whole = ": it is one number for a whole run" * by_blocks(rule.metric)
    if drift is not None or not in_duet:
        where = drift or entries(item).get("max_regression")
        hint = f"give max_regression, for a duet, or {own}" if in_duet else f"give {own}"
        message = f"{rule.metric} has no comparison with stored runs{whole}"
        findings.add(where.place if where else item.place, message, hint)
    elif rule.max_regression is None:
        message = f"a gate without a limit: {rule.metric} has no default margin"
        hint = f"add max_regression, such as 10%, for a duet, or {own}"
        findings.add(item.place, message, hint)


def _check_margins(rule: Rule, item: Node, around: Surroundings, findings: Findings) -> None:
    """A margin for each way in which the rule may be judged, or at least one that it names.

    The margin that a rule names stands in for the other one where that has no default; a rule that
    names none is meant for all ways.
    """
    named = {DUET: rule.max_regression is not None, HISTORY: rule.max_drift is not None}
    lacking: dict[RelativeMode, None] = {}
    for target in rule.targets:
        modes = around.modes.get(target, ())
        if target not in around.kinds or any(named[mode] for mode in modes):
            continue
        for mode in modes:
            default = default_margin if mode == DUET else default_drift
            if default(rule.metric, rule.statistic, around.kinds[target]) is None:
                lacking[mode] = None
    if lacking:
        name = f"{rule.metric}.{rule.statistic}"
        own = "min" if CATALOGUE[rule.metric].better == "higher" else "max"
        keys = " and ".join(f"{_MARGINS[mode]}, such as {_SUCH_AS[mode]}," for mode in lacking)
        ways = " or ".join(_WAYS[mode] for mode in lacking)
        message = f"a gate without a limit: {name} has no default margin {ways}"
        findings.add(item.place, message, f"add {keys} or {own}")


def _check_words(rule: Rule, item: Node, findings: Findings, *, absolute: bool) -> None:
    """Words that concern one of the two sorts of limits, beside none of that sort."""
    if rule.may_be_inconclusive and not rule.relative:
        place = entries(item)["may_be_inconclusive"].place
        message = "may_be_inconclusive concerns relative limits only"
        findings.add(place, message, "remove it: an absolute limit is never refused")
    if rule.assurance == "shown" and not absolute:
        place = entries(item)["assurance"].place
        findings.add(place, "assurance concerns absolute limits only", "remove it, or give max")


def _check_fit(
    rule: Rule, item: Node, around: Surroundings, findings: Findings, *, absolute: bool
) -> None:
    """The rule against the scenario's samples and objectives, and its own parts."""
    metric: Entry = entries(item)["metric"]
    if rule.metric in STREAM_ONLY and not around.stream:
        hint = "gate e2e or ttfb, or let stream be true"
        message = f"{rule.metric} needs a stream: with stream: false the answer comes in one piece"
        findings.add(metric.place, message, hint)
    if rule.metric == "connect" and around.connection == "warm" and rule.severity == "fail":
        hint = "add connection: cold to the scenario, or set severity: warn"
        message = "connect is of new connections only, and the scenario keeps them open"
        findings.add(metric.place, message, hint)
    if rule.metric == "cold_start_penalty" and around.connection == "warm":
        hint = "add connection: cold to the scenario, and samples.warmup of 9 or more"
        message = "cold_start_penalty needs new connections, and the scenario keeps them open"
        findings.add(metric.place, message, hint)
    if rule.metric in OPEN_ONLY and not around.is_open:
        hint = f"gate {rule.metric.removesuffix('_scheduled')}, or take an open load"
        message = f"{rule.metric} counts from the schedule, and a closed loop has none"
        findings.add(metric.place, message, hint)
    if rule.metric in ("goodput", "goodput_rps") and not around.objectives:
        hint = "add objectives to the scenario, such as {ttft: 1s}"
        findings.add(metric.place, f"{rule.metric} without objectives", hint)
    _check_words(rule, item, findings, absolute=absolute)
    if rule.max is not None and rule.min is not None and rule.min > rule.max:
        findings.add(entries(item)["min"].place, "min is above max")
    if rule.severity != "fail" or rule.statistic == "max":
        return
    need = minimum(check_kind(rule.metric, rule.statistic))
    if around.most < need:
        word = rule.statistic or rule.metric
        findings.add(
            metric.place,
            f"{word} can't decide with fewer than {need} samples; samples.max is {around.most}",
            f"raise samples.max to {need} or more, or set severity: warn",
        )

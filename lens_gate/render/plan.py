"""A plan as plain text: what would be sent, what it may cost, and what each rule is held to."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from lens_gate.load.wording import ending_words, load_words
from lens_gate.metrics.catalogue import CATALOGUE, TargetKind, default_drift
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Rule
from lens_gate.render.escape import one_line
from lens_gate.render.figures import metric_title, value
from lens_gate.render.grid import plain_grid
from lens_gate.units import format_duration, format_share, format_usd


def plan_text(
    plan: Plan,
    *,
    worst: Decimal,
    expected: Decimal,
    duration_s: float,
    stored: Mapping[str, int],
    kinds: Mapping[str, TargetKind],
    apart: Mapping[str, Sequence[str]],
) -> str:
    """The plan for a person.

    ``stored`` is the number of comparable stored runs by cell, ``kinds`` the kind of each target,
    ``apart`` what sets a cell's other stored runs apart, in words.
    """
    requests = sum(cell.n + cell.warmup for cell in plan.cells)
    budget = plan.budget
    lines = [
        f"{one_line(plan.policy.name)} ({one_line(plan.policy.file)})",
        "",
        _cells(plan.cells, stored),
        "",
        *_by_text("load", "cell", _loads(plan)),
        *_by_text("times known from", "cell", _times(plan.cells)),
        *_by_text("price", "target", _prices(plan.cells)),
        "",
        _rules(plan, kinds),
        *_unstored(plan, stored, apart),
        "",
        f"requests   {requests} of at most {budget.max_requests}, warm-up included",
        (
            f"cost       {format_usd(expected)} expected, {format_usd(worst)} at worst, "
            f"cap {format_usd(budget.max_usd or Decimal(0))}"
        ),
        (
            f"time       {format_duration(duration_s)} expected, "
            f"cap {format_duration(budget.max_duration_s or 0.0)}"
        ),
        (
            f"errors     unchanged builds: at most {format_share(1 - plan.policy.confidence)} "
            "for each policy; a real change no larger than its margin: at most 5 % for each check"
        ),
        *(f"warning    {one_line(text, 300)}" for text in plan.warnings),
        "",
        "nothing was sent",
    ]
    return "\n".join(lines)


def _cells(cells: Sequence[CellPlan], stored: Mapping[str, int]) -> str:
    body = [
        [
            one_line(cell.cell),
            f"{cell.n} + {cell.warmup}",
            one_line(cell.limited_by) or "samples.max",
            cell.concurrency,
            f"{format_usd(cell.expected_usd)} / {format_usd(cell.worst_usd)}",
            format_duration(cell.expected_s),
            stored.get(cell.cell, 0),
        ]
        for cell in cells
    ]
    headers = (
        "cell",
        "requests + warm-up",
        "set by",
        "at once",
        "each: expected / worst",
        "takes",
        "stored runs",
    )
    return plain_grid(headers, body)


def _times(cells: Sequence[CellPlan]) -> Mapping[str, str]:
    return {cell.cell: cell.expected_from for cell in cells}


def _loads(plan: Plan) -> Mapping[str, str]:
    """How each cell's requests are offered, over which connections, past which cache."""
    found = {}
    for cell in plan.cells:
        scenario = plan.policy.scenarios[cell.scenario]
        parts = (
            ", ".join(filter(None, (load_words(scenario.load), ending_words(scenario.load)))),
            f"prompt cache {scenario.cache}",
            "connections kept open" if scenario.connection == "warm" else "a connection for each",
            "" if scenario.stream else "answers in one piece",
        )
        found[cell.cell] = "; ".join(filter(None, parts))
    return found


def _prices(cells: Sequence[CellPlan]) -> Mapping[str, str]:
    return {cell.target: cell.prices.source for cell in cells}


def _by_text(title: str, kind: str, texts: Mapping[str, str]) -> Iterable[str]:
    """A line for each different text; which cells or targets have it, where there are several."""
    names: dict[str, list[str]] = {}
    for name, text in texts.items():
        names.setdefault(one_line(text, 300), []).append(one_line(name))
    for text, same in names.items():
        whose = f" ({kind} {', '.join(same)})" if len(names) > 1 else ""
        yield f"{title}{whose}: {text}"


def _rules(plan: Plan, kinds: Mapping[str, TargetKind]) -> str:
    body = [
        [
            metric_title(rule.metric, rule.statistic),
            one_line(f"{scenario.key}/{target}"),
            _limits(rule, kinds[target]),
            "gate" if rule.severity == "fail" else "warn only",
            one_line(f"{rule.place.file}:{rule.place.line}"),
        ]
        for scenario in plan.policy.scenarios.values()
        for rule in scenario.rules
        for target in rule.targets
    ]
    return plain_grid(("rule", "cell", "allowed", "severity", "where"), body)


def _limits(rule: Rule, kind: TargetKind) -> str:
    unit = CATALOGUE[rule.metric].unit
    parts = []
    if rule.max is not None:
        parts.append(f"at most {value(rule.max, unit)}")
    if rule.min is not None:
        parts.append(f"at least {value(rule.min, unit)}")
    if rule.relative:
        margin, mark = rule.max_drift, ""
        if margin is None:
            margin, mark = default_drift(rule.metric, rule.statistic, kind), " (default)"
        # A rule without a margin of its own or of the house is refused with the policy.
        share = format_share(margin or 0.0)
        # Rates are compared by their difference.
        size = share if rule.statistic else f"{share[:-2]} points"
        parts.append(f"at most {size} worse than its history{mark}")
    return ", ".join(parts)


def _unstored(
    plan: Plan, stored: Mapping[str, int], apart: Mapping[str, Sequence[str]]
) -> Iterable[str]:
    """Cells whose relative rules can't be decided yet."""
    bare = [
        f"{scenario.key}/{target}"
        for scenario in plan.policy.scenarios.values()
        for target in dict.fromkeys(t for r in scenario.rules if r.relative for t in r.targets)
        if not stored.get(f"{scenario.key}/{target}")
    ]
    if bare:
        yield ""
    if none := [cell for cell in bare if not apart.get(cell)]:
        yield (
            f"no stored run yet of {', '.join(map(one_line, none))}: what is compared with history "
            "stays inconclusive until one is stored"
        )
    for cell in bare:
        if apart.get(cell):
            yield (
                f"no stored run of {one_line(cell)} compares ({one_line('; '.join(apart[cell]))}): "
                "what is compared with history has no data until one is stored"
            )

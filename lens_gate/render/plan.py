"""A plan as plain text: what would be sent, what it may cost, and what each rule is held to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lens_gate.load.wording import ending_words, load_words
from lens_gate.metrics.catalogue import CATALOGUE, TargetKind, check_kind
from lens_gate.metrics.margins import Base, compares, margin_of
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Rule
from lens_gate.records.sight import Sight
from lens_gate.render.escape import one_line
from lens_gate.render.figures import metric_title, value
from lens_gate.render.grid import plain_grid
from lens_gate.render.power import sights_text
from lens_gate.units import format_duration, format_share, format_usd

_MOST_IDS = 5
_MARK = "*"
_DEFAULT = "* the default margin for this kind of target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a plan comes to: requests of all arms and dollars, expected and at worst; seconds."""

    requests: int
    expected: Decimal
    worst: Decimal
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, what it comes to, and what its relative rules can see."""

    plan: Plan
    costs: Costs
    sights: Sequence[Sight] = ()


def plan_text(
    planned: Planned,
    *,
    why: str,
    stored: Mapping[str, int],
    kinds: Mapping[str, TargetKind],
    apart: Mapping[str, Sequence[str]],
    pulled: Planned | None = None,
) -> str:
    """The plan for a person, and that of a pull request where it is another one.

    ``why`` says how a run at this place compares, ``stored`` is the number of comparable stored
    runs by cell, ``kinds`` the kind of each target, ``apart`` what sets a cell's other stored runs
    apart, in words.
    """
    plan = planned.plan
    lines = [
        f"{one_line(plan.policy.name)} ({one_line(plan.policy.file)})",
        "",
        f"here: {one_line(why, 300)}",
        _cells(plan.cells, stored),
        "",
        *_by_text("load", "cell", _loads(plan)),
        *_by_text("times known from", "cell", _times(plan.cells)),
        *_by_text("price", "target", _prices(plan.cells)),
        *_left_out(plan.cells),
        "",
        _rules(plan, kinds),
        *_seen(planned.sights),
        *_unstored(plan, stored, apart),
        "",
        *_sums(planned),
    ]
    if pulled is not None:
        lines += [
            "",
            "in a pull request that changes what is sent: both arms, pair by pair",
            _cells(pulled.plan.cells, stored),
            *_seen(pulled.sights),
            "",
            *_sums(pulled),
        ]
    both = (planned.plan.warnings, pulled.plan.warnings if pulled else ())
    warnings = dict.fromkeys(text for some in both for text in some)
    return "\n".join(
        [
            *lines,
            "",
            _error_rates(plan),
            *(f"warning    {one_line(text, 300)}" for text in warnings),
            "",
            "nothing was sent",
        ]
    )


def _sums(planned: Planned) -> Iterable[str]:
    costs, budget = planned.costs, planned.plan.budget
    early = ", fewer where a duet is decided early" if planned.plan.control else ""
    yield (f"requests   {costs.requests} of at most {budget.max_requests}, warm-up included{early}")
    yield (
        f"cost       {format_usd(costs.expected)} expected, {format_usd(costs.worst)} at worst, "
        f"cap {format_usd(budget.max_usd or Decimal(0))}"
    )
    yield (
        f"time       {format_duration(costs.duration_s)} expected, "
        f"cap {format_duration(budget.max_duration_s or 0.0)}"
    )


def _error_rates(plan: Plan) -> str:
    return (
        f"errors     unchanged builds: at most {format_share(1 - plan.policy.confidence)} "
        "for each policy; a real change no larger than its margin: at most 5 % for each check"
    )


def _seen(sights: Sequence[Sight]) -> Iterable[str]:
    if sights:
        yield ""
        yield sights_text(sights)
    fewest = {f"{sight.scenario}/{sight.target}": sight.fewest for sight in sights if sight.fewest}
    for cell, blocks in fewest.items():
        yield f"{one_line(cell)}: fewer than {blocks} pairs of blocks can't fail a rule"


def _cells(cells: Sequence[CellPlan], stored: Mapping[str, int]) -> str:
    body = [
        [
            one_line(cell.cell),
            _size(cell),
            one_line(cell.limited_by) or "samples.max",
            cell.concurrency,
            *_each(cell),
            stored.get(cell.cell, 0),
        ]
        for cell in cells
    ]
    headers = (
        "cell",
        "N + warm-up",
        "set by",
        "at once",
        "each: expected / worst",
        "takes",
        "stored runs",
    )
    return plain_grid(headers, body)


def _size(cell: CellPlan) -> str:
    """``40 + 2 requests``, ``60 + 9 pairs``, ``8 x 100 + 9 pairs in blocks of 20 s``.

    ``8 x 100 (to 160)`` where a closed block goes on with so many if they are answered in its time.
    """
    duet = cell.duet
    if duet is None:
        return f"{cell.n} + {cell.warmup} requests"
    confirm = f" + {duet.confirm} to confirm" if duet.confirm else ""
    if not duet.block_requests:
        return f"{cell.n} + {cell.warmup}{confirm} pairs"
    blocks = f"in blocks of {format_duration(duet.block_s)}"
    most = f" (to {duet.block_requests + duet.block_more})" if duet.block_more else ""
    return f"{cell.n} x {duet.block_requests}{most} + {cell.warmup}{confirm} pairs {blocks}"


def _each(cell: CellPlan) -> tuple[str, str]:
    """What a request costs and how long it takes, in a duet one of each arm after the other."""
    arms = (cell,) if cell.duet is None else (cell, cell.duet)
    expected = sum((arm.expected_usd for arm in arms), Decimal(0))
    worst = sum((arm.worst_usd for arm in arms), Decimal(0))
    seconds = sum(arm.expected_s for arm in arms)
    return f"{format_usd(expected)} / {format_usd(worst)}", format_duration(seconds)


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
    found = {}
    for cell in cells:
        found[cell.target] = cell.prices.source
        if cell.duet is not None:
            found[f"control of {cell.target}"] = cell.duet.prices.source
    return found


def _left_out(cells: Sequence[CellPlan]) -> Iterable[str]:
    """Prompts that only one arm has, and that are not sent."""
    for cell in cells:
        sides = (
            {"head": cell.duet.only_head, "control": cell.duet.only_control} if cell.duet else {}
        )
        for side, ids in sides.items():
            if ids:
                some = ", ".join(ids[:_MOST_IDS]) + (", ..." if len(ids) > _MOST_IDS else "")
                yield (
                    f"left out of {one_line(cell.cell)}: {len(ids)} prompts that only the {side} "
                    f"has ({one_line(some)})"
                )


def _by_text(title: str, kind: str, texts: Mapping[str, str]) -> Iterable[str]:
    """A line for each different text; which cells or targets have it, where there are several."""
    names: dict[str, list[str]] = {}
    for name, text in texts.items():
        names.setdefault(one_line(text, 300), []).append(one_line(name))
    for text, same in names.items():
        whose = f" ({kind} {', '.join(same)})" if len(names) > 1 else ""
        yield f"{title}{whose}: {text}"


def _bases(plan: Plan, rule: Rule, target: str) -> Iterable[Base]:
    """What the relative limit of a rule is held against: in a pull request, in other runs.

    A target that names its control is measured beside it everywhere.
    """
    beside = target in {key for key, own in plan.policy.targets.items() if own.control is not None}
    if beside or plan.policy.baseline.compare in ("auto", "interleaved"):
        yield "duet"
    if not beside and plan.policy.baseline.compare != "none" and compares(rule.metric, "history"):
        yield "history"


def _rules(plan: Plan, kinds: Mapping[str, TargetKind]) -> str:
    body = [
        [
            metric_title(rule.metric, rule.statistic),
            one_line(f"{scenario.key}/{target}"),
            _limits(rule, kinds[target], _bases(plan, rule, target) if rule.relative else ()),
            "gate" if rule.severity == "fail" else "warn only",
            one_line(f"{rule.place.file}:{rule.place.line}"),
        ]
        for scenario in plan.policy.scenarios.values()
        for rule in scenario.rules
        for target in rule.targets
    ]
    table = plain_grid(("rule", "cell", "allowed", "severity", "where"), body)
    default = [_DEFAULT] if any(_MARK in line[2] for line in body) else []
    return "\n".join([table, *default, *_demoted(plan)])


def _demoted(plan: Plan) -> Iterable[str]:
    """Rules that gate by the policy's word, and why they only warn all the same."""
    for scenario in plan.policy.scenarios.values():
        for rule in scenario.rules:
            if rule.demoted:
                cells = ", ".join(one_line(f"{scenario.key}/{target}") for target in rule.targets)
                yield (
                    f"{one_line(rule.id)} of {cells} is demoted and only warns: "
                    f"{one_line(rule.demoted, 300)}"
                )


def _limits(rule: Rule, kind: TargetKind, bases: Iterable[Base]) -> str:
    unit = CATALOGUE[rule.metric].unit
    parts = []
    if rule.max is not None:
        parts.append(f"at most {value(rule.max, unit)}")
    if rule.min is not None:
        parts.append(f"at least {value(rule.min, unit)}")
    worse = list(filter(None, (_tolerated(rule, base, kind) for base in bases)))
    if worse:
        parts.append(f"worse by {', '.join(worse)}")
    return ", ".join(parts)


def _tolerated(rule: Rule, base: Base, kind: TargetKind) -> str:
    """``20 %* (control)``: how much worse a rule lets a metric be; nothing without such a limit."""
    allowed, whose = margin_of(rule, base, kind)
    if allowed is None:
        return ""
    share = format_share(allowed)
    # Shares of all requests are compared by their difference.
    points = check_kind(rule.metric, rule.statistic) == "error_rate"
    mark = "" if whose == "policy" else _MARK
    what = "control" if base == "duet" else "history"
    return f"{f'{share[:-2]} points' if points else share}{mark} ({what})"


def _unstored(
    plan: Plan, stored: Mapping[str, int], apart: Mapping[str, Sequence[str]]
) -> Iterable[str]:
    """Cells whose relative rules can't be decided yet: those that are held against history."""
    paired = {cell.cell for cell in plan.cells if cell.duet is not None}
    against = dict.fromkeys(
        f"{scenario.key}/{target}"
        for scenario in plan.policy.scenarios.values()
        for rule in scenario.rules
        for target in rule.targets
        if rule.relative and "history" in _bases(plan, rule, target)
    )
    bare = [cell for cell in against if cell not in paired and not stored.get(cell)]
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

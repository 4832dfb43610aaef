"""What rules can see of a change, as plain text: at the plan's spend, and at several."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from lens_gate.metrics.catalogue import check_kind
from lens_gate.records.sight import PowerReport, Sight, Spending
from lens_gate.render.escape import one_line
from lens_gate.render.figures import metric_title
from lens_gate.render.grid import plain_grid
from lens_gate.units import format_share, format_usd

_NOTHING = "-"


def sights_text(sights: Sequence[Sight]) -> str:
    """A line for each relative rule: its margin, and what it can see at the plan's N."""
    body = [
        [
            metric_title(s.metric, s.statistic),
            one_line(f"{s.scenario}/{s.target}"),
            _against(s),
            f"{_size(s, s.margin)} ({s.margin_from})",
            _finds(s),
            _chance(s.passes),
            _smallest(s),
        ]
        for s in sights
    ]
    headers = (
        "rule",
        "cell",
        "at",
        "margin",
        "finds",
        "unchanged passes",
        "smallest margin here",
    )
    return plain_grid(headers, body)


def power_text(report: PowerReport) -> str:
    """A table for each rule in each cell, with a line for each spend."""
    lines = [
        f"{one_line(report.policy)}: what its rules can see, by spend",
        (
            f"{report.checks} gating checks share a chance of "
            f"{format_share(1 - report.confidence)} that an unchanged build fails"
        ),
    ]
    lines += [f"{_spend(s)}: {s.why}" for s in report.spendings if s.why]
    for _, same in groupby(_ordered(report), key=lambda pair: _key(pair[1])):
        lines += ["", *_rule(list(same))]
    lines += [
        "",
        "finds: the chance that a build worse by so much fails. smallest margin: at which an",
        "unchanged build passes and twice the margin is found, each in half of all cases or more.",
        "smallest change: found in nine cases of ten. Above the policy's own budget samples.max",
        "grows with it. Nothing was sent.",
    ]
    return "\n".join(lines)


def _key(sight: Sight) -> tuple[str, str, str]:
    return (sight.scenario, sight.target, sight.rule)


def _ordered(report: PowerReport) -> Iterable[tuple[Spending, Sight]]:
    """Spends by rule; the rules in their own order, the spends rising."""
    every = [(spending, sight) for spending in report.spendings for sight in spending.sights]
    order = {key: i for i, key in enumerate(dict.fromkeys(_key(sight) for _, sight in every))}
    return sorted(every, key=lambda pair: (order[_key(pair[1])], pair[0].times))


def _rule(found: Sequence[tuple[Spending, Sight]]) -> Iterable[str]:
    first = found[0][1]
    gates = "" if first.gating else ", warns only"
    yield (
        f"{metric_title(first.metric, first.statistic)} of "
        f"{one_line(f'{first.scenario}/{first.target}')}: margin {_size(first, first.margin)} "
        f"({first.margin_from}){gates}"
    )
    if not first.known_from:
        yield "nobody knows how widely this metric scatters: its chances can't be told beforehand"
    body = [
        [
            _spend(spending),
            _against(s),
            s.set_by,
            _finds(s) + (", refused" if s.undecidable else ""),
            _chance(s.passes),
            _smallest(s),
            _NOTHING if s.smallest_change is None else f"+{_size(s, s.smallest_change)}",
            s.requests,
            format_usd(s.usd),
        ]
        for spending, s in found
    ]
    headers = (
        "budget",
        "N",
        "set by",
        "finds",
        "unchanged passes",
        "smallest margin",
        "smallest change",
        "requests",
        "cost",
    )
    yield plain_grid(headers, body)


def _spend(spending: Spending) -> str:
    return f"{format_usd(spending.max_usd)} (x {spending.times:g})"


def _against(sight: Sight) -> str:
    runs = f", {sight.runs} runs" if sight.runs else ""
    return f"{sight.n} {sight.unit}{runs}"


def _finds(sight: Sight) -> str:
    if sight.finds is None:
        return _NOTHING
    return f"+{_size(sight, sight.change)}: {_chance(sight.finds)}"


def _smallest(sight: Sight) -> str:
    if not sight.known_from:
        return _NOTHING
    return "none" if sight.smallest_margin is None else _size(sight, sight.smallest_margin)


def _chance(chance: float | None) -> str:
    return _NOTHING if chance is None else f"{100 * chance:.0f} %"


def _size(sight: Sight, share: float) -> str:
    """A margin or a change; shares of all requests change by points."""
    text = format_share(share)
    return (
        f"{text[:-2]} points" if check_kind(sight.metric, sight.statistic) == "error_rate" else text
    )

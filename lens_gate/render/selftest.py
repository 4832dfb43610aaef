"""The outcome of a selftest as plain text."""

from collections.abc import Iterable
from typing import Final

from lens_gate.metrics.catalogue import check_kind
from lens_gate.records.check import VerdictName
from lens_gate.records.proof import Act, SelftestReport, SelftestRow
from lens_gate.render.escape import one_line
from lens_gate.render.figures import metric_title
from lens_gate.render.grid import plain_grid
from lens_gate.render.null import fixed_words
from lens_gate.units import format_duration, format_share

_SAID: Final = {
    "unchanged": ("unchanged, both arms the same: no rule failed", "unchanged:"),
    "slowed": ("slowed: found in {where}", "slowed:"),
}


def selftest_text(report: SelftestReport) -> str:
    """Whether it is proven, a line for each rule, what each act came to, and how sure that is."""
    return "\n".join(_lines(report))


def _lines(report: SelftestReport) -> Iterable[str]:
    requests = sum(act.requests for act in report.acts)
    yield (
        f"{one_line(report.policy)}: {'proven' if report.proven else 'NOT PROVEN'} on simulated "
        f"servers ({requests} requests in both acts, {format_duration(report.elapsed_s)}, "
        f"{1 / report.scale:.3g} times as fast as real ones, seed {report.seed})"
    )
    yield ""
    slowed = f"{report.factor:.3g} times as slow"
    headers = ("rule", "cell", "N", "margin", "unchanged", slowed, "+10 % rule, unchanged")
    yield plain_grid(headers, [_row(row) for row in report.rows])
    yield ""
    for act in report.acts:
        yield from _act(act, report)
    for cell, why in report.may_stay.items():
        yield f"{one_line(cell)} need not be found to be slower: {one_line(why, 200)}"
    for row in report.rows:
        if row.slows and row.open_because:
            title = metric_title(row.metric, row.statistic)
            cell = one_line(f"{row.scenario}/{row.target}")
            yield f"{title} of {cell} stayed open: {one_line(row.open_because, 200)}"
    if report.fixed.of:
        yield (
            f"a fixed rule that fails at +10 % against the day before would have failed "
            f"{report.fixed.failed} of {report.fixed.of} days on which nothing changed"
        )
    yield (
        f"how sure this is: a sound gate fails the first act in at most "
        f"{_chance(report.false_alarm)} of all selftests, and misses the slowdown in at most "
        f"{_chance(report.missed)}"
    )
    for text in report.left_out:
        yield f"not tested: {one_line(text, 300)}"
    yield "nothing was sent to a real target, and nothing was spent"


def _act(act: Act, report: SelftestReport) -> Iterable[str]:
    again = f" (played {act.tries} times)" if act.tries > 1 else ""
    good, bad = _SAID[act.name]
    if not act.problems:
        yield good.format(where=", ".join(map(one_line, report.must_fail))) + again
    for problem in act.problems:
        yield f"{bad} {one_line(problem, 400)}{again}"


def _chance(chance: float) -> str:
    return format_share(max(chance, 0.0001))


def _row(row: SelftestRow) -> list[object]:
    return [
        metric_title(row.metric, row.statistic),
        one_line(f"{row.scenario}/{row.target}"),
        f"{row.n} {row.unit}",
        _size(row),
        _word(row.unchanged),
        _word(row.slowed) + ("" if row.slows else " (not slowed)"),
        fixed_words(row.fixed),
    ]


def _word(verdict: VerdictName) -> str:
    return verdict.replace("_", " ")


def _size(row: SelftestRow) -> str:
    """The margin; shares of all requests change by points."""
    text = format_share(row.margin)
    shares = check_kind(row.metric, row.statistic) == "error_rate"
    return f"{text[:-2]} points" if shares else text

"""A report as Markdown: what a reviewer reads in ten seconds, and what is folded below it.

One text for the summary of a job, a comment on a forge and the page of a check; the frame says
where it is read. Order: the verdict in words and what to do; prompts that are not in it; at most
ten rows, failing and undecided first; what would settle these, and what was let through; money, and
what deciding early saved; what was compared with what, how and why; everything else folded.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from lens_gate.records.publication import Frame, Marker
from lens_gate.records.report import Report, Row
from lens_gate.render.details import folded
from lens_gate.render.escape import code, figure, prose
from lens_gate.render.facts import Medium, compared, spent
from lens_gate.render.figures import OUTCOMES, change, counted, open_question, worst_first
from lens_gate.render.grid import WAIVER_SIGNS, rows_grid, sign, title
from lens_gate.render.looks import unsent
from lens_gate.render.marker import marker_line, state_line, status_name
from lens_gate.render.waivers import TITLES, waiver_lines

TOP_ROWS = 10
TOP_WARNINGS = 10
TOP_OPEN = 5
LIMIT = 65_000
_SIGNS = {
    "passed": "✅",
    "failed": "❌",
    "inconclusive": "❔",
    "unchanged": "✅",
    "not_measured": "⚪",
    "no_data": "🚫",
    "budget": "💸",
    "aborted": "🛑",
}
_MARKDOWN = Medium(name=code, sentence=prose, figure=figure)
_CUT = "_Shortened to fit here; `report.json` holds everything._"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A whole block of the text. ``rank`` 0 stays; the highest ones are left out first."""

    text: str
    rank: int


def markdown(
    report: Report,
    *,
    frame: Frame | None = None,
    limit: int = LIMIT,
    size: Callable[[str], int] = len,
) -> str:
    """The text, at most ``limit`` long by ``size``: whole blocks are left out until it fits.

    Without a ``frame`` there are no links. The verdict, the table and the money stay even where
    they alone are longer, which can't happen from 25,000 characters on.
    """
    frame = frame or Frame(forge="", marker=Marker(policy=report.policy))
    parts = [part for part in _parts(report, frame, limit) if part.text]
    text = _joined(parts)
    while size(text) > limit and any(part.rank for part in parts):
        parts.remove(max(parts, key=lambda part: (part.rank, len(part.text))))
        text = _joined([*parts, _Part(text=_CUT, rank=0)])
    return text


def _joined(parts: Iterable[_Part]) -> str:
    return "\n\n".join(part.text for part in parts) + "\n"


def _parts(report: Report, frame: Frame, limit: int) -> Iterable[_Part]:
    yield _Part(text=_hidden(report, frame), rank=0)
    yield _Part(text=_verdict(report, frame), rank=0)
    yield _Part(text=_unsent(report), rank=1)
    yield _Part(text=_table(report), rank=0)
    yield _Part(text=_asides(report), rank=1)
    yield _Part(text=_spend(report), rank=0)
    yield _Part(text=_comparability(report), rank=1)
    yield _Part(text=_warnings(report), rank=2)
    everything = len(report.rows) > TOP_ROWS
    for fold in folded(report, frame, limit=limit, everything=everything):
        yield _Part(text=fold.text, rank=fold.rank + 2)


def _hidden(report: Report, frame: Frame) -> str:
    """The lines by which a later run finds its own comment, and reads what it said."""
    return f"{marker_line(frame.marker)}\n{state_line(report.outcome, report.refs.head)}"


def _verdict(report: Report, frame: Frame) -> str:
    name, outcome = code(status_name(frame.marker), 240), OUTCOMES[report.outcome]
    heading = f"### {_SIGNS[report.outcome]} {name} {outcome}"
    parts = [prose(report.headline), f"**Next:** {prose(report.next_step)}"]
    if report.refs.overridden:
        parts.append(f"> ⚠️ {prose(report.refs.overridden)}")
    if frame.reported_by:
        fork, name = code(frame.reported_by, 120), code(report.policy, 80)
        heading = f"### ⚠️ Reported by the fork {fork}, not verified: {name} {outcome}"
        parts[1] = (
            "**Next:** Take it for a hint at most: the fork's own job wrote all of it. It sets no "
            "status; a run by a maintainer decides."
        )
    return "\n\n".join([heading, *parts])


def _unsent(report: Report) -> str:
    """Above the numbers, since none of them is of these prompts; the warnings name them."""
    cells = list(unsent(report))
    lines = [f"> ⚠️ {prose(text)}" for text in cells[:TOP_WARNINGS]]
    if len(cells) > TOP_WARNINGS:
        lines.append(f"> and prompts of {counted(len(cells) - TOP_WARNINGS, 'more case')}")
    return "\n>\n".join(lines)


def _table(report: Report) -> str:
    if not report.rows:
        return ""
    grid = rows_grid(worst_first(report.rows)[:TOP_ROWS])
    if len(report.rows) <= TOP_ROWS:
        return grid
    return f"{grid}\n\nThe first {TOP_ROWS} of {len(report.rows)} checks, the worst ones first."


def _asides(report: Report) -> str:
    """What a reader of the table must know besides: open questions, waivers, improvements."""
    lines = [*_open(report), *_waived(report), *_waivers(report), *_improved(report)]
    return "\n".join(f"- {line}" for line in lines)


def _open(report: Report) -> Iterable[str]:
    """What could have been shown of the undecided checks that gate, and what would settle them.

    Checks of a case that have the same answer share a line.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in report.rows:
        if row.name == "inconclusive" and row.gating:
            key = f"{row.scenario}/{row.target}", open_question(row)
            groups.setdefault(key, []).append(row)
    for (case, why), rows in islice(groups.items(), TOP_OPEN):
        more = f" and {len(rows) - TOP_ROWS} more" if len(rows) > TOP_ROWS else ""
        titles = ", ".join(title(row) for row in rows[:TOP_ROWS])
        yield f"❔ {code(case, 80)} {titles}{more}: {prose(why)}"
    rest = sum(len(rows) for rows in list(groups.values())[TOP_OPEN:])
    if rest:
        yield f"❔ {counted(rest, 'more check')} undecided: the reasons are below"


def _waived(report: Report) -> Iterable[str]:
    """What was let through."""
    rows = [row for row in report.rows if row.waived]
    for row in rows[:TOP_OPEN]:
        yield f"{sign(row)} {_check(row)} {figure(change(row))}: {prose(row.waived)}"
    if len(rows) > TOP_OPEN:
        yield f"{sign(rows[0])} {counted(len(rows) - TOP_OPEN, 'more failure')} let through"


def _waivers(report: Report) -> Iterable[str]:
    """Waivers that do not count; all of them are folded below."""
    lines = [line for line in waiver_lines(report) if line.state != "in_force"]
    for line in lines[:TOP_OPEN]:
        yield f"{WAIVER_SIGNS[line.state]} **{TITLES[line.state]}** {prose(line.text)}"
    if len(lines) > TOP_OPEN:
        yield f"{counted(len(lines) - TOP_OPEN, 'more waiver')} expired or pending: see below"


def _improved(report: Report) -> Iterable[str]:
    """Improvements that the table has no room for."""
    rows = worst_first(report.rows)[TOP_ROWS:]
    found = (f"{_check(row)} {figure(change(row))}" for row in rows if row.name == "improved")
    if names := list(islice(found, TOP_OPEN)):
        yield f"🎉 improved: {', '.join(names)}"


def _check(row: Row) -> str:
    return f"{code(f'{row.scenario}/{row.target}', 80)} {title(row)}"


def _spend(report: Report) -> str:
    money, facts = spent(report, _MARKDOWN)
    return " · ".join([f"**Spent** {money}", *facts])


def _comparability(report: Report) -> str:
    # Where nothing was measured, this is what would have counted.
    title = "Compared" if report.run_id else "Basis"
    return f"**{title}** {' · '.join(compared(report, _MARKDOWN))}"


def _warnings(report: Report) -> str:
    lines = [f"> ⚠️ {prose(text)}" for text in report.warnings[:TOP_WARNINGS]]
    more = len(report.warnings) - TOP_WARNINGS
    if more > 0:
        lines.append(f"> {counted(more, 'more warning')} in `report.json`")
    return "\n>\n".join(lines)

"""A report as Markdown: what a reviewer reads in ten seconds, and what is folded below it.

One text for the summary of a job, a comment on a forge and the page of a check; the frame says
where it is read. Order: the verdict in words and what to do; prompts that are not in it; at most
ten rows, failing and undecided first; what would settle these, and what was let through; money, and
what deciding early saved; what was compared with what, how and why; everything else folded.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from lens_gate.records.publication import Frame, Marker
from lens_gate.records.report import CellReport, DuetReport, Report, Row
from lens_gate.render.details import folded
from lens_gate.render.escape import code, figure, prose
from lens_gate.render.figures import (
    OUTCOMES,
    change,
    counted,
    moments,
    open_question,
    worst_first,
)
from lens_gate.render.grid import WAIVER_SIGNS, rows_grid, sign, title
from lens_gate.render.looks import saved, unsent
from lens_gate.render.marker import marker_line, state_line, status_name
from lens_gate.render.waivers import TITLES, waiver_lines
from lens_gate.units import format_duration, format_usd

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
    spend = report.spend
    cap = f"cap {figure(format_usd(spend.cap_usd))}"
    if not spend.requests:
        return f"**Spent** nothing, no request was sent ({cap})"
    facts = [
        f"**Spent** {figure(format_usd(spend.spent_usd))}",
        f"reserved at most {figure(format_usd(spend.peak_usd))}",
        cap,
        figure(saved(report.cells)),
        f"{spend.requests} of {counted(spend.max_requests, 'request')}",
        format_duration(report.elapsed_s),
    ]
    return " · ".join(filter(None, facts))


def _comparability(report: Report) -> str:
    refs, cells = report.refs, report.cells
    duets = [cell.duet for cell in cells if cell.duet is not None]
    facts = [_mode(report)]
    if refs.control_ref:
        what = "tip of the target branch" if refs.control_note else "merge base"
        facts.append(f"base {code(refs.control_ref[:12])} ({what})")
    facts += _stored(cells)
    if refs.head:
        changed = " with uncommitted changes" if refs.dirty else ""
        facts.append(f"head {code(refs.head[:12])}{changed}")
    if refs.trust_ref:
        facts.append(f"policy of {code(_short(refs.trust_ref))}")
    facts += _some("base's model", [model for duet in duets for model in duet.models])
    own = "head's model" if duets else "model"
    facts += _some(own, [model for cell in cells for model in cell.models])
    facts += _some("changed:", [text for duet in duets for text in duet.changed])
    stored = [cell for cell in cells if cell.duet is None]
    facts += _some("differs:", [text for cell in stored for text in cell.changed])
    facts += _some("not compared:", [text for cell in stored for text in cell.not_comparable])
    facts += _some("fingerprint", [cell.fingerprint for cell in cells if cell.fingerprint])
    facts += _some("region", [cell.region for cell in cells if cell.region])
    facts += _blocks(duets)
    runner = report.environment.get("runner") or report.environment.get("platform")
    if runner:
        facts.append(f"runner {code(runner, 60)}")
    facts.append(f"seed {code(str(report.seed))}")
    # Where nothing was measured, this is what would have counted.
    return f"**{'Compared' if report.run_id else 'Basis'}** {' · '.join(facts)}"


def _mode(report: Report) -> str:
    """How it was compared, and why so."""
    refs = report.refs
    # What stands above the table need not be said twice.
    why = refs.why.replace(f"; {refs.overridden}", "") if refs.overridden else refs.why
    mode = prose(refs.mode, 60)
    return f"{mode}: {prose(why)}" if why else mode


def _stored(cells: Iterable[CellReport]) -> Iterable[str]:
    """The runs that stand in for a control where there is none."""
    spans = {cell.baseline_span: cell.baselines for cell in cells if not cell.duet}
    known = {span: number for span, number in spans.items() if number}
    for span, number in islice(known.items(), 1):
        when = f", {prose(moments(span))} UTC" if span else ""
        others = " and others" if len(known) > 1 else ""
        yield f"base: {counted(number, 'stored run')}{when}{others}"


def _blocks(duets: Iterable[DuetReport]) -> Iterable[str]:
    """How often the arms took turns in blocks of load."""
    found = dict.fromkeys((duet.blocks, duet.block_s) for duet in duets if duet.block_s > 0)
    texts = [f"{number} pairs of {format_duration(each)}" for number, each in islice(found, 4)]
    if texts:
        yield f"blocks: {', '.join(texts)}{' and others' if len(found) > len(texts) else ''}"


def _short(ref: str) -> str:
    """A commit's first digits; the name of a branch whole."""
    return ref[:12] if re.fullmatch(r"[0-9a-f]{40,64}", ref) else ref


def _some(title: str, texts: Iterable[str], most: int = 4) -> Iterable[str]:
    """The different texts of all cells in one fact, the first few of them."""
    found = list(dict.fromkeys(texts))
    if found:
        more = f" and {len(found) - most} more" if len(found) > most else ""
        yield f"{title} {', '.join(code(text, 60) for text in found[:most])}{more}"


def _warnings(report: Report) -> str:
    lines = [f"> ⚠️ {prose(text)}" for text in report.warnings[:TOP_WARNINGS]]
    more = len(report.warnings) - TOP_WARNINGS
    if more > 0:
        lines.append(f"> {counted(more, 'more warning')} in `report.json`")
    return "\n>\n".join(lines)

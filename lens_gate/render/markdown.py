"""The Markdown summary: what a reviewer reads in ten seconds, and what is folded below it.

Order: how it was compared and why; the verdict in words and what to do; prompts that are not in
it; at most ten rows, failing and undecided first; what would settle these, and what was let
through; money, and what deciding early saved; what was compared with what; everything else in
folded details.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lens_gate.records.report import Report, Row
from lens_gate.render.details import folded
from lens_gate.render.escape import code, figure, prose
from lens_gate.render.figures import (
    OUTCOMES,
    change,
    counted,
    open_question,
    worst_first,
)
from lens_gate.render.grid import WAIVER_SIGNS, rows_grid, sign, title
from lens_gate.render.looks import drifts, movements, pooled, stopping, unsent
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
    """A whole block of the summary. ``rank`` 0 stays; the highest ones are left out first."""

    text: str
    rank: int


def markdown(report: Report, *, limit: int = LIMIT) -> str:
    """The summary, at most ``limit`` characters: whole blocks are left out until it fits.

    The verdict, the table and the money stay even where they alone are longer, which can't happen
    from 25,000 characters on.
    """
    parts = [part for part in _parts(report) if part.text]
    text = _joined(parts)
    while len(text) > limit and any(part.rank for part in parts):
        parts.remove(max(parts, key=lambda part: (part.rank, len(part.text))))
        text = _joined([*parts, _Part(text=_CUT, rank=0)])
    return text


def _joined(parts: Iterable[_Part]) -> str:
    return "\n\n".join(part.text for part in parts) + "\n"


def _parts(report: Report) -> Iterable[_Part]:
    yield _Part(text=_marker(report), rank=0)
    yield _Part(text=_verdict(report), rank=0)
    yield _Part(text=_unsent(report), rank=1)
    yield _Part(text=_table(report), rank=0)
    yield _Part(text=_asides(report), rank=1)
    yield _Part(text=_moved(report), rank=1)
    yield _Part(text=_spend(report), rank=0)
    yield _Part(text=_drift(report), rank=2)
    yield _Part(text=_comparability(report), rank=1)
    yield _Part(text=_warnings(report), rank=2)
    for fold in folded(report, everything=len(report.rows) > TOP_ROWS):
        yield _Part(text=fold.text, rank=fold.rank + 2)


def _marker(report: Report) -> str:
    """The hidden name by which a later run finds its own comment."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", report.policy[:200])
    return f"<!-- lens-gate:{name} -->"


def _verdict(report: Report) -> str:
    return (
        f"### {_SIGNS[report.outcome]} {code(report.policy, 80)} {OUTCOMES[report.outcome]}\n\n"
        f"{_mode(report)}\n\n"
        f"{prose(report.headline)}\n\n"
        f"**Next:** {prose(report.next_step)}"
    )


def _mode(report: Report) -> str:
    """How it was compared, and why so."""
    refs = report.refs
    mode = f"**{prose(refs.mode[:1].upper() + refs.mode[1:], 60)}**"
    return f"{mode}: {prose(refs.why)}" if refs.why else mode


def _unsent(report: Report) -> str:
    """Above the numbers, since none of them is of these prompts; the warnings name them."""
    lines = [f"> ⚠️ {prose(text)}" for text in unsent(report)]
    rest = len(lines) - TOP_WARNINGS
    if rest > 0:
        lines[TOP_WARNINGS:] = [f"> and prompts of {counted(rest, 'more case')}"]
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
    lines = [*_open(report), *_waivers(report), *_improved(report)]
    return "\n".join(f"- {line}" for line in lines)


def _open(report: Report) -> Iterable[str]:
    """What could have been shown of the undecided checks that gate, and what would settle them.

    Checks of a case that have the same answer share a line.
    """
    lines: dict[tuple[str, str], list[str]] = {}
    for row in report.rows:
        if row.name == "inconclusive" and row.gating:
            case = code(f"{row.scenario}/{row.target}", 80)
            lines.setdefault((case, prose(open_question(row))), []).append(title(row))
    for (case, why), titles in list(lines.items())[:TOP_OPEN]:
        yield f"❔ {case} {', '.join(titles)}: {why}"
    rest = sum(len(titles) for titles in list(lines.values())[TOP_OPEN:])
    if rest:
        yield f"❔ {counted(rest, 'more check')} undecided: the reasons are below"


def _waivers(report: Report) -> Iterable[str]:
    """What was let through, and waivers that do not count; all of them are folded below."""
    for row in report.rows:
        if row.waived:
            yield f"{sign(row)} {_check(row)} {figure(change(row))}: {prose(row.waived)}"
    for line in waiver_lines(report):
        if line.state != "in_force":
            yield f"{WAIVER_SIGNS[line.state]} **{TITLES[line.state]}** {prose(line.text)}"


def _improved(report: Report) -> Iterable[str]:
    """Improvements that the table has no room for."""
    rows = worst_first(report.rows)[TOP_ROWS:]
    names = [f"{_check(row)} {figure(change(row))}" for row in rows if row.name == "improved"]
    if names:
        yield f"🎉 improved: {', '.join(names[:TOP_OPEN])}"


def _check(row: Row) -> str:
    return f"{code(f'{row.scenario}/{row.target}', 80)} {title(row)}"


def _spend(report: Report) -> str:
    spend = report.spend
    line = (
        f"**Spent** {figure(format_usd(spend.spent_usd))} of {figure(format_usd(spend.cap_usd))} "
        f"(reserved at most {figure(format_usd(spend.peak_usd))}) · "
        f"{spend.requests} of {counted(spend.max_requests, 'request')} · "
        f"{format_duration(report.elapsed_s)}"
    )
    looks = [prose(text) for text in stopping(report.cells)]
    return f"{line}\n\n**Looks** {'; '.join(looks)}" if looks else line


def _moved(report: Report) -> str:
    """Which metrics moved, where something did: slower is told from longer."""
    found = [prose(text) for text in movements(report)]
    lines = [f"**Moved** {'; '.join(found)}"] if found else []
    if together := [prose(text) for text in pooled(report)][:TOP_ROWS]:
        lines.append(f"**Targets together** {'; '.join(together)}")
    return "\n\n".join(lines)


def _drift(report: Report) -> str:
    """Apart from the change's effect: both arms went through it."""
    found = [prose(text) for text in drifts(report)]
    return f"**Drift of the service** {'; '.join(found)}" if found else ""


def _comparability(report: Report) -> str:
    refs = report.refs
    facts = []
    if refs.control_ref:
        facts.append(f"control {code(refs.control_ref[:12])} (merge base)")
    if refs.trust_ref:
        facts.append(f"trusted {code(_short(refs.trust_ref))}")
    if refs.head:
        changed = " with uncommitted changes" if refs.dirty else ""
        facts.append(f"head {code(refs.head[:12])}{changed}")
    duets = [cell.duet for cell in report.cells if cell.duet is not None]
    facts += _some("control's model", [model for duet in duets for model in duet.models])
    own = "head's model" if duets else "model"
    facts += _some(own, [model for cell in report.cells for model in cell.models])
    facts += _some("changed:", [text for duet in duets for text in duet.changed])
    stored = [cell for cell in report.cells if cell.duet is None]
    facts += _some("differs:", [text for cell in stored for text in cell.changed])
    facts += _some("not compared:", [text for cell in stored for text in cell.not_comparable])
    if "platform" in report.environment:
        facts.append(f"runner {code(report.environment['platform'], 60)}")
    facts.append(f"seed {code(str(report.seed))}")
    return f"**Compared** {' · '.join(facts)}"


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

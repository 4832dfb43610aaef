"""The Markdown summary: what a reviewer reads in ten seconds, and what is folded below it.

Order: the verdict in words and what to do; at most ten rows, failing and undecided first; money;
what was compared with what; everything else in folded details.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lens_gate.records.report import Report
from lens_gate.render.details import folded
from lens_gate.render.escape import code, figure, prose
from lens_gate.render.figures import OUTCOMES, counted, worst_first
from lens_gate.render.grid import rows_grid
from lens_gate.units import format_duration, format_usd

TOP_ROWS = 10
TOP_WARNINGS = 10
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
    yield _Part(text=_table(report), rank=0)
    yield _Part(text=_spend(report), rank=0)
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
        f"{prose(report.headline)}\n\n"
        f"**Next:** {prose(report.next_step)}"
    )


def _table(report: Report) -> str:
    if not report.rows:
        return ""
    grid = rows_grid(worst_first(report.rows)[:TOP_ROWS])
    if len(report.rows) <= TOP_ROWS:
        return grid
    return f"{grid}\n\nThe first {TOP_ROWS} of {len(report.rows)} checks, the worst ones first."


def _spend(report: Report) -> str:
    spend = report.spend
    return (
        f"**Spent** {figure(format_usd(spend.spent_usd))} of {figure(format_usd(spend.cap_usd))} "
        f"(reserved at most {figure(format_usd(spend.peak_usd))}) · "
        f"{spend.requests} of {counted(spend.max_requests, 'request')} · "
        f"{format_duration(report.elapsed_s)}"
    )


def _comparability(report: Report) -> str:
    refs = report.refs
    facts = [f"**Mode** {code(refs.mode, 60)}: {prose(refs.why)}"]
    if refs.control_ref:
        facts.append(f"merge base {code(refs.control_ref[:12])}")
    if refs.trust_ref:
        facts.append(f"trusted {code(_short(refs.trust_ref))}")
    if refs.head:
        changed = " with uncommitted changes" if refs.dirty else ""
        facts.append(f"head {code(refs.head[:12])}{changed}")
    facts += _some("model", [model for cell in report.cells for model in cell.models])
    facts += _some("differs:", [text for cell in report.cells for text in cell.changed])
    facts += _some("not compared:", [text for cell in report.cells for text in cell.not_comparable])
    if "platform" in report.environment:
        facts.append(f"runner {code(report.environment['platform'], 60)}")
    facts.append(f"seed {code(str(report.seed))}")
    return " · ".join(facts)


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

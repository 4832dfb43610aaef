"""What stands below the table in every medium: money, and what was compared with what.

The words are the same for Markdown and for a terminal; how names, sentences and figures are written
there is the medium's own.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from lens_gate.records.report import CellReport, DuetReport, Report
from lens_gate.render.figures import counted, moments
from lens_gate.render.looks import saved
from lens_gate.units import format_duration, format_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """How a medium writes a foreign name, a sentence with foreign words, and a figure of ours.

    The first two are cut at a number of characters.
    """

    name: Callable[[str, int], str]
    sentence: Callable[[str, int], str]
    figure: Callable[[str], str]


def spent(report: Report, medium: Medium) -> tuple[str, list[str]]:
    """``nothing, no request was sent`` or the money, then what there is to say of it."""
    spend, figure = report.spend, medium.figure
    cap = f"cap {figure(format_usd(spend.cap_usd))}"
    if not spend.requests:
        return f"nothing, no request was sent ({cap})", []
    facts = [
        f"reserved at most {figure(format_usd(spend.peak_usd))}",
        cap,
        figure(saved(report.cells)),
        f"{spend.requests} of {counted(spend.max_requests, 'request')}",
        format_duration(report.elapsed_s),
    ]
    return figure(format_usd(spend.spent_usd)), [fact for fact in facts if fact]


def compared(report: Report, medium: Medium) -> list[str]:
    """How it was compared and why, then commits, models, what differs, machine and seed."""
    refs, cells = report.refs, report.cells
    duets = [cell.duet for cell in cells if cell.duet is not None]
    facts = [mode(report, medium)]
    if refs.control_ref:
        what = "tip of the target branch" if refs.control_note else "merge base"
        facts.append(f"base {medium.name(refs.control_ref[:12], 120)} ({what})")
    facts += _stored(cells, medium)
    if refs.head:
        changed = " with uncommitted changes" if refs.dirty else ""
        facts.append(f"head {medium.name(refs.head[:12], 120)}{changed}")
    if refs.trust_ref:
        facts.append(f"policy of {medium.name(_short(refs.trust_ref), 120)}")
    stored = [cell for cell in cells if cell.duet is None]
    named = {
        "base's model": [model for duet in duets for model in duet.models],
        "head's model" if duets else "model": [model for cell in cells for model in cell.models],
        "changed:": [text for duet in duets for text in duet.changed],
        "differs:": [text for cell in stored for text in cell.changed],
        "not compared:": [text for cell in stored for text in cell.not_comparable],
        "fingerprint": [cell.fingerprint for cell in cells if cell.fingerprint],
        "region": [cell.region for cell in cells if cell.region],
    }
    for title, texts in named.items():
        facts += _some(title, texts, medium)
    facts += _blocks(duets)
    runner = report.environment.get("runner") or report.environment.get("platform")
    if runner:
        facts.append(f"runner {medium.name(runner, 60)}")
    facts.append(f"seed {medium.name(str(report.seed), 120)}")
    return facts


def mode(report: Report, medium: Medium) -> str:
    """How it was compared, and why so."""
    refs = report.refs
    # What stands above the table need not be said twice.
    why = refs.why.replace(f"; {refs.overridden}", "") if refs.overridden else refs.why
    name = medium.sentence(refs.mode, 60)
    return f"{name}: {medium.sentence(why, 600)}" if why else name


def _stored(cells: Iterable[CellReport], medium: Medium) -> Iterable[str]:
    """The runs that stand in for a control where there is none."""
    spans = {cell.baseline_span: cell.baselines for cell in cells if not cell.duet}
    known = {span: number for span, number in spans.items() if number}
    for span, number in islice(known.items(), 1):
        when = f", {medium.sentence(moments(span), 600)} UTC" if span else ""
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


def _some(title: str, texts: Iterable[str], medium: Medium, most: int = 4) -> Iterable[str]:
    """The different texts of all cells in one fact, the first few of them."""
    found = list(dict.fromkeys(texts))
    if found:
        more = f" and {len(found) - most} more" if len(found) > most else ""
        names = ", ".join(medium.name(text, 60) for text in found[:most])
        yield f"{title} {names}{more}"

"""What the report rests on: how it was compared, waivers, changes, environment, how to go on."""

import shlex
from collections.abc import Iterable, Mapping

from lens_gate.metrics.catalogue import CATALOGUE, DEFINITIONS_VERSION
from lens_gate.records.report import Report
from lens_gate.render.escape import one_line
from lens_gate.render.figures import counted, metric_title, moments, rates
from lens_gate.render.html.parts import (
    Column,
    Line,
    Tone,
    bullets,
    chip,
    code_block,
    facts,
    prose,
    table,
)
from lens_gate.render.html.shell import section
from lens_gate.render.html.tags import Child, Html, join, tag
from lens_gate.render.looks import decisions, drifts, movements, pooled
from lens_gate.render.waivers import (
    TITLES,
    acceptances,
    command,
    waiver_lines,
    waivers_yaml,
)
from lens_gate.units import format_duration, format_usd

_MOST = 200
_MOST_ACCEPTED = 20


def session(report: Report) -> Html:
    """How the pairs went, and how the service itself moved meanwhile."""
    parts = {
        "Moved": movements(report),
        "Targets together": pooled(report),
        "Decided": decisions(report.cells),
        "Drift of the service, which both arms saw": drifts(report),
    }
    shown = []
    for title, texts in parts.items():
        if found := list(texts):
            shown += [tag("h3", title), bullets(found[:_MOST])]
    return section("session", "The session", shown) if shown else join()


def going_on(report: Report) -> Html:
    """How to measure again, judge again, accept."""
    parts = [
        tag("h3", "Measure and judge again on your machine"),
        code_block([one_line(report.reproduce, 500)], "Command that measures again"),
    ]
    if report.run_id:
        policy = shlex.quote(one_line(report.policy_file, 300))
        again = f"lens-gate judge --run run.jsonl --policy {policy}"
        parts += [
            tag("h3", "Judge this very run again, under this policy or a changed one"),
            code_block([again], "Command that judges again"),
        ]
    return section("go-on", "How to go on", parts, _accepting(report))


def _accepting(report: Report) -> Html:
    accepted = acceptances(report)
    if not accepted:
        return join()
    shown = accepted[:_MOST_ACCEPTED]
    words = (
        "For a while: merge a waiver into the target branch, then run the job again. The ceiling "
        "is the worst that this run can't rule out; lower it where you can. For good: raise the "
        "rule's limit in the policy, in a change that is reviewed and merged first."
    )
    parts = [
        tag("h3", "Accept what failed", id="accept"),
        tag("p", words),
        code_block([command(one, report.policy_file) for one in shown], "Commands that accept"),
    ]
    if yaml := waivers_yaml(shown, report.created):
        name = report.waivers_file or "waivers.yaml"
        parts += [
            tag("p", "Or paste it into ", tag("code", name), " yourself:"),
            code_block(yaml, "Waivers as YAML"),
        ]
    return join(parts)


def basis(report: Report) -> Html:
    """Refs, chances of error, waivers, changes of the policy, environment."""
    return section(
        "basis",
        "What this rests on",
        facts(_facts(report)),
        _waivers(report),
        _changes(report),
        _environment(report),
    )


def _facts(report: Report) -> Iterable[tuple[str, Child]]:
    refs = report.refs
    yield "Mode", prose(f"{refs.mode}: {refs.why}" if refs.why else refs.mode)
    yield (
        "Policy",
        join(
            tag("code", report.policy_file),
            " (SHA-256 ",
            tag("code", report.policy_sha256[:12]),
            ")",
        ),
    )
    yield "Policy read from", tag("code", refs.trust_ref) if refs.trust_ref else None
    yield "Base", tag("code", refs.control_ref) if refs.control_ref else None
    yield "Why this base", refs.control_note
    yield "Head", tag("code", refs.head) if refs.head else None
    yield "Run", tag("code", report.run_id) if report.run_id else None
    yield "Seed", tag("code", str(report.seed))
    spend = report.spend
    money = (
        f"{format_usd(spend.spent_usd)} spent, {format_usd(spend.peak_usd)} reserved at most, cap "
        f"{format_usd(spend.cap_usd)}"
    )
    asked = f"{spend.requests} of {counted(spend.max_requests, 'request')}"
    yield "Money", f"{money}; {asked}; {format_duration(report.elapsed_s)}"
    if report.rows:
        yield "How often it errs", prose(rates(report.confidence, report.null_rate))
        yield "Gating checks that share it", str(report.family)


def _waivers(report: Report) -> Html:
    tones: Mapping[str, Tone] = {"expired": "bad", "pending": "info", "in_force": "warn"}
    items = [
        tag("li", chip(TITLES[line.state], tones[line.state]), " ", prose(line.text))
        for line in waiver_lines(report)[:_MOST]
    ]
    return join(tag("h3", "Waivers"), tag("ul", items, class_="plain")) if items else join()


def _changes(report: Report) -> Html:
    if not report.changes:
        return join()
    words = {
        "measured": "measured with the head's value",
        "after_merge": "takes effect after merge",
    }
    lines = [
        Line(
            cells=(
                tag("code", one.path),
                tag("code", one.trusted),
                tag("code", one.head),
                words[one.effect],
            )
        )
        for one in report.changes[:_MOST]
    ]
    columns = (Column("Where"), Column("Trusted"), Column("Head"), Column("What becomes of it"))
    return join(
        tag("h3", "What the head changes in the policy"),
        table("Changes of the policy by the head", columns, lines, hidden_caption=True),
    )


def _environment(report: Report) -> Html:
    pairs = [(name, words) for name, words in list(report.environment.items())[:_MOST]]
    return join(tag("h3", "Environment"), facts(pairs)) if pairs else join()


def definitions(report: Report) -> Html:
    """What the metrics of this page mean."""
    seen = {row.metric for row in report.rows}
    for cell in report.cells:
        seen |= set(cell.metrics)
    lines = [
        Line(cells=(metric_title(name), tag("code", name), row.unit, row.definition))
        for name, row in CATALOGUE.items()
        if name in seen
    ]
    if not lines:
        return join()
    columns = (Column("Metric"), Column("In policies"), Column("Unit"), Column("Definition"))
    return section(
        "definitions",
        "Definitions",
        table("Metrics of this page", columns, lines),
        tag(
            "p",
            "typ is the typical value (Hodges-Lehmann): the centre that a few slow requests do not "
            f"move. Definitions version {DEFINITIONS_VERSION}.",
            class_="muted",
        ),
    )


def footer(report: Report) -> Html:
    """Who made this page, when, of what."""
    return join(
        f"lens-gate {report.version}, {moments(report.created)} UTC. This page loads nothing: "
        "everything is in this file. The same numbers are in report.json, every request is in "
        "run.jsonl."
    )

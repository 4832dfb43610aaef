"""The first screen: what came of it, what to do, and the one picture that shows why."""

from collections import Counter
from collections.abc import Iterable

from lens_gate.records.report import Report
from lens_gate.render.charts.forest import forest
from lens_gate.render.figures import OUTCOMES, counted, moments
from lens_gate.render.html.parts import (
    OUTCOME_SIGNS,
    OUTCOME_TONES,
    Tone,
    chip,
    drawing,
    facts,
    prose,
)
from lens_gate.render.html.tags import SPACE, Child, Html, join, tag
from lens_gate.render.looks import saved, unsent
from lens_gate.units import format_duration, format_usd

_MOST_NOTES = 20
# So many are read before the picture; the others are one key away.
_SEEN_NOTES = 5
_MOST_TEXT = 600
MOST_PICTURED = 24
"""So many checks are drawn on the first screen, the worst first; the table has all of them."""

_READING = (
    "Each line is a check: the diamond is the estimate, the bar its 90 % interval, the shaded "
    "ground what the rule allows. A change passes where its bar lies within, fails where it lies "
    "beyond, and is undecided across the edge. A value passes within its limit until it is shown "
    "to be beyond. The test of each check decides, not the picture."
)


def hero(report: Report, contents: Html) -> Html:
    """Outcome, headline, next step; warnings, the checks as a picture, the facts of the run.

    ``contents`` leads to the parts of the page.
    """
    tone = OUTCOME_TONES[report.outcome]
    return join(
        tag(
            "header",
            tag("p", "LLM latency and cost gate", class_="eyebrow"),
            tag(
                "h1",
                tag("span", OUTCOME_SIGNS[tone], class_="sign", aria_hidden="true"),
                tag("span", f"{report.policy[:200]} {OUTCOMES[report.outcome]}"),
            ),
            tag("p", prose(report.headline, _MOST_TEXT), class_="headline"),
            tag(
                "p",
                tag("strong", "What to do: "),
                prose(report.next_step, _MOST_TEXT),
                class_="next",
            ),
            tag("p", list(_counts(report)), class_="counts") if report.rows else None,
            class_=f"hero tone-{tone}",
        ),
        contents,
        _notes(report),
        _picture(report),
        facts(_facts(report)),
    )


def _counts(report: Report) -> Iterable[Child]:
    """How many checks have which verdict, the worst first."""
    waived = sum(bool(row.waived) for row in report.rows)
    warning = Counter(row.name for row in report.rows if not row.gating and not row.waived)
    gating = Counter(row.name for row in report.rows if row.gating and not row.waived)
    words: tuple[tuple[str, int, Tone], ...] = (
        ("failed", gating["fail"], "bad"),
        ("without data", gating["no_data"], "bad"),
        ("undecided", gating["inconclusive"], "warn"),
        ("let through by a waiver", waived, "warn"),
        ("failed, but only warn", warning["fail"] + warning["no_data"], "warn"),
        ("new", gating["new"] + warning["new"], "info"),
        ("passed", gating["pass"] + warning["pass"], "good"),
        ("improved", gating["improved"] + warning["improved"], "good"),
    )
    for name, number, tone in words:
        if number:
            yield chip(f"{number} {name}", tone)
            yield SPACE


def _facts(report: Report) -> Iterable[tuple[str, Child]]:
    refs, spend = report.refs, report.spend
    yield "Compared by", prose(f"{refs.mode}: {refs.why}" if refs.why else refs.mode)
    if spend.requests:
        money = f"{format_usd(spend.spent_usd)} of at most {format_usd(spend.cap_usd)}"
        asked = f"{spend.requests} of at most {counted(spend.max_requests, 'request')}"
        yield "Spent", "; ".join(filter(None, (money, asked, saved(report.cells))))
    else:
        yield "Spent", f"nothing: no request was sent (cap {format_usd(spend.cap_usd)})"
    took = f", took {format_duration(report.elapsed_s)}" if report.elapsed_s else ""
    yield "Measured", f"{moments(report.created)} UTC{took}"
    if refs.head:
        dirty = " with uncommitted changes" if refs.dirty else ""
        yield "Commit", join(tag("code", refs.head[:12]), dirty)


def _notes(report: Report) -> Html:
    """What has to be known before any number is read."""
    texts = [
        *([report.refs.overridden] if report.refs.overridden else []),
        *unsent(report),
        *report.warnings,
    ]
    items = [tag("li", prose(text, _MOST_TEXT)) for text in texts[:_MOST_NOTES]]
    more = len(texts) - _MOST_NOTES
    if more > 0:
        items.append(tag("li", f"and {counted(more, 'more warning')} in report.json"))
    if not items:
        return join()
    title = tag("h2", counted(len(texts), "warning"), class_="small")
    shown, folded = items[:_SEEN_NOTES], items[_SEEN_NOTES:]
    rest = None
    if folded:
        summary = tag("summary", f"{len(texts) - _SEEN_NOTES} more")
        rest = tag("details", summary, tag("ul", folded))
    return tag("div", title, tag("ul", shown), rest, class_="note")


def _picture(report: Report) -> Html:
    if not report.rows:
        return join()
    title = "All checks, the worst first"
    wide, narrow = (
        forest(report.rows, title=title, width=width, most=MOST_PICTURED) for width in (1120, 360)
    )
    of = len(report.rows)
    cut = f" Drawn are the {MOST_PICTURED} worst of {of}; the table below has all."
    return drawing(wide, join(_READING, cut if of > MOST_PICTURED else None), narrow=narrow)

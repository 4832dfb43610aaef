"""A report as a badge: the outcome in a word or two, for a README."""

from collections.abc import Mapping

from lens_gate.records.publication import Marker
from lens_gate.records.report import Outcome, Report
from lens_gate.render.charts.svg import fitted, node, text_width, written
from lens_gate.render.figures import metric_title, worst_first
from lens_gate.render.marker import status_name

_HEIGHT = 20.0
_SIZE = 11.0
_PAD = 7.0
_MOST = 240.0
_GREY, _GREEN, _RED, _AMBER = "#57606a", "#1a7f37", "#cf222e", "#8a5a00"
_WORDS: Mapping[Outcome, tuple[str, str]] = {
    "passed": ("passed", _GREEN),
    "failed": ("failed", _RED),
    "inconclusive": ("inconclusive", _AMBER),
    "unchanged": ("unchanged", _GREEN),
    "not_measured": ("not measured", _GREY),
    "no_data": ("no verdict", _RED),
    "budget": ("out of budget", _RED),
    "aborted": ("broken off", _RED),
}


def badge(report: Report) -> str:
    """``lens-gate/demo | failed: TTFT typ`` as SVG of 20 pixels' height."""
    name = fitted(status_name(Marker(policy=report.policy)), _MOST, _SIZE)
    words, colour = _WORDS[report.outcome]
    words = fitted(words + _worst(report), _MOST, _SIZE)
    first, second = (text_width(text, _SIZE) + 2 * _PAD for text in (name, words))
    whole = first + second
    tree = node(
        "svg",
        node("title", f"{name}: {words}"),
        node("clipPath", node("rect", width=whole, height=_HEIGHT, rx=4), id="round"),
        node(
            "g",
            node("rect", width=first, height=_HEIGHT, fill="#24292f"),
            node("rect", x=first, width=second, height=_HEIGHT, fill=colour),
            clip_path="url(#round)",
        ),
        *(
            node(
                "text",
                text,
                x=middle,
                y=14,
                fill="#ffffff",
                text_anchor="middle",
                textLength=text_width(text, _SIZE),
            )
            for text, middle in ((name, first / 2), (words, first + second / 2))
        ),
        xmlns="http://www.w3.org/2000/svg",
        width=whole,
        height=_HEIGHT,
        viewBox=f"0 0 {whole:.2f} {_HEIGHT:g}",
        role="img",
        aria_label=f"{name}: {words}",
        font_family="Verdana, 'DejaVu Sans', Geneva, sans-serif",
        font_size=_SIZE,
    )
    return written(tree) + "\n"


def _worst(report: Report) -> str:
    """What failed, or is open: the worst check that gates."""
    wanted = {"failed": "fail", "inconclusive": "inconclusive"}.get(report.outcome)
    for row in worst_first(report.rows):
        if row.name == wanted and row.gating and not row.waived:
            return f": {metric_title(row.metric, row.statistic)}"
    return ""

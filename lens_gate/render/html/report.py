"""The report that people open: outcome first, then evidence, then everything else."""

from collections.abc import Iterable

from lens_gate.render.figures import OUTCOMES
from lens_gate.render.html.basis import basis, definitions, footer, going_on, session
from lens_gate.render.html.cases import cases
from lens_gate.render.html.checks import checks
from lens_gate.render.html.evidence import evidence
from lens_gate.render.html.hero import hero
from lens_gate.render.html.requests import request_data, requests
from lens_gate.render.html.sheet import Sheet
from lens_gate.render.html.shell import page
from lens_gate.render.html.tags import Html, join, tag

__all__ = ["Sheet", "report_page"]


def report_page(sheet: Sheet) -> str:
    """The whole page; encode it as UTF-8."""
    report = sheet.report
    parts = [
        ("checks", "Checks", checks(sheet)),
        ("evidence", "Evidence", evidence(sheet)),
        ("cases", "Cases", cases(sheet)),
        ("requests", "Requests", requests(sheet)),
        ("session", "Session", session(report)),
        ("go-on", "How to go on", going_on(report)),
        ("basis", "Basis", basis(report)),
        ("definitions", "Definitions", definitions(report)),
    ]
    links = [(name, title) for name, title, part in parts if part]
    return page(
        f"{report.policy} {OUTCOMES[report.outcome]}",
        join(hero(report, _contents(links)), [part for _, _, part in parts]),
        data=request_data(sheet),
        styles=("report.css",),
        scripts=("hover.js", "requests.js"),
        footer=footer(report),
    )


def _contents(links: Iterable[tuple[str, str]]) -> Html:
    items = [tag("li", tag("a", title, href=f"#{name}")) for name, title in links]
    return tag("nav", tag("ul", items), aria_label="On this page", class_="contents no-print")

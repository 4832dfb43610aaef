"""Tables: Markdown's, and plain columns for a terminal."""

from collections.abc import Sequence

from tabulate import tabulate

from lens_gate.records.report import Row
from lens_gate.render.escape import cell, code, figure, prose
from lens_gate.render.figures import (
    base_title,
    base_value,
    by_default,
    change,
    head_with_bounds,
    metric_title,
    sample_size,
    tolerance,
    verdict_words,
)

_SIGNS = {
    "fail": "❌",
    "no_data": "🚫",
    "inconclusive": "❔",
    "new": "🆕",
    "pass": "✅",
    "improved": "🎉",
}
WAIVER_SIGNS = {"expired": "🔴", "pending": "⏳", "in_force": "🟡"}
"""A waiver's state as a picture; Markdown has no red words."""


def sign(row: Row) -> str:
    """The verdict as a picture; what only warns, or is let through, is no red cross."""
    if row.waived:
        return WAIVER_SIGNS["in_force"]
    return "⚠️" if row.name in ("fail", "no_data") and not row.gating else _SIGNS[row.name]


def markdown_grid(headers: Sequence[str], body: Sequence[Sequence[str]], *, left: int) -> str:
    """A Markdown table; all but the first ``left`` columns stand at the right."""
    align = ("left",) * left + ("right",) * (len(headers) - left)
    cells = [[cell(text) for text in line] for line in body]
    return tabulate(cells, headers, tablefmt="pipe", colalign=align, disable_numparse=True)


def rows_grid(rows: Sequence[Row]) -> str:
    """Checks as a Markdown table; no narrow column breaks an interval or a count in two."""
    body = [
        [
            f"{sign(row)} {title(row)}",
            code(f"{row.scenario}/{row.target}", 80),
            *map(_whole, (base_value(row), head_with_bounds(row), change(row))),
            figure(tolerance(row)) + (" (default)" if by_default(row) else ""),
            verdict_words(row),
            sample_size(row).replace(" ", "\u00a0"),
        ]
        for row in rows
    ]
    headers = (
        "Metric",
        "Case",
        base_title(rows).capitalize(),
        "Head",
        "Change [90\u00a0%]",
        "Allowed",
        "Verdict",
        "n",
    )
    return markdown_grid(headers, body, left=2)


def _whole(text: str) -> str:
    """A figure with its interval."""
    return figure(text.replace(", ", ",\u00a0"))


def title(row: Row) -> str:
    """The metric's title and the statistic, for Markdown."""
    return prose(metric_title(row.metric, row.statistic), 60)


def plain_grid(headers: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    """Columns of plain text; cells must be single lines already."""
    return tabulate(body, headers, tablefmt="plain", disable_numparse=True)

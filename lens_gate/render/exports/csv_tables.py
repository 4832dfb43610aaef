"""Comma-separated values (RFC 4180): the requests, the statistics, the verdicts.

Numbers stand bare, with a point and without a unit. Text is one line, and one that a spreadsheet
would take for a formula (it begins with ``=``, ``+``, ``-`` or ``@``) begins with an apostrophe
instead, as OWASP advises ("CSV Injection"): a negative number is a number, and gets none.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.detail import Bundle
from lens_gate.records.report import Report, Row
from lens_gate.render.cases import counts
from lens_gate.render.escape import one_line
from lens_gate.render.exports.columns import COLUMNS, Cell
from lens_gate.render.exports.of_report import STATISTICS, kind_of
from lens_gate.render.exports.origin import Origin, origin_of

TYPE: Final = "text/csv; charset=utf-8; header=present"
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # narrow and wide
_MOST: Final = 10_000
_VERDICT: Final = (
    *("estimate", "low", "high", "base_value", "head_value", "margin", "limit", "n", "base_n"),
    *("p_worse", "p_margin", "p_within", "detectable", "needed_n", "withheld", "reason"),
)
_ROW: Final = (
    *("rule", "scenario", "target", "metric", "statistic", "unit", "better", "gating", "mode"),
    *("margin_from", "waived", "demoted", "needs_requests", "needs_usd", "in_blocks"),
)


def requests_csv(bundle: Bundle) -> bytes:
    """A row a request, in the order in which they ended."""
    origin = origin_of(bundle.report)
    heads = [column.name for column in COLUMNS]
    rows = ([column.of(request, origin) for column in COLUMNS] for request in bundle.requests or ())
    return _csv(heads, rows)


def summary_csv(bundle: Bundle) -> bytes:
    """A row a cell, side and metric: its statistics."""
    heads = ("run_id", "policy", "created", "scenario", "target", "arm", "metric", "unit")
    return _csv((*heads, "n", "censored", *STATISTICS), _statistics(bundle.report))


def verdicts_csv(bundle: Bundle) -> bytes:
    """A row a check: what was held against what, and the verdict."""
    report = bundle.report
    origin = origin_of(report)
    heads = ("run_id", "policy", "created", "outcome", "verdict", "counts", "kind")
    return _csv((*heads, *_ROW, *_VERDICT), (_check(report, origin, row) for row in report.rows))


def _statistics(report: Report) -> Iterator[Sequence[Cell]]:
    for cell in report.cells:
        sides = [("head", cell.metrics)]
        if cell.duet is not None:
            sides.append(("control", cell.duet.metrics))
        for arm, metrics in sides:
            for metric, found in metrics.items():
                unit = CATALOGUE[metric].unit if metric in CATALOGUE else ""
                own = (report.run_id, report.policy, report.created, cell.scenario, cell.target)
                numbers = (found.named(name) for name in STATISTICS)
                yield (*own, arm, metric, unit, found.n, found.censored, *numbers)


def _check(report: Report, origin: Origin, row: Row) -> Sequence[Cell]:
    own = (origin.run_id, origin.policy, origin.created, report.outcome)
    said = (row.name, counts(row), kind_of(row))
    of_row = (getattr(row, name) for name in _ROW)
    return (*own, *said, *of_row, *(getattr(row.verdict, name) for name in _VERDICT))


def _csv(heads: Iterable[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(heads)
    writer.writerows([_shown(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _shown(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int | float):
        return repr(value)
    text = one_line(value, _MOST)
    return f"'{text}" if text.startswith(_FORMULA) else text

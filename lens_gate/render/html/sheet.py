"""What the report's page shows, and where in it things stand."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lens_gate.metrics.distribution import CellFigures
from lens_gate.records.detail import RequestDetail
from lens_gate.records.report import CellReport, Report, Row

_ODD = re.compile(r"[^a-z0-9]+", re.ASCII)
_LONGEST = 120

CaseKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A report with all that is drawn beside it.

    ``requests`` and ``figures`` (by cell) are of its run; without it they are missing. ``stored``
    are by cell the stored runs that it was held against, oldest first: stamp and commit.
    """

    report: Report
    requests: Sequence[RequestDetail] | None = None
    figures: Mapping[str, CellFigures] = field(default_factory=dict)
    stored: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    def of(self, cell: str) -> CellFigures:
        """What can be drawn of a cell."""
        return self.figures.get(cell, _NONE)


_NONE = CellFigures()


def name_of(place: Row | CellReport) -> str:
    """``scenario/target``."""
    return f"{place.scenario}/{place.target}"


def rule_anchors(rows: Iterable[Row]) -> list[str]:
    """An anchor for each row, in their order: the same for the same check of a later report."""
    return _anchors("rule", (row.verdict.id or f"{name_of(row)}/{row.rule}" for row in rows))


def case_anchors(cells: Iterable[CellReport]) -> dict[str, str]:
    """An anchor for each cell, by its name."""
    names = [name_of(cell) for cell in cells]
    return dict(zip(names, _anchors("case", names), strict=True))


def _anchors(kind: str, names: Iterable[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        anchor = f"{kind}-{_ODD.sub('-', name.lower()[:_LONGEST]).strip('-') or 'unnamed'}"
        seen[anchor] += 1
        # A number of our own is set apart by two dashes, which no name brings.
        found.append(anchor if seen[anchor] == 1 else f"{anchor}--{seen[anchor]}")
    return found

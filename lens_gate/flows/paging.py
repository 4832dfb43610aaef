"""The report as a page: what can be drawn of a run is worked out here, then rendered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lens_gate.errors import LensError
from lens_gate.flows.bundling import bundled
from lens_gate.flows.outputs import HTML_FILE, RUN_FILE, write_file
from lens_gate.metrics.arms import whole_blocks
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.distribution import (
    CellFigures,
    Changes,
    block_changes,
    cost_parts,
    gaps,
    pair_changes,
    spreads,
    time_parts,
)
from lens_gate.records.baseline import Baseline
from lens_gate.records.detail import RequestDetail
from lens_gate.records.report import CellReport, Report, Row
from lens_gate.records.run import Run
from lens_gate.records.sample import Sample
from lens_gate.render.html.report import Sheet, report_page
from lens_gate.runner.journal import read_run

# Of every cell, rule or not: what a reader asks for first.
_ALWAYS = ("ttft", "itl", "e2e", "output_tokens", "cost_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What a report rests on, as far as it is at hand.

    ``stored`` are, by cell, the runs that its history was held against, oldest first.
    """

    run: Run | None = None
    stored: Mapping[str, Sequence[Baseline]] = field(default_factory=dict)


NOTHING_BEHIND = Behind()


def write_page(folder: Path, report: Report, behind: Behind = NOTHING_BEHIND) -> None:
    """Write ``report.html`` beside the report's other files.

    Raises:
        WorldError: the disk did not take it.
    """
    write_file(folder / HTML_FILE, html_report(report, behind))


def beside(folder: Path) -> Behind:
    """The run whose journal lies in a folder; nothing where there is none that can be read."""
    try:
        return Behind(run=read_run(folder / RUN_FILE))
    except LensError:
        return NOTHING_BEHIND


def html_report(report: Report, behind: Behind = NOTHING_BEHIND) -> bytes:
    """``report.html``: one file that needs no other. Without its run it shows the report alone."""
    run = behind.run
    requests = bundled(report, run).requests if run else None
    figures = {}
    if run is not None and requests is not None:
        of_cell = _by_cell(requests)
        samples: dict[str, list[Sample]] = {}
        for sample in run.samples:
            samples.setdefault(sample.cell, []).append(sample)
        for cell in report.cells:
            key = f"{cell.scenario}/{cell.target}"
            rows = [row for row in report.rows if (row.scenario, row.target) == _place(cell)]
            own = _Cell(
                report=cell,
                rows=rows,
                requests=of_cell.get(key, ()),
                samples=_whole(samples.get(key, ()), cell, run),
                stored=() if cell.duet else behind.stored.get(key, ()),
            )
            figures[key] = _figures(own)
    runs = {
        cell: tuple((one.created, one.commit) for one in stored)
        for cell, stored in behind.stored.items()
    }
    sheet = Sheet(report=report, requests=requests, figures=figures, stored=runs)
    return report_page(sheet).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One cell, and all that is known of it."""

    report: CellReport
    rows: Sequence[Row]
    requests: Sequence[RequestDetail]
    samples: Sequence[Sample]
    stored: Sequence[Baseline]


def _place(cell: CellReport) -> tuple[str, str]:
    return cell.scenario, cell.target


def _by_cell(requests: Sequence[RequestDetail]) -> Mapping[str, Sequence[RequestDetail]]:
    found: dict[str, list[RequestDetail]] = {}
    for one in requests:
        found.setdefault(one.cell, []).append(one)
    return found


def _whole(samples: Sequence[Sample], cell: CellReport, run: Run) -> Sequence[Sample]:
    """Without the pair of blocks that the cell's end broke off: the judge takes no other."""
    if cell.duet is None or cell.duet.block_s <= 0:
        return samples
    ends = run.end.cells if run.end else ()
    key = f"{cell.scenario}/{cell.target}"
    return whole_blocks(samples, next((end for end in ends if end.cell == key), None))


def _figures(cell: _Cell) -> CellFigures:
    asked = dict.fromkeys((*_ALWAYS, *(row.metric for row in cell.rows)))
    shown = [name for name in asked if name in CATALOGUE and CATALOGUE[name].per == "request"]
    return CellFigures(
        spreads=spreads(cell.requests, shown, cell.stored),
        changes={
            row.verdict.id: found
            for row in cell.rows
            if cell.report.duet is not None and (found := _changes(row, cell)) is not None
        },
        gaps=gaps(cell.requests),
        time_s=time_parts(cell.requests),
        cost_usd=cost_parts(cell.requests),
    )


def _changes(row: Row, cell: _Cell) -> Changes | None:
    if row.kind != "relative" or row.metric not in CATALOGUE:
        return None
    if row.in_blocks:
        return block_changes(cell.samples, row.metric, row.statistic)
    return pair_changes(cell.requests, row.metric)

"""A metric of a case over the runs that are stored of it, this run last."""

from collections.abc import Iterable

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import CellReport
from lens_gate.render.charts import Axis, Point, series
from lens_gate.render.figures import centre, metric_title, moments
from lens_gate.render.html.parts import drawing
from lens_gate.render.html.sheet import Sheet, name_of
from lens_gate.render.html.tags import Html, join, tag


def past(cell: CellReport, metric: str, sheet: Sheet) -> Iterable[Html]:
    """The series as a chart; nothing where no stored run has the metric."""
    numbers = cell.history.get(metric)
    if not numbers or metric not in CATALOGUE:
        return
    row, runs = CATALOGUE[metric], sheet.stored.get(name_of(cell), ())
    # Of fewer numbers than runs it is not known whose they are.
    named = runs if len(runs) == len(numbers) else [("", "")] * len(numbers)
    points = [
        Point(at=place, label=_label(place, *named[place]), value=number)
        for place, number in enumerate(numbers)
    ]
    now = cell.metrics.get(metric)
    if now is not None:
        here = centre(now, metric)
        points.append(Point(at=len(numbers), label="this run", value=here, role="head"))
    words = metric_title(metric, row.default_statistic)
    title = f"{name_of(cell)}: {words} over runs"
    yield drawing(
        series(points, Axis(title=words, unit=row.unit), title=title),
        join(tag("strong", f"{words} over runs. "), "The stored runs of this case, then this one."),
    )


def _label(place: int, created: str, commit: str) -> str:
    day = moments(created)[5:10] if created else ""
    return " ".join(filter(None, (day, commit[:7]))) or f"run {place + 1}"

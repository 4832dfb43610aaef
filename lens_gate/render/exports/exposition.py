"""Prometheus' text format (0.0.4) and OpenMetrics 1.0: the same series in either's own spelling.

https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md. They differ in
what follows the name of a family in its comments, in the unit, and in the end. A file has the
numbers of one run and no time stamps: neither a Pushgateway nor the text file collector takes any.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lens_gate.records.detail import Bundle
from lens_gate.render.exports.families import Family, Point, Spread
from lens_gate.render.exports.of_report import report_families
from lens_gate.render.exports.of_requests import request_families

PROMETHEUS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_SUFFIXES: Final = {"counter": "_total", "info": "_info"}


def families_of(bundle: Bundle) -> Iterator[Family]:
    """Every family that there are numbers for."""
    yield from report_families(bundle.report)
    yield from request_families(bundle.report.policy, bundle.requests or ())


def prometheus(bundle: Bundle) -> bytes:
    """Prometheus' text format, UTF-8."""
    return _text(line for family in families_of(bundle) for line in _prometheus(family))


def openmetrics(bundle: Bundle) -> bytes:
    """OpenMetrics text, UTF-8."""
    lines = (line for family in families_of(bundle) for line in _openmetrics(family))
    return _text((*lines, "# EOF"))


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _prometheus(family: Family) -> Iterator[str]:
    # An info is a gauge of 1 there, and a comment names the series, with its suffix.
    kind = "gauge" if family.kind == "info" else family.kind
    named = family.name + _SUFFIXES.get(family.kind, "")
    yield f"# HELP {named} {family.help}"
    yield f"# TYPE {named} {kind}"
    yield from _samples(family)


def _openmetrics(family: Family) -> Iterator[str]:
    yield f"# TYPE {family.name} {family.kind}"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {family.help}"
    yield from _samples(family)


def _samples(family: Family) -> Iterator[str]:
    """Each series once: of labels that are the same the first counts."""
    seen = set()
    for point in family.points:
        names = _labels(point.labels)
        if names not in seen:
            seen.add(names)
            yield from _point(family, point)


def _point(family: Family, point: Point) -> Iterator[str]:
    if not isinstance(point.value, Spread):
        named = family.name + _SUFFIXES.get(family.kind, "")
        yield f"{named}{_labels(point.labels)} {point.value!r}"
        return
    spread = point.value
    for bound, count in zip((*spread.bounds, None), spread.cumulated(), strict=True):
        edge = {"le": "+Inf" if bound is None else repr(bound)}
        yield f"{family.name}_bucket{_labels({**point.labels, **edge})} {count}"
    yield f"{family.name}_sum{_labels(point.labels)} {spread.total!r}"
    yield f"{family.name}_count{_labels(point.labels)} {spread.count}"


def _labels(names: Mapping[str, str]) -> str:
    texts = (f'{name}="{_escaped(text)}"' for name, text in names.items())
    return f"{{{','.join(texts)}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

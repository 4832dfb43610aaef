"""The formats: one visible table, a row each.

A third party's row comes by an entry point of the group ``lens_gate.formats``; it is a ``Format``,
too, and its ``encode`` takes the same records.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from lens_gate.records.detail import Bundle
from lens_gate.render.exports import csv_tables, exposition, influx, jsonl, otlp
from lens_gate.render.exports.otlp_metrics import otlp_metrics
from lens_gate.render.exports.otlp_traces import otlp_traces
from lens_gate.render.junit import junit
from lens_gate.render.report_json import report_json

Wants = Literal["report", "requests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to write a report, or its requests.

    ``title`` is a line for people, ``suffix`` that of a file's name. ``wants`` is what it can't do
    without: a ``report`` alone, or the ``requests``; one that wants the report also writes of the
    requests what it has a place for, if they are there.
    """

    name: str
    title: str
    media_type: str
    suffix: str
    wants: Wants
    encode: Callable[[Bundle], bytes]


def _json(bundle: Bundle) -> bytes:
    return report_json(bundle.report)


def _junit(bundle: Bundle) -> bytes:
    return junit(bundle.report)


_ROWS: Final = (
    Format(
        name="json",
        title="The report, whole: report.json itself",
        media_type="application/json",
        suffix=".json",
        wants="report",
        encode=_json,
    ),
    Format(
        name="jsonl",
        title="JSON Lines: an object a request",
        media_type=jsonl.TYPE,
        suffix=".jsonl",
        wants="requests",
        encode=jsonl.requests_jsonl,
    ),
    Format(
        name="csv",
        title="CSV: a row a request",
        media_type=csv_tables.TYPE,
        suffix=".csv",
        wants="requests",
        encode=csv_tables.requests_csv,
    ),
    Format(
        name="csv-summary",
        title="CSV: a row a cell, side and metric",
        media_type=csv_tables.TYPE,
        suffix=".csv",
        wants="report",
        encode=csv_tables.summary_csv,
    ),
    Format(
        name="csv-verdicts",
        title="CSV: a row a check",
        media_type=csv_tables.TYPE,
        suffix=".csv",
        wants="report",
        encode=csv_tables.verdicts_csv,
    ),
    Format(
        name="prometheus",
        title="Prometheus text format 0.0.4",
        media_type=exposition.PROMETHEUS_TYPE,
        suffix=".prom",
        wants="report",
        encode=exposition.prometheus,
    ),
    Format(
        name="openmetrics",
        title="OpenMetrics text 1.0.0",
        media_type=exposition.OPENMETRICS_TYPE,
        suffix=".txt",
        wants="report",
        encode=exposition.openmetrics,
    ),
    Format(
        name="influx",
        title="InfluxDB line protocol",
        media_type=influx.TYPE,
        suffix=".lp",
        wants="report",
        encode=influx.influx,
    ),
    Format(
        name="otlp-metrics",
        title="OpenTelemetry metrics, OTLP JSON",
        media_type=otlp.TYPE,
        suffix=".json",
        wants="report",
        encode=otlp_metrics,
    ),
    Format(
        name="otlp-traces",
        title="OpenTelemetry traces, OTLP JSON: a trace a request",
        media_type=otlp.TYPE,
        suffix=".json",
        wants="requests",
        encode=otlp_traces,
    ),
    Format(
        name="junit",
        title="JUnit XML: a test case a check",
        media_type="application/xml",
        suffix=".xml",
        wants="report",
        encode=_junit,
    ),
)
FORMATS: Final[Mapping[str, Format]] = MappingProxyType({row.name: row for row in _ROWS})
"""By name; what needs more than the standard library stands in ``sinks``, not here."""

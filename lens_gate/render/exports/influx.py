"""InfluxDB's line protocol: a point for the run, each check, each cell's metric, each request.

https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/. Tags are what one
groups by, everything else is a field; what is not known is left out. Times are nanoseconds. Points
of the same measurement, tags and time replace each other there, so a request's time, known to the
microsecond, ends with the last three digits of its number in the run: sent twice it is one point.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from lens_gate.records.detail import Bundle, RequestDetail
from lens_gate.records.report import CellReport, Report, Row
from lens_gate.render.cases import counts
from lens_gate.render.escape import one_line
from lens_gate.render.exports.labels import label_value
from lens_gate.render.exports.of_report import STATISTICS, kind_of
from lens_gate.render.exports.origin import Origin, origin_of

TYPE: Final = "text/plain; charset=utf-8"
_Field = str | int | float | bool | Decimal | None
_MOST: Final = 1000
_NUMBERS: Final = ("head_value", "base_value", "margin", "limit", "estimate", "low", "high")


def influx(bundle: Bundle) -> bytes:
    """The report's points and its requests', UTF-8."""
    origin = origin_of(bundle.report)
    lines = _report(bundle.report, origin.start_ns)
    return _text(lines) + request_points(bundle.requests or (), origin)


def request_points(requests: Iterable[RequestDetail], origin: Origin) -> bytes:
    """A point for each of these requests, also of a run that goes on."""
    return _text(_request(request, origin) for request in requests)


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _report(report: Report, at_ns: int) -> Iterator[str]:
    tags = {"policy": report.policy}
    fields: dict[str, _Field] = {
        "outcome": report.outcome,
        "exit_code": report.exit_code,
        "mode": report.refs.mode,
        "run_id": report.run_id,
        "commit": report.refs.head,
        "version": report.version,
        "headline": report.headline,
        "failed_checks": sum(row.name == "fail" and counts(row) for row in report.rows),
        "elapsed_s": report.elapsed_s,
        "spent_usd": report.spend.spent_usd,
        "peak_usd": report.spend.peak_usd,
        "cap_usd": report.spend.cap_usd,
        "requests": report.spend.requests,
    }
    yield _point("lens_gate_run", tags, fields, at_ns)
    yield from (_check(row, tags, at_ns) for row in report.rows)
    for cell in report.cells:
        yield from _cell(cell, {**tags, "scenario": cell.scenario, "target": cell.target}, at_ns)


def _check(row: Row, tags: Mapping[str, str], at_ns: int) -> str:
    named = {
        "scenario": row.scenario,
        "target": row.target,
        "rule": row.rule,
        "metric": row.metric,
        "statistic": row.statistic,
        "kind": kind_of(row),
    }
    fields: dict[str, _Field] = {
        "verdict": row.name,
        "counts": counts(row),
        "unit": row.unit,
        "n": row.verdict.n,
        "reason": row.verdict.reason,
    }
    fields |= {name: getattr(row.verdict, name) for name in _NUMBERS}
    return _point("lens_gate_check", {**tags, **named}, fields, at_ns)


def _cell(cell: CellReport, tags: Mapping[str, str], at_ns: int) -> Iterator[str]:
    duet, load = cell.duet, cell.load
    fields: dict[str, _Field] = {
        "planned": cell.planned,
        "measured": cell.measured,
        "ok": cell.ok,
        "failed": sum(cell.failures.values()),
        "retried": cell.retried,
        "spent_usd": cell.spent_usd,
        "merged_share": cell.merged_share,
        "client_lag_p99_s": cell.client_lag_p99_s,
    }
    if load is not None:
        fields |= {
            "rps": load.rps,
            "goodput_rps": load.goodput_rps,
            "throughput": load.throughput,
            "sent_rate": load.sent_rate,
        }
    yield _point("lens_gate_cell", tags, fields, at_ns)
    for arm, metrics in (("head", cell.metrics), ("control", duet.metrics if duet else {})):
        for metric, found in metrics.items():
            numbers: dict[str, _Field] = {name: found.named(name) for name in STATISTICS}
            numbers |= {"n": found.n, "censored": found.censored}
            named = {**tags, "arm": arm, "metric": metric}
            yield _point("lens_gate_metric", named, numbers, at_ns)


def _request(request: RequestDetail, origin: Origin) -> str:
    tags = {
        "policy": origin.policy,
        "scenario": request.scenario,
        "target": request.target,
        "arm": request.arm,
        "phase": request.phase,
        "status": request.status,
    }
    fields: dict[str, _Field] = {
        "run_id": origin.run_id,
        "seq": request.seq,
        "prompt_id": request.prompt_id,
        "pair": request.pair,
        "attempts": request.attempts,
        "http_status": request.http_status,
        "model": request.model,
        "failure": request.failure or None,
        "cost_usd": request.cost_usd,
        "settled_usd": request.settled_usd,
    }
    fields |= {name: v for name, v in request.values.items() if name != "cost_usd"}
    fields |= {f"{name}_bound": value for name, value in request.bounds.items()}
    fields |= {f"{name}_estimated": value for name, value in request.estimated.items()}
    fields |= {f"phase_{name}_s": value for name, value in request.phases.items()}
    fields |= {f"cost_{part}_usd": usd for part, usd in request.cost_parts.items()}
    at_ns = origin.start_ns + int(request.at_s * 1e6) * 1000 + request.seq % 1000
    return _point("lens_gate_request", tags, fields, at_ns)


def _point(
    measurement: str, tags: Mapping[str, str], fields: Mapping[str, _Field], at_ns: int
) -> str:
    named = "".join(f",{name}={_tag(text)}" for name, text in tags.items() if _tag(text))
    known = [f"{name}={_field(value)}" for name, value in fields.items() if value is not None]
    return f"{measurement}{named} {','.join(known)} {at_ns}"


def _tag(text: str) -> str:
    """A tag has no way to write a backslash at its end, or before what must be escaped."""
    plain = label_value(text).replace("\\", "⧵")
    return plain.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def _field(value: _Field) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    text = one_line(str(value), _MOST)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

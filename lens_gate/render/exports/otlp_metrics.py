"""OTLP metrics: GenAI metrics of the measured requests, and every number that Prometheus gets.

Each run is a process of its own: its counters and histograms begin with it (cumulative). Names of
the house are Prometheus' with dots: what a collector makes of ``lens_gate.ttft`` in seconds is
``lens_gate_ttft_seconds`` again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lens_gate.records.detail import Bundle, RequestDetail
from lens_gate.records.json_types import Json
from lens_gate.render.exports import semconv
from lens_gate.render.exports.exposition import families_of
from lens_gate.render.exports.families import PREFIX, Family, Point, Spread, spread
from lens_gate.render.exports.origin import origin_of
from lens_gate.render.exports.otlp import (
    Value,
    attributes,
    encoded,
    resource,
    scope,
)

_CUMULATIVE: Final = 2
_UNITS: Final = {
    "seconds": "s",
    "tokens": "{token}",
    "usd": "{USD}",
    "ratio": "1",
    "tokens_per_second": "{token}/s",
    "requests_per_second": "{request}/s",
}
# What the server's side took is only known where there was an answer.
_ANSWERED: Final = (
    (
        semconv.TIME_TO_FIRST_CHUNK,
        "ttfr",
        semconv.FIRST_TOKEN_BOUNDS,
        "Time to the first output of any kind, reasoning included.",
    ),
    (
        semconv.TIME_TO_FIRST_TOKEN,
        "ttft",
        semconv.FIRST_TOKEN_BOUNDS,
        "Time to the first visible output, as the client sees it.",
    ),
    (
        semconv.TIME_PER_OUTPUT_TOKEN,
        "tpot",
        semconv.OUTPUT_TOKEN_BOUNDS,
        "Time for an output token after the first, as the client sees it.",
    ),
)
_AFTER_SENDING: Final = ("headers", "first", "stream")
_Series = dict[tuple[tuple[str, Value], ...], list[float]]


def otlp_metrics(bundle: Bundle) -> bytes:
    """The body of an export request, for ``/v1/metrics``."""
    origin = origin_of(bundle.report)
    start = origin.start_ns
    end = start + int(bundle.report.elapsed_s * 1e9)
    measured = [r for r in bundle.requests or () if r.phase == "measured"]
    metrics = [*_genai(measured, start, end), *_house(bundle, start, end)]
    whole: Json = {
        "resourceMetrics": [
            {
                "resource": resource(origin),
                "scopeMetrics": [
                    {
                        "scope": scope(origin),
                        "metrics": metrics,
                        "schemaUrl": semconv.SCHEMA_URL,
                    }
                ],
                "schemaUrl": semconv.SCHEMA_URL,
            }
        ]
    }
    return encoded(whole)


def _house(bundle: Bundle, start: int, end: int) -> Iterator[Json]:
    for family in families_of(bundle):
        points = [_point(point, start, end) for point in family.points]
        yield {
            "name": otlp_name(family),
            "description": family.help,
            "unit": _UNITS.get(family.unit, "1"),
            **_data(family, points),
        }


def otlp_name(family: Family) -> str:
    """``lens_gate.ttft``; with its unit where others of its name have another one."""
    named = f"{family.stem}.{family.unit}" if family.several_units else family.stem
    return f"{PREFIX}.{named}"


def _data(family: Family, points: list[Json]) -> Mapping[str, Json]:
    if family.kind == "histogram":
        return {"histogram": {"dataPoints": points, "aggregationTemporality": _CUMULATIVE}}
    if family.kind == "counter":
        whole = {"aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
        return {"sum": {"dataPoints": points, **whole}}
    return {"gauge": {"dataPoints": points}}


def _point(point: Point, start: int, end: int) -> Json:
    return _measured(attributes(point.labels), point.value, start, end)


def _measured(names: list[Json], value: float | Spread, start: int, end: int) -> Json:
    when: dict[str, Json] = {"startTimeUnixNano": str(start), "timeUnixNano": str(end)}
    if not isinstance(value, Spread):
        return {"attributes": names, **when, "asDouble": value}
    return {
        "attributes": names,
        **when,
        "count": str(value.count),
        "sum": value.total,
        "bucketCounts": [str(count) for count in value.counts],
        "explicitBounds": list(value.bounds),
    }


def _genai(requests: Iterable[RequestDetail], start: int, end: int) -> Iterator[Json]:
    requests = tuple(requests)
    durations, tokens = _Spreads(), _Spreads()
    for request in requests:
        took = duration_s(request)
        if took is not None:
            failed = {} if request.status == "ok" else {semconv.ERROR_TYPE: request.status}
            durations.add({**genai_names(request), **failed}, took)
        for kind, metric in ((semconv.INPUT, "input_tokens"), (semconv.OUTPUT, "output_tokens")):
            if metric in request.values:
                named = {**genai_names(request), semconv.TOKEN_TYPE: kind}
                tokens.add(named, request.values[metric])
    yield from durations.metric(
        semconv.OPERATION_DURATION,
        "s",
        "From the sending of the request to the last byte of its answer.",
        semconv.DURATION_BOUNDS,
        (start, end),
    )
    yield from tokens.metric(
        semconv.TOKEN_USAGE,
        "{token}",
        "Tokens of the request, as the provider counts them.",
        semconv.TOKEN_BOUNDS,
        (start, end),
    )
    for name, metric, bounds, text in _ANSWERED:
        found = _Spreads()
        for request in requests:
            if metric in request.values:
                found.add(genai_names(request), request.values[metric])
        yield from found.metric(name, "s", text, bounds, (start, end))


def genai_names(request: RequestDetail) -> dict[str, Value]:
    """What the conventions ask of every metric and span, and where the request belongs."""
    return {
        semconv.OPERATION_NAME: semconv.CHAT,
        semconv.PROVIDER_NAME: semconv.provider_name(request.provider),
        semconv.REQUEST_MODEL: request.asked_model,
        semconv.RESPONSE_MODEL: request.model,
        "lens_gate.scenario": request.scenario,
        "lens_gate.target": request.target,
        "lens_gate.arm": request.arm,
    }


def duration_s(request: RequestDetail) -> float | None:
    """End to end; of a failed request the time from its sending to its end, if it was sent."""
    if "e2e" in request.values:
        return request.values["e2e"]
    took = [request.phases[name] for name in _AFTER_SENDING if name in request.phases]
    return sum(took) if took else None


class _Spreads:
    """Values by their attributes."""

    def __init__(self) -> None:
        self._series: _Series = {}

    def add(self, names: Mapping[str, Value], value: float) -> None:
        self._series.setdefault(tuple(names.items()), []).append(value)

    def metric(
        self, name: str, unit: str, text: str, bounds: tuple[float, ...], when: tuple[int, int]
    ) -> Iterator[Json]:
        if self._series:
            points = [
                _measured(attributes(dict(names)), spread(values, (), bounds), *when)
                for names, values in self._series.items()
            ]
            yield {
                "name": name,
                "description": text,
                "unit": unit,
                "histogram": {"dataPoints": points, "aggregationTemporality": _CUMULATIVE},
            }

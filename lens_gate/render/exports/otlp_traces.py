"""OTLP traces: a trace a request, whose child spans are the phases that its time went to.

The span of a request covers all of it, from the moment at which it should have gone: what this
client and the network took before the sending is in it, in phases of their own. The measured times
stand beside it as attributes. Ids follow from the run and the request's number: what is sent twice
is one span.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lens_gate.metrics.detail import PHASES
from lens_gate.records.detail import Bundle, RequestDetail
from lens_gate.records.json_types import Json
from lens_gate.render.escape import one_line
from lens_gate.render.exports import semconv
from lens_gate.render.exports.labels import label_value
from lens_gate.render.exports.origin import Origin, origin_of
from lens_gate.render.exports.otlp import (
    Value,
    attributes,
    encoded,
    resource,
    scope,
)
from lens_gate.render.exports.otlp_metrics import genai_names

_INTERNAL: Final = 1
_CLIENT: Final = 3
_ERROR: Final = 2
_MOST: Final = 300


def otlp_traces(bundle: Bundle) -> bytes:
    """The body of an export request, for ``/v1/traces``."""
    return request_spans(bundle.requests or (), origin_of(bundle.report))


def request_spans(requests: Iterable[RequestDetail], origin: Origin) -> bytes:
    """The spans of these requests, also of a run that goes on."""
    spans = [span for request in requests for span in _spans(request, origin)]
    whole: Json = {
        "resourceSpans": [
            {
                "resource": resource(origin),
                "scopeSpans": [
                    {"scope": scope(origin), "spans": spans, "schemaUrl": semconv.SCHEMA_URL}
                ],
                "schemaUrl": semconv.SCHEMA_URL,
            }
        ]
    }
    return encoded(whole)


def _spans(request: RequestDetail, origin: Origin) -> Iterator[Json]:
    trace = _id(16, origin.run_id, request.seq)
    parent = _id(8, origin.run_id, request.seq, "request")
    start = origin.start_ns + round(request.at_s * 1e9)
    at, phases = start, []
    for phase in PHASES:
        if phase in request.phases:
            end = at + round(request.phases[phase] * 1e9)
            phases.append((phase, at, end))
            at = end
    yield {
        "traceId": trace,
        "spanId": parent,
        "name": label_value(" ".join(filter(None, (semconv.CHAT, request.asked_model)))),
        "kind": _CLIENT,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(at),
        "attributes": attributes(_names(request)),
        **_status(request),
    }
    for phase, begin, end in phases:
        yield {
            "traceId": trace,
            "spanId": _id(8, origin.run_id, request.seq, phase),
            "parentSpanId": parent,
            "name": phase,
            "kind": _INTERNAL,
            "startTimeUnixNano": str(begin),
            "endTimeUnixNano": str(end),
        }


def _id(size: int, *parts: object) -> str:
    """So many bytes in hexadecimal, the same for the same parts."""
    text = "\0".join(map(str, parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[: 2 * size]


def _status(request: RequestDetail) -> Mapping[str, Json]:
    if request.status == "ok":
        return {}
    return {"status": {"code": _ERROR, "message": one_line(request.failure, _MOST)}}


def _names(request: RequestDetail) -> Mapping[str, Value]:
    values = request.values
    return {
        **genai_names(request),
        semconv.FINISH_REASONS: (request.finish_reason,) if request.finish_reason else None,
        semconv.INPUT_TOKENS: _whole(values.get("input_tokens")),
        semconv.OUTPUT_TOKENS: _whole(values.get("output_tokens")),
        semconv.REASONING_TOKENS: _whole(values.get("reasoning_tokens")),
        semconv.ERROR_TYPE: None if request.status == "ok" else request.status,
        semconv.HTTP_STATUS: request.http_status,
        "lens_gate.seq": request.seq,
        "lens_gate.phase": request.phase,
        "lens_gate.prompt.id": request.prompt_id,
        "lens_gate.pair": request.pair,
        "lens_gate.block": request.block,
        "lens_gate.step": request.step,
        "lens_gate.attempts": request.attempts,
        "lens_gate.service_tier": request.service_tier,
        "lens_gate.connection.reused": request.reused,
        "lens_gate.clock": request.clock,
        "lens_gate.bill_usd": None if request.cost_usd is None else float(request.cost_usd),
        "lens_gate.settled_usd": float(request.settled_usd),
        **{f"lens_gate.{name}": value for name, value in values.items()},
        **{f"lens_gate.{name}.bound": value for name, value in request.bounds.items()},
    }


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)

"""OpenTelemetry over OTLP/HTTP, JSON encoding, gzipped.

The OTLP specification, "OTLP/HTTP": 429, 502, 503 and 504 are tried again after ``Retry-After`` or
with growing pauses, nothing else is; an answer of success may say what it left out
(``partialSuccess``), which is never sent again.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lens_gate.records.destination import Destination
from lens_gate.sinks.upload import Payload, Rules, Upload

PATHS: Final = {"otlp-metrics": "/v1/metrics", "otlp-traces": "/v1/traces"}
BATCH_SPANS: Final = 2000
"""A collector takes 20 MiB at once, unless told otherwise."""


def partial(body: bytes) -> str:
    """What a server did not take of what it accepted, in words."""
    try:
        found = json.loads(body or b"{}")
        said = found.get("partialSuccess") or {}
        count = next((int(said[key]) for key in said if key.startswith("rejected")), 0)
        message = str(said.get("errorMessage") or "")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return ""  # protobuf, or nothing
    if not count:
        return ""
    return f"it did not take {count} of them" + (f": {message!a}" if message else "")


# Of points and spans, both with a time and an identity of their own, a second copy is no other.
RULES: Final = Rules(partial=partial)


def uploads(payload: Payload, sink: Destination) -> Sequence[Upload]:
    """A request, or one for each batch of spans."""
    base = sink.url.rstrip("/")
    path = PATHS[payload.format]
    url = base if base.endswith(path) else base + path
    headers = {"Content-Type": payload.media_type, "Content-Encoding": "gzip", **sink.headers}
    parts: Sequence[bytes] = (payload.data,)
    if payload.labels or payload.format == "otlp-traces":
        document = labelled(json.loads(payload.data), payload.labels)
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in batches(document)]
    return tuple(
        Upload(method="POST", url=url, data=gzip.compress(part, 6, mtime=0), headers=headers)
        for part in parts
    )


def labelled(document: Mapping[str, Any], labels: Mapping[str, str]) -> Mapping[str, Any]:
    """The document with these attributes of each resource; those that it has stay as they are."""
    return {name: [_with(item, labels) for item in items] for name, items in document.items()}


def _with(item: Mapping[str, Any], labels: Mapping[str, str]) -> Mapping[str, Any]:
    resource = item.get("resource", {})
    own = list(resource.get("attributes", ()))
    known = {attribute["key"] for attribute in own}
    own += [
        {"key": key, "value": {"stringValue": value}}
        for key, value in labels.items()
        if key not in known
    ]
    return {**item, "resource": {**resource, "attributes": own}}


def batches(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The document, or where it holds many spans, several that each hold some of them."""
    spans = [
        (resource, scope, span)
        for resource in document.get("resourceSpans", ())
        for scope in resource.get("scopeSpans", ())
        for span in scope.get("spans", ())
    ]
    if len(spans) <= BATCH_SPANS:
        yield document
        return
    for start in range(0, len(spans), BATCH_SPANS):
        yield {"resourceSpans": _grouped(spans[start : start + BATCH_SPANS])}


def _grouped(spans: Sequence[tuple[Any, Any, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    last: tuple[Any, Any] | None = None
    for resource, scope, span in spans:
        if last is None or last[0] is not resource or last[1] is not scope:
            found.append({**resource, "scopeSpans": [{**scope, "spans": []}]})
            last = (resource, scope)
        found[-1]["scopeSpans"][0]["spans"].append(span)
    return found

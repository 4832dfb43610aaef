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
from lens_gate.sinks.upload import GZIP_LEVEL, Payload, Rules, Upload, grouped

PATHS: Final = {"otlp-metrics": "/v1/metrics", "otlp-traces": "/v1/traces"}
BATCH_ITEMS: Final = 2000
BATCH_BYTES: Final = 3 * 1024 * 1024
"""Before compression: a collector takes 20 MiB at once, many a proxy or service no more than 4."""
_LISTS: Final = {
    "otlp-metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "otlp-traces": ("resourceSpans", "scopeSpans", "spans"),
}
# What needs no counting: of spans or points of that size there are not too many.
_SMALL: Final = 256 * 1024
_KINDS: Final = ("gauge", "sum", "histogram")
Node = Mapping[str, Any]


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
    """A request, or several where there is more than a receiver takes at once."""
    base = sink.url.rstrip("/")
    path = PATHS[payload.format]
    url = base if base.endswith(path) else base + path
    headers = {"Content-Type": payload.media_type, "Content-Encoding": "gzip", **sink.headers}
    return tuple(
        Upload(
            method="POST",
            url=url,
            data=gzip.compress(part, GZIP_LEVEL, mtime=0),
            headers=headers,
        )
        for part in _parts(payload)
    )


def _parts(payload: Payload) -> Iterator[bytes]:
    is_small = len(payload.data) <= _SMALL
    if is_small and not payload.labels:
        yield payload.data
        return
    document = labelled(json.loads(payload.data), payload.labels)
    for part in [document] if is_small else batches(document, payload.format):
        yield _dumped(part)


def _dumped(value: Node) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


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


def batches(document: Node, name: str) -> Iterator[Node]:
    """The document as several that each hold some of its spans or points, and together all."""
    top, scopes, items = _LISTS[name]
    found = (
        (resource, scope, piece)
        for resource in document.get(top, ())
        for scope in resource.get(scopes, ())
        for item in scope.get(items, ())
        for piece in _pieces(item)
    )
    for batch in grouped(found, _weight, most=BATCH_ITEMS, size=BATCH_BYTES):
        yield {top: _nested(batch, scopes, items)}


def _weight(item: tuple[Node, Node, Node]) -> int:
    return len(_dumped(item[2]))


def _pieces(item: Node) -> Iterator[Node]:
    """A span as it is; a metric as several of its name that each hold some of its points."""
    kind = next((kind for kind in _KINDS if kind in item), None)
    if kind is None:
        yield item
        return
    points = item[kind]["dataPoints"]
    for some in grouped(points, lambda p: len(_dumped(p)), most=BATCH_ITEMS, size=BATCH_BYTES // 2):
        yield {**item, kind: {**item[kind], "dataPoints": some}}


def _nested(batch: Sequence[tuple[Node, Node, Node]], scopes: str, items: str) -> list[Node]:
    found: list[Node] = []
    last: tuple[Node, Node] | None = None
    for resource, scope, item in batch:
        if last is None or last[0] is not resource or last[1] is not scope:
            found.append({**resource, scopes: [{**scope, items: []}]})
            last = (resource, scope)
        found[-1][scopes][0][items].append(item)
    return found

"""OTLP's JSON encoding: what metrics and traces share.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: names in lowerCamelCase, 64-bit
integers and times as decimal strings, enumerations as numbers, trace and span ids in hexadecimal.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from lens_gate.records.json_types import Json
from lens_gate.render.exports import semconv
from lens_gate.render.exports.labels import label_value
from lens_gate.render.exports.origin import Origin

TYPE: Final = "application/json"
SERVICE: Final = "lens-gate"
SCOPE: Final = "lens_gate"
Value = str | int | float | bool | Sequence[str] | None


def attributes(values: Mapping[str, Value]) -> list[Json]:
    """The attributes that have a value, one line of text each."""
    return [
        {"key": name, "value": _any(value)}
        for name, value in values.items()
        if value is not None and value not in ("", ())
    ]


def _any(value: str | float | Sequence[str]) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": label_value(value)}
    return {"arrayValue": {"values": [_any(item) for item in value]}}


def resource(origin: Origin) -> Json:
    """What the numbers are of: this program, this run."""
    named: dict[str, Value] = {
        semconv.SERVICE_NAME: SERVICE,
        semconv.SERVICE_VERSION: origin.version,
        "lens_gate.policy": origin.policy,
        "lens_gate.run.id": origin.run_id,
    }
    return {"attributes": attributes(named)}


def scope(origin: Origin) -> Json:
    """Who measured."""
    return {"name": SCOPE, "version": label_value(origin.version)}


def encoded(body: Json) -> bytes:
    """The request's body, UTF-8."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()

"""Prometheus Pushgateway: one group for a policy and a kind of run, replaced as a whole.

The gateway's README, "API": ``PUT /metrics/job/<JOB>{/<LABEL>/<VALUE>}`` replaces all metrics of
the group; a value with a slash, or an empty one, is written in base64 (URL-safe).
"""

import base64
from collections.abc import Mapping, Sequence

from lens_gate.records.destination import Destination
from lens_gate.sinks.upload import Payload, Rules, Upload, escaped

DEFAULT_JOB = "lens_gate"
RULES = Rules()


def uploads(payload: Payload, sink: Destination) -> Sequence[Upload]:
    """The one request; an address that names a group already is used as it is."""
    url = sink.url.rstrip("/")
    if "/metrics/job" not in url:
        own = {"policy": payload.policy} if payload.policy else {}
        url += group({"job": sink.job or DEFAULT_JOB, **own, **payload.labels})
    headers = {"Content-Type": payload.media_type, **sink.headers}
    return (Upload(method="PUT", url=url, data=payload.data, headers=headers),)


def group(labels: Mapping[str, str]) -> str:
    """The path of a group, ``job`` first."""
    return "/metrics" + "".join(f"/{step(name, value)}" for name, value in labels.items())


def step(name: str, value: str) -> str:
    """One label of a group's path; steps of dots alone would be taken out of it on the way."""
    if value.strip(".") and "/" not in value:
        return f"{name}/{escaped(value)}"
    coded = base64.urlsafe_b64encode(value.encode("utf-8", "replace")).decode() or "="
    return f"{name}@base64/{coded}"

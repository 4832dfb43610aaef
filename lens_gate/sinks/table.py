"""The sinks: one visible table, a row each; what a row takes stands in ``records.destination``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from lens_gate.errors import LensError
from lens_gate.records.destination import SINK_KINDS, Destination, SinkKind
from lens_gate.sinks import file, influxdb, otlp, plain, pushgateway
from lens_gate.sinks.upload import Means, Payload, Pushed, Rules, Upload, secrets_of

Uploads = Callable[[Payload, Destination], Sequence[Upload]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A kind of sink. ``push`` raises nothing: what went wrong is a line of its answer."""

    kind: SinkKind
    push: Callable[[Payload, Destination, Means], Pushed]


def push(payload: Payload, sink: Destination, means: Means) -> Pushed:
    """Push to one sink. It raises nothing: what went wrong is a line of the answer."""
    return SINKS[sink.to].push(payload, sink, means)


def _over_http(
    uploads: Uploads, rules: Rules, scheme: str, payload: Payload, sink: Destination, means: Means
) -> Pushed:
    """``scheme`` is what goes before a token."""
    from lens_gate.sinks.http import send  # noqa: PLC0415  # requests, which most verbs save

    try:
        secrets = secrets_of(sink, means.environ, scheme)
        send(
            uploads(payload, sink),
            secrets=secrets,
            rules=rules,
            timeout_s=sink.timeout_s,
            means=means,
        )
    except LensError as error:
        return Pushed(problem="; ".join(filter(None, (error.message, error.hint))))
    return Pushed()


SINKS: Final[Mapping[str, Sink]] = {
    row.kind.name: row
    for row in (
        Sink(kind=SINK_KINDS["file"], push=file.push),
        Sink(
            kind=SINK_KINDS["http"],
            push=partial(_over_http, plain.uploads, plain.RULES, "Bearer"),
        ),
        Sink(
            kind=SINK_KINDS["pushgateway"],
            push=partial(_over_http, pushgateway.uploads, pushgateway.RULES, "Bearer"),
        ),
        Sink(
            kind=SINK_KINDS["influxdb"],
            push=partial(_over_http, influxdb.uploads, influxdb.RULES, "Token"),
        ),
        Sink(
            kind=SINK_KINDS["otlp"],
            push=partial(_over_http, otlp.uploads, otlp.RULES, "Bearer"),
        ),
    )
}

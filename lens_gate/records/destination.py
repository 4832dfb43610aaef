"""Where a gate's numbers are pushed: one entry of a policy's ``publish``, and what each kind takes.

The kinds are a literal table here, below the rooms that share it: the policy holds an entry against
it, the sinks do what it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

EVENTS: Final = ("pull_request", "merge_queue", "push", "schedule", "manual", "local")
DEFAULT_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkKind:
    """What may be said of a sink.

    ``formats`` are those that it takes, the first of them unless another is named; empty: any, and
    ``json`` unless another is named. ``needs`` are keys that must be there, ``takes`` further ones;
    of each group in ``one_of`` exactly one must be. ``labels``: it can carry some. ``live`` is the
    form in which it takes samples while a run goes on: ``influx`` points, JSON lines (``jsonl``),
    spans (``otlp-traces``); empty: not at all.
    """

    name: str
    title: str
    formats: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    labels: bool = False
    live: str = ""

    @property
    def default_format(self) -> str:
        """The format of an entry that names none."""
        return self.formats[0] if self.formats else "json"


_WEB: Final = ("token_env", "username_env", "password_env", "headers")
SINK_KINDS: Final[Mapping[str, SinkKind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            SinkKind(name="file", title="A file", needs=("path",), live="jsonl"),
            SinkKind(
                name="http",
                title="POST to any address",
                needs=("url",),
                takes=_WEB,
                live="jsonl",
            ),
            SinkKind(
                name="pushgateway",
                title="Prometheus Pushgateway",
                formats=("prometheus",),
                needs=("url",),
                takes=("job", *_WEB),
                labels=True,
            ),
            SinkKind(
                name="influxdb",
                title="InfluxDB, version 1 or 2",
                formats=("influx",),
                needs=("url",),
                takes=("retention_policy", "org", *_WEB),
                one_of=("database", "bucket"),
                labels=True,
                live="influx",
            ),
            SinkKind(
                name="otlp",
                title="OpenTelemetry over OTLP/HTTP",
                formats=("otlp-metrics", "otlp-traces"),
                needs=("url",),
                takes=_WEB,
                labels=True,
                live="otlp-traces",
            ),
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One entry of ``publish``. Secrets are names of environment variables, never values.

    ``url`` is the service's address (``http``: the whole address), empty for a file; ``path`` is a
    file's, relative to the output folder, or absolute. ``database`` (with ``retention_policy``) is
    of InfluxDB 1, ``bucket`` (with ``org``) of InfluxDB 2; ``job`` the Pushgateway's. ``labels`` go
    with each number. ``timeout_s`` is for all that a push takes, tries after the first included.
    ``live``: samples go there while the run goes on, too. ``events`` are the kinds of run that
    push.
    """

    to: str
    format: str
    url: str = ""
    path: str = ""
    database: str = ""
    retention_policy: str = ""
    org: str = ""
    bucket: str = ""
    job: str = ""
    token_env: str | None = None
    username_env: str | None = None
    password_env: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    header_env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = DEFAULT_TIMEOUT_S
    live: bool = False
    events: tuple[str, ...] = EVENTS

    @property
    def where(self) -> str:
        """The address as messages show it: without what stands after a question mark."""
        return self.path or self.url.partition("?")[0]

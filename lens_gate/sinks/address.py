"""Which sink an address on the command line means, and what it says of itself."""

from urllib.parse import SplitResult, parse_qs, urlsplit

from lens_gate.errors import LensError
from lens_gate.records.destination import SINK_KINDS, Destination


def sink_at(
    url: str, *, format_name: str, token_env: str | None = None, timeout_s: float = 30.0
) -> Destination:
    """The sink at an address that says all of it.

    A path with ``/metrics/job`` is a Pushgateway's group, one that ends in ``/write`` an
    InfluxDB's with its query (``db`` or ``bucket``); OpenTelemetry formats go to an OTLP receiver;
    anything else is a POST to just this address.

    Raises:
        LensError: it is no address, holds a password, or takes another format.
    """
    parts = _parts(url)
    to = _kind(parts.path, parse_qs(parts.query), format_name)
    takes = SINK_KINDS[to].formats
    if takes and format_name not in takes:
        raise LensError(
            f"that address is one of {SINK_KINDS[to].title}, which takes no {format_name}",
            f"name the format {' or '.join(takes)}",
        )
    return Destination(to=to, format=format_name, url=url, token_env=token_env, timeout_s=timeout_s)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or not url.isprintable():
        raise LensError("that is no address", "write one such as https://metrics.example.com")
    if "@" in parts.netloc:
        raise LensError(
            "the address holds a user name or password",
            "name the environment variable that holds a token instead",
        )
    return parts


def _kind(path: str, query: dict[str, list[str]], format_name: str) -> str:
    if format_name in SINK_KINDS["otlp"].formats:
        return "otlp"
    if "/metrics/job" in path:
        return "pushgateway"
    if path.rstrip("/").endswith("/write") and ("db" in query or "bucket" in query):
        return "influxdb"
    return "http"

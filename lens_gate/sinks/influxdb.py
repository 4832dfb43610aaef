"""InfluxDB: ``/write`` of version 1, ``/api/v2/write`` of version 2, in batches, gzipped.

Writing the same point twice leaves it as it is, so that what got no answer is sent again.
"""

import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from lens_gate.records.destination import Destination
from lens_gate.sinks.upload import GZIP_LEVEL, Payload, Rules, Upload, grouped

BATCH_LINES = 5000
BATCH_BYTES = 4 * 1024 * 1024
"""Before compression; a server takes 25 MB, a proxy before it may take less."""
# The first blank that is no part of a tag.
_BLANK = re.compile(rb"(?<!\\) ")
RULES = Rules(passing=frozenset({429, 500, 502, 503, 504}))


def uploads(payload: Payload, sink: Destination) -> Sequence[Upload]:
    """A request for each batch of lines."""
    url = address(sink)
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Encoding": "gzip",
        **sink.headers,
    }
    return tuple(
        Upload(
            method="POST", url=url, data=gzip.compress(batch, GZIP_LEVEL, mtime=0), headers=headers
        )
        for batch in batches(tagged(payload.data, payload.labels))
    )


def address(sink: Destination) -> str:
    """Where points are written; what the address' own query says is kept."""
    base, _, query = sink.url.partition("?")
    base = base.rstrip("/")
    own = dict(parse_qsl(query))
    if sink.bucket:
        path, asked = "/api/v2/write", {"bucket": sink.bucket, "org": sink.org}
    else:
        path, asked = "/write", {"db": sink.database, "rp": sink.retention_policy}
    if not base.endswith("/write"):
        base += path
    wanted = {name: value for name, value in asked.items() if value}
    return f"{base}?{urlencode({**own, **wanted, 'precision': 'ns'})}"


def tagged(lines: bytes, labels: Mapping[str, str]) -> bytes:
    """The lines with further tags; a tag that a line has already stays as it is there."""
    if not labels:
        return lines
    return b"\n".join(_tagged(line, labels) for line in lines.split(b"\n"))


def _tagged(line: bytes, labels: Mapping[str, str]) -> bytes:
    if not line or line.startswith(b"#"):
        return line
    name, rest = _measurement(line)
    tags = _BLANK.split(rest, 1)[0]
    added = b"".join(
        b"," + key + b"=" + _tag(value)
        for key, value in ((key.encode(), value) for key, value in labels.items())
        if _tag(value) and b"," + key + b"=" not in tags
    )
    return name + added + rest


def _measurement(line: bytes) -> tuple[bytes, bytes]:
    """The line's name, and all that comes after: from its first comma or blank without escape."""
    at = 0
    while at < len(line) and line[at : at + 1] not in (b",", b" "):
        at += 2 if line[at : at + 1] == b"\\" else 1
    return line[:at], line[at:]


def _tag(value: str) -> bytes:
    """A tag's value: commas, equals signs and blanks escaped, no line end, no last backslash."""
    plain = " ".join(value.split()).rstrip("\\")
    for sign in ",= ":
        plain = plain.replace(sign, f"\\{sign}")
    return plain.encode("utf-8", "replace")


def batches(lines: bytes) -> Iterator[bytes]:
    """The lines in batches that every server takes."""
    found = [line + b"\n" for line in lines.split(b"\n") if line]
    for batch in grouped(found, len, most=BATCH_LINES, size=BATCH_BYTES):
        yield b"".join(batch)

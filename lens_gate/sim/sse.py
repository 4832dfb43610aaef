"""Server-sent events to bytes."""

import json

from lens_gate.sim.dialect import Event
from lens_gate.sim.model import Framing

_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


def render(event: Event, framing: Framing) -> bytes:
    """The bytes of one event with its blank line."""
    end = _ENDS[framing.line_end]
    space = b" " if framing.space else b""
    if event.data is None:
        comment = space + event.comment if event.comment else b""
        return b":%b%b%b" % (comment, end, end)
    name = b"event:%b%b%b" % (space, event.name, end) if event.name else b""
    lines = _lines(event.data) if framing.multiline else [event.data]
    data = b"".join(b"data:%b%b%b" % (space, line, end) for line in lines)
    return b"%b%b%b" % (name, data, end)


def _lines(data: bytes) -> list[bytes]:
    """JSON spread over lines, as the standard allows; anything else as it is."""
    try:
        value = json.loads(data)
    except ValueError:
        return [data]
    return json.dumps(value, indent=0).encode().split(b"\n")

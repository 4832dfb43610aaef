"""Server-sent events to bytes."""

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
    return b"%bdata:%b%b%b%b" % (name, space, event.data, end, end)

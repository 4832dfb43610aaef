"""JSON values on lines of their own to bytes."""

from lens_gate.sim.dialect import Event
from lens_gate.sim.model import Framing

_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


def render(event: Event, framing: Framing) -> bytes:
    """The bytes of one line; the format has no comments."""
    return b"" if event.data is None else event.data + _ENDS[framing.line_end]

import struct
import zlib

import pytest

from lens_gate.sim.dialect import Event
from lens_gate.sim.eventstream import frame, render
from lens_gate.sim.model import Framing


def test_the_prelude_is_that_of_a_known_frame():
    # The first twelve bytes of any frame of 156 bytes with 87 bytes of headers.
    made = frame(b"h" * 87, b"p" * 53)
    assert made[:12] == bytes.fromhex("0000009c 00000057 84dbd12f")
    assert len(made) == 156
    assert made[-4:] == struct.pack(">I", zlib.crc32(made[:-4]))


@pytest.mark.parametrize("exception", [False, True])
def test_headers_name_the_event(exception):
    made = render(Event(b"{}", b"messageStop", exception=exception), Framing())
    kind = b"exception" if exception else b"event"
    name = b":%b-type" % kind
    assert bytes([len(name)]) + name + b"\x07\x00\x0bmessageStop" in made
    assert b"\x0d:message-type\x07" + struct.pack(">H", len(kind)) + kind in made
    assert b"\x0d:content-type\x07\x00\x10application/json" in made


def test_there_are_no_comments():
    assert render(Event(None, comment=b"x"), Framing()) == b""

import json
import struct
import zlib

import pytest


def _text_header(name: str, value: str) -> bytes:
    raw = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(raw)) + raw


@pytest.fixture(scope="session")
def frame():
    """Builds AWS event-stream frames: ``frame("metadata", {...})`` or with headers of its own."""

    def build(event: str = "", payload: object = None, **headers: str) -> bytes:
        named = {":" + name.replace("_", "-"): value for name, value in headers.items()}
        if event:
            named = {":event-type": event, ":message-type": "event"} | named
        block = b"".join(_text_header(name, value) for name, value in named.items())
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        prelude = struct.pack(">II", 16 + len(block) + len(raw), len(block))
        head = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + raw
        return head + struct.pack(">I", zlib.crc32(head))

    return build

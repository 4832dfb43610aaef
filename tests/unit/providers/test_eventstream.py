import struct
import zlib

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from lens_gate.providers.eventstream import Frame, FrameSplitter

TEXT = 7


def header(name: str, value: bytes, kind: int = TEXT) -> bytes:
    counted = struct.pack(">H", len(value)) if kind in (6, TEXT) else b""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + counted + value


def frame(payload: bytes = b"{}", headers: bytes = b"", *, total=None, size=None) -> bytes:
    total = 16 + len(headers) + len(payload) if total is None else total
    prelude = struct.pack(">II", total, len(headers) if size is None else size)
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))


EVENT = header(":event-type", b"messageStop") + header(":message-type", b"event")
GOOD = frame(b'{"a":1}', EVENT)
HEADERS = {":event-type": "messageStop", ":message-type": "event"}
FRAME = Frame(headers=HEADERS, payload=b'{"a":1}')


def split(*pieces: bytes, **options) -> list[Frame]:
    splitter = FrameSplitter(**options)
    return [f for piece in pieces for f in splitter.feed(piece)] + splitter.close()


def problem(*pieces: bytes, **options) -> tuple[str, str]:
    (only,) = split(*pieces, **options)
    return only.kind, only.problem


def test_the_golden_prelude_of_the_specification():
    assert zlib.crc32(bytes.fromhex("0000009c00000057")) == 0x84DBD12F


def test_a_frame_is_what_botocore_reads():
    buffer = EventStreamBuffer()
    buffer.add_data(GOOD)
    (theirs,) = list(buffer)
    assert (theirs.headers, theirs.payload) == (HEADERS, b'{"a":1}')
    assert split(GOOD) == [FRAME]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 12, 13, 40])
def test_trap_21_frames_may_be_split_anywhere(size):
    body = GOOD * 3
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    assert split(*pieces) == [FRAME] * 3


def test_whether_a_frame_is_under_way():
    splitter = FrameSplitter()
    seen = []
    for piece in (b"", GOOD, GOOD[:5], GOOD[5:] + b"\0"):
        splitter.feed(piece)
        seen.append(splitter.at_boundary)
    assert seen == [True, True, False, False]


def test_trap_21_a_bad_prelude_checksum_breaks_the_stream():
    bad = bytearray(GOOD)
    bad[8] ^= 1
    found = split(GOOD + bytes(bad) + GOOD)
    assert [f.kind for f in found] == ["frame", "broken"]
    assert found[1].problem == "the checksum of a frame's prelude is wrong"


@pytest.mark.parametrize("at", [12, 30, len(GOOD) - 5, len(GOOD) - 1])
def test_trap_21_a_bad_message_checksum_breaks_the_stream(at):
    bad = bytearray(GOOD)
    bad[at] ^= 1
    assert problem(bytes(bad), GOOD) == ("broken", "the checksum of a frame is wrong")
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(bad))
    with pytest.raises(ChecksumMismatch):
        list(buffer)


def test_a_watch_may_go_without_checksums():
    assert [f.kind for f in split(GOOD[:-1] + b"\0", checked=False)] == ["frame"]


def test_trap_21_headers_of_every_type_are_stepped_over():
    kinds = {0: b"", 1: b"", 2: b"1", 3: b"12", 4: b"1234", 5: b"12345678", 6: b"abc"}
    kinds |= {8: b"12345678", 9: b"0123456789abcdef"}
    odd = b"".join(header(f"h{kind}", value, kind) for kind, value in kinds.items())
    assert split(frame(b'{"a":1}', odd + EVENT)) == [FRAME]
    # Of a type that nobody knows the length of, only what came before it can be told.
    unknown = frame(b'{"a":1}', EVENT + header("x", b"zz", 77) + header("late", b"z"))
    assert split(unknown) == [FRAME]


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05ab",
        b"\x01a",
        b"\x01a\x07",
        b"\x01a\x07\x00",
        b"\x01a\x07\x00\x09b",
        b"\x01a\x05\x00",
        b"\xff",
    ],
)
def test_headers_that_do_not_end_as_they_say(headers):
    assert problem(frame(b"", headers)) == ("broken", "the headers of a frame can't be read")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (frame(b"", b"", total=15), "shorter than its headers"),
        (frame(b"", b"", size=9), "shorter than its headers"),
        (frame(b"x" * 100), "a frame larger than 64 bytes"),
        (b'{"message":"' + b"x" * 100, "a body larger than 64 bytes"),
    ],
)
def test_sizes_that_can_not_be(body, words):
    kind, told = problem(body, limit=64)
    assert kind == "broken"
    assert words in told


def test_nothing_follows_what_is_broken():
    splitter = FrameSplitter()
    assert [f.kind for f in splitter.feed(b"nonsense nonsense")] == ["broken"]
    assert splitter.feed(GOOD) == splitter.close() == []


def test_a_body_that_ends_inside_a_frame():
    assert [f.kind for f in split(GOOD + GOOD[:-1])] == ["frame", "cut"]
    assert problem(b"\0\0") == ("cut", "the body ends inside a frame")


@pytest.mark.parametrize("pieces", [(b'{"message": 1}',), (b" \n", b"", b"\t{", b'"message": 1}')])
def test_a_json_body_is_no_event_stream(pieces):
    assert split(*pieces) == [Frame(kind="json", payload=b'{"message": 1}')]
    assert [f.kind for f in split(b"[1]")] == ["json"]


def test_an_empty_body_has_no_frames():
    assert split() == split(b"") == split(b" \n") == []


def test_byte_by_byte_is_no_slower_than_linear():
    """A splitter that copies what it holds for each byte would need minutes."""
    body = frame(b"x" * 200_000)
    splitter = FrameSplitter()
    found = [f for i in range(len(body)) for f in splitter.feed(body[i : i + 1])]
    assert len(found) == 1

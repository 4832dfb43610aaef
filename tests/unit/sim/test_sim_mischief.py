import gzip
import json
import struct
import zlib
from itertools import islice

import pytest

from lens_gate.sim.dialect import Event
from lens_gate.sim.mischief import bomb, touches_bytes
from lens_gate.sim.model import Fault, Framing
from lens_gate.sim.script import junk, schedule, writes
from lens_gate.sim.sse import render

PATH = "/v1/chat/completions"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


@pytest.fixture
def struck(played):
    def run(kind, path=PATH, body=CHAT, mapping=None, **more):
        fault = {"kind": kind, "every": 1, **more}
        return played(path, body, {"faults": [fault], **(mapping or {})})

    return run


@pytest.fixture
def plain(played):
    return played(PATH, CHAT).body


@pytest.mark.parametrize("at", [0, 1, 200, 261, 500])
def test_a_cut_at_any_byte(struck, plain, at):
    answer = struck("cut", after_bytes=at, how="reset")
    assert answer.body == plain[:at]
    assert answer.writes[-1].ends == "reset"


def test_a_cut_behind_the_last_byte_comes_all_the_same(struck, plain):
    answer = struck("cut", after_bytes=10**6)
    assert (answer.body, answer.writes[-1].ends) == (plain, "close")


@pytest.mark.parametrize("after", [0, 2, 99])
def test_invalid_utf8_stands_in_one_event(struck, plain, after):
    answer = struck("invalid_utf8", after_chunks=after)
    bad = [write for write in answer.writes if b"\xff\xfe" in write.data]
    assert len(bad) == 1
    assert bad[0].what == ("close" if after == 99 else "text")
    assert answer.body.replace(b"\xff\xfe", b"") == plain
    with pytest.raises(UnicodeDecodeError):
        bad[0].data.decode()
    sent = [write for write in answer.writes if write.what == "text"]
    if after != 99:
        assert sent.index(bad[0]) == after


def test_gzip_can_be_read_as_it_comes(struck, plain):
    answer = struck("gzip")
    assert gzip.decompress(answer.body) == plain
    reader = zlib.decompressobj(31)
    for write in answer.writes[:-1]:
        assert reader.decompress(write.data).endswith(b"\n\n")


@pytest.mark.parametrize("size", [1, 1000, (1 << 20) + 7, 1 << 22])
def test_a_bomb_is_small_and_gets_large(size):
    packed = b"".join(write.data for write in bomb(1.0, size))
    assert gzip.decompress(packed) == b" " * size
    assert len(packed) < 30 + size / 200


def test_a_slow_drip_is_byte_by_byte(struck, plain):
    answer = struck("slow_drip", pause="10ms", after_chunks=2)
    assert answer.body == plain
    drips = [write for write in answer.writes if len(write.data) == 1]
    chunks = [write for write in answer.writes if len(write.data) > 1]
    assert [write.what for write in chunks] == ["open", "text", "text"]
    assert drips[0].at_s == pytest.approx(1.2 + 0.01)
    assert drips[-1].at_s == pytest.approx(1.4 + 0.01 * len(drips))
    assert sum(write.tokens for write in answer.writes) == 4


def test_a_huge_line_has_no_end(struck):
    answer = struck("huge_line", bytes=200_000, after_chunks=1)
    *_, last = answer.writes
    tail = answer.body[answer.body.rindex(b"data: ") :]
    assert b"\n" not in tail
    assert len(tail) > 200_000
    assert last.ends == "close"
    assert max(len(write.data) for write in answer.writes) <= 1 << 16


def test_a_huge_line_is_made_as_it_goes():
    endless = junk(0.0, b"start", 10**10)
    assert [len(next(endless).data) for _ in range(3)] == [2, 1 << 16, 1 << 16]


def test_broken_chunking_is_not_framed(struck):
    last = struck("broken_chunking", after_chunks=1).writes[-1]
    assert (last.raw, last.ends, last.what) == (True, "close", "cut")
    with pytest.raises(ValueError, match="invalid literal"):
        int(last.data.split(b"\r\n")[0], 16)


def test_garbage_follows_the_end(struck, plain):
    answer = struck("garbage_after")
    assert answer.body.startswith(plain)
    assert b"after the end" in answer.body[len(plain) :]
    assert answer.writes[-1].what == "junk"


@pytest.mark.parametrize(("which", "prelude"), [("prelude", False), ("message", True)])
def test_a_wrong_checksum_in_one_frame(struck, which, prelude):
    path = "/model/m/converse-stream"
    answer = struck("bad_crc", path, CONVERSE, which=which, after_chunks=2)
    wrong = []
    for write in answer.writes:
        data = write.data
        lengths, said = data[:8], struct.unpack(">I", data[8:12])[0]
        whole = struct.unpack(">I", data[-4:])[0] == zlib.crc32(data[:-4])
        wrong.append((said == zlib.crc32(lengths), whole))
    assert wrong.count((True, True)) == len(wrong) - 1
    bad = next(i for i, found in enumerate(wrong) if found != (True, True))
    assert wrong[bad] == (prelude, False)
    assert json.loads(answer.writes[bad].data[99:-4])["delta"]["text"]
    assert bad == 3


def test_checksums_are_nothing_to_other_dialects(struck, plain):
    assert struck("bad_crc").body == plain


@pytest.mark.parametrize("gap", ["0s", "10ms"])
def test_an_endless_stream_goes_on(scripted, gap):
    fault = {"kind": "endless_stream", "every": 1}
    script = scripted(PATH, CHAT, {"faults": [fault], "gap": {"fixed": gap}})
    sent = list(islice(writes(script), 500))
    assert {write.what for write in sent[1:]} == {"text"}
    assert sum(write.tokens for write in sent) == 499
    assert sent[-1].at_s > sent[5].at_s
    # A request that does not stream is answered, and not for ever.
    last, timing = schedule(script)
    assert (last.what, timing.tokens) == ("close", 4)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_writes_of_few_bytes(played, plain, size):
    answer = played(PATH, CHAT, {"framing": {"write_bytes": size}})
    assert answer.body == plain
    assert max(len(write.data) for write in answer.writes) == size
    assert sum(write.tokens for write in answer.writes) == 4


def test_data_over_several_lines(played):
    spread = played(PATH, CHAT, {"framing": {"multiline": True}})
    assert spread.sse() == played(PATH, CHAT).sse()
    blocks = spread.body.split(b"\n\n")
    assert all(block.count(b"data: ") > 5 for block in blocks[:-2])
    assert blocks[-2] == b"data: [DONE]"


def test_several_faults_meet_in_their_order(struck, played):
    faults = [
        {"kind": "gzip", "every": 1},
        {"kind": "garbage_after", "every": 1},
        {"kind": "cut", "after_bytes": 250, "every": 1},
    ]
    answer = played(PATH, CHAT, {"faults": faults})
    assert len(answer.body) == 250
    assert zlib.decompressobj(31).decompress(answer.body).startswith(b"data: {")
    faults.pop()
    body = gzip.decompress(played(PATH, CHAT, {"faults": faults}).body)
    assert b"after the end" in body


def test_what_touches_a_whole_body():
    assert touches_bytes(Fault(kind="gzip"))
    assert touches_bytes(Fault(kind="bomb"))
    assert touches_bytes(Fault(kind="cut", after_bytes=3))
    assert not touches_bytes(Fault(kind="cut"))
    assert not touches_bytes(Fault(kind="stall"))


def test_comments_have_no_data_lines():
    assert render(Event(None, comment=b"x"), Framing(multiline=True)) == b": x\n\n"

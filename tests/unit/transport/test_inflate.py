import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.transport.inflate import InflateError, inflate_for


def encoded(name, data):
    compressor = {
        "gzip": zlib.compressobj(wbits=31),
        "deflate": zlib.compressobj(),
        "raw": zlib.compressobj(wbits=-15),
    }[name]
    return compressor.compress(data) + compressor.flush()


@given(
    name=st.sampled_from(["gzip", "deflate", "raw"]),
    data=st.binary(max_size=3000),
    step=st.integers(1, 50),
)
def test_it_decodes_whatever_the_boundaries(name, data, step):
    inflate = inflate_for("deflate" if name == "raw" else name)
    wire = encoded(name, data)
    pieces = [inflate.feed(wire[i : i + step], 10_000) for i in range(0, len(wire), step)]
    assert b"".join(pieces) == data
    assert inflate.complete


@given(data=st.binary(min_size=1, max_size=3000), cut=st.integers(1, 20))
def test_what_is_cut_is_not_complete(data, cut):
    inflate = inflate_for("gzip")
    wire = encoded("gzip", data)
    assert data.startswith(inflate.feed(wire[: -min(cut, len(wire) - 1)], 10_000))
    assert not inflate.complete


@given(room=st.integers(1, 500))
def test_it_never_gives_more_than_there_is_room_for(room):
    inflate = inflate_for("gzip")
    assert inflate.feed(encoded("gzip", bytes(100_000)), room) == bytes(room)
    assert not inflate.complete


def test_members_follow_each_other():
    inflate = inflate_for("gzip")
    assert inflate.feed(gzip.compress(b"one") + gzip.compress(b"two"), 100) == b"onetwo"
    assert inflate.complete


@pytest.mark.parametrize("name", ["", "identity", " Identity "])
def test_plain_bodies_need_no_decoder(name):
    assert inflate_for(name) is None


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip", "x" * 1000])
def test_an_encoding_nobody_asked_for_is_refused(name):
    with pytest.raises(InflateError) as caught:
        inflate_for(name)
    assert len(str(caught.value)) < 150


def test_broken_data_is_refused():
    with pytest.raises(InflateError):
        inflate_for("gzip").feed(b"plain text", 100)

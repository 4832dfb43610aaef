from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.providers.sse import Frame, Splitter


def split(body: bytes, cuts=(), **options) -> list[Frame]:
    splitter = Splitter(**options)
    frames = []
    edges = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(edges):
        frames += splitter.feed(body[start:end])
    return frames + splitter.close()


def event(data: bytes, name: str = "", *, complete: bool = True) -> Frame:
    return Frame(kind="data", event=name, data=data, complete=complete)


COMMENT = Frame(kind="comment")


def test_an_event_is_dispatched_at_its_blank_line():
    splitter = Splitter()
    assert splitter.feed(b"event: ping\ndata: {}\n") == []
    assert not splitter.at_boundary
    assert splitter.feed(b"\n") == [event(b"{}", "ping")]
    assert splitter.at_boundary
    assert splitter.close() == []


def test_line_ends_of_all_three_kinds_mean_the_same():
    body = b"event: a\ndata: 1\n\n: note\ndata: 2\ndata: 3\n\n"
    expected = [event(b"1", "a"), COMMENT, event(b"2\n3")]
    for end in (b"\n", b"\r", b"\r\n"):
        variant = body.replace(b"\n", end)
        assert split(variant) == expected
        assert split(variant, range(len(variant))) == expected


def test_a_crlf_split_between_reads_is_one_line_end():
    splitter = Splitter()
    assert splitter.feed(b"data: 1\r") == []
    assert splitter.feed(b"\ndata: 2\r\n\r") == [event(b"1\n2")]
    assert splitter.feed(b"\n") == []
    assert splitter.feed(b"data: 3\n\n") == [event(b"3")]


def test_one_leading_space_is_dropped_and_no_more():
    assert split(b"data:x\n\ndata: x\n\ndata:  x \n\n") == [event(b"x"), event(b"x"), event(b" x ")]


def test_comments_count_and_a_bare_colon_is_one():
    assert split(b":\n: OPENROUTER PROCESSING\n\ndata: 1\n: in the middle\ndata: 2\n\n") == [
        COMMENT,
        COMMENT,
        COMMENT,
        event(b"1\n2"),
    ]


def test_unknown_fields_and_events_without_data_say_nothing():
    assert split(b"id: 7\nretry: 10\nnonsense\n\nevent: lonely\n\ndata:\n\ndata: 1\n\n") == [
        event(b"1")
    ]


def test_an_event_name_after_its_data_belongs_to_the_same_event():
    assert split(b"data: {}\nevent: response.completed\n\n") == [event(b"{}", "response.completed")]


def test_u2028_is_no_line_break_and_characters_may_straddle_reads():
    text = "data: a\u2028b \U0001f642\n\n".encode()
    assert split(text, range(len(text))) == [event(text[6:-2])]


def test_the_last_event_counts_without_its_blank_line_and_says_so():
    assert split(b"data: 1\n\ndata: 2\n") == [event(b"1"), event(b"2", complete=False)]
    assert split(b"data: 1\n\ndata: 2") == [event(b"1"), event(b"2", complete=False)]
    assert split(b"data: 1\n\n: bye") == [event(b"1"), COMMENT]


def test_a_byte_order_mark_is_dropped_only_at_the_start():
    body = b"\xef\xbb\xbfdata: 1\n\n"
    assert split(body) == split(body, range(len(body))) == [event(b"1")]
    assert split(b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n") == [event(b"1")]
    assert split(b"\xef\xbb") == []
    assert split(b"\xefdata: 1\n\ndata: 2\n\n", [1]) == [event(b"2")]


def test_a_json_body_is_recognised_and_kept_whole():
    for body in (b'{"error": 1}', b"[{}]", b'\n\n  {"a":\n\n1}'):
        whole = [Frame(kind="json", data=body.lstrip())]
        assert split(body) == split(body, range(len(body))) == whole


def test_an_empty_body_and_white_space_say_nothing():
    assert split(b"") == []
    assert split(b" \r\n\r\n ", range(5)) == []


def test_without_sniffing_the_splitter_may_begin_at_any_event():
    assert split(b'{"raw": 1}\n\ndata: 2\n\n', sniff=False) == [event(b"2")]


OVERFLOW = Frame(kind="overflow")


def test_an_event_beyond_the_limit_ends_everything_at_the_same_place_however_it_is_cut():
    for body in (
        b"data: 1\n\n" + b"data: " + b"x" * 50 + b"\n\ndata: 2\n\n",
        b"data: 1\n\n" + b"data: 12345678901234567890\n" * 2 + b"\ndata: 2\n\n",
        b"data: 1\n\n" + b"nonsense" * 9 + b"\n\ndata: 2\n\n",
        b"data: 1\n\n: " + b"x" * 50,
    ):
        expected = [event(b"1"), OVERFLOW]
        assert split(body, limit=32) == expected
        assert split(body, range(len(body)), limit=32) == expected


def test_a_json_body_beyond_the_limit_is_an_overflow():
    body = b"{" * 40
    assert split(body, limit=32) == split(body, range(40), limit=32) == [OVERFLOW]


def test_many_small_comments_never_overflow():
    assert split(b": ping\n" * 100, limit=32) == [COMMENT] * 100


def test_nothing_comes_after_the_end():
    splitter = Splitter()
    splitter.close()
    assert splitter.feed(b"data: 1\n\n") == []
    assert splitter.close() == []


def test_a_line_of_fifty_megabytes_costs_its_length_and_no_more_memory():
    splitter = Splitter()
    frames = []
    piece = b"x" * 65536
    for _ in range(800):
        frames += splitter.feed(piece)
    assert frames == [OVERFLOW]
    assert splitter.at_boundary


def test_byte_by_byte_is_linear():
    """Counted, not timed: every byte is appended once and looked at once for line ends."""

    class Counting(bytearray):
        moved = 0

        def __iadd__(self, other):
            Counting.moved += len(other)
            return super().__iadd__(other)

    splitter = Splitter(sniff=False)
    splitter._partial = Counting()
    body = b"data: " + b"x" * 20_000 + b"\n\n"
    frames = [f for i in range(len(body)) for f in splitter.feed(body[i : i + 1])]
    assert [len(f.data) for f in frames] == [20_000]
    assert Counting.moved <= len(body)


LINES = st.sampled_from(
    [b"data: {}", b"data:1", b"event: ping", b": c", b"", b"", b"id: 1", b"data: \xf0\x9f\x99\x82"]
)


@given(
    lines=st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"]))),
    cuts=st.lists(st.integers(0, 200)),
)
def test_frames_do_not_depend_on_where_the_bytes_are_cut(lines, cuts):
    body = b"".join(line + end for line, end in lines)
    inside = [cut for cut in cuts if cut <= len(body)]
    assert split(body, inside) == split(body) == split(body, range(len(body)))


@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200)), limit=st.integers(1, 40))
def test_hostile_bytes_never_raise_and_never_depend_on_cuts(body, cuts, limit):
    inside = [cut for cut in cuts if cut <= len(body)]
    assert split(body, inside, limit=limit) == split(body, limit=limit)


@pytest.mark.parametrize(
    ("read", "frames"),
    [
        (b"data: \n\n", []),
        (b"data:\n\n", []),
        (b"event: a\ndata: \n\n", []),
        (b"data: 1\r2\n\n", [event(b"1")]),
        (b"data: 1\n\n", [event(b"1")]),
        (b"data:  1\n\n", [event(b" 1")]),
        (b"event:a\ndata:1\n\n", [event(b"1", "a")]),
        (b"event: \xff\ndata: 1\n\n", [event(b"1", "\ufffd")]),
    ],
)
def test_a_whole_event_in_one_read(read, frames):
    splitter = Splitter(sniff=False)
    assert splitter.feed(read) == frames
    assert splitter.at_boundary


EVENTS = st.builds(
    lambda name, field, data, end, blank: name + field + data + end + blank,
    st.sampled_from([b"", b"event: a\n", b"event:a\r\n", b"event:\n", b"event\n", b"\n", b": c\n"]),
    st.sampled_from([b"data: ", b"data:", b"data:  ", b"data", b"id: ", b" data: "]),
    st.sampled_from(
        [b"", b"{}", b"1\r", b"1\n", b"\r1", b"a\ndata: b", b"\xff\x85\x0b", b"1" * 20]
    ),
    st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b""]),
    st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b"", b"\n\n"]),
)


@given(reads=st.lists(EVENTS, max_size=6), limit=st.integers(1, 60))
def test_an_event_in_a_read_of_its_own_says_what_it_says_byte_by_byte(reads, limit):
    """Such reads are taken apart in another way; it must not be another result."""
    at_once, slowly = Splitter(limit=limit, sniff=False), Splitter(limit=limit, sniff=False)
    for read in reads:
        frames = [frame for n in range(len(read)) for frame in slowly.feed(read[n : n + 1])]
        assert at_once.feed(read) == frames
        assert at_once.at_boundary == slowly.at_boundary
    assert at_once.close() == slowly.close()

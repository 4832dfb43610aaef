import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import ResponseHead

OK = ResponseHead(status=200, headers={})


def data(value: object, name: str = "") -> str:
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(value)}\n\n"


def chunk(text: str) -> str:
    return data({"choices": [{"index": 0, "delta": {"content": text}}]})


def block(text: str) -> str:
    value = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    }
    return data(value, "content_block_delta")


def told(text: str) -> str:
    value = {"type": "response.output_text.delta", "delta": text}
    return data(value, "response.output_text.delta")


HOSTILE_TEXTS = [
    "data: [DONE]",
    "\n\ndata: [DONE]\n\n",
    "[DONE]",
    "event: message_stop\n\n",
    'event: error\ndata: {"error": 1}\n\n',
    '{"type":"message_stop"}',
    '"error"',
    "error",
    '"abort"',
    "event: error",
]
QUIET = {
    "openai": [
        *map(chunk, HOSTILE_TEXTS),
        chunk("plain"),
        ": ping\n\n",
        data({"choices": [], "error": None}),
        data({"choices": [{"index": 1, "delta": {}, "finish_reason": "error"}]}),
        data({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        data({"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}),
        data({"deep": {"error": "elsewhere"}}, "novelty"),
        'data: not json "error"\n\n',
        "data: 1\n",
    ],
    "openai-responses": [
        *map(told, [*HOSTILE_TEXTS, "response.completed", '"type":"response.failed"']),
        told("plain"),
        ": ping\n\n",
        data({"type": "response.created", "response": {"error": None}}, "response.created"),
        data({"type": "novelty", "note": "response.completed"}, "novelty"),
        "event: response.completed\n\n",
        "event: response.output_text.delta\ndata: response.failed\n\n",
    ],
    "anthropic": [
        *map(block, HOSTILE_TEXTS),
        block("plain"),
        data({"type": "ping"}, "ping"),
        data({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "message_delta"),
        "event: message_stop\n\n",
        "event: message_delta\ndata: message_stop\n\n",
    ],
}
LAST = {
    "openai": [
        "data: [DONE]\n\n",
        "data:[DONE]\n\n",
        data({"error": {"message": "m"}}),
        data({"id": "x", "choices": [], "error": "text"}),
        data({"choices": [], "x_groq": {"error": "m"}}),
        data({"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]}),
        data({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}),
        "event: error\ndata: out of memory\n\n",
        "event:error\ndata: {}\n\n",
        'data: [{"error": 1}]\n\n',
    ],
    "openai-responses": [
        "data: [DONE]\n\n",
        data({"type": "response.completed", "response": {}}, "response.completed"),
        data({"type": "response.completed"}),
        data({"response": {"status": "completed"}}, "response.completed"),
        data({"type": "response.incomplete", "response": {}}, "response.incomplete"),
        data({"type": "response.failed", "response": {}}, "response.failed"),
        data({"type": "response.cancelled", "response": {}}, "response.cancelled"),
        data({"type": "error", "code": "server_error", "message": "m"}, "error"),
        data({"type": "error", "error": {"message": "m"}}),
        data({"error": {"message": "m"}}),
        "event: error\ndata: nope\n\n",
    ],
    "anthropic": [
        data({"type": "message_stop"}, "message_stop"),
        data({"type": "message_stop"}),
        "event: message_stop\ndata: {}\n\n",
        "data: {}\nevent: message_stop\n\n",
        data({"type": "error", "error": {"type": "overloaded_error"}}, "error"),
        data({"error": "a proxy"}),
        "event: error\ndata: nope\n\n",
    ],
}
PROTOCOLS = pytest.mark.parametrize("name", list(LAST))
GOES_ON = ("malformed", "content_filter")


def stops_at(name: str, body: bytes, cuts=()) -> int | None:
    """How many bytes had been fed when the watch first said stop."""
    watch = PROVIDERS[name].watch(OK)
    edges = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(edges):
        if watch(body[start:end]):
            return end
    return None


def over_at(name: str, body: bytes, cuts=()) -> int | None:
    """The same of the decoder: its first end or error that ends the stream."""
    decoder = PROVIDERS[name].decoder(OK)
    edges = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(edges):
        for event in decoder.feed(body[start:end]):
            if event.kind == "end" or (
                event.kind == "error" and event.failure.status not in GOES_ON
            ):
                return end
    return None


@PROTOCOLS
def test_text_about_end_markers_never_stops_it(name):
    body = "".join(QUIET[name]).encode()
    assert stops_at(name, body) is None
    assert stops_at(name, body, range(len(body))) is None


def test_a_search_for_the_words_would_have_stopped():
    """The plausible wrong watch: it looks for the marker anywhere in the bytes."""
    for name, marker in (("openai", b"data: [DONE]"), ("anthropic", b"event: message_stop")):
        assert marker in "".join(QUIET[name]).encode()


@PROTOCOLS
def test_every_last_word_stops_it_at_once_at_whatever_cuts(name):
    for last in LAST[name]:
        for before in ("", *QUIET[name][:6]):
            body = (before + last).encode()
            assert stops_at(name, body) == len(body), last
            assert stops_at(name, body, range(len(body))) == len(body), last
            for cut in range(len(before), len(body)):
                assert stops_at(name, body, [cut]) == len(body), last


@PROTOCOLS
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_line_ends_make_no_difference(name, end):
    for last in LAST[name]:
        body = (QUIET[name][0] + last).replace("\n", end).encode()
        reached = stops_at(name, body, range(len(body)))
        # With CR LF the event is complete at the CR of its blank line.
        assert reached == len(body) - (end == "\r\n"), last


def test_it_stops_before_the_connection_does():
    watch = PROVIDERS["openai"].watch(OK)
    assert not watch(chunk("a").encode())
    assert not watch(b"data: [DO")
    assert not watch(b"NE]\n")
    assert watch(b"\n")


def test_it_holds_only_the_event_under_way():
    watch = PROVIDERS["openai"].watch(OK)
    for _ in range(50):
        watch(chunk("word").encode())
    assert watch._reads == []
    watch(chunk("word").encode()[:-1])
    assert len(watch._reads) == 1


def test_a_json_body_or_endless_line_is_left_to_its_own_end():
    assert stops_at("openai", b'{"error": {"message": "m"}}', range(20)) is None
    watch = PROVIDERS["openai"].watch(OK)
    assert not any(watch(b'"error"' * 100_000) for _ in range(20))
    assert watch(b"\n\ndata: [DONE]\n\n")


@PROTOCOLS
@given(draw=st.data())
def test_it_agrees_with_the_decoder_read_by_read(name, draw):
    pieces = draw.draw(st.lists(st.sampled_from(QUIET[name] + LAST[name]), max_size=6))
    end = draw.draw(st.sampled_from(["\n", "\r", "\r\n"]))
    body = "".join(pieces).replace("\n", end).encode()
    cuts = draw.draw(st.lists(st.integers(0, len(body)), max_size=8))
    assert stops_at(name, body, cuts) == over_at(name, body, cuts)

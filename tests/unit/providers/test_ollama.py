import json

import pytest

from lens_gate.errors import LensError
from lens_gate.providers.answer import collect, judge_answer
from lens_gate.providers.ollama import MEDIA_TYPE, decoder, failure, watch, whole
from lens_gate.providers.table import PROVIDERS, param_problems
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    Read,
    ResponseHead,
    ServerTimes,
    StreamEvent,
    Usage,
)
from lens_gate.records.policy import Image, Message, Tool, ToolCall

ROW = PROVIDERS["ollama"]
OK = ResponseHead(status=200, headers={"content-type": MEDIA_TYPE})
ENDPOINT = Endpoint(base_url="http://localhost:11434", region=None, headers={})
LAST = {
    "model": "m",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 3_000_000_000,
    "load_duration": 1_500_000_000,
    "prompt_eval_count": 9,
    "prompt_eval_duration": 250_000_000,
    "eval_count": 4,
    "eval_duration": 1_000_000_000,
}
TIMES = ServerTimes(source="durations", load_s=1.5, prompt_s=0.25, generation_s=1.0, total_s=3.0)


def request(**changes) -> ChatRequest:
    fields = {
        "model": "m",
        "messages": (Message(role="user", content="Hi"),),
        "system": None,
        "max_output_tokens": 8,
        "params": {},
    }
    return ChatRequest(**(fields | changes))


def sent(**changes) -> dict:
    return json.loads(ROW.encode(request(**changes), ENDPOINT).body)


def line(**fields) -> dict:
    return {"model": "m", "message": {"role": "assistant", **fields}, "done": False}


def lines(*values: object) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def decode(body: bytes) -> list[StreamEvent]:
    stream = decoder(OK)
    return [*stream.feed(body), *stream.close()]


def kinds(body: bytes) -> list[str]:
    return [event.kind for event in decode(body)]


# --- encode -------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["", "/api", "/v1"])
def test_options_and_fields_have_their_places(base):
    place = Endpoint(base_url=f"http://localhost:11434{base}", region=None, headers={})
    params = {"temperature": 0, "seed": 7, "num_ctx": 4096, "think": False, "keep_alive": "5m"}
    asked = ROW.encode(request(system="Be kind.", params=params), place)
    assert asked.url == "http://localhost:11434/api/chat"
    assert asked.headers["Accept"] == "application/x-ndjson"
    assert json.loads(asked.body) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
        ],
        "options": {"temperature": 0, "seed": 7, "num_ctx": 4096, "num_predict": 8},
        "think": False,
        "keep_alive": "5m",
        "stream": True,
    }


def test_an_answer_in_one_piece_is_asked_for_plainly():
    asked = ROW.encode(request(stream=False), ENDPOINT)
    assert json.loads(asked.body)["stream"] is False
    assert asked.headers["Accept"] == "application/json"


def test_calls_are_objects_and_their_answers_name_the_tool():
    call = ToolCall(id="c1", name="f", arguments='{"a": 1}')
    odd = ToolCall(id="c2", name="g", arguments="[1]")
    turns = (
        Message(role="assistant", content="", tool_calls=(call, odd)),
        Message(role="tool", content="rain", tool_call_id="c1"),
        Message(role="tool", content="sun", tool_call_id="c9"),
    )
    tool = Tool(name="f", description="d", parameters={"type": "object"})
    body = sent(messages=turns, tools=(tool,))
    assert body["messages"] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "c2", "function": {"name": "g", "arguments": {"arguments": "[1]"}}},
            ],
        },
        {"role": "tool", "content": "rain", "tool_call_id": "c1", "tool_name": "f"},
        {"role": "tool", "content": "sun", "tool_call_id": "c9", "tool_name": "c9"},
    ]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
        }
    ]


def test_images_are_their_bytes_and_an_address_is_refused():
    turn = Message(role="user", content="What?", images=(Image(base64="QUJD"),))
    assert sent(messages=(turn,))["messages"] == [
        {"role": "user", "content": "What?", "images": ["QUJD"]}
    ]
    turn = Message(role="user", content="What?", images=(Image(url="https://p/cat.png"),))
    for plan in (sent, lambda **turns: ROW.bound_input(request(**turns))):
        with pytest.raises(LensError) as caught:
            plan(messages=(turn,))
    assert (caught.value.message, caught.value.hint) == (
        "Ollama fetches no images",
        "give the image as a file",
    )
    assert "image_urls" not in ROW.features


def test_no_parameter_takes_the_place_of_a_field_of_the_protocol():
    assert sent(params=dict.fromkeys(ROW.reserved, 999)) == sent()
    assert not ROW.params & ROW.reserved
    (problem,) = param_problems(ROW, {"num_cxt": 1}, {})
    assert problem.hint.startswith("did you mean 'num_ctx'?")


# --- decode -------------------------------------------------------------------------------------


def test_a_whole_stream():
    body = lines(
        line(content="", thinking="hm"),
        line(content="Hel"),
        line(content="lo", tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}]),
        LAST,
    )
    assert decode(body) == [
        StreamEvent(kind="meta", model="m"),
        StreamEvent(kind="reasoning", joined=True),
        StreamEvent(kind="text", text="Hel"),
        StreamEvent(kind="text", text="lo"),
        StreamEvent(kind="tool", joined=True),
        StreamEvent(kind="finish", finish_reason="stop"),
        StreamEvent(kind="usage", usage=Usage(input_total=9, output_total=4), joined=True),
        StreamEvent(kind="meta", server=TIMES, joined=True),
        StreamEvent(kind="end", joined=True),
    ]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"content": ""},
        {"content": None, "thinking": None, "tool_calls": None},
        {"content": 7},
        {"tool_calls": [{"function": {"name": ""}}, {"function": None}, "odd"]},
        None,
    ],
)
def test_what_is_no_token_is_never_taken_for_one(message):
    assert kinds(lines({"message": message, "done": False})) == ["other"]


def test_the_last_line_may_say_nothing_of_itself():
    assert decode(lines({"done": True})) == [
        StreamEvent(kind="finish", finish_reason="done"),
        StreamEvent(kind="end", joined=True),
    ]
    assert kinds(lines({"done": "true"})) == ["other"]


def test_cached_prompts_may_have_no_count():
    last = {key: value for key, value in LAST.items() if key != "prompt_eval_count"}
    assert decode(lines(last))[2].usage == Usage(output_total=4)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (lines({"error": "out of memory"}), "error", "server_error"),
        (lines(line(content="a"), {"error": {"message": "m", "code": 503}}), "error", "overloaded"),
        (b"{oops\n", "error", "malformed"),
        (b"[1]\n", "error", "malformed"),
        (b"<html></html>\n", "error", "malformed"),
        (b"\xff\n", "error", "malformed"),
        (b"[1]", "error", "malformed"),
    ],
)
def test_errors_and_what_is_no_line(body, kind, status):
    last = decode(body)[-1]
    assert (last.kind, last.failure.status) == (kind, status)


def test_nothing_counts_after_the_last_line_and_empty_lines_are_none():
    assert kinds(lines(LAST) + lines(line(content="late"))) == kinds(lines(LAST))
    late = decoder(OK)
    first = late.feed(lines({"error": "m"}))
    assert [e.kind for e in first] == ["error"]
    assert [*late.feed(b'{"a":'), *late.feed(lines(LAST)), *late.close()] == []
    assert kinds(b"\n\r\n  \n") == []


def test_half_a_line_at_the_end_is_dropped_and_a_whole_one_is_not():
    assert decode(b'{"message": {"content"') == []
    assert kinds(lines(LAST).rstrip()) == kinds(lines(LAST))


def test_a_line_beyond_all_bounds_is_malformed():
    stream = decoder(OK)
    events = [e for _ in range(150) for e in stream.feed(b"x" * 65536)]
    assert [e.failure.status for e in events] == ["malformed"]
    assert [*stream.feed(b"\n" + lines(LAST)), *stream.close()] == []


# --- the watch ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "last",
    [
        LAST,
        {"done": True},
        {"error": "m"},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_every_last_line_stops_it_at_once_at_whatever_cuts(last, separators):
    said = line(content='"done":true "error" \n {"done": true}')
    body = "".join(json.dumps(v, separators=separators) + "\n" for v in (said, last)).encode()
    for step in (1, 7, len(body)):
        look = watch(OK)
        pieces = [body[i : i + step] for i in range(0, len(body), step)]
        assert [look(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_lines_that_are_no_json_never_stop_it():
    look = watch(OK)
    assert not look(b'oops "done":true\n"error"\n')
    assert not look(b'{"error": null}\n{"done": true')


# --- as an answer -------------------------------------------------------------------------------


def test_the_times_of_its_reads_and_its_own():
    pieces = [lines(line(content="a")), lines(line(content="b")) + lines(LAST)]
    body = b"".join(pieces)
    reads = [Read(end=len(pieces[0]), at_ns=100), Read(end=len(body), at_ns=200)]
    decoded = collect(ROW, OK, body, reads)
    assert decoded.output_ns == (100, 200)
    assert (decoded.server, decoded.finish_reason, decoded.usage_final) == (TIMES, "stop", True)
    judged = judge_answer(
        OK, decoded, ended="stopped", body_length=len(body), media_type=ROW.media_type
    )
    assert judged is None


def test_a_line_that_a_read_only_begins_took_its_last_bytes():
    whole_line, start = lines(line(content="a")), lines(LAST)[:9]
    pieces = [b"\n", whole_line + start, lines(LAST)[9:]]
    body, reads = b"".join(pieces), []
    for at, piece in enumerate(pieces):
        reads.append(Read(end=(reads[-1].end if reads else 0) + len(piece), at_ns=100 * at))
    assert collect(ROW, OK, body, reads).first_since == 0
    exact = [*pieces[:1], whole_line]
    reads = [Read(end=1, at_ns=0), Read(end=1 + len(whole_line), at_ns=100)]
    assert collect(ROW, OK, b"".join(exact), reads).first_since == 100


def test_an_answer_in_one_piece():
    answer = whole(ResponseHead(status=200, headers={}))
    body = LAST | {"message": {"content": "Hello", "thinking": "hm"}}
    events = [*answer.feed(json.dumps(body).encode()), *answer.close()]
    assert [e.kind for e in events] == [
        *("meta", "reasoning", "text", "finish", "usage", "meta", "end")
    ]


def test_an_http_error_is_told():
    told = failure(ResponseHead(status=404, headers={}), b'{"error":"model \'x\' not found"}')
    assert (told.status, told.detail) == ("not_found", "model 'x' not found")

"""The traps that real servers lay, for OpenAI's protocols, those who speak them, and Ollama's.

Each test has the number of its trap in its name. Traps of the connection (gzip, redirects, keys)
are tested where the connection is.
"""

import json
from dataclasses import dataclass

import pytest

from lens_gate.providers.answer import DecodedStream, collect, judge_answer, judge_exchange
from lens_gate.providers.table import PROVIDERS, wire
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    Failure,
    RateLimit,
    Read,
    ResponseHead,
    Usage,
)
from lens_gate.records.policy import Message


def sse(value: object, name: str = "") -> bytes:
    return ((f"event: {name}\n" if name else "") + f"data: {json.dumps(value)}\n\n").encode()


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def delta(finish=None, index=0, **fields) -> bytes:
    return sse({"choices": [{"index": index, "delta": fields, "finish_reason": finish}]})


def event(kind: str, **fields) -> bytes:
    return sse({"type": kind, **fields}, kind)


@dataclass(frozen=True)
class Speech:
    """The same things said in one protocol's bytes. ``role`` opens an answer and says nothing."""

    role: bytes
    text: bytes
    reasoning: bytes
    tool: bytes
    finish: bytes
    end: bytes
    error: bytes
    unknown: bytes
    comments: tuple[bytes, ...] = (b": ping\n\n", b":\n", b":\n\n", b"\n")


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
CHAT = Speech(
    role=delta(role="assistant", content=""),
    text=delta(content="grün"),
    reasoning=delta(reasoning_content="hm"),
    tool=delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ""}}]),
    finish=delta(finish="stop") + sse({"choices": [], "usage": USAGE}),
    end=b"data: [DONE]\n\n",
    error=sse({"error": {"message": "m", "type": "server_error", "code": None}}),
    unknown=sse({"object": "novelty"}) + sse({"a": 1}, "novelty"),
)
RESPONSE = {
    "status": "completed",
    "usage": {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
}
RESPONSES = Speech(
    role=event("response.created", response={"model": "m"}),
    text=event("response.output_text.delta", delta="grün"),
    reasoning=event("response.reasoning_summary_text.delta", delta="hm"),
    tool=event("response.output_item.added", item={"type": "function_call", "name": "f"}),
    finish=event("response.completed", response=RESPONSE),
    end=b"data: [DONE]\n\n",
    error=event("error", code="server_error", message="m"),
    unknown=event("response.novelty.delta", delta="x") + event("novelty"),
)
OLLAMA = Speech(
    role=line({"message": {"role": "assistant", "content": ""}, "done": False}),
    text=line({"message": {"content": "grün"}, "done": False}),
    reasoning=line({"message": {"content": "", "thinking": "hm"}, "done": False}),
    tool=line({"message": {"tool_calls": [{"function": {"name": "f"}}]}, "done": False}),
    finish=line({"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2}),
    end=b"",
    error=line({"error": "m"}),
    unknown=line({"novelty": 1}),
    comments=(b"\n", b"\r\n"),
)
SPEECHES = {
    "openai": CHAT,
    "azure": CHAT,
    "openai-compatible": CHAT,
    "openai-responses": RESPONSES,
    "azure-responses": RESPONSES,
    "ollama": OLLAMA,
}
EVERY = pytest.mark.parametrize("name", list(SPEECHES))
CHATS = pytest.mark.parametrize("name", ["openai", "azure", "openai-compatible"])
SSE = pytest.mark.parametrize("name", [name for name in SPEECHES if name != "ollama"])


def head(name: str, **headers: str) -> ResponseHead:
    media = PROVIDERS[name].media_type
    return ResponseHead(status=200, headers={"content-type": media, **headers})


def take(name: str, *pieces: bytes) -> DecodedStream:
    body, reads = b"".join(pieces), []
    for at, piece in enumerate(pieces):
        reads.append(Read(end=(reads[-1].end if reads else 0) + len(piece), at_ns=100 * at))
    return collect(PROVIDERS[name], head(name), body, reads)


def judge(name: str, *pieces: bytes, ended="clean") -> Failure | None:
    decoded = take(name, *pieces)
    return judge_answer(
        head(name),
        decoded,
        ended=ended,
        body_length=sum(map(len, pieces)),
        media_type=PROVIDERS[name].media_type,
    )


def status(failure: Failure | None) -> str:
    return failure.status if failure else "ok"


@EVERY
@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n\r\n"])
def test_trap_01_an_empty_stream_under_200_is_no_answer(name, body):
    assert status(judge(name, body) if body else judge(name)) == "empty"


@SSE
def test_trap_02_an_end_marker_without_a_finish_reason_proves_nothing(name):
    say = SPEECHES[name]
    assert status(judge(name, say.role, say.text, say.end)) == "truncated"
    assert status(judge(name, say.end)) == "empty"


@EVERY
def test_trap_03_a_missing_end_marker_after_the_finish_is_fine(name):
    say = SPEECHES[name]
    assert status(judge(name, say.role, say.text, say.finish)) == "ok"
    assert status(judge(name, say.role, say.text)) == "truncated"


@EVERY
@pytest.mark.parametrize("ended", ["truncated", "connection", "malformed"])
def test_trap_04_a_broken_body_after_text_is_a_failure(name, ended):
    say = SPEECHES[name]
    assert status(judge(name, say.text, ended=ended)) == ended
    assert status(judge(name, say.text, say.finish, ended=ended)) == ended


@EVERY
@pytest.mark.parametrize("before", [(), ("role",), ("role", "text"), ("reasoning", "text")])
def test_trap_05_an_error_under_200_is_a_failure_wherever_it_stands(name, before):
    say = SPEECHES[name]
    said = [getattr(say, part) for part in before]
    failure = judge(name, *said, say.error, say.text, say.finish)
    assert (status(failure), failure.detail) == ("server_error", "m")


@SSE
@pytest.mark.parametrize("error", ["m", {"message": "m"}, ["m"]])
def test_trap_05_an_error_may_be_text_or_anything(name, error):
    say = SPEECHES[name]
    assert status(judge(name, say.text, sse({"error": error}))) == "server_error"


@EVERY
def test_trap_06_a_json_body_where_a_stream_was_asked_for_is_an_error(name):
    body = b'[{"error":{"code":503,"message":"m"}}]'
    for media in ("application/json", PROVIDERS[name].media_type):
        failing = ResponseHead(status=200, headers={"content-type": media})
        failure = judge_exchange(PROVIDERS[name], failing, body, None, ended="clean")
        assert status(failure) in ("overloaded", "malformed")
    refused = ResponseHead(status=503, headers={})
    failure = judge_exchange(PROVIDERS[name], refused, body, None, ended="clean")
    assert (status(failure), failure.detail) == ("overloaded", "m")


@EVERY
def test_trap_07_comments_and_empty_lines_are_no_output(name):
    say = SPEECHES[name]
    for comment in say.comments:
        decoded = take(name, comment, say.role, comment, say.text, comment, say.finish, comment)
        assert (decoded.first_text, len(decoded.output_ns)) == (300, 1)
        assert decoded.failure is None
    assert status(judge(name, *say.comments)) == "empty"


@SSE
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_trap_08_line_ends_of_any_kind_split_anywhere(name, end):
    say = SPEECHES[name]
    body = (say.role + say.text + say.finish).replace(b"\n", end)
    assert "ü".encode() not in body  # escaped, so once more as it is:
    body = body.replace(b"\\u00fc", "ü".encode())
    for cut in range(1, len(body)):
        decoded = take(name, body[:cut], body[cut:])
        assert (decoded.output_chars, decoded.finish_reason is None) == (4, False)
        assert decoded.failure is None


def test_trap_08_lines_of_ollama_split_anywhere():
    body = (OLLAMA.text + OLLAMA.finish).replace(b"\\u00fc", "ü".encode())
    for variant in (body, body.replace(b"\n", b"\r\n")):
        for cut in range(1, len(variant)):
            decoded = take("ollama", variant[:cut], variant[cut:])
            assert (decoded.output_chars, decoded.finish_reason) == (4, "stop")


@SSE
def test_trap_08_a_line_separator_in_the_text_is_no_line_end(name):
    say = SPEECHES[name]
    text = say.text.replace(b"gr\\u00fcn", "a\u2028b\u0085c".encode())
    assert take(name, text, say.finish).output_chars == 5


@SSE
def test_trap_09_no_space_after_the_colon_and_data_on_several_lines(name):
    say = SPEECHES[name]
    tight = (say.text + say.finish).replace(b"data: ", b"data:").replace(b"event: ", b"event:")
    assert (take(name, tight).output_chars, status(judge(name, tight))) == (4, "ok")
    broad = (say.text + say.finish).replace(b", ", b",\ndata: ")
    assert broad.count(b"data:") > (say.text + say.finish).count(b"data:")
    assert (take(name, broad).output_chars, status(judge(name, broad))) == (4, "ok")


@EVERY
def test_trap_10_several_events_in_one_read_and_one_over_many(name):
    say = SPEECHES[name]
    body = say.role + say.reasoning + say.text + say.text + say.tool + say.finish
    together = take(name, body)
    assert (len(together.output_ns), together.merged) == (4, 3)
    singly = take(name, *(body[i : i + 1] for i in range(len(body))))
    assert (len(singly.output_ns), singly.merged) == (4, 0)
    assert len(set(singly.output_ns)) == 4
    assert (together.usage, together.output_chars) == (singly.usage, singly.output_chars)


@EVERY
def test_trap_11_an_opening_is_no_token_however_long_it_comes_before_one(name):
    say = SPEECHES[name]
    decoded = take(name, say.role, say.role, say.text, say.finish)
    assert (decoded.first_event, decoded.first_text) == (0, 200)


@CHATS
@pytest.mark.parametrize("fields", [{"content": None}, {"content": ""}, {}])
def test_trap_11_empty_deltas_are_no_tokens(name, fields):
    decoded = take(name, delta(role="assistant", **fields), delta(**fields), CHAT.text)
    assert (decoded.first_text, decoded.output_ns) == (200, (200,))


@CHATS
def test_trap_12_chunks_without_choices_and_choices_without_delta(name):
    verdict = sse({"id": "", "model": "", "choices": [], "prompt_filter_results": [{}]})
    late = sse({"choices": [{"index": 0, "content_filter_offsets": {}, "finish_reason": None}]})
    decoded = take(name, verdict, CHAT.role, CHAT.text, late, CHAT.finish, late, CHAT.end)
    assert decoded.output_ns == (200,)
    assert (decoded.usage, decoded.usage_final) == (
        Usage(input_total=3, output_total=2, cache_read=1),
        True,
    )
    assert decoded.model is None


@CHATS
def test_trap_13_content_as_a_list_of_parts(name):
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    said = {"type": "text", "text": "four"}
    decoded = take(name, delta(content=[thought]), delta(content=[said, said]), CHAT.finish)
    assert (decoded.first_reasoning, decoded.first_text, decoded.output_chars) == (0, 100, 8)


@CHATS
@pytest.mark.parametrize(
    "field",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
    ],
)
def test_trap_14_reasoning_by_any_name_is_no_visible_text(name, field):
    decoded = take(name, delta(**field), CHAT.text, CHAT.finish)
    assert (decoded.first_reasoning, decoded.first_text, decoded.output_chars) == (0, 100, 4)


@EVERY
def test_trap_14_reasoning_alone_cut_by_the_limit_is_an_answer(name):
    say = SPEECHES[name]
    decoded = take(name, say.reasoning, say.reasoning, say.finish)
    assert (decoded.first_text, decoded.first_reasoning, len(decoded.output_ns)) == (None, 0, 2)
    assert status(judge(name, say.reasoning, say.finish)) == "ok"


@EVERY
def test_trap_15_an_answer_that_is_a_tool_call_alone(name):
    say = SPEECHES[name]
    decoded = take(name, say.role, say.tool, say.finish)
    assert (decoded.first_tool, decoded.first_text, decoded.first_since) == (100, None, 100)
    assert status(judge(name, say.role, say.tool, say.finish)) == "ok"


@CHATS
@pytest.mark.parametrize(
    ("pieces", "usage", "final"),
    [
        ([delta(finish="stop")], None, False),
        ([delta(finish="stop"), sse({"choices": [], "usage": None})], None, False),
        (
            [
                sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
                sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
                delta(finish="stop"),
                sse({"choices": [], "usage": {"completion_tokens": 4}}),
            ],
            Usage(input_total=3, output_total=4),
            True,
        ),
        (
            [
                delta(finish="stop"),
                sse({"choices": [], "x_groq": {"usage": {"prompt_tokens": 3}}}),
            ],
            Usage(input_total=3),
            True,
        ),
        # The stream broke off: what was counted so far is no bill.
        ([sse({"choices": [], "usage": {"prompt_tokens": 3}})], Usage(input_total=3), False),
    ],
)
def test_trap_16_usage_wherever_it_stands_or_nowhere(name, pieces, usage, final):
    decoded = take(name, CHAT.text, *pieces)
    assert (decoded.usage, decoded.usage_final) == (usage, final)


@pytest.mark.parametrize("name", [name for name in SPEECHES if name != "ollama"])
def test_trap_17_cached_tokens_are_part_of_the_input(name):
    usage = take(name, SPEECHES[name].text, SPEECHES[name].finish).usage
    assert (usage.input_total, usage.cache_read, usage.output_total) == (3, 1, 2)


@CHATS
def test_trap_18_of_several_choices_one_is_timed(name):
    body = [
        delta(content="B", index=1),
        delta(content="a"),
        delta(content="BB", index=1),
        delta(finish="length", index=1),
        delta(finish="stop"),
    ]
    decoded = take(name, *body)
    assert (decoded.output_ns, decoded.output_chars) == ((100,), 1)
    assert decoded.finish_reason == "stop"


@EVERY
def test_trap_19_unknown_events_prove_life_and_nothing_else(name):
    say = SPEECHES[name]
    decoded = take(name, say.unknown, say.text, say.unknown, say.finish)
    assert (decoded.first_event, decoded.first_text, len(decoded.output_ns)) == (0, 100, 1)
    assert status(judge(name, say.unknown, say.text, say.unknown, say.finish)) == "ok"


@EVERY
def test_trap_20_nothing_counts_after_the_last_word(name):
    say = SPEECHES[name]
    decoded = take(name, say.text, say.finish, say.end, say.text, say.error)
    assert (decoded.output_chars, decoded.failure) == (4, None)
    assert decoded.saw_end


@EVERY
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT",
                "date": "Sat, 21 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        ({}, None),
        ({"retry-after": "86400"}, 86400.0),
    ],
)
def test_trap_23_the_wait_that_a_429_asks_for(name, headers, wait_s):
    refused = ResponseHead(status=429, headers=headers)
    failure = PROVIDERS[name].failure(refused, b'{"error":{"message":"slow down"}}')
    assert (failure.status, failure.retryable, failure.retry_after_s) == (
        "rate_limited",
        True,
        wait_s,
    )


@EVERY
def test_trap_23_a_used_up_quota_is_not_worth_a_wait(name):
    refused = ResponseHead(status=429, headers={"retry-after": "1"})
    failure = PROVIDERS[name].failure(refused, b'{"error":{"code":"insufficient_quota"}}')
    assert (failure.status, failure.retryable) == ("quota", False)


@SSE
@pytest.mark.parametrize(("reset", "seconds"), [("12ms", 0.012), ("6m0s", 360.0), ("1s", 1.0)])
def test_trap_24_a_reset_is_a_go_duration(name, reset, seconds):
    stated = head(
        name,
        **{
            "x-ratelimit-limit-tokens": "100",
            "x-ratelimit-remaining-tokens": "40",
            "x-ratelimit-reset-tokens": reset,
        },
    )
    limits = PROVIDERS[name].rate_limits(stated)
    assert limits.tokens == RateLimit(limit=100, remaining=40, reset_s=pytest.approx(seconds))


@CHATS
def test_trap_27_and_28_model_and_tier_are_those_of_the_answer(name):
    chunk = {"model": "m-2026-01-01", "service_tier": "default", "choices": []}
    decoded = take(name, sse(chunk), CHAT.text, CHAT.finish)
    assert (decoded.model, decoded.service_tier) == ("m-2026-01-01", "default")


def test_trap_28_the_tier_that_was_asked_for_is_not_the_one_that_served():
    created = {"model": "m", "service_tier": "priority"}
    opening = event("response.created", response=created)
    ended = event("response.completed", response={**RESPONSE, "service_tier": "default"})
    assert take("openai-responses", opening, RESPONSES.text).service_tier is None
    assert take("openai-responses", opening, RESPONSES.text, ended).service_tier == "default"


@pytest.mark.parametrize(
    ("name", "flavor", "field"),
    [
        ("openai", None, "max_completion_tokens"),
        ("azure", None, "max_completion_tokens"),
        ("openai-responses", None, "max_output_tokens"),
        ("openai-compatible", None, "max_tokens"),
        ("openai-compatible", "llama-cpp-python", "max_tokens"),
        ("openai-compatible", "ollama", "max_tokens"),
        ("openai-compatible", "groq", "max_completion_tokens"),
    ],
)
def test_trap_30_the_limit_goes_by_the_name_that_the_server_reads(name, flavor, field):
    place = Endpoint(base_url="https://host", region=None, headers={})
    question = ChatRequest(
        model="m",
        messages=(Message(role="user", content="Hi"),),
        system=None,
        max_output_tokens=7,
        params={},
    )
    body = json.loads(wire(name, None, flavor).encode(question, place).body)
    limits = {key: value for key, value in body.items() if key.startswith("max_")}
    assert limits == {field: 7}
    native = json.loads(PROVIDERS["ollama"].encode(question, place).body)
    assert native["options"] == {"num_predict": 7}

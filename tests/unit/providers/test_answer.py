import json
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.providers.answer import (
    DecodedStream,
    collect,
    judge_answer,
    judge_exchange,
    merge_server_times,
    merge_usage,
)
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import Failure, Read, ResponseHead, ServerTimes, Usage

OPENAI, ANTHROPIC = PROVIDERS["openai"], PROVIDERS["anthropic"]
SSE = {"content-type": "text/event-stream; charset=utf-8"}
OK = ResponseHead(status=200, headers=SSE)


def chunk(finish=None, usage=None, **delta) -> bytes:
    value = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    if usage is not None:
        value["usage"] = usage
    return f"data: {json.dumps(value)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
TEXT, FINISH = chunk(content="ab"), chunk(finish="stop")
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'


def arrive(*pieces: bytes, first_ns: int = 100) -> tuple[bytes, list[Read]]:
    """A body in these pieces, a hundred nanoseconds apart."""
    reads, end = [], 0
    for i, piece in enumerate(pieces):
        end += len(piece)
        reads.append(Read(end=end, at_ns=first_ns + 100 * i))
    return b"".join(pieces), reads


def take(*pieces: bytes, provider=OPENAI) -> DecodedStream:
    return collect(provider, OK, *arrive(*pieces))


def judge(*pieces: bytes, head=OK, ended="clean", detail="") -> Failure | None:
    body, reads = arrive(*pieces)
    decoded = collect(OPENAI, head, body, reads)
    return judge_answer(head, decoded, ended=ended, body_length=len(body), detail=detail)


# --- collect ------------------------------------------------------------------------------------


def test_every_mark_has_the_time_of_its_read():
    decoded = take(
        chunk(role="assistant", content=""),
        chunk(reasoning="hm"),
        chunk(tool_calls=[{"function": {"name": "f"}}]),
        chunk(content="Hello"),
        chunk(content=" you"),
        FINISH,
        USAGE,
        DONE,
    )
    assert decoded == DecodedStream(
        first_event=100,
        first_reasoning=200,
        first_tool=300,
        first_text=400,
        last_output=500,
        output_ns=(200, 300, 400, 500),
        merged=0,
        first_since=300,
        last_since=500,
        output_since=200,
        output_chars=9,
        usage=Usage(input_total=3, output_total=2),
        usage_final=True,
        finish_reason="stop",
        saw_end=True,
        events=8,
    )


def test_events_that_share_a_read_share_its_time_and_are_counted_as_merged():
    decoded = take(TEXT + TEXT + TEXT, TEXT, TEXT + FINISH + TEXT)
    assert decoded.output_ns == (100, 100, 100, 200, 300, 300)
    assert decoded.merged == 3


def gemini_chunk(visible: int, thoughts: int, **part) -> bytes:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": visible, "thoughtsTokenCount": thoughts}
    value = {"candidates": [{"content": {"parts": [part]}}], "usageMetadata": usage}
    return f"data: {json.dumps(value)}\n\n".encode()


@pytest.mark.parametrize(
    ("provider", "pieces", "first_tokens"),
    [
        ("openai", [TEXT, TEXT, USAGE], None),
        ("openai", [chunk(role="assistant", usage={"completion_tokens": 1}), TEXT, USAGE], None),
        ("openai", [chunk(content="abcd", usage={"completion_tokens": 4}), TEXT, USAGE], 4),
        ("openai", [TEXT, chunk(content="abcd", usage={"completion_tokens": 8})], None),
        (
            "openai",
            [b"".join(chunk(content="ab", usage={"completion_tokens": n}) for n in (3, 6, 9))],
            3,
        ),
        ("gemini", [gemini_chunk(14, 742, text="ab"), gemini_chunk(37, 742, text="cd")], 756),
        ("gemini", [gemini_chunk(0, 7, text=""), gemini_chunk(5, 7, text="cd")], 12),
    ],
)
def test_what_the_event_of_the_first_output_counted(provider, pieces, first_tokens):
    assert take(*pieces, provider=PROVIDERS[provider]).first_tokens == first_tokens


def test_an_event_over_many_reads_has_the_time_of_the_last():
    pieces = [TEXT[i : i + 1] for i in range(len(TEXT))]
    decoded = take(*pieces, FINISH)
    assert decoded.output_ns == (100 * len(pieces),)


def test_reasoning_and_text_in_one_event_are_one_arrival():
    decoded = take(chunk(reasoning="h", content="x"), TEXT)
    assert decoded.output_ns == (100, 200)
    assert (decoded.first_reasoning, decoded.first_text, decoded.merged) == (100, 100, 0)
    assert decoded.events == 2


def test_a_last_event_without_its_blank_line_has_the_time_of_the_last_read():
    assert take(TEXT, chunk(content="z").rstrip()).output_ns == (100, 200)


def test_bytes_beyond_the_last_read_count_to_it():
    body, reads = arrive(TEXT, TEXT)
    assert collect(OPENAI, OK, body + TEXT, reads).output_ns == (100, 200, 200)


def test_an_empty_body_has_no_marks_and_a_body_without_reads_is_a_mistake():
    assert collect(OPENAI, OK, b"", []) == DecodedStream()
    with pytest.raises(ValueError, match="without reads"):
        collect(OPENAI, OK, TEXT, [])


def test_the_first_failure_is_the_one_that_is_told():
    decoded = take(b"data: nonsense\n\n", b'data: {"error":"late"}\n\n')
    assert decoded.failure.status == "malformed"


@pytest.mark.parametrize(
    ("pieces", "final"),
    [
        ((TEXT, FINISH, USAGE), True),
        ((TEXT, chunk(finish="stop", usage={"prompt_tokens": 1})), True),
        ((TEXT, USAGE, DONE), True),
        ((chunk(content="a", usage={"prompt_tokens": 1}), FINISH), False),
        ((chunk(content="a", usage={"prompt_tokens": 1}),), False),
        ((TEXT, FINISH, DONE), False),
        ((chunk(role="assistant", usage={"prompt_tokens": 1}), TEXT, FINISH, DONE), False),
        ((chunk(content="a", usage={"prompt_tokens": 1}), TEXT, FINISH, DONE), False),
        ((chunk(content="a", usage={"prompt_tokens": 1}), FINISH, DONE), True),
    ],
)
def test_usage_is_final_only_with_or_after_the_end_of_the_output(pieces, final):
    assert take(*pieces).usage_final is final


def test_a_message_cut_after_its_start_has_input_counts_and_no_final_usage():
    start = {
        "type": "message_start",
        "message": {"model": "c", "usage": {"input_tokens": 10, "output_tokens": 1}},
    }
    decoded = take(f"data: {json.dumps(start)}\n\n".encode(), provider=ANTHROPIC)
    assert decoded.usage == Usage(input_total=10)
    assert decoded.usage_final is False


def test_newer_counts_win_field_by_field():
    old = Usage(input_total=1, output_total=2, cache_read=3, cache_write={"5m": 4}, reasoning=5)
    new = Usage(output_total=0, cost_usd=Decimal("0.1"))
    merged = Usage(
        input_total=1,
        output_total=0,
        cache_read=3,
        cache_write={"5m": 4},
        reasoning=5,
        cost_usd=Decimal("0.1"),
    )
    assert merge_usage(None, new) is new
    assert merge_usage(old, new) == merged
    assert merge_usage(merged, Usage(cache_write={"1h": 1})) == merge_usage(
        merged, Usage(cache_write={"1h": 1}, cost_usd=Decimal("0.1"))
    )


# --- judge --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [
        (TEXT, FINISH, USAGE, DONE),
        (TEXT, FINISH),
        (TEXT, chunk(finish="length"), DONE),
        (FINISH,),
        (b": ping\n\n", TEXT, FINISH.rstrip()),
        (chunk(reasoning="hm"), chunk(finish="length")),
        (chunk(tool_calls=[{"function": {"name": "f"}}]), chunk(finish="tool_calls")),
    ],
)
@pytest.mark.parametrize("ended", ["clean", "stopped"])
def test_a_success_has_a_finish_reason_and_a_clean_end(pieces, ended):
    assert judge(*pieces, ended=ended) is None


def test_a_stream_whose_server_says_no_content_type_is_read_as_one():
    assert judge(TEXT, FINISH, head=ResponseHead(status=200, headers={})) is None


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((), "empty"),
        ((b": ping\n\n",), "empty"),
        ((b"\r\n\r\n",), "empty"),
        ((DONE,), "empty"),
        ((chunk(role="assistant", content=""), DONE), "empty"),
        ((TEXT,), "truncated"),
        ((TEXT, DONE), "truncated"),
        ((TEXT, USAGE, DONE), "truncated"),
        ((TEXT, b"data: {oops\n\n", FINISH, DONE), "malformed"),
        ((TEXT, b'data: {"error":{"code":503,"message":"m"}}\n\n', FINISH), "overloaded"),
        ((b'{"error":{"code":503,"message":"m"}}',), "overloaded"),
        ((b'{"choices":[{"message":{}}]}',), "not_streamed"),
    ],
)
def test_what_is_no_success_although_it_is_200_and_ends_cleanly(pieces, status):
    assert judge(*pieces).status == status


def test_an_end_marker_proves_nothing():
    """The plausible wrong rule, ``saw_end and text``, takes this for a success."""
    decoded = take(TEXT, DONE)
    assert decoded.saw_end
    assert decoded.output_chars > 0
    assert judge(TEXT, DONE).status == "truncated"


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ("truncated", "truncated"),
        ("timeout", "timeout"),
        ("connection", "connection"),
        ("too_large", "over_limit"),
        ("malformed", "malformed"),
        ("client", "client"),
    ],
)
def test_a_broken_end_is_a_failure_even_after_text_and_a_finish_reason(ended, status):
    failure = judge(TEXT, FINISH, DONE, ended=ended, detail="peer\x00reset")
    assert (failure.status, failure.detail, failure.retryable) == (status, "peer reset", False)
    assert judge(TEXT, ended=ended).detail


def test_what_the_server_reported_comes_before_how_the_connection_ended():
    assert judge(b'data: {"error":{"code":503}}\n\n', ended="truncated").status == "overloaded"


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("text/html", b"<html>login</html>", "malformed"),
        ("application/json", b'{"error":{"message":"m","code":429}}', "rate_limited"),
        ("application/json", b'{"choices":[{"message":{}}]}', "not_streamed"),
        ("application/json", TEXT + FINISH, "malformed"),
        ("", TEXT + FINISH, "malformed"),
        ("application/json", b"", "empty"),
    ],
)
def test_another_content_type_is_no_stream(media, body, status):
    head = ResponseHead(status=200, headers={"content-type": media})
    pieces = (body,) if body else ()
    assert judge(*pieces, head=head).status == status


def test_statuses_other_than_200():
    for status, expected in ((204, "malformed"), (302, "bad_request"), (500, "server_error")):
        head = ResponseHead(status=status, headers={})
        failure = judge(TEXT, FINISH, head=head)
        assert (failure.status, failure.http_status) == (expected, status)
    limited = ResponseHead(status=429, headers={})
    assert judge(b'{"error":{"code":"insufficient_quota"}}', head=limited).status == "quota"


# --- judge_exchange -----------------------------------------------------------------------------


def test_a_request_without_an_answer():
    refused = judge_exchange(OPENAI, None, b"", None, ended="connection", detail="refused")
    assert (refused.status, refused.detail, refused.http_status) == ("connection", "refused", None)
    assert refused.retryable
    timeout = judge_exchange(OPENAI, None, b"", None, ended="timeout")
    assert (timeout.status, timeout.retryable) == ("timeout", False)
    assert judge_exchange(OPENAI, None, b"", None, ended="clean").status == "connection"


def test_an_http_error_is_told_by_its_provider_however_its_body_ended():
    head = ResponseHead(status=429, headers={})
    assert judge_exchange(OPENAI, head, b"", None, ended="truncated").status == "rate_limited"
    assert judge_exchange(ANTHROPIC, head, b"", None, ended="clean").status == "quota"


def test_a_stream_is_judged_decoded_or_not():
    body, reads = arrive(TEXT, DONE)
    decoded = collect(OPENAI, OK, body, reads)
    for given in (decoded, None):
        assert judge_exchange(OPENAI, OK, body, given, ended="clean").status == "truncated"
    assert judge_exchange(OPENAI, OK, TEXT + FINISH, None, ended="stopped") is None


# --- bounds, answers in one piece, server times -------------------------------------------------


def bounds(*pieces: bytes, since=None) -> tuple:
    """First visible and last output with their bounds; reads come at 100, 200, ..."""
    body, reads = arrive(*pieces)
    if since is not None:
        reads = [replace(read, since_ns=ns) for read, ns in zip(reads, since, strict=True)]
    decoded = collect(OPENAI, OK, body, reads)
    first = decoded.first_text if decoded.first_tool is None else decoded.first_tool
    return decoded.first_since, first, decoded.last_since, decoded.last_output


TOOL = chunk(tool_calls=[{"function": {"name": "f"}}])
THOUGHT = chunk(reasoning="hm")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        # The last event of a read came with its last bytes, an earlier one after the last read.
        ((TEXT, TEXT, FINISH), (100, 100, 200, 200)),
        ((b": ping\n\n", TEXT + FINISH), (100, 200, 100, 200)),
        ((b": ping\n\n", TEXT + TEXT), (100, 200, 200, 200)),
        ((b": ping\n\n", TEXT, TEXT + TEXT + FINISH), (200, 200, 200, 300)),
        # Before the first read there is nothing to know of.
        ((TEXT + TEXT,), (100, 100, 100, 100)),
        # Reasoning is no first visible output, but it may be the last of all.
        ((THOUGHT, THOUGHT + TEXT + TEXT), (100, 200, 200, 200)),
        ((TEXT, THOUGHT), (100, 100, 200, 200)),
        ((THOUGHT,), (None, None, 100, 100)),
        ((THOUGHT, TOOL), (200, 200, 200, 200)),
        ((b": ping\n\n",), (None, None, None, None)),
        # An event that a read only begins took its last bytes: what it completes came before.
        ((b": ping\n\n", TEXT + TEXT[:9], TEXT[9:]), (100, 200, 300, 300)),
        ((b": ping\n\n", TEXT[:9], TEXT[9:] + TEXT[:9], TEXT[9:]), (200, 300, 400, 400)),
        # One event says reasoning and text: both came with it.
        ((b": ping\n\n", chunk(reasoning="h", content="x")), (200, 200, 200, 200)),
        # A last event that only the end of the body completes.
        ((b": ping\n\n", TEXT.rstrip()), (200, 200, 200, 200)),
    ],
)
def test_the_earliest_moments_at_which_output_can_have_come(pieces, expected):
    assert bounds(*pieces) == expected


def test_a_read_may_know_better_what_came_before_it():
    assert bounds(b": ping\n\n", TEXT + FINISH, since=(50, 180)) == (180, 200, 180, 200)
    # A bound never lies after the read itself.
    assert bounds(b": ping\n\n", TEXT + FINISH, since=(50, 999)) == (200, 200, 200, 200)
    assert bounds(TEXT + TEXT, since=(40,)) == (40, 100, 100, 100)


@pytest.mark.parametrize(
    ("pieces", "since", "blur"),
    [
        ((THOUGHT, TEXT), 100, 0),
        ((b": ping\n\n", THOUGHT + TEXT), 100, 100),
        ((TEXT, TEXT, TEXT + TEXT), 100, 100),
        ((b": ping\n\n", TEXT + TEXT[:9], TEXT[9:]), 100, 100),
        ((b": ping\n\n",), None, 0),
    ],
)
def test_the_first_output_of_any_kind_and_how_uncertain_any_is(pieces, since, blur):
    decoded = take(*pieces)
    assert (decoded.output_since, decoded.blur) == (since, blur)


def test_a_decoder_that_tells_no_boundary_is_taken_at_its_word():
    class Blind:
        def __init__(self, head):
            self._inner = OPENAI.decoder(head)

        def feed(self, data):
            return self._inner.feed(data)

        def close(self):
            return self._inner.close()

    body, reads = arrive(b": ping\n\n", TEXT + TEXT[:9], TEXT[9:])
    decoded = collect(replace(OPENAI, decoder=Blind), OK, body, reads)
    assert decoded.first_since == 200


WHOLE = json.dumps(
    {
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
).encode()


def test_an_answer_in_one_piece_says_what_it_says_and_has_no_times():
    head = ResponseHead(status=200, headers={"openai-processing-ms": "250"})
    reads = [Read(end=9, at_ns=100), Read(end=len(WHOLE), at_ns=200)]
    assert collect(OPENAI, head, WHOLE, reads, stream=False) == DecodedStream(
        output_chars=5,
        usage=Usage(input_total=1, output_total=2),
        usage_final=True,
        finish_reason="stop",
        model="m",
        server=ServerTimes(source="openai-processing-ms", headers_s=0.25),
        events=1,
    )


def test_a_protocol_that_only_streams_can_be_asked_for_nothing_else():
    row = replace(OPENAI, whole=None)
    with pytest.raises(ValueError, match="openai only streams"):
        collect(row, OK, WHOLE, [Read(end=len(WHOLE), at_ns=1)], stream=False)


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("application/json; charset=utf-8", WHOLE, None),
        ("APPLICATION/JSON", WHOLE, None),
        ("text/event-stream", WHOLE, "malformed"),
        ("text/html", b"<html></html>", "malformed"),
        ("application/json", b"", "empty"),
        ("application/json", b'{"choices":[{"message":{"content":"x"}}]}', "empty"),
        ("application/json", b'{"error":{"code":503}}', "overloaded"),
    ],
)
def test_an_answer_in_one_piece_is_json(media, body, status):
    head = ResponseHead(status=200, headers={"content-type": media})
    failure = judge_exchange(OPENAI, head, body, None, ended="clean", stream=False)
    assert (failure and failure.status) == status


def test_a_streams_content_type_is_that_of_its_protocol():
    line = b'{"message":{"content":"a"},"done":true}\n'
    for media, status in (("application/x-ndjson", None), ("text/event-stream", "malformed")):
        head = ResponseHead(status=200, headers={"content-type": media})
        failure = judge_exchange(PROVIDERS["ollama"], head, line, None, ended="clean")
        assert (failure and failure.status) == status


def test_what_a_server_says_of_its_time_adds_up():
    head = ServerTimes(source="head", headers_s=0.1, total_s=9.0)
    body = ServerTimes(source="usage", queue_s=0.2, total_s=0.0)
    both = ServerTimes(source="head, usage", headers_s=0.1, queue_s=0.2, total_s=0.0)
    assert merge_server_times(None, None) is None
    assert merge_server_times(head, None) is head
    assert merge_server_times(None, body) is body
    assert merge_server_times(head, body) == both
    assert merge_server_times(both, body) == both


def test_times_of_head_and_body_are_both_kept():
    head = ResponseHead(status=200, headers={**SSE, "openai-processing-ms": "250"})
    said = b'data: {"choices":[],"usage":{"prompt_tokens":3,"queue_time":0.5}}\n\n'
    decoded = collect(OPENAI, head, *arrive(TEXT, FINISH, said))
    assert decoded.server == ServerTimes(
        source="openai-processing-ms, usage", headers_s=0.25, queue_s=0.5
    )

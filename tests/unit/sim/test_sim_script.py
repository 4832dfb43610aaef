import json
from itertools import pairwise

import pytest

from lens_gate.sim.behaviour import behaviour_from_mapping
from lens_gate.sim.dialect import Place, Request
from lens_gate.sim.dialects.table import BY_NAME
from lens_gate.sim.draws import draw, start_run
from lens_gate.sim.planning import plan, weigh
from lens_gate.sim.script import schedule, writes

PLAIN = {"ttft": {"fixed": "1s"}, "gap": {"fixed": "100ms"}, "output_tokens": {"fixed": 4}}
BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "hello"}],
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
}
MESSAGE = {"model": "m", "messages": BODY["messages"], "stream": True, "max_tokens": 50}
VERSION = {"anthropic-version": "2023-06-01"}


def script_of(changes=(), *, body=None, elapsed_s=0.0, memory=None, number=1):
    behaviour = behaviour_from_mapping({**PLAIN, **dict(changes)})
    dialect = BY_NAME[behaviour.dialect]
    usual = BODY if behaviour.dialect == "openai" else MESSAGE
    ask = dialect.read(body or usual, Request(headers=VERSION), Place())
    run = start_run(behaviour, 7)
    prompt = weigh(ask, behaviour, {} if memory is None else memory, elapsed_s)
    return plan(
        dialect=dialect,
        behaviour=behaviour,
        run=run,
        draw=draw(behaviour, run, number, None),
        ask=ask,
        prompt=prompt,
        elapsed_s=elapsed_s,
        request_id="req",
        created=1,
    )


def shape(changes=(), **more):
    script, _ = script_of(changes, **more)
    return [(round(w.at_s, 6), w.what, w.tokens) for w in writes(script)]


def fault(kind, **more):
    return {"faults": [{"kind": kind, "every": 1, **more}]}


def test_a_plain_answer():
    assert shape() == [
        (0, "open", 0),
        (1.0, "text", 1),
        (1.1, "text", 1),
        (1.2, "text", 1),
        (1.3, "text", 1),
        (1.4, "close", 0),
        (1.4, "close", 0),
        (1.4, "close", 0),
    ]


def test_several_tokens_a_chunk_come_after_as_many_gaps():
    chunks = [w for w in shape({"tokens_per_chunk": 3, "output_tokens": {"fixed": 8}}) if w[2]]
    assert chunks == [(1.0, "text", 3), (1.3, "text", 3), (1.5, "text", 2)]


def test_streamed_thought_comes_first_and_hidden_thought_is_silence():
    thinking = {"tokens": {"fixed": 2}}
    shown = shape({"reasoning": {**thinking, "streamed": True}, "output_tokens": {"fixed": 1}})
    hidden = shape({"reasoning": thinking, "output_tokens": {"fixed": 1}})
    assert [w for w in shown if w[2]] == [
        (1.0, "reasoning", 1),
        (1.1, "reasoning", 1),
        (1.2, "text", 1),
    ]
    assert [w for w in hidden if w[2]] == [(1.0, "silent", 1), (1.1, "silent", 1), (1.2, "text", 1)]
    script, _ = script_of({"reasoning": thinking})
    assert all(w.data == b"" for w in writes(script) if w.what == "silent")


def test_both_ways_of_thinking_lead_to_the_same_text():
    def text(streamed):
        script, _ = script_of({"reasoning": {"tokens": {"fixed": 5}, "streamed": streamed}})
        return [w.data for w in writes(script) if w.what == "text"]

    assert text(streamed=True) == text(streamed=False)


@pytest.mark.parametrize(
    ("changes", "headers", "opened", "first"),
    [
        ({}, 0, 0, 1),
        ({"headers_delay": "200ms"}, 0.2, 0.2, 1),
        ({"headers_delay": "first_token"}, 1, 1, 1),
        ({"headers_delay": "3s"}, 3, 3, 3),
        ({"role_lead": "300ms"}, 0, 0.7, 1),
        ({"role_lead": "0s"}, 0, 1, 1),
        ({"role_lead": "5s", "headers_delay": "100ms"}, 0.1, 0.1, 1),
        (fault("slow_headers", delay="2s"), 2, 2, 2),
        (fault("slow_headers", delay="500ms"), 0.5, 0.5, 1),
    ],
)
def test_when_headers_opening_and_first_token_come(changes, headers, opened, first):
    script, _ = script_of(changes)
    moments = [w.at_s for w in writes(script) if w.tokens]
    assert (script.headers_s, next(writes(script)).at_s, moments[0]) == pytest.approx(
        (headers, opened, first)
    )


def test_drift_moves_both_times():
    drift = {"drift": {"ttft": "100%", "step": {"after": "1m", "factor": 3}}}
    moments = [w[0] for w in shape(drift, elapsed_s=60.0) if w[2]]
    assert moments[0] == pytest.approx(6.0)
    assert moments[1] - moments[0] == pytest.approx(0.3)


def test_a_stall_shifts_what_follows():
    assert [w[0] for w in shape(fault("stall", after_chunks=2, **{"for": "5s"})) if w[2]] == [
        1.0,
        1.1,
        6.2,
        6.3,
    ]
    late = shape(fault("stall", after_chunks=99, **{"for": "5s"}))
    assert [w[0] for w in late if w[1] == "close"] == [6.4] * 3


@pytest.mark.parametrize("after", [0, 1, 3, 4, 50])
@pytest.mark.parametrize("kind", ["cut", "truncated", "error_event"])
def test_an_end_strikes_after_its_chunks(kind, after):
    script, _ = script_of(fault(kind, after_chunks=after))
    sent = list(writes(script))
    assert sum(w.what == "text" for w in sent) == min(after, 4)
    assert [w.what for w in sent if w.what not in ("open", "text")] == [
        "error" if kind == "error_event" else "cut"
    ]
    last = sent[-1]
    assert last.ends == (None if kind == "error_event" else "close")
    assert (last.missing > 0) == (kind == "truncated")
    assert schedule(script)[0].what == last.what


def test_a_stall_before_a_cut_in_one_request():
    faults = [
        {"kind": "stall", "after_chunks": 1, "for": "2s", "every": 1},
        {"kind": "cut", "after_chunks": 3, "how": "reset", "every": 1},
    ]
    assert shape({"faults": faults})[1:] == [
        (1.0, "text", 1),
        (3.1, "text", 1),
        (3.2, "text", 1),
        (3.3, "cut", 0),
    ]


def test_keepalives_fill_every_silence_and_never_overtake():
    got = shape(
        {"keepalive": {"every": "310ms"}, **fault("stall", after_chunks=3, **{"for": "1s"})}
    )
    assert all(a[0] <= b[0] for a, b in pairwise(got))
    alive = [at for at, what, _ in got if what == "keepalive"]
    assert alive == pytest.approx([0.31 * k for k in range(1, 8)])
    with_delay = shape({"keepalive": {"every": "400ms"}, "headers_delay": "500ms"})
    assert next(at for at, what, _ in with_delay if what == "keepalive") == pytest.approx(0.9)


def test_keepalives_and_comments_in_bytes():
    script, _ = script_of({"keepalive": {"every": "300ms"}, **fault("comments")})
    sent = [w for w in writes(script) if w.what in ("keepalive", "comment")]
    assert {w.data for w in sent if w.what == "keepalive"} == {b": keep-alive\n\n"}
    assert {w.data for w in sent if w.what == "comment"} == {
        b":\n\n",
        b": SIMULATED PROCESSING\n\n",
    }
    pings, _ = script_of({"dialect": "anthropic", "keepalive": {"every": "300ms"}})
    assert b'event: ping\ndata: {"type":"ping"}\n\n' in {w.data for w in writes(pings)}


@pytest.mark.parametrize(("line_end", "end"), [("lf", b"\n"), ("crlf", b"\r\n"), ("cr", b"\r")])
def test_framing(line_end, end):
    framing = {"framing": {"line_end": line_end, "space": False}, "dialect": "anthropic"}
    script, _ = script_of(framing)
    for write in writes(script):
        assert write.data.startswith(
            b"event:" + json.loads(_data(write)).get("type").encode() + end
        )
        assert write.data.endswith(b"}" + end + end)
        assert b"data:{" in write.data


def _data(write):
    return write.data[write.data.index(b"data:") + 5 :]


@pytest.mark.parametrize(
    ("limit", "text", "thought", "finish"),
    [
        (100, 4, 3, "stop"),
        (7, 4, 3, "stop"),
        (6, 3, 3, "length"),
        (3, 0, 3, "length"),
        (2, 0, 2, "length"),
    ],
)
def test_the_token_limit_takes_thought_first(limit, text, thought, finish):
    thinking = {"reasoning": {"tokens": {"fixed": 3}}}
    script, counts = script_of(thinking, body={**BODY, "max_completion_tokens": limit})
    answer = script.answer
    assert (answer.text_tokens, answer.reasoning_tokens, answer.finish) == (text, thought, finish)
    assert counts.output == text + thought


def test_a_server_that_knows_no_limit():
    script, counts = script_of({"ignore_token_limit": True}, body={**BODY, "max_tokens": 1})
    assert (counts.output, script.answer.finish) == (4, "stop")


def test_thinking_can_be_switched_off_by_the_request():
    thinking = {"reasoning": {"tokens": {"fixed": 3}, "streamed": True}}
    _, counts = script_of(thinking, body={**BODY, "reasoning_effort": "none"})
    assert (counts.reasoning, counts.output) == (0, 4)
    messages = {"dialect": "anthropic", **thinking}
    _, counts = script_of(messages, body={**MESSAGE, "thinking": {"type": "disabled"}})
    assert counts.reasoning == 0
    hidden, counts = script_of(
        messages, body={**MESSAGE, "thinking": {"type": "adaptive", "display": "omitted"}}
    )
    assert (counts.reasoning, hidden.answer.shown) == (3, False)


def test_usage_full_missing_and_lying():
    def usage(changes):
        script, counts = script_of(changes)
        return script.answer.usage, counts

    full, true = usage({})
    assert full == true
    assert usage({"usage": "missing"})[0] is None
    assert usage(fault("no_usage"))[0] is None
    lie, true = usage({"usage": {"lying": 2.5}})
    assert (lie.prompt, lie.output) == (13, 10)
    assert (true.prompt, true.output) == (5, 4)


def test_a_cached_prompt_is_faster_and_says_so():
    cache = {"prompt_cache": {"min_tokens": 16, "step_tokens": 16, "hit_speedup": 4}}
    long = {**BODY, "messages": [{"role": "user", "content": "x" * 4 * 61}]}
    memory = {}
    cold, counts = script_of(cache, body=long, memory=memory)
    assert (counts.cached, counts.prompt, cold.first_s) == (0, 64, 1.0)
    assert (counts.written_short, cold.answer.usage.written_short) == (48, 0)
    behaviour = behaviour_from_mapping(cache)
    ask = BY_NAME["openai"].read(long, Request(), Place())
    from lens_gate.sim import prompt_cache

    prefixes = weigh(ask, behaviour, memory, 0.0).prefixes
    prompt_cache.remember(memory, prefixes, 0.0)
    warm, counts = script_of(cache, body=long, memory=memory)
    assert counts.cached == 48
    assert warm.first_s == pytest.approx(1 - 48 / 64 * 0.75)
    assert warm.answer.usage.cached == 48
    assert warm.answer.usage.written_short == 0
    reporting = {"prompt_cache": {**cache["prompt_cache"], "report_writes": True}}
    told, _ = script_of(reporting, body=long)
    assert told.answer.usage.written_short == 48

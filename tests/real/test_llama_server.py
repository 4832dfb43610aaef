"""llama.cpp's `llama-server`: what the program reports, against the server's own account of it."""

import collections
import os
import re
import signal
import statistics
import time
from decimal import Decimal

import pytest

INPUT, CACHED, OUTPUT = Decimal("1.5"), Decimal("0.3"), Decimal(7)
MILLION = Decimal(1_000_000)
LIMIT = 48
QUESTIONS = [f"{'why ' * length}is it so?" for length in (1, 3, 9, 14, 20, 27, 33, 40)]
PARAMS = {"temperature": 1, "seed": 7}
# What the server prints of each request that it answered, by the number of its task.
PROMPT = re.compile(r"task (\d+) \| prompt eval time = +([\d.]+) ms / +(\d+) tokens")
WRITTEN = re.compile(r"task (\d+) \| +eval time = +([\d.]+) ms / +(\d+) tokens")


def policy(base, *, concurrency=1, requests=24, warmup=2, **changes):
    target = {
        "provider": "openai-compatible",
        "base_url": f"{base}/v1",
        "model": "tiny",
        "flavor": "llama-cpp",
        "params": PARAMS,
        "price": {"input": str(INPUT), "cache_read": str(CACHED), "output": str(OUTPUT)},
        **changes.pop("target", {}),
    }
    return {
        "version": 1,
        "name": "real",
        "budget": {"max_usd": 5, "max_requests": 500, "max_duration": "4m"},
        "baseline": {"compare": "none"},
        "targets": {"llama": target},
        "scenarios": {
            "chat": {
                "targets": ["llama"],
                "prompts": [{"id": f"q{i}", "prompt": q} for i, q in enumerate(QUESTIONS)],
                "max_output_tokens": LIMIT,
                "load": {"pattern": "closed", "concurrency": concurrency},
                "samples": {"min": requests, "max": requests, "warmup": warmup},
                "gates": [{"metric": "error_rate", "max": "0%"}],
                **changes,
            }
        },
    }


def question(sample):
    """What the sample asked, as the server takes it."""
    return {
        "model": "tiny",
        "messages": [{"role": "user", "content": QUESTIONS[int(sample["prompt_id"][1:])]}],
        "max_tokens": LIMIT,
        **PARAMS,
    }


def counters(server):
    """The server's metrics that add up over its requests."""
    found = re.findall(r"^llamacpp:(\w+_total) (\S+)$", server.ask("/metrics"), re.MULTILINE)
    return {name: float(value) for name, value in found}


def accounts(said):
    """Of each request that was answered: prompt ms and tokens, output ms and tokens."""
    prompts = {m[1]: (float(m[2]), int(m[3])) for m in PROMPT.finditer(said)}
    written = {m[1]: (float(m[2]), int(m[3])) for m in WRITTEN.finditer(said)}
    assert prompts.keys() == written.keys()
    return [(*prompts[task], *written[task]) for task in prompts]


def hand_cost(usage):
    cached = usage["cache_read"]
    fresh = usage["input_total"] - cached
    return (INPUT * fresh + CACHED * cached + OUTPUT * usage["output_total"]) / MILLION


def sent(samples):
    """How many requests that is, those counted twice that met a closed connection."""
    return len(samples) + sum(s["resent"] for s in samples)


def at_first(sample):
    """What may be booked of its first sending, where it was sent again.

    Its reservation, as nobody says whether it was read; nothing where it had not left yet.
    """
    none = Decimal(0)
    return {none, Decimal(sample["reserved_usd"])} if sample["resent"] else {none}


def answered(done):
    """The samples that reached the server, all of which it answered."""
    assert [s["failure"] for s in done.reached if s["failure"]] == []
    return done.reached


@pytest.mark.parametrize("concurrency", [1, 2])
def test_requests_tokens_and_cost_are_the_servers(llama_server, lens, concurrency):
    with llama_server(slots=concurrency) as server:
        done = lens("run", policy(server.base, concurrency=concurrency))
        assert done.code == 0, done.text
        counted = counters(server)
        served = accounts(server.said())
    samples = answered(done)
    assert len(samples) == len(served)
    assert len(done.samples) == 26
    assert done.end["spend"]["requests"] == sent(done.samples)
    assert {s["model"] for s in samples} == {"tiny"}

    usages = [s["usage"] for s in samples]
    ours = [(u["input_total"] - u["cache_read"], u["output_total"]) for u in usages]
    assert collections.Counter(ours) == collections.Counter((p, w) for _, p, _, w in served)
    if concurrency == 1:
        assert ours == [(p, w) for _, p, _, w in served]
    assert sum(u["cache_read"] for u in usages) == counted["prompt_tokens_cached_total"] > 0
    assert sum(p for p, _ in ours) == counted["prompt_tokens_total"]
    assert sum(w for _, w in ours) == counted["tokens_predicted_total"]

    costs = [hand_cost(u) for u in usages]
    assert [Decimal(s["cost_usd"]) for s in samples] == costs
    assert all(Decimal(s["cost_usd"]) <= Decimal(s["reserved_usd"]) for s in samples)
    booked = [Decimal(s["settled_usd"]) for s in done.samples]
    for sample, cost in zip(samples, costs, strict=True):
        assert Decimal(sample["settled_usd"]) - cost in at_first(sample)
    assert Decimal(done.end["spend"]["spent_usd"]) == sum(booked)


def test_text_and_finish_reasons_are_those_of_a_plain_client(llama_server, lens):
    with llama_server() as server:
        done = lens("run", policy(server.base))
        assert done.code == 0, done.text
        samples = answered(done)
        for sample in {s["prompt_id"]: s for s in samples}.values():
            usage, reason, text = server.whole(question(sample))
            assert sample["finish_reason"] == reason
            assert sample["output_chars"] == len(text)
            assert sample["usage"]["input_total"] == usage["prompt_tokens"]
            assert sample["usage"]["output_total"] == usage["completion_tokens"]
            # One event for each token, but for the end of text, which is none.
            ended = reason == "stop"
            assert len(sample["marks"]["output_ns"]) == usage["completion_tokens"] - ended
    assert {s["finish_reason"] for s in samples} == {"stop", "length"}


def test_times_are_the_servers_within_network_time(llama_server, lens):
    """The server's spans lie within ours, and what is left over is the way there and back.

    What a request costs besides inference is measured without us: by how long plain ``urllib``
    takes for a path on which the server parses and templates the same questions.
    """
    around = []
    with llama_server() as server:
        done = lens("run", policy(server.base, requests=48))
        assert done.code == 0, done.text
        samples = answered(done)
        for sample in samples:
            began = time.perf_counter()
            server.ask("/apply-template", question(sample))
            around.append(time.perf_counter() - began)
        served = accounts(server.said())
    before, between, over = [], [], []
    for sample, (prompt_ms, _, written_ms, written) in zip(samples, served, strict=True):
        marks = sample["marks"]
        gaps = len(marks["output_ns"]) - 1
        before.append((marks["first_text"] - marks["sent"]) / 1e9 - prompt_ms / 1e3)
        over.append((marks["done"] - marks["sent"]) / 1e9 - (prompt_ms + written_ms) / 1e3)
        # The server's time for each token, for as many as we saw come.
        theirs = written_ms / 1e3 / (written - 1) * gaps
        between.append(abs((marks["last_output"] - marks["first_text"]) / 1e9 - theirs))
    rounding = 0.02e-3  # its log has hundredths of a millisecond
    assert min(before) > -rounding
    assert min(over) > -rounding
    network = statistics.median(around)
    assert statistics.median(before) < 3 * network
    assert statistics.median(over) < 3 * network
    assert statistics.median(between) < network


def test_server_times_in_the_journal_are_those_of_its_log(llama_server, lens):
    with llama_server() as server:
        done = lens("run", policy(server.base))
        assert done.code == 0, done.text
        samples = answered(done)
        served = accounts(server.said())
    for sample, (prompt_ms, _, written_ms, _) in zip(samples, served, strict=True):
        said = sample["server"]
        assert said["prompt_s"] == pytest.approx(prompt_ms / 1e3, abs=0.01e-3)
        assert said["generation_s"] == pytest.approx(written_ms / 1e3, abs=0.01e-3)


def test_connections_that_the_server_closed_while_idle_cost_no_request(llama_server, lens):
    """It closes after each stream: some requests cross with that, and are sent again."""
    with llama_server(slots=2) as server:
        done = lens("run", policy(server.base, concurrency=2, requests=100))
        served = accounts(server.said())
    assert [s["failure"] for s in done.samples if s["failure"]] == []
    assert len(served) == len(done.samples) == 102
    again = [s for s in done.samples if s["resent"]]
    assert again
    assert {(s["attempts"], s["marks"]["reused"]) for s in again} == {(1, False)}
    assert done.end["spend"]["requests"] == sent(done.samples)


def test_cold_connections_lose_no_request(llama_server, lens):
    with llama_server(slots=2) as server:
        done = lens("run", policy(server.base, concurrency=2, connection="cold"))
        assert done.code == 0, done.text
        served = accounts(server.said())
    measured = [s for s in done.samples if s["phase"] == "measured"]
    assert [s["failure"] for s in measured if s["failure"]] == []
    assert {s["marks"]["reused"] for s in measured} == {False}
    assert len(measured) == 24
    assert len(answered(done)) == len(served)


def test_the_same_server_in_the_responses_protocol(llama_server, lens):
    target = {"provider": "openai-responses", "flavor": None, "params": {"temperature": 1}}
    with llama_server(slots=2) as server:
        asked = policy(server.base, concurrency=2, requests=30, target=target)
        done = lens("run", asked, OPENAI_API_KEY="none-needed")
        assert done.code == 0, done.text
        counted = counters(server)
        served = accounts(server.said())
    samples = answered(done)
    usages = [s["usage"] for s in samples]
    ours = [(u["input_total"] - u["cache_read"], u["output_total"]) for u in usages]
    assert collections.Counter(ours) == collections.Counter((p, w) for _, p, _, w in served)
    assert sum(u["cache_read"] for u in usages) == counted["prompt_tokens_cached_total"] > 0
    assert [Decimal(s["cost_usd"]) for s in samples] == [hand_cost(u) for u in usages]
    # It does not say by this protocol which answers met their limit.
    assert {s["finish_reason"] for s in samples} == {"completed"}


def test_the_same_server_in_anthropics_protocol(llama_server, lens):
    target = {"provider": "anthropic", "flavor": None, "params": {}}
    with llama_server(slots=2) as server:
        asked = policy(server.base, concurrency=2, requests=30, target=target)
        asked["targets"]["llama"]["base_url"] = server.base
        done = lens("run", asked, ANTHROPIC_API_KEY="none-needed")
        assert done.code == 0, done.text
        counted = counters(server)
        served = accounts(server.said())
    samples = answered(done)
    usages = [s["usage"] for s in samples]
    # Its input counts exclude what came from the cache: together they are the whole prompt.
    ours = [(u["input_total"] - u["cache_read"], u["output_total"]) for u in usages]
    assert collections.Counter(ours) == collections.Counter((p, w) for _, p, _, w in served)
    assert sum(u["cache_read"] for u in usages) == counted["prompt_tokens_cached_total"] > 0
    assert [Decimal(s["cost_usd"]) for s in samples] == [hand_cost(u) for u in usages]
    for sample in samples:
        cut = sample["usage"]["output_total"] == LIMIT
        assert sample["finish_reason"] in ({"max_tokens", "end_turn"} if cut else {"end_turn"})
    assert {s["finish_reason"] for s in samples} == {"end_turn", "max_tokens"}


def test_a_prompt_longer_than_the_context_is_named_so(llama_server, lens):
    with llama_server(context=256) as server:
        done = lens("run", policy(server.base, prompts=["so " * 200], requests=8))
        served = accounts(server.said())
    assert served == []
    assert {s["failure"]["status"] for s in done.samples} == {"context_too_long"}
    assert {s["http_status"] for s in done.samples} == {400}
    assert Decimal(done.end["spend"]["spent_usd"]) > 0  # no bill is known: what was reserved


def test_a_wrong_key_is_told_and_nowhere_shown(llama_server, lens):
    with llama_server("--api-key", "the-right-key") as server:
        wrong = "a-wrong-key-4711"
        asked = policy(server.base, target={"api_key_env": "REAL_KEY"})
        done = lens("run", asked, REAL_KEY=wrong)
    assert {s["failure"]["status"] for s in done.samples} == {"auth"}
    assert len(done.samples) == 3  # after three refusals nothing more is asked
    written = "".join(path.read_text(errors="replace") for path in (done.folder / "out").iterdir())
    assert wrong not in done.text + written


def test_a_tokenizer_finer_than_the_bound_ends_the_target(llama_server, lens):
    """A token for each byte under a long template: the bill is above what was reserved.

    It is booked, and nothing is sent after it.
    """
    template = "{% for m in messages %}" + "~" * 200 + "{{ m['content'] }}{% endfor %}"
    with llama_server("--chat-template", template) as server:
        done = lens("run", policy(server.base, requests=24))
        served = accounts(server.said())
    (sample,) = answered(done)
    assert len(served) == 1
    assert done.code == 4, done.text
    assert Decimal(sample["cost_usd"]) == hand_cost(sample["usage"])
    assert Decimal(sample["cost_usd"]) > Decimal(sample["reserved_usd"])
    assert Decimal(done.end["spend"]["spent_usd"]) == Decimal(sample["cost_usd"])
    (cell,) = done.end["cells"]
    assert "overrun" in cell["detail"]


def test_a_server_killed_in_mid_stream_fails_what_was_in_flight(llama_server, popen):
    tokens = 1500
    with llama_server(context=2048) as server:
        asked = policy(server.base, requests=8, warmup=1, max_output_tokens=tokens)
        asked["targets"]["llama"]["params"] = {**PARAMS, "ignore_eos": True}
        process, finished = popen(asked)
        end = time.monotonic() + 60
        # In the middle of the second answer.
        while counters(server)["n_decode_total"] < 1.5 * tokens:
            assert time.monotonic() < end
            assert process.poll() is None, process.stdout.read()
        os.kill(server.process.pid, signal.SIGKILL)
        done = finished()
        served = accounts(server.said())
    samples = done.samples
    assert len(samples) == 9
    assert done.end["spend"]["requests"] == sent(samples)
    # Its last words may have died with it, and a request may have crossed with its closing.
    whole = [s for s in samples if s["failure"] is None]
    assert 1 <= len(served) <= len(whole) + 1
    assert all(s["usage"]["output_total"] == tokens for s in whole)
    (broken,) = (s for s in samples if s["failure"] and s["output_chars"])
    assert broken["failure"]["status"] == "truncated"
    assert broken["finish_reason"] is broken["usage"] is broken["cost_usd"] is None
    reserved = Decimal(broken["reserved_usd"])
    assert Decimal(broken["settled_usd"]) - reserved in at_first(broken)
    gone = [s for s in samples if s["failure"] and s is not broken]
    assert {s["failure"]["status"] for s in gone} == {"connection"}

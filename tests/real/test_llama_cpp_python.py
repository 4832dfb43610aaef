"""The OpenAI server of llama-cpp-python: no usage in its streams, and three ways to mislead."""

import re
import select
import urllib.error
from decimal import Decimal

import pytest

LIMIT = 48
QUESTIONS = [f"{'why ' * length}is it so?" for length in (1, 3, 9, 14, 20, 27, 33, 40)]
PARAMS = {"temperature": 1, "seed": 7}
# What it prints of each request that it finished, and of each that it was sent.
TOTAL = re.compile(r"llama_perf_context_print: +total time = +([\d.]+) ms")
ACCESS = re.compile(r'"POST /v1/chat/completions HTTP/1.1" (\d+)')


def policy(base, *, concurrency=1, requests=24, warmup=2, target=None, **changes):
    return {
        "version": 1,
        "name": "real",
        "budget": {"max_usd": 5, "max_requests": 500, "max_duration": "4m"},
        "baseline": {"compare": "none"},
        "targets": {
            "llama": {
                "provider": "openai-compatible",
                "base_url": f"{base}/v1",
                "model": "tiny",
                "flavor": "llama-cpp-python",
                "params": PARAMS,
                "price": {"input": 1, "output": 4},
                **(target or {}),
            }
        },
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
    return {
        "model": "tiny",
        "messages": [{"role": "user", "content": QUESTIONS[int(sample["prompt_id"][1:])]}],
        "max_tokens": LIMIT,
        **PARAMS,
    }


@pytest.mark.parametrize("concurrency", [1, 2])
def test_requests_tokens_and_finish_reasons_are_the_servers(llama_cpp_python, lens, concurrency):
    """It answers one at a time; told not to break answers off, it has the second one wait."""
    with llama_cpp_python("--interrupt_requests", "False") as server:
        done = lens("run", policy(server.base, concurrency=concurrency))
        assert done.code == 0, done.text
        samples = done.samples
        assert [s["failure"] for s in samples if s["failure"]] == []
        repeated = 0
        for sample in {s["prompt_id"]: s for s in samples}.values():
            repeated += 1
            usage, reason, text = server.whole(question(sample))
            assert sample["finish_reason"] == reason
            assert sample["output_chars"] == len(text)
            # It sends one event for each token, and does not count the end of text.
            assert len(sample["marks"]["output_ns"]) == usage["completion_tokens"]
        said = server.said()
    assert {s["finish_reason"] for s in samples} == {"stop", "length"}
    assert ACCESS.findall(said) == ["200"] * (len(samples) + repeated)
    assert len(TOTAL.findall(said)) == len(samples) + repeated
    assert done.end["spend"]["requests"] == len(samples) == 26


def test_its_time_lies_within_ours(llama_cpp_python, lens):
    with llama_cpp_python() as server:
        done = lens("run", policy(server.base))
        assert done.code == 0, done.text
        theirs = [float(ms) / 1e3 for ms in TOTAL.findall(server.said())]
    ours = [(s["marks"]["done"] - s["marks"]["sent"]) / 1e9 for s in done.samples]
    assert len(ours) == len(theirs)
    # Its own span begins before the first token and ends after the last one was made.
    assert all(a > b - 0.02e-3 for a, b in zip(ours, theirs, strict=True))


def test_without_usage_no_bill_is_known_and_none_is_made_up(llama_cpp_python, lens):
    rules = [{"metric": "error_rate", "max": "0%"}, {"metric": "cost_usd.mean", "max": 1}]
    with llama_cpp_python() as server:
        done = lens("gate", policy(server.base, gates=rules))
    assert done.code == 5, done.text  # a rule on cost that can't be answered never passes
    assert {s["cost_usd"] for s in done.samples} == {None}
    reserved = [Decimal(s["reserved_usd"]) for s in done.samples]
    assert [Decimal(s["settled_usd"]) for s in done.samples] == reserved
    assert Decimal(done.end["spend"]["spent_usd"]) == sum(reserved)


def test_a_prompt_longer_than_the_context_is_an_empty_answer(llama_cpp_python, lens):
    """It answers 200 with nothing in it, then closes: the next request has its own connection."""
    both = [{"id": "long", "prompt": "so " * 300}, {"id": "short", "prompt": "so?"}]
    cold = {"prompts": both, "requests": 12, "warmup": 0, "connection": "cold"}
    with llama_cpp_python(context=256) as server:
        done = lens("run", policy(server.base, **cold))
        said = server.said()
    ends = {s["prompt_id"]: set() for s in done.samples}
    for sample in done.samples:
        ends[sample["prompt_id"]].add(sample["failure"] and sample["failure"]["status"])
    assert ends["short"] == {None}
    # It may also close before its empty answer is complete.
    assert "empty" in ends["long"]
    assert ends["long"] <= {"empty", "truncated"}
    assert ACCESS.findall(said) == ["200"] * len(done.samples)
    assert len(done.samples) == 12


def test_two_at_a_time_break_each_other_off_and_neither_passes(llama_cpp_python, lens):
    """By default a new request ends the one under way."""
    with llama_cpp_python() as server:
        done = lens("run", policy(server.base, concurrency=2))
        said = server.said()
    whole = [s for s in done.reached if s["failure"] is None]
    broken = [s for s in done.reached if s["failure"] is not None]
    assert {s["failure"]["status"] for s in broken} == {"truncated"}
    assert {s["finish_reason"] for s in broken} == {None}
    assert {s["finish_reason"] for s in whole} <= {"stop", "length"}
    # What it carried through it timed.
    assert len(whole) == len(TOTAL.findall(said))
    assert len(done.reached) == len(ACCESS.findall(said))


def test_an_answer_broken_off_after_text_and_an_end_marker_is_a_failure(llama_cpp_python, popen):
    """Somebody else's request ends our stream: text, ``[DONE]``, and a body without its end."""
    endless = {**PARAMS, "logit_bias": {"2": -100}}
    other = {"model": "tiny", "messages": [{"role": "user", "content": "me!"}], "max_tokens": 1}
    with llama_cpp_python(context=2048) as server:
        asked = policy(server.base, requests=8, max_output_tokens=700, target={"params": endless})
        process, finished = popen(asked)
        others = 0
        while process.poll() is None:
            select.select((), (), (), 0.3)
            server.whole(other)
            others += 1
        done = finished()
        said = server.said()
    whole = [s for s in done.reached if s["failure"] is None]
    broken = [s for s in done.reached if s["failure"] is not None]
    assert len(whole) + others == len(TOTAL.findall(said))
    assert {s["failure"]["status"] for s in broken} == {"truncated"}
    assert {s["finish_reason"] for s in broken} == {None}
    assert any(s["output_chars"] for s in broken)
    assert all(s["settled_usd"] == s["reserved_usd"] for s in broken)


def test_a_wrong_key_is_told_and_nowhere_shown(llama_cpp_python, lens):
    wrong = "a-wrong-key-4711"
    with llama_cpp_python("--api_key", "the-right-key") as server:
        with pytest.raises(urllib.error.HTTPError):
            server.ask("/v1/models")
        asked = policy(server.base, target={"api_key_env": "REAL_KEY"})
        done = lens("run", asked, REAL_KEY=wrong)
    assert {s["failure"]["status"] for s in done.samples} == {"auth"}
    assert {s["failure"]["detail"] for s in done.samples} == {"Invalid API key"}
    written = "".join(path.read_text(errors="replace") for path in (done.folder / "out").iterdir())
    assert wrong not in done.text + written

"""What is its own with each server of Chat Completions, read by hand from its bytes."""

from typing import get_args

import pytest

from lens_gate.sim.behaviour import behaviour_from_mapping
from lens_gate.sim.dialect import Facts, Refusal, Timing
from lens_gate.sim.dialects.flavors import FLAVORS
from lens_gate.sim.dialects.table import served
from lens_gate.sim.model import FlavorName

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
CHAT = {"model": "m", "messages": HELLO, "stream": True}
ASKED = {**CHAT, "stream_options": {"include_usage": True}}
THINKING = {"reasoning": {"tokens": {"fixed": 2}, "streamed": True}}
LIMITED = {**CHAT, "max_completion_tokens": 2}
SECONDS = pytest.approx
BAD = {"message": "m", "type": "invalid_request_error"}
UPSTREAM = {"provider_name": "simulated"}


@pytest.fixture
def flavored(played):
    def run(flavor, body=ASKED, mapping=None, **more):
        body = {k: v for k, v in body.items() if flavor != "mistral" or k != "stream_options"}
        return played(PATH, body, {"flavor": flavor, **(mapping or {})}, **more)

    return run


def deltas(chunks):
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def dialect(flavor):
    return served(behaviour_from_mapping({"flavor": flavor}))[0]


def test_the_table_has_all_names():
    assert set(FLAVORS) == set(get_args(FlavorName))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_every_flavor_says_its_text_and_why_it_ends(flavored, flavor):
    answer = flavored(flavor)
    text = "".join(delta.get("content") or "" for delta in deltas(answer.chunks()))
    assert len(text.split()) == 4
    reasons = [c["finish_reason"] for chunk in answer.chunks() for c in chunk["choices"]]
    assert reasons[-1] == ("eos" if flavor == "together" else "stop")
    assert set(reasons[:-1]) == {None}
    assert answer.sse()[-1] == (None, "[DONE]")
    assert sum(write.tokens for write in answer.writes) == 4


@pytest.mark.parametrize("flavor", FLAVORS)
def test_every_flavor_calls_a_tool(flavored, whole, flavor):
    tool = {"type": "function", "function": {"name": "look"}}
    body = {**ASKED, "tools": [tool]}
    chunks = flavored(flavor, body, {"tool_calls": "100%"}).chunks()
    calls = [delta["tool_calls"][0] for delta in deltas(chunks) if "tool_calls" in delta]
    assert [call["function"].get("name") for call in calls] == ["look", *[None] * 4]
    arguments = "".join(call["function"]["arguments"] for call in calls)
    answer = whole(
        PATH,
        {"model": "m", "messages": HELLO, "tools": [tool]},
        {"flavor": flavor, "tool_calls": "100%"},
    )
    choice = answer["choices"][0]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == arguments
    assert choice["finish_reason"] == "tool_calls"


FIELDS = {
    "openai": "reasoning_content",
    "vllm": "reasoning",
    "sglang": "reasoning_content",
    "tgi": None,
    "llama-cpp": "reasoning_content",
    "llama-cpp-python": None,
    "ollama": "reasoning",
    "lm-studio": "reasoning_content",
    "openrouter": "reasoning",
    "groq": "reasoning",
    "together": "reasoning",
    "deepseek": "reasoning_content",
}


@pytest.mark.parametrize(("flavor", "field"), FIELDS.items())
def test_where_thought_goes(flavored, whole, flavor, field):
    answer = flavored(flavor, mapping=THINKING)
    thought = [delta for delta in deltas(answer.chunks()) if field and delta.get(field)]
    assert len(thought) == (2 if field else 0)
    assert not any(delta.get("content") for delta in thought)
    assert sum(write.tokens for write in answer.writes) == 6
    message = whole(PATH, {"model": "m", "messages": HELLO}, {"flavor": flavor, **THINKING})
    message = message["choices"][0]["message"]
    assert {key for key in message if "reason" in key} == ({field} if field else set())
    chosen = {"reasoning": {**THINKING["reasoning"], "field": "reasoning"}}
    chunks = flavored(flavor, mapping=chosen).chunks()
    assert sum(bool(delta.get("reasoning")) for delta in deltas(chunks)) == 2


def test_mistral_thinks_in_lists(flavored, whole):
    contents = [
        delta.get("content") for delta in deltas(flavored("mistral", mapping=THINKING).chunks())
    ]
    lists = [content for content in contents if isinstance(content, list)]
    assert [part["type"] for content in lists for part in content] == ["thinking"] * 2
    assert all(part["thinking"][0]["text"] for content in lists for part in content)
    body = {"model": "m", "messages": HELLO, "random_seed": 4}
    message = whole(PATH, body, {"flavor": "mistral", **THINKING})["choices"][0]["message"]
    assert [part["type"] for part in message["content"]] == ["thinking", "text"]


@pytest.mark.parametrize("name", ["stream_options", "seed", "max_completion_tokens"])
def test_mistral_refuses_what_it_does_not_know(read, name):
    refusal = read(PATH, {**CHAT, name: {}}, {"flavor": "mistral"})
    assert refusal.status == 422
    body = FLAVORS["mistral"].error(refusal)
    assert body["detail"][0]["loc"] == ["body", name]


@pytest.mark.parametrize(
    ("flavor", "both", "old", "new"),
    [
        ("openai", 3, 5, 3),
        ("vllm", 3, 5, 3),
        ("sglang", 3, 5, 3),
        ("tgi", 5, 5, 3),
        ("llama-cpp", 3, 5, 3),
        ("llama-cpp-python", 5, 5, None),
        ("ollama", 5, 5, None),
        ("lm-studio", 5, 5, None),
        ("groq", 3, 5, 3),
        ("openrouter", 5, 5, 3),
        ("together", 5, 5, None),
        ("mistral", 5, 5, None),
        ("deepseek", 5, 5, None),
    ],
)
def test_which_token_limit_is_read(read, flavor, both, old, new):
    def limit(**fields):
        return read(PATH, {**CHAT, **fields}, {"flavor": flavor}).limit

    assert limit(max_tokens=5) == old
    if flavor != "mistral":  # which refuses the other one
        assert limit(max_tokens=5, max_completion_tokens=3) == both
        assert limit(max_completion_tokens=3) == new
    assert limit() == (1024 if flavor == "tgi" else None)


USAGE = {
    "openai": (False, True),
    "vllm": (False, True),
    "tgi": (False, True),
    "llama-cpp-python": (False, False),
    "openrouter": (True, True),
    "together": (True, True),
    "mistral": (True, True),
    "groq": (False, True),
    "deepseek": (False, True),
}


@pytest.mark.parametrize(("flavor", "wanted"), USAGE.items())
def test_when_usage_is_told(flavored, flavor, wanted):
    def told(body):
        usages = [chunk.get("usage") for chunk in flavored(flavor, body).chunks()]
        assert not any(usages[:-1])
        if usages[-1]:
            assert (usages[-1]["prompt_tokens"], usages[-1]["completion_tokens"]) == (5, 4)
        return bool(usages[-1])

    assert (told(CHAT), told(ASKED)) == wanted


@pytest.mark.parametrize(("flavor", "nulls"), [("openai", 6), ("deepseek", 5), ("vllm", 0)])
def test_whether_chunks_without_usage_say_so(flavored, flavor, nulls):
    chunks = flavored(flavor).chunks()
    assert sum("usage" in chunk and chunk["usage"] is None for chunk in chunks) == nulls
    assert not any("usage" in chunk for chunk in flavored(flavor, CHAT).chunks())


@pytest.mark.parametrize("flavor", ["groq", "together", "mistral", "deepseek"])
def test_usage_beside_the_finish_reason(flavored, flavor):
    last = flavored(flavor).chunks()[-1]
    assert last["choices"][0]["finish_reason"]
    assert last["usage"]["total_tokens"] == 9


def test_llama_cpp_python_tells_usage_only_in_whole_answers(whole):
    body = {"model": "m", "messages": HELLO}
    assert whole(PATH, body, {"flavor": "llama-cpp-python"})["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("flavor", ["vllm", "sglang"])
def test_running_usage(flavored, flavor):
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = flavored(flavor, {**CHAT, "stream_options": options}).chunks()
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [0, 1, 2, 3, 4, 4, 4]


def test_details_of_usage(flavored):
    def usage(flavor):
        return flavored(flavor, mapping=THINKING).chunks()[-1]["usage"]

    assert usage("sglang")["reasoning_tokens"] == 2
    assert "completion_tokens_details" not in usage("vllm")
    assert usage("deepseek")["prompt_cache_hit_tokens"] == 0
    assert usage("deepseek")["prompt_cache_miss_tokens"] == 5
    cost = usage("openrouter")
    assert cost["cost"] == SECONDS(5e-6 + 6 * 4e-6)
    assert cost["is_byok"] is False
    assert flavored("tgi").chunks()[-1]["id"] == ""
    assert flavored("tgi").chunks()[0]["id"] != ""


# TTFT is 1 s, a gap 0.1 s, so four tokens take 0.3 s more; in line it waited half a second.


def test_vllm_metrics(flavored):
    metrics = flavored("vllm", queue_s=0.5).chunks()[-1]["metrics"]
    assert metrics == SECONDS(
        {
            "time_to_first_token_ms": 1500,
            "generation_time_ms": 300,
            "queue_time_ms": 500,
            "mean_itl_ms": 100,
            "tokens_per_second": 4 / 1.3,
        }
    )


def test_llama_cpp_timings(flavored):
    timings = flavored("llama-cpp").chunks()[-1]["timings"]
    assert timings == SECONDS(
        {
            "cache_n": 0,
            "prompt_n": 5,
            "prompt_ms": 1000,
            "prompt_per_token_ms": 200,
            "prompt_per_second": 5,
            "predicted_n": 4,
            "predicted_ms": 300,
            "predicted_per_token_ms": 100,
            "predicted_per_second": 10,
        }
    )
    assert "timings" in flavored("llama-cpp", CHAT).chunks()[-1]


def test_groq_times_in_seconds(flavored):
    first, *_, last = flavored("groq", CHAT, queue_s=0.5).chunks()
    assert first["x_groq"] == {"id": "req_1"}
    usage = last["x_groq"]["usage"]
    names = ("queue_time", "prompt_time", "completion_time", "total_time")
    assert [usage[name] for name in names] == SECONDS([0.5, 1.0, 0.3, 1.3])
    assert "usage" not in last


def test_times_hold_a_stall_hidden_thought_and_the_scale(flavored):
    mapping = {
        "time_scale": 0.5,
        "reasoning": {"tokens": {"fixed": 2}},
        "faults": [{"kind": "stall", "after_chunks": 2, "for": "4s", "every": 1}],
    }
    metrics = flavored("vllm", mapping=mapping).chunks()[-1]["metrics"]
    assert metrics["time_to_first_token_ms"] == SECONDS(500)
    assert metrics["generation_time_ms"] == SECONDS((0.5 + 4) / 2 * 1000)
    assert metrics["mean_itl_ms"] == SECONDS((0.5 + 4) / 2 * 1000 / 5)


def test_tgi_times_in_headers(played):
    timing = Timing(queue_s=0.5, first_s=1.0, last_s=1.3, end_s=1.4, tokens=4)
    counts = played(PATH, CHAT).counts
    head = dialect("tgi").head(
        Facts(request_id="r", processing_ms=7, now_s=0.0, timing=timing, counts=counts)
    )
    assert head["x-total-time"] == "1900"
    assert head["x-queue-time"] == "500"
    assert head["x-inference-time"] == "1400"
    assert head["x-time-per-token"] == "100"
    assert (head["x-prompt-tokens"], head["x-generated-tokens"]) == ("5", "4")
    assert float(head["x-compute-time"]) == SECONDS(1.9)
    streamed = dialect("tgi").head(Facts(request_id="r", processing_ms=7, now_s=0.0))
    assert set(streamed) == {"x-compute-type", "x-compute-characters"}


@pytest.mark.parametrize(
    ("flavor", "names"),
    [
        ("vllm", set()),
        ("llama-cpp-python", {"openai-processing-ms"}),
        ("openrouter", {"x-generation-id"}),
        ("groq", {"x-request-id"}),
        ("together", {"x-request-id"}),
    ],
)
def test_headers(flavor, names):
    assert set(dialect(flavor).head(Facts(request_id="r", processing_ms=7, now_s=0.0))) == names


BROKEN = {
    "openai": ({"message", "type", "param", "code"}, False, None),
    "vllm": ({"message", "type", "param", "code"}, True, None),
    "sglang": ({"object", "message", "type", "param", "code"}, True, None),
    "tgi": ({"message", "http_status_code"}, True, None),
    "llama-cpp": ({"code", "message", "type"}, False, None),
    "openrouter": ({"code", "message"}, False, None),
    "groq": ({"message", "type", "code", "status_code"}, False, "error"),
}


@pytest.mark.parametrize(("flavor", "wanted"), BROKEN.items())
def test_errors_in_the_stream(flavored, flavor, wanted):
    fault = {"kind": "error_event", "after_chunks": 1, "every": 1}
    events = flavored(flavor, mapping={"faults": [fault]}).sse()
    keys, done, name = wanted
    assert (events[-1] == (None, "[DONE]")) == done
    said, data = next((n, d) for n, d in events if "error" in d)
    assert (set(data["error"]), said) == (keys, name)


def test_an_error_may_be_a_plain_text(flavored):
    fault = {"kind": "error_event", "shape": "string", "every": 1}
    data = flavored("openai", mapping={"faults": [fault]}).chunks()[-1]
    assert data == {
        "error": "The server had an error while processing your request. Sorry about that!"
    }


def test_ollama_hides_its_errors_and_openrouter_finishes_with_one(flavored):
    fault = {"faults": [{"kind": "error_event", "after_chunks": 1, "every": 1}]}
    ollama = flavored("ollama", mapping=fault)
    assert b"error" not in ollama.body
    assert ollama.chunks()[-1]["choices"][0]["finish_reason"] is None
    last = flavored("openrouter", mapping=fault).chunks()[-1]
    assert last["choices"][0]["finish_reason"] == "error"


@pytest.mark.parametrize(
    ("flavor", "status", "wanted"),
    [
        (
            "vllm",
            404,
            {
                "error": {
                    "message": "m",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": 404,
                }
            },
        ),
        ("tgi", 429, {"error": "m", "error_type": "overloaded"}),
        ("tgi", 422, {"error": "m", "error_type": "validation"}),
        ("llama-cpp", 500, {"error": {"code": 500, "message": "m", "type": "server_error"}}),
        ("llama-cpp-python", 401, {"detail": "m"}),
        (
            "openrouter",
            402,
            {"error": {"code": 402, "message": "m", "metadata": UPSTREAM}},
        ),
        ("groq", 404, {"error": {"message": "m", "type": "invalid_request_error", "code": None}}),
        (
            "mistral",
            401,
            {
                "object": "error",
                "message": "m",
                "type": "invalid_request_error",
                "param": None,
                "code": "401",
            },
        ),
    ],
)
def test_error_bodies(flavor, status, wanted):
    assert FLAVORS[flavor].error(Refusal(status=status, message="m")) == wanted


@pytest.mark.parametrize(
    ("flavor", "comment"),
    [
        ("openai", b": keep-alive\n\n"),
        ("openrouter", b": OPENROUTER PROCESSING\n\n"),
        ("deepseek", b": keep-alive\n\n"),
        ("llama-cpp", b":\n\n"),
        ("llama-cpp-python", b": ping - "),
    ],
)
def test_keepalives(flavored, flavor, comment):
    answer = flavored(flavor, mapping={"keepalive": {"every": "400ms"}})
    alive = [write.data for write in answer.writes if write.what == "keepalive"]
    assert len(alive) == 3
    assert all(data.startswith(comment) for data in alive)


@pytest.mark.parametrize("flavor", [name for name in FLAVORS if name not in ("openai", "mistral")])
def test_only_openai_refuses_what_it_does_not_know(read, flavor):
    assert not isinstance(read(PATH, {**CHAT, "cache_salt": "x"}, {"flavor": flavor}), Refusal)


def test_first_chunks(flavored):
    def first(flavor):
        return deltas(flavored(flavor).chunks())[0]

    assert first("llama-cpp") == {"role": "assistant", "content": None}
    assert first("deepseek")["reasoning_content"] == ""
    assert first("vllm") == {"role": "assistant", "content": ""}
    assert all("role" in delta for delta in deltas(flavored("together").chunks()))

"""The real runner against the simulator in the words of OpenAI's family, streamed and in one piece.

Encoder and decoder of a protocol share no line with the simulator's dialect of it.
"""

import pytest

from lens_gate.providers.flavors import FLAVORS

WAYS = [
    {"dialect": "openai"},
    {"dialect": "responses"},
    {"dialect": "azure"},
    {"dialect": "ollama"},
    *({"flavor": flavor} for flavor in FLAVORS),
]
# What these report in a stream is nothing, by their nature.
SILENT = {"llama-cpp-python"}


def run(bench, way, **scenario):
    samples = {"min": 8, "max": 8, "warmup": 0}
    given = {f"scenarios__chat__{key}": value for key, value in scenario.items()}
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "simulate": way},
        scenarios__chat__samples=samples,
        **given,
    )
    return bench.run(bench.plan(policy), bench.behave(**way))


def name(way):
    return next(iter(way.values()))


@pytest.mark.parametrize("way", WAYS, ids=name)
def test_every_request_is_an_answer_and_the_books_agree(bench, way):
    outcome = run(bench, way)
    assert {s.failure and s.failure.detail for s in outcome.measured} == {None}
    assert {s.attempts for s in outcome.measured} == {1}
    assert all(len(s.marks.output_ns) == 5 for s in outcome.measured)
    counted = [s.usage for s in outcome.measured]
    served = outcome.stats["one"]
    if name(way) in SILENT:
        assert {usage.source for usage in counted} == {"estimated"}
    else:
        assert {usage.source for usage in counted} == {"provider"}
        assert sum(usage.output_total for usage in counted) == served["completion_tokens"]
        assert sum(usage.input_total for usage in counted) == served["prompt_tokens"]


@pytest.mark.parametrize("way", WAYS, ids=name)
def test_an_answer_in_one_piece_has_its_usage_and_no_first_token(bench, way):
    outcome = run(bench, way, stream=False)
    assert {s.failure and s.failure.detail for s in outcome.measured} == {None}
    assert {s.marks.first_text for s in outcome.measured} == {None}
    served = outcome.stats["one"]
    assert sum(s.usage.output_total for s in outcome.measured) == served["completion_tokens"]
    assert all(s.output_chars > 0 for s in outcome.measured)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ({"dialect": "openai"}, "headers_s"),
        ({"dialect": "ollama"}, "generation_s"),
        ({"flavor": "groq"}, "queue_s"),
        ({"flavor": "llama-cpp"}, "prompt_s"),
    ],
    ids=["openai", "ollama", "groq", "llama-cpp"],
)
def test_the_servers_own_times_are_kept(bench, way, told):
    outcome = run(bench, way)
    assert all(getattr(s.server, told) is not None for s in outcome.measured)
    for sample in outcome.measured:
        total = sample.server.total_s
        wall_s = (sample.marks.done - sample.marks.sent) / 1e9
        assert total is None or total <= wall_s + 0.001

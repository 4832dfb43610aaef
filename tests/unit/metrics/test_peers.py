"""The peers' own columns: four tokens a chunk, 20 ms apart, as each of them counts."""

import pytest

from lens_gate.metrics.peers import PEERS, peer_columns
from lens_gate.records.exchange import Usage


def chunks(sample, marks, *, tokens: int = 20, **given):
    """Five chunks of four tokens, the first after 100 ms."""
    moments = marks(sent=0, first_text=100, output=(100, 120, 140, 160, 180), done=190)
    return sample(marks=moments, usage=Usage(input_total=9, output_total=tokens), **given)


def test_each_peer_counts_as_its_source_does(sample, marks) -> None:
    vllm = peer_columns([chunks(sample, marks)], "vllm")
    assert {name: found["mean"] for name, found in vllm.items()} == pytest.approx(
        {"TTFT": 100.0, "TPOT": 80 / 19, "ITL": 20.0, "E2EL": 180.0}
    )
    guidellm = peer_columns([chunks(sample, marks)], "guidellm")
    assert {name: found["mean"] for name, found in guidellm.items()} == pytest.approx(
        {"TTFT": 100.0, "ITL": 80 / 19, "TPOT": 9.0, "request latency": 190.0}
    )


def test_reasoning_is_output_to_one_and_silence_to_the_other(sample, marks) -> None:
    """The measured numbers of the reference: vLLM tells a TPOT of 9.5 ms for a true 20 ms."""
    moments = marks(
        sent=0, first_reasoning=100, first_text=300, output=tuple(range(100, 481, 20)), done=480
    )
    thinker = sample(marks=moments, usage=Usage(input_total=9, output_total=20, reasoning=10))
    vllm = {name: found["mean"] for name, found in peer_columns([thinker], "vllm").items()}
    assert vllm == pytest.approx({"TTFT": 300.0, "TPOT": 180 / 19, "ITL": 20.0, "E2EL": 480.0})
    guidellm = {name: found["mean"] for name, found in peer_columns([thinker], "guidellm").items()}
    assert guidellm == pytest.approx(
        {"TTFT": 100.0, "ITL": 20.0, "TPOT": 24.0, "request latency": 480.0}
    )


def test_without_usage_one_counts_events_as_tokens_and_the_other_has_no_tpot(sample, marks) -> None:
    moments = marks(sent=0, first_text=100, output=(100, 120, 140), done=150)
    guess = Usage(input_total=9, output_total=30, source="estimated")
    for usage in (None, guess, Usage(input_total=9)):
        silent = sample(marks=moments, usage=usage)
        assert set(peer_columns([silent], "vllm")) == {"TTFT", "ITL", "E2EL"}
        found = {name: by["mean"] for name, by in peer_columns([silent], "guidellm").items()}
        assert found == pytest.approx(
            {"TTFT": 100.0, "ITL": 20.0, "TPOT": 140 / 3, "request latency": 150.0}
        )


def test_quantiles_are_those_of_all_requests(sample, marks) -> None:
    early = sample(marks=marks(sent=0, first_text=50, output=(50, 60), done=70))
    found = peer_columns([chunks(sample, marks), early], "vllm")["TTFT"]
    assert found == pytest.approx({"mean": 75, "median": 75, "p95": 97.5, "p99": 99.5})


def test_failures_and_answers_without_output_are_left_out(sample, marks) -> None:
    silent = sample(marks=marks(sent=0, done=5))
    failed = chunks(sample, marks, failure="server_error")
    for peer in PEERS:
        assert peer_columns([silent, failed], peer) == {}


def test_one_token_has_no_time_between_tokens(sample, marks) -> None:
    one = sample(
        marks=marks(sent=0, first_text=10, output=(10,), done=11),
        usage=Usage(input_total=1, output_total=1),
    )
    assert set(peer_columns([one], "vllm")) == {"TTFT", "E2EL"}
    assert set(peer_columns([one], "guidellm")) == {"TTFT", "TPOT", "request latency"}
    none = sample(
        marks=marks(sent=0, first_text=10, output=(10,), done=11), usage=Usage(output_total=0)
    )
    assert set(peer_columns([none], "guidellm")) == {"TTFT", "request latency"}

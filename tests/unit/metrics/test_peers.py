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
        {"TTFT": 100.0, "ITL": 80 / 19, "TPOT": 9.0, "request latency": 180.0}
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
    bare = sample(marks=marks(sent=0, first_text=10, output=(10, 20), done=21), usage=None)
    assert set(peer_columns([bare], "guidellm")) == {"TTFT", "request latency"}

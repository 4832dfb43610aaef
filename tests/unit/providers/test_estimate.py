"""Estimates of missing usage: bytes by four, and never fewer tokens than events."""

import pytest

from lens_gate.providers.answer import DecodedStream
from lens_gate.providers.estimate import estimate
from lens_gate.records.exchange import ChatRequest, Usage
from lens_gate.records.policy import Message


def request(*texts: str, system: str | None = None) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=tuple(Message(role="user", content=text) for text in texts),
        system=system,
        max_output_tokens=9,
        params={},
    )


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (request("abcd"), 1),
        (request("abcde"), 2),
        (request("ab", "cd", system="efgh"), 2),
        (request("äöü!"), 2),
        (request("\ud800"), 1),
    ],
)
def test_input_is_counted_in_bytes(asked, given) -> None:
    assert estimate(asked, DecodedStream()).input_total == given


def test_output_is_at_least_a_token_for_each_event() -> None:
    many = DecodedStream(output_ns=(1, 2, 3, 4), output_chars=4)
    long = DecodedStream(output_ns=(1,), output_chars=9)
    assert estimate(request(), many).output_total == 4
    assert estimate(request(), long).output_total == 3
    assert estimate(request(), long) == Usage(input_total=0, output_total=3, source="estimated")

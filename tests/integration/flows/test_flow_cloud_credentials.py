"""Targets behind a cloud's credentials, from the policy to the wire."""

import json
import struct
import zlib

import pytest

from lens_gate.errors import LensError

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"


@pytest.fixture(autouse=True)
def _aws(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def place(repository, policy, tmp_path):
    def make(url, **more):
        target = {
            "provider": "bedrock",
            "base_url": url,
            "region": "us-east-1",
            "model": "us.amazon.nova-micro-v1:0",
            "price": {"input": 2, "output": 8},
            **more,
        }
        return repository(tmp_path / "repo", {"lens-gate.yaml": policy(target=target)})

    return make


def _frame(name: str, payload: object) -> bytes:
    headers = b""
    for key, value in ((":event-type", name), (":message-type", "event")):
        headers += bytes([len(key)]) + key.encode() + b"\x07"
        headers += struct.pack(">H", len(value)) + value.encode()
    raw = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(raw), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + raw
    return head + struct.pack(">I", zlib.crc32(head))


ANSWER = b"".join(
    [
        _frame("messageStart", {"role": "assistant"}),
        _frame("contentBlockDelta", {"delta": {"text": "Hi"}}),
        _frame("messageStop", {"stopReason": "end_turn"}),
        _frame("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2}}),
    ]
)


@pytest.mark.parametrize(
    ("more", "environ", "start"),
    [
        ({}, {}, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        ({}, {"AWS_BEARER_TOKEN_BEDROCK": "bedrock-key-1"}, "Bearer bedrock-key-1"),
        ({"credentials": "key"}, {"AWS_BEARER_TOKEN_BEDROCK": "bedrock-key-2"}, "Bearer bedrock-"),
        ({"api_key_env": "MINE"}, {"MINE": "bedrock-key-3"}, "Bearer bedrock-key-3"),
    ],
)
def test_a_target_is_authorised_as_the_policy_says(place, echoing, more, environ, start):
    got = []

    def answer(headers):
        got.append(headers["Authorization"])
        return 200, "application/vnd.amazon.eventstream", ANSWER

    with echoing(answer) as url:
        where = place(url, **more)
        report = where.gate(**environ)
    assert report.outcome == "passed"
    assert len(got) == 9
    assert all(authorization.startswith(start) for authorization in got)
    for secret in (SECRET, *environ.values()):
        assert secret not in where.everything()


def test_no_credentials_is_told_before_anything_is_sent(place, echoing, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    def answer(headers):
        raise AssertionError(headers)

    with echoing(answer) as url, pytest.raises(LensError, match="no AWS credentials") as caught:
        place(url).gate()
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_frames_without_end_are_cut(place, echoing):
    """Twice the allowed tokens and some: no event is counted by lines alone."""
    endless = _frame("contentBlockDelta", {"delta": {"text": "x"}}) * 5000

    def answer(headers):
        return 200, "application/vnd.amazon.eventstream", endless

    with echoing(answer) as url:
        run = place(url).measure()
    failures = {sample.failure.status for sample in run.samples}
    assert failures == {"over_limit"}

"""Signatures: the example that AWS publishes, and those that its own client library makes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lens_gate.sim.dialect import Keys, Request
from lens_gate.sim.dialects.sigv4 import is_signed
from lens_gate.sim.dialects.table import BY_NAME

KEYS = Keys(access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
PUBLISHED = Request(
    method="GET",
    query="Action=ListUsers&Version=2010-05-08",
    headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Host": "iam.amazonaws.com",
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    },
    now_s=datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp(),
)


def test_the_published_example():
    assert is_signed(PUBLISHED, KEYS, service="iam")


def header(name, value):
    return {**PUBLISHED.headers, name: value}


@pytest.mark.parametrize(
    "changed",
    [
        replace(PUBLISHED, method="POST"),
        replace(PUBLISHED, path="/x"),
        replace(PUBLISHED, query="Action=ListUsers"),
        replace(PUBLISHED, body=b"x"),
        replace(PUBLISHED, now_s=PUBLISHED.now_s + 301),
        replace(PUBLISHED, now_s=PUBLISHED.now_s - 301),
        replace(PUBLISHED, headers={}),
        replace(PUBLISHED, headers=header("Host", "evil.test")),
        replace(PUBLISHED, headers=header("X-Amz-Date", "20150830T123601Z")),
        replace(PUBLISHED, headers=header("X-Amz-Date", "yesterday")),
        replace(PUBLISHED, headers=header("Authorization", "Bearer x")),
    ],
)
def test_whatever_was_changed_is_noticed(changed):
    assert not is_signed(changed, KEYS, service="iam")


def test_other_keys_and_services_are_strangers():
    assert not is_signed(PUBLISHED, replace(KEYS, secret_key="other"), service="iam")
    assert not is_signed(PUBLISHED, replace(KEYS, access_key="other"), service="iam")
    assert not is_signed(PUBLISHED, Keys(key="k"), service="iam")
    assert not is_signed(PUBLISHED, KEYS, service="bedrock")


@pytest.mark.parametrize("name", ["openai", "azure", "anthropic", "gemini", "ollama"])
def test_where_only_a_pair_is_known_no_key_opens_the_other_dialects(name):
    came = Request(headers={"Authorization": "Bearer ", "x-goog-api-key": "", "api-key": ""})
    assert not BY_NAME[name].authorised(came, KEYS)


@pytest.mark.parametrize(
    "model",
    ["a%3A0", "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.x-v1%3A0"],
)
@pytest.mark.parametrize("token", [None, "session-token"])
def test_what_the_official_library_signs(model, token):
    path, body = f"/model/{model}/converse-stream", b'{"messages": []}'
    request = AWSRequest(
        "POST",
        f"https://bedrock-runtime.us-east-1.amazonaws.com{path}",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    signer = SigV4Auth(Credentials(KEYS.access_key, KEYS.secret_key, token), "bedrock", "us-east-1")
    signer.add_auth(request)
    headers = {**dict(request.headers), "Host": "bedrock-runtime.us-east-1.amazonaws.com"}
    now_s = datetime.now(UTC).timestamp()
    came = Request(path=path, body=body, headers=headers, now_s=now_s)
    assert BY_NAME["bedrock"].authorised(came, KEYS)
    # A client that normalises the path after signing is caught.
    assert not BY_NAME["bedrock"].authorised(replace(came, path=path.replace("%3A", ":")), KEYS)

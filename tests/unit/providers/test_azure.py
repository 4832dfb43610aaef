import json

import pytest

from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import ChatRequest, Endpoint, ResponseHead
from lens_gate.records.policy import Message

REQUEST = ChatRequest(
    model="my gpt/4",
    messages=(Message(role="user", content="Hi"),),
    system=None,
    max_output_tokens=8,
    params={},
)
RESOURCE = "https://name.openai.azure.com"
V1_OPTIONS = {"include_usage": True, "include_obfuscation": False}


def endpoint(base=RESOURCE, version=None, credentials="key") -> Endpoint:
    return Endpoint(
        base_url=base, region=None, headers={}, api_version=version, credentials=credentials
    )


@pytest.mark.parametrize(
    "base", [RESOURCE, f"{RESOURCE}/openai", f"{RESOURCE}/openai/v1", f"{RESOURCE}/v1"]
)
@pytest.mark.parametrize(
    ("version", "chat", "responses"),
    [
        (None, "/openai/v1/chat/completions", "/openai/v1/responses"),
        ("v1", "/openai/v1/chat/completions", "/openai/v1/responses"),
        (
            "preview",
            "/openai/v1/chat/completions?api-version=preview",
            "/openai/v1/responses?api-version=preview",
        ),
        (
            "2024-10-21",
            "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21",
            "/openai/responses?api-version=2024-10-21",
        ),
        (
            "2025-01-01&x=1",
            "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2025-01-01%26x%3D1",
            "/openai/responses?api-version=2025-01-01%26x%3D1",
        ),
    ],
)
def test_the_version_decides_the_address(base, version, chat, responses):
    place = endpoint(base, version)
    assert PROVIDERS["azure"].encode(REQUEST, place).url == RESOURCE + chat
    assert PROVIDERS["azure-responses"].encode(REQUEST, place).url == RESOURCE + responses


@pytest.mark.parametrize("name", ["azure", "azure-responses"])
@pytest.mark.parametrize(
    ("credentials", "auth"), [("key", "api-key"), ("azure", "bearer"), ("none", "none")]
)
def test_a_key_has_its_own_header_and_a_token_is_a_bearer(name, credentials, auth):
    row = PROVIDERS[name]
    assert row.encode(REQUEST, endpoint(credentials=credentials)).auth == auth
    assert row.credentials == ("key", "azure")


def test_dated_versions_are_not_asked_about_what_they_may_not_know():
    row = PROVIDERS["azure"]
    new = json.loads(row.encode(REQUEST, endpoint()).body)
    old = json.loads(row.encode(REQUEST, endpoint(version="2024-10-21")).body)
    assert new["stream_options"] == V1_OPTIONS
    assert old["stream_options"] == {"include_usage": True}
    assert (new["model"], old["model"]) == ("my gpt/4", "my gpt/4")
    assert (new["max_completion_tokens"], old["max_completion_tokens"]) == (8, 8)


def test_a_filtered_prompt_is_told_as_one():
    body = {
        "error": {
            "message": "The response was filtered",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation"},
        }
    }
    head = ResponseHead(status=400, headers={})
    for name in ("azure", "azure-responses"):
        told = PROVIDERS[name].failure(head, json.dumps(body).encode())
        assert (told.status, told.code, told.retryable) == (
            "content_filter",
            "content_filter",
            False,
        )


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"error": {"code": "401", "message": "Access denied"}}, "auth"),
        (404, {"error": {"code": "DeploymentNotFound", "message": "m"}}, "not_found"),
        (429, {"error": {"code": "429", "message": "m"}}, "rate_limited"),
    ],
)
def test_other_refusals(status, body, expected):
    head = ResponseHead(status=status, headers={"retry-after-ms": "1500", "retry-after": "9"})
    told = PROVIDERS["azure"].failure(head, json.dumps(body).encode())
    assert (told.status, told.retry_after_s) == (expected, 1.5)

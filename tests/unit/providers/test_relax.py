import json

import pytest

from lens_gate.providers.relax import relax
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import ChatRequest, Endpoint, HttpRequest, ResponseHead
from lens_gate.records.policy import Message

REQUEST = ChatRequest(
    model="m",
    messages=(Message(role="user", content="stream_options"),),
    system=None,
    max_output_tokens=8,
    params={},
)
PLACE = Endpoint(base_url="https://host", region=None, headers={"X-A": "b"})


def asked(name="openai-compatible") -> HttpRequest:
    return PROVIDERS[name].encode(REQUEST, PLACE)


def refused(message: object, name="openai-compatible", status=400) -> dict | None:
    """The fields that change, with what they become; ``None`` where nothing helps."""
    request = asked(name)
    body = json.dumps({"error": {"message": message}}).encode()
    instead = PROVIDERS[name].relax(request, ResponseHead(status=status, headers={}), body)
    if instead is None:
        return None
    assert (instead.url, instead.headers, instead.auth) == (
        request.url,
        request.headers,
        request.auth,
    )
    old, new = json.loads(request.body), json.loads(instead.body)
    return {key: new.get(key) for key in old | new if old.get(key) != new.get(key)}


UNKNOWN = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'."
PYDANTIC = [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]


@pytest.mark.parametrize(
    ("name", "message", "changes"),
    [
        ("openai-compatible", "unknown field stream_options", {"stream_options": None}),
        ("openai-compatible", PYDANTIC, {"stream_options": None}),
        ("openai-compatible", "include_usage is no option", {"stream_options": None}),
        (
            "openai-compatible",
            UNKNOWN,
            {"max_tokens": None, "max_completion_tokens": 8},
        ),
        (
            "azure",
            "Unrecognized request argument supplied: max_completion_tokens",
            {"max_completion_tokens": None, "max_tokens": 8},
        ),
        (
            "azure",
            "stream_options.include_obfuscation is not permitted",
            {"stream_options": {"include_usage": True}},
        ),
        ("azure", "Unknown: stream_options", {"stream_options": None}),
        ("azure-responses", "no include_obfuscation here", {"stream_options": None}),
        # Nothing of these is mended by asking otherwise.
        ("openai-compatible", "max_tokens is too large: 99999", None),
        ("openai-compatible", "temperature is not supported", None),
        ("openai-compatible", "your_max_tokens_extra is not supported", None),
        ("openai-compatible", "include_obfuscation is not supported", None),
        ("openai-compatible", "model not found", None),
        ("azure-responses", "max_tokens is not supported", None),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_that_names_an_option_is_answered_without_it(name, message, changes, status):
    assert refused(message, name, status) == changes


@pytest.mark.parametrize("status", [200, 401, 404, 429, 500])
def test_other_answers_are_no_refusal(status):
    assert refused("unknown field stream_options", status=status) is None


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        (b"include_obfuscation stream_options max_completion_tokens unknown max_tokens", 3),
        (b"max_tokens is unknown, use max_completion_tokens", 0),
        (b"max_completion_tokens is unknown, use max_tokens", 1),
    ],
)
def test_asking_again_comes_to_an_end(said, changes):
    """A server that always refuses in the same words is asked so often, then no more."""
    request, steps = asked("azure"), []
    while len(steps) < 10:
        instead = relax(request, ResponseHead(status=400, headers={}), said)
        if instead is None:
            break
        steps.append(instead.body)
        request = instead
    assert len(steps) == changes


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]"])
def test_a_request_that_is_none_of_ours_is_left_alone(body):
    odd = HttpRequest(method="POST", url="u", headers={}, body=body, auth="none")
    said = b"stream_options max_tokens not supported"
    assert relax(odd, ResponseHead(status=400, headers={}), said) is None


def test_a_request_of_which_nothing_is_left_is_one():
    bare = HttpRequest(
        method="POST", url="u", headers={}, body=b'{"stream_options":{}}', auth="none"
    )
    instead = relax(bare, ResponseHead(status=400, headers={}), b"stream_options")
    assert instead.body == b"{}"


def test_the_same_refusal_relaxes_later_requests_too():
    said = b'{"error": "unknown field stream_options"}'
    head = ResponseHead(status=422, headers={})
    for _ in range(2):
        assert "stream_options" not in json.loads(relax(asked(), head, said).body)
    relaxed = relax(asked(), head, said)
    assert relax(relaxed, head, said) is None

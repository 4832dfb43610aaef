import pytest

from lens_gate.errors import LensError
from lens_gate.providers import anthropic, openai_chat
from lens_gate.providers.interface import refuse_nothing
from lens_gate.providers.table import DIALECTS, PROVIDERS, param_problems, wire
from lens_gate.records.exchange import ChatRequest, Endpoint
from lens_gate.records.policy import Message

REQUEST = ChatRequest(
    model="m",
    messages=(Message(role="user", content="Hi"),),
    system=None,
    max_output_tokens=8,
    params={},
)


def test_the_table_is_keyed_by_the_names_of_its_rows():
    assert list(PROVIDERS) == ["openai", "anthropic", "openai-compatible", "simulated"]
    assert all(row.name == name for name, row in PROVIDERS.items())


@pytest.mark.parametrize(
    ("name", "kind", "base_url", "key_env", "needs_key", "priced", "any_params"),
    [
        ("openai", "hosted", "https://api.openai.com/v1", "OPENAI_API_KEY", True, "openai", False),
        (
            "anthropic",
            "hosted",
            "https://api.anthropic.com",
            "ANTHROPIC_API_KEY",
            True,
            "anthropic",
            False,
        ),
        ("openai-compatible", "self-hosted", None, None, False, None, True),
        ("simulated", "simulated", None, None, False, None, True),
    ],
)
def test_what_a_row_says_of_itself(name, kind, base_url, key_env, needs_key, priced, any_params):
    row = PROVIDERS[name]
    assert (row.kind, row.default_base_url, row.key_env, row.needs_key) == (
        kind,
        base_url,
        key_env,
        needs_key,
    )
    assert row.price_provider == priced
    assert (row.params is None) is any_params
    assert row.request_usd == 0
    assert row.params is None or not row.params & row.reserved


@pytest.mark.parametrize(
    ("simulate", "url", "auth"),
    [
        (None, "http://127.0.0.1:9/chat/completions", "none"),
        ({}, "http://127.0.0.1:9/chat/completions", "none"),
        ({"dialect": "openai"}, "http://127.0.0.1:9/chat/completions", "none"),
        ({"dialect": "anthropic"}, "http://127.0.0.1:9/v1/messages", "none"),
    ],
)
def test_the_simulated_row_speaks_the_dialect_of_its_simulator(simulate, url, auth):
    row = wire("simulated", simulate)
    endpoint = Endpoint(base_url="http://127.0.0.1:9", region=None, headers={})
    sent = row.encode(REQUEST, endpoint)
    assert (sent.url, sent.auth, row.name, row.kind) == (url, auth, "simulated", "simulated")


def test_a_dialect_brings_all_of_its_functions():
    row = DIALECTS["anthropic"]
    assert (row.decoder, row.watch, row.failure) == (
        anthropic.decoder,
        anthropic.watch,
        anthropic.failure,
    )
    assert (row.reserved, row.params, row.refuse) == (anthropic.RESERVED, None, refuse_nothing)
    assert DIALECTS["openai"] is PROVIDERS["simulated"]
    assert DIALECTS["openai"].decoder is openai_chat.decoder


def test_other_rows_do_not_care_about_a_simulator():
    assert wire("openai", None) is PROVIDERS["openai"]
    assert wire("anthropic", {"dialect": "openai"}) is PROVIDERS["anthropic"]


@pytest.mark.parametrize(
    ("name", "simulate", "message", "hint"),
    [
        (
            "opnai",
            None,
            "unknown provider 'opnai'",
            "did you mean 'openai'? there are: anthropic, openai, openai-compatible, simulated",
        ),
        (
            "zzz",
            None,
            "unknown provider 'zzz'",
            "there are: anthropic, openai, openai-compatible, simulated",
        ),
        (
            "simulated",
            {"dialect": "antropic"},
            "unknown dialect 'antropic'",
            "did you mean 'anthropic'? there are: anthropic, openai",
        ),
        ("simulated", {"dialect": 7}, "unknown dialect '7'", "there are: anthropic, openai"),
    ],
)
def test_an_unknown_name_is_told_with_its_remedy(name, simulate, message, hint):
    with pytest.raises(LensError) as caught:
        wire(name, simulate)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def problems(name, params, headers=None):
    return [
        (p.name, p.message, p.hint) for p in param_problems(PROVIDERS[name], params, headers or {})
    ]


def test_parameters_that_fit_are_no_problem():
    assert problems("openai", {"temperature": 0, "stop": ["a"], "logit_bias": {"5": -1.5}}) == []
    assert problems("anthropic", {"thinking": {"type": "disabled"}}) == []
    assert problems("openai-compatible", {"cache_salt": "x", "ignore_eos": True}) == []
    assert problems("anthropic", {"top_k": 5}, {"anthropic-version": "2023-06-01"}) == []


def test_unknown_parameters_are_told_with_the_nearest_name():
    ((name, message, hint),) = problems("openai", {"temprature": 0})
    assert (name, message) == ("temprature", "openai has no parameter 'temprature'")
    assert hint.startswith("did you mean 'temperature'? there are: frequency_penalty, ")
    ((_, message, hint),) = problems("anthropic", {"seed": 7})
    assert message == "anthropic has no parameter 'seed'"
    assert hint.startswith("did you mean 'speed'? there are: metadata, output_config")


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_fields_of_the_protocol_are_no_parameters(name):
    found = problems(name, {"stream": False, "n": 4, "max_tokens": 10**9})
    assert [message for _, message, _ in found] == [
        "'stream' is set by the protocol",
        "'n' is set by the protocol",
        "'max_tokens' is set by the protocol",
    ]


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("inf")], {"a": [float("-inf")]}])
def test_numbers_that_json_does_not_have_are_refused(value):
    ((name, message, _),) = problems("openai-compatible", {"x": value})
    assert (name, message) == ("x", "'x' holds a number that JSON does not have")


def test_sampling_parameters_need_the_version_that_has_them():
    ((name, message, hint),) = problems("anthropic", {"temperature": 0})
    assert name == "temperature"
    assert message == "anthropic-version 2026-10-21 takes no sampling parameters"
    assert "anthropic-version: '2023-06-01'" in hint


def test_headers_that_would_stop_the_stream_are_refused():
    found = problems("openai", {}, {"Accept-Encoding": "gzip", "OpenAI-Project": "p"})
    assert [(name, message) for name, message, _ in found] == [
        ("Accept-Encoding", "header 'Accept-Encoding' is set by the protocol")
    ]

import pytest

from lens_gate.errors import LensError
from lens_gate.providers import openai_chat
from lens_gate.providers.interface import fits_anywhere, refuse_nothing
from lens_gate.providers.table import DIALECTS, PROVIDERS, base_url, param_problems, wire
from lens_gate.records.exchange import ChatRequest, Endpoint, ResponseHead
from lens_gate.records.policy import Message

REQUEST = ChatRequest(
    model="m",
    messages=(Message(role="user", content="Hi"),),
    system=None,
    max_output_tokens=8,
    params={},
)


def test_the_table_is_keyed_by_the_names_of_its_rows():
    assert list(PROVIDERS) == [
        "openai",
        "openai-responses",
        "azure",
        "azure-responses",
        "openai-compatible",
        "ollama",
        "anthropic",
        "gemini",
        "vertex",
        "bedrock",
        "bedrock-invoke",
        "simulated",
    ]
    assert all(row.name == name for name, row in PROVIDERS.items())


OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://localhost:11434"


@pytest.mark.parametrize(
    ("name", "kind", "base_url", "key_env", "needs_key", "priced", "any_params"),
    [
        ("openai", "hosted", OPENAI_URL, "OPENAI_API_KEY", True, "openai", False),
        ("openai-responses", "hosted", OPENAI_URL, "OPENAI_API_KEY", True, "openai", False),
        ("azure", "hosted", None, "AZURE_OPENAI_API_KEY", True, "azure", False),
        ("azure-responses", "hosted", None, "AZURE_OPENAI_API_KEY", True, "azure", False),
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
        ("ollama", "self-hosted", OLLAMA_URL, None, False, None, False),
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


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_every_row_is_whole(name):
    row = PROVIDERS[name]
    assert row.params is None or not row.params & row.reserved
    assert row.features <= {"image_urls", "images", "reasoning", "seed", "system", "tools"}
    assert row.whole is not None
    assert row.title
    assert row.notes
    if row.params is not None:
        known = row.params | {row.name}
        assert ("seed" in row.features) == ("seed" in known)


@pytest.mark.parametrize(
    ("simulate", "url", "auth"),
    [
        (None, "http://127.0.0.1:9/chat/completions", "none"),
        ({}, "http://127.0.0.1:9/chat/completions", "none"),
        ({"dialect": "openai"}, "http://127.0.0.1:9/chat/completions", "none"),
        ({"dialect": "anthropic"}, "http://127.0.0.1:9/v1/messages", "none"),
        ({"dialect": "responses"}, "http://127.0.0.1:9/responses", "none"),
        ({"dialect": "azure"}, "http://127.0.0.1:9/openai/v1/chat/completions", "none"),
        ({"dialect": "ollama"}, "http://127.0.0.1:9/api/chat", "none"),
    ],
)
def test_the_simulated_row_speaks_the_dialect_of_its_simulator(simulate, url, auth):
    row = wire("simulated", simulate)
    endpoint = Endpoint(base_url="http://127.0.0.1:9", region=None, headers={})
    sent = row.encode(REQUEST, endpoint)
    assert (sent.url, sent.auth, row.name, row.kind) == (url, auth, "simulated", "simulated")


SPOKEN = {
    "openai": "openai",
    "responses": "openai-responses",
    "azure": "azure",
    "ollama": "ollama",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "bedrock": "bedrock",
    "bedrock-invoke": "bedrock-invoke",
}


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_a_dialect_brings_all_of_its_functions(dialect):
    row, real = DIALECTS[dialect], PROVIDERS[SPOKEN[dialect]]
    for name in ("decoder", "whole", "watch", "failure", "reserved", "media_type", "rate_limits"):
        assert getattr(row, name) == getattr(real, name), name
    assert (row.params, row.refuse, row.unfit) == (None, refuse_nothing, fits_anywhere)
    assert (row.name, row.kind, row.needs_key) == ("simulated", "simulated", False)


def test_the_simulated_row_speaks_openais_protocol_by_itself():
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
            f"did you mean 'openai'? there are: {', '.join(sorted(PROVIDERS))}",
        ),
        (
            "zzz",
            None,
            "unknown provider 'zzz'",
            f"there are: {', '.join(sorted(PROVIDERS))}",
        ),
        (
            "simulated",
            {"dialect": "antropic"},
            "unknown dialect 'antropic'",
            f"did you mean 'anthropic'? there are: {', '.join(sorted(DIALECTS))}",
        ),
        (
            "simulated",
            {"dialect": 7},
            "unknown dialect '7'",
            f"there are: {', '.join(sorted(DIALECTS))}",
        ),
    ],
)
def test_an_unknown_name_is_told_with_its_remedy(name, simulate, message, hint):
    with pytest.raises(LensError) as caught:
        wire(name, simulate)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def place(**fields) -> Endpoint:
    return Endpoint(**({"base_url": "https://host", "region": None, "headers": {}} | fields))


def problems(name, params, headers=None, place=None):
    found = param_problems(PROVIDERS[name], params, headers or {}, place)
    return [(p.name, p.message, p.hint) for p in found]


@pytest.mark.parametrize("name", ["openai", "openai-responses", "openai-compatible", "ollama"])
def test_settings_that_a_protocol_has_not_are_refused(name):
    found = problems(name, {}, place=place(api_version="v1", project="p"))
    assert found == [
        ("api_version", "this provider has no api_version", "remove it"),
        ("project", "this provider has no project", "remove it"),
    ]
    assert problems(name, {}, place=place()) == []


@pytest.mark.parametrize("name", ["azure", "azure-responses"])
def test_azure_has_versions_and_no_project(name):
    found = problems(name, {}, place=place(api_version="2024-10-21", project="p"))
    assert [problem[0] for problem in found] == ["project"]


@pytest.mark.parametrize("name", ["openai", "openai-responses"])
def test_openais_regions_have_hosts_of_their_own(name):
    row = PROVIDERS[name]
    assert base_url(row, "eu") == "https://eu.api.openai.com/v1"
    assert base_url(row, "rack-7") == base_url(row, None) == OPENAI_URL
    assert base_url(PROVIDERS["azure"], "eu") is None
    assert base_url(PROVIDERS["ollama"], "eu") == OLLAMA_URL


def test_parameters_that_fit_are_no_problem():
    assert problems("openai", {"temperature": 0, "stop": ["a"], "logit_bias": {"5": -1.5}}) == []
    assert problems("anthropic", {"thinking": {"type": "disabled"}}) == []
    assert problems("openai-compatible", {"cache_salt": "x", "ignore_eos": True}) == []
    assert problems("anthropic", {"top_k": 5}, place=place(api_version="2023-06-01")) == []


def test_unknown_parameters_are_told_with_the_nearest_name():
    ((name, message, hint),) = problems("openai", {"temprature": 0})
    assert (name, message) == ("temprature", "openai has no parameter 'temprature'")
    assert hint.startswith("did you mean 'temperature'? there are: frequency_penalty, ")
    ((_, message, hint),) = problems("anthropic", {"seed": 7})
    assert message == "anthropic has no parameter 'seed'"
    assert hint.startswith("did you mean 'speed'? there are: cache_control, metadata")


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
    assert "api_version: '2023-06-01'" in hint


def test_headers_that_would_stop_the_stream_are_refused():
    found = problems("openai", {}, {"Accept-Encoding": "gzip", "OpenAI-Project": "p"})
    assert [(name, message) for name, message, _ in found] == [
        ("Accept-Encoding", "header 'Accept-Encoding' is set by the protocol")
    ]


def test_protocols_that_say_nothing_beyond_their_answers():
    row = PROVIDERS["ollama"]
    head = ResponseHead(status=400, headers={"x-ratelimit-limit-requests": "9"})
    assert (row.server_times(head), row.rate_limits(head)) == (None, None)
    asked = row.encode(REQUEST, place())
    assert row.relax(asked, head, b"stream_options is unknown") is None

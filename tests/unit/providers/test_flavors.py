import json

import pytest

from lens_gate.errors import LensError
from lens_gate.providers.flavors import FLAVORS
from lens_gate.providers.table import PROVIDERS, wire
from lens_gate.records.exchange import ChatRequest, Endpoint
from lens_gate.records.policy import Message

ROW = PROVIDERS["openai-compatible"]
REQUEST = ChatRequest(
    model="m",
    messages=(Message(role="user", content="Hi"),),
    system=None,
    max_output_tokens=8,
    params={"seed": 7},
)
HOSTED = {"openrouter", "groq", "together", "mistral", "deepseek"}


def endpoint(flavor=None) -> Endpoint:
    return Endpoint(base_url="https://host/v1", region=None, headers={}, flavor=flavor)


def body(flavor=None, row=ROW) -> dict:
    return json.loads(row.encode(REQUEST, endpoint(flavor)).body)


@pytest.mark.parametrize("flavor", [None, *FLAVORS])
def test_every_server_is_asked_in_its_own_words(flavor):
    limit = "max_completion_tokens" if flavor == "groq" else "max_tokens"
    seed = "random_seed" if flavor == "mistral" else "seed"
    asked = {"stream_options": {"include_usage": True}} if flavor != "mistral" else {}
    assert body(flavor) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        limit: 8,
        seed: 7,
        "stream": True,
        **asked,
    }


def test_a_flavor_that_nobody_knows_is_asked_in_common_words():
    assert body("novelty") == body(None)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_flavor_brings_its_own_facts(flavor):
    row, facts = wire("openai-compatible", None, flavor), FLAVORS[flavor]
    hosted = flavor in HOSTED
    assert (row.name, row.title) == ("openai-compatible", facts.title)
    assert (row.kind == "hosted", row.needs_key, row.key_env is not None) == (hosted,) * 3
    assert (row.price_provider, row.credentials) == (
        (flavor, ("key",)) if hosted else (None, ("key", "none"))
    )
    assert row.default_base_url == facts.base_url
    assert hosted <= (row.default_base_url is not None)
    assert ("price" in row.notes) is not hosted
    assert {"usage", "reasoning", "server times", "base_url"} <= row.notes.keys()
    assert row.decoder is ROW.decoder
    assert body(flavor, row) == body(None, row) == body(flavor)


def test_the_addresses_and_keys_are_the_customary_ones():
    found = {
        name: (facts.base_url, facts.key_env)
        for name, facts in FLAVORS.items()
        if facts.base_url is not None
    }
    assert found == {
        "ollama": ("http://localhost:11434/v1", None),
        "lm-studio": ("http://localhost:1234/v1", None),
        "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        "groq": ("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        "together": ("https://api.together.ai/v1", "TOGETHER_API_KEY"),
        "mistral": ("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        "deepseek": ("https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    }


def test_the_row_lists_its_flavors_with_a_line_each():
    assert list(ROW.flavors) == list(FLAVORS)
    assert all(line and "\n" not in line for line in ROW.flavors.values())
    assert wire("openai-compatible", None) is ROW


@pytest.mark.parametrize(
    ("provider", "flavor", "message", "hint"),
    [
        ("openai", "vllm", "openai has no flavors", "remove flavor"),
        ("openai-compatible", "vlm", "unknown flavor 'vlm'", "did you mean 'vllm'? there are: "),
    ],
)
def test_a_wrong_flavor_is_told_with_its_remedy(provider, flavor, message, hint):
    with pytest.raises(LensError) as caught:
        wire(provider, None, flavor)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_the_simulator_is_asked_as_the_server_that_it_plays(flavor):
    row = wire("simulated", {"flavor": flavor})
    sent = row.encode(REQUEST, endpoint())
    assert json.loads(sent.body) == body(flavor)
    assert (sent.auth, row.kind, row.price_provider) == ("none", "simulated", None)


def test_a_simulator_without_a_flavor_is_asked_as_openai_is():
    plain = wire("simulated", None)
    assert wire("simulated", {"flavor": "openai"}) is plain
    assert wire("simulated", {"dialect": "responses", "flavor": "vllm"}) is wire(
        "simulated", {"dialect": "responses"}
    )
    assert "max_completion_tokens" in body(row=plain)

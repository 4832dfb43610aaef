"""Targets and settings in one word of the command line."""

import pytest

from lens_gate.errors import LensError
from lens_gate.policy.spec import names_for, put, target_document
from lens_gate.providers.table import PROVIDERS


@pytest.mark.parametrize(
    ("spec", "document"),
    [
        ("openai:gpt-4.1-mini", {"provider": "openai", "model": "gpt-4.1-mini"}),
        ("simulated", {"provider": "simulated"}),
        (
            "openai-compatible:org/model:7b@http://localhost:8000/v1",
            {
                "provider": "openai-compatible",
                "model": "org/model:7b",
                "base_url": "http://localhost:8000/v1",
            },
        ),
        (
            "vllm:m@http://h:8000/v1,price=free",
            {
                "provider": "openai-compatible",
                "flavor": "vllm",
                "model": "m",
                "base_url": "http://h:8000/v1",
                "price": "free",
            },
        ),
        # A provider's name wins over a flavor's.
        ("ollama:llama", {"provider": "ollama", "model": "llama"}),
        (
            "openai:m,region=eu, params.seed=7,params.stop=[1],retries=2,price.input=0.4",
            {
                "provider": "openai",
                "model": "m",
                "region": "eu",
                "params": {"seed": 7, "stop": [1]},
                "retries": 2,
                "price": {"input": 0.4},
            },
        ),
        (
            "bedrock:anthropic.claude-haiku-4-5-v1:0,region=us-east-1",
            {
                "provider": "bedrock",
                "model": "anthropic.claude-haiku-4-5-v1:0",
                "region": "us-east-1",
            },
        ),
        ("openai:m,api_key_env=A=B", {"provider": "openai", "model": "m", "api_key_env": "A=B"}),
    ],
)
def test_a_spec_is_what_a_policy_would_say(spec, document) -> None:
    assert target_document(spec, PROVIDERS) == document


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "is no target"),
        ("Open AI:m", "is no target"),
        ("openai:", "is no target"),
        ("openai:m,region", "is no setting"),
        ("openai:m,=x", "is no setting"),
        ("openai:m,a..b=x", "is no setting"),
        ("openai:m,region=eu,region.x=1", "goes into region"),
    ],
)
def test_what_is_no_spec_is_told_with_an_example(spec, message) -> None:
    with pytest.raises(LensError, match=message) as caught:
        target_document(spec, PROVIDERS)
    assert caught.value.hint


def test_settings_go_where_their_dots_lead() -> None:
    document: dict = {}
    put(document, "timeouts.total = 5s")
    put(document, "a.b.c=null")
    assert document == {"timeouts": {"total": "5s"}, "a": {"b": {"c": None}}}


def test_names_come_from_the_models_and_differ() -> None:
    models = ["gpt-4.1-mini", "GPT 4.1 mini", "org/gpt-4.1-mini", "!!", "gpt-4-1-mini-2"]
    targets = [{"provider": "p", "model": model} for model in models]
    assert names_for([*targets, {"provider": "simulated"}]) == [
        "gpt-4-1-mini",
        "gpt-4-1-mini-2",
        "gpt-4-1-mini-3",
        "target",
        "gpt-4-1-mini-2-2",
        "simulated",
    ]

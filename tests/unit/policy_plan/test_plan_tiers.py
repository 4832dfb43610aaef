"""A service tier that is asked for has a price, or nothing is sent."""

import json

import pytest

from lens_gate.errors import InputError
from lens_gate.flows.planning import protocols, unit_prices
from lens_gate.policy.load import load
from lens_gate.providers.table import PROVIDERS


def prices(provider, model, params, **more):
    policy = {
        "version": 1,
        "name": "tiers",
        "budget": {"max_usd": 1, "max_requests": 100, "max_duration": "60s"},
        "targets": {"one": {"provider": provider, "model": model, "params": params, **more}},
        "scenarios": {
            "chat": {
                "targets": ["one"],
                "prompts": ["Hello"],
                "max_output_tokens": 16,
                "gates": [{"metric": "error_rate", "max": "5%"}],
            }
        },
    }
    read = load(json.dumps(policy).encode(), file="p", read_file=lambda _: b"", providers=PROVIDERS)
    return unit_prices(read, protocols(read))


@pytest.mark.parametrize(
    ("provider", "model", "params", "said"),
    [
        ("gemini", "gemini-2.5-pro", {"serviceTier": "priority"}, "serviceTier 'priority'"),
        ("anthropic", "claude-haiku-4-5", {"speed": "fast"}, "speed 'fast'"),
        (
            "bedrock",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            {"performanceConfig": {"latency": "optimized"}},
            "performanceConfig 'optimized'",
        ),
    ],
)
def test_a_dearer_tier_without_a_price_is_refused(provider, model, params, said):
    more = {"region": "us-east-1"} if provider == "bedrock" else {}
    with pytest.raises(InputError) as caught:
        prices(provider, model, params, **more)
    (problem,) = caught.value.problems
    assert said in problem.message
    assert "price:" in problem.hint
    # The policy's own word is enough.
    assert prices(provider, model, params, price={"input": 1, "output": 2}, **more)


@pytest.mark.parametrize(
    ("provider", "model", "params"),
    [
        ("openai", "gpt-4o", {"service_tier": "priority"}),
        ("openai", "gpt-4o", {"service_tier": "auto"}),
        ("openai", "gpt-4o", {"service_tier": 1}),
        ("gemini", "gemini-2.5-pro", {"serviceTier": "SERVICE_TIER_STANDARD"}),
        ("anthropic", "claude-haiku-4-5", {"service_tier": "standard_only"}),
    ],
)
def test_a_tier_with_a_price_and_the_standard_one_are_planned(provider, model, params):
    assert prices(provider, model, params)["one"].dearest_output > 0

"""What a head may not move: requests to another region, project or account, a cloud's tokens."""

import pytest

from lens_gate.policy.load import load
from lens_gate.policy.overlay import overlay, place_of
from lens_gate.providers.table import PROVIDERS

TRUSTED = """\
version: 1
name: clouds
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
allow_endpoints:
  - {origin: "https://eu.example.com"}
  - {origin: "https://keyed.example.com", api_key_env: OTHER_KEY}
  - {origin: "https://us-east5-aiplatform.googleapis.com"}
  - {origin: "https://googleapis.com.example.org"}
targets:
  vertex: {provider: vertex, model: gemini-2.5-pro, project: ours, region: europe-west4}
  bedrock: {provider: bedrock, model: eu.anthropic.claude-a, region: eu-west-1}
  azure:
    provider: azure
    model: gpt-4o
    base_url: https://ours.openai.azure.com
    credentials: azure
    price: {input: 1, output: 2}
scenarios:
  chat:
    targets: [vertex, bedrock, azure]
    prompts: [Hello]
    max_output_tokens: 64
    gates: [{metric: error_rate, max: 2%}]
"""


def policy(text):
    return load(text.encode(), file="p", read_file=lambda _: b"", providers=PROVIDERS)


def over(old, new, trusted=TRUSTED):
    assert old in trusted
    merged, changes = overlay(policy(trusted), policy(trusted.replace(old, new)))
    return merged.targets, {change.path: change.effect for change in changes}


@pytest.mark.parametrize(
    "model",
    [
        "projects/theirs/locations/us-central1/publishers/google/models/gemini-2.5-pro",
        "projects/ours/locations/europe-west4/endpoints/1",
        "publishers/../../../theirs/locations/us-central1/publishers/google/models/x",
        "./gemini-2.5-pro",
    ],
)
def test_a_heads_model_does_not_name_another_project_or_location(model):
    targets, changes = over("model: gemini-2.5-pro", f"model: {model}")
    assert targets["vertex"].model == "gemini-2.5-pro"
    assert changes == {"targets.vertex.model": "after_merge"}


@pytest.mark.parametrize(
    "model", ["global.anthropic.claude-a", "arn:aws:bedrock:us-east-1:1:inference-profile/x"]
)
def test_a_heads_model_does_not_name_another_region_or_account(model):
    targets, changes = over("eu.anthropic.claude-a", f'"{model}"')
    assert targets["bedrock"].model == "eu.anthropic.claude-a"
    assert changes == {"targets.bedrock.model": "after_merge"}


@pytest.mark.parametrize("model", ["publishers/meta/models/llama", "gemini-2.5-flash"])
def test_another_model_at_the_same_place_is_measured(model):
    targets, changes = over("model: gemini-2.5-pro", f"model: {model}")
    assert targets["vertex"].model == model
    assert changes == {"targets.vertex.model": "measured"}


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("gpt-4.1-mini", ""),
        ("meta-llama/Llama-3-8B", ""),
        ("projects/p/locations/l/endpoints/1", "projects/p/locations/l"),
        ("arn:aws:bedrock:eu-1:12:inference-profile/a", "arn:aws:bedrock:eu-1:12"),
        ("global.anthropic.claude-a", "global"),
        ("a/../b", "a/../b"),
    ],
)
def test_the_place_in_a_models_id(model, place):
    assert place_of(model) == place


def test_one_resource_may_take_the_place_of_another_in_the_same_place():
    first, second = (f"arn:aws:bedrock:eu-west-1:1:inference-profile/{name}" for name in "ab")
    trusted = TRUSTED.replace("eu.anthropic.claude-a", f'"{first}"')
    targets, _ = over(first, second, trusted)
    assert targets["bedrock"].model == second


@pytest.mark.parametrize("where", ["region", "project"])
def test_region_and_project_are_the_trusted_ones(where):
    old = {"region": "region: europe-west4", "project": "project: ours"}[where]
    targets, changes = over(old, f"{where}: theirs")
    assert targets["vertex"].region == "europe-west4"
    assert targets["vertex"].project == "ours"
    assert changes == {f"targets.vertex.{where}": "after_merge"}


@pytest.mark.parametrize("url", ["https://eu.example.com", "https://googleapis.com.example.org"])
@pytest.mark.parametrize("target", ["vertex", "bedrock", "azure"])
def test_a_clouds_token_is_not_shown_to_others_that_a_target_may_be_pointed_at(target, url):
    key = "base_url: https://ours.openai.azure.com"
    trusted = TRUSTED
    if target == "azure":
        targets, changes = over(key, f"base_url: {url}")
    else:
        start = f"{target}: {{"
        targets, changes = over(start, f"{start}base_url: '{url}', ", trusted)
    assert targets[target] == policy(TRUSTED).targets[target]
    assert changes == {f"targets.{target}.base_url": "after_merge"}


def test_a_clouds_token_goes_to_the_clouds_own_hosts():
    url = "https://us-east5-aiplatform.googleapis.com"
    targets, changes = over("vertex: {", f"vertex: {{base_url: '{url}', ")
    assert (targets["vertex"].base_url, targets["vertex"].credentials) == (url, "google")
    assert changes == {"targets.vertex.base_url": "measured"}


def test_where_the_trusted_policy_names_a_key_for_the_origin_the_key_is_sent_and_no_token():
    targets, _ = over("vertex: {", "vertex: {base_url: 'https://keyed.example.com', ")
    assert targets["vertex"].credentials == "key"
    assert targets["vertex"].api_key.env == "OTHER_KEY"


@pytest.mark.parametrize(
    "params", ["performanceConfig: {latency: optimized}", "serviceTier: {type: priority}"]
)
def test_the_policys_own_price_is_not_for_a_tier_that_a_head_asks_for(params):
    price = "price: {input: 1, output: 2}"
    trusted = TRUSTED.replace("region: eu-west-1", f"region: eu-west-1, {price}")
    targets, changes = over("eu-west-1, ", f"eu-west-1, params: {{{params}}}, ", trusted)
    assert targets["bedrock"].price is None
    assert changes["targets.bedrock.price"] == "measured"

"""The column "Changed by" says what an overlay of a head's policy really does."""

import copy
import json
import re
from pathlib import Path

import pytest

from lens_gate.policy import load, overlay
from lens_gate.providers.table import PROVIDERS

PAGE = Path(__file__).parents[3] / "docs" / "policy.md"
TRUSTED = {
    "version": 1,
    "name": "trusted",
    "budget": {"max_usd": 1, "max_requests": 1000, "max_duration": "1h"},
    "baseline": {},
    "allow_endpoints": [{"origin": "https://allowed.example", "api_key_env": "A"}],
    "publish": [{"to": "otlp", "url": "https://trusted.example", "token_env": "A"}],
    "targets": {
        "t": {
            "provider": "openai",
            "model": "gpt-4.1-mini",
            "price": {"input": 1, "output": 1},
            "timeouts": {},
            "budget": {},
        },
        "other": {"provider": "openai", "model": "gpt-4.1-mini"},
        "own": {
            "provider": "openai-compatible",
            "base_url": "https://own.example/v1",
            "model": "my-model",
            "price": "free",
        },
        "cloud": {"provider": "vertex", "model": "gemini-2.5-flash", "project": "one"},
        "azure": {"provider": "azure", "model": "m", "base_url": "https://a.example"},
        "s": {"provider": "simulated", "simulate": {}},
    },
    "scenarios": {
        "c": {
            "targets": ["t", "s"],
            "prompts": [{"id": "one", "prompt": "One?", "variables": {"a": 1}}],
            "load": {},
            "samples": {},
            "objectives": {"e2e": "9s"},
            "gates": [{"metric": "e2e.typ", "id": "rule", "max": "9s", "max_drift": "90%"}],
        }
    },
}
# Keys that make no sense alone; what they are part of is tried as a whole.
UNITS = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "audio_input",
    "audio_output",
    "image_input",
    "reasoning",
)
CONDITIONS = ("service_tier", "speed", "processing", "region")
PROMPTS = (
    "file",
    "template",
    "synthetic",
    "synthetic.input_tokens",
    "synthetic.seed",
    "synthetic.count",
)
OF_OTHER_PATTERNS = (
    "rate",
    "size",
    "every",
    "from",
    "to",
    "over",
    "rates",
    "concurrencies",
    "file",
    "speed",
    "max_in_flight",
)
MESSAGE = (
    "role",
    "content",
    "tool_calls",
    "tool_calls[].id",
    "tool_calls[].type",
    "tool_calls[].function",
    "tool_calls[].function.name",
    "tool_calls[].function.arguments",
    "tool_call_id",
)
# What a head writes instead, by table and key; None: the key's parts are tried instead.
HEADS = {
    "policy": {
        "version": None,
        "name": "other",
        "budget": None,
        "budget.max_usd": 2,
        "budget.max_requests": 2000,
        "budget.max_duration": "2h",
        "confidence": 0.9,
        "on_inconclusive": "pass",
        "fail_fast": True,
        "confirm": True,
        "watch": [],
        "always": True,
        "baseline": None,
        "baseline.compare": "history",
        "baseline.branch": "other",
        "baseline.history": 3,
        "baseline.dir": "other",
        "publish": [],
        "plugins": ["other"],
        "allow_endpoints": [],
        "allow_endpoints[].origin": "https://other.example",
        "allow_endpoints[].api_key_env": "B",
        "targets": None,
        "scenarios": None,
    },
    "target": {
        "title": "other",
        "provider": "anthropic",
        "model": "gpt-4.1-nano",
        "base_url": "https://allowed.example/v1",
        "region": "other",
        "api_key_env": "OTHER",
        "api_key_file": "/other",
        "api_key_command": ["other"],
        "params": {"temperature": 1},
        "headers": {"X-Other": "1"},
        "price": "free",
        "timeouts": None,
        "timeouts.connect": "1s",
        "timeouts.first_byte": "1s",
        "timeouts.idle": "1s",
        "timeouts.total": "1s",
        "flavor": "vllm",
        "api_version": "2024-10-21",
        "project": "other",
        "credentials": "azure",
        "rate_limit": {"requests_per_minute": 9},
        "rate_limit.requests_per_minute": None,
        "rate_limit.tokens_per_minute": None,
        "tls": {"ca_file": "/other.pem"},
        "tls.ca_file": None,
        "tls.cert_file": None,
        "tls.key_file": None,
        "control": "other",
        "retries": 1,
        "budget": None,
        "budget.max_usd": 0.5,
        "budget.max_requests": 500,
        "simulate": {"profile": "hosted"},
    },
    "price": {
        "model": "gpt-4.1-mini",
        "model.prefix": None,
        "model.regex": None,
        **dict.fromkeys(UNITS, 2),
        "request": 2,
        "searches": 2,
        "hour": 2,
        "tiers": [{"above": 9, "input": 2}],
        "tiers[].above": None,
        "tiers[].UNIT": None,
        "variants": [{"service_tier": "flex", "multiply": 2}],
        **dict.fromkeys(f"variants[].{key}" for key in CONDITIONS),
        "variants[].multiply": None,
        "variants[].UNIT": None,
        "valid_from": "2026-01-01",
        "valid_to": "2099-01-01",
        "hours": "00:00-23:59",
        "weekdays": ["mon"],
        "discount": "10%",
        "currency": None,
        "usd": None,
        "source": "other",
    },
    "scenario": {
        "title": "other",
        "targets": ["t", "s", "other"],
        "prompts": {"synthetic": {"input_tokens": 9}},
        **dict.fromkeys(f"prompts.{key}" for key in PROMPTS),
        "system": "Other.",
        "max_output_tokens": 99,
        "tools": [{"name": "other"}],
        "cache": "bust",
        "connection": "cold",
        "stream": False,
        "load": {"pattern": "poisson", "rate": 1},
        "load.pattern": None,
        "load.concurrency": 9,
        **dict.fromkeys(f"load.{key}" for key in OF_OTHER_PATTERNS),
        "load.duration": "9s",
        "load.block": None,
        "load.max_error_rate": "9%",
        "samples": None,
        "samples.min": 20,
        "samples.max": 99,
        "samples.warmup": 9,
        "objectives": {},
        **{
            f"objectives.{name}": "1s"
            for name in (
                "ttft ttfr ttfb e2e itl tpot chunk_gap_max queue_delay connect".split()  # noqa: SIM905  # a list of words
            )
        },
        "objectives.ttft_scheduled": None,
        "objectives.e2e_scheduled": None,
        "gates": None,
    },
    "tool": dict.fromkeys(
        [
            "name",
            "description",
            "parameters",
            "type",
            "function",
            "function.name",
            "function.description",
            "function.parameters",
        ]  # likewise
    ),
    "rule": {
        "id": None,
        "metric": "ttft.p50",
        "max": "8s",
        "min": None,
        "max_regression": "50%",
        "max_drift": "50%",
        "severity": "warn",
        "may_be_inconclusive": True,
        "assurance": "shown",
        "targets": ["t"],
    },
    "sink": {
        "to": None,
        "url": "https://other.example",
        "path": None,
        "format": "otlp-traces",
        "database": None,
        "retention_policy": None,
        "bucket": None,
        "org": None,
        "job": None,
        "token_env": "OTHER",
        "username_env": None,
        "password_env": None,
        "headers": {"X-Other": "1"},
        "labels": {"other": "1"},
        "events": ["local"],
        "live": True,
        "timeout": "9s",
    },
    "prompt": {
        "id": "other",
        "prompt": "Other?",
        "messages": [{"role": "user", "content": "Other?"}],
        **dict.fromkeys(f"messages[].{key}" for key in MESSAGE),
        "images": ["https://x.example/other.png"],
        "system": "Other.",
        "variables": None,
        "max_output_tokens": 9,
    },
}
# Keys that only some providers have.
OTHER_TARGETS = {
    "simulate": "s",
    "flavor": "own",
    "project": "cloud",
    "api_version": "azure",
    "credentials": "azure",
}
PLACES = {
    "policy": (),
    "target": ("targets", "t"),
    "price": ("targets", "t", "price"),
    "scenario": ("scenarios", "c"),
    "rule": ("scenarios", "c", "gates", 0),
    "sink": ("publish", 0),
    "prompt": ("scenarios", "c", "prompts", 0),
}


def told(name: str) -> dict[str, str]:
    """Key to "Changed by", from the page."""
    text = PAGE.read_text("utf-8")
    block = text.split(f"<!-- generated: {name} -->\n")[1].split("<!-- end -->")[0]
    found = {}
    for line in block.split("\n")[2:]:
        cells = re.split(r" \| ", line)
        if len(cells) > 3:
            found[cells[0].removeprefix("| ").strip("`")] = cells[3]
    return found


def read(document):
    return load(
        json.dumps(document).encode(), file="p", read_file=lambda _: b"", providers=PROVIDERS
    )


def effects(name: str, key: str, value: object) -> set[str]:
    head = copy.deepcopy(TRUSTED)
    place = head
    for step in PLACES[name]:
        place = place[step]
    if name == "target" and key in OTHER_TARGETS:
        place = head["targets"][OTHER_TARGETS[key]]
    if name == "target" and key == "provider":
        place["model"] = "claude-haiku-4-5"
    if name == "prompt" and key == "messages":
        del place["prompt"]
    *steps, last = key.replace("[]", ".0").split(".")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    _, changes = overlay(read(TRUSTED), read(head))
    return {change.effect for change in changes}


@pytest.mark.parametrize("name", HEADS)
def test_every_key_is_tried(name):
    assert list(HEADS[name]) == list(told(name))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (name, key)
        for name, keys in HEADS.items()
        for key, value in keys.items()
        if value is not None
    ],
)
def test_a_change_takes_effect_when_the_page_says_so(name, key):
    expected = "measured" if told(name)[key].startswith("head") else "after_merge"
    assert effects(name, key, HEADS[name][key]) == {expected}


def test_an_address_that_is_not_allowed_takes_effect_after_merge():
    assert told("target")["base_url"] == "head, where allowed"
    assert effects("target", "base_url", "https://elsewhere.example/v1") == {"after_merge"}

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
    "targets": {
        "t": {
            "provider": "openai",
            "model": "gpt-4.1-mini",
            "price": {"input": 1, "output": 1},
            "timeouts": {},
            "budget": {},
        },
        "other": {"provider": "openai", "model": "gpt-4.1-mini"},
        "s": {"provider": "simulated", "simulate": {}},
    },
    "scenarios": {
        "c": {
            "targets": ["t", "s"],
            "prompts": [{"id": "one", "prompt": "One?", "variables": {"a": 1}}],
            "load": {},
            "samples": {},
            "objectives": {"ttft": "9s"},
            "gates": [{"metric": "ttft.p90", "id": "rule", "max": "9s"}],
        }
    },
}
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
        "baseline": None,
        "baseline.compare": "history",
        "baseline.branch": "other",
        "baseline.history": 3,
        "baseline.dir": "other",
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
        "price.input": 2,
        "price.output": 2,
        "price.cache_read": 2,
        "price.cache_write": 2,
        "price.request": 2,
        "price.source": "other",
        "timeouts": None,
        "timeouts.connect": "1s",
        "timeouts.first_byte": "1s",
        "timeouts.idle": "1s",
        "timeouts.total": "1s",
        "retries": 1,
        "budget": None,
        "budget.max_usd": 0.5,
        "budget.max_requests": 500,
        "simulate": {"profile": "hosted"},
    },
    "scenario": {
        "title": "other",
        "targets": ["t", "s", "other"],
        "prompts": ["Other?"],
        "system": "Other.",
        "max_output_tokens": 99,
        "load": None,
        "load.pattern": None,
        "load.concurrency": 9,
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
        "gates": None,
    },
    "rule": {
        "id": None,
        "metric": "ttft.p50",
        "max": "8s",
        "min": None,
        "max_drift": "50%",
        "severity": "warn",
        "assurance": "shown",
        "targets": ["t"],
    },
    "prompt": {
        "id": "other",
        "prompt": "Other?",
        "messages": [{"role": "user", "content": "Other?"}],
        "messages[].role": None,
        "messages[].content": None,
        "variables": None,
        "max_output_tokens": 9,
    },
}
PLACES = {
    "policy": (),
    "target": ("targets", "t"),
    "scenario": ("scenarios", "c"),
    "rule": ("scenarios", "c", "gates", 0),
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
    if name == "target" and key == "simulate":
        place = head["targets"]["s"]
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

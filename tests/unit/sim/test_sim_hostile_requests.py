"""Any value in any place of a request is answered or refused; nothing makes the server fail."""

import copy
from typing import get_args

import pytest

from lens_gate.sim.behaviour import behaviour_from_mapping
from lens_gate.sim.dialect import Ask, Refusal, Request
from lens_gate.sim.dialects import table
from lens_gate.sim.model import DialectName, InputTokens
from lens_gate.sim.prompt_cache import count_tokens

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be"},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
    ],
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "max_tokens": 5,
    "temperature": 1,
    "n": 1,
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "reasoning_effort": "low",
    "service_tier": "flex",
    "prompt_cache_options": {"mode": "explicit"},
}
MESSAGES = {
    "messages": [{"role": "user", "content": [{"type": "text", "text": "x", **MARK}, {}]}],
    "max_tokens": 5000,
    "system": [{"type": "text", "text": "be"}],
    "tools": [{"name": "look", "input_schema": {}}],
    "tool_choice": {"type": "tool", "name": "look"},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "service_tier": "auto",
    **MARK,
}
GEMINI = {
    "contents": [{"role": "user", "parts": [{"text": "x"}, {"inlineData": {"data": ""}}]}],
    "systemInstruction": {"parts": [{"text": "be"}]},
    "generationConfig": {
        "maxOutputTokens": 5,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 5},
        "candidateCount": 1,
    },
    "tools": [{"functionDeclarations": [{"name": "look"}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    "serviceTier": "flex",
}
CONVERSE = {
    "messages": [{"role": "user", "content": [{"text": "x"}, {"image": {"format": "png"}}]}],
    "system": [{"text": "be"}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    "inferenceConfig": {"maxTokens": 5},
    "additionalModelRequestFields": {"thinking": {"type": "disabled"}},
    "toolConfig": {"tools": [{"toolSpec": {"name": "a"}}], "toolChoice": {"tool": {"name": "a"}}},
    "serviceTier": {"type": "flex"},
}
OLLAMA = {
    "model": "m",
    "messages": [{"role": "user", "content": "x", "images": [""]}],
    "options": {"num_predict": 5},
    "think": True,
    "keep_alive": "5m",
    "stream": True,
    "tools": [TOOL],
}
RESPONSES = {
    "model": "m",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_image"}]},
        {"type": "function_call_output", "output": "x"},
    ],
    "instructions": "be",
    "max_output_tokens": 16,
    "reasoning": {"effort": "low", "summary": "auto"},
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "prompt_cache_options": {"mode": "explicit"},
    "tools": [{"type": "function", "name": "look"}],
    "tool_choice": {"type": "function", "name": "look"},
    "service_tier": "flex",
}
BODIES = {
    "openai": ("/v1/chat/completions", CHAT),
    "responses": ("/v1/responses", RESPONSES),
    "azure": ("/openai/deployments/m/chat/completions?api-version=1", CHAT),
    "anthropic": ("/v1/messages", {"model": "m", **MESSAGES}),
    "gemini": ("/v1/models/m:streamGenerateContent?alt=sse", GEMINI),
    "bedrock": ("/model/m/converse", CONVERSE),
    "bedrock-invoke": ("/model/m/invoke", {"anthropic_version": "2023-06-01", **MESSAGES}),
    "ollama": ("/api/chat", OLLAMA),
}
VALUES = (None, True, 0, -1, 1.5, "", "x", "none", [], [[]], [None], [{}], {}, {"name": 3}, ["x"])
SERVED = table.served(behaviour_from_mapping({}))


def read(path, body):
    target, _, query = path.partition("?")
    dialect, place = table.found(SERVED, target)
    head = {"anthropic-version": "2023-06-01"}
    return dialect.read(body, Request(path=target, query=query, headers=head), place)


def places(node, path=()):
    yield path
    children = node.items() if isinstance(node, dict) else ()
    for key, child in enumerate(node) if isinstance(node, list) else children:
        yield from places(child, (*path, key))


def changed(body, path, value):
    body = copy.deepcopy(body)
    node = body
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return body


def test_the_table_has_every_dialect_under_its_name():
    assert set(table.BY_NAME) == set(get_args(DialectName)) == set(BODIES)
    for name, (path, body) in BODIES.items():
        dialect, _ = table.found(SERVED, path.partition("?")[0])
        assert dialect.name == table.BY_NAME[name].name == name
        assert isinstance(read(path, body), Ask)


@pytest.mark.parametrize("name", BODIES)
def test_any_value_in_any_place(name):
    path, body = BODIES[name]
    refused = 0
    for place in places(body):
        for value in VALUES if place else ():
            found = read(path, changed(body, place, value))
            if isinstance(found, Refusal):
                refused += 1
                assert 400 <= found.status < 500
                continue
            assert count_tokens(found.pieces, InputTokens()) >= 1
            assert isinstance(found.model, str)
            assert found.limit is None or found.limit >= 0
            assert isinstance(found.tool, str | None)
            assert isinstance(found.tier, str | None)
    assert refused > 20

"""Hostile input is the point: whatever comes in, a policy or an InputError comes out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.errors import InputError, LensError
from lens_gate.policy.findings import MAX_PROBLEMS, Findings
from lens_gate.policy.load import load
from lens_gate.policy.prompts import prompts_from_file
from lens_gate.policy.schema import schema_text
from lens_gate.policy.shelf import Shelf
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.policy import Policy

BASE = """\
version: 1
name: fuzz
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
baseline: {compare: auto, branch: main}
allow_endpoints: [{origin: "https://x.y", api_key_env: K}]
publish:
  - {to: influxdb, url: "https://x.y", database: d, token_env: T, labels: {a: b}, live: true}
  - {to: http, url: "https://x.y/a?b=c", format: csv, headers: {X-A: {env: H}}, timeout: 5s}
  - {to: file, path: a.prom, format: prometheus, events: [push]}
targets:
  mini: &m
    provider: openai
    model: gpt-4.1-mini
    base_url: https://x.y/v1
    params: {temperature: 0.2}
    headers: {X-A: b, X-B: {env: C}}
    price: {input: 1, output: "2"}
    timeouts: {total: 1m}
  fake: {provider: simulated, simulate: {profile: hosted, ttft: {median: 400ms}}}
scenarios:
  chat:
    targets: [mini, fake]
    prompts: [{id: a, prompt: "{{x}}", variables: {x: 1}}, Hello]
    samples: {min: 10, max: 40}
    objectives: {ttft: 1s}
    gates:
      - {metric: ttft.p95, max: 1.5s}
      - {metric: cost_usd, max_drift: 10%, max: 0.1}
"""


def read_file(path):
    if path.startswith("p"):
        return b'{"prompt": "x"}\n'
    raise LensError("no such file")


def outcome(data):
    """The policy, or what is wrong with it: nothing else may come out."""
    try:
        policy = load(data, file="lens-gate.yaml", read_file=read_file, providers=PROVIDERS)
    except InputError as error:
        told = error.problems
    else:
        assert isinstance(policy, Policy)
        assert policy.targets
        assert all(scenario.prompts for scenario in policy.scenarios.values())
        return policy
    assert told
    for problem in told:
        assert problem.message
        assert (str(problem) + problem.hint).isprintable()
        assert (problem.line > 0) == (problem.column > 0)
    places = [(p.file != "lens-gate.yaml", p.file, p.line, p.column) for p in told]
    assert places == sorted(places)
    return None


def test_the_base_is_a_policy():
    assert outcome(BASE.encode())


@given(st.binary(max_size=200))
def test_any_bytes(data):
    outcome(data)


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#,<~ \n\t0123.", max_size=120))
def test_yaml_like_noise(text):
    outcome(text.encode())


@given(st.integers(0, len(BASE)), st.integers(0, 40), st.text(max_size=12))
@settings(max_examples=300)
def test_a_policy_with_a_piece_replaced(start, length, piece):
    outcome((BASE[:start] + piece + BASE[start + length :]).encode("utf-8", "surrogatepass"))


@given(st.lists(st.tuples(st.integers(0, len(BASE)), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_policy_with_bytes_replaced(edits):
    data = bytearray(BASE.encode())
    for at, byte in edits:
        data[min(at, len(data) - 1)] = byte
    outcome(bytes(data))


@given(st.permutations(range(BASE.count("\n"))), st.integers(1, BASE.count("\n")))
def test_lines_in_another_order(order, count):
    lines = BASE.splitlines()
    outcome("\n".join(lines[i] for i in order[:count]).encode())


def keys_of(schema):
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield name
            yield from keys_of(inner)
        for name, inner in schema.items():
            if name != "properties":
                yield from keys_of(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from keys_of(inner)


KEYS = sorted(set(keys_of(json.loads(schema_text()))))
WORDS = [
    *("openai", "simulated", "anthropic", "openai-compatible", "free", "mini", "chat", "auto"),
    *("file", "http", "otlp", "influx"),
    *("none", "ttft", "ttft.p95", "e2e.max", "error_rate", "1s", "10%", "0.50", "p.jsonl", "../x"),
    *("https://x.y/v1", "http://127.0.0.1", "http://x.y", "closed", "fail", "warn", "shown", ""),
]
values = st.recursive(
    st.sampled_from(WORDS)
    | st.none()
    | st.booleans()
    | st.integers(-2, 1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(
    st.dictionaries(st.sampled_from(["version", "name", "budget", "targets", "scenarios"]), values)
)
def test_documents_of_the_right_words_in_the_wrong_places(document):
    outcome(json.dumps(document).encode())


BASE_TREE = {
    "version": 1,
    "name": "fuzz",
    "budget": {"max_usd": 1, "max_requests": 600, "max_duration": "10m"},
    "publish": [{"to": "pushgateway", "url": "https://x.y", "labels": {"a": "b"}}],
    "targets": {
        "mini": {"provider": "openai", "model": "x"},
        "fake": {"provider": "simulated", "simulate": {"profile": "hosted"}},
    },
    "scenarios": {
        "chat": {
            "targets": ["mini", "fake"],
            "prompts": [{"id": "a", "messages": [{"role": "user", "content": "b"}]}],
            "gates": [{"metric": "ttft.typ", "max": "1s"}],
        }
    },
}


def places_of(tree, path=()):
    yield path
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in inner:
        yield from places_of(value, (*path, key))


PLACES = [path for path in places_of(BASE_TREE) if path]


def replaced(path, value, key):
    tree = json.loads(json.dumps(BASE_TREE))
    place = tree
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    if key and isinstance(place, dict):
        place[key] = value
    return tree


@given(st.sampled_from(PLACES), values, st.none() | st.sampled_from(KEYS))
@settings(max_examples=500)
def test_one_place_of_a_policy_with_anything_in_it(path, value, key):
    outcome(json.dumps(replaced(path, value, key)).encode())


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    "value", [None, True, -1, 0, 1e30, "", " ", "x" * 5000, [], [[]], {}, {"": {}}]
)
def test_every_place_of_a_policy_with_each_kind_of_value(path, value):
    outcome(json.dumps(replaced(path, value, None)).encode())


rows = st.lists(
    st.binary(max_size=30)
    | st.builds(lambda v: json.dumps(v).encode(), values)
    | st.builds(
        lambda p, v: json.dumps({"prompt": p, "variables": v}).encode(),
        st.text(alphabet="{} ab", max_size=12),
        st.dictionaries(st.sampled_from(["a", "b", "ab"]), st.text(max_size=3) | st.integers()),
    ),
    max_size=6,
)


@given(rows, st.sampled_from(["p.jsonl", "p.csv", "p.txt"]))
def test_any_file_of_prompts(lines, name):
    findings = Findings()
    try:
        found = prompts_from_file(
            b"\n".join(lines), file=name, findings=findings, shelf=Shelf(read_file=read_file)
        )
    except InputError:
        return
    assert len(findings.problems) <= 2 * MAX_PROBLEMS + 2
    if not findings.problems:
        assert found.prompts
        ids = [prompt.id for prompt in found.prompts]
        assert len(ids) == len(set(ids))
        assert all(message.content.strip() for p in found.prompts for message in p.messages)

import dataclasses
import json
import typing
from decimal import Decimal
from functools import partial

import jsonschema
import pytest

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.policy import report_schema_text, schema_text
from lens_gate.policy.document import parse
from lens_gate.policy.findings import Findings
from lens_gate.policy.load import build, load
from lens_gate.policy.node import Entry, Node, entries, items
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.check import Verdict
from lens_gate.records.codec import to_json
from lens_gate.records.policy import Change, Place
from lens_gate.records.report import CellReport, Refs, Report, Row, Statistics
from lens_gate.records.run import Spend

SCHEMA = json.loads(schema_text())

SCHEDULED = ("ttft_scheduled", "e2e_scheduled")
TIMES = [
    name
    for name, m in CATALOGUE.items()
    if m.unit == "s" and m.per == "request" and name not in SCHEDULED
]

UNITS = (
    *("input", "output", "cache_read", "cache_write", "cache_write_5m", "cache_write_30m"),
    *("cache_write_1h", "cache_write_12h", "audio_input", "audio_output", "image_input"),
    "reasoning",
)
PRICE = {
    "model": {"prefix": "m"},
    **dict.fromkeys((*UNITS, "request", "searches", "hour"), 1),
    "tiers": [{"above": 10, **dict.fromkeys(UNITS, 2)}],
    "variants": [{"service_tier": "flex", "multiply": 3, **dict.fromkeys(UNITS, 3)}],
    "valid_from": "2026-01-01",
    "valid_to": "2026-12-31",
    "hours": "08:00-20:00",
    "weekdays": ["mon"],
    "discount": "10%",
    "currency": "EUR",
    "usd": 1.1,
    "source": "s",
}

# A policy in which every key of the schema has a value that is not its default.
FULL = {
    "version": 1,
    "name": "full",
    "budget": {"max_usd": 2, "max_requests": 500, "max_duration": "9m"},
    "confidence": 0.9,
    "on_inconclusive": "fail",
    "fail_fast": True,
    "confirm": True,
    "watch": ["app/**"],
    "always": True,
    "baseline": {"compare": "interleaved", "branch": "b", "history": 3, "dir": "d"},
    "allow_endpoints": [{"origin": "https://x.y", "api_key_env": "A"}],
    "publish": [
        {
            "to": "influxdb",
            "url": "https://i.y",
            "format": "influx",
            "database": "d",
            "retention_policy": "r",
            "username_env": "U",
            "password_env": "P",
            "headers": {"X-A": {"env": "H"}},
            "labels": {"team": "a"},
            "events": ["push"],
            "live": True,
            "timeout": "9s",
        },
        {"to": "influxdb", "url": "https://i.z", "bucket": "b", "org": "o", "token_env": "T"},
        {"to": "pushgateway", "url": "https://g.y", "job": "j"},
        {"to": "file", "path": "p.prom", "format": "prometheus"},
    ],
    "targets": {
        "t": {
            "title": "T",
            "provider": "openai",
            "model": "m",
            "base_url": "https://x.y/v1",
            "region": "r",
            "api_key_env": "K",
            "params": {"seed": 1},
            "headers": {"X-A": {"env": "H"}},
            "price": {
                "input": 1,
                "output": 2,
                "cache_read": 3,
                "cache_write": 4,
                "request": 5,
                "source": "s",
            },
            "timeouts": {"connect": "1s", "first_byte": "2s", "idle": "3s", "total": "4s"},
            "retries": 1,
            "budget": {"max_usd": 1, "max_requests": 400},
        },
        "u": {"provider": "simulated", "simulate": {"profile": "hosted"}},
        "own": {
            "provider": "openai-compatible",
            "flavor": "vllm",
            "control": "t",
            "model": "m",
            "base_url": "https://x.y/v1",
            "rate_limit": {"requests_per_minute": 60, "tokens_per_minute": 1000},
            "tls": {"ca_file": "/ca.pem", "cert_file": "/c.pem", "key_file": "/k.pem"},
            "price": PRICE,
        },
        "cloud": {
            "provider": "vertex",
            "model": "gemini-2.5-flash",
            "project": "p",
            "region": "us-central1",
            "credentials": "google",
        },
        "old": {
            "provider": "azure",
            "model": "m",
            "base_url": "https://x.openai.azure.com",
            "api_version": "2024-10-21",
            "price": "free",
        },
    },
    "plugins": ["some-distribution"],
    "scenarios": {
        "s": {
            "title": "S",
            "targets": ["t", "u"],
            "prompts": [
                {
                    "id": "p",
                    "messages": [{"role": "user", "content": "{{v}}"}],
                    "variables": {"v": "w"},
                    "max_output_tokens": 7,
                },
                {"prompt": "q"},
            ],
            "system": "sys",
            "max_output_tokens": 64,
            "tools": [{"name": "n", "description": "d", "parameters": {"type": "object"}}],
            "cache": "bust",
            "connection": "cold",
            "stream": True,
            "load": {
                "pattern": "closed",
                "concurrency": 3,
                "duration": "1m",
                "max_error_rate": "50%",
            },
            "samples": {"min": 9, "max": 90, "warmup": 2},
            "objectives": dict.fromkeys(TIMES, "1s"),
            "gates": [
                {
                    "id": "i",
                    "metric": "output_tokens.mean",
                    "max": 100,
                    "min": 10,
                    "max_regression": "40%",
                    "max_drift": "50%",
                    "may_be_inconclusive": True,
                    "severity": "warn",
                    "assurance": "shown",
                    "targets": ["t"],
                }
            ],
        },
        "other": {
            "targets": ["t"],
            "prompts": [
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": "w"},
                                {"type": "image_url", "image_url": {"url": "https://x.y/1.png"}},
                            ],
                        },
                        {
                            "role": "assistant",
                            "tool_calls": [
                                {
                                    "id": "c",
                                    "type": "function",
                                    "function": {"name": "n", "arguments": "{}"},
                                }
                            ],
                        },
                        {"role": "tool", "content": "", "tool_call_id": "c"},
                    ]
                },
                {"prompt": "q", "system": "brief", "images": ["https://x.y/2.png"]},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "n", "description": "d", "parameters": {"type": "object"}},
                }
            ],
        },
        "rows": {
            "targets": ["t"],
            "prompts": {"file": "p.csv", "template": "Say {{what}}"},
            "stream": False,
            "load": {"pattern": "constant", "rate": 2, "max_in_flight": 5},
        },
        "made": {
            "targets": ["t"],
            "prompts": {"synthetic": {"input_tokens": 5, "seed": 2, "count": 3}},
            "load": {"pattern": "burst", "size": 2, "every": "1s", "block": "5s"},
        },
        "ramp": {
            "targets": ["t"],
            "prompts": {"synthetic": {"input_tokens": 5}},
            "load": {"pattern": "ramp", "from": 1, "to": 2, "over": "1m"},
            "objectives": dict.fromkeys(SCHEDULED, "1s"),
        },
        "rates": {
            "targets": ["t"],
            "prompts": ["x"],
            "load": {"pattern": "sweep", "rates": [1, 2]},
        },
        "counts": {
            "targets": ["t"],
            "prompts": ["x"],
            "load": {"pattern": "sweep", "concurrencies": [1, 2]},
        },
        "replay": {
            "targets": ["t"],
            "prompts": {"synthetic": {}},
            "samples": {"min": 2},
            "load": {"pattern": "trace", "file": "t.jsonl", "speed": 2},
        },
    },
}
FILES = {
    "p.csv": b"what\nyes\nno\n",
    "q.csv": b"what\nwell\n",
    "t.jsonl": b'{"timestamp": 0, "input_tokens": 3}\n{"timestamp": 1, "input_tokens": 4}\n',
    "u.jsonl": b'{"timestamp": 0, "input_tokens": 3}\n{"timestamp": 2, "input_tokens": 4}\n',
}

# One other value for every key, by path; "*" stands for any key, "[]" for any entry.
OTHER = {
    "name": "other",
    "budget.max_usd": 3,
    "budget.max_requests": 501,
    "budget.max_duration": "10m",
    "confidence": 0.8,
    "on_inconclusive": "pass",
    "fail_fast": False,
    "confirm": False,
    "watch": ["app/*"],
    "always": False,
    "baseline.compare": "auto",
    "baseline.branch": "c",
    "baseline.history": 4,
    "baseline.dir": "e",
    "plugins": ["other-distribution"],
    "allow_endpoints.[].origin": "https://z.y",
    "allow_endpoints.[].api_key_env": "B",
    "targets.*.title": "U",
    "targets.*.provider": "openai-compatible",
    "targets.*.model": "n",
    "targets.*.base_url": "https://x.y/v2",
    "targets.*.region": "q",
    "targets.*.api_key_env": "L",
    "targets.*.params": {"seed": 2},
    "targets.*.headers": {"X-B": "c"},
    "targets.*.headers.*.env": "I",
    "targets.*.price.input": 9,
    "targets.*.price.output": 9,
    "targets.*.price.cache_read": 9,
    "targets.*.price.cache_write": 9,
    "targets.*.price.request": 9,
    "targets.*.price.source": "z",
    "targets.*.timeouts.connect": "9s",
    "targets.*.timeouts.first_byte": "9s",
    "targets.*.timeouts.idle": "9s",
    "targets.*.timeouts.total": "9s",
    "targets.*.retries": 2,
    "targets.*.budget.max_usd": 0.5,
    "targets.*.budget.max_requests": 300,
    "scenarios.*.title": "V",
    "scenarios.*.targets": ["t"],
    "scenarios.*.prompts": ["other"],
    "scenarios.*.prompts.[].id": "o",
    "scenarios.*.prompts.[].messages.[].role": "assistant",
    "scenarios.*.prompts.[].messages.[].content": "c",
    "scenarios.*.prompts.[].variables": {"v": "x"},
    "scenarios.*.prompts.[].max_output_tokens": 8,
    "scenarios.*.system": "sis",
    "scenarios.*.max_output_tokens": 65,
    "scenarios.*.tools.[].name": "m",
    "scenarios.*.tools.[].description": "e",
    "scenarios.*.tools.[].parameters": {"type": "object", "required": []},
    "scenarios.*.cache": "as_is",
    "scenarios.*.connection": "warm",
    "scenarios.*.load.concurrency": 4,
    "scenarios.*.load.duration": "2m",
    "scenarios.*.load.max_error_rate": "40%",
    "scenarios.*.samples.min": 10,
    "scenarios.*.samples.max": 91,
    "scenarios.*.samples.warmup": 3,
    **{f"scenarios.*.objectives.{name}": "2s" for name in TIMES},
    "scenarios.*.gates.[].id": "j",
    "scenarios.*.gates.[].metric": "input_tokens.mean",
    "scenarios.*.gates.[].max": 101,
    "scenarios.*.gates.[].min": 11,
    "scenarios.*.gates.[].max_regression": "41%",
    "scenarios.*.gates.[].max_drift": "51%",
    "scenarios.*.gates.[].may_be_inconclusive": False,
    "scenarios.*.gates.[].severity": "fail",
    "scenarios.*.gates.[].assurance": "point",
    "scenarios.*.gates.[].targets": ["u"],
}

# The same for keys of the other scenarios, by the scenario's key.
ELSEWHERE = {
    "other.prompts.[].messages.[].content.[].text": "v",
    "other.prompts.[].images": ["https://x.y/3.png"],
    "other.prompts.[].system": "long",
    "other.tools.[].function.name": "o",
    "other.tools.[].function.description": "f",
    "other.tools.[].function.parameters": {"type": "object", "required": []},
    "rows.prompts.file": "q.csv",
    "rows.prompts.template": "Do {{what}}",
    "rows.stream": True,
    "rows.load.pattern": "poisson",
    "rows.load.rate": 3,
    "rows.load.max_in_flight": 6,
    "made.prompts.synthetic.input_tokens": 6,
    "made.prompts.synthetic.seed": 3,
    "made.prompts.synthetic.count": 4,
    "made.load.size": 3,
    "made.load.every": "2s",
    "made.load.block": "6s",
    "ramp.objectives.ttft_scheduled": "2s",
    "ramp.objectives.e2e_scheduled": "2s",
    "ramp.load.from": 2,
    "ramp.load.to": 3,
    "ramp.load.over": "2m",
    "rates.load.rates": [1, 3],
    "counts.load.concurrencies": [1, 3],
    "replay.load.file": "u.jsonl",
    "replay.load.speed": 3,
}

# The same for keys of the other targets, by the target's key.
OTHER_TARGETS = {
    "own.flavor": "sglang",
    "own.control": "u",
    "own.rate_limit.requests_per_minute": 61,
    "own.rate_limit.tokens_per_minute": 1001,
    "own.tls.ca_file": "/d.pem",
    "own.tls.cert_file": "/d.pem",
    "own.tls.key_file": "/d.pem",
    "cloud.project": "q",
    "old.api_version": "2025-01-01",
    "own.price.model.prefix": "n",
    **{f"own.price.{unit}": 9 for unit in (*UNITS, "request", "searches", "hour")},
    "own.price.tiers.[].above": 11,
    **{f"own.price.tiers.[].{unit}": 9 for unit in UNITS},
    "own.price.variants.[].service_tier": "priority",
    "own.price.variants.[].multiply": 4,
    **{f"own.price.variants.[].{unit}": 9 for unit in UNITS},
    "own.price.valid_from": "2026-01-02",
    "own.price.valid_to": "2026-12-30",
    "own.price.hours": "08:00-21:00",
    "own.price.weekdays": ["sun"],
    "own.price.discount": "11%",
    "own.price.currency": "GBP",
    "own.price.usd": 1.2,
    "own.price.source": "other",
}
TURNS = "scenarios.*.prompts.[].messages.[]"

# Keys of the sinks by the sink's place in the list, with another value.
OTHER_SINKS = {
    "0.url": "https://i.x",
    "0.database": "e",
    "0.retention_policy": "s",
    "0.username_env": "V",
    "0.password_env": "Q",
    "0.headers.X-A.env": "G",
    "0.labels.team": "b",
    "0.events": ["push", "local"],
    "0.live": False,
    "0.timeout": "8s",
    "1.bucket": "c",
    "1.org": "p",
    "1.token_env": "S",
    "2.job": "k",
    "3.path": "q.prom",
    "3.format": "openmetrics",
}

# Keys whose effect can't be another value in the same place, with the change that shows it.
APART = {
    "version": "refuses every other value",
    "publish.[].to": "goes with the keys that it takes",
    f"{TURNS}.content.[].type": "goes with its text or picture",
    f"{TURNS}.content.[].image_url.url": "stands in the second part",
    f"{TURNS}.tool_calls.[].id": "goes with the result's",
    f"{TURNS}.tool_calls.[].type": "has one value",
    f"{TURNS}.tool_calls.[].function.name": "stands in the second message",
    f"{TURNS}.tool_calls.[].function.arguments": "stands in the second message",
    f"{TURNS}.tool_call_id": "goes with the call's",
    "scenarios.*.tools.[].type": "has one value",
    "scenarios.*.prompts.[].prompt": "stands in the other row",
    "targets.*.api_key_file": "in place of api_key_env",
    "targets.*.api_key_command": "in place of api_key_env",
    "targets.*.simulate": "stands in the other target",
    "targets.*.credentials": "goes with the provider's",
    "targets.*.price.model.regex": "in place of prefix",
    **{
        f"targets.*.price.variants.[].{by}": "in place of service_tier"
        for by in ("speed", "processing", "region")
    },
}


def resolve(schema):
    while "$ref" in schema and schema["$ref"].startswith("#"):
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def walk(schema, path=()):
    """Every key that the schema knows, as (path, its schema, its branches resolved)."""
    schema = resolve(schema)
    for branch in schema.get("anyOf", ()):
        yield from walk(branch, path)
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key), inner
        yield from walk(inner, (*path, key))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], (*path, "*"))
    # A list of prices has the keys of a single one.
    if "items" in schema and path[-1:] != ("price",):
        yield from walk(schema["items"], (*path, "[]"))


def is_container(schema):
    schema = resolve(schema)
    kinds = [resolve(branch) for branch in schema.get("anyOf", [schema])]
    return any(
        "properties" in kind
        or isinstance(kind.get("additionalProperties"), dict)
        or (kind.get("type") == "array" and "properties" in resolve(kind["items"]))
        for kind in kinds
    )


def known_paths():
    return {".".join(path): inner for path, inner in walk(SCHEMA)}


def loaded(data):
    text = json.dumps(data).encode()
    policy = load(text, file="p", read_file=FILES.__getitem__, providers=PROVIDERS)
    return without_places(policy)


def without_places(record):
    """The record as plain values, places and the hash of the text left out."""
    if isinstance(record, Place):
        return None
    if dataclasses.is_dataclass(record):
        return {
            f.name: without_places(getattr(record, f.name))
            for f in dataclasses.fields(record)
            if f.name != "sha256"
        }
    if isinstance(record, dict):
        return {key: without_places(value) for key, value in record.items()}
    if isinstance(record, tuple | list):
        return [without_places(value) for value in record]
    return record


def changed(data, path, value):
    """A copy of the data with another value at the path ("*" and "[]": the first one there)."""
    copy = json.loads(json.dumps(data))
    place = copy
    *way, last = path.split(".")
    for step in way:
        place = place[next(iter(place)) if step == "*" else 0 if step == "[]" else step]
    assert last in place, f"{path} is not in the full policy"
    place[last] = value
    return copy


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"].endswith("2020-12/schema")


def test_the_published_schema_takes_the_full_policy_and_no_unknown_key():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert list(validator.iter_errors(FULL)) == []
    assert not validator.is_valid({**FULL, "watches": []})
    wrong = changed(FULL, "targets.*.retries", "x")
    assert not validator.is_valid(wrong)


def test_the_published_schema_holds_the_behaviour_of_the_simulator():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    bad = json.loads(json.dumps(FULL))
    bad["targets"]["u"]["simulate"] = {"profile": "none such"}
    assert not validator.is_valid(bad)


FREE = ("simulate", "params", "parameters")


def test_every_object_is_closed_or_a_map():
    def check(schema, path):
        if isinstance(schema, dict):
            if schema.get("type") == "object" and path[-1] not in FREE:
                assert "additionalProperties" in schema, path
                assert schema["additionalProperties"] is not True, path
            for key, inner in schema.items():
                if key != "behaviour":
                    check(inner, (*path, key))
        elif isinstance(schema, list):
            for inner in schema:
                check(inner, path)

    check(SCHEMA, ("",))


def test_every_key_is_described_for_a_reference():
    for path, schema in known_paths().items():
        assert schema.get("description", "").endswith((".", ")")), path
        assert schema.get("title") or resolve(schema).get("title") or "$ref" in schema, path


def test_every_key_has_an_effect():
    leaves = {path for path, schema in known_paths().items() if not is_container(schema)}
    containers_with_values = {"scenarios.*.prompts", "targets.*.params", "targets.*.headers"}
    containers_with_values |= {"scenarios.*.prompts.[].messages.[].content"}
    elsewhere = {f"scenarios.*.{path.partition('.')[2]}" for path in ELSEWHERE}
    targets = {f"targets.*.{path.partition('.')[2]}" for path in OTHER_TARGETS}
    sinks = {f"publish.[].{path.partition('.')[2]}" for path in OTHER_SINKS}
    sinks = {path.replace(".X-A", ".*").removesuffix(".team") for path in sinks}
    containers_with_values |= {"publish.[].labels"}
    assert leaves | containers_with_values | {"scenarios.*.prompts.[].variables"} == (
        OTHER.keys() | APART.keys() | elsewhere | targets | sinks
    )
    before = loaded(FULL)
    for path, value in OTHER.items():
        data = changed(FULL, path, value)
        if path == "scenarios.*.prompts.[].messages.[].role":
            row = data["scenarios"]["s"]["prompts"][0]
            row["messages"].append({"role": "user", "content": "x"})
            other = changed(data, path, "user")
            assert loaded(data) != loaded(other)
            continue
        assert loaded(data) != before, path


@pytest.mark.parametrize("path", OTHER_TARGETS)
def test_every_key_of_the_other_targets_has_an_effect(path):
    key, _, rest = path.partition(".")
    data = json.loads(json.dumps(FULL))
    data["targets"][key] = changed({"t": data["targets"][key]}, f"t.{rest}", OTHER_TARGETS[path])[
        "t"
    ]
    assert loaded(data)["targets"][key] != loaded(FULL)["targets"][key]


@pytest.mark.parametrize("path", OTHER_SINKS)
def test_every_key_of_a_sink_has_an_effect(path):
    data = json.loads(json.dumps(FULL))
    place, *way, last = path.split(".")
    at = data["publish"][int(place)]
    for step in way:
        at = at[step]
    assert at[last] != OTHER_SINKS[path]
    at[last] = OTHER_SINKS[path]
    before, after = loaded(FULL)["publish"], loaded(data)["publish"]
    assert [a == b for a, b in zip(before, after, strict=True)].index(False) == int(place)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_every_key_of_the_other_scenarios_has_an_effect(path):
    data = json.loads(json.dumps(FULL))
    key, *way, last = path.split(".")
    place = data["scenarios"][key]
    for at in way:
        # Of a list that entry which has the key.
        rest = [e for e in place if last in json.dumps(e)] if at == "[]" else place
        place = rest[0] if at == "[]" else place[at]
    assert last in place
    place[last] = ELSEWHERE[path]
    before, after = loaded(FULL), loaded(data)
    assert after["scenarios"][key] != before["scenarios"][key]


def test_the_keys_apart_have_an_effect_too():
    before = loaded(FULL)
    for key, value in (("api_key_file", "/k"), ("api_key_command", ["k"])):
        data = json.loads(json.dumps(FULL))
        del data["targets"]["t"]["api_key_env"]
        data["targets"]["t"][key] = value
        assert loaded(data) != before
    data = json.loads(json.dumps(FULL))
    data["targets"]["own"]["price"]["model"] = {"regex": "m"}
    assert loaded(data)["targets"] != before["targets"]
    for by in ("speed", "processing", "region"):
        data = json.loads(json.dumps(FULL))
        variant = data["targets"]["own"]["price"]["variants"][0]
        variant[by] = variant.pop("service_tier")
        assert loaded(data)["targets"] != before["targets"]
    data = json.loads(json.dumps(FULL))
    data["targets"]["cloud"]["credentials"] = "key"
    assert loaded(data)["targets"] != before["targets"]
    data = json.loads(json.dumps(FULL))
    data["targets"]["u"]["simulate"]["profile"] = "steady"
    data["scenarios"]["s"]["prompts"][1]["prompt"] = "r"
    turns = data["scenarios"]["other"]["prompts"][0]["messages"]
    turns[0]["content"][1]["image_url"]["url"] = "https://x.y/4.png"
    call = turns[1]["tool_calls"][0]
    call["id"] = turns[2]["tool_call_id"] = "d"
    call["function"] = {"name": "o", "arguments": '{"a": 1}'}
    after = loaded(data)
    (asked, called, answered) = after["scenarios"]["other"]["prompts"][0]["messages"]
    assert asked["images"][0]["url"] == "https://x.y/4.png"
    assert called["tool_calls"] == [{"id": "d", "name": "o", "arguments": '{"a": 1}'}]
    assert answered["tool_call_id"] == "d"
    assert after["targets"]["u"] != before["targets"]["u"]
    assert after["scenarios"]["s"]["prompts"][1] != before["scenarios"]["s"]["prompts"][1]


class Spied(dict):
    """A mapping that notes which keys it is asked for by name."""

    def __init__(self, content, asked):
        super().__init__(content)
        self.asked = asked

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self.asked.add(key)
        return super().__contains__(key)

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)


def spied(node, path, asked):
    if entries(node):
        here = asked.setdefault(path, set())
        content = {
            key: Entry(place=entry.place, node=spied(entry.node, step(path, key), asked))
            for key, entry in entries(node).items()
        }
        return Node(value=Spied(content, here), place=node.place, height=node.height)
    if items(node):
        inner = tuple(spied(item, (*path, "[]"), asked) for item in items(node))
        return Node(value=inner, place=node.place, height=node.height)
    return node


MAPS = {("targets",), ("scenarios",), ("targets", "*", "headers"), ("targets", "*", "params")}
MAPS |= {("scenarios", "*", "prompts", "[]", "variables"), ("targets", "*", "simulate")}
MAPS |= {("publish", "[]", "headers"), ("publish", "[]", "labels")}
MAPS |= {
    ("scenarios", "*", "tools", "[]", "parameters"),
    ("scenarios", "*", "tools", "[]", "function", "parameters"),
}


def step(path, key):
    return (*path, "*" if path in MAPS else key)


def test_the_loader_reads_every_key_of_the_schema_and_no_other():
    asked = {}
    findings = Findings()
    data = json.dumps(FULL).encode()
    root = spied(parse(data, file="p", findings=findings), (), asked)
    build(root, data, "p", FILES.__getitem__, PROVIDERS, findings)
    read = {
        ".".join((*path, key)) for path, keys in asked.items() if path not in MAPS for key in keys
    }
    simple = {f"scenarios.*.objectives.{name}" for name in (*TIMES, *SCHEDULED)}
    assert read - known_paths().keys() == set()
    # Constants: the schema refuses every other value.
    constants = {"scenarios.*.tools.[].type", f"{TURNS}.tool_calls.[].type"}
    assert known_paths().keys() - read - simple == {"version"} | constants


def test_objectives_are_the_times_of_the_catalogue():
    known = resolve(SCHEMA["$defs"]["scenario"]["properties"]["objectives"])["properties"]
    assert set(known) == {*TIMES, *SCHEDULED}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("confidence", True),
        ("baseline.history", 2.5),
        ("scenarios.*.title", "a\u2028b"),
        ("targets.*.region", ""),
        ("name", "a" * 64),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(path, value):
    data = changed(FULL, path, value)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(data)
    with pytest.raises(Exception, match=path.rpartition(".")[2]):
        loaded(data)


# --- the schema of the report -----------------------------------------------------------------

REPORT = json.loads(report_schema_text())

PLACE = Place(file="lens-gate.yaml", line=3, column=9)
VERDICT = Verdict(
    id="s/t/r/history", verdict="inconclusive", estimate=0.1, low=-0.1, high=0.4, n=20, reason="so"
)
ROW = Row(
    rule="r",
    scenario="s",
    target="t",
    metric="ttft",
    statistic="typ",
    unit="s",
    better="lower",
    gating=True,
    kind="relative",
    verdict=VERDICT,
    margin_from="default",
    policy_line="ttft.typ",
    place=PLACE,
)
NUMBERS = Statistics(n=20, censored=0, mean=1, typ=1, p50=1, p90=1, p95=1, p99=1, max=1)
CELL = CellReport(
    scenario="s",
    target="t",
    title="S",
    planned=20,
    measured=20,
    ok=19,
    failures={"timeout": 1},
    example_failure="",
    retried=0,
    end="complete",
    models=("m",),
    baselines=3,
    baseline_span="",
    changed=(),
    not_comparable=(),
    price="",
    spent_usd=Decimal("0.10"),
    metrics={"ttft": NUMBERS},
    history={"ttft.typ": (1.0, 1.1)},
    merged_share=0.0,
    notes=(),
)
THE_REPORT = Report(
    policy="p",
    policy_file="lens-gate.yaml",
    policy_sha256="0" * 64,
    run_id="r",
    created="20261121T021500Z",
    outcome="inconclusive",
    exit_code=0,
    headline="",
    next_step="",
    confidence=0.99,
    family=3,
    refs=Refs(mode="history", why="", trust_ref=None, control_ref=None, head=None, dirty=False),
    rows=(ROW,),
    cells=(CELL,),
    spend=Spend(
        spent_usd=Decimal("0.10"),
        peak_usd=Decimal("0.12"),
        cap_usd=Decimal("0.50"),
        requests=22,
        max_requests=100,
    ),
    elapsed_s=1.5,
    seed=7,
    changes=(Change(path="a", trusted="1", head="2", effect="measured"),),
    warnings=(),
    environment={"python": "3.11"},
    reproduce="",
    version="0.1.0",
)


def test_a_report_fits_its_schema():
    jsonschema.Draft202012Validator.check_schema(REPORT)
    jsonschema.validate(to_json(THE_REPORT), REPORT, cls=jsonschema.Draft202012Validator)


def test_the_schema_of_the_report_has_the_fields_of_the_record():
    pairs = {
        Report: REPORT,
        Row: REPORT["$defs"]["row"],
        Verdict: REPORT["$defs"]["verdict"],
        CellReport: REPORT["$defs"]["cell"],
        Statistics: REPORT["$defs"]["statistics"],
        Refs: REPORT["$defs"]["refs"],
        Spend: REPORT["$defs"]["spend"],
        Change: REPORT["$defs"]["change"],
        Place: REPORT["$defs"]["place"],
    }
    for record, schema in pairs.items():
        names = [field.name for field in dataclasses.fields(record)]
        assert sorted(schema["properties"]) == sorted(names), record
        assert sorted(schema["required"]) == sorted(names), record
        assert schema["additionalProperties"] is False


def test_the_words_of_the_report_are_those_of_the_record():
    words = {
        (Report, "outcome"): REPORT["properties"]["outcome"],
        (Verdict, "verdict"): REPORT["$defs"]["verdict"]["properties"]["verdict"],
        (Row, "unit"): REPORT["$defs"]["row"]["properties"]["unit"],
        (Row, "kind"): REPORT["$defs"]["row"]["properties"]["kind"],
        (Row, "better"): REPORT["$defs"]["row"]["properties"]["better"],
        (Row, "margin_from"): REPORT["$defs"]["row"]["properties"]["margin_from"],
        (Change, "effect"): REPORT["$defs"]["change"]["properties"]["effect"],
    }
    for (record, name), schema in words.items():
        hint = typing.get_type_hints(record)[name]
        assert sorted(typing.get_args(hint)) == sorted(schema["enum"]), name


def drop(path, document):
    *way, last = path
    for step_ in way:
        document = document[step_]
    del document[last]


def put(path, value, document):
    *way, last = path
    for step_ in way:
        document = document[step_]
    document[last] = value


@pytest.mark.parametrize(
    "spoil",
    [
        partial(drop, ("outcome",)),
        partial(drop, ("schema",)),
        partial(drop, ("rows", 0, "verdict", "p_worse")),
        partial(drop, ("cells", 0, "metrics", "ttft", "p99")),
        partial(put, ("spend", "spent_usd"), 0.1),
        partial(put, ("spend", "spent_usd"), "1e-3"),
        partial(put, ("elapsed_s",), "1.5"),
        partial(put, ("outcome",), "green"),
        partial(put, ("extra",), 1),
        partial(put, ("rows", 0, "verdict", "n"), None),
    ],
)
def test_the_schema_of_the_report_is_strict(spoil):
    document = json.loads(json.dumps(to_json(THE_REPORT)))
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, REPORT, cls=jsonschema.Draft202012Validator)

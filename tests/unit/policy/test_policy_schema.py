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

# A policy in which every key of the schema has a value that is not its default.
FULL = {
    "version": 1,
    "name": "full",
    "budget": {"max_usd": 2, "max_requests": 500, "max_duration": "9m"},
    "confidence": 0.9,
    "on_inconclusive": "fail",
    "baseline": {"compare": "history", "branch": "b", "history": 3, "dir": "d"},
    "allow_endpoints": [{"origin": "https://x.y", "api_key_env": "A"}],
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
    },
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
            "load": {"pattern": "closed", "concurrency": 3},
            "samples": {"min": 9, "max": 90, "warmup": 2},
            "objectives": {name: "1s" for name, m in CATALOGUE.items() if m.unit == "s"},
            "gates": [
                {
                    "id": "i",
                    "metric": "output_tokens.mean",
                    "max": 100,
                    "min": 10,
                    "max_drift": "50%",
                    "severity": "warn",
                    "assurance": "shown",
                    "targets": ["t"],
                }
            ],
        }
    },
}

# One other value for every key, by path; "*" stands for any key, "[]" for any entry.
OTHER = {
    "name": "other",
    "budget.max_usd": 3,
    "budget.max_requests": 501,
    "budget.max_duration": "10m",
    "confidence": 0.8,
    "on_inconclusive": "pass",
    "baseline.compare": "auto",
    "baseline.branch": "c",
    "baseline.history": 4,
    "baseline.dir": "e",
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
    "scenarios.*.load.concurrency": 4,
    "scenarios.*.samples.min": 10,
    "scenarios.*.samples.max": 91,
    "scenarios.*.samples.warmup": 3,
    **{f"scenarios.*.objectives.{n}": "2s" for n, m in CATALOGUE.items() if m.unit == "s"},
    "scenarios.*.gates.[].id": "j",
    "scenarios.*.gates.[].metric": "input_tokens.mean",
    "scenarios.*.gates.[].max": 101,
    "scenarios.*.gates.[].min": 11,
    "scenarios.*.gates.[].max_drift": "51%",
    "scenarios.*.gates.[].severity": "fail",
    "scenarios.*.gates.[].assurance": "point",
    "scenarios.*.gates.[].targets": ["u"],
}

# Keys whose effect can't be another value in the same place, with the change that shows it.
APART = {
    "version": "refuses every other value",
    "scenarios.*.load.pattern": "has one value so far",
    "scenarios.*.prompts.[].prompt": "stands in the other row",
    "targets.*.api_key_file": "in place of api_key_env",
    "targets.*.api_key_command": "in place of api_key_env",
    "targets.*.simulate": "stands in the other target",
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
    if "items" in schema:
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
    policy = load(text, file="p", read_file=lambda _: b"", providers=PROVIDERS)
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
    assert not validator.is_valid({**FULL, "watch": []})
    wrong = changed(FULL, "targets.*.retries", "x")
    assert not validator.is_valid(wrong)


def test_the_published_schema_holds_the_behaviour_of_the_simulator():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    bad = json.loads(json.dumps(FULL))
    bad["targets"]["u"]["simulate"] = {"profile": "none such"}
    assert not validator.is_valid(bad)


def test_every_object_is_closed_or_a_map():
    def check(schema, path):
        if isinstance(schema, dict):
            if schema.get("type") == "object" and path[-1] not in ("simulate", "params"):
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
    assert leaves | containers_with_values | {"scenarios.*.prompts.[].variables"} == (
        OTHER.keys() | APART.keys()
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


def test_the_keys_apart_have_an_effect_too():
    before = loaded(FULL)
    for key, value in (("api_key_file", "/k"), ("api_key_command", ["k"])):
        data = json.loads(json.dumps(FULL))
        del data["targets"]["t"]["api_key_env"]
        data["targets"]["t"][key] = value
        assert loaded(data) != before
    data = json.loads(json.dumps(FULL))
    data["targets"]["u"]["simulate"]["profile"] = "steady"
    data["scenarios"]["s"]["prompts"][1]["prompt"] = "r"
    after = loaded(data)
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


def step(path, key):
    return (*path, "*" if path in MAPS else key)


def test_the_loader_reads_every_key_of_the_schema_and_no_other():
    asked = {}
    findings = Findings()
    data = json.dumps(FULL).encode()
    root = spied(parse(data, file="p", findings=findings), (), asked)
    build(root, data, "p", lambda _: b"", PROVIDERS, findings)
    read = {
        ".".join((*path, key)) for path, keys in asked.items() if path not in MAPS for key in keys
    }
    simple = {"scenarios.*.objectives." + name for name in FULL["scenarios"]["s"]["objectives"]}
    assert read - known_paths().keys() == set()
    assert known_paths().keys() - read - simple == {"version"}


def test_objectives_are_the_times_of_the_catalogue():
    known = resolve(SCHEMA["$defs"]["scenario"]["properties"]["objectives"])["properties"]
    assert set(known) == {name for name, metric in CATALOGUE.items() if metric.unit == "s"}


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

import copy
import json
from dataclasses import fields
from typing import get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.sim import (
    BehaviourError,
    behaviour_from_mapping,
    behaviour_schema,
    behaviour_to_mapping,
)
from lens_gate.sim.keys import BEHAVIOUR, FAULT_KINDS
from lens_gate.sim.model import (
    PROFILES,
    Behaviour,
    Fault,
    FaultKind,
    Gaps,
    ModelFactors,
    Times,
    Tokens,
)

FULL = {
    "dialect": "anthropic",
    "flavor": "groq",
    "profile": "hosted",
    "model": "other-model",
    "ttft": {"median": "2s"},
    "gap": {"median": "10ms", "jitter": 0.2},
    "output_tokens": {"median": 50, "sigma": 0.3},
    "reasoning": {"tokens": {"fixed": 7}, "streamed": True, "field": "reasoning"},
    "tool_calls": "25%",
    "service_tier": "flex",
    "input_tokens": {"bytes_per_token": 3.5, "per_message": 4},
    "tokens_per_chunk": 4,
    "run_shift": {"ttft": 0.3},
    "drift": {"ttft": "5%", "gap": "-2.5%", "step": {"after": "20s", "factor": 1.4}},
    "time_scale": 0.1,
    "headers_delay": "first_token",
    "role_lead": "30ms",
    "keepalive": {"every": "100ms"},
    "prompt_cache": {"min_tokens": 64, "hit_speedup": 5},
    "usage": {"lying": 3},
    "ignore_token_limit": True,
    "framing": {"line_end": "crlf", "space": False, "multiline": True, "write_bytes": 3},
    "rate_limit": {"requests_per_minute": 60, "retry_after": "date"},
    "concurrency_limit": {"requests": 4, "beyond": "reject"},
    "cold_start": {"takes": "2s", "idle": "1m", "each_connection": True},
    "sigv4": {"access_key": "AKID", "secret_key": "not-a-secret"},
    "models": {"slower": {"ttft": 1.5, "gap": 2, "output_tokens": 0.5}, "same": {}},
    "faults": [
        {"kind": "status", "status": 429, "retry_after": "1.5", "every": 4, "shape": "array"},
        {"kind": "error_event", "after_chunks": 3, "rate": "5%", "shape": "string"},
        {"kind": "stall", "for": "2s", "at": [1, 4]},
        {"kind": "cut", "how": "reset", "every": 7},
        {"kind": "truncated", "every": 8},
        {"kind": "empty_200", "every": 9},
        {"kind": "no_usage", "every": 10},
        {"kind": "no_finish", "every": 11},
        {"kind": "comments", "every": 12},
        {"kind": "strange_events", "every": 12},
        {"kind": "slow_headers", "delay": "1s", "every": 13},
        {"kind": "not_streamed", "every": 14},
        {"kind": "cut", "after_bytes": 9, "every": 15},
        {"kind": "redirect", "to": "http://elsewhere.test/", "status": 308, "every": 16},
        {"kind": "wrong_type", "content_type": "text/html", "every": 17},
        {"kind": "endless_headers", "pause": "5ms", "every": 18},
        {"kind": "endless_stream", "every": 19},
        {"kind": "huge_line", "bytes": 5000, "every": 20},
        {"kind": "slow_drip", "pause": "1ms", "after_chunks": 1, "every": 21},
        {"kind": "invalid_utf8", "every": 22},
        {"kind": "gzip", "every": 23},
        {"kind": "bomb", "bytes": 100000, "every": 24},
        {"kind": "broken_chunking", "every": 25},
        {"kind": "garbage_after", "every": 26},
        {"kind": "empty_200", "model": "slower", "every": 28},
        {"kind": "bad_crc", "which": "prelude", "every": 27},
    ],
    "api_key": "sk-not-a-secret",
}


def problems_of(data):
    with pytest.raises(BehaviourError) as caught:
        behaviour_from_mapping(data)
    return caught.value.problems


def test_nothing_given_is_the_steady_profile():
    assert behaviour_from_mapping({}) == PROFILES["steady"]


def test_given_keys_replace_single_values_of_the_profile():
    behaviour = behaviour_from_mapping({"profile": "hosted", "ttft": {"median": "2s"}})
    hosted = PROFILES["hosted"]
    assert behaviour.ttft.median_s == 2.0
    assert behaviour.ttft.sigma == hosted.ttft.sigma
    assert behaviour.ttft.slow_rate == hosted.ttft.slow_rate
    assert behaviour.gap == hosted.gap


def test_fixed_drops_the_noise_of_the_profile():
    behaviour = behaviour_from_mapping(
        {
            "profile": "hosted",
            "ttft": {"fixed": "1s"},
            "gap": {"fixed": "5ms"},
            "output_tokens": {"fixed": 9},
        }
    )
    assert behaviour.ttft == Times(median_s=1.0)
    assert behaviour.gap == Gaps(times=Times(median_s=0.005))
    assert behaviour.output_tokens == Tokens(median=9)


def test_every_key_arrives():
    behaviour = behaviour_from_mapping(FULL)
    untouched = {
        field.name
        for field in fields(Behaviour)
        if getattr(behaviour, field.name) == getattr(PROFILES["steady"], field.name)
    }
    assert untouched == {"api_key_env"}
    assert behaviour.drift.gap == -0.025
    assert behaviour.headers_delay_s is None
    assert behaviour.faults[2] == Fault(kind="stall", at=(1, 4), for_s=2.0)
    assert behaviour.usage.factor == 3
    assert behaviour.models["slower"] == ModelFactors(ttft=1.5, gap=2.0, output_tokens=0.5)
    assert behaviour.models["same"] == ModelFactors()
    assert behaviour.faults[-2].model == "slower"
    assert behaviour.faults[-1] == Fault(kind="bad_crc", which="prelude", every=27)


def test_a_redirect_keeps_the_method_unless_told_otherwise():
    fault = {"kind": "redirect", "to": "http://x/", "every": 1}
    assert behaviour_from_mapping({"faults": [fault]}).faults[0].status == 307


def test_the_key_is_not_in_the_repr():
    assert "not-a-secret" not in repr(behaviour_from_mapping(FULL))


@pytest.mark.parametrize("data", [FULL, *({"profile": name} for name in PROFILES)])
def test_round_trip(data):
    behaviour = behaviour_from_mapping(data)
    mapping = behaviour_to_mapping(behaviour)
    assert behaviour_from_mapping(json.loads(json.dumps(mapping))) == behaviour
    jsonschema.validate(mapping, behaviour_schema())


@given(
    share=st.floats(0, 100).map(lambda x: f"{x:.6f}%"),
    change=st.floats(-99.9, 900).map(lambda x: f"{x:.3f}%"),
    time=st.floats(0, 80000).map(lambda x: f"{x:.7f}ms"),
    usage=st.sampled_from(["full", "missing", {"lying": 0.3}]),
)
def test_round_trip_is_exact(share, change, time, usage):
    behaviour = behaviour_from_mapping(
        {
            "ttft": {"slow_rate": share, "median": time},
            "drift": {"gap": change},
            "usage": usage,
            "headers_delay": time,
            "faults": [{"kind": "cut", "rate": share}],
        }
    )
    assert behaviour_from_mapping(behaviour_to_mapping(behaviour)) == behaviour


@pytest.mark.parametrize(
    ("data", "path", "word"),
    [
        ("hosted", (), "not a mapping"),
        ({"profil": "hosted"}, ("profil",), "did you mean 'profile'"),
        ({3: 1}, ("3",), "unknown key 3"),
        ({"zzz": 1}, ("zzz",), "known keys: api_key"),
        ({"profile": "cloud"}, ("profile",), "steady, hosted, selfhost"),
        ({"profile": []}, ("profile",), "not one of"),
        ({"ttft": "250ms"}, ("ttft",), "not a mapping"),
        ({"ttft": {"median": 250}}, ("ttft", "median"), "a duration such as"),
        ({"ttft": {"median": "250"}}, ("ttft", "median"), "is not a duration"),
        ({"ttft": {"median": "2d"}}, ("ttft", "median"), "longer than 1d"),
        ({"ttft": {"fixed": "1s", "sigma": 1}}, ("ttft",), "stands alone"),
        ({"gap": {"fixed": "1s", "jitter": 1}}, ("gap",), "stands alone"),
        ({"gap": {"jitter": 9}}, ("gap", "jitter"), "at most 5"),
        ({"gap": 5}, ("gap",), "not a mapping"),
        ({"ttft": {"slow_rate": "101%"}}, ("ttft", "slow_rate"), "more than 100%"),
        ({"ttft": {"slow_rate": 0.1}}, ("ttft", "slow_rate"), "a share such as"),
        ({"ttft": {"sigma": float("nan")}}, ("ttft", "sigma"), "at least 0"),
        ({"ttft": {"sigma": 10**400}}, ("ttft", "sigma"), "..."),
        ({"ttft": {"sigma": True}}, ("ttft", "sigma"), "not a number"),
        ({"output_tokens": {"fixed": 0}}, ("output_tokens", "fixed"), "between 1"),
        ({"output_tokens": {"fixed": 1.5}}, ("output_tokens", "fixed"), "whole number"),
        ({"output_tokens": 5}, ("output_tokens",), "not a mapping"),
        ({"reasoning": {}}, ("reasoning",), "'tokens' is missing"),
        ({"reasoning": None}, ("reasoning",), "not a mapping"),
        ({"reasoning": {"tokens": {"sigma": 1}}}, ("reasoning", "tokens"), "is missing"),
        ({"drift": {"ttft": "-100%"}}, ("drift", "ttft"), "leaves nothing"),
        ({"drift": {"ttft": "2000%"}}, ("drift", "ttft"), "more than 1000%"),
        ({"drift": {"step": {"factor": 2}}}, ("drift", "step"), "'after' is missing"),
        ({"time_scale": 0}, ("time_scale",), "above 0"),
        ({"keepalive": {"every": "0s"}}, ("keepalive", "every"), "longer than 0s"),
        ({"keepalive": {}}, ("keepalive",), "'every' is missing"),
        ({"usage": "lying"}, ("usage",), "full, missing"),
        ({"usage": {}}, ("usage",), "'lying' is missing"),
        ({"ignore_token_limit": 1}, ("ignore_token_limit",), "true or false"),
        ({"rate_limit": {}}, ("rate_limit",), "is missing"),
        ({"rate_limit": {"retry_after": "ms"}}, ("rate_limit",), "is missing"),
        ({"flavor": "vlm"}, ("flavor",), "not one of"),
        ({"cold_start": {"idle": "1s"}}, ("cold_start",), "'takes' is missing"),
        ({"sigv4": {"access_key": "A"}}, ("sigv4",), "'secret_key' is missing"),
        ({"faults": [{"kind": "redirect", "every": 1}]}, ("faults", 0), "'to' is missing"),
        ({"faults": [{"kind": "slow_drip", "every": 1}]}, ("faults", 0), "'pause' is missing"),
        ({"rate_limit": 3}, ("rate_limit",), "not a mapping"),
        ({"concurrency_limit": {"beyond": "queue"}}, ("concurrency_limit",), "'requests'"),
        ({"headers_delay": "later"}, ("headers_delay",), "is not a duration"),
        ({"model": 4}, ("model",), "not a text"),
        ({"api_key": "clé"}, ("api_key",), "plain ASCII"),
        ({"api_key": ""}, ("api_key",), "must not be empty"),
        ({"api_key": "a", "api_key_env": "B"}, ("api_key_env",), "only one"),
        ({"faults": {}}, ("faults",), "not a list"),
        ({"faults": [3]}, ("faults", 0), "'kind' is one of"),
        ({"faults": [{"kind": []}]}, ("faults", 0), "'kind' is one of"),
        ({"faults": [{"kind": "cut"}]}, ("faults", 0), "exactly one of"),
        ({"faults": [{"kind": "cut", "every": 1, "at": [1]}]}, ("faults", 0), "exactly one"),
        ({"faults": [{"kind": "cut", "at": []}]}, ("faults", 0, "at"), "list of request numbers"),
        ({"faults": [{"kind": "cut", "at": [0]}]}, ("faults", 0, "at", 0), "between 1"),
        ({"faults": [{"kind": "stall", "every": 2}]}, ("faults", 0), "'for' is missing"),
        (
            {"faults": [{"kind": "cut", "every": 2, "status": 500}]},
            ("faults", 0, "status"),
            "unknown key",
        ),
    ],
)
def test_each_problem_has_its_path_and_reason(data, path, word):
    found = problems_of(data)
    assert any(p == path and word in message for p, message in found), found


def test_all_problems_come_at_once_with_their_places():
    with pytest.raises(BehaviourError) as caught:
        behaviour_from_mapping(
            {"time_scale": -1, "faults": [{"kind": "stall"}], "typo": 1}, source="sim.json"
        )
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "sim.json.time_scale",
        "sim.json.faults[0]",
        "sim.json.faults[0]",
        "sim.json.typo",
    ]


def test_messages_never_repeat_a_key():
    assert "hünter2" not in str(problems_of({"api_key": "hünter2"}))


def test_messages_stay_short_whatever_the_value():
    (problem,) = problems_of({"dialect": "x" * 100_000})
    assert len(problem[1]) < 200


def test_schema_is_valid_and_names_the_same_keys():
    schema = behaviour_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(BEHAVIOUR)
    kinds = {
        fault["properties"]["kind"]["const"]: set(fault["properties"]) - {"kind"}
        for fault in schema["$defs"]["fault"]["oneOf"]
    }
    when = {"every", "rate", "at", "model"}
    assert kinds == {kind: {*when, *keys} for kind, keys in FAULT_KINDS.items()}
    assert set(kinds) == set(get_args(FaultKind))


def test_every_key_of_the_schema_is_described():
    def walk(node, path):
        if isinstance(node, dict):
            for name, child in node.get("properties", {}).items():
                assert len(child.get("description", "")) > 5, (*path, name)
            for name, child in node.items():
                walk(child, (*path, name))
        elif isinstance(node, list):
            for i, child in enumerate(node):
                walk(child, (*path, i))

    walk(behaviour_schema(), ())


def _paths(node, path=()):
    yield path
    children = node.items() if isinstance(node, dict) else ()
    for key, child in enumerate(node) if isinstance(node, list) else children:
        yield from _paths(child, (*path, key))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 1200),
    st.floats(-2, 20).filter(lambda x: x != int(x)),
    st.sampled_from(
        ["1s", "250ms", "-1s", "5%", "-5%", "120%", "full", "lf", "x", "", "é", "first_token"]
    ),
    st.sampled_from([[], {}, [1], [0], {"fixed": 3}, {"fixed": "3s"}, {"every": "1s"}]),
)


@given(path=st.sampled_from([p for p in _paths(FULL) if p]), value=VALUES, drop=st.booleans())
def test_the_reader_and_the_schema_agree(path, value, drop):
    data = copy.deepcopy(FULL)
    node = data
    for step in path[:-1]:
        node = node[step]
    if drop:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    valid = jsonschema.Draft202012Validator(behaviour_schema()).is_valid(data)
    try:
        behaviour_from_mapping(data)
    except BehaviourError:
        assert not valid
    else:
        assert valid

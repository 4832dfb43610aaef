"""``publish``: what each sink takes, where the problem stands, and that no secret gets in."""

import json
import re
from pathlib import Path

import pytest

from lens_gate.flows import outputs
from lens_gate.policy import load, overlay
from lens_gate.policy.publishing import _OWN_LABELS, KNOWN_FORMATS, OWN_FILES
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.destination import EVENTS, SINK_KINDS, Destination

KEY = "sk-proj-abcdefghij0123456789XYZ"


@pytest.fixture
def with_sinks(small):
    """A policy with these lines of YAML below ``publish``, which stand from line 4 on."""

    def make(*sinks):
        lines = small.splitlines()
        listed = [f"  - {sink}" for sink in sinks]
        return "\n".join([*lines[:2], "publish:", *listed, *lines[2:]]) + "\n"

    return make


@pytest.fixture
def problem(with_sinks, only_problem):
    def one(*sinks):
        found = only_problem(with_sinks(*sinks))
        assert found.file == "lens-gate.yaml"
        return found

    return one


def test_every_kind_with_what_it_needs(with_sinks, load_text):
    policy = load_text(
        with_sinks(
            "{to: file, path: lens-gate.prom, format: prometheus}",
            '{to: http, url: "https://x.y/hook?kind=gate", headers: {X-A: b, X-B: {env: C}}}',
            '{to: pushgateway, url: "http://10.0.0.1:9091", username_env: U, password_env: P}',
            '{to: influxdb, url: "https://x.y", bucket: b, org: o, token_env: T, live: true}',
            '{to: otlp, url: "https://x.y", labels: {team: x}, events: [push], timeout: 3s}',
        )
    )
    file, http, gateway, influx, otlp = policy.publish
    assert file == Destination(to="file", path="lens-gate.prom", format="prometheus")
    assert (http.url, http.headers, http.header_env) == (
        "https://x.y/hook?kind=gate",
        {"X-A": "b"},
        {"X-B": "C"},
    )
    assert http.where == "https://x.y/hook"
    assert (gateway.format, gateway.username_env, gateway.password_env) == ("prometheus", "U", "P")
    assert (influx.format, influx.bucket, influx.org, influx.live) == ("influx", "b", "o", True)
    assert (otlp.labels, otlp.events, otlp.timeout_s) == ({"team": "x"}, ("push",), 3.0)
    assert http.events == EVENTS
    assert http.format == "json"
    assert http.timeout_s == 10.0


def test_a_policy_without_it_pushes_nowhere(small, load_text):
    assert load_text(small).publish == ()


@pytest.mark.parametrize(
    ("sink", "column", "message"),
    [
        ("{to: influx}", 10, "to must be file, http, pushgateway, influxdb or otlp"),
        ('{to: otlp, "url": 5}', 23, "url must be an address"),
        ("{to: otlp}", 5, "otlp needs url"),
        ("{to: file}", 5, "file needs path"),
        ('{to: file, path: a, url: "https://x.y"}', 25, "file takes no 'url'"),
        ('{to: http, url: "https://x.y", database: d}', 36, "http takes no 'database'"),
        ('{to: http, url: "https://x.y", labels: {a: b}}', 36, "http takes no 'labels'"),
        ('{to: pushgateway, url: "https://x.y", live: true}', 43, "pushgateway takes no 'live'"),
        ('{to: influxdb, url: "https://x.y"}', 5, "influxdb needs database or bucket"),
        ('{to: influxdb, url: "https://x.y", database: d, bucket: b}', 5, "bucket, not both"),
        ('{to: influxdb, url: "https://x.y", database: d, org: o}', 53, "org goes with bucket"),
        (
            '{to: influxdb, url: "https://x.y", bucket: b, retention_policy: r}',
            51,
            "retention_policy goes with database",
        ),
        ('{to: pushgateway, url: "https://x.y", format: influx}', 51, "takes no format 'influx'"),
        ('{to: http, url: "https://x.y", format: xml}', 44, "there is no format 'xml'"),
        ("{to: file, path: a, live: true, format: csv}", 45, "a file streams jsonl"),
        ('{to: otlp, url: "ftp://x.y"}', 21, "url does not start with https:// or http://"),
        ('{to: otlp, url: "https://x.y?a=b"}', 21, "url has a part after '?' or '#'"),
        ('{to: otlp, url: "https://u:p@x.y"}', 21, "url holds a user name or password"),
        ('{to: http, url: "https://x.y/a?b#c"}', 21, "url has a character that no query holds"),
        ('{to: http, url: "https://x.y/a?b=c d"}', 21, "url has a character that no query holds"),
        (
            '{to: http, url: "https://x.y/a?k=a1b2c3d4e5f6g7h8i9j0k1l2m3n4"}',
            21,
            "the query of this url looks like it holds a secret",
        ),
        ('{to: otlp, url: "http://x.y", token_env: T}', 21, "unencrypted over plain http"),
        ('{to: otlp, url: "http://x.y", headers: {A: {env: T}}}', 21, "unencrypted over plain"),
        (
            '{to: otlp, url: "https://x.y", username_env: U}',
            36,
            "username_env needs password_env",
        ),
        (
            '{to: otlp, url: "https://x.y", password_env: U}',
            36,
            "password_env needs username_env",
        ),
        (
            '{to: otlp, url: "https://x.y", token_env: T, username_env: U, password_env: P}',
            36,
            "there are a token and a password",
        ),
        (
            '{to: otlp, url: "https://x.y", token_env: T, headers: {authorization: {env: A}}}',
            36,
            "the key is sent twice",
        ),
        ('{to: otlp, url: "https://x.y", labels: {event: b}}', 45, "the label 'event' is set"),
        ('{to: otlp, url: "https://x.y", labels: {policy: b}}', 45, "the label 'policy' is set"),
        ('{to: otlp, url: "https://x.y", labels: {time: b}}', 45, "the label 'time' is set"),
        ('{to: otlp, url: "https://x.y", labels: {arm: b}}', 45, "the label 'arm' is set"),
        ('{to: pushgateway, url: "https://x.y", labels: {le: b}}', 52, "the label 'le' is set"),
        ('{to: pushgateway, url: "https://x.y", labels: {job: b}}', 52, "the label 'job' is set"),
        ('{to: otlp, url: "https://x.y", labels: {__a: b}}', 45, "the label '__a' is set"),
        ('{to: otlp, url: "https://x.y", labels: {a-b: c}}', 45, "the key 'a-b' must be letters"),
        ('{to: otlp, url: "https://x.y", labels: {a: [b]}}', 48, "must be a text of one line"),
        ('{to: otlp, url: "https://x.y", timeout: 3m}', 45, "timeout is above 120s"),
        ('{to: otlp, url: "https://x.y", timeout: 0s}', 45, "a duration must be above zero"),
        ('{to: otlp, url: "https://x.y", events: [tag]}', 45, "must be pull_request, merge_queue"),
        ("{to: file, path: ../a}", 22, "path leads out of its folder"),
        ("{to: file, path: /}", 22, "path names no file"),
        ("{to: file, path: a/}", 22, "path names no file"),
        ("{to: file, path: report.json}", 22, "report.json is a file of the gate's own"),
        ("{to: file, path: ./Run.jsonl}", 22, "is a file of the gate's own"),
        ('{to: otlp, url: "https://x.y", tocken_env: T}', 36, "has no key 'tocken_env'"),
    ],
)
def test_a_mistake_is_told_once_where_it_stands(sink, column, message, problem):
    found = problem(sink)
    assert message in found.message
    assert (found.line, found.column) == (4, column)


def test_a_secret_in_the_open_is_told_and_never_repeated(with_sinks, problems_of):
    for sink in (
        f'{{to: otlp, url: "https://x.y", token: {KEY}}}',
        f'{{to: otlp, url: "https://x.y", headers: {{X-A: {KEY}}}}}',
        f'{{to: influxdb, url: "https://x.y", bucket: {KEY}}}',
    ):
        found = problems_of(with_sinks(sink))
        assert found
        assert all(KEY not in str(p) + p.hint for p in found)
    (first, *_) = problems_of(with_sinks('{to: otlp, url: "https://x.y", token: abc}'))
    assert "write token_env with a variable's name" in first.hint


def test_two_sinks_do_not_share_a_file(problem):
    found = problem("{to: file, path: a.prom}", "{to: file, path: a.prom, format: csv}")
    assert "two sinks write this file" in found.message
    assert found.line == 5


def test_a_format_of_a_plug_in_is_for_the_plug_in_to_have(with_sinks, load_text):
    text = with_sinks('{to: http, url: "https://x.y", format: of-my-own}')
    assert load_text(text + "plugins: [some]\n").publish[0].format == "of-my-own"


def test_a_live_file_is_of_json_lines(with_sinks, load_text):
    (sink,) = load_text(with_sinks("{to: file, path: a, live: true}")).publish
    assert sink.format == "jsonl"


def test_plain_http_is_for_what_is_near_or_needs_no_secret(with_sinks, load_text):
    for url, rest in (
        ("http://x.y", ""),
        ("http://localhost:4318", ", token_env: T"),
        ("http://192.168.1.2:4318", ", token_env: T"),
    ):
        assert load_text(with_sinks(f'{{to: otlp, url: "{url}"{rest}}}')).publish


def test_the_files_of_the_gate_are_known():
    written = {
        *outputs._OF_REPORT,
        outputs.RUN_FILE,
        f"{outputs.RUN_FILE}.1",
    }
    assert written == OWN_FILES


def test_no_label_is_one_that_a_series_has():
    """Of two series that differ by it alone a Pushgateway would make one."""
    page = (Path(__file__).parents[3] / "docs" / "exporters.md").read_text("utf-8")
    rows = re.findall(r"^\| `lens_gate_\w+` \|(?: [a-z]+ \|)?([^|]+)\|", page, re.MULTILINE)
    used = {label for row in rows for label in re.findall(r"`(\w+)`", row)}
    assert len(rows) > 60
    assert {"policy", "statistic", "arm", "part", "phase"} <= used
    assert {*used, "le"} <= _OWN_LABELS


def test_every_kind_takes_formats_that_there_are():
    for kind in SINK_KINDS.values():
        assert {*kind.formats, kind.default_format} <= KNOWN_FORMATS
        assert not kind.live or kind.live in KNOWN_FORMATS


def test_what_a_head_changes_takes_effect_after_merge():
    def read(publish):
        document = {
            "version": 1,
            "name": "p",
            "budget": {"max_usd": 1, "max_requests": 100, "max_duration": "1m"},
            "publish": publish,
            "targets": {"t": {"provider": "openai", "model": "gpt-4.1-mini"}},
            "scenarios": {"s": {"targets": ["t"], "prompts": ["Hi"]}},
        }
        text = json.dumps(document).encode()
        return load(text, file="p", read_file=lambda _: b"", providers=PROVIDERS)

    trusted = read([{"to": "otlp", "url": "https://ours.example", "token_env": "OURS"}])
    for theirs, shown in (
        ([{"to": "otlp", "url": "https://theirs.example", "token_env": "OURS"}], "theirs.example"),
        ([], "none"),
        ([{"to": "otlp", "url": "https://ours.example"}], "other settings"),
    ):
        merged, (change,) = overlay(trusted, read(theirs))
        assert merged.publish == trusted.publish
        assert (change.path, change.effect) == ("publish", "after_merge")
        assert change.trusted == "otlp at https://ours.example"
        assert shown in change.head

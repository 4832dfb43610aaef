"""GitLab's links and metrics reports: by its own rules, and by Prometheus' parsers."""

import json
import math
import re
import shlex

import jsonschema
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as exposition

from lens_gate.render.cases import digits
from lens_gate.render.gitlab_report import MOST_LINKS, gitlab_annotations, metrics

# GitLab: an object of lists; a name is a column of 255 characters, an item holds one link.
ANNOTATIONS = {
    "type": "object",
    "maxProperties": 20,
    "propertyNames": {"minLength": 1, "maxLength": 255},
    "additionalProperties": {
        "type": "array",
        "minItems": 1,
        "maxItems": 1000,
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["external_link"],
            "properties": {
                "external_link": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["label", "url"],
                    "properties": {
                        "label": {"type": "string", "minLength": 1, "maxLength": 255},
                        "url": {"type": "string", "pattern": "^https?://[^\\s\"'<>]+$"},
                    },
                }
            },
        },
    },
}


def links_of(report, links):
    found = json.loads(gitlab_annotations(report, links))
    jsonschema.Draft202012Validator(ANNOTATIONS).validate(found)
    return found


def as_gitlab_reads(text):
    """Its own reader: what follows a number sign is a comment; words as a shell parts them."""
    found = {}
    for line in text.splitlines():
        name, *values = shlex.split(re.sub(r"#.*$", "", line)) or [""]
        if name and values:
            assert name not in found
            assert len(values) == 1  # all but the first would be lost
            found[name] = values[0]
    return found


def samples_of(text, parse):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def read(report):
    """What all three readers of a metrics report agree on."""
    text = metrics(report).decode()
    strict = samples_of(text, openmetrics)
    assert strict == samples_of(text, exposition)
    gitlab = as_gitlab_reads(text)
    assert len(gitlab) == len(strict)
    assert sorted(map(float, gitlab.values())) == sorted(strict.values())
    return strict, gitlab


def test_links_stand_below_the_gate_and_its_outcome(reports):
    links = {"The job": "https://gitlab.example/g/p/-/jobs/1", "Policy": "http://x.example/#L3"}
    assert links_of(reports["not_measured"], links) == {
        "lens-gate demo: not measured": [
            {"external_link": {"label": label, "url": url}} for label, url in links.items()
        ]
    }


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "//evil.example",
        "https://",
        "https://a b",
        "https://a\nb",
        "https://a'b",
        'https://a"b',
        "https://a<b",
        "https://é.example",
        "https://x/" + "x" * 2000,
    ],
)
def test_what_is_no_link_is_left_out(reports, url):
    assert links_of(reports["passed"], {"x": url}) == {}
    assert len(links_of(reports["passed"], {"x": url, "y": "https://y"})) == 1


def test_links_are_bounded(reports):
    links = {f"{n}{'x' * 300}": "https://x.example" for n in range(2000)}
    ((_, items),) = links_of(reports["passed"], links).items()
    assert len(items) == MOST_LINKS


def test_every_report_is_read_alike_by_all(named_report):
    _, report = named_report
    strict, _ = read(report)
    assert strict["lens_gate_spent_usd", ()] == pytest.approx(
        float(report.spend.spent_usd), rel=0.05
    )
    heads = [name for name, _ in strict if name.startswith("lens_gate_head_")]
    known = {
        (r.scenario, r.target, r.metric, r.statistic)
        for r in report.rows
        if r.verdict.head_value is not None
    }
    assert len(heads) == len(known)


def test_the_values_are_those_of_the_rows(reports):
    strict, gitlab = read(reports["duet_failed"])
    labels = (("cell", "chat/quick"), ("metric", "ttft.typ"))
    assert strict["lens_gate_head_seconds", labels] == pytest.approx(0.068)
    assert strict["lens_gate_change_ratio", labels] == pytest.approx(0.52)
    assert strict["lens_gate_failed_checks", ()] == 1
    assert gitlab["lens_gate_head_usd{cell=chat/quick,metric=cost_usd.mean}"] == "0.00024"
    assert gitlab["lens_gate_head_ratio{cell=chat/quick,metric=error_rate}"] == "0"
    names = {name for name, _ in strict}
    assert names == {
        "lens_gate_change_ratio",
        "lens_gate_failed_checks",
        "lens_gate_head_ratio",
        "lens_gate_head_seconds",
        "lens_gate_head_usd",
        "lens_gate_spent_usd",
    }


def test_what_is_not_known_has_no_line(build):
    rows = [
        build.row(verdict=build.verdict("no_data")),
        build.limit("e2e", "p90", "pass", 1.0, 2.0, low=0.9, high=1.1),
    ]
    strict, _ = read(build.report(rows=rows))
    assert {name for name, _ in strict} == {
        "lens_gate_head_seconds",
        "lens_gate_failed_checks",
        "lens_gate_spent_usd",
    }


def test_waived_and_warning_failures_are_not_counted(build):
    fail = build.verdict("fail")
    rows = [
        build.row(verdict=fail),
        build.row("e2e", verdict=fail, gating=False),
        build.row("itl", verdict=fail, waived="until Monday"),
    ]
    strict, _ = read(build.report("failed", rows=rows))
    assert strict["lens_gate_failed_checks", ()] == 1


@pytest.mark.parametrize(
    ("unit", "word"),
    [
        ("s", "seconds"),
        ("tokens", "tokens"),
        ("usd", "usd"),
        ("share", "ratio"),
        ("tokens/s", "tokens_per_second"),
        ("requests/s", "requests_per_second"),
    ],
)
def test_every_unit_is_a_word_at_the_names_end(build, unit, word):
    row = build.row(unit=unit, verdict=build.verdict(head_value=1.0, estimate=0.1))
    strict, _ = read(build.report(rows=[row]))
    (name,) = (name for name, _ in strict if "_head_" in name)
    assert name == f"lens_gate_head_{word}"


def test_two_rules_on_one_number_are_one_line(build):
    rows = [
        build.drift("ttft", "typ", "pass", 0.04, 0.1),
        build.limit("ttft", "typ", "pass", 0.044, 1.0, low=0.04, high=0.05, rule="other"),
    ]
    strict, _ = read(build.report(rows=rows))
    assert sum("_head_" in name for name, _ in strict) == 1


@pytest.mark.parametrize(
    ("number", "most", "text"),
    [
        (0, 2, "0"),
        (-0.0, 2, "0"),
        (0.0450001, 2, "0.045"),
        (0.0454, 2, "0.045"),
        (0.10, 2, "0.1"),
        (99.6, 2, "100"),
        (1512, 2, "1500"),
        (1e-9, 2, "0.000000001"),
        (-0.123456789, 6, "-0.123457"),
        (1e20, 2, "1" + "0" * 20),
        (5e-324, 2, None),
    ],
)
def test_numbers_are_written_out(number, most, text):
    found = digits(number, most)
    assert text is None or found == text
    assert math.isclose(float(found), number, rel_tol=0.06, abs_tol=0)
    assert not set(found) - set("-.0123456789")

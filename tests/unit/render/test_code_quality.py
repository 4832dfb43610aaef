"""GitLab's code-quality report, by a schema of its documented fields, and its reader's habits."""

import json
from dataclasses import replace

import jsonschema
import pytest

from lens_gate.records.policy import Place
from lens_gate.render.code_quality import code_quality

# The documented fields, in our words; stricter than GitLab, which stops at the first strange entry.
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1, "maxLength": 1000},
            "check_name": {"type": "string", "minLength": 1, "maxLength": 200},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "minLength": 1, "pattern": "^(?![/.]/?)"},
                    "lines": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def read(report, head_lines=None):
    found = json.loads(code_quality(report, head_lines))
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    prints = [entry["fingerprint"] for entry in found]
    assert len(set(prints)) == len(prints)  # GitLab shows the first of equal ones alone
    return found


def test_every_report_is_valid(named_report):
    _, report = named_report
    bad = [r for r in report.rows if r.name in ("fail", "no_data")]
    assert len(read(report)) == len(bad)


def test_an_entry_says_what_and_where(build):
    row = build.pairs("ttft", "typ", "fail", 0.045, 0.52)
    lines = {"lens-gate.yaml": ["x"] * 20 + ["      - {metric: ttft.typ}  ", "y"]}
    (entry,) = read(build.report("failed", rows=[row]), lines)
    fingerprint = entry.pop("fingerprint")
    assert len(fingerprint) == 64
    assert entry == {
        "description": (
            "chat/quick ttft-typ: TTFT typ, relative: fail: worse than the control: +52% over "
            "36 pairs (p = 0.0003 ≤ 0.01)"
        ),
        "check_name": "lens-gate/ttft-typ: TTFT typ, relative",
        "severity": "critical",
        "location": {"path": "lens-gate.yaml", "lines": {"begin": 21}},
    }


@pytest.mark.parametrize(
    ("lines", "begin"),
    [
        (None, 1),
        ({}, 1),
        ({"other.yaml": ["- {metric: ttft.typ}"] * 30}, 1),
        ({"lens-gate.yaml": ["- {metric: ttft.typ}"] * 30}, 21),
        ({"lens-gate.yaml": ["- {metric: ttft.typ}"] * 21}, 21),
        ({"lens-gate.yaml": ["- {metric: ttft.typ}"] * 20}, 1),
        ({"lens-gate.yaml": ["- {metric: ttft.typ, max: 9s}"] * 30}, 1),
    ],
)
def test_a_line_is_named_only_where_the_head_has_that_line(build, lines, begin):
    row = build.row(verdict=build.verdict("fail"))
    (entry,) = read(build.report("failed", rows=[row]), lines)
    assert entry["location"]["lines"]["begin"] == begin


def test_a_rule_without_a_place_stands_at_the_top(build):
    row = build.row(
        verdict=build.verdict("fail"), place=Place(file="a.yaml", line=0, column=0), policy_line=""
    )
    (entry,) = read(build.report("failed", rows=[row]), {"a.yaml": ["", ""]})
    assert entry["location"] == {"path": "a.yaml", "lines": {"begin": 1}}


@pytest.mark.parametrize(
    ("verdict", "given", "code", "severity"),
    [
        ("fail", {}, 1, "critical"),
        ("fail", {"gating": False}, 0, "minor"),
        ("fail", {"waived": "until Monday"}, 0, "info"),
        ("no_data", {}, 5, "major"),
        ("no_data", {"gating": False}, 0, "minor"),
        ("inconclusive", {}, 3, "major"),
        ("inconclusive", {"gating": False}, 3, None),
        ("inconclusive", {}, 0, None),
        ("new", {"kind": "new"}, 0, None),
        ("pass", {}, 0, None),
        ("improved", {}, 0, None),
    ],
)
def test_how_bad_it_is(build, verdict, given, code, severity):
    row = build.row(verdict=build.verdict(verdict), **given)
    found = read(build.report(rows=[row], exit_code=code))
    assert [entry["severity"] for entry in found] == ([severity] if severity else [])


def test_a_fingerprint_is_the_rules_own_and_no_runs(build):
    row = build.drift("ttft", "typ", "fail", 0.045, 3.07)

    def mark(row, **given):
        return read(build.report("failed", rows=[row], **given))[0]["fingerprint"]

    same = build.drift("ttft", "typ", "no_data", 0.05, 1.0, margin=0.1, gating=False)
    moved = replace(row, place=replace(row.place, line=99), policy_line="other", mode="duet")
    assert mark(row) == mark(same) == mark(moved) == mark(row, seed=1, run_id="x")
    others = [
        mark(replace(row, rule="other")),
        mark(replace(row, scenario="other")),
        mark(replace(row, target="other")),
        mark(replace(row, kind="absolute")),
        mark(replace(row, place=replace(row.place, file="other.yaml"))),
        mark(row, policy="other"),
    ]
    assert len({mark(row), *others}) == 7


def test_equal_names_have_fingerprints_of_their_own(build):
    rows = [build.limit("goodput", "", "fail", 0.5, x, low=0.4, high=0.6) for x in (0.8, 0.9)]
    assert len(read(build.report("failed", rows=rows))) == 2


def test_a_text_holds_nothing_that_gitlab_shows_otherwise(build):
    """Its page takes the text for HTML, and ``%{strong_start}`` for a tag."""
    reason = "<b>bold</b> & %{danger_start} p <= 0.01, 2 >= 1 &lt;"
    row = build.row(verdict=build.verdict("fail", reason=reason))
    (entry,) = read(build.report("failed", rows=[row]))
    assert not set(entry["description"]) & set("<>&{}")
    assert "p ≤ 0.01, 2 ≥ 1" in entry["description"]

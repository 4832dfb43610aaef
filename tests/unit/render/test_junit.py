"""JUnit XML as its readers take it: by a schema, by XML's own parser, and by GitLab's rules."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from lens_gate.records.policy import Place
from lens_gate.render.junit import junit

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
KINDS = ("failure", "error", "skipped")


def read(report):
    data = junit(report)
    SCHEMA.validate(data.decode())
    return ET.fromstring(data)  # noqa: S314  # our own


def results(root):
    """Each case's result by its name."""
    return {
        case.get("name"): next((k for k in KINDS if case.find(k) is not None), "passed")
        for case in root.iter("testcase")
    }


def only(build, row, **given):
    """The result of a report's only row."""
    (result,) = results(read(build.report(given.pop("outcome", "passed"), rows=[row], **given)))
    root = read(build.report("passed", rows=[row], **given))
    assert list(results(root)) == [result]
    return results(root)[result]


def test_every_report_is_valid_and_its_sums_are_those_of_its_cases(named_report):
    name, report = named_report
    root = read(report)
    found = Counter(results(root).values())
    for element in (root, root.find("testsuite")):
        assert int(element.get("tests")) == len(list(root.iter("testcase"))) > 0
        assert int(element.get("failures")) == found["failure"]
        assert int(element.get("errors")) == found["error"]
        assert int(element.get("skipped")) == found["skipped"]
    # CI decides by these alone: red exactly where the gate is.
    red = found["failure"] + found["error"] > 0
    assert red == (report.exit_code != 0), name


def test_a_case_is_a_row(reports):
    report = reports["failed"]
    cases = list(read(report).iter("testcase"))
    assert len(cases) == len(report.rows)
    first = cases[0]
    assert first.attrib == {
        "classname": "demo.chat/quick",
        "name": "ttft-typ: TTFT typ, relative",
        "file": "lens-gate.yaml",
        "time": "0",
    }
    failure = first.find("failure")
    assert failure.get("type") == "fail"
    assert failure.get("message").startswith("fail: worse than its history")
    assert "\n" not in failure.get("message")
    assert failure.text.splitlines()[1:] == [
        "base: 45 ms",
        "head: 183 ms",
        "change [90 %]: +307 % [+226, +388]",
        "allowed: +100 %",
        "n: 20 · 8 runs",
        "rule: lens-gate.yaml:21",
        "policy: - {metric: ttft.typ}",
    ]


def test_numbers_are_properties(reports):
    case = next(read(reports["duet_failed"]).iter("testcase"))
    found = {p.get("name"): p.get("value") for p in case.find("properties")}
    assert found == {
        "verdict": "fail",
        "counts": "yes",
        "metric": "ttft.typ",
        "unit": "s",
        "n": "36",
        "estimate": "0.52",
        "interval_low": "0.368",
        "interval_high": "0.672",
        "margin": "0.2",
        "base": "0.045",
        "head": "0.0684",
    }
    suite = read(reports["duet_failed"]).find("testsuite")
    whole = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert whole["outcome"] == "failed"
    assert whole["control_ref"].startswith("0a1b2c3d")
    assert suite.get("timestamp") == "2026-11-21T04:20:21"
    assert suite.get("time") == "3.150"


def test_an_absolute_check_has_a_limit_and_no_base(reports):
    cases = read(reports["failed"]).iter("testcase")
    case = next(case for case in cases if case.get("name") == "e2e-p90: E2E p90, absolute")
    found = {p.get("name"): p.get("value") for p in case.find("properties")}
    assert found["limit"] == "1.5"
    assert found["head"] == "1.62"
    assert not {"base", "margin"} & set(found)
    assert "allowed: ≤ 1.5 s" in case.find("failure").text
    assert "change" not in case.find("failure").text


@pytest.mark.parametrize(
    ("verdict", "given", "result"),
    [
        ("pass", {}, "passed"),
        ("improved", {}, "passed"),
        ("fail", {}, "failure"),
        ("fail", {"gating": False}, "skipped"),
        ("fail", {"waived": "until Monday"}, "skipped"),
        ("no_data", {}, "error"),
        ("no_data", {"gating": False}, "skipped"),
        ("inconclusive", {}, "skipped"),
        ("inconclusive", {"gating": False}, "skipped"),
        ("new", {"kind": "new"}, "skipped"),
    ],
)
def test_what_does_not_count_is_no_failure(build, verdict, given, result):
    row = build.row(verdict=build.verdict(verdict), **given)
    assert only(build, row) == result


def test_an_undecided_row_fails_where_the_policy_says_that_it_does(build):
    row = build.row(verdict=build.verdict("inconclusive"))
    warned = build.row("e2e", gating=False, verdict=build.verdict("inconclusive"))
    root = read(build.report("inconclusive", rows=[row, warned], exit_code=3))
    assert list(results(root).values()) == ["failure", "skipped"]
    assert results(read(build.report("inconclusive", rows=[row]))) == {
        "ttft-typ: TTFT typ, relative": "skipped"
    }


@pytest.mark.parametrize(
    ("outcome", "code", "result"),
    [
        ("passed", 0, "passed"),
        ("unchanged", 0, "passed"),
        ("not_measured", 0, "skipped"),
        ("budget", 4, "error"),
        ("aborted", 130, "error"),
        ("no_data", 5, "error"),
        ("failed", 1, "failure"),
        ("inconclusive", 0, "skipped"),
        ("inconclusive", 3, "failure"),
    ],
)
def test_a_gate_without_rows_is_a_case_of_its_own(build, outcome, code, result):
    root = read(build.unsent(outcome, "the reason", exit_code=code))
    assert results(root) == {"gate": result}
    (case,) = root.iter("testcase")
    assert case.get("classname") == "demo.gate"
    if result != "passed":
        assert case.find(result).get("message")
        assert len(case.find(result).text.splitlines()) == 2


def test_rows_do_not_speak_for_a_gate_that_was_broken_off(reports):
    root = read(reports["aborted"])
    assert next(iter(results(root))) == "gate"
    assert results(root)["gate"] == "error"
    assert len(results(root)) == 1 + len(reports["aborted"].rows)


def test_names_stay_from_run_to_run(build, reports):
    """GitLab and Jenkins know a test by its name: nothing of one run may be in it."""
    report = reports["duet_failed"]
    other = replace(
        report,
        run_id="another",
        seed=7,
        rows=tuple(
            replace(
                row,
                mode="history",
                place=replace(row.place, line=99),
                verdict=build.verdict("pass", margin=0.9, n=7, reason="other"),
            )
            for row in report.rows
        ),
    )

    def names(found):
        return [(c.get("classname"), c.get("name")) for c in read(found).iter("testcase")]

    assert names(report) == names(other)


def test_two_limits_of_one_rule_are_two_cases(build):
    limits = [
        build.limit("goodput", "", "pass", 0.97, bound, low=0.9, high=1.0) for bound in (0.9, 0.99)
    ]
    other = replace(limits[0], target="thorough")
    found = list(results(read(build.report(rows=[*limits, other]))))
    assert found[0].endswith("goodput, absolute")
    assert found[1] == f"{found[0]} (2)"
    root = read(build.report(rows=[*limits, other]))
    assert [c.get("name") for c in root.iter("testcase")][2] == found[0]


def test_a_rule_of_the_heads_file_stands_in_the_file_of_that_name(build):
    row = build.row(place=Place(file="ci/lens-gate.yaml (head)", line=3, column=1))
    (case,) = read(build.report(rows=[row])).iter("testcase")
    assert case.get("file") == "ci/lens-gate.yaml"


def test_a_policys_dots_make_no_packages(build):
    (case,) = read(build.report(rows=[build.row()], policy="api.v2 gate")).iter("testcase")
    assert case.get("classname").split(".") == ["api_v2 gate", "chat/quick"]


def test_a_strange_moment_is_left_out(build):
    suite = read(build.report(rows=[build.row()], created="yesterday")).find("testsuite")
    assert suite.get("timestamp") is None


def as_gitlab_reads(root):
    """GitLab's reader: a failure before an error before a skip, and the text of each."""
    for case in root.iter("testcase"):
        kind = next((k for k in KINDS if case.find(k) is not None), None)
        text = case.find(kind).text if kind else None
        yield case.get("classname"), case.get("name"), kind, text


def test_gitlab_shows_the_whole_text(reports):
    found = list(as_gitlab_reads(read(reports["no_data"])))
    assert [kind for _, _, kind, _ in found] == ["error", "skipped", None]
    assert "no successful request (0 of 20)" in found[0][3]


# GitLab's reader is Rails': it makes objects of elements whose `type` is one of these.
TYPECASTS = {
    "symbol", "date", "datetime", "dateTime", "integer", "float", "double", "decimal", "boolean",
    "string", "yaml", "base64Binary", "file", "duration", "array", "hexBinary",
}  # fmt: skip


def test_no_type_is_one_that_gitlabs_reader_acts_upon(named_report):
    _, report = named_report
    types = {e.get("type") for e in read(report).iter() if e.get("type")}
    assert not types & TYPECASTS

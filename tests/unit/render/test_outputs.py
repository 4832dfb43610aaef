"""The outputs of a step, and the file by which GitHub's runner takes them."""

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.render.outputs import MOST_REGRESSIONS, MOST_RULES, github_output, outputs

PATHS = {"report-path": "/w/out/report.json", "summary-path": "/w/out/summary.md"}
END = "lens-gate-5ca1ab1e"


def as_the_runner_reads(text):
    """GitHub's runner: ``name<<delimiter``, then lines until one that is the delimiter."""
    found, lines = {}, iter(re.split(r"\r\n|\n", text))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc < 0 or 0 <= equals < heredoc:
            name, _, value = line.partition("=")
            found[name] = value
            continue
        name, _, end = line.partition("<<")
        block = []
        for part in lines:
            if part == end:
                break
            block.append(part)
        else:
            raise AssertionError("a delimiter is missing")
        found[name] = "\n".join(block)
    return found


def test_the_outputs_are_these(reports):
    found = outputs(reports["duet_failed"], PATHS)
    assert list(found) == [
        "outcome",
        "exit-code",
        "report-path",
        "summary-path",
        "spent-usd",
        "failed-rules",
        "regressions",
    ]
    assert found["outcome"] == "failed"
    assert found["exit-code"] == "1"
    assert found["spent-usd"] == "0.0131"
    assert json.loads(found["failed-rules"]) == ["ttft-typ"]
    assert json.loads(found["regressions"]) == [
        {
            "rule": "ttft-typ",
            "scenario": "chat",
            "target": "quick",
            "metric": "ttft",
            "statistic": "typ",
            "unit": "s",
            "kind": "relative",
            "n": 36,
            "estimate": 0.52,
            "low": 0.368,
            "high": 0.672,
            "margin": 0.2,
            "limit": None,
            "base": 0.045,
            "head": 0.0684,
        }
    ]


def test_every_report_comes_through_the_runners_file(named_report):
    _, report = named_report
    values = outputs(report, PATHS)
    assert as_the_runner_reads(github_output(values, END)) == values
    failed = [r for r in report.rows if r.name == "fail" and r.gating and not r.waived]
    assert len(json.loads(values["regressions"])) == len(failed)


def test_money_is_written_out(build):
    spend = replace(build.report().spend, spent_usd=Decimal("1E-7"))
    assert outputs(build.report(spend=spend), {})["spent-usd"] == "0.0000001"


def test_what_only_warns_or_is_let_through_is_no_failed_rule(build):
    fail = build.verdict("fail")
    rows = [
        build.row("e2e", verdict=fail, gating=False),
        build.row("itl", verdict=fail, waived="until Monday"),
        build.row("cost_usd", verdict=build.verdict("no_data")),
    ]
    found = outputs(build.report(rows=rows), {})
    assert (found["failed-rules"], found["regressions"]) == ("[]", "[]")


def test_an_absolute_failure_has_a_limit_and_no_base(build):
    row = build.limit("e2e", "p90", "fail", 1.62, 1.5, low=1.51, high=2.2)
    (found,) = json.loads(outputs(build.report("failed", rows=[row]), {})["regressions"])
    assert (found["limit"], found["base"], found["margin"]) == (1.5, None, None)


def test_fifty_thousand_rows_stay_small(build):
    row = build.row(verdict=build.verdict("fail"))
    rows = [replace(row, rule=f"{n}" + "é" * 500) for n in range(500)]
    found = outputs(build.report("failed", rows=rows * 100), PATHS)
    assert len(json.loads(found["regressions"])) == MOST_REGRESSIONS
    assert len(json.loads(found["failed-rules"])) == MOST_RULES
    assert len(github_output(found, END)) < 250_000  # the runner takes a megabyte of a job


@pytest.mark.parametrize(
    "text",
    ["`; curl evil`", "$(id)", "a\nb", "${{ secrets.X }}", "&& rm", "|", "';'", "<x>", "é\u202e"],
)
def test_what_others_named_is_no_code_wherever_it_is_pasted(build, text):
    row = build.row(rule=f"x{text}", verdict=build.verdict("fail"))
    found = outputs(build.report("failed", rows=[row]), {})
    for value in (found["failed-rules"], found["regressions"]):
        assert not set(value) & set("`$();&|<>'\n\r!*?~#^%=@é\u202e")
        assert not any(set(string) & set("{}[],") for string in re.findall(r'"[^"]*"', value))
    (rule,) = json.loads(found["failed-rules"])
    assert rule.startswith("x")
    if text.isprintable():
        assert rule == f"x{text}"


@given(st.dictionaries(st.sampled_from(["a", "b-c", "_d"]), st.text(max_size=40), min_size=1))
def test_any_value_comes_through(values):
    plain = {n: v for n, v in values.items() if "\r" not in v}
    assert as_the_runner_reads(github_output(plain, END)) == plain


@pytest.mark.parametrize("value", [END, f"x\n{END}\noutcome<<x\npassed\nx", f"a{END}b"])
def test_a_value_that_holds_the_delimiter_is_refused(value):
    with pytest.raises(ValueError, match="holds the delimiter"):
        github_output({"a": value}, END)


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a\nb", "a<<b", "1", "é", "outcome "])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="no name of an output"):
        github_output({name: "x"}, END)


@pytest.mark.parametrize("end", ["", "a\nb", "a\r", "a\u2028"])
def test_a_delimiter_is_a_line(end):
    with pytest.raises(ValueError, match="no line of text"):
        github_output({"a": "x"}, end)

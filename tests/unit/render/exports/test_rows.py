"""Rows of requests, statistics and checks, as CSV and JSON Lines."""

import csv
import io
import json
import re
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import pytest

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.cost_split import PARTS
from lens_gate.metrics.detail import PHASES
from lens_gate.records.codec import from_json
from lens_gate.records.detail import RequestDetail
from lens_gate.render.exports.columns import COLUMNS
from lens_gate.render.exports.csv_tables import requests_csv, summary_csv, verdicts_csv
from lens_gate.render.exports.jsonl import request_lines, requests_jsonl
from lens_gate.render.exports.of_report import STATISTICS
from lens_gate.render.exports.origin import origin_of

PAGE = Path(__file__).parents[4] / "docs" / "exporters.md"


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def test_a_row_a_request_with_its_numbers(bundle) -> None:
    found = rows(requests_csv(bundle))
    assert len(found) == len(bundle.requests)
    for row, request in zip(found, bundle.requests, strict=True):
        numbers = {name: v for name, v in request.values.items() if name != "cost_usd"}
        assert {name: float(row[name]) for name in numbers} == numbers
        for name in CATALOGUE.keys() - request.values.keys() - {"cost_usd"} & row.keys():
            assert row.get(name, "") == ""
        assert [row[f"phase_{p}_s"] for p in PHASES] == [
            repr(request.phases[p]) if p in request.phases else "" for p in PHASES
        ]
        cost = "" if request.cost_usd is None else f"{request.cost_usd:f}"
        assert row["cost_usd"] == cost
        parts = [Decimal(text) for p in PARTS if (text := row[f"cost_{p}_usd"])]
        assert sum(parts) == (request.cost_usd if request.cost_parts else 0)
        assert (row["seq"], row["status"]) == (str(request.seq), request.status)
    late = found[2]
    assert (late["ttft"], late["ttft_bound"], late["e2e_bound"]) == ("", "2.0", "2.0")
    assert (late["settled_usd"], late["http_status"], late["pair"]) == ("0.01", "", "1")
    assert (found[0]["reused"], found[3]["reused"]) == ("true", "false")
    assert found[4]["output_tokens_estimated"] == "7.5"
    assert {row["run_id"] for row in found} == {bundle.report.run_id}


def test_a_record_without_a_column_would_be_lost(bundle) -> None:
    """Every fact of a request has one, but for the gaps, of which there are any number."""
    named = {re.sub(r"_(s|usd)$", "", column.name) for column in COLUMNS}
    maps = {"phases", "values", "bounds", "estimated", "cost_parts"}
    own = {re.sub(r"_(s|usd)$", "", f.name) for f in fields(RequestDetail)} - maps
    assert own - named == {"gaps"}
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


def test_every_number_of_a_request_has_a_column(request_detail) -> None:
    from lens_gate.metrics.derive import CENSORED_METRICS

    every = [name for name, metric in CATALOGUE.items() if metric.per == "request"]
    bounded = (*CENSORED_METRICS, "ttft_scheduled", "e2e_scheduled")
    heads = {column.name for column in COLUMNS}
    assert set(every) <= heads
    assert {f"{name}_bound" for name in bounded} <= heads
    counted = ("itl", "tpot", "output_tps", "input_tokens", "output_tokens", "reasoning_tokens")
    assert {f"{name}_estimated" for name in counted} <= heads


def test_the_page_names_columns_that_there_are() -> None:
    text = PAGE.read_text("utf-8").partition("## Rows")[2].partition("```python")[0]
    named = set(re.findall(r"`([a-z_0-9]+)`", text)) - {"csv", "parquet", "jsonl", "gaps_s"}
    assert named <= {column.name for column in COLUMNS}


def test_a_row_a_cell_side_and_metric(bundle) -> None:
    found = rows(summary_csv(bundle))
    expected = {}
    for cell in bundle.report.cells:
        sides = {"head": cell.metrics, "control": cell.duet.metrics if cell.duet else {}}
        for arm, metrics in sides.items():
            for metric, numbers in metrics.items():
                expected[cell.scenario, arm, metric] = numbers
    assert len(found) == len(expected)
    for row in found:
        numbers = expected[row["scenario"], row["arm"], row["metric"]]
        assert {name: float(row[name]) for name in STATISTICS} == {
            name: numbers.named(name) for name in STATISTICS
        }
        assert (row["n"], row["censored"]) == (str(numbers.n), str(numbers.censored))
        assert row["unit"] == CATALOGUE[row["metric"]].unit


def test_a_metric_of_a_newer_report_has_no_unit(bundle) -> None:
    cell = bundle.report.cells[1]
    newer = replace(cell, metrics={"newer": cell.metrics["ttft"]})
    (row,) = rows(summary_csv(replace(bundle, report=replace(bundle.report, cells=(newer,)))))
    assert (row["metric"], row["unit"], row["typ"]) == ("newer", "", "0.045")


def test_a_row_a_check(bundle) -> None:
    found = rows(verdicts_csv(bundle))
    for row, check in zip(found, bundle.report.rows, strict=True):
        verdict = check.verdict
        assert row["verdict"] == verdict.verdict
        assert row["counts"] == ("true" if check.gating else "false")
        for name in ("estimate", "low", "high", "margin", "limit", "base_value", "head_value"):
            value = getattr(verdict, name)
            assert row[name] == ("" if value is None else repr(value))
        assert row["reason"] == verdict.reason
        assert row["outcome"] == "failed"
    assert [row["kind"] for row in found] == [
        "relative", "relative", "max", "max", "min", "new", "relative"
    ]  # fmt: skip


def test_a_line_a_request_is_its_record(bundle) -> None:
    lines = requests_jsonl(bundle).decode("ascii").splitlines()
    found = [json.loads(line) for line in lines]
    assert [from_json(RequestDetail, line) for line in found] == list(bundle.requests)
    assert {line["run_id"] for line in found} == {bundle.report.run_id}
    assert found[0]["gaps_s"] == [0.01, 0.02]
    assert found[0]["cost_usd"] == "0.000056"
    some = request_lines(bundle.requests[1:2], origin_of(bundle.report))
    assert some.decode() == lines[1] + "\n"


def test_without_requests_there_are_no_rows(alone) -> None:
    assert requests_jsonl(alone) == b""
    assert rows(requests_csv(alone)) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("\r\n@x", "'@x"),
        (" =1", "'=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\uff20x", "'\uff20x"),
        ("a=1", "a=1"),
        ("1-2", "1-2"),
        ('say "no", twice', 'say "no", twice'),
        ("two\nlines", "two lines"),
        ("a\x00b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
    ],
)
def test_no_text_is_a_formula(bundle, request_detail, text, shown) -> None:
    other = replace(bundle, requests=(request_detail(model=text),))
    (row,) = rows(requests_csv(other))
    assert row["model"] == shown


def test_numbers_below_zero_are_no_formulas(bundle) -> None:
    (*_, row) = rows(verdicts_csv(bundle))
    assert row["estimate"] == "-0.02"


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "a\nb", "\u202ea"])
def test_a_line_holds_nothing_that_a_strict_reader_refuses(bundle, request_detail, text) -> None:
    """Half a surrogate pair and NUL are JSON, and an error to many who read it."""
    found = replace(bundle, requests=(request_detail(model=text, failure=text, prompt_id=text),))
    (line,) = requests_jsonl(found).splitlines()
    body = json.loads(line)
    for name in ("model", "failure", "prompt_id"):
        assert body[name].isprintable() or "\ufffd" in body[name]
        body[name].encode()

"""report.json round trip; summary.md says the same numbers."""

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from markdown_it import MarkdownIt

from lens_gate.render.markdown import markdown
from lens_gate.render.report_json import read_report, report_json

GFM = MarkdownIt("commonmark", {"html": True}).enable("table")


def test_a_report_comes_back_as_it_was(named_report):
    report = named_report[1]
    data = report_json(report)
    assert report_json(read_report(data)) == data
    back = read_report(data)
    assert (back.rows, back.spend, back.refs) == (report.rows, report.spend, report.refs)
    assert markdown(back) == markdown(report)


def test_money_is_a_string_and_durations_are_seconds(reports):
    document = json.loads(report_json(reports["failed"]))
    assert document["spend"]["spent_usd"] == "0.0131"
    assert document["elapsed_s"] == 3.15
    assert document["schema"] == "lens-gate/report/1"


def test_half_a_surrogate_pair_survives_and_the_file_is_utf_8(build):
    report = build.report(warnings=("\ud800 \\ud800 é",))
    data = report_json(report)
    assert "é" in data.decode("utf-8")
    assert read_report(data).warnings == report.warnings


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 200_000,
        b'{"schema": "lens-gate/report/2"}',
        b'{"schema": "lens-gate/report/1"}',
    ],
)
def test_what_is_no_report_is_refused(data):
    with pytest.raises(ValueError):
        read_report(data)


def test_a_report_of_another_schema_is_refused_though_it_looks_the_same(build):
    data = report_json(build.report()).replace(b"lens-gate/report/1", b"lens-gate/report/2")
    with pytest.raises(ValueError, match="lens-gate/report/2"):
        read_report(data)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"1" + b"0" * 400])
def test_a_number_that_is_none_is_refused(build, number):
    data = report_json(build.report()).replace(b'"elapsed_s": 3.15', b'"elapsed_s": ' + number)
    assert number in data
    with pytest.raises(ValueError):
        read_report(data)


def numbers(text):
    """Every number of a figure, in seconds, dollars or plain, with the digits it was given."""
    scale = {"ms": 1e-3, "µs": 1e-6, "%": 1e-2}
    found = re.findall(r"([+-]?\d+(?:\.\d+)?)(?: (ms|µs|s|%|tokens|tok/s))?", text)
    return [float(number) * scale.get(unit, 1) for number, unit in found]


def cells_of(text):
    """The rows of the first table, as a GFM parser reads them."""
    rows, row = [], None
    for token in GFM.parse(text):
        if token.type == "tr_open":
            row = []
        elif token.type == "inline" and row is not None:
            row.append("".join(child.content for child in token.children))
        elif token.type == "tr_close":
            rows.append(row)
            row = None
        elif token.type == "table_close":
            break
    return rows[1:]


@pytest.mark.parametrize("name", ["passed", "failed", "inconclusive", "passed_many_rows"])
def test_the_summary_s_numbers_are_those_of_the_report_file(reports, name):
    report = reports[name]
    document = json.loads(report_json(report))
    rows = {
        (row["scenario"] + "/" + row["target"], row["metric"], row["statistic"]): row
        for row in document["rows"]
    }
    shown = cells_of(markdown(report))
    assert len(shown) == min(10, len(document["rows"]))
    names = {"TTFT": "ttft", "ITL": "itl", "E2E": "e2e", "cost": "cost_usd"}
    for signed, case, base, head, change, _allowed, verdict, size in shown:
        metric = signed.partition(" ")[2]
        title, _, statistic = metric.rpartition(" ")
        if metric in ("error rate", "goodput"):
            title, statistic = metric, ""
        key = {"output tokens": "output_tokens", "output tokens/s": "output_tps"}.get(title)
        row = rows[case, names.get(title) or key or title.replace(" ", "_"), statistic]
        if row["kind"] == "new":
            continue
        found = row["verdict"]
        assert found["verdict"].replace("_", " ") in verdict
        assert numbers(head)[0] == pytest.approx(found["head_value"], rel=0.006, abs=1e-9)
        if row["kind"] == "relative":
            assert numbers(base)[0] == pytest.approx(found["base_value"], rel=0.006)
            ends = (found["estimate"], found["low"], found["high"])
            for value, wanted in zip(re.findall(r"[+-]?\d+(?:\.\d+)?", change), ends, strict=True):
                assert float(value) == pytest.approx(100 * wanted, abs=0.51)
        assert size.split()[0] == str(found["n"])


def test_the_money_of_the_summary_is_that_of_the_report_file(reports):
    document = json.loads(report_json(reports["failed"]))["spend"]
    line = next(
        part for part in markdown(reports["failed"]).splitlines() if part.startswith("**Spent**")
    )
    spent, peak, cap = (Decimal(amount) for amount in re.findall(r"\$([\d.]+)", line))
    assert spent == pytest.approx(Decimal(document["spent_usd"]), rel=Decimal("0.05"))
    assert peak == pytest.approx(Decimal(document["peak_usd"]), rel=Decimal("0.05"))
    assert cap == Decimal(document["cap_usd"])
    assert "42 of 200 requests" in line


def test_a_changed_number_changes_both(reports):
    report = reports["passed"]
    row = report.rows[0]
    slower = replace(row, verdict=replace(row.verdict, head_value=9.87))
    changed = replace(report, rows=(slower, *report.rows[1:]))
    assert "9.87 s" in markdown(changed)
    assert "9.87" not in markdown(report)

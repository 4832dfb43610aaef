"""A report with its requests, and formats of third parties."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lens_gate.errors import LensError
from lens_gate.flows.bundling import began_at, bundle, bundled, details
from lens_gate.flows.exporting import encoded, format_rows
from lens_gate.flows.outputs import load_report
from lens_gate.plugins import FORMATS_GROUP
from lens_gate.records.detail import Bundle
from lens_gate.render.exports.table import FORMATS
from lens_gate.runner.journal import read_run
from lens_gate.sinks import parquet

ROW = """
from lens_gate.render.exports.table import Format
def encode(bundle):
    return bundle.report.policy.encode()
ROW = Format(name="tell", title="T", media_type="text/plain", suffix=".t", wants="report",
             encode=encode)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, repository, policy):
    made = repository(tmp_path_factory.mktemp("export"), {"lens-gate.yaml": policy()})
    made.gate()
    return made


@pytest.fixture(scope="module")
def folder_of_gate(place):
    (found,) = place.root.rglob("report.json")
    return found.parent


@pytest.fixture(scope="module")
def report(folder_of_gate):
    return load_report(folder_of_gate / "report.json")


def test_the_requests_are_those_of_the_run(report, folder_of_gate):
    run = read_run(folder_of_gate / "run.jsonl")
    found = bundle(report, folder_of_gate)
    assert found == bundled(report, run)
    assert found.requests == details(run)
    assert [r.seq for r in found.requests] == [sample.seq for sample in run.samples]
    for request in found.requests:
        assert request.provider == "simulated"
        assert request.asked_model == run.header.cells[0].fingerprint.compared["model"]
        assert sum(request.cost_parts.values()) == request.cost_usd
    assert sum(r.settled_usd for r in found.requests) == run.end.spend.spent_usd


def test_a_cell_that_no_plan_knows_has_requests_without_prices(report, folder_of_gate):
    run = read_run(folder_of_gate / "run.jsonl")
    stray = replace(run, header=replace(run.header, cells=()))
    found = details(stray)
    assert {(r.provider, r.asked_model) for r in found} == {("", "")}
    assert not any(r.cost_parts for r in found)


def test_both_arms_have_the_prices_that_they_were_billed_by(report, folder_of_gate):
    from lens_gate.records.plan import Duet, Fingerprint

    run = read_run(folder_of_gate / "run.jsonl")
    (cell,) = run.header.cells
    dear = replace(cell.prices, override=None)
    duet = Duet(
        control="quick",
        prices=dear,
        fingerprint=Fingerprint(fixed={"protocol": "openai"}, compared={"model": "old"}),
        worst_usd=Decimal(1),
        expected_usd=Decimal(1),
        expected_s=1.0,
        looks=(),
    )
    header = replace(run.header, cells=(replace(cell, duet=duet),))
    samples = (run.samples[0], replace(run.samples[0], arm="control"))
    head, control = details(replace(run, header=header, samples=samples))
    assert (head.provider, control.provider) == ("simulated", "openai")
    assert (control.asked_model, control.cost_parts) == ("old", {})
    assert head.cost_parts


def test_another_runs_journal_is_not_its_own(report, folder_of_gate, tmp_path):
    other = replace(report, run_id="20260101T000000Z-00000000")
    assert bundle(other, folder_of_gate).requests is None
    assert bundle(report, tmp_path).requests is None
    (tmp_path / "run.jsonl").write_text('{"type": "start"}\n')
    assert bundle(report, tmp_path) == Bundle(report=report)


def test_a_stamp_is_a_moment_or_none():
    assert began_at("20261121T021500Z") == datetime(2026, 11, 21, 2, 15, tzinfo=UTC)
    assert began_at("yesterday") is None


@pytest.fixture
def plug(tmp_path, install, monkeypatch):
    """Installs a distribution with one format where this process finds it."""
    before = set(sys.modules)

    def make(source=ROW, *, points=None, group=FORMATS_GROUP):
        listed = points or {"tell": "tell_formats:ROW"}
        lines = "".join(f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in listed.items())
        project = (
            "[project]\nname = 'tell-formats'\nversion = '1'\n"
            f"[project.entry-points.{json.dumps(group)}]\n{lines}"
        )
        install(tmp_path / "site", project, {"tell_formats.py": source})
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        return ["tell-formats"]

    yield make
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_named_plug_in_adds_its_format_and_leaves_the_others(plug, report):
    rows = format_rows(plug())
    assert list(rows) == [*FORMATS, "parquet", "tell"]
    assert all(rows[name] is row for name, row in FORMATS.items())
    assert encoded(rows["tell"], Bundle(report=report)) == report.policy.encode()
    assert list(format_rows()) == [*FORMATS, "parquet"]


def test_a_plug_in_for_something_else_is_no_mistake_here(plug):
    assert "tell" not in format_rows(plug(group="lens_gate.providers"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "ROW = 7"}, "gives a int as 'tell', no format"),
        ({"points": {"csv": "tell_formats:ROW"}}, "the name 'csv', which is built in"),
        ({"points": {"parquet": "tell_formats:ROW"}}, "the name 'parquet', which is built in"),
        ({"points": {"other": "tell_formats:ROW"}}, "'tell' in its row and 'other' as"),
        ({"source": ROW.replace('"report"', '"all"')}, "says that 'tell' wants 'all'"),
        ({"group": "lens_gate.hosts"}, "has no entry point in the group 'lens_gate.formats'"),
    ],
)
def test_a_broken_plug_in_is_named_with_what_is_wrong(plug, given, message):
    with pytest.raises(LensError) as caught:
        format_rows(plug(**given))
    assert message in caught.value.message
    assert "tell-formats" in caught.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise RuntimeError('no')", "failed in the format 'tell': RuntimeError: no"),
        ("return 'text'", "it gave a str, not bytes"),
        ("from lens_gate.errors import LensError; raise LensError('own words')", "own words"),
    ],
)
def test_a_plug_ins_mistake_is_told_as_its_own(plug, report, body, message):
    source = ROW.replace("return bundle.report.policy.encode()", body)
    with pytest.raises(LensError) as caught:
        encoded(format_rows(plug(source))["tell"], Bundle(report=report))
    assert message in caught.value.message


def test_a_format_of_requests_is_not_asked_without_them(report):
    for row in format_rows().values():
        if row.wants == "requests":
            with pytest.raises(LensError, match=f"{row.name} is of requests"):
                encoded(row, Bundle(report=report))


def test_parquet_without_its_library_says_what_to_install(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LensError, match="Parquet needs pyarrow") as caught:
        parquet.parquet(Bundle(report=report, requests=()))
    assert "llm-latency-lens[parquet]" in caught.value.hint

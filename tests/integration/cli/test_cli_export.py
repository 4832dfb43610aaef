"""`lens-gate export`: the report and its requests by the front door, and the page's own format."""

import csv
import json
import re
import shlex
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

PAGE = Path(__file__).parents[3] / "docs" / "exporters.md"


def code(mark: str) -> str:
    """The block of the page below this mark."""
    text = PAGE.read_text("utf-8")
    (block,) = re.findall(rf"<!-- {re.escape(mark)} -->\n```[a-z]+\n(.*?)```", text, re.DOTALL)
    return block


@pytest.fixture(scope="module")
def site(tmp_path_factory, install) -> Path:
    """A folder with the tutorial's distribution in it, as its page says, word for word."""
    folder = tmp_path_factory.mktemp("site")
    install(
        folder,
        code("plug-in: pyproject.toml"),
        {"acme_graphite.py": code("plug-in: acme_graphite.py")},
    )
    return folder


@pytest.fixture(scope="module")
def gated(tmp_path_factory, new_repo, lens, policy) -> Path:
    """The folder of a gate that has run once."""
    root = tmp_path_factory.mktemp("gated")
    new_repo(root, {"lens-gate.yaml": policy()})
    assert lens(root, "gate", "--seed", "3").code == 0
    return root


def report_of(root: Path) -> dict:
    return json.loads((root / "lens-gate-out/report.json").read_text())


def samples_of(root: Path) -> list[dict]:
    lines = (root / "lens-gate-out/run.jsonl").read_text().splitlines()
    return [body for line in lines if (body := json.loads(line))["type"] == "sample"]


def export(lens, root: Path, name: str, *more: str, **variables: str):
    return lens(root, "export", "lens-gate-out/report.json", "--format", name, *more, **variables)


def test_requests_are_the_journals_with_the_bills_parts(gated, lens):
    done = export(lens, gated, "csv")
    assert done.code == 0, done.said
    rows = list(csv.DictReader(done.out.splitlines(), strict=True))
    samples = samples_of(gated)
    assert [int(row["seq"]) for row in rows] == [sample["seq"] for sample in samples]
    for row, sample in zip(rows, samples, strict=True):
        marks = sample["marks"]
        assert row["provider"] == "simulated"
        assert float(row["e2e"]) == pytest.approx((marks["done"] - marks["sent"]) / 1e9)
        assert Decimal(row["cost_usd"]) == Decimal(sample["cost_usd"])
        parts = [row[f"cost_{part}_usd"] for part in ("input", "cached", "output", "reasoning")]
        assert sum(Decimal(part or 0) for part in parts) == Decimal(sample["cost_usd"])
        phases = [float(text) for name, text in row.items() if name.startswith("phase_") and text]
        assert sum(phases) == pytest.approx((marks["done"] - marks["ready"]) / 1e9)


def test_a_file_holds_what_standard_output_shows(gated, lens, tmp_path):
    path = tmp_path / "new" / "lens-gate.prom"
    done = export(lens, gated, "prometheus", "--to", str(path))
    assert (done.code, done.out) == (0, "")
    text = path.read_text()
    assert text == export(lens, gated, "prometheus").out
    found = {
        (sample.name, sample.labels.get("statistic")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    (cell,) = report_of(gated)["cells"]
    assert found["lens_gate_ttft_seconds", "p95"] == cell["metrics"]["ttft"]["p95"]
    assert found["lens_gate_spent_usd", None] == float(report_of(gated)["spend"]["spent_usd"])
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_no_link_is_written_through_and_a_dash_is_standard_output(gated, lens, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "elsewhere.csv")
    done = export(lens, gated, "csv", "--to", str(link))
    assert done.code == 2
    assert "is a link" in done.err
    assert not (tmp_path / "elsewhere.csv").exists()
    assert export(lens, gated, "csv-verdicts", "--to", "-").out.startswith("run_id,")


def test_json_is_the_reports_own_bytes(gated, lens):
    done = export(lens, gated, "json")
    assert done.out == (gated / "lens-gate-out/report.json").read_text()


def test_a_format_of_requests_needs_the_journal_and_others_do_not(gated, lens, tmp_path):
    (tmp_path / "report.json").write_text((gated / "lens-gate-out/report.json").read_text())
    done = lens(tmp_path, "export", "report.json", "--format", "csv")
    assert done.code == 2
    assert "the journal of run" in done.err
    assert "keep run.jsonl" in done.err
    assert lens(tmp_path, "export", "report.json", "--format", "influx").code == 0
    (tmp_path / "run.jsonl").write_text("not a journal\n")
    assert lens(tmp_path, "export", "report.json", "--format", "csv").code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "cvs"], "did you mean 'csv'?"),
        (["--format", "nothing-like-it"], "there are json, jsonl, csv"),
        (["--format", "csv", "--token-env", "TOKEN"], "--token-env is for --to URL"),
        (["--format", "csv", "--plugin", "acme-gone"], "'acme-gone' is not installed"),
        (["--format", "csv", "--to", "."], "is a folder"),
        (["--format", "csv", "--to", "lens-gate.yaml/x.csv"], "can't be written"),
        (["--format", "csv", "--to", "/dev/full"], "can't be written: No space left"),
    ],
)
def test_a_wrong_request_is_told(gated, lens, arguments, message):
    done = lens(gated, "export", "lens-gate-out/report.json", *arguments)
    assert done.code in (2, 5)
    assert message in done.err
    assert done.out == ""


class _Receiver(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.taken, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_gets_the_same_bytes_with_its_type_and_the_token(gated, lens, receiver):
    url = f"http://127.0.0.1:{receiver.server_address[1]}/take"
    done = export(
        lens, gated, "csv-verdicts", "--to", url, "--token-env", "TAKER", TAKER="s3cr3t-t0ken"
    )
    assert done.code == 0, done.said
    ((path, headers, body),) = receiver.taken
    assert path == "/take"
    assert headers["Content-Type"].startswith("text/csv")
    assert headers["Authorization"] == "Bearer s3cr3t-t0ken"
    assert body.decode() == export(lens, gated, "csv-verdicts").out
    assert url in done.said
    assert "s3cr3t" not in done.said


def test_an_address_that_refuses_is_told(gated, lens, receiver):
    receiver.status = 400
    url = f"http://127.0.0.1:{receiver.server_address[1]}/take"
    done = export(lens, gated, "json", "--to", url)
    assert done.code == 5
    assert "400" in done.err


def test_the_tutorials_format_works_where_it_is_named(gated, lens, site):
    (line,) = code("plug-in: sh").strip().splitlines()
    done = lens(gated, *shlex.split(line)[1:], PYTHONPATH=str(site))
    assert done.code == 0, done.said
    (cell,) = report_of(gated)["cells"]
    found = dict(line.rsplit(" ", 1)[0].split(" ") for line in done.out.splitlines())
    path = f"llm.{report_of(gated)['policy']}.{cell['scenario']}.{cell['target']}.ttft.p95"
    assert float(found[path]) == cell["metrics"]["ttft"]["p95"]
    unnamed = export(lens, gated, "graphite", PYTHONPATH=str(site))
    assert unnamed.code == 2
    assert "there is no format 'graphite'" in unnamed.err


def test_a_policy_may_name_a_distribution_that_only_has_formats(
    tmp_path, lens, new_repo, policy, site
):
    new_repo(tmp_path, {"lens-gate.yaml": policy(plugins=["acme-graphite"])})
    done = lens(tmp_path, "check", PYTHONPATH=str(site))
    assert done.code == 0, done.said

"""A real gate pushes to real receivers: what they hold is what ``report.json`` says."""

import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

LENS_GATE = Path(sys.executable).with_name("lens-gate")

STATISTICS = ("mean", "typ", "p50", "p90", "p95", "p99", "max")
SECONDS = ("ttft", "ttfr", "ttfb", "e2e", "itl", "tpot")


@pytest.fixture(scope="module")
def scraped(pushed, prometheus):
    """Prometheus, once it has read the gate's numbers and evaluated the rules on them."""
    prometheus.until('lens_gate:error_rate:ratio{event="local"}')
    return prometheus


def test_the_gate_passes_and_says_where_its_numbers_went(pushed, pushgateway, influxdb):
    assert pushed.code == 0, pushed.said
    assert f"pushed prometheus to pushgateway at {pushgateway}" in pushed.said
    assert f"pushed influx to influxdb at {influxdb.url}" in pushed.said
    sent = len(pushed.samples)
    assert f"streamed {sent} samples to influxdb at {influxdb.url}" in pushed.said
    assert f"streamed {sent} samples to file at live.jsonl" in pushed.said
    assert "warning" not in pushed.said


def test_no_secret_is_anywhere(pushed, password):
    files = [p for p in pushed.folder.rglob("*") if p.is_file() and ".git" not in p.parts]
    assert password not in pushed.said
    assert not [p for p in files if password.encode() in p.read_bytes()]


def test_prometheus_has_the_statistics_of_both_arms(pushed, scraped):
    (cell,) = pushed.report["cells"]
    for arm, metrics in (("head", cell["metrics"]), ("control", cell["duet"]["metrics"])):
        for metric in SECONDS:
            found = scraped.query(f'lens_gate_{metric}_seconds{{event="local",arm="{arm}"}}')
            own = {series["statistic"]: value for series, value in found}
            assert own == {name: metrics[metric][name] for name in STATISTICS}, metric


def test_prometheus_has_the_run_and_its_money(pushed, scraped, hostile):
    report = pushed.report
    for name, value in (
        ("spent", report["spend"]["spent_usd"]),
        ("cap", report["spend"]["cap_usd"]),
        ("peak", report["spend"]["peak_usd"]),
    ):
        ((labels, found),) = scraped.query(f'lens_gate_{name}_usd{{event="local"}}')
        assert found == float(value)
        assert labels["policy"] == "chat"
        assert labels["job"] == "lens_gate"
        assert labels["team"] == hostile
    ((labels, _),) = scraped.query('lens_gate_outcome{event="local"} == 1')
    assert labels["outcome"] == report["outcome"]
    ((labels, _),) = scraped.query("lens_gate_run_info")
    assert labels["run"] == report["run_id"]


def test_prometheus_has_every_check(pushed, scraped):
    rows = {(r["rule"], r["kind"], r["verdict"]["verdict"]) for r in pushed.report["rows"]}
    found = scraped.query('lens_gate_check_verdict{event="local"}')
    assert {(s["rule"], KINDS.get(s["kind"], s["kind"]), s["verdict"]) for s, _ in found} == rows
    changes = scraped.query("lens_gate_check_change_ratio")
    relative = [r["verdict"] for r in pushed.report["rows"] if r["kind"] == "relative"]
    assert [value for _, value in changes] == [v["estimate"] for v in relative]


KINDS = {"max": "absolute", "min": "absolute"}


def test_prometheus_has_the_errors(pushed, scraped):
    counted = Counter()
    for sample in pushed.samples:
        if sample["phase"] == "measured":
            status = sample["failure"]["status"] if sample["failure"] else "ok"
            counted[sample["arm"], status] += 1
    found = scraped.query('lens_gate_requests_total{event="local"}')
    assert {(s["arm"], s["status"]): value for s, value in found} == counted
    assert any(status != "ok" for _, status in counted)


def test_a_second_gate_replaces_the_group_whole(gate, own_gateway):
    """What a policy no longer measures does not stay behind for ever."""

    def shown():
        with urlopen(f"{own_gateway}/metrics") as answer:
            return answer.read().decode()

    sink = {"to": "pushgateway", "url": own_gateway, "job": "other job/x"}
    other = gate([{"to": "pushgateway", "url": own_gateway}])
    first = gate([sink])
    assert first.code == 0, first.said
    assert f'run="{first.report["run_id"]}"' in shown()
    second = gate([sink])
    assert f'run="{first.report["run_id"]}"' not in shown()
    assert f'run="{second.report["run_id"]}"' in shown()
    assert f'run="{other.report["run_id"]}"' in shown(), "another group is untouched"
    assert 'job="other job/x"' in shown()


def test_influxdb_has_every_request_once(pushed, influxdb):
    rows = influxdb.query("SELECT * FROM lens_gate_request")
    run = [row for row in rows if row["run_id"] == pushed.report["run_id"]]
    assert len(run) == len(pushed.samples)
    assert sorted(row["seq"] for row in run) == sorted(s["seq"] for s in pushed.samples)
    by_seq = {row["seq"]: row for row in run}
    for sample in pushed.samples:
        row = by_seq[sample["seq"]]
        assert (row["arm"], row["phase"]) == (sample["arm"], sample["phase"])
        assert row["status"] == (sample["failure"]["status"] if sample["failure"] else "ok")
        marks = sample["marks"]
        if row["status"] == "ok":
            assert row["ttft"] == pytest.approx((marks["first_text"] - marks["sent"]) / 1e9)
    booked = sum(Decimal(str(row["settled_usd"])) for row in run)
    assert float(booked) == pytest.approx(float(pushed.report["spend"]["spent_usd"]))


def test_influxdb_has_the_report(pushed, influxdb, hostile):
    (run,) = influxdb.query("SELECT * FROM lens_gate_run")
    report = pushed.report
    assert run["outcome"] == report["outcome"]
    assert run["headline"] == report["headline"]
    assert run["spent_usd"] == float(report["spend"]["spent_usd"])
    assert run["event"] == "local"
    assert run["team"].split()[0] == hostile.split()[0]
    (cell,) = report["cells"]
    rows = influxdb.query("SELECT * FROM lens_gate_metric WHERE arm = 'head'")
    assert {row["metric"]: row["p95"] for row in rows} == {
        metric: found["p95"] for metric, found in cell["metrics"].items()
    }


def test_the_live_file_is_what_an_export_of_the_end_says(pushed):
    command = [LENS_GATE, "export", pushed.out / "report.json"]
    done = subprocess.run([*command, "--format", "jsonl"], capture_output=True, check=True)
    streamed = (pushed.out / "live.jsonl").read_bytes()
    assert streamed == done.stdout
    assert len(streamed.splitlines()) == len(pushed.samples)


def test_the_text_file_is_one_that_the_node_exporter_reads(pushed):
    text = (pushed.out / "lens-gate.prom").read_text("utf-8")
    assert text.endswith("\n")
    assert f'run="{pushed.report["run_id"]}"' in text
    assert not list(pushed.out.glob("*.part"))


def test_export_to_an_address_is_the_same_push(pushed, influxdb, own_gateway, password):
    influxdb.change("CREATE DATABASE other")
    report = pushed.out / "report.json"
    command = [LENS_GATE, "export", report]
    group = f"{own_gateway}/metrics/job/exported"
    done = subprocess.run(
        [*command, "--format", "prometheus", "--to", group],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with urlopen(f"{own_gateway}/metrics") as answer:
        assert f'run="{pushed.report["run_id"]}"' in answer.read().decode()
    refused = subprocess.run(
        [*command, "--format", "influx", "--to", f"{influxdb.url}/write?db=other"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "T": password},
    )
    assert refused.returncode == 5
    assert "401" in refused.stderr
    assert "authentication" in refused.stderr


def test_a_wrong_password_is_one_warning_and_no_more(gate, influxdb, pushgateway):
    done = gate(
        [
            {
                "to": "influxdb",
                "url": influxdb.url,
                "database": "ci",
                "username_env": "U",
                "password_env": "P",
            },
            {"to": "otlp", "url": "http://127.0.0.1:9", "timeout": "1s"},
            {"to": "pushgateway", "url": pushgateway, "token_env": "NOT_SET"},
        ],
        U="gate",
        P="wrong-wrong-wrong",
    )
    assert done.code == 0, done.said
    warnings = [line for line in done.said.splitlines() if "warning: not pushed" in line]
    assert len(warnings) == 3
    assert "wrong-wrong-wrong" not in done.said
    assert "401" in warnings[0]
    assert "there was no connection" in warnings[1]
    assert "NOT_SET is not set" in warnings[2]


def test_points_that_influxdb_refuses_are_told_in_its_words(influxdb, pushed, gate):
    """One field of another type: the server drops that point and says so."""
    influxdb.change("CREATE DATABASE typed")
    url = f"{influxdb.url}/write?db=typed&u=gate&p={influxdb.password}"
    with urlopen(Request(url, data=b'lens_gate_run spent_usd="text"\n')) as answer:
        assert answer.status == 204
    sink = {"to": "influxdb", "url": influxdb.url, "database": "typed", "headers": {}}
    done = gate([{**sink, "username_env": "U", "password_env": "P"}], U="gate", P=influxdb.password)
    assert done.code == 0
    (warning,) = [line for line in done.said.splitlines() if "warning: not pushed" in line]
    assert "400" in warning
    assert "partial write" in warning
    assert done.report["outcome"] in ("passed", "inconclusive")

"""What others read: promtool, pandas, pyarrow and OpenTelemetry's own classes, number by number.

They are held against `report.json` and `run.jsonl`, read with nothing but json.
"""

import base64
import csv
import io
import itertools
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pyarrow import parquet as pyarrow_parquet

from lens_gate.records.detail import Bundle
from lens_gate.render.exports.table import FORMATS
from tests.unit.render.conftest import Build
from tests.unit.render.exports.conftest import detail
from tests.unit.render.exports.test_table import FRAGMENTS, poisoned

LENS_GATE = Path(sys.executable).with_name("lens-gate")
NUMBERS = ("mean", "typ", "p50", "p90", "p95", "p99", "max")
POLICY = {
    "version": 1,
    "name": "exported",
    "budget": {"max_usd": 1, "max_requests": 200, "max_duration": "2m"},
    "baseline": {"compare": "none"},
    "targets": {
        "quick": {
            "provider": "simulated",
            "price": {"input": 2, "output": 8, "reasoning": 9, "request": 0.0001},
            "simulate": {
                "time_scale": 0.02,
                "faults": [{"kind": "status", "status": 500, "rate": "20%"}],
            },
        }
    },
    "scenarios": {
        "chat": {
            "targets": ["quick"],
            "prompts": ["One?", "Two, please?", "Three or four?"],
            "max_output_tokens": 64,
            "load": {"pattern": "closed", "concurrency": 2},
            "samples": {"min": 40, "max": 40, "warmup": 2},
            "gates": [{"metric": "ttft.p95", "max": "30s"}, {"metric": "error_rate", "max": "90%"}],
        }
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What a gate left."""
    root = tmp_path_factory.mktemp("exported")
    (root / "lens-gate.yaml").write_text(json.dumps(POLICY))
    done = subprocess.run(
        [LENS_GATE, "gate", "--seed", "5"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "lens-gate-out"


@pytest.fixture(scope="module")
def report(folder) -> dict:
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def samples(folder) -> list[dict]:
    lines = (folder / "run.jsonl").read_text().splitlines()
    return [body for line in lines if (body := json.loads(line))["type"] == "sample"]


def exported(folder: Path, name: str) -> bytes:
    done = subprocess.run(
        [LENS_GATE, "export", folder / "report.json", "--format", name],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def promtool(text: bytes) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_run_has_what_the_formats_must_tell_apart(samples):
    assert {sample["phase"] for sample in samples} == {"warmup", "measured"}
    assert {bool(sample["failure"]) for sample in samples} == {True, False}


def test_promtool_finds_nothing_to_say(folder):
    promtool(exported(folder, "prometheus"))


def test_promtool_would_say_something():
    wrong = b"# HELP a_ms x\n# TYPE a_ms counter\na_ms 1\n"
    with pytest.raises(AssertionError):
        promtool(wrong)


def in_ns(sample: dict, start: str, end: str) -> float:
    return (sample["marks"][end] - sample["marks"][start]) / 1e9


def check_frame(frame: pd.DataFrame, samples: list[dict]) -> None:
    """The table has each request's times, counts, bill and status."""
    assert list(frame.seq) == [sample["seq"] for sample in samples]
    status = [s["failure"]["status"] if s["failure"] else "ok" for s in samples]
    assert list(frame.status) == status
    well = [s for s in samples if not s["failure"]]
    ok = frame[frame.status == "ok"]
    assert list(ok.e2e) == pytest.approx([in_ns(s, "sent", "done") for s in well], rel=1e-12)
    assert list(ok.ttft) == pytest.approx([in_ns(s, "sent", "first_text") for s in well])
    assert list(ok.output_tokens) == [s["usage"]["output_total"] for s in well]
    assert list(ok.cost_usd) == [float(s["cost_usd"]) for s in well]
    assert frame.ttft[frame.status != "ok"].isna().all()
    assert frame.settled_usd.sum() == pytest.approx(sum(float(s["settled_usd"]) for s in samples))


def test_pandas_reads_the_requests(folder, samples, report):
    frame = pd.read_csv(io.BytesIO(exported(folder, "csv")))
    check_frame(frame, samples)
    measured = frame[(frame.phase == "measured") & (frame.status == "ok")]
    (cell,) = report["cells"]
    assert measured.ttft.mean() == pytest.approx(cell["metrics"]["ttft"]["mean"])
    assert measured.ttft.max() == cell["metrics"]["ttft"]["max"]
    assert len(measured) == cell["ok"]
    assert str(frame.reused.dtype) == "bool"


def test_the_bill_is_the_sum_of_its_parts_to_the_last_digit(folder, samples):
    rows = list(csv.DictReader(io.StringIO(exported(folder, "csv").decode())))
    for row, sample in zip(rows, samples, strict=True):
        parts = [
            Decimal(v) for k, v in row.items() if k.startswith("cost_") and k != "cost_usd" and v
        ]
        if parts:
            assert sum(parts) == Decimal(sample["cost_usd"]) == Decimal(row["cost_usd"])
        else:
            assert not row["cost_usd"] or Decimal(row["cost_usd"]) == 0
    assert any(row["cost_request_usd"] for row in rows)


def test_pandas_reads_the_statistics_and_the_verdicts(folder, report):
    (cell,) = report["cells"]
    frame = pd.read_csv(io.BytesIO(exported(folder, "csv-summary"))).set_index("metric")
    for metric, numbers in cell["metrics"].items():
        assert [frame.loc[metric, name] for name in NUMBERS] == [numbers[n] for n in NUMBERS]
    verdicts = pd.read_csv(io.BytesIO(exported(folder, "csv-verdicts")))
    assert list(verdicts.verdict) == [row["verdict"]["verdict"] for row in report["rows"]]
    assert list(verdicts.head_value) == [row["verdict"]["head_value"] for row in report["rows"]]


def test_parquet_has_types_and_the_same_numbers(folder, samples):
    data = exported(folder, "parquet")
    table = pyarrow_parquet.read_table(pa.BufferReader(data))
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["seq"], types["ttft"], types["reused"]) == ("int64", "double", "bool")
    assert (types["model"], types["gaps_s"]) == ("string", "list<element: double>")
    check_frame(pd.read_parquet(io.BytesIO(data)), samples)
    for gaps, sample in zip(table.column("gaps_s").to_pylist(), samples, strict=True):
        marks = sample["marks"]["output_ns"]
        steps = [(b - a) / 1e9 for a, b in itertools.pairwise(marks)]
        assert gaps == pytest.approx(steps)
    frame = pd.read_csv(io.BytesIO(exported(folder, "csv")))
    assert set(table.column_names) == {*frame.columns, "gaps_s"}


def test_pandas_reads_the_lines(folder, samples):
    frame = pd.read_json(io.BytesIO(exported(folder, "jsonl")), lines=True)
    assert list(frame.seq) == [sample["seq"] for sample in samples]
    numbers = [values["e2e"] for values in frame["values"] if values]
    ours = [in_ns(s, "sent", "done") for s in samples if not s["failure"]]
    assert numbers == pytest.approx(ours, rel=1e-12)


def attribute(attributes, name: str):
    for item in attributes:
        if item.key == name:
            return getattr(item.value, item.value.WhichOneof("value"))
    return None


def parsed_metrics(data: bytes) -> dict:
    request = json_format.Parse(data, ExportMetricsServiceRequest())
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def test_opentelemetry_reads_the_metrics(folder, report, samples):
    found = parsed_metrics(exported(folder, "otlp-metrics"))
    (cell,) = report["cells"]
    for point in found["lens_gate.ttft"].gauge.data_points:
        name = attribute(point.attributes, "statistic")
        assert point.as_double == cell["metrics"]["ttft"][name]
    measured = [s for s in samples if s["phase"] == "measured" and not s["failure"]]
    tokens = found["gen_ai.client.token.usage"].histogram
    assert tokens.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    sums = {attribute(p.attributes, "gen_ai.token.type"): p.sum for p in tokens.data_points}
    assert sums["output"] == sum(s["usage"]["output_total"] for s in measured)
    assert sums["input"] == sum(s["usage"]["input_total"] for s in measured)
    durations = found["gen_ai.client.operation.duration"].histogram.data_points
    well = [p for p in durations if attribute(p.attributes, "error.type") is None]
    assert sum(p.count for p in well) == len(measured)
    assert sum(p.sum for p in well) == pytest.approx(
        sum(in_ns(s, "sent", "done") for s in measured)
    )
    ill = [p for p in durations if attribute(p.attributes, "error.type") == "server_error"]
    assert sum(p.count for p in ill) == cell["failures"]["server_error"]
    for point in durations:
        assert sum(point.bucket_counts) == point.count
        assert point.start_time_unix_nano < point.time_unix_nano


def parsed_spans(data: bytes) -> list[Span]:
    """OTLP's JSON has ids in hexadecimal, where protobuf's own mapping has them in base64."""
    body = json.loads(data)
    ((scope,),) = (resource["scopeSpans"] for resource in body["resourceSpans"])
    for span in scope["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    request = json_format.Parse(json.dumps(body), ExportTraceServiceRequest())
    return list(request.resource_spans[0].scope_spans[0].spans)


def test_opentelemetry_reads_the_traces(folder, samples):
    spans = parsed_spans(exported(folder, "otlp-traces"))
    parents = {span.span_id: span for span in spans if not span.parent_span_id}
    assert len(parents) == len(samples)
    assert {len(s.trace_id) for s in spans} == {16}
    assert {len(s.span_id) for s in spans} == {8}
    for span, sample in zip(parents.values(), samples, strict=True):
        assert span.kind == Span.SPAN_KIND_CLIENT
        marks = sample["marks"]
        took = span.end_time_unix_nano - span.start_time_unix_nano
        assert took == pytest.approx(marks["done"] - marks["ready"], abs=10)
        failed = sample["failure"] is not None
        assert (span.status.code == Status.STATUS_CODE_ERROR) == failed
        if not failed:
            took = attribute(span.attributes, "lens_gate.e2e")
            assert took == pytest.approx(in_ns(sample, "sent", "done"), rel=1e-12)
            count = attribute(span.attributes, "gen_ai.usage.output_tokens")
            assert count == sample["usage"]["output_total"]
    for span in spans:
        if span.parent_span_id:
            parent = parents[span.parent_span_id]
            assert span.trace_id == parent.trace_id
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    build = Build()
    rows = (build.pairs("ttft", "typ", "fail", 0.045, 0.52),)
    return Bundle(
        report=build.report("failed", rows=rows, cells=(build.in_pairs(), build.cell())),
        requests=(detail(), detail(seq=1, status="timeout", failure="late")),
    )


@pytest.mark.parametrize("text", FRAGMENTS, ids=range(len(FRAGMENTS)))
def test_they_all_read_hostile_texts(bundle, text):
    hostile = poisoned(bundle, text if text.strip() else f"a{text}b")
    promtool(FORMATS["prometheus"].encode(hostile))
    assert len(pd.read_csv(io.BytesIO(FORMATS["csv"].encode(hostile)))) == 2
    assert len(pd.read_csv(io.BytesIO(FORMATS["csv-verdicts"].encode(hostile)))) == 1
    assert len(parsed_spans(FORMATS["otlp-traces"].encode(hostile))) == 10
    assert parsed_metrics(FORMATS["otlp-metrics"].encode(hostile))

"""OTLP: metrics and traces, against the shape that the specification gives them."""

import json
import re
from dataclasses import replace

import pytest

from lens_gate.render.exports import semconv
from lens_gate.render.exports.exposition import families_of
from lens_gate.render.exports.families import Spread
from lens_gate.render.exports.origin import origin_of
from lens_gate.render.exports.otlp import attributes
from lens_gate.render.exports.otlp_metrics import duration_s, otlp_metrics, otlp_name
from lens_gate.render.exports.otlp_traces import otlp_traces, request_spans

START = 1795234821 * 10**9


def told(items: list) -> dict:
    """Attributes as a mapping."""
    found = {}
    for item in items:
        ((kind, value),) = item["value"].items()
        value = int(value) if kind == "intValue" else value
        if kind == "arrayValue":
            value = [next(iter(one.values())) for one in value["values"]]
        assert item["key"] not in found
        found[item["key"]] = value
    return found


def metrics_of(bundle) -> dict:
    ((one,),) = (body["resourceMetrics"] for body in [json.loads(otlp_metrics(bundle))])
    (scope,) = one["scopeMetrics"]
    assert scope["schemaUrl"] == "https://opentelemetry.io/schemas/1.41.0"
    assert told(one["resource"]["attributes"]) == {
        "service.name": "lens-gate",
        "service.version": "0.1.0",
        "lens_gate.policy": "demo",
        "lens_gate.run.id": bundle.report.run_id,
    }
    found = {metric["name"]: metric for metric in scope["metrics"]}
    assert len(found) == len(scope["metrics"])
    return found


def points(metric: dict, kind: str) -> list[dict]:
    return metric[kind]["dataPoints"]


def test_every_series_of_prometheus_is_a_metric(bundle) -> None:
    found = metrics_of(bundle)
    kinds = {"gauge": "gauge", "info": "gauge", "counter": "sum", "histogram": "histogram"}
    for family in families_of(bundle):
        metric = found[otlp_name(family)]
        ours = points(metric, kinds[family.kind])
        for point, theirs in zip(family.points, ours, strict=True):
            assert told(theirs["attributes"]) == dict(point.labels)
            assert theirs["startTimeUnixNano"] == str(START)
            assert theirs["timeUnixNano"] == str(START + 3_150_000_000)
            if isinstance(point.value, Spread):
                assert sum(map(int, theirs["bucketCounts"])) == int(theirs["count"])
                assert len(theirs["bucketCounts"]) == len(theirs["explicitBounds"]) + 1
                assert theirs["sum"] == point.value.total
            else:
                assert theirs["asDouble"] == point.value
    assert found["lens_gate.ttft"]["unit"] == "s"
    assert found["lens_gate.output.tokens"]["unit"] == "{token}"
    assert found["lens_gate.output.tokens_per_second"]["unit"] == "{token}/s"
    assert found["lens_gate.billed"]["sum"]["isMonotonic"] is True
    assert found["lens_gate.requests"]["sum"]["aggregationTemporality"] == 2
    assert found["lens_gate.check_head.seconds"]["unit"] == "s"


def test_genai_metrics_are_of_the_measured_requests(bundle) -> None:
    found = metrics_of(bundle)
    durations = points(found[semconv.OPERATION_DURATION], "histogram")
    by = {
        (told(p["attributes"])["lens_gate.arm"], told(p["attributes"]).get("error.type")): p
        for p in durations
        if told(p["attributes"])["lens_gate.scenario"] == "chat"
    }
    head = told(by["head", None]["attributes"])
    assert head == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-test",
        "gen_ai.response.model": "gpt-test-2026",
        "lens_gate.scenario": "chat",
        "lens_gate.target": "quick",
        "lens_gate.arm": "head",
    }
    assert (by["head", None]["sum"], by["head", None]["count"]) == (0.14, "1")
    assert by["head", "timeout"]["sum"] == 2.0
    assert by["control", None]["explicitBounds"] == list(semconv.DURATION_BOUNDS)
    tokens = points(found[semconv.TOKEN_USAGE], "histogram")
    output = [p for p in tokens if told(p["attributes"])[semconv.TOKEN_TYPE] == "output"]
    assert {p["sum"] for p in output} == {9.0}
    first = points(found[semconv.TIME_TO_FIRST_TOKEN], "histogram")
    # The one without usage had a first token; the one that timed out, none.
    assert sorted(p["sum"] for p in first) == [0.04, 0.04, 0.06]
    other = told(next(p for p in first if p["sum"] == 0.06)["attributes"])
    assert other["gen_ai.provider.name"] == "unknown"
    assert "gen_ai.request.model" not in other
    assert semconv.TIME_PER_OUTPUT_TOKEN in found
    # The first chunk holds the first output of any kind: a thought counts.
    chunks = points(found["gen_ai.client.operation.time_to_first_chunk"], "histogram")
    late = [
        r.values["ttfr"] for r in bundle.requests if r.phase == "measured" and "ttfr" in r.values
    ]
    assert late
    assert sum(p["sum"] for p in chunks) == pytest.approx(sum(late))


def test_without_requests_there_are_no_genai_metrics(alone) -> None:
    assert not [name for name in metrics_of(alone) if name.startswith("gen_ai")]


def test_every_bound_is_the_conventions() -> None:
    assert semconv.TOKEN_BOUNDS[:3] == (1.0, 4.0, 16.0)
    assert semconv.TOKEN_BOUNDS[-1] == 67108864
    assert tuple(round(0.01 * 2**k, 2) for k in range(14)) == semconv.DURATION_BOUNDS
    for bounds in (semconv.FIRST_TOKEN_BOUNDS, semconv.OUTPUT_TOKEN_BOUNDS):
        assert list(bounds) == sorted(set(bounds))
    known = {"openai", "anthropic", "aws.bedrock", "azure.ai.openai", "gcp.gemini", "gcp.vertex_ai"}
    assert set(semconv.PROVIDERS.values()) == known


def test_the_names_of_protocols_are_the_houses() -> None:
    from lens_gate.providers.table import PROVIDERS

    assert set(semconv.PROVIDERS) <= set(PROVIDERS)
    assert semconv.provider_name("pebble") == "pebble"


def test_how_long_it_took_where_it_failed(bundle, request_detail) -> None:
    failed = {"values": {}, "status": "server_error"}
    unsent = request_detail(**failed, phases={"queue": 1.0})
    assert semconv.OPERATION_DURATION not in metrics_of(replace(bundle, requests=(unsent,)))
    assert duration_s(request_detail()) == 0.14
    cut = request_detail(**failed, phases={"queue": 1.0, "headers": 0.25, "first": 0.5})
    assert duration_s(cut) == 0.75
    assert duration_s(unsent) is None


def spans_of(data: bytes) -> list[dict]:
    ((one,),) = (body["resourceSpans"] for body in [json.loads(data)])
    (scope,) = one["scopeSpans"]
    return scope["spans"]


def test_a_trace_a_request_and_its_phases_in_order(bundle) -> None:
    spans = spans_of(otlp_traces(bundle))
    requests = [span for span in spans if "parentSpanId" not in span]
    assert len(requests) == len(bundle.requests)
    for span, request in zip(requests, bundle.requests, strict=True):
        children = [s for s in spans if s.get("parentSpanId") == span["spanId"]]
        assert [child["name"] for child in children] == list(request.phases)
        assert {child["traceId"] for child in children} == {span["traceId"]}
        at = int(span["startTimeUnixNano"])
        assert at == START + round(request.at_s * 1e9)
        for child in children:
            assert int(child["startTimeUnixNano"]) == at
            at = int(child["endTimeUnixNano"])
            took = at - int(child["startTimeUnixNano"])
            assert took == round(request.phases[child["name"]] * 1e9)
        assert at == int(span["endTimeUnixNano"])
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
    assert len({span["spanId"] for span in spans}) == len(spans)
    assert len({span["traceId"] for span in spans}) == len(bundle.requests)


def test_a_span_says_what_the_conventions_ask(bundle) -> None:
    first, *_, late = (s for s in spans_of(otlp_traces(bundle)) if s["kind"] == 3)
    assert first["name"] == "chat gpt-test"
    assert "status" not in first
    names = told(first["attributes"])
    wanted = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-test",
        "gen_ai.response.model": "gpt-test-2026",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "http.response.status_code": 200,
        "lens_gate.ttft": 0.04,
        "lens_gate.e2e": 0.14,
        "lens_gate.bill_usd": 0.000056,
        "lens_gate.connection.reused": True,
        "lens_gate.pair": 0,
    }
    assert wanted.items() <= names.items()
    assert "error.type" not in names
    assert late["name"] == "chat"
    timeout = next(s for s in spans_of(otlp_traces(bundle)) if "status" in s)
    assert timeout["status"] == {"code": 2, "message": "no byte for 2 s"}
    names = told(timeout["attributes"])
    assert (names["error.type"], names["lens_gate.ttft.bound"]) == ("timeout", 2.0)
    assert "gen_ai.usage.input_tokens" not in names
    assert "lens_gate.bill_usd" not in names


def test_what_is_sent_twice_is_one_trace_and_another_run_another(bundle) -> None:
    origin = origin_of(bundle.report)
    once = spans_of(otlp_traces(bundle))
    again = spans_of(request_spans(bundle.requests[:1], origin))
    assert again == once[: len(again)]
    other = spans_of(request_spans(bundle.requests[:1], replace(origin, run_id="another")))
    assert {s["traceId"] for s in other}.isdisjoint({s["traceId"] for s in once})


@pytest.mark.parametrize("value", [None, "", ()])
def test_what_has_no_value_is_no_attribute(value) -> None:
    assert attributes({"a": value, "b": 0, "c": False}) == [
        {"key": "b", "value": {"intValue": "0"}},
        {"key": "c", "value": {"boolValue": False}},
    ]

"""A report with everything in it, and the requests behind it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.records.detail import Bundle, RequestDetail
from lens_gate.records.load_report import ColdStart, LoadReport


def detail(**given) -> RequestDetail:
    """One request; a test names only what matters to it."""
    whole = {
        "seq": 0,
        "scenario": "chat",
        "target": "quick",
        "arm": "head",
        "phase": "measured",
        "prompt_id": "p-1",
        "pair": 0,
        "block": None,
        "step": None,
        "attempts": 1,
        "status": "ok",
        "failure": "",
        "http_status": 200,
        "model": "gpt-test-2026",
        "finish_reason": "stop",
        "service_tier": None,
        "at_s": 0.125,
        "phases": {"queue": 0.001, "headers": 0.02, "first": 0.02, "stream": 0.1},
        "values": {
            "ttfr": 0.03,
            "ttft": 0.04,
            "e2e": 0.14,
            "tpot": 0.0123,
            "input_tokens": 20.0,
            "output_tokens": 9.0,
            "reasoning_tokens": 2.0,
            "cost_usd": 0.000056,
        },
        "bounds": {},
        "estimated": {},
        "gaps_s": (0.01, 0.02),
        "merged": 0,
        "lag_s": 0.0001,
        "clock": "kernel",
        "reused": True,
        "cost_usd": Decimal("0.000056"),
        "settled_usd": Decimal("0.000056"),
        "cost_parts": {"input": Decimal("0.00002"), "output": Decimal("0.000036")},
        "provider": "openai",
        "asked_model": "gpt-test",
    }
    return RequestDetail(**{**whole, **given})


def timed_out(**given) -> RequestDetail:
    return detail(
        status="timeout",
        failure="no byte for 2 s",
        http_status=None,
        model=None,
        finish_reason=None,
        phases={"queue": 0.001, "headers": 2.0},
        values={},
        bounds={"ttft": 2.0, "e2e": 2.0, "tpot": 2.0},
        gaps_s=(),
        cost_usd=None,
        settled_usd=Decimal("0.01"),
        cost_parts={},
        lag_s=None,
        **given,
    )


LOAD = LoadReport(
    open=True,
    window_s=20.5,
    requests=40,
    rps=1.9,
    throughput=110.25,
    goodput_rps=None,
    asked_rate=2.0,
    sent_rate=1.95,
    asked_concurrency=100,
    concurrency=0.4,
    most_in_flight=3,
)
COLD = ColdStart(
    cold=5,
    warm=20,
    penalty_s=0.03,
    low_s=-0.01,
    high_s=None,
    connect_s=0.01,
    first_s=0.2,
    warm_s=0.05,
    loaded=0,
    load_s=None,
    loaded_by="",
)


@pytest.fixture(scope="session")
def request_detail():
    return detail


@pytest.fixture(scope="session")
def bundle(build) -> Bundle:
    plain = build.cell()
    lost = build.cell(
        scenario="long",
        failures={"timeout": 2, "server_error": 1},
        retried=1,
        client_lag_p99_s=0.01,
        metrics={**plain.metrics, "output_tps": build.statistics(310.5, censored=2)},
    )
    paired = build.in_pairs(load=LOAD, cold=COLD)
    rows = (
        build.pairs("ttft", "typ", "fail", 0.045, 0.52),
        build.drift("e2e", "typ", "pass", 0.17, 0.01, scenario="long"),
        build.limit("ttft", "p95", "pass", 0.079, 1.5, low=0.063, high=0.118),
        build.limit("error_rate", "", "pass", 0.0, 0.2, low=None, high=0.139, gating=False),
        build.limit(
            "output_tps", "mean", "pass", 300.0, 100.0, low=290.0, high=None, better="higher"
        ),
        build.row("cost_usd", "mean", kind="new", verdict=build.verdict("new")),
        build.row("output_tokens", "mean", verdict=build.verdict("inconclusive", estimate=-0.02)),
    )
    report = build.report("failed", rows=rows, cells=(paired, lost))
    requests = (
        detail(),
        detail(seq=1, arm="control", model="gpt-test-2025", at_s=0.25),
        timed_out(seq=2, pair=1),
        detail(seq=3, phase="warmup", pair=None, values={"ttft": 9.0}, reused=False),
        detail(
            seq=4,
            scenario="long",
            provider="",
            asked_model="",
            pair=None,
            values={"ttft": 0.06},
            estimated={"output_tokens": 7.5},
            cost_usd=None,
            cost_parts={},
        ),
    )
    return Bundle(report=report, requests=requests)


@pytest.fixture(scope="session")
def alone(bundle) -> Bundle:
    """The report whose journal is not there."""
    return replace(bundle, requests=None)

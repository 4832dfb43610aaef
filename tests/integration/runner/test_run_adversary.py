"""A hostile server through the whole runner: a failed sample, never the process, never a key."""

import resource
import sys
from dataclasses import replace

import pytest

KEY = "sk-very-secret-key-of-this-test-0123456789"
FAULTS = {
    "endless_headers": ({"pause": "0s"}, {"over_limit", "malformed", "truncated", "connection"}),
    "endless_stream": ({}, {"over_limit", "timeout"}),
    "huge_line": ({"bytes": 1_000_000_000}, {"over_limit"}),
    "bomb": ({"bytes": 500_000_000}, {"over_limit"}),
    "slow_drip": ({"pause": "30ms"}, {"timeout"}),
    "invalid_utf8": ({}, {"ok", "malformed"}),
    "redirect": (
        {"to": "http://127.0.0.1:9/v1"},
        {"malformed", "bad_request", "server_error", "not_found", "connection"},
    ),
    "broken_chunking": ({}, {"malformed", "truncated"}),
    "wrong_type": ({"content_type": "text/html"}, {"malformed"}),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_it_costs_a_failed_sample(bench, kind):
    details, statuses = FAULTS[kind]
    plan = bench.plan(bench.policy())
    plan = replace(plan, cells=tuple(replace(c, n=4, warmup=0, min_n=1) for c in plan.cells))
    target = plan.policy.targets["one"]
    limits = replace(target.timeouts, first_byte_s=2.0, idle_s=2.0, total_s=0.5)
    targets = {"one": replace(target, timeouts=limits)}
    plan = replace(plan, policy=replace(plan.policy, targets=targets))
    fault = {"kind": kind, "rate": "100%", **details}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = bench.run(plan, bench.behave(faults=[fault]), secret=bench.secret(KEY))
    assert outcome.run.end.reason in ("complete", "budget")
    assert len(outcome.measured) >= 3
    for sample in outcome.measured:
        status = sample.failure.status if sample.failure else "ok"
        assert status in statuses, sample.failure
        assert KEY not in repr(sample)
    assert KEY.encode() not in outcome.raw
    if sys.platform == "linux":
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 200, "MiB: far less than was sent"


@pytest.mark.parametrize(
    ("fault", "limit", "code"),
    [
        ({"kind": "slow_headers", "delay": "5s"}, {"first_byte_s": 0.1}, "first_byte"),
        ({"kind": "stall", "for": "5s"}, {"idle_s": 0.1}, "idle"),
        ({"kind": "stall", "for": "5s"}, {"total_s": 0.2}, "total"),
    ],
)
def test_the_limits_that_ran_out_are_told_apart(bench, fault, limit, code):
    plan = bench.plan(bench.policy())
    plan = replace(plan, cells=tuple(replace(c, n=1, warmup=0, min_n=1) for c in plan.cells))
    target = plan.policy.targets["one"]
    targets = {"one": replace(target, timeouts=replace(target.timeouts, **limit))}
    plan = replace(plan, policy=replace(plan.policy, targets=targets))
    outcome = bench.run(plan, bench.behave(faults=[{"rate": "100%", **fault}]))
    (sample,) = outcome.measured
    assert (sample.failure.status, sample.failure.code) == ("timeout", code), sample.failure
    assert sample.limit_s == next(iter(limit.values()))


def test_a_run_knows_how_well_its_client_saw(bench):
    outcome = bench.run(bench.plan(bench.policy()))
    end = outcome.run.end
    assert end.clock == ("kernel" if sys.platform == "linux" else "transport")
    assert 0 <= end.merged_share < 1
    # The server of this test is in the same process.
    assert 0 < end.cpu_share < 2
    lags = [s.marks.lag for s in outcome.run.samples if s.marks.lag is not None]
    if lags:
        assert end.client_lag_p99_s is not None
        assert min(lags) / 1e9 <= end.client_lag_p99_s <= max(lags) / 1e9
    marks = [s.marks for s in outcome.measured if s.failure is None]
    for mark in marks:
        assert mark.first_since <= min(m for m in (mark.first_text, mark.first_tool) if m)
        assert mark.last_since <= mark.last_output
        assert mark.byte_since <= mark.first_byte

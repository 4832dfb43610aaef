"""A thousand streams at once, faults of every kind, an end at any moment: nothing hangs or is lost.

What the run says is held against the server's own books; sockets and tasks are counted.
"""

import random
import resource
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

STREAMS = 1000
FILES_NEEDED = 4 * STREAMS  # both ends of each connection are in this process
FAULTS = [
    {"kind": "status", "status": 429, "every": 7, "retry_after_ms": "1"},
    {"kind": "status", "status": 500, "every": 11},
    {"kind": "cut", "every": 5, "after_chunks": 1, "how": "close"},
    {"kind": "cut", "every": 13, "after_chunks": 2, "how": "reset"},
    {"kind": "truncated", "every": 17, "after_chunks": 2},
    {"kind": "error_event", "every": 19, "after_chunks": 1},
    {"kind": "stall", "every": 23, "after_chunks": 1, "for": "60s"},
    {"kind": "slow_headers", "every": 29, "delay": "60s"},
    {"kind": "no_usage", "every": 31},
    {"kind": "empty_200", "every": 37},
    {"kind": "not_streamed", "every": 41},
    {"kind": "comments", "every": 3},
    {"kind": "invalid_utf8", "every": 43, "after_chunks": 1},
    {"kind": "broken_chunking", "every": 47, "after_chunks": 1},
]
STATUSES = {
    "rate_limited",
    "server_error",
    "truncated",
    "connection",
    "timeout",
    "empty",
    "not_streamed",
    "malformed",
}


@pytest.fixture(autouse=True)
def _many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_NEEDED if hard == resource.RLIM_INFINITY else min(hard, FILES_NEEDED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _open_files():
    place = Path("/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd")
    return len(list(place.iterdir()))


def storm(bench, *, streams, requests, max_usd=1000, retries=0):
    """A plan of so many streams at once, with time limits that stalled ones run into."""
    policy = bench.policy(
        budget={"max_usd": max_usd, "max_requests": 3 * requests, "max_duration": "60s"},
        targets__one={
            "provider": "simulated",
            "model": "sim",
            "price": {"input": 2, "output": 8},
            "retries": retries,
        },
        scenarios__chat__load={"pattern": "closed", "concurrency": streams},
        scenarios__chat__samples={"min": 4, "max": requests, "warmup": 0},
    )
    plan = bench.plan(policy)
    target = plan.policy.targets["one"]
    limits = replace(target.timeouts, first_byte_s=3.5, idle_s=3.0, total_s=10.0)
    targets = {"one": replace(target, timeouts=limits)}
    return replace(plan, policy=replace(plan.policy, targets=targets))


def agree(outcome, *, cap):
    """The journal, the ledger and the server's books tell of the same requests and money."""
    spend, books = outcome.run.end.spend, outcome.stats["one"]
    samples = outcome.run.samples
    assert len({s.seq for s in samples}) == len(samples)
    assert sum(s.attempts for s in samples) == spend.requests
    # What was broken off may have been on its way: the server read it, or never will.
    cut = sum(s.phase == "cut" for s in samples)
    assert spend.requests - cut <= books["requests"] <= spend.requests
    assert books["in_flight"] == 0
    assert sum(s.settled_usd for s in samples) == spend.spent_usd <= spend.peak_usd <= cap
    assert _cost(books) <= spend.spent_usd


def _cost(books):
    return (2 * Decimal(books["prompt_tokens"]) + 8 * Decimal(books["completion_tokens"])) / 10**6


def test_a_thousand_streams_with_every_fault_are_all_accounted_for(bench):
    plan = storm(bench, streams=STREAMS, requests=STREAMS)
    before = _open_files()
    most = []
    outcome = bench.run(
        plan,
        bench.behave(ttft={"fixed": "2s"}, faults=FAULTS),
        on_progress=lambda progress, _: most or most.append(_open_files()),
    )
    assert _open_files() <= before
    end = outcome.run.end
    assert (end.reason, end.cells[0].reason) == ("complete", "complete")
    assert sorted(s.seq for s in outcome.run.samples) == list(range(STREAMS))
    agree(outcome, cap=1000)
    # They were there at once, but for those refused straight away; and every kind of end came.
    assert most[0] - before > 2 * STREAMS * 0.9  # both ends of each connection
    assert outcome.stats["one"]["most_in_flight"] > STREAMS / 5
    assert {s.failure.status for s in outcome.measured if s.failure} == STATUSES
    assert outcome.stats["one"]["requests"] == STREAMS
    ours = Counter(str(s.http_status) for s in outcome.measured if s.http_status in (429, 500))
    theirs = outcome.stats["one"]["by_status"]
    assert ours == {status: theirs[status] for status in ("429", "500")}


@pytest.mark.parametrize("seed", range(4))
def test_broken_off_at_any_moment_nothing_is_lost(bench, seed):
    streams = 150
    draw = random.Random(seed)  # which moment is tried
    moment = draw.randrange(0, 3 * streams)
    plan = storm(bench, streams=streams, requests=4 * streams, retries=1)

    def stop(progress, interrupt):
        if progress.done > moment:
            interrupt.set()

    before = _open_files()
    behaviour = bench.behave(ttft={"median": "20ms", "sigma": 1.0}, faults=FAULTS)
    outcome = bench.run(plan, behaviour, on_progress=stop)
    assert _open_files() <= before
    assert outcome.run.end.reason == "interrupted"
    assert len(outcome.run.samples) > moment
    agree(outcome, cap=1000)
    assert sum(s.phase == "cut" for s in outcome.run.samples) <= streams


def test_a_thousand_at_once_never_pass_a_cap_that_holds_for_some(bench):
    plan = storm(bench, streams=STREAMS, requests=STREAMS)
    worst = plan.cells[0].worst_usd
    cap = worst * 150
    seen = []
    outcome = bench.run(
        bench.with_budget(plan, max_usd=cap),
        bench.behave(ttft={"fixed": "50ms"}, faults=FAULTS),
        on_progress=lambda progress, _: seen.append(progress.spend.peak_usd),
    )
    end = outcome.run.end
    assert end.reason == "budget"
    assert end.cells[0].reason == "money"
    assert max(seen) <= cap
    # The cap was used, not feared: more went than whole reservations fit in it.
    assert len(outcome.run.samples) > 150
    assert outcome.stats["one"]["most_in_flight"] <= 1.2 * 150
    agree(outcome, cap=cap)

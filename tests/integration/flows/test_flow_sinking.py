"""``publish:`` from the policy to the sinks: who pushes, when, and that it costs no outcome."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from lens_gate.errors import WorldError
from lens_gate.flows.gate import gated
from lens_gate.flows.sinking import NOWHERE, Pushing, export_to, push_report, pushing_of
from lens_gate.flows.sources import find_sources
from lens_gate.flows.stopping import Stop
from lens_gate.flows.streaming import (
    BATCH,
    GIVEN_UP,
    HELD,
    HURRY_S,
    Streams,
    _Stream,
    streaming,
)
from lens_gate.records.destination import Destination
from lens_gate.render.exports.table import FORMATS
from lens_gate.runner.journal import read_run
from lens_gate.runner.measure import nobody
from lens_gate.sinks import Pushed

FILES = [
    {"to": "file", "path": "lens-gate.prom", "format": "prometheus"},
    {"to": "file", "path": "report.csv", "format": "csv-summary", "events": ["schedule"]},
]
SILENT = "it did not answer in time; it may have been taken"
NOT_SET = "the variable NOT_SET is not set; set it in the job, or remove it"


@pytest.fixture(scope="module")
def pushed(repository, policy, tmp_path_factory):
    """A gate whose policy has sinks: the place, what came of it, and the lines told."""
    live = {"to": "file", "path": "live.jsonl", "live": True}
    place = repository(
        tmp_path_factory.mktemp("pushed") / "r",
        {"lens-gate.yaml": policy(publish=[*FILES, live])},
    )
    done = gated(place.order(), place.world())
    push_report(done.report, done.pushing, place.root / "out", place.world())
    return place, done


@contextmanager
def stuck():
    """A server that takes a connection and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def told(place):
    return [line for line in place.said if "push" in line or "stream" in line]


def test_a_gate_pushes_where_its_policy_says(pushed):
    place, done = pushed
    text = (place.root / "out" / "lens-gate.prom").read_text()
    assert f'run="{done.report.run_id}"' in text
    assert "pushed prometheus to file at lens-gate.prom" in place.said
    assert not (place.root / "out" / "report.csv").exists(), "not of this kind of run"


def test_a_live_file_has_every_sample_and_is_not_written_again(pushed):
    place, _ = pushed
    run = read_run(place.root / "out" / "run.jsonl")
    lines = (place.root / "out" / "live.jsonl").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [s.seq for s in run.samples]
    assert told(place) == [
        f"streamed {len(run.samples)} samples to file at live.jsonl",
        "pushed prometheus to file at lens-gate.prom",
    ]


def test_a_live_file_begins_anew_with_each_run(pushed):
    place, _ = pushed
    gated(place.order(), place.world())
    run = read_run(place.root / "out" / "run.jsonl")
    lines = (place.root / "out" / "live.jsonl").read_text().splitlines()
    assert {json.loads(line)["run_id"] for line in lines} == {run.header.run_id}


@pytest.fixture
def sources(pushed):
    place, _ = pushed
    return find_sources(place.world(), None)


def test_what_kind_of_run_it_is_goes_with_the_numbers(sources):
    pushing = pushing_of(sources)
    assert [sink.path for sink in pushing.sinks] == ["lens-gate.prom", "live.jsonl"]
    assert pushing.labels == {"event": "local"}
    gateway = Destination(to="pushgateway", format="prometheus", labels={"team": "x"})
    assert pushing.labels_for(gateway) == {"team": "x", "event": "local"}
    assert pushing.labels_for(replace(gateway, to="http")) == {}
    nightly = replace(sources, context=replace(sources.context, event="schedule"))
    assert len(pushing_of(nightly).sinks) == 3


def test_a_fork_and_a_policy_that_nobody_approved_push_nowhere(sources):
    assert pushing_of(replace(sources, not_measured="main has no policy yet")) == NOWHERE
    fork = replace(sources.context, event="pull_request", is_fork=True)
    assert pushing_of(replace(sources, context=fork)) == NOWHERE


def test_the_sinks_are_those_of_the_trusted_policy(sources):
    theirs = replace(sources.policy, publish=())
    assert pushing_of(replace(sources, policy=theirs)) == pushing_of(sources)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "not_measured"},
        {"outcome": "unchanged"},
        {"outcome": "aborted", "exit_code": 130},
        {"outcome": "aborted", "exit_code": 143},
    ],
)
def test_what_measured_nothing_wipes_nothing_out(changes, pushed, tmp_path):
    place, done = pushed
    place = replace(place, said=[])
    path = str(tmp_path / "a.prom")
    sink = Destination(to="file", path=path, format="prometheus")
    report = replace(done.report, **changes)
    push_report(report, Pushing(sinks=(sink,)), place.root / "out", place.world())
    assert list(tmp_path.iterdir()) == []
    assert place.said == []


def test_each_failure_is_one_line_and_the_others_go_on(pushed, tmp_path):
    place, done = pushed
    place = replace(place, said=[])
    with stuck() as url, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody_there = f"http://127.0.0.1:{taken.getsockname()[1]}"
        sinks = (
            Destination(to="http", url=url, format="json", timeout_s=0.2),
            Destination(to="otlp", url=nobody_there, format="otlp-metrics", timeout_s=0.2),
            Destination(to="http", url=url, format="none-such"),
            Destination(to="http", url=url, format="json", token_env="NOT_SET"),
            Destination(to="file", path=str(tmp_path / "a.json"), format="json"),
        )
        push_report(done.report, Pushing(sinks=sinks), place.root / "out", place.world())
    assert place.said == [
        f"warning: not pushed: json to http at {url}: {SILENT}",
        f"warning: not pushed: otlp-metrics to otlp at {nobody_there}: there was no connection",
        f"warning: not pushed: none-such to http at {url}: there is no format 'none-such'",
        f"warning: not pushed: json to http at {url}: {NOT_SET}",
        f"pushed json to file at {tmp_path / 'a.json'}",
    ]


def test_requests_that_are_gone_are_one_line(pushed, tmp_path):
    place, done = pushed
    place = replace(place, said=[])
    sink = Destination(to="file", path=str(tmp_path / "a.csv"), format="csv")
    push_report(done.report, Pushing(sinks=(sink,)), tmp_path, place.world())
    (line,) = place.said
    assert "is not beside its report" in line


def test_a_plug_in_that_is_gone_is_one_line(pushed, tmp_path):
    place, done = pushed
    place = replace(place, said=[])
    sink = Destination(to="file", path=str(tmp_path / "a.json"), format="json")
    pushing = Pushing(sinks=(sink,), plugins=("lens-gate-none-such",))
    push_report(done.report, pushing, place.root / "out", place.world())
    (line,) = place.said
    assert line.startswith("warning: nothing was pushed: the plug-in 'lens-gate-none-such'")


# --- while the run goes on ----------------------------------------------------------------------


@pytest.fixture
def run(pushed):
    place, _ = pushed
    return read_run(place.root / "out" / "run.jsonl")


def stream(place, run, sink, samples=None):
    """All samples of the run by a sink of its own, as fast as they can be given; the streams."""
    place = replace(place, said=[])
    pushing = Pushing(sinks=(sink,), labels={"event": "local"})
    with streaming(pushing, run.header, place.root / "out", place.world()) as streams:
        world = streams.joined(place.world())
        for sample in run.samples if samples is None else samples:
            world.seen(sample)
    (line,) = place.said
    return streams, line


def test_a_run_without_live_sinks_has_no_streams(pushed, run):
    place, _ = pushed
    world = place.world()
    sink = Destination(to="file", path="a", format="jsonl")
    with streaming(Pushing(sinks=(sink,)), run.header, place.root, world) as streams:
        assert streams.joined(world) is world
        assert world.seen is nobody
    assert streams.delivered == ()


def test_who_watched_before_goes_on_watching(pushed, run):
    place, _ = pushed
    seen = []
    world = replace(place.world(), seen=seen.append)
    sink = Destination(to="file", path="b.jsonl", format="jsonl", live=True)
    with streaming(Pushing(sinks=(sink,)), run.header, place.root / "out", world) as streams:
        streams.joined(world).seen(run.samples[0])
    assert seen == [run.samples[0]]


def test_a_dead_sink_loses_all_and_says_so_once(pushed, run):
    place, _ = pushed
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        sink = Destination(
            to="influxdb", url=url, database="d", format="influx", live=True, timeout_s=2.0
        )
        streams, line = stream(place, run, sink)
    total = len(run.samples)
    assert line == (
        f"warning: {total} of {total} samples were not streamed to influxdb at {url}: "
        "there was no connection"
    )
    assert streams.delivered == ()


def test_the_runs_end_waits_for_a_stuck_sink_no_longer_than_its_timeout(pushed, run):
    """The thread is still waiting for its server when the run has gone on."""
    place, _ = pushed
    with stuck() as url:
        sink = Destination(to="http", url=url, format="json", live=True, timeout_s=0.3)
        before = threading.active_count()
        many = [replace(run.samples[0], seq=n) for n in range(BATCH * (GIVEN_UP + 1))]
        streams, line = stream(place, run, sink, many)
        assert line.startswith(f"warning: {len(many)} of {len(many)} samples were not streamed")
        assert threading.active_count() >= before
    assert streams.delivered == ()


def test_offering_never_waits_and_what_is_too_much_is_dropped(pushed, run):
    """Nobody takes anything out: every put returns, and no more is held than is said."""
    place, _ = pushed
    with stuck() as url:
        sink = Destination(to="http", url=url, format="json", live=True, timeout_s=0.3)
        pushing = Pushing(sinks=(sink,))
        place = replace(place, said=[])
        with streaming(pushing, run.header, place.root, place.world()) as streams:
            world = streams.joined(place.world())
            for _ in range(HELD + 5 * BATCH):
                world.seen(run.samples[0])
            (own,) = streams._streams
            assert own._queue.qsize() <= HELD
    assert f"of {HELD + 5 * BATCH} samples were not streamed" in place.said[0]


def test_a_bug_in_a_stream_costs_the_run_nothing(pushed, run, monkeypatch):
    from lens_gate.flows import streaming as module

    def broken(_requests, _origin):
        raise ZeroDivisionError

    place, _ = pushed
    monkeypatch.setattr(module, "_ENCODE", {"jsonl": broken})
    sink = Destination(to="file", path="c.jsonl", format="jsonl", live=True)
    _, line = stream(place, run, sink)
    assert line.endswith("jsonl failed: ZeroDivisionError")
    assert line.startswith("warning: ")


def test_a_file_that_lost_samples_is_pushed_whole_at_the_end(pushed, run):
    place, _ = pushed
    out = place.root / "out"
    (out / "d").write_text("in the way")
    sink = Destination(to="file", path="d/live.jsonl", format="jsonl", live=True)
    streams, line = stream(place, run, sink)
    assert "it can't be written" in line
    assert streams.delivered == ()
    (out / "d").unlink()
    whole, line = stream(place, run, sink)
    assert whole.delivered == (sink,)
    assert line == f"streamed {len(run.samples)} samples to file at d/live.jsonl"


def test_a_sink_with_more_to_say_at_the_end_is_pushed_to_again(pushed, run):
    place, _ = pushed
    sink = Destination(to="file", path="e.jsonl", format="json", live=True)
    streams, line = stream(place, run, sink)
    assert line.startswith("streamed")
    assert streams.delivered == ()


def test_no_sample_no_delivery(pushed, run):
    place, _ = pushed
    sink = Destination(to="file", path="f.jsonl", format="jsonl", live=True)
    streams, line = stream(place, run, sink, [])
    assert line == "streamed 0 samples to file at f.jsonl"
    assert streams.delivered == ()


def test_the_runs_end_waits_for_what_is_under_way(run):
    """A sink that answers late, but in time, has all of it: its line says so."""
    go = threading.Event()

    def send(_requests):
        go.wait(30)
        return Pushed()

    sink = Destination(to="http", url="http://x", format="json", live=True, timeout_s=30.0)
    stream = _Stream(sink, run.header, send)
    stream.offer(run.samples[0])
    said = []
    end = threading.Thread(target=Streams([stream]).close, args=(said.append,))
    end.start()
    end.join(0.1)
    assert end.is_alive()
    assert said == []
    go.set()
    end.join(30)
    assert said == ["streamed 1 samples to http at http://x"]


def test_a_run_that_is_interrupted_waits_for_no_sink(run):
    """Who cancels a job kills it some seconds later: the report comes first."""
    go = threading.Event()

    def send(_requests):
        go.wait(30)
        return Pushed()

    sink = Destination(to="http", url="http://x", format="json", live=True, timeout_s=1000.0)
    waited = []

    class Watched(_Stream):
        def wait(self, start, seconds):
            waited.append(seconds)
            super().wait(start, 0.0)

    for reason in ("interrupted", "terminated", "complete"):
        stream = Watched(sink, run.header, send)
        stream.offer(run.samples[0])
        streams = Streams([stream])
        over = replace(run, end=replace(run.end, reason=reason))
        assert streams.ended(over) is over
        streams.close([].append)
    go.set()
    assert waited == [HURRY_S, HURRY_S, 1000.0]
    streams = Streams([])
    assert streams.ended(replace(run, end=None)).end is None


def test_the_thread_stands_back_before_each_sample(pushed, run, monkeypatch):
    """What it does for one sample is all that the run may wait for: it holds the interpreter."""
    from lens_gate.flows import streaming as module

    place, _ = pushed
    steps = []

    def pause(seconds):
        # Threads of sinks that are stuck may still be about.
        if threading.current_thread().name == "live-file":
            steps.append("pause" if seconds > 0 else "none")

    watched = SimpleNamespace(
        sleep=pause,
        monotonic=time.monotonic,
    )

    def encode(requests, _origin):
        for request in requests:
            steps.append(request.seq)
        return b""

    monkeypatch.setattr(module, "time", watched)
    monkeypatch.setattr(module, "_ENCODE", {"jsonl": encode})
    sink = Destination(to="file", path="g.jsonl", format="jsonl", live=True)
    stream(place, run, sink, run.samples[:3])
    made = [step for before, step in pairwise(steps) if isinstance(step, int) and before == "pause"]
    assert made == [sample.seq for sample in run.samples[:3]]
    assert steps.count("pause") == 6


def test_a_bug_in_pushing_changes_nothing(pushed, monkeypatch, tmp_path):
    from lens_gate.flows import sinking as module

    def broken(*_):
        raise ZeroDivisionError

    place, done = pushed
    place = replace(place, said=[])
    monkeypatch.setattr(module, "bundle", broken)
    sink = Destination(to="file", path=str(tmp_path / "a"), format="json")
    push_report(done.report, Pushing(sinks=(sink,)), place.root / "out", place.world())
    assert place.said == ["warning: not all was pushed: ZeroDivisionError"]


@contextmanager
def dripping():
    """A server that says a byte every now and then, and never comes to its end."""
    over = threading.Event()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve():
            taken, _ = listening.accept()
            with taken, suppress(OSError):
                taken.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
                for _ in range(200):
                    if over.wait(0.02):
                        break
                    taken.sendall(b"a")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def test_an_export_waits_for_a_dripping_server_no_longer_than_is_said(pushed, monkeypatch):
    from lens_gate.flows import sinking as module

    place, done = pushed
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    monkeypatch.setattr(
        module,
        "sink_at",
        lambda url, **_: Destination(to="http", url=url, format="json", timeout_s=0.3),
    )
    with dripping() as url, pytest.raises(WorldError, match=r"it took longer than 0.3 s"):
        export_to(b"{}", FORMATS["json"], url, place.world(), None)
    assert done.report.outcome == "passed"


def test_who_wants_no_push_has_none(pushed):
    place, _ = pushed
    before = len(place.said)
    done = gated(replace(place.order(), push=False), place.world())
    assert done.pushing == NOWHERE
    assert not [line for line in place.said[before:] if "push" in line or "stream" in line]


def test_a_gate_that_is_stopped_is_in_a_hurry(repository, policy, tmp_path, monkeypatch):
    waited = []
    wait = _Stream.wait
    monkeypatch.setattr(
        _Stream, "wait", lambda self, start, s: (waited.append(s), wait(self, start, s))
    )
    live = {"to": "file", "path": "live.jsonl", "live": True}
    place = repository(tmp_path / "r", {"lens-gate.yaml": policy(publish=[live])})
    stop = Stop()
    world = replace(place.world(), stop=stop, observe=lambda _progress: stop.ask())
    assert gated(place.order(), world).report.outcome == "aborted"
    gated(place.order(), place.world())
    assert waited == [HURRY_S, 10.0]

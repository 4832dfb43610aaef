"""Samples on their way to sinks while a run goes on: from threads of their own, never in its way.

The timed path does one thing, a put into a queue that never waits. Where a sink does not keep up,
samples are dropped and counted. The run's end waits for what is under way, all sinks together, no
longer than the longest of their timeouts.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from lens_gate import __version__
from lens_gate.flows.bundling import detailing
from lens_gate.flows.outside import Outside
from lens_gate.flows.sinking import Pushing, means_of
from lens_gate.records.destination import SINK_KINDS, Destination
from lens_gate.records.detail import RequestDetail
from lens_gate.records.run import Run, RunHeader
from lens_gate.records.sample import Sample
from lens_gate.render.exports.influx import request_points
from lens_gate.render.exports.jsonl import request_lines
from lens_gate.render.exports.origin import Origin
from lens_gate.render.exports.otlp_traces import request_spans
from lens_gate.render.exports.table import FORMATS
from lens_gate.sinks import Means, Payload, Pushed, push

HELD: Final = 10_000
"""Samples that wait for one sink, at most."""
BATCH: Final = 50
# Between two samples the thread stays away from the interpreter for so long: what it does for one
# of them is all that the run ever waits for.
PAUSE_S: Final = 0.0001
# Who interrupts a job kills it some seconds later, and the report is still to be written.
HURRY_S: Final = 1.0
# A sink that refused so often in a row is left alone: it would only cost the machine its time.
GIVEN_UP: Final = 3

Send = Callable[[Sequence[RequestDetail]], Pushed]
"""Pushes some requests; it raises nothing."""

_ENCODE: Final[Mapping[str, Callable[[Iterable[RequestDetail], Origin], bytes]]] = {
    "influx": request_points,
    "jsonl": request_lines,
    "otlp-traces": request_spans,
}
_SHARE: Final = 0.75


@contextmanager
def streaming(
    pushing: Pushing, header: RunHeader, output: Path, outside: Outside
) -> Iterator["Streams"]:
    """Streams to those of a run's sinks that are ``live``, for as long as it goes on.

    At its end each sink's line is told; ``Streams.delivered`` then says who got all of it.
    """
    means = means_of(outside, output)
    streams = Streams(
        [
            _Stream(sink, header, _sender(sink, pushing, header, means))
            for sink in pushing.sinks
            if sink.live
        ]
    )
    try:
        yield streams
    finally:
        streams.close(outside.tell)


def _sender(sink: Destination, pushing: Pushing, header: RunHeader, means: Means) -> Send:
    """What pushes a sink's requests, the first of them to a file in place of an earlier run's."""
    name = SINK_KINDS[sink.to].live
    # Less than the end waits: what ails a push is known before nobody listens any more.
    quicker = replace(sink, timeout_s=sink.timeout_s * _SHARE)
    origin = Origin(
        policy=header.policy,
        run_id=header.run_id,
        created=header.created,
        version=header.environment.get("lens_gate", __version__),
    )
    begun = False

    def send(requests: Sequence[RequestDetail]) -> Pushed:
        nonlocal begun
        try:
            payload = Payload(
                format=name,
                media_type=FORMATS[name].media_type,
                data=_ENCODE[name](_paced(requests), origin),
                policy=header.policy,
                labels=pushing.labels_for(sink),
                append=begun,
            )
            result = push(payload, quicker, means)
        except Exception as error:  # noqa: BLE001  # nothing here may cost the run anything
            return Pushed(problem=f"{name} failed: {type(error).__name__}")
        begun = begun or not result.problem
        return result

    return send


def _paced(requests: Iterable[RequestDetail]) -> Iterator[RequestDetail]:
    """The same, with a pause before each. One of no length would hand the interpreter to nobody."""
    for request in requests:
        time.sleep(PAUSE_S)
        yield request


class Streams:
    """Every live sink of a run; each sample goes to all of them."""

    def __init__(self, streams: Sequence["_Stream"]) -> None:
        self._streams = streams
        self._is_hurried = False
        self.delivered: tuple[Destination, ...] = ()
        """Who took every sample: known once it is closed."""

    def joined(self, outside: Outside) -> Outside:
        """The same world, in which each sample is handed on."""
        if not self._streams:
            return outside

        def seen(sample: Sample) -> None:
            outside.seen(sample)
            for stream in self._streams:
                stream.offer(sample)

        return replace(outside, seen=seen)

    def ended(self, run: Run) -> Run:
        """The run, as it is. One that was interrupted waits for no sink longer than a moment."""
        reason = run.end.reason if run.end is not None else ""
        self._is_hurried = reason in ("interrupted", "terminated")
        return run

    def close(self, tell: Callable[[str], None]) -> None:
        """Wait for what is under way, and say what came of it."""
        start = time.monotonic()
        for stream in self._streams:
            stream.finish()
        for stream in self._streams:
            stream.wait(start, HURRY_S if self._is_hurried else stream.sink.timeout_s)
        for stream in self._streams:
            tell(stream.told())
        self.delivered = tuple(stream.sink for stream in self._streams if stream.is_whole)


class _Stream:
    """One sink's queue and thread. Only the thread writes ``_sent``, only the run ``_offered``."""

    def __init__(self, sink: Destination, header: RunHeader, send: Send) -> None:
        self.sink = sink
        self._offered = 0
        self._sent = 0
        self._lost = 0
        self._told = detailing(header)
        self._send = send
        self._problem = ""
        self._over = threading.Event()
        self._dead = False
        # One whose put takes no lock that the other side may hold.
        self._queue: queue.SimpleQueue[Sample | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"live-{sink.to}")
        self._thread.start()

    def offer(self, sample: Sample) -> None:
        """Take a sample, or drop it: on the timed path."""
        self._offered += 1
        if not self._dead and self._queue.qsize() < HELD:
            self._queue.put(sample)

    def finish(self) -> None:
        """No more samples come."""
        self._queue.put(None)

    def wait(self, start: float, seconds: float) -> None:
        """Wait until all is sent, at most until so many seconds after ``start``."""
        left = min(seconds, self.sink.timeout_s) - (time.monotonic() - start)
        self._thread.join(max(0.0, left))
        self._over.set()
        self._lost = self._offered - self._sent

    @property
    def is_whole(self) -> bool:
        """Whether the sink has all that its format says of the run, so that no push is left."""
        wanted = self.sink.format == SINK_KINDS[self.sink.to].live
        alone = wanted and FORMATS[self.sink.format].wants == "requests"
        return alone and self._offered > 0 and not self._lost

    def told(self) -> str:
        """What came of it, in a line."""
        where = f"{self.sink.to} at {self.sink.where}"
        if not self._lost:
            return f"streamed {self._offered} samples to {where}"
        why = self._problem or "it did not keep up"
        lost = f"{self._lost} of {self._offered} samples"
        return f"warning: {lost} were not streamed to {where}: {why}"

    def _run(self) -> None:
        refused = 0
        for samples in self._batches():
            pushed = self._send([self._detail(sample) for sample in samples])
            if not pushed.problem:
                refused = 0
                self._sent += len(samples)
                continue
            self._problem = " ".join(pushed.problem.split())
            refused += 1
            if refused == GIVEN_UP:
                self._dead = True
                return

    def _batches(self) -> Iterator[Sequence[Sample]]:
        """What waits, as soon as something does, until the run's end or nobody waits any more."""
        while not self._over.is_set():
            found = [self._queue.get()]
            while found[-1] is not None and len(found) < BATCH and not self._queue.empty():
                found.append(self._queue.get())
            samples = [sample for sample in found if sample is not None]
            if samples:
                yield samples
            if found[-1] is None:
                return

    def _detail(self, sample: Sample) -> RequestDetail:
        time.sleep(PAUSE_S)
        return self._told(sample)

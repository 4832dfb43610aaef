"""Pushing a gate's numbers to the sinks that its policy names, once all else is written and told.

Nothing here changes an outcome: a sink that fails is one line. All sinks are pushed to at once, so
that the job waits for the slowest alone, and for none longer than its timeout.
"""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from lens_gate.errors import EXIT_SIGINT, EXIT_SIGTERM, LensError, WorldError
from lens_gate.flows.bundling import bundle
from lens_gate.flows.exporting import encoded, format_rows
from lens_gate.flows.outside import Outside
from lens_gate.flows.sources import Sources
from lens_gate.records.destination import SINK_KINDS, Destination
from lens_gate.records.detail import Bundle
from lens_gate.records.report import Report
from lens_gate.render.exports.table import Format
from lens_gate.sinks import SYSTEM, Means, Payload, Pushed, push, sink_at
from lens_gate.transport import Redactor

# What sent nothing has no numbers; an empty push would wipe out those of the run before.
_NOTHING: Final = frozenset({"not_measured", "unchanged"})
_SIGNALS: Final = frozenset({EXIT_SIGINT, EXIT_SIGTERM})
# For what a timeout of the network does not count: making the bytes, all formats at once, from that
# many requests, on a machine with other things to do.
_GRACE_S: Final = 2.0
_GRACE_REQUEST_S: Final = 0.002
_BYTES_A_SECOND: Final = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushing:
    """Where this run's numbers go: the sinks, and the labels that go with them.

    ``delivered`` are sinks that took every sample while the run went on; ``plugins`` are the
    trusted policy's, which may bring formats.
    """

    sinks: tuple[Destination, ...] = ()
    labels: Mapping[str, str] | None = None
    delivered: tuple[Destination, ...] = ()
    plugins: tuple[str, ...] = ()

    def labels_for(self, sink: Destination) -> Mapping[str, str]:
        """The sink's own labels, and those of the run; none where it can't carry any."""
        return {**sink.labels, **(self.labels or {})} if SINK_KINDS[sink.to].labels else {}


NOWHERE: Final = Pushing()


def pushing_of(sources: Sources) -> Pushing:
    """The sinks of the trusted policy that this kind of run pushes to; of a fork's run, none."""
    context = sources.context
    if context.is_fork or sources.not_measured:
        return NOWHERE
    sinks = tuple(s for s in sources.trusted.publish if context.event in s.events)
    labels = {"event": context.event}
    return Pushing(sinks=sinks, labels=labels, plugins=sources.trusted.plugins)


def push_report(report: Report, pushing: Pushing, output: Path, outside: Outside) -> None:
    """Push a report to each sink, and say in one line each what came of it. It raises nothing."""
    wanted = [sink for sink in pushing.sinks if sink not in pushing.delivered]
    if not wanted or report.outcome in _NOTHING or report.exit_code in _SIGNALS:
        return
    try:
        _push_all(wanted, report, pushing, output, outside)
    except LensError as error:
        outside.tell(f"warning: nothing was pushed: {error.message}")
    except Exception as error:  # noqa: BLE001  # pushing never changes an outcome
        outside.tell(f"warning: not all was pushed: {type(error).__name__}")


def _push_all(
    wanted: Sequence[Destination], report: Report, pushing: Pushing, output: Path, outside: Outside
) -> None:
    formats = format_rows(pushing.plugins)
    found = bundle(report, output)
    means = means_of(outside, output)
    grace = _GRACE_S + _GRACE_REQUEST_S * len(wanted) * len(found.requests or ())
    jobs = [
        _Job(sink, partial(payload_of, sink.format, found, formats, labels), means)
        for sink, labels in ((sink, pushing.labels_for(sink)) for sink in wanted)
    ]
    for job in jobs:
        job.thread.start()
    start = means.clock.monotonic()
    for job in jobs:
        job.wait(start, grace)
        outside.tell(_told(job.sink, job.result))


def export_to(data: bytes, how: Format, url: str, outside: Outside, token_env: str | None) -> str:
    """Push the bytes of an export to an address; gives the line that says where they went.

    Raises:
        LensError: it is no address for this format.
        WorldError: it did not take them.
    """
    sink = sink_at(url, format_name=how.name, token_env=token_env)
    payload = Payload(format=how.name, media_type=how.media_type, data=data)
    means = means_of(outside, outside.cwd)
    job = _Job(sink, lambda: payload, means)
    job.thread.start()
    job.wait(means.clock.monotonic(), _GRACE_S + len(data) / _BYTES_A_SECOND)
    if job.result.problem:
        raise WorldError(f"{sink.where} took nothing: {job.result.problem}")
    return _told(sink, job.result)


def means_of(outside: Outside, folder: Path) -> Means:
    """What pushing takes of the world."""
    return Means(
        environ=outside.environ,
        folder=str(outside.cwd / folder),
        clock=SYSTEM,
        redactor=Redactor,
        chance=random.random,
    )


class _Job:
    """One push in a thread of its own, which nobody waits for longer than is said.

    What a timeout of a socket bounds is the wait for its next byte: a server that answers byte by
    byte, or has a name that takes its time, would be waited for without end.
    """

    def __init__(self, sink: Destination, make: Callable[[], Payload], means: Means) -> None:
        self.sink = sink
        self.result = Pushed(problem=f"it took longer than {sink.timeout_s:g} s")
        self._make = make
        self._means = means
        self.thread = threading.Thread(target=self._run, daemon=True, name=f"push-{sink.to}")

    def wait(self, start: float, grace: float) -> None:
        """Wait for its end, until its timeout after ``start`` and so many seconds of grace."""
        limit = self.sink.timeout_s + grace
        self.thread.join(max(0.0, limit - (self._means.clock.monotonic() - start)))

    def _run(self) -> None:
        try:
            self.result = push(self._make(), self.sink, self._means)
        except LensError as error:
            self.result = Pushed(problem=error.message)
        except Exception as error:  # noqa: BLE001  # pushing never changes an outcome
            self.result = Pushed(problem=f"{self.sink.format} failed: {type(error).__name__}")


def payload_of(
    name: str, found: Bundle, formats: Mapping[str, Format], labels: Mapping[str, str]
) -> Payload:
    """A report in a format.

    Raises:
        LensError: there is no such format, or nothing to write in it.
    """
    how = formats.get(name)
    if how is None:
        raise LensError(f"there is no format {name!a}")
    return Payload(
        format=name,
        media_type=how.media_type,
        data=encoded(how, found),
        policy=found.report.policy,
        labels=labels,
    )


def _told(sink: Destination, result: Pushed) -> str:
    what = f"{sink.format} to {sink.to} at {sink.where}"
    if result.problem:
        return f"warning: not pushed: {what}: {' '.join(result.problem.split())}"
    return f"pushed {what}"

"""One request as a waterfall: what happened when, in bars of text, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lens_gate.records.exchange import ServerTimes
from lens_gate.records.sample import Marks, Sample
from lens_gate.render.escape import one_line
from lens_gate.render.sparkline import sparkline
from lens_gate.units import format_duration, format_usd

_NAME = 15
_TIME = 10
_NARROWEST = 20
_MOST_GAPS = 60


@dataclass(frozen=True, slots=True)
class _Phase:
    """A stretch of a request: nanoseconds from and to, of the run's clock."""

    name: str
    start: int
    end: int


def waterfall(sample: Sample, *, width: int, price: str) -> str:
    """The request for a person who wants to know where its time went.

    ``width`` are the columns to fill, ``price`` the unit prices in words.
    """
    phases = _phases(sample.marks)
    lines = [_headline(sample)]
    if phases:
        lines += ["", *_bars(phases, width), ""]
    lines += _facts(sample, price)
    return "\n".join(lines)


def _headline(sample: Sample) -> str:
    model = one_line(sample.model or "", 80)
    target = one_line(sample.target, 80)
    named = f"{target} ({model})" if model not in ("", target) else target
    if sample.failure is None:
        reason = one_line(sample.finish_reason or "", 40)
        return f"{named}: answered{f', finish reason {reason}' if reason else ''}"
    failure = sample.failure
    status = "" if sample.http_status is None else f" (HTTP {sample.http_status})"
    return f"{named}: {failure.status}{status}: {one_line(failure.detail, 300)}"


def _phases(marks: Marks) -> list[_Phase]:
    """The stretches that are known, in order; what did not happen is left out."""
    output = min(
        (m for m in (marks.first_text, marks.first_tool, marks.first_reasoning) if m is not None),
        default=None,
    )
    visible = min((m for m in (marks.first_text, marks.first_tool) if m is not None), default=None)
    is_plain = marks.tcp_connected == marks.connected
    ready = marks.ready if marks.connected is None else marks.connected
    stretches = [
        ("DNS", marks.connect_start, marks.resolved),
        ("TCP", marks.resolved or marks.connect_start, marks.tcp_connected),
        ("TLS", marks.tcp_connected, None if is_plain else marks.connected),
        ("waiting to send", ready, marks.sent),
        ("server to head", marks.sent, marks.headers),
        ("first token", marks.headers, output),
        ("reasoning", marks.first_reasoning, visible if marks.first_reasoning else None),
        ("stream", visible if visible is not None else output, marks.last_output),
        ("end", marks.last_output or marks.headers, marks.done),
    ]
    return [
        _Phase(name, start, end)
        for name, start, end in stretches
        if start is not None and end is not None and end >= start
    ]


def _bars(phases: Sequence[_Phase], width: int) -> list[str]:
    start, end = phases[0].start, max(phase.end for phase in phases)
    room = max(_NARROWEST, width - _NAME - _TIME - 4)
    scale = room / max(1, end - start)
    lines = []
    for phase in phases:
        before = int((phase.start - start) * scale)
        size = max(1, round((phase.end - phase.start) * scale))
        bar = f"{' ' * min(before, room - 1)}{'█' * min(size, room - min(before, room - 1))}"
        time = format_duration((phase.end - phase.start) / 1e9)
        lines.append(f"{phase.name:<{_NAME}} {time:>{_TIME}}  {bar}".rstrip())
    return lines


def _facts(sample: Sample, price: str) -> list[str]:
    marks = sample.marks
    rows = [("TTFT", _since(marks, marks.first_text, marks.first_tool))]
    if marks.first_reasoning is not None:
        rows.append(("TTFR", _since(marks, marks.first_reasoning)))
    rows += [
        ("E2E", _since(marks, marks.done)),
        ("gaps", _gaps(marks)),
        ("tokens", _tokens(sample)),
        ("server says", _server(sample)),
        ("connection", _connection(marks)),
        ("labels", _labels(sample)),
        ("cost", _cost(sample, price)),
    ]
    return [f"{name:<{_NAME}} {text}" for name, text in rows if text]


def _since(marks: Marks, *moments: int | None) -> str:
    known = [m for m in moments if m is not None]
    if not known or marks.sent is None:
        return ""
    return format_duration((min(known) - marks.sent) / 1e9)


def _gaps(marks: Marks) -> str:
    gaps = [(b - a) / 1e9 for a, b in pairwise(marks.output_ns)]
    if not gaps:
        return ""
    ordered = sorted(gaps)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    most = ordered[-1]
    merged = f"; {marks.merged} came together with another" if marks.merged else ""
    return (
        f"{len(gaps)}, median {format_duration(middle)}, longest "
        f"{format_duration(most)}{merged}\n{'':<{_NAME}} {sparkline(_thinned(gaps))}"
    )


def _thinned(gaps: Sequence[float]) -> list[float]:
    """The longest gap of each stretch, so that a long answer fits a line."""
    size = -(-len(gaps) // _MOST_GAPS)
    return [max(gaps[k : k + size]) for k in range(0, len(gaps), size)]


def _tokens(sample: Sample) -> str:
    usage = sample.usage
    if usage is None:
        return "not reported"
    parts = [
        _counted(usage.input_total, "in", usage.cache_read, "from the cache"),
        _counted(usage.output_total, "out", usage.reasoning, "of reasoning"),
    ]
    told = ", ".join(part for part in parts if part)
    return f"{told} (estimated)" if usage.source == "estimated" else told


def _counted(total: int | None, side: str, some: int | None, what: str) -> str:
    """``20 in (8 from the cache)``; empty where nothing is reported."""
    if total is None:
        return ""
    return f"{total} {side} ({some} {what})" if some else f"{total} {side}"


def _server(sample: Sample) -> str:
    server = sample.server
    if server is None:
        return ""
    parts = [
        (server.headers_s, "until its head"),
        (server.queue_s, "in its queue"),
        (server.load_s, "loading the model"),
        (server.prompt_s, "reading the prompt"),
        (server.ttft_s, "until its first token"),
        (server.generation_s, "generating"),
        (server.total_s, "in all"),
    ]
    told = ", ".join(f"{format_duration(s)} {name}" for s, name in parts if s is not None)
    return f"{told} ({one_line(server.source, 80)}){_elsewhere(sample.marks, server)}"


def _elsewhere(marks: Marks, server: ServerTimes) -> str:
    """What the server does not call its own: the way, and whatever stands before it.

    Where it claims more than we saw, nothing is said: the two do not mean the same.
    """
    visible = min((m for m in (marks.first_text, marks.first_tool) if m is not None), default=None)
    stretches = (
        ("E2E", marks.done, server.total_s),
        ("TTFT", visible, server.ttft_s),
        ("the time to its head", marks.headers, server.headers_s),
    )
    for name, end, theirs in stretches:
        if theirs is not None and end is not None and marks.sent is not None:
            rest = (end - marks.sent) / 1e9 - theirs
            return f"; {format_duration(rest)} of {name} passed elsewhere" if rest >= 0 else ""
    return ""


def _connection(marks: Marks) -> str:
    clock = (
        "the kernel's receive stamps" if marks.clock == "kernel" else "the transport's own clock"
    )
    return f"{'reused' if marks.reused else 'new'}; times by {clock}"


def _labels(sample: Sample) -> str:
    """By what the provider finds the request in its own logs, and which way the answer came."""
    return ", ".join(
        f"{one_line(name, 40)} {one_line(told, 80)}" for name, told in sample.labels.items()
    )


def _cost(sample: Sample, price: str) -> str:
    if sample.cost_usd is None:
        return f"unknown; {format_usd(sample.settled_usd)} is booked ({one_line(price, 300)})"
    return f"{format_usd(sample.cost_usd)} ({one_line(price, 300)})"

"""The measured window of a cell: what was asked of the target and of this client, and what came.

A rate over a whole run is one number, and one number has no spread. So that a limit on it can be
judged, the window is cut into equal parts and each part's rate is one value ("batch means": Law,
"Simulation Modeling and Analysis", 5th ed., 2015, section 9.5.3); their mean is the rate itself.

In a duet the control sends as well. Where the arms take turns in blocks, the head's window is its
own blocks, and each block's rate is one value. Where they take turns pair by pair, the head has the
share of the time that its own requests were in flight.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lens_gate.metrics.arms import measured, of_arm
from lens_gate.metrics.derive import NS, scalars
from lens_gate.metrics.rows import meets
from lens_gate.records.check import Arm
from lens_gate.records.load_report import LoadReport
from lens_gate.records.sample import ArmName, Sample

PARTS = 10
"""Parts of a window; no more than there are requests."""

OFFERED = 0.95
"""An open load that sends at less than this share of its rate did not offer what was asked."""

_KEPT_BUSY = 0.9
_WORTH_SAYING = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gain:
    """Something gained at a moment (nanoseconds): a request, or some of its tokens."""

    at: int
    amount: float


def load_report(
    samples: Sequence[Sample], objectives: Mapping[str, float], *, concurrency: int
) -> LoadReport | None:
    """What the load of one cell came to; ``None`` where no request was sent.

    ``samples`` are the head's, in a duet both arms': rates are the head's as if it had been alone.
    """
    sent = _sent_by(samples, "head")
    if not sent:
        return None
    turns = _turns(sent)
    seconds = math.fsum(_seconds(turn) for turn in turns) * _busy_share(samples)

    def rate(gains: Sequence[_Gain]) -> float:
        return sum(gain.amount for gain in gains) / seconds if seconds > 0.0 else 0.0

    tokens = _tokens(sent)
    due = any(s.marks.due is not None for s in sent)
    mean, most = _in_flight(_turns([*sent, *_paired_control(samples)]))
    return LoadReport(
        open=due,
        window_s=seconds,
        requests=len(sent),
        rps=rate(_requests(sent)),
        throughput=rate(tokens) if tokens else None,
        goodput_rps=rate(_good(sent, objectives)) if objectives else None,
        asked_rate=_spaced([[s.marks.due for s in t if s.marks.due is not None] for t in turns]),
        sent_rate=_spaced([[_sent(s) for s in t] for t in turns]),
        asked_concurrency=concurrency,
        concurrency=mean,
        most_in_flight=most,
    )


def shortfall(load: LoadReport, *, turns: int = 1) -> str:
    """What this client did not offer though it was asked to: a sentence, or nothing.

    ``turns`` are the blocks that the load was sent in, each of which has its own beginning.
    """
    if load.open:
        asked, sent = load.asked_rate, load.sent_rate
        if asked is None or sent is None or sent >= OFFERED * asked:
            return ""
        return (
            f"offered load not reached: {sent:.3g} of {asked:.3g} requests a second were sent, "
            f"{load.most_in_flight} of at most {load.asked_concurrency} in flight"
        )
    few = load.requests < max(_WORTH_SAYING, 2 * load.asked_concurrency * turns)
    if few or load.concurrency >= _KEPT_BUSY * load.asked_concurrency:
        return ""
    return (
        f"offered load not reached: {load.concurrency:.3g} of {load.asked_concurrency} requests "
        "were in flight on average"
    )


def window_arm(samples: Sequence[Sample], metric: str, objectives: Mapping[str, float]) -> Arm:
    """The rate of each part of the window: ``throughput``, ``rps`` or ``goodput_rps``.

    ``samples`` are the head's, in a duet both arms'. Requests that failed gain nothing, and where
    all failed every part is zero.

    Raises:
        KeyError: the metric is none of these.
    """
    every, sent = measured(samples), _sent_by(samples, "head")
    if any(s.block is not None for s in sent):
        rates = [block_rate(turn, metric, objectives) for turn in _turns(sent)]
        return Arm(values=tuple(rate for rate in rates if rate is not None))
    gains = _gains(sent, metric, objectives)
    if not sent:
        return Arm(values=(), errors=len(every))
    start, end = _window(sent)
    parts = min(PARTS, len(sent))
    length = (end - start) / parts
    if length <= 0.0:
        return Arm(values=(), errors=len(every))
    totals = [0.0] * parts
    for gain in gains:
        totals[min(parts - 1, max(0, int((gain.at - start) / length)))] += gain.amount
    seconds = length * NS * _busy_share(samples)
    return Arm(values=tuple(total / seconds for total in totals))


def block_rate(
    samples: Sequence[Sample], metric: str, objectives: Mapping[str, float]
) -> float | None:
    """The rate of one arm's block as a whole; ``None`` where nothing was sent in it.

    Raises:
        KeyError: the metric is no rate of a window.
    """
    sent = [s for s in samples if s.marks.sent is not None]
    gains = _gains(sent, metric, objectives)
    seconds = _seconds(sent) if sent else 0.0
    return sum(gain.amount for gain in gains) / seconds if seconds > 0.0 else None


def _gains(sent: Sequence[Sample], metric: str, objectives: Mapping[str, float]) -> list[_Gain]:
    gains_of: Mapping[str, Callable[[], list[_Gain]]] = {
        "throughput": lambda: _tokens(sent),
        "rps": lambda: _requests(sent),
        "goodput_rps": lambda: _good(sent, objectives),
    }
    return gains_of[metric]()


def spaced_rate(moments: Sequence[int]) -> float | None:
    """Events a second between the first and the last of these (nanoseconds)."""
    return _spaced([moments])


def _spaced(turns: Sequence[Sequence[int]]) -> float | None:
    """The same over several turns, the time between them left out."""
    spread = [turn for turn in turns if len(turn) > 1 and max(turn) > min(turn)]
    if not spread:
        return None
    span = sum(max(turn) - min(turn) for turn in spread)
    return sum(len(turn) - 1 for turn in spread) / (span * NS)


def _sent_by(samples: Iterable[Sample], arm: ArmName) -> list[Sample]:
    return [s for s in of_arm(samples, arm) if s.marks.sent is not None]


def _paired_control(samples: Iterable[Sample]) -> list[Sample]:
    """What the control sent in turn with the head, pair by pair."""
    return [s for s in _sent_by(samples, "control") if s.block is None]


def _turns(sent: Sequence[Sample]) -> list[list[Sample]]:
    """The requests of each block; all of them where there are no blocks."""
    turns: dict[int | None, list[Sample]] = {}
    for sample in sent:
        turns.setdefault(sample.block, []).append(sample)
    return list(turns.values())


def _busy_share(samples: Sequence[Sample]) -> float:
    """Of the time that requests of a cell's pairs were in flight, the head's share; 1 if alone."""
    own, other = (
        sum(max(1, _done(s) - _sent(s)) for s in sent)
        for sent in (_sent_by(samples, "head"), _paired_control(samples))
    )
    return own / (own + other)


def _seconds(sent: Sequence[Sample]) -> float:
    start, end = _window(sent)
    return (end - start) * NS


def _sent(sample: Sample) -> int:
    return sample.marks.sent or 0


def _done(sample: Sample) -> int:
    """When it ended; what has no such moment ended no earlier than the last that is known."""
    marks = sample.marks
    known = (marks.done, marks.last_output, marks.headers, marks.sent)
    return max(moment for moment in known if moment is not None)


def _window(sent: Sequence[Sample]) -> tuple[int, int]:
    return min(map(_sent, sent)), max(map(_done, sent))


def _requests(sent: Sequence[Sample]) -> list[_Gain]:
    return [_Gain(at=_done(s), amount=1.0) for s in sent if s.failure is None]


def _good(sent: Sequence[Sample], objectives: Mapping[str, float]) -> list[_Gain]:
    """As for goodput itself: one that was retried meets nothing."""
    return [
        _Gain(at=_done(s), amount=1.0)
        for s in sent
        if s.failure is None and s.attempts == 1 and meets(scalars(s), objectives)
    ]


def _tokens(sent: Sequence[Sample]) -> list[_Gain]:
    """Reported output tokens, spread evenly over the events that brought them."""
    gains = []
    for sample in sent:
        usage = sample.usage
        if sample.failure is not None or usage is None or usage.source != "provider":
            continue
        moments = sample.marks.output_ns or (_done(sample),)
        each = (usage.output_total or 0) / len(moments)
        gains += [_Gain(at=moment, amount=each) for moment in moments]
    return gains


def _in_flight(turns: Sequence[Sequence[Sample]]) -> tuple[float, int]:
    """Mean number in flight until the last one of each turn was sent, and the greatest."""
    levels = [_levels(turn) for turn in turns]
    most = max(highest for _, _, highest in levels)
    span = sum(length for _, length, _ in levels)
    return (sum(area for area, _, _ in levels) / span if span > 0 else float(most)), most


def _levels(sent: Sequence[Sample]) -> tuple[int, int, int]:
    """Requests in flight times nanoseconds, the nanoseconds, and the most at once."""
    edges = sorted(
        edge for s in sent for edge in ((_sent(s), 1), (max(_done(s), _sent(s) + 1), -1))
    )
    last = max(map(_sent, sent))
    level = most = area = 0
    before = edges[0][0]
    for at, change in edges:
        area += level * max(0, min(at, last) - min(before, last))
        before = at
        level += change
        most = max(most, level)
    return area, last - edges[0][0], most

"""A cell's numbers in a table: by metric, how many requests have it and where they lie."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lens_gate.metrics.arms import measured, of_arm
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.derive import NS, censored, estimated, scalars
from lens_gate.metrics.pricing import Bill, bill
from lens_gate.records.baseline import Baseline
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import UnitPrices
from lens_gate.records.report import Statistics
from lens_gate.records.sample import ArmName, Sample
from lens_gate.stats.describe import describe
from lens_gate.units import format_duration

# Finish reasons of an answer that was cut off: of OpenAI and most others; of Anthropic, AWS and
# Google; of OpenAI's Responses.
_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens"})
# Shorter ones are those of a turn in the limiter's line.
_WAIT_WORTH_SAYING_S = 0.01
# The label of an answer that came compressed.
_COMPRESSED = "content-encoding"


def statistics(samples: Iterable[Sample], *, arm: ArmName = "head") -> Mapping[str, Statistics]:
    """The statistics of one arm's measured requests in a cell, by metric, in catalogue order.

    A request that timed out counts with its limit; ``Statistics.censored`` says how many did.
    Metrics that no request has are left out, and so are numbers by estimated token counts, which
    ``remarks`` tells of.
    """
    columns: dict[str, _Column] = {}
    for sample in of_arm(samples, arm):
        for bounds, found in ((False, scalars(sample)), (True, censored(sample))):
            for name, value in found.items():
                columns.setdefault(name, _Column()).add(value, is_bound=bounds)
    return _described(columns)


def stored_statistics(baseline: Baseline) -> Mapping[str, Statistics]:
    """The same of a stored run."""
    late = frozenset(baseline.censored)
    columns: dict[str, _Column] = {}
    for name, values in baseline.values.items():
        for index, value in enumerate(values):
            if value is not None:
                columns.setdefault(name, _Column()).add(value, is_bound=index in late)
    return _described(columns)


def remarks(samples: Iterable[Sample]) -> tuple[str, ...]:
    """What a reader of the statistics must know besides: sentences, without foreign text.

    How many answers have estimated token counts (with their typical length, which no table holds),
    none at all, or no inter-token latency because they are a single token or came at one moment;
    how many were cut off by their limit of output, and how many came compressed. Before all, the
    time that requests of any phase or arm spent waiting, which no table holds.
    """
    every = list(samples)
    samples = measured(every)
    answered = [s for s in samples if s.failure is None]
    found: list[str] = [*_waits(every)]
    guessed = [e["output_tokens"] for s in answered if "output_tokens" in (e := estimated(s))]
    if guessed:
        found.append(
            f"tokens of {_requests(len(guessed))} are estimated (about {describe(guessed).typ:.0f} "
            "a request): shown here, never judged"
        )
    again = sum(s.resent for s in samples)
    if again:
        found.append(
            f"{_requests(again)} met an idle connection that the server had closed, and went over "
            "a new one: the first sending is booked at its reservation, and is no part of the times"
        )
    missing = sum(s.usage is None for s in answered)
    if missing:
        found.append(f"{_requests(missing)} came without usage: no tokens, no cost, no itl")
    at_once = sum(
        s.attempts == 1 and s.usage is not None and not {"itl"} & {*scalars(s), *estimated(s)}
        for s in answered
    )
    if at_once:
        found.append(
            f"itl leaves out {_requests(at_once)}: a single token, or all of it at one moment"
        )
    return (*found, *_ends(answered))


def _waits(samples: Sequence[Sample]) -> Iterator[str]:
    """What this client waited for, on purpose."""
    held = [s.held_s for s in samples if s.held_s >= _WAIT_WORTH_SAYING_S]
    if held:
        total, most = format_duration(math.fsum(held)), format_duration(max(held))
        yield (
            f"{_requests(len(held))} waited for the rate limiter, {total} in all and {most} at "
            "most: that is in no other time"
        )
    paused = [s.waited_s for s in samples if s.attempts > 1]
    if paused:
        yield (
            f"{_requests(len(paused))} waited {format_duration(math.fsum(paused))} in all before "
            "being tried again"
        )


def _ends(answered: Sequence[Sample]) -> Iterator[str]:
    """Answers whose length, or whose times, are not the model's own."""
    cut = sum((s.finish_reason or "").lower() in _CUT_OFF for s in answered)
    if cut:
        of = f" of {len(answered)}" if cut < len(answered) else ""
        yield (
            f"{_requests(cut)}{of} ended at the limit of output: the answer's length, its time and "
            "its cost are those of max_output_tokens"
        )
    packed = sum(_COMPRESSED in s.labels for s in answered)
    if packed:
        yield (
            f"{_requests(packed)} had a compressed answer, though none was asked for: what packs a "
            "stream holds its tokens back"
        )


def price_remarks(
    prices: UnitPrices, samples: Iterable[Sample], *, created: str
) -> tuple[str, ...]:
    """What the bills of one cell rest on besides the unit prices: sentences with their counts.

    A model or a service tier that the table does not know, usage that contradicts itself, a cost
    that the provider states and we do not find. Names are the server's own words, unescaped.
    Each bill is of the moment of its request; ``created`` is when the run began, as its header has
    it (where it has no such time, prices are those of the present).
    """
    start = _moment(created)
    notes = Counter(
        note
        for s in measured(samples)
        if s.usage is not None
        and s.usage.source == "provider"
        and (note := _billed(prices, s, s.usage, start).note)
    )
    return tuple(f"{note} ({_requests(count)})" for note, count in sorted(notes.items()))


def _moment(created: str) -> datetime | None:
    try:
        return datetime.strptime(created, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _billed(prices: UnitPrices, sample: Sample, usage: Usage, start: datetime | None) -> Bill:
    sent, done = sample.marks.sent or sample.marks.ready, sample.marks.done
    return bill(
        prices,
        usage,
        model=sample.model,
        service_tier=sample.service_tier,
        at=None if start is None else start + timedelta(seconds=sent * NS),
        seconds=0.0 if done is None else (done - sent) * NS,
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """The values of one metric, while they are gathered."""

    values: list[float] = field(default_factory=list)
    bounds: list[bool] = field(default_factory=list)

    def add(self, value: float, *, is_bound: bool) -> None:
        self.values.append(value)
        self.bounds.append(is_bound)


def _described(columns: Mapping[str, _Column]) -> Mapping[str, Statistics]:
    found = {}
    for name in CATALOGUE:
        column = columns.get(name)
        if column is None:
            continue
        row = describe(column.values)
        found[name] = Statistics(
            n=row.n,
            censored=sum(column.bounds),
            mean=row.mean,
            typ=row.typ,
            p50=row.p50,
            p90=row.p90,
            p95=row.p95,
            p99=row.p99,
            max=row.max,
        )
    return found


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"

"""From one sample to its numbers: seconds, tokens, shares and dollars.

Three functions part the numbers by what they are good for: ``scalars`` may decide a check,
``censored`` are lower bounds (a timeout's limit), ``estimated`` rest on estimated token counts:
they are shown, marked, and never judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from lens_gate.records.exchange import Usage
from lens_gate.records.sample import Marks, Sample

NS = 1e-9
"""Seconds in a nanosecond: marks are integer nanoseconds."""

CENSORED_METRICS: tuple[str, ...] = (
    "ttfb",
    "ttfr",
    "ttft",
    "e2e",
    "itl",
    "tpot",
    "chunk_gap_max",
)
"""Times that a timeout bounds from below: it is worse than any latency (statistics.md 3.6)."""

# What open loops count from the schedule too.
_SCHEDULED: Mapping[str, str] = {"ttft": "ttft_scheduled", "e2e": "e2e_scheduled"}


def scalars(sample: Sample) -> Mapping[str, float]:
    """Every number of this request that may decide a check, by metric.

    Only what the request has: a failed request has none; one that was retried has tokens and cost
    but no times; one of a single token has no ``itl``. Numbers that rest on estimated token counts
    are left out (see ``estimated``).
    """
    if sample.failure is not None:
        return {}
    found: dict[str, float] = {}
    usage = _reported(sample.usage)
    if sample.attempts == 1:
        found |= _moments(sample.marks)
        if usage is not None:
            found |= _token_speeds(sample.marks, usage, sample.first_tokens)
    if usage is not None:
        found |= _counts(usage)
        if sample.cost_usd is not None:
            found["cost_usd"] = float(sample.cost_usd)
    return found


def censored(sample: Sample) -> Mapping[str, float]:
    """Lower bounds of the times of a request that ran into its timeout, in seconds.

    The bound is the limit, or the time for which the request is known to have run where that is
    longer (silence in the middle of a stream). It holds for every time of the request, those
    already seen included: a timeout is worse than any latency. Empty for every other sample, and
    for one that was retried.
    """
    failure = sample.failure
    if failure is None or failure.status != "timeout":
        return {}
    if sample.limit_s is None or sample.attempts != 1:
        return {}
    bound = max(sample.limit_s, _seen_for(sample.marks))
    found = dict.fromkeys(CENSORED_METRICS, bound)
    if sample.marks.due is not None:
        found |= dict.fromkeys(_SCHEDULED.values(), bound + _late(sample.marks))
    return found


def estimated(sample: Sample) -> Mapping[str, float]:
    """The numbers that rest on estimated token counts: for showing, marked as such."""
    usage = sample.usage
    if sample.failure is not None or usage is None or usage.source != "estimated":
        return {}
    found = dict(_counts(usage))
    if sample.attempts == 1:
        found |= _token_speeds(sample.marks, usage, None)
    return found


def _reported(usage: Usage | None) -> Usage | None:
    return usage if usage is not None and usage.source == "provider" else None


def _moments(marks: Marks) -> dict[str, float]:
    """The times that need no token count."""
    found: dict[str, float] = {}
    if marks.connect_start is not None and marks.connected is not None and not marks.reused:
        found["connect"] = (marks.connected - marks.connect_start) * NS
    sent = marks.sent
    if sent is None:
        return found
    found["queue_delay"] = _queue_delay_ns(marks, sent) * NS
    ends = {
        "ttfb": marks.first_byte,
        "ttft": _first_visible(marks),
        "ttfr": _first_output(marks),
        "e2e": marks.done,
    }
    found |= {name: (at - sent) * NS for name, at in ends.items() if at is not None}
    if marks.due is not None:
        late = _late(marks)
        found |= {new: found[name] + late for name, new in _SCHEDULED.items() if name in found}
    longest = max((after - before for before, after in pairwise(marks.output_ns)), default=0)
    if longest > 0:
        found["chunk_gap_max"] = longest * NS
    return found


def _late(marks: Marks) -> float:
    """Seconds from the scheduled moment to the sending, connection set-up included."""
    if marks.due is None or marks.sent is None:
        return 0.0
    return max(0, marks.sent - marks.due) * NS


def _queue_delay_ns(marks: Marks, sent: int) -> int:
    """How long the client held the request back; setting up a connection is the network's time."""
    connecting = 0
    if marks.connect_start is not None and marks.connected is not None:
        # A connection begun before the slot was free costs this request only what came after.
        connecting = max(0, marks.connected - max(marks.connect_start, marks.ready))
    return max(0, sent - marks.ready - connecting)


def _first_visible(marks: Marks) -> int | None:
    return min((m for m in (marks.first_text, marks.first_tool) if m is not None), default=None)


def _first_output(marks: Marks) -> int | None:
    seen = (marks.first_reasoning, marks.first_text, marks.first_tool)
    return min((m for m in seen if m is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The stretch in which output was seen to arrive, and the tokens that arrived in it."""

    seconds: float
    tokens: int


def _span(marks: Marks, usage: Usage) -> _Span | None:
    """The observable stretch of output, or nothing where it can't be known or has no length.

    Where no reasoning was seen but some was counted, the clock starts at the first visible output
    and the hidden tokens, which were made before it, are subtracted.
    """
    first, last, total = _first_output(marks), marks.last_output, usage.output_total
    if first is None or last is None or total is None or last <= first:
        return None
    hidden = (usage.reasoning or 0) if marks.first_reasoning is None else 0
    return _Span(seconds=(last - first) * NS, tokens=total - hidden)


def _token_speeds(marks: Marks, usage: Usage, first_tokens: int | None) -> dict[str, float]:
    """``itl``, ``tpot`` and ``output_tps``: times for tokens.

    Most protocols do not say how many tokens their first event held; it is taken as one then, and
    ``itl`` equals ``tpot``. Both are undefined at one token, and where all output came at one
    moment.
    """
    found: dict[str, float] = {}
    span = _span(marks, usage)
    if span is not None and span.tokens > 1:
        found["tpot"] = span.seconds / (span.tokens - 1)
        found["itl"] = span.seconds / _after_the_first(span, usage.output_total or 0, first_tokens)
    total, last, sent = usage.output_total, marks.last_output, marks.sent
    if total and last is not None and sent is not None and last > sent:
        found["output_tps"] = total / ((last - sent) * NS)
    return found


def _after_the_first(span: _Span, total: int, first_tokens: int | None) -> int:
    """The tokens after the first event, whose own are known or taken as one.

    Tokens that were hidden before it are in the server's count of them. A count of none, or of all,
    was not made at that moment.
    """
    if first_tokens is not None and 0 < first_tokens < total:
        return total - first_tokens
    return span.tokens - 1


def _counts(usage: Usage) -> dict[str, float]:
    found: dict[str, float] = {}
    named = {
        "input_tokens": usage.input_total,
        "output_tokens": usage.output_total,
        "reasoning_tokens": usage.reasoning,
    }
    found |= {name: float(count) for name, count in named.items() if count is not None}
    if usage.cache_read is not None and usage.input_total:
        found["cached_share"] = usage.cache_read / usage.input_total
    return found


def _seen_for(marks: Marks) -> float:
    """Seconds from sending to the last thing that is known to have happened."""
    seen = (marks.first_byte, marks.headers, marks.first_event, marks.last_output, marks.done)
    latest = max((m for m in seen if m is not None), default=None)
    if latest is None or marks.sent is None:
        return 0.0
    return (latest - marks.sent) * NS

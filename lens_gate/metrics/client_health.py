"""What the samples of a cell tell of how they were taken, and of the client that took them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from lens_gate.metrics.derive import NS
from lens_gate.records.sample import Sample
from lens_gate.stats.quantiles import sample_quantile
from lens_gate.units import format_share

MERGED_WORTH_SAYING = 0.3
"""The share of output events from which on it is said that they shared a read."""
_SOURCES: Final[Mapping[Literal["provider", "estimated"] | None, str]] = {
    "provider": "as the provider counts them",
    "estimated": "by our estimate",
    None: "not reported",
}


def client_lag_p99(samples: Sequence[Sample]) -> float | None:
    """By how many seconds this client read late: the p99 over requests of each one's latest read.

    ``None`` where no request knows it.
    """
    late = [s.marks.lag for s in samples if s.marks.lag is not None]
    return float(sample_quantile(late, 0.99)) * NS if late else None


def merged_share(samples: Sequence[Sample]) -> float:
    """Of the output events, the share that came in one read with an earlier one."""
    outputs = sum(len(sample.marks.output_ns) for sample in samples)
    return sum(sample.marks.merged for sample in samples) / outputs if outputs else 0.0


def merged_note(samples: Sequence[Sample]) -> tuple[str, ...]:
    """What to say where so many events shared a read that their times are bounds; else nothing."""
    share = merged_share(samples)
    if share <= MERGED_WORTH_SAYING:
        return ()
    note = (
        f"{format_share(share)} of the output events shared a read with another: their times are "
        "bounds; fewer streams on this machine are seen exactly"
    )
    return (note,)


def clocks(samples: Sequence[Sample]) -> str:
    """What stamped the arrivals, by name; empty where nothing arrived."""
    return ", ".join(sorted({s.marks.clock for s in samples if s.marks.first_byte is not None}))


def basis(samples: Sequence[Sample]) -> str:
    """What a table of these requests rests on: first token, tokens, connections; or nothing.

    For requests that were answered, of whatever phase or arm.
    """
    answered = [s for s in samples if s.failure is None and s.phase != "cut"]
    if not answered:
        return ""
    streamed = any(s.marks.output_ns for s in answered)
    first = "TTFT is to the first visible output; " if streamed else ""
    return f"{first}tokens {_counted_by(answered)}; {_connections(answered)}"


def _counted_by(answered: Sequence[Sample]) -> str:
    sources = Counter(s.usage.source if s.usage is not None else None for s in answered)
    if len(sources) == 1:
        (only,) = sources
        return _SOURCES[only]
    parts = (f"{_SOURCES[source]} in {sources[source]}" for source in _SOURCES if sources[source])
    return f"{', '.join(parts)} of {len(answered)} requests"


def _connections(answered: Sequence[Sample]) -> str:
    new = sum(not s.marks.reused for s in answered)
    if new in (0, len(answered)):
        return "over new connections" if new else "over connections that were open before"
    return f"{new} of {len(answered)} over new connections, the others over open ones"

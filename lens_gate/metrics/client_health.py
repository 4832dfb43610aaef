"""What the samples of a cell tell of the client that took them."""

from collections.abc import Sequence

from lens_gate.metrics.derive import NS
from lens_gate.records.sample import Sample
from lens_gate.stats.quantiles import sample_quantile


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


def clocks(samples: Sequence[Sample]) -> str:
    """What stamped the arrivals, by name; empty where nothing arrived."""
    return ", ".join(sorted({s.marks.clock for s in samples if s.marks.first_byte is not None}))

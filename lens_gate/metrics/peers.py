"""The same run in the words of other benchmarks, for comparing numbers with theirs.

Names look alike and mean other things: vLLM's ITL pools the gaps between chunks, GuideLLM's TPOT is
the end-to-end time by token. These columns follow their definitions (vLLM 0.33 ``bench serve``,
GuideLLM 0.8.1), on our times. vLLM looks at visible text alone: of a stream that begins with its
reasoning, TTFT is that of the first text, and TPOT divides what follows by all tokens.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from lens_gate.metrics.arms import measured
from lens_gate.records.sample import Sample
from lens_gate.stats.quantiles import sample_quantile

MS_A_NS = 1e-6
QUANTILES: Mapping[str, float] = {"median": 0.5, "p95": 0.95, "p99": 0.99}
PEERS: tuple[str, ...] = ("vllm", "guidellm")


def peer_columns(samples: Iterable[Sample], peer: str) -> Mapping[str, Mapping[str, float]]:
    """Milliseconds by the peer's name of a metric, then by statistic (mean, median, p95, p99).

    Only requests that succeeded count, as there; metrics that none of them has are left out.

    Raises:
        KeyError: no such peer.
    """
    good = [s for s in measured(samples) if s.failure is None and s.marks.sent is not None]
    columns = _COLUMNS[peer](good)
    return {name: _described(values) for name, values in columns.items() if values}


def _described(values: Sequence[float]) -> Mapping[str, float]:
    return {
        "mean": sum(values) / len(values),
        **{name: sample_quantile(values, p) for name, p in QUANTILES.items()},
    }


def _vllm(samples: Sequence[Sample]) -> Mapping[str, list[float]]:
    timed = [_Timed(s, from_ns=s.marks.first_text) for s in samples if s.marks.output_ns]
    return {
        "TTFT": [t.first for t in timed],
        "TPOT": [(t.last - t.first) / (n - 1) for t in timed if (n := t.tokens or 0) > 1],
        "ITL": [gap for t in timed for gap in t.gaps],
        "E2EL": [t.last for t in timed],
    }


def _guidellm(samples: Sequence[Sample]) -> Mapping[str, list[float]]:
    timed = [_Timed(s) for s in samples if s.marks.output_ns]
    counted = [(t, t.tokens if t.tokens is not None else t.events) for t in timed]
    return {
        "TTFT": [t.first for t in timed],
        "ITL": [(t.last - t.first) / (n - 1) for t, n in counted if n > 1],
        "TPOT": [t.last / n for t, n in counted if n > 0],
        "request latency": [t.done for t in timed],
    }


_COLUMNS = {"vllm": _vllm, "guidellm": _guidellm}


class _Timed:
    """Milliseconds since sending, of the output from a moment on; and what was reported."""

    def __init__(self, sample: Sample, from_ns: int | None = None) -> None:
        marks = sample.marks
        sent = marks.sent or 0
        seen = [at for at in marks.output_ns if from_ns is None or at >= from_ns]
        self.first = (seen[0] - sent) * MS_A_NS
        self.last = (seen[-1] - sent) * MS_A_NS
        self.done = ((marks.done or seen[-1]) - sent) * MS_A_NS
        self.gaps = [(b - a) * MS_A_NS for a, b in pairwise(seen)]
        self.events = len(seen)
        usage = sample.usage
        self.tokens = None
        if usage is not None and usage.source == "provider":
            self.tokens = usage.output_total

"""The metrics of the house: one table of names, units, directions, statistics and definitions.

Every metric is one number for each request, but for those that are one for each arm (shares of all
requests) or for the whole measured window (rates, the cost of a cold start); they take no
statistic. The definitions are those of the measuring reference, printed with the numbers.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

if TYPE_CHECKING:
    # Both bring numpy, which the readers of a policy can do without.
    from lens_gate.records.check import CheckKind
    from lens_gate.records.report import Unit

DEFINITIONS_VERSION = "1"
"""Changes when a number of the same name would come out differently: runs then do not compare."""

Better: TypeAlias = Literal["lower", "higher"]
Per: TypeAlias = Literal["request", "arm", "window"]
TargetKind: TypeAlias = Literal["hosted", "self-hosted", "simulated"]

STATISTICS: tuple[str, ...] = ("typ", "mean", "p50", "p90", "p95", "p99", "max")
ABSOLUTE_ONLY: frozenset[str] = frozenset({"max"})
"""Statistics that can be held against a limit but not compared between runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: what it is called, counted in, which way is better and how it may be gated.

    ``per`` is what has one such number. ``statistics`` are the words allowed after the dot; empty
    for a metric that no single request has, whose ``default_statistic`` is the empty word.
    ``definition`` is one sentence for people.
    """

    name: str
    title: str
    unit: "Unit"
    better: Better
    statistics: tuple[str, ...]
    default_statistic: str
    definition: str
    per: Per = "request"


def _metric(
    name: str, title: str, unit: "Unit", definition: str, *, better: Better = "lower"
) -> Metric:
    default = "typ" if unit in ("s", "tokens/s") else "mean"
    return Metric(
        name=name,
        title=title,
        unit=unit,
        better=better,
        statistics=STATISTICS,
        default_statistic=default,
        definition=definition,
    )


def _rate(name: str, title: str, definition: str, *, better: Better) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="share",
        better=better,
        statistics=(),
        default_statistic="",
        definition=definition,
        per="arm",
    )


def _whole(
    name: str, title: str, unit: "Unit", definition: str, *, better: Better = "higher"
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        better=better,
        statistics=(),
        default_statistic="",
        definition=definition,
        per="window",
    )


_ROWS = (
    _metric(
        "ttft",
        "Time to first token",
        "s",
        "first visible output (text, or the first tool byte when the answer is a tool call) - sent",
    ),
    _metric(
        "ttfr",
        "Time to first output of any kind",
        "s",
        "first output of any kind, reasoning included - sent",
    ),
    _metric("ttfb", "Time to first byte", "s", "first response byte - sent"),
    _metric("e2e", "End to end", "s", "last byte of the stream - sent"),
    _metric(
        "itl",
        "Inter-token latency",
        "s",
        "one number for each request: mean gap for each output token, "
        "(last output - first output) / tokens after the first event, "
        "tokens of the first event known or taken as one; "
        "undefined at one token (left out and counted)",
    ),
    _metric(
        "tpot",
        "Time per output token",
        "s",
        "(last output - first output) / (output tokens - 1), "
        "with numerator and denominator from the same span: where reasoning is hidden, "
        "its tokens are subtracted when the clock starts at the first visible text",
    ),
    _metric(
        "chunk_gap_max",
        "Longest gap in the stream",
        "s",
        "the longest single gap between two outputs of a request: describes smoothness",
    ),
    _metric(
        "output_tps",
        "Output speed",
        "tokens/s",
        "output tokens / (last output - sent) for each request",
        better="higher",
    ),
    _metric(
        "queue_delay",
        "Queue delay",
        "s",
        "sent - scheduled: how long the client held a request back "
        "(open loop: against the schedule; closed loop: against the slot becoming free); "
        "the set-up of a new connection is not in it, it is connect",
    ),
    _metric(
        "connect",
        "Connection set-up",
        "s",
        "new connection only; never inside TTFT, shown beside it",
    ),
    _metric(
        "ttft_scheduled",
        "Time to first token from the schedule",
        "s",
        "first visible output - the moment for which the load had scheduled the request: "
        "open loops only; a client or a server that stalls can't hide in it",
    ),
    _metric(
        "e2e_scheduled",
        "End to end from the schedule",
        "s",
        "last byte of the stream - the moment for which the load had scheduled the request: open "
        "loops only",
    ),
    _metric("input_tokens", "Input tokens", "tokens", "all input tokens that the provider reports"),
    _metric(
        "output_tokens",
        "Output tokens",
        "tokens",
        "all output tokens that the provider reports, reasoning included",
    ),
    _metric(
        "reasoning_tokens",
        "Reasoning tokens",
        "tokens",
        "output tokens that the provider reports as reasoning",
    ),
    _metric(
        "cached_share",
        "Cached input",
        "share",
        "input tokens read from the provider's cache / all input tokens",
        better="higher",
    ),
    _metric(
        "cost_usd",
        "Cost of a request",
        "usd",
        "reported tokens x unit prices over all attempts, or what the provider says that it bills",
    ),
    _rate(
        "error_rate",
        "Error rate",
        "requests that failed or were retried / all requests",
        better="lower",
    ),
    _rate(
        "goodput",
        "Goodput",
        "requests that meet every objective of the policy / all requests",
        better="higher",
    ),
    _whole(
        "throughput",
        "Throughput",
        "tokens/s",
        "output tokens of successful requests in the measured window / its length; judged by the "
        "rates of its tenths",
    ),
    _whole(
        "rps",
        "Successful requests a second",
        "requests/s",
        "successful requests of the measured window / its length; "
        "judged by the rates of its tenths",
    ),
    _whole(
        "goodput_rps",
        "Goodput a second",
        "requests/s",
        "requests that meet every objective of the policy, of the measured window / its length; "
        "judged by the rates of its tenths",
    ),
    _whole(
        "cold_start_penalty",
        "Cold start penalty",
        "s",
        "by how much requests over new connections, or after a start or 10 s of silence, take "
        "longer to their first visible output than warm ones, connection set-up included "
        "(Hodges-Lehmann shift)",
        better="lower",
    ),
)

CATALOGUE: Mapping[str, Metric] = MappingProxyType({row.name: row for row in _ROWS})

MAY_BE_ZERO: frozenset[str] = frozenset({"cached_share", "cold_start_penalty", "queue_delay"})
"""Metrics of which a target that works as it should may have none: no ratio can be told there."""

# Run-to-run standard deviations on the log scale (statistics.md 3.5): a metric behaves like the
# first token, like the stream after it, or like a count of tokens.
_LIKE_FIRST_TOKEN = frozenset(
    {"ttft", "ttft_scheduled", "ttfr", "ttfb", "connect", "queue_delay", "chunk_gap_max"}
)
_LIKE_STREAM = frozenset({"itl", "tpot", "e2e", "e2e_scheduled", "output_tps"})

# The default margins of a duet (statistics.md 3.7): unchanged builds are decided within 100 to 150
# pairs. Metrics that it does not name have none: their spread on pairs has not been measured.
_MARGIN_HOSTED = {
    ("ttft", "typ"): 0.20,
    ("ttft", "p95"): 0.75,
    ("itl", "typ"): 0.15,
    ("e2e", "typ"): 0.15,
    ("e2e", "p95"): 0.40,
    ("cost_usd", "mean"): 0.10,
}
_MARGIN_SELF_HOSTED = {
    ("ttft", "typ"): 0.10,
    ("ttft", "p95"): 0.40,
    ("itl", "typ"): 0.05,
    ("e2e", "typ"): 0.10,
    ("e2e", "p95"): 0.25,
    ("cost_usd", "mean"): 0.05,
}

# The default margins of history mode (statistics.md 3.7). No p95 by default.
_DRIFT_HOSTED = {
    ("ttft", "typ"): 1.0,
    ("itl", "typ"): 0.75,
    ("e2e", "typ"): 0.75,
    ("cost_usd", "mean"): 0.10,
}
_DRIFT_SELF_HOSTED = {
    ("ttft", "typ"): 0.25,
    ("itl", "typ"): 0.15,
    ("e2e", "typ"): 0.20,
    ("cost_usd", "mean"): 0.10,
}


def split_metric(text: str) -> tuple[str, str]:
    """The metric and the statistic of ``ttft.p95``; the metric's own default without a dot.

    Raises:
        ValueError: no such metric, or no such statistic for it; the message says what was meant.
    """
    name, dot, statistic = text.partition(".")
    metric = CATALOGUE.get(name)
    if metric is None:
        raise ValueError(f"there is no metric {name!r}{_did_you_mean(name, CATALOGUE)}")
    if not dot:
        return name, metric.default_statistic
    if not metric.statistics:
        raise ValueError(f"{name} takes no statistic: write {name!r}")
    if statistic not in metric.statistics:
        raise ValueError(
            f"{name} has no statistic {statistic!r}{_did_you_mean(statistic, metric.statistics)}"
        )
    return name, statistic


def _did_you_mean(word: str, known: Mapping[str, Metric] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def check_kind(metric: str, statistic: str) -> "CheckKind":
    """The kind of check that tests this statistic: its own word, or what its metric takes.

    That is ``error_rate`` for a share of all requests, the mean of its parts for a rate of the
    window, and ``shift`` for the cold start.

    Raises:
        KeyError: no such metric.
    """
    row = CATALOGUE[metric]
    if row.per == "request":
        return cast("CheckKind", statistic)
    if row.per == "arm":
        return "error_rate"
    return "shift" if metric == "cold_start_penalty" else "mean"


def by_blocks(metric: str) -> bool:
    """Whether a relative rule on this metric needs whole blocks of load from each arm.

    No single request has such a number, and no run of the control beside the head's has one that
    could be paired with it: throughput, rates of good or successful requests, the cost of a cold
    start. Errors are counted on the pairs themselves.

    Raises:
        KeyError: no such metric.
    """
    return CATALOGUE[metric].per == "window" or metric == "goodput"


def default_margin(metric: str, statistic: str, kind: TargetKind) -> float | None:
    """The margin of a relative rule in a duet that names none (statistics.md 3.7).

    A fraction (0.2: a fifth more). ``None``: there is no default, the rule must name one. A
    simulated target has the noise of a hosted one, so it counts as hosted.
    """
    table = _MARGIN_SELF_HOSTED if kind == "self-hosted" else _MARGIN_HOSTED
    return table.get((metric, statistic))


def default_drift(metric: str, statistic: str, kind: TargetKind) -> float | None:
    """The margin of a relative rule in history mode that names none (statistics.md 3.7).

    A fraction (0.75: three quarters more). ``None``: there is no default, the rule must name one.
    A simulated target has the noise of a hosted one, so it counts as hosted.
    """
    table = _DRIFT_SELF_HOSTED if kind == "self-hosted" else _DRIFT_HOSTED
    return table.get((metric, statistic))


def prior_sd(metric: str, kind: TargetKind) -> float:
    """The prior run-to-run standard deviation on the log scale (statistics.md 3.5).

    Metrics that the reference does not name take the figure of the one that they behave like.
    """
    if metric in _LIKE_FIRST_TOKEN:
        return 0.045 if kind == "self-hosted" else 0.17
    if metric in _LIKE_STREAM:
        return 0.04 if kind == "self-hosted" else 0.14
    return 0.02

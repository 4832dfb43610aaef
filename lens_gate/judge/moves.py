"""What moved in a cell, and why a longer answer took longer: in words, and never a verdict.

*Slower* and *longer* are told apart: an answer of more tokens takes more time at the same speed.
"""

from collections.abc import Mapping, Sequence
from math import exp, fsum, log

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.difference import Difference
from lens_gate.records.report import Statistics
from lens_gate.units import format_duration, format_share

_SHORT = {
    "ttft": "TTFT",
    "ttfr": "TTFR",
    "ttfb": "TTFB",
    "itl": "ITL",
    "tpot": "TPOT",
    "e2e": "E2E",
    "cost_usd": "cost",
    "chunk_gap_max": "largest chunk gap",
    "output_tps": "output tokens/s",
    "cached_share": "cached share of input",
    "ttft_scheduled": "TTFT from the schedule",
    "e2e_scheduled": "E2E from the schedule",
    "rps": "successful requests/s",
    "goodput_rps": "good requests/s",
}
_TOLD = ("ttft", "itl", "e2e", "output_tokens", "cost_usd")
_PARTS = ("ttft", "itl", "output_tokens")

WORTH_NAMING = 0.05
"""Smaller changes are not worth a reader's time in a sentence that is not a verdict."""


def short_name(metric: str) -> str:
    """``TTFT``, ``output tokens``: the field's short word."""
    return _SHORT.get(metric, metric.replace("_", " "))


def centre(statistics: Statistics, metric: str) -> float:
    """The metric's own centre: the typical value of times, the mean of tokens and money."""
    return statistics.named(CATALOGUE[metric].default_statistic)


def usual(history: Sequence[float]) -> float | None:
    """The middle of the stored runs' centres: their geometric mean."""
    if not history or min(history) <= 0:
        return None
    return exp(fsum(log(value) for value in history) / len(history))


def movements(metrics: Mapping[str, Statistics], history: Mapping[str, Sequence[float]]) -> str:
    """How a cell's centres differ from its stored runs; empty without any.

    Descriptive: ``TTFT +402 %, ITL +1.2 %, output tokens +48 %``. The verdicts are elsewhere.
    """
    parts = []
    for metric in _TOLD:
        before = usual(history.get(metric, ()))
        if before is not None and metric in metrics:
            parts.append(
                f"{short_name(metric)} {signed(centre(metrics[metric], metric) / before - 1)}"
            )
    return ", ".join(parts)


def pair_movements(moved: Mapping[str, Difference]) -> str:
    """How the head differs from the control, pair by pair; empty where nothing is known.

    Descriptive, as ``movements``.
    """
    return ", ".join(
        f"{short_name(metric)} {signed(moved[metric].change)}"
        for metric in _TOLD
        if metric in moved
    )


def apportion(metrics: Mapping[str, Statistics], history: Mapping[str, Sequence[float]]) -> str:
    """Where an E2E that is longer than in the stored runs comes from.

    The first token, the pace after it, or more tokens. Empty where E2E is not longer by as much as
    is worth naming.
    """
    before = [found for name in _PARTS if (found := usual(history.get(name, ()))) is not None]
    if len(before) < len(_PARTS) or any(name not in metrics for name in _PARTS):
        return ""
    return _split(before, [centre(metrics[name], name) for name in _PARTS])


def pair_apportion(control: Mapping[str, Statistics], moved: Mapping[str, Difference]) -> str:
    """The same for a head whose E2E is longer than its control's.

    ``control`` are the control's statistics, ``moved`` the changes pair by pair; one that may be
    none at all, by its interval, is taken as none.
    """
    if any(name not in control or name not in moved for name in _PARTS):
        return ""
    before = [centre(control[name], name) for name in _PARTS]
    after = [
        value * (1 + (moved[name].change if moved[name].low * moved[name].high > 0 else 0.0))
        for value, name in zip(before, _PARTS, strict=True)
    ]
    return _split(before, after)


def _split(before: Sequence[float], after: Sequence[float]) -> str:
    """TTFT, ITL and tokens on either side, to the sentence that says which made E2E longer.

    E2E is about TTFT + ITL x (tokens - 1). The product's change is split by the mean of the other
    factor before and after, which leaves no rest and favours neither.
    """
    ttft0, itl0, tokens0 = before
    ttft1, itl1, tokens1 = after
    gaps0, gaps1 = max(0.0, tokens0 - 1), max(0.0, tokens1 - 1)
    shares = [
        ("a later first token", "an earlier first token", ttft1 - ttft0),
        ("slower tokens", "faster tokens", (itl1 - itl0) * (gaps0 + gaps1) / 2),
        ("more tokens", "fewer tokens", (gaps1 - gaps0) * (itl0 + itl1) / 2),
    ]
    total = fsum(seconds for _, _, seconds in shares)
    if total < WORTH_NAMING * (ttft0 + itl0 * gaps0):
        return ""
    named = [
        f"{format_duration(seconds)} from {more if seconds > 0 else less}"
        for more, less, seconds in sorted(shares, key=lambda share: -share[2])
        if abs(seconds) >= WORTH_NAMING * total
    ]
    return f"E2E is longer by about {format_duration(total)}: {', '.join(named)}"


def signed(fraction: float) -> str:
    """A change without more digits than it deserves: ``+307 %``, ``-6.8 %``."""
    places = 2 if abs(fraction) >= 0.0995 else 3
    rounded = round(fraction, places)
    return format_share(rounded, signed=True) if rounded else "0 %"

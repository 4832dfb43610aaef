"""Numbers of a report as people read them, the same in every medium."""

import re
from collections.abc import Sequence

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.check import WORST_FIRST
from lens_gate.records.report import Row, Statistics, Unit
from lens_gate.units import format_amount, format_share

NOTHING = "–"
_BARS = "▁▂▃▄▅▆▇█"
# A spread smaller than this share of the greatest value is drawn as small as it is.
_WORTH_DRAWING = 0.2

OUTCOMES = {
    "passed": "passed",
    "failed": "failed",
    "inconclusive": "is inconclusive",
    "unchanged": "is unchanged",
    "not_measured": "was not measured",
    "no_data": "has no verdict",
    "budget": "ran out of budget",
    "aborted": "was broken off",
}
_TITLES = {
    "ttft": "TTFT",
    "ttfr": "TTFR",
    "ttfb": "TTFB",
    "itl": "ITL",
    "tpot": "TPOT",
    "e2e": "E2E",
    "chunk_gap_max": "largest chunk gap",
    "output_tps": "output tokens/s",
    "cached_share": "cached share of input",
    "cost_usd": "cost",
    "ttft_scheduled": "TTFT from the schedule",
    "e2e_scheduled": "E2E from the schedule",
    "rps": "successful requests/s",
    "goodput_rps": "good requests/s",
}


def metric_title(metric: str, statistic: str = "") -> str:
    """``TTFT typ``, ``error rate``. A name that the catalogue does not know is returned as it is.

    Such a name can only come from a saved report, so it is foreign.
    """
    known = metric.replace("_", " ") if metric in CATALOGUE else metric
    return f"{_TITLES.get(metric, known)} {statistic}".strip()


def value(amount: float | None, unit: Unit) -> str:
    """A value in its unit, three digits: ``412 ms``, ``$0.000123``, ``151 tokens``, ``1.2 %``."""
    return NOTHING if amount is None else format_amount(amount, unit)


def change(row: Row) -> str:
    """``+42 % [+31, +55]``: the estimate of a relative check with its 90 % interval.

    Of rates it is the difference in percentage points.
    """
    verdict = row.verdict
    if row.kind != "relative" or verdict.estimate is None:
        return NOTHING
    low, high = (NOTHING if end is None else _percent(end) for end in (verdict.low, verdict.high))
    unit = "points" if _is_rate(row) else "%"
    return f"{_percent(verdict.estimate)} {unit} [{low}, {high}]"


def _is_rate(row: Row) -> bool:
    """Whether this is a share of all requests: its changes are differences, not ratios."""
    return row.unit == "share" and not row.statistic


def _percent(fraction: float) -> str:
    """A signed percentage without its sign %: no more digits than an estimate deserves."""
    percent = fraction * 100
    text = f"{percent:+.0f}" if abs(percent) >= 9.95 else f"{percent:+.1f}"
    return text if float(text) else "0"


def tolerance(row: Row) -> str:
    """What the rule allows: a margin, ``≤ 1.5 s``, ``≥ 95 %``."""
    margin, limit = row.verdict.margin, row.verdict.limit
    if margin is not None:
        lower = row.better == "lower"
        if _is_rate(row):
            return f"{'+' if lower else '-'}{format_share(margin)[:-2]} points"
        # Where more is better the margin is tested on 1/x: 20 % is a fall by a sixth.
        return format_share(margin if lower else 1 / (1 + margin) - 1, signed=True)
    if limit is not None:
        return f"{'≤' if row.better == 'lower' else '≥'} {value(limit, row.unit)}"
    return NOTHING


def base_value(row: Row) -> str:
    """The base's statistic; nothing for an absolute limit."""
    return value(row.verdict.base_value if row.kind == "relative" else None, row.unit)


def head_value(row: Row) -> str:
    """The head's statistic."""
    return value(row.verdict.head_value, row.unit)


def head_with_bounds(row: Row) -> str:
    """The head's statistic; for an absolute check with its 90 % interval: ``79 ms [63, 118]``."""
    verdict, text = row.verdict, head_value(row)
    if row.kind != "absolute" or (verdict.low is None and verdict.high is None):
        return text
    unit = text.partition(" ")[2]
    low, high = (
        value(end, row.unit).removesuffix(f" {unit}") for end in (verdict.low, verdict.high)
    )
    return f"{text} [{low}, {high}]"


def sample_size(row: Row) -> str:
    """``60`` requests, or ``20 · 8 runs`` where stored runs stand against them."""
    verdict = row.verdict
    if row.kind == "relative" and verdict.base_n:
        return f"{verdict.n} · {counted(verdict.base_n, 'run')}"
    return str(verdict.n)


def counted(number: int, noun: str) -> str:
    """``1 run``, ``8 runs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def centre(statistics: Statistics, metric: str) -> float:
    """The metric's own centre: the typical value of times, the mean of tokens and money."""
    return statistics.named(CATALOGUE[metric].default_statistic)


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value, between the least and the greatest. Small spreads are drawn small."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = max(high - low, _WORTH_DRAWING * abs(high)) or 1.0
    floor = (low + high - span) / 2
    return "".join(_BARS[min(7, int((x - floor) / span * 8))] for x in values)


_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ")


def moments(text: str) -> str:
    """Text with its time stamps (``20261121T021500Z``) as people write them, UTC."""
    return _STAMP.sub(r"\1-\2-\3 \4:\5", text)


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Failing and undecided rows before passing ones; of equal verdicts those that gate first."""
    return sorted(rows, key=lambda row: (WORST_FIRST.index(row.name), not row.gating))


def verdict_words(row: Row) -> str:
    """``fail``, ``no data``, ``pass (warn)`` where the rule only warns."""
    return row.name.replace("_", " ") + ("" if row.gating else " (warn)")

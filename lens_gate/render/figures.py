"""Numbers of a report as people read them, the same in every medium."""

import re
from collections.abc import Iterable, Sequence

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.check import WORST_FIRST
from lens_gate.records.report import Row, Statistics, Unit
from lens_gate.units import about_count, about_usd, format_amount, format_share

NOTHING = "–"

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
_RANKS = {name: float(place) for place, name in enumerate(WORST_FIRST)}
AT_MARGIN = "the change lies at its margin: no sensible number of requests settles it"
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
    unit = "points" if is_rate(row) else "%"
    return interval(verdict.estimate, verdict.low, verdict.high, unit)


def interval(estimate: float, low: float | None, high: float | None, unit: str = "%") -> str:
    """``+42 % [+31, +55]``: a change as a fraction with the ends of its interval."""
    ends = ", ".join(NOTHING if end is None else _percent(end) for end in (low, high))
    return f"{_percent(estimate)} {unit} [{ends}]"


def is_rate(row: Row) -> bool:
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
        return worse_by(row, margin)
    if limit is not None:
        return f"{'≤' if row.better == 'lower' else '≥'} {value(limit, row.unit)}"
    return NOTHING


def allowed_to(row: Row) -> float | None:
    """The change up to which a rule allows it, as a fraction; where more is better, down to which.

    ``None`` where it has no margin.
    """
    margin = row.verdict.margin
    if margin is None or row.better == "lower":
        return margin
    return -margin if is_rate(row) else _fall(margin)


def by_default(row: Row) -> bool:
    """Whether the margin is the house's, for want of one in the policy."""
    return row.margin_from == "default" and row.verdict.margin is not None


def worse_by(row: Row, worsening: float) -> str:
    """A worsening of the row's metric as a change: ``+20 %``, ``-16.7 %``, ``+2 points``."""
    lower = row.better == "lower"
    if is_rate(row):
        return f"{'+' if lower else '-'}{format_share(worsening)[:-2]} points"
    return format_share(worsening if lower else _fall(worsening), signed=True)


def _fall(worsening: float) -> float:
    """Where more is better the margin is tested on 1/x: 20 % is a fall by a sixth."""
    return 1 / (1 + worsening) - 1


def _change_of(row: Row, change: float) -> str:
    """A change as a share of the base: ``+34 %``; of rates in points."""
    text = format_share(change, signed=True)
    return f"{text[:-2]} points" if is_rate(row) else text


def base_title(rows: Iterable[Row]) -> str:
    """What stands opposite the head: ``control`` where that is all that does, else ``base``."""
    modes = {row.mode for row in rows if row.kind == "relative"}
    return "control" if modes == {"duet"} else "base"


def base_value(row: Row) -> str:
    """The statistic of the control or of the stored runs; nothing for an absolute limit."""
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
    """``60`` requests, ``36 pairs``, or ``20 · 8 runs`` where stored runs stand against them.

    Pairs of blocks are ``8 pairs of blocks``.
    """
    verdict = row.verdict
    if row.kind == "relative" and row.mode == "duet":
        return counted_pairs(verdict.n, in_blocks=row.in_blocks)
    if row.kind == "relative" and verdict.base_n:
        return f"{verdict.n} · {counted(verdict.base_n, 'run')}"
    return str(verdict.n)


def counted(number: int, noun: str) -> str:
    """``1 run``, ``8 runs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counted_pairs(number: int, *, in_blocks: bool, new: bool = False) -> str:
    """``1 pair``, ``8 new pairs``, ``8 pairs of blocks``."""
    return counted(number, "new pair" if new else "pair") + (" of blocks" if in_blocks else "")


def centre(statistics: Statistics, metric: str) -> float:
    """The metric's own centre: the typical value of times, the mean of tokens and money."""
    return statistics.named(CATALOGUE[metric].default_statistic)


_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ")


def moments(text: str) -> str:
    """Text with its time stamps (``20261121T021500Z``) as people write them, UTC."""
    return _STAMP.sub(r"\1-\2-\3 \4:\5", text)


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Failing and undecided rows before passing ones; of equal verdicts those that gate first.

    A failure that a waiver lets through comes after all that asks for something to be done.
    """
    return sorted(rows, key=lambda row: (_rank(row), not row.gating))


def _rank(row: Row) -> float:
    return _RANKS["inconclusive"] + 0.5 if row.waived else _RANKS[row.name]


def verdict_words(row: Row) -> str:
    """``fail``, ``no data``, ``pass (warn)`` where the rule only warns, ``fail (waived)``."""
    return row.name.replace("_", " ") + _standing(row)


def _standing(row: Row) -> str:
    if row.waived:
        return " (waived)"
    if row.demoted:
        return " (demoted)"
    return "" if row.gating else " (warn)"


def settling(row: Row) -> str:
    """``about 420 requests, $0.62, would settle it``; empty where no number is known to."""
    if row.needs_requests is None:
        return AT_MARGIN if row.verdict.needed_n is not None else ""
    money = f", {about_usd(row.needs_usd)}," if row.needs_usd is not None else ""
    noun = "request" if row.needs_requests == 1 else "requests"
    return f"about {about_count(row.needs_requests)} {noun} in all{money} would settle it"


def open_question(row: Row) -> str:
    """Of an undecided check: what could have been shown, and what would settle it.

    Where that is not known, or something disturbed the measuring, the reason says all there is.
    """
    verdict = row.verdict
    if verdict.withheld or verdict.detectable is None:
        parts = [verdict.reason, settling(row)]
    else:
        shown = _change_of(row, verdict.detectable)
        parts = [f"the smallest change that could have been shown is {shown}", settling(row)]
    return "; ".join(filter(None, parts))


def reason(row: Row) -> str:
    """Why it has its verdict, what would settle it, and why it does not count, in one sentence.

    The deciding inequality comes first, then what follows from it.
    """
    parts = (
        row.verdict.reason,
        settling(row) if row.name == "inconclusive" else "",
        row.waived,
        f"only warns: {row.demoted}" if row.demoted else "",
    )
    return "; ".join(filter(None, parts))


def rates(confidence: float, null_rate: str) -> str:
    """How often it errs: by design, and as measured on this policy where that was done."""
    measured = f" Measured: {null_rate}." if null_rate else ""
    return (
        f"unchanged builds: at most {format_share(1 - confidence)} for each policy; "
        "a real change no larger than its margin: at most 5 % for each check." + measured
    )

"""What one check's data say before the family decides, and the answers that need no test."""

import math
from dataclasses import dataclass
from typing import Literal

from lens_gate.judge.inputs import QUANTILES, Case, Side
from lens_gate.records.check import VerdictName
from lens_gate.stats import quantiles, rates, signed_rank, special

MIN_USABLE = 8
"""Fewer usable requests, pairs or both never pass (statistics: edge cases)."""

MIN_SE = 0.001
"""Floor of every standard error on the log scale: constants have none of their own."""

Z95 = special.norm_ppf(0.95)

REACH = 0.05
"""Share of a Harrell-Davis estimate's weight from which late values count as reaching it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the data say about one check.

    ``settled`` and ``note`` are the answer where no test is needed or possible. ``dead`` says that
    no request of the head succeeded, while some did on the other side: a failure where that is more
    than chance, else no data. The p-values are
    those of ``Verdict``; ``p_better`` is the one-sided p of "no better than the base". ``no_fail``
    and ``no_pass`` say why a verdict is out of reach (empty: it is not). ``se`` with ``df`` degrees
    of freedom is the standard error of the change, on the log scale or, for error rates, as a
    share. ``exceeded`` and ``unshown`` belong to absolute checks: the estimate is beyond the limit;
    the bound is.
    """

    settled: VerdictName | None = None
    note: str = ""
    dead: str = ""
    n: int = 0
    base_n: int = 0
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    base_value: float | None = None
    head_value: float | None = None
    p_worse: float = 1.0
    p_margin: float = 1.0
    p_within: float = 1.0
    p_better: float = 1.0
    no_fail: str = ""
    no_pass: str = ""
    se: float | None = None
    df: float = math.inf
    scale: Literal["log", "share"] = "log"
    exceeded: bool = False
    unshown: bool = False


def finite(value: float) -> float | None:
    """The number, or ``None`` where it is infinite or no number: records go to JSON."""
    return float(value) if math.isfinite(value) else None


def minimum(kind: str) -> int:
    """Fewest usable requests (duet: pairs) with which this kind may pass."""
    if kind in QUANTILES:
        return max(MIN_USABLE, quantiles.MIN_N[QUANTILES[kind]])
    return MIN_USABLE


def log(value: float) -> float:
    """The natural logarithm; that of zero is minus infinity."""
    return math.log(value) if value > 0 else -math.inf


def change(worsening: float, *, better: str) -> float | None:
    """The metric's change as a fraction, from the log of how much worse it became."""
    exponent = worsening if better == "lower" else -worsening
    return math.expm1(exponent) if exponent < 700 and not math.isnan(exponent) else None


def changes(
    estimate: float, low: float, high: float, *, better: str
) -> tuple[float | None, float | None, float | None]:
    """Estimate and interval ends as fractions of the base, the lower end first.

    An end at minus infinity on the log scale is no bound, so it is ``None`` rather than -100 %.
    """
    ends = (low, high) if better == "lower" else (high, low)
    first, last = (change(e, better=better) if math.isfinite(e) else None for e in ends)
    middle = change(estimate, better=better) if math.isfinite(estimate) else None
    return middle, first, last


def gated_value(kind: str, values: tuple[float, ...]) -> float:
    """The statistic that a relative check compares, of one arm's values, in their unit."""
    if kind == "mean":
        return math.fsum(values) / len(values)
    if not any(values):
        return 0.0
    logs = [log(value) for value in values]
    if kind == "typ":
        return math.exp(signed_rank.hodges_lehmann(logs))
    return math.exp(quantiles.harrell_davis(logs, QUANTILES[kind]))


def no_success(case: Case) -> Evidence | None:
    """The answer where no head request succeeded; ``None`` where one did.

    All failing while the base succeeded is a failure, as far as it is no chance: of a target that
    is nearly dead on both sides, one has the last success. On pairs each success is a coin
    (McNemar's test), against a history it is Fisher's. With the base failing as well it is the
    environment; with nothing to hold it against there is no data. An absolute error rate without a
    base needs no success to be tested.
    """
    head = case.head
    if head.answered:
        return None
    none = f"no successful request (0 of {head.asked})"
    if case.check.block:
        none = f"no block with {case.check.block} (0 of {head.asked})"
    if not head.asked:
        return Evidence(settled="no_data", note="no samples: no request of the head was measured")
    base_asked = sum(side.asked for side in case.base)
    base_answered = sum(side.answered for side in case.base)
    if base_answered:
        chance, base = rates.mcnemar_greater(base_answered, 0), "the control"
        if case.control is None:
            base_bad, base = base_asked - base_answered, "the history"
            chance = rates.fisher_greater(head.asked, head.asked, base_bad, base_asked)
        had = f"{base} had {base_answered} of {base_asked}"
        return Evidence(
            dead=f"{none}, while {had}",
            p_worse=chance,
            p_margin=chance,
        )
    if base_asked:
        return Evidence(
            settled="no_data",
            note=f"environment: {none}, nor on the other side",
        )
    if case.check.kind == "error_rate" and not case.relative:
        return None
    return Evidence(
        settled="no_data",
        note=f"{none}, and nothing to hold that against",
    )


def too_few(n: int, need: int, what: str) -> Evidence:
    """Inconclusive, since a verdict needs more than this."""
    return Evidence(
        settled="inconclusive", note=f"{n} usable {what}: at least {need} are needed", n=n
    )


def reaches(kind: str, late: int, n: int, *, better: str) -> bool:
    """Whether ``late`` of ``n`` values, true values unknown, could move this statistic.

    A late value is worse than any other. Ranks bear a tenth of them (``typ``), means none. A
    quantile bears those that carry next to no weight in it; where more is better none, since the
    recorded value then stands at the wrong end.
    """
    if not late:
        return False
    if kind == "typ":
        return 10 * late > n
    if kind == "mean" or better == "higher":
        return True
    p = QUANTILES[kind]
    weight = 1.0 - special.beta_cdf((n - late) / n, (n + 1) * p, (n + 1) * (1 - p))
    return float(weight) > REACH


def barred_pass(head: Side, kind: str, *, late: int, n: int, better: str) -> str:
    """Why latency can't pass on this head: too many errors or timeouts; empty if it can."""
    if head.erred_much:
        return f"{head.errors} of {head.asked} requests failed, more than a tenth"
    if 10 * late > n:
        return f"{late} of {n} timed out, more than a tenth"
    if reaches(kind, late, n, better=better):
        return f"{late} of {n} timed out, which the {kind} feels: it is only a lower bound"
    return ""

"""What the pure decision takes and gives: ``Check``, ``Arm`` and ``Verdict``."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

CheckKind = Literal["typ", "mean", "p50", "p90", "p95", "p99", "max", "error_rate", "shift"]
VerdictName = Literal["fail", "no_data", "inconclusive", "new", "pass", "improved"]
WORST_FIRST: tuple[VerdictName, ...] = (
    "fail",
    "no_data",
    "inconclusive",
    "new",
    "pass",
    "improved",
)


@dataclass(frozen=True, slots=True)
class Arm:
    """The numbers of one side, one for each request that has one.

    ``values`` are in the metric's own unit, above zero. ``pair`` holds for each value the key of
    its pair: equal keys in two arms make a pair. ``censored`` marks values that are only a lower
    bound (a timeout's limit). ``errors`` counts requests that ended without a value; kind
    ``error_rate`` tests ``errors / (len(values) + errors)`` and looks at no value.

    ``low`` and ``high`` say between what the true value lies, one for each value: events that share
    a read and a client that reads late leave it open; ``errors_low`` and ``errors_high`` say so of
    ``errors``. ``None``: exact.
    """

    values: ArrayLike
    pair: Sequence[Any] | None = None
    censored: ArrayLike | None = None
    errors: int = 0
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    errors_low: int | None = None
    errors_high: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One limit of one rule in one cell: the unit of testing. It has a ``margin`` or a ``limit``.

    ``margin``: relative, the change that the rule tolerates (0.2 is +20 %); for an error rate the
    added share (0.02 is two points more). ``limit``: absolute.
    ``base``: one arm is a duet's control; a sequence of arms is a history, oldest first.
    ``run_sd``: prior run-to-run standard deviation on the log scale. ``fraction``: the share of the
    error budget that this look may use. ``better``: whether less or more of the metric is better.
    ``final``: this is the cell's last look (absolute checks pass only there).
    ``shown``: an absolute pass needs the bound, not only the estimate, within the limit.
    Kind ``shift`` holds the head's location less that of its ``base`` against a ``limit``: the two
    arms are no pairs, and no control (cold requests and warm ones of one run).
    ``unit`` and ``bad`` only word the reason: the unit of the values (``s tokens usd share``), and
    what a request that an ``error_rate`` counts as an error has done. So does ``block``, where each
    value is that of a whole block of load: what a block must have to give one.
    """

    id: str
    kind: CheckKind
    _: KW_ONLY
    margin: float | None = None
    limit: float | None = None
    head: Arm
    base: Arm | Sequence[Arm] | None = None
    run_sd: float = 0.17
    fraction: float = 1.0
    better: Literal["lower", "higher"] = "lower"
    final: bool = True
    shown: bool = False
    unit: str = ""
    bad: str = "failed"
    block: str = ""

    @property
    def pairs(self) -> str:
        """What the values of two arms make, in words."""
        return "pairs of blocks" if self.block else "pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to a check.

    Relative: ``estimate``, ``low`` and ``high`` are changes of the head against the base as
    fractions (0.2: a fifth more), for an error rate added shares. Absolute: they are in the
    metric's unit. ``low`` and ``high`` are the ends of a two-sided 90 % interval, so that each is a
    one-sided 95 % bound; ``None`` is no bound. ``n`` is the number of usable head requests (duet:
    pairs), ``base_n`` the number of baseline runs (or pairs).
    ``p_worse`` is key 1 (unchanged would look like this), ``p_margin`` key 2, ``p_within`` the pass
    test; ``None`` where the check has none. ``reason`` is the deciding inequality in words.
    ``detectable`` is the smallest change that could have been shown to fail, beyond the margin,
    with a chance of 90 %, where inconclusive.
    ``needed_n`` is how many pairs (history: runs) would settle it with a chance of 90 % if the
    change is what it seems; ``None`` where more of them would not help or none is known.
    ``withheld``: inconclusive only because of what disturbed the measuring; ``reason`` names it.
    """

    id: str
    verdict: VerdictName
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    reason: str
    base_n: int = 0
    base_value: float | None = None
    head_value: float | None = None
    margin: float | None = None
    limit: float | None = None
    p_worse: float | None = None
    p_margin: float | None = None
    p_within: float | None = None
    detectable: float | None = None
    withheld: bool = False
    needed_n: int | None = None

"""What a check can see before anything is sent: its chances to fail and to pass, sizes it needs.

A *trial* is one relative check with the data that it is to get; ``odds(margin, change)`` are its
chances at a margin if that is the true change. They are those at Holm's first step, the hardest: no
other check of the family has failed. Changes and margins are fractions by which a metric is worse
(0.2: a fifth more; where more is better 1/1.2), for error rates added shares.

Spreads are given as *pair variances*: n times the variance of the log change that is estimated
from n pairs. ``spread`` has them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from lens_gate.judge.evidence import MIN_SE, MIN_USABLE, minimum
from lens_gate.stats import history, power, special
from lens_gate.stats import looks as spending

ALPHA = 0.01
GAMMA = 0.05

FOUND = 0.90
"""With this chance what is called shown is shown."""

EVEN = 0.50
"""A rule with less than this chance to fail at twice its margin decides nothing."""

MOST_PAIRS = 100_000
"""More than anybody would send."""

Looks = tuple[tuple[int, float], ...]
"""(pairs, share of the error budget) of each look, rising."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The chance that a check fails, and that it passes (or improves); what is left is open."""

    fails: float
    passes: float


class Trial(Protocol):
    """A relative check with the data that it is to get."""

    @property
    def largest(self) -> float:
        """No margin above this makes sense, and no change above twice this."""

    def odds(self, margin: float, change: float) -> Odds:
        """The chances of the check at this margin if the truth is this change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetTrial:
    """A check of values in a duet.

    ``kind`` is ``typ``, ``mean`` or a quantile of ``Check.kind``; ``variance`` its pair variance.
    ``looks`` are as planned, the last one at N (pairs, or pairs of blocks). ``family`` is the
    number of gating checks of the plan, ``alpha`` 1 less the policy's confidence, ``gamma`` the
    level of key 2 and of the pass.

    Each look's own chance comes from its test (``typ``: the exact critical value of the signed rank
    on normal values; ``mean``: Student's t; quantiles: the normal test of the label swaps). The
    looks are joined as sums of independent steps, integrated numerically, so a check that passed
    early can't fail later. A look below the kind's minimum decides nothing.
    """

    kind: str
    variance: float
    looks: Looks
    family: int
    alpha: float = ALPHA
    gamma: float = GAMMA

    @property
    def largest(self) -> float:
        """Tenfold."""
        return 10.0

    def odds(self, margin: float, change: float) -> Odds:
        """See ``Trial``."""
        return _duet_odds(self, margin, change)


@lru_cache(maxsize=4096)
def _duet_odds(trial: DuetTrial, margin: float, change: float) -> Odds:
    return joined(
        trial.looks,
        minimum(trial.kind),
        lambda n, share: _at_look(trial, n, share, math.log1p(margin), math.log1p(change)),
    )


@lru_cache(maxsize=256)
def fewest_blocks(family: int, alpha: float = ALPHA) -> int:
    """The fewest pairs of blocks with which one of so many checks can fail at all.

    n pairs have 2^n ways to fall out, and the worst of them, every block of the head worse than the
    control's, has a chance of 2^-n in an unchanged build: no data show more than that.
    """
    n = MIN_USABLE
    while 0.5**n > alpha / family:
        n += 1
    return n


def joined(looks: Looks, least: int, at_look: Callable[[int, float], Odds]) -> Odds:
    """The odds over all looks, from those which each would have if it were the only one."""
    each = [(float(n), at_look(n, share)) for n, share in looks if n >= least]
    upper = [-special.norm_ppf(odds.fails) for _, odds in each]
    lower = [special.norm_ppf(odds.passes) for _, odds in each]
    times = [n for n, _ in each]
    fails, passes = power.first_leaving(times, upper, list(map(min, upper, lower)))
    return Odds(fails=fails, passes=passes)


def _keys(margin: float, first: float, second: float) -> tuple[power.Hurdles, power.Hurdles]:
    """What a worsening has to exceed to fail, and an improvement to pass; margin on the log scale.

    A margin of 0 is passed by an improvement only.
    """
    passing = [(-margin, second)] if margin else [(0.0, second), (0.0, first)]
    return [(0.0, first), (margin, second)], passing


def _at_look(trial: DuetTrial, n: int, share: float, margin: float, worse: float) -> Odds:
    failing, passing = _keys(margin, trial.alpha * share / trial.family, trial.gamma * share)
    sd = max(math.sqrt(trial.variance / n), MIN_SE)
    if trial.kind == "typ":
        # From normal values of standard deviation s the estimate has s sqrt(pi / (3 n)).
        unit = sd * math.sqrt(n) * math.sqrt(3 / math.pi)
        fails, passes = (
            min(power.signed_rank(n, level, (centre - shift) / unit) for shift, level in hurdles)
            for centre, hurdles in ((worse, failing), (-worse, passing))
        )
        return Odds(fails=fails, passes=passes)
    df = n - 1 if trial.kind == "mean" else math.inf
    return Odds(
        fails=power.above(worse, sd, failing, df=df), passes=power.above(-worse, sd, passing, df=df)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTrial:
    """A check of values against ``runs`` stored runs of ``n`` requests, the head's as large.

    ``run_sd`` is the standard deviation between runs on the log scale, the true one and the prior
    (statistics, section 3.5). A run's own variance is half the pair ``variance`` over n. The spread
    between runs is estimated from few of them: the odds are an average over how that may come out.
    """

    kind: str
    variance: float
    run_sd: float
    n: int
    runs: int
    family: int
    alpha: float = ALPHA
    gamma: float = GAMMA

    @property
    def largest(self) -> float:
        """Tenfold."""
        return 10.0

    def odds(self, margin: float, change: float) -> Odds:
        """See ``Trial``."""
        if self.n < minimum(self.kind) or self.runs < 1:
            return Odds(fails=0.0, passes=0.0)
        within = max(self.variance / 2 / self.n, MIN_SE * MIN_SE)
        # Of a run less the mean of the others; the prior counts for so many further runs.
        variance = (self.run_sd * self.run_sd + within) * (1 + 1 / self.runs)
        learned = (self.runs - 1) / (history.NU0 + self.runs - 1)
        failing, passing = _keys(math.log1p(margin), self.alpha / self.family, self.gamma)
        fails, passes = (
            power.above(
                centre,
                math.sqrt(variance),
                hurdles,
                df=history.NU0 + self.runs - 1,
                learned=learned,
                learned_df=self.runs - 1,
            )
            for centre, hurdles in ((math.log1p(change), failing), (-math.log1p(change), passing))
        )
        return Odds(fails=fails, passes=passes)


def deciding_margin(trial: Trial, *, even: float = EVEN) -> float | None:
    """The smallest margin at which the check decides something; ``None`` where there is none.

    It decides where an unchanged build passes, and one that is worse by twice the margin fails,
    each with a chance of at least ``even``.
    """

    def decides(margin: float) -> bool:
        return (
            trial.odds(margin, 0.0).passes >= even and trial.odds(margin, 2 * margin).fails >= even
        )

    return _least(decides, 1e-4, trial.largest)


def shown_change(trial: Trial, margin: float, *, found: float = FOUND) -> float | None:
    """The smallest change that fails with a chance of ``found``; ``None`` where there is none."""
    return _least(
        lambda change: trial.odds(margin, change).fails >= found,
        max(margin, 1e-4),
        2 * trial.largest,
    )


def _least(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """The least number from ``low`` to ``high`` at which it holds, to half a per cent of itself."""
    if not holds(high):
        return None
    while high > low * 1.005:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def pairs_needed(
    at_size: Callable[[int], Trial],
    margin: float,
    change: float,
    *,
    least: int = spending.FIRST,
    found: float = FOUND,
) -> int | None:
    """The fewest pairs (N) that find a change with this chance; ``None``: more than anybody sends.

    Args:
        at_size: the trial with N pairs, its looks included.
        margin: the margin of the check.
        change: how much worse the head really is.
        least: no fewer pairs than this.
        found: the chance.
    """

    def enough(n: int) -> bool:
        return at_size(n).odds(margin, change).fails >= found

    high = least
    while not enough(high):
        if high >= MOST_PAIRS:
            return None
        high *= 2
    low = max(least, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def whole(n: int) -> Looks:
    """One look, at the end, which has all of the error budget."""
    return ((n, 1.0),)

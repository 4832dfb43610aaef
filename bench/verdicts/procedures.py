"""Our decisions on what was drawn, all by `lens_gate.judge.decide`: at once, and over the looks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bench.verdicts.policies import FAMILY
from lens_gate.judge import Check, Verdict, VerdictName, decide
from lens_gate.stats.looks import looks

CONFIDENCE = 0.99
MOST_PAIRS = 400
LEAST_PAIRS = 16
DECIDED: tuple[VerdictName, ...] = ("fail", "no_data", "pass", "improved")
GOOD: tuple[VerdictName, ...] = ("pass", "improved")

Verdicts: TypeAlias = Mapping[str, Verdict]
Spending: TypeAlias = Iterable[tuple[int, float]]
"""Looks as (pairs, share of the error budget)."""

PLANNED: Spending = looks(MOST_PAIRS, LEAST_PAIRS)


def at_once(
    checks: Sequence[Check], *, family: int = FAMILY, confidence: float = CONFIDENCE
) -> Verdicts:
    """All checks of a policy, decided together; by id."""
    return {v.id: v for v in decide(checks, family=family, confidence=confidence)}


def any_fails(verdicts: Verdicts) -> bool:
    """Whether the build fails."""
    return any(v.verdict == "fail" for v in verdicts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a cell went: when it ended, and what was decided after how many pairs."""

    pairs: int
    decided: Mapping[str, tuple[VerdictName, int]]
    open: int

    @property
    def first_fail(self) -> int | None:
        """The pairs after which the first check failed."""
        return min((n for name, n in self.decided.values() if name == "fail"), default=None)

    @property
    def passed(self) -> bool:
        """Every check passed."""
        return not self.open and all(name in GOOD for name, _ in self.decided.values())


def over_looks(
    checks_at: Callable[[int], Sequence[Check]],
    spending: Spending = PLANNED,
    *,
    family: int = FAMILY,
    confidence: float = CONFIDENCE,
) -> Course:
    """One cell, look by look: only its undecided checks are tested, each look with its own share.

    ``checks_at`` gives the cell's checks as they are after so many pairs.
    """
    decided: dict[str, tuple[VerdictName, int]] = {}
    pairs = still_open = 0
    for pairs, share in spending:
        checks = [
            replace(check, fraction=share) for check in checks_at(pairs) if check.id not in decided
        ]
        verdicts = at_once(checks, family=family, confidence=confidence)
        new = {v.id: (v.verdict, pairs) for v in verdicts.values() if v.verdict in DECIDED}
        decided |= new
        still_open = len(checks) - len(new)
        if not still_open:
            break
    return Course(pairs=pairs, decided=decided, open=still_open)


def following_the_money(most: int) -> Iterator[tuple[int, float]]:
    """Wrong on purpose: N is what money pays for, and a cell that goes on gets what others saved.

    At each look N is the pairs of that look, so each spends as if it were the last.
    """
    before = 0
    for pairs, _ in looks(most, LEAST_PAIRS):
        yield pairs, 1.0 - (before / pairs) ** 0.5
        before = pairs

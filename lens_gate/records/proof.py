"""What tests of the gate itself found: A/A runs on real targets, two acts on simulated ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lens_gate.records.check import VerdictName
from lens_gate.records.null import NullSession

SELFTEST_SCHEMA = "lens-gate/selftest/1"
ActName = Literal["unchanged", "slowed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """So many of so many failed."""

    failed: int = 0
    of: int = 0

    def and_one(self, *, failed: bool) -> "Tally":
        """With one more."""
        return Tally(failed=self.failed + failed, of=self.of + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NullRow:
    """How a check came out in A/A runs, and what a fixed rule would have said of the same runs.

    ``upper`` bounds its rate of false alarms (95 %). ``fixed`` counts the runs that were compared
    with the one before them.
    """

    scenario: str
    target: str
    rule: str
    metric: str
    statistic: str
    runs: int
    failed: int
    passed: int
    upper: float
    fixed: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class NullReport:
    """A session of A/A runs. ``path`` is where it was stored, empty where not one run ended.

    ``asked`` is how many runs were wanted and ``stopped`` why there are fewer, or empty. ``fixed``
    counts the runs that a fixed rule would have failed in any check. ``measured`` is the rate over
    all stored sessions in words; ``demoted`` says by check why it only warns once they are merged.
    """

    session: NullSession
    asked: int
    path: str
    stopped: str
    rows: tuple[NullRow, ...]
    upper: float
    fixed: Tally
    cap_usd: Decimal
    seed: int
    measured: str
    demoted: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelftestRow:
    """A gating relative check in both acts. ``n`` is its N in ``unit``; ``margin`` a fraction.

    ``slows``: the slowdown reaches its metric. ``open_because`` says why the second act left it
    inconclusive, where it did. ``fixed`` counts the days on which a fixed rule would have failed it
    though nothing had changed.
    """

    scenario: str
    target: str
    rule: str
    metric: str
    statistic: str
    n: int
    unit: str
    margin: float
    unchanged: VerdictName
    slowed: VerdictName
    slows: bool
    fixed: Tally
    open_because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act: ``problems`` are what should not have come of it, in words; none: it is proven."""

    name: ActName
    problems: tuple[str, ...]
    tries: int
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SelftestReport:
    """Whether a policy holds what it promises, on simulated servers.

    The slowed model takes ``factor`` times as long. ``must_fail`` are the cells in which that has
    to be found, ``may_stay`` says by cell why it need not be. ``false_alarm`` bounds the chance
    that a sound gate fails the first act, ``missed`` that it fails the second. ``left_out`` are
    what is not tested, in words. ``fixed`` counts the days that a fixed rule would have failed.
    ``scale`` is by how much the simulated time runs faster than the real one.
    """

    policy: str
    seed: int
    scale: float
    factor: float
    elapsed_s: float
    acts: tuple[Act, ...]
    rows: tuple[SelftestRow, ...]
    must_fail: tuple[str, ...]
    may_stay: Mapping[str, str]
    false_alarm: float
    missed: float
    fixed: Tally
    left_out: tuple[str, ...] = ()
    schema: str = SELFTEST_SCHEMA

    @property
    def proven(self) -> bool:
        """Neither act brought what it should not."""
        return not any(act.problems for act in self.acts)

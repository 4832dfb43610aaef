"""The stored runs of a cell in the order of time, and what they show together."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lens_gate.records.report import Unit

HISTORY_SCHEMA = "lens-gate/history/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One stored run. ``requests`` counts all that were asked, ``failed`` those without an answer.

    ``stretch`` numbers the stretches of runs that compare with each other, from 0; ``breaks`` says
    why this run begins one: what of the fixed fingerprint differs, or the level that was accepted.
    ``changed`` is what differs of what is asked about (model, prompts, parameters): such runs do
    compare. A run marked ``bad`` by hand is shown and counts nowhere. ``pruned``: it was removed
    from the branch since.
    """

    path: str
    created: str
    commit: str
    run_id: str
    models: tuple[str, ...]
    requests: int
    failed: int
    spent_usd: Decimal
    stretch: int
    breaks: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    bad: str = ""
    pruned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelOf:
    """Where a metric lay from run ``first`` to run ``last`` (numbers of runs): its typical value.

    ``runs`` are those of them that have the metric and count.
    """

    first: int
    last: int
    value: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """The level changed between run ``last`` and run ``first`` (numbers of runs).

    ``change`` is a fraction of ``before`` (0.2: a fifth more), of shares a difference. ``p`` is the
    chance of so clear a change in a series that has none.
    """

    last: int
    first: int
    before: float
    after: float
    change: float
    worse: bool
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How the present level moves: the change over its ``days``, with its 90 % interval.

    It is a fraction, of shares a difference; an end that is not known is ``None``. ``shown``: it is
    no chance (``p`` at most 0.01). ``runs`` is how many it rests on.
    """

    change: float
    low: float | None
    high: float | None
    p: float
    shown: bool
    days: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric over the runs of a cell: ``values`` has one for each, ``None`` where it has none.

    ``relative``: changes are fractions; else (shares, and numbers that may be zero) they are
    differences. ``levels`` are in the order of time. ``trend`` is that of the newest level;
    ``None`` where there are too few runs to see one. ``limit`` is the policy's, where it has one.
    """

    metric: str
    statistic: str
    unit: Unit
    better: Literal["lower", "higher"]
    relative: bool
    values: tuple[float | None, ...]
    levels: tuple[LevelOf, ...]
    changes: tuple[ChangePoint, ...]
    trend: Trend | None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A limit that runs are to meet, in the metric's unit; ``text`` is as it was written."""

    text: str
    metric: str
    statistic: str
    operator: Literal["<", "<=", ">", ">="]
    limit: float
    unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How well a cell kept to an objective.

    ``runs`` have the statistic, ``met`` of them are within the limit. Of their ``requests`` so many
    are (``requests_met``) each by itself, failed ones not. ``worst`` is the number of the worst
    run, ``worst_value`` its statistic. ``streak`` counts the latest runs in a row that meet it, or
    below zero that do not, since run ``streak_from``.
    """

    objective: Objective
    runs: int
    met: int
    requests: int
    requests_met: int
    worst: int | None
    worst_value: float | None
    streak: int
    streak_from: int | None
    kept: bool

    @property
    def share(self) -> float | None:
        """The share of runs that meet it."""
        return self.met / self.runs if self.runs else None

    @property
    def requests_share(self) -> float | None:
        """The share of requests that meet it."""
        return self.requests_met / self.requests if self.requests else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellHistory:
    """A cell's runs, oldest first, its series by metric and its objectives."""

    scenario: str
    target: str
    runs: tuple[StoredRun, ...]
    series: tuple[Series, ...]
    kept: tuple[Kept, ...] = ()

    @property
    def cell(self) -> str:
        """``scenario/target``."""
        return f"{self.scenario}/{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that the verb ``history`` shows. ``source`` says in words what was read.

    ``commit`` is the commit that was read, ``since`` the beginning of the window (UTC,
    ``20261121T021500Z``) or empty. ``share`` of the runs have to meet each objective.
    """

    created: str
    source: str
    folder: str
    commit: str | None
    since: str
    share: float
    alpha: float
    cells: tuple[CellHistory, ...]
    warnings: tuple[str, ...]
    version: str
    schema: str = HISTORY_SCHEMA

"""A metric over the stored runs of a cell: levels, where they changed, and how the last one moves.

Runs that do not compare stand in stretches of their own, and nothing is worked out across their
ends. The unit is the run: each is one number, on a log scale where all are above zero.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import Literal

from lens_gate.metrics.catalogue import CATALOGUE, MAY_BE_ZERO
from lens_gate.metrics.objectives import run_value
from lens_gate.records.baseline import Baseline
from lens_gate.records.series import ChangePoint, LevelOf, Series, StoredRun, Trend
from lens_gate.stats import change_points, trend
from lens_gate.stats.rng import seed_of
from lens_gate.stats.signed_rank import hodges_lehmann

TREND_ALPHA = 0.01
_DAY_S = 86400.0
_MOST = 50.0


def moment(created: str) -> datetime:
    """The time of a stored run's name, ``20261121T021500Z``.

    Raises:
        ValueError: it is none.
    """
    return datetime.strptime(created, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def series_of(
    metric: str,
    statistic: str,
    runs: Sequence[StoredRun],
    baselines: Sequence[Baseline],
    *,
    objectives: Mapping[str, float],
    limit: float | None = None,
) -> Series:
    """The series of one metric; ``runs`` and ``baselines`` are parallel, oldest first."""
    values = tuple(run_value(b, metric, statistic, objectives) for b in baselines)
    return analysed(metric, statistic, runs, values, limit=limit)


def analysed(
    metric: str,
    statistic: str,
    runs: Sequence[StoredRun],
    values: Sequence[float | None],
    *,
    limit: float | None = None,
) -> Series:
    """The series of one metric from its numbers, one for each run, ``None`` where it has none."""
    row = CATALOGUE[metric]
    counted = [
        (number, value)
        for number, (run, value) in enumerate(zip(runs, values, strict=True))
        if value is not None and not run.bad
    ]
    relative = _is_relative(metric, [value for _, value in counted])
    levels: list[LevelOf] = []
    changes: list[ChangePoint] = []
    for _, members in groupby(counted, key=lambda one: runs[one[0]].stretch):
        part = list(members)
        found = _levels(part, metric, relative=relative)
        changes += _changes(found, row.better, relative=relative)
        levels += [level for level, _ in found]
    return Series(
        metric=metric,
        statistic=statistic,
        unit=row.unit,
        better=row.better,
        relative=relative,
        values=tuple(values),
        levels=tuple(levels),
        changes=tuple(changes),
        trend=_trend(levels, runs, dict(counted), relative=relative),
        limit=limit,
    )


def _is_relative(metric: str, values: Iterable[float]) -> bool:
    """Shares move by points; what may be nothing at all has no ratio."""
    if CATALOGUE[metric].unit == "share" or metric in MAY_BE_ZERO:
        return False
    return all(value > 0.0 for value in values)


def _levels(
    part: Sequence[tuple[int, float]], metric: str, *, relative: bool
) -> list[tuple[LevelOf, float]]:
    """The levels of a stretch, each with the p-value of the change that began it (the first: 1)."""
    numbers = [number for number, _ in part]
    scaled = [_scaled(value, relative=relative) for _, value in part]
    splits = change_points.change_points(scaled, seed=seed_of("history", metric))
    starts = [0, *(split.index for split in splits)]
    ends = [*starts[1:], len(part)]
    chances = [1.0, *(split.p for split in splits)]
    found = []
    for start, end, chance in zip(starts, ends, chances, strict=True):
        centre = hodges_lehmann(scaled[start:end])
        level = LevelOf(
            first=numbers[start],
            last=numbers[end - 1],
            value=math.exp(centre) if relative else centre,
            runs=end - start,
        )
        found.append((level, chance))
    return found


def _scaled(value: float, *, relative: bool) -> float:
    return math.log(value) if relative else value


def _changes(
    levels: Sequence[tuple[LevelOf, float]], better: Literal["lower", "higher"], *, relative: bool
) -> Iterable[ChangePoint]:
    for (old, _), (new, chance) in pairwise(levels):
        difference = new.value - old.value
        yield ChangePoint(
            last=old.last,
            first=new.first,
            before=old.value,
            after=new.value,
            change=difference / old.value if relative else difference,
            worse=(difference > 0.0) == (better == "lower"),
            p=chance,
        )


def _trend(
    levels: Sequence[LevelOf],
    runs: Sequence[StoredRun],
    values: Mapping[int, float],
    *,
    relative: bool,
) -> Trend | None:
    if not levels:
        return None
    last = levels[-1]
    kept = [number for number in values if last.first <= number <= last.last]
    start = moment(runs[kept[0]].created)
    days = [(moment(runs[n].created) - start).total_seconds() / _DAY_S for n in kept]
    found = trend.trend(days, [_scaled(values[n], relative=relative) for n in kept])
    if found is None:
        return None
    ends = [_over(days[-1], slope, relative=relative) for slope in (found.low, found.high)]
    return Trend(
        change=_over(days[-1], found.slope, relative=relative) or 0.0,
        low=ends[0],
        high=ends[1],
        p=found.p,
        shown=found.p <= TREND_ALPHA,
        days=days[-1],
        runs=len(kept),
    )


def _over(days: float, slope: float, *, relative: bool) -> float | None:
    """The change in so many days; ``None`` where the slope is not bounded."""
    change = slope * days
    if not math.isfinite(change):
        return None
    return math.expm1(min(change, _MOST)) if relative else change

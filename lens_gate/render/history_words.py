"""What a history shows, in sentences and figures that every medium has alike."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median

from lens_gate.records.series import CellHistory, ChangePoint, History, Kept, Series, StoredRun
from lens_gate.render.escape import one_line
from lens_gate.render.figures import NOTHING, counted, metric_title, moments, value
from lens_gate.render.sparkline import sparkline
from lens_gate.units import format_share

METHOD = (
    "Level: the typical run since the last change. Changes: E-divisive (Matteson and James "
    "2014) with a permutation test that allows for runs which resemble their neighbours; their "
    "place is known to some runs only. Trends: Theil-Sen and Mann-Kendall."
)
_MOST_BARS = 40
_NEAR = 3


def title(series: Series) -> str:
    """``TTFT typ``, ``error rate``."""
    return metric_title(series.metric, series.statistic)


def when(run: StoredRun) -> str:
    """``2026-11-21 02:15``, UTC."""
    return moments(run.created)


def day(run: StoredRun) -> str:
    """``2026-11-21``, UTC."""
    return moments(run.created)[:10]


def commit(run: StoredRun) -> str:
    """The first digits of its commit; a dash where it has none."""
    return run.commit[:12] or NOTHING


def numbers(series: Series, runs: Sequence[StoredRun]) -> list[tuple[StoredRun, float]]:
    """The runs that count, each with its number, oldest first."""
    pairs = zip(runs, series.values, strict=True)
    return [(run, number) for run, number in pairs if number is not None and not run.bad]


def newest(series: Series, runs: Sequence[StoredRun]) -> float | None:
    """The newest number of a run that counts."""
    known = numbers(series, runs)
    return known[-1][1] if known else None


def latest(series: Series, runs: Sequence[StoredRun]) -> str:
    """The same as a figure."""
    return value(newest(series, runs), series.unit)


def level(series: Series) -> str:
    """Where the newest level lies."""
    return value(series.levels[-1].value, series.unit) if series.levels else NOTHING


def moved(change: float, series: Series) -> str:
    """``+29 %``; of shares ``+2 points``, of numbers that may be zero in their unit."""
    if series.relative or series.unit == "share":
        percent = 100 * change
        text = f"{percent:+.0f}" if abs(percent) >= 9.95 else f"{percent:+.1f}"
        return f"{text} {'%' if series.relative else 'points'}"
    return f"{'+' if change >= 0 else ''}{value(change, series.unit)}"


def picture(series: Series, runs: Sequence[StoredRun], most: int = _MOST_BARS) -> str:
    """A bar for each run that counts, or for some runs together; a bar | where they do not compare.

    Where there are more runs than ``most``, a bar is the median of as many as it takes.
    """
    known = numbers(series, runs)
    each = -(-len(known) // max(1, most))
    bars: list[float] = []
    starts: list[int] = []
    for _, part in groupby(known, key=lambda one: one[0].stretch):
        own = [number for _, number in part]
        starts.append(len(bars))
        bars += [median(own[k : k + each]) for k in range(0, len(own), each)]
    drawn = sparkline(bars)
    ends = [*starts[1:], len(bars)]
    return "|".join(drawn[start:end] for start, end in zip(starts, ends, strict=False))


def span(cell: CellHistory) -> str:
    """``42 runs from 2026-09-01 to 2026-11-21; 2 marked bad, 12 removed from the branch since``."""
    first, last = day(cell.runs[0]), day(cell.runs[-1])
    days = f"of {first}" if first == last else f"from {first} to {last}"
    bad = sum(bool(run.bad) for run in cell.runs)
    gone = sum(run.pruned for run in cell.runs)
    rest = [f"{bad} marked bad, left out" if bad else "", f"{gone} removed since" if gone else ""]
    more = ", ".join(filter(None, rest))
    return f"{counted(len(cell.runs), 'run')} {days}" + (f"; {more}" if more else "")


def change_words(change: ChangePoint, series: Series, runs: Sequence[StoredRun]) -> str:
    """What changed, by how much, and between which commits to look."""
    return (
        f"{title(series)} from {value(change.before, series.unit)} to "
        f"{value(change.after, series.unit)} ({moved(change.change, series)}), "
        f"between {commit(runs[change.last])} and {commit(runs[change.first])}"
        f"{_beside(change, runs)}"
    )


def _beside(change: ChangePoint, runs: Sequence[StoredRun]) -> str:
    """What was changed on purpose about then; the place of a change is known to some runs only."""
    about = runs[max(0, change.last + 1 - _NEAR) : change.first + 1 + _NEAR]
    texts = [f"{'; '.join(run.changed)} on {day(run)}" for run in about if run.changed]
    return f"; {one_line(', '.join(texts), 200)}" if texts else ""


def trend_words(series: Series) -> str:
    """How the newest level moves; empty where too few runs can tell."""
    found = series.trend
    if found is None:
        return ""
    over = f"over {counted(round(found.days), 'day')}" if found.days >= 0.5 else "within hours"
    if not found.shown:
        return f"{title(series)}: no trend shown, {counted(found.runs, 'run')} {over}"
    ends = [NOTHING if x is None else moved(x, series) for x in (found.low, found.high)]
    word = "rises" if found.change > 0 else "falls"
    return (
        f"{title(series)} {word}: {moved(found.change, series)} [{', '.join(ends)}] {over}, "
        f"{counted(found.runs, 'run')}"
    )


def kept_words(kept: Kept, runs: Sequence[StoredRun]) -> str:
    """How well an objective was kept to: shares, the worst run, the streak."""
    if not kept.runs:
        return f"{kept.objective.text}: no run has this number"
    parts = [f"{kept.met} of {counted(kept.runs, 'run')} ({format_share(kept.met / kept.runs)})"]
    if kept.requests:
        share = format_share(kept.requests_met / kept.requests)
        parts.append(f"{kept.requests_met} of {counted(kept.requests, 'request')} ({share})")
    text = f"{kept.objective.text}: met by " + ", by ".join(parts)
    if kept.worst is not None:
        worst = runs[kept.worst]
        figure = value(kept.worst_value, kept.objective.unit)
        text += f"; worst {figure} on {when(worst)} ({commit(worst)})"
    if kept.streak_from is not None:
        word = "met" if kept.streak > 0 else "missed"
        last = abs(kept.streak)
        text += f"; {word} by the last {'run' if last == 1 else f'{last} runs'}"
        text += f", since {day(runs[kept.streak_from])}"
    return text


def remark(number: int, cell: CellHistory) -> str:
    """What there is to say of one run."""
    run = cell.runs[number]
    parts = [f"bad: {run.bad}"] if run.bad else []
    parts += [f"older runs do not compare: {moments(text)}" for text in run.breaks]
    parts += run.changed
    parts += [
        f"{title(series)} {moved(change.change, series)}"
        for series in cell.series
        for change in series.changes
        if change.first == number
    ]
    if run.pruned:
        parts.append("removed since")
    return "; ".join(parts)


def events(cell: CellHistory) -> Iterator[tuple[StoredRun, str, str]]:
    """What happened, newest first: the run, a word for its kind, a sentence.

    Kinds: ``worse``, ``better``, ``break``, ``changed``, ``bad``.
    """
    for number in reversed(range(len(cell.runs))):
        run = cell.runs[number]
        for series in cell.series:
            for change in series.changes:
                if change.first == number:
                    word = "worse" if change.worse else "better"
                    yield run, word, change_words(change, series, cell.runs)
        for text in run.breaks:
            yield run, "break", f"older runs do not compare: {moments(text)}"
        if run.changed:
            yield run, "changed", "; ".join(run.changed)
        if run.bad:
            yield run, "bad", f"marked bad, left out: {run.bad}"


def headline(found: History) -> str:
    """What was read, from where."""
    runs = sum(len(cell.runs) for cell in found.cells)
    window = f" since {moments(found.since)} UTC" if found.since else ""
    cells = counted(len(found.cells), "cell")
    return (
        f"{counted(runs, 'stored run')} of {cells}{window}, read in {one_line(found.source, 120)}"
    )


def promise(found: History) -> str:
    """How often a change is told where there is none."""
    return (
        f"A series that never changed shows a change in at most {format_share(found.alpha)} of "
        "cases, more often where the level wanders over weeks."
    )

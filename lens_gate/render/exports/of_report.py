"""The numbers of a report as named series: the run, its checks, its cells."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import CellReport, DuetReport, Outcome, Report, Row, Statistics
from lens_gate.render.cases import counts
from lens_gate.render.exports.families import UNITS, Family, Kind, Point
from lens_gate.render.exports.labels import labels
from lens_gate.render.exports.origin import origin_of

STATISTICS = ("mean", "typ", "p50", "p90", "p95", "p99", "max")
_Labelled = tuple[Mapping[str, str], float | None]
# The stem of a metric's family where the metric's own name ends with its unit.
_STEMS = {"cost_usd": "cost", "cached_share": "cached", "output_tps": "output"}


def report_families(report: Report) -> Iterator[Family]:
    """Every family that the report alone has numbers for; one without any is left out."""
    found = (*_run(report), *_checks(report), *_cells(report))
    yield from (family for family in found if family.points)


def statistic_stem(metric: str) -> str:
    """``ttft`` of ``ttft``, ``cost`` of ``cost_usd``, ``input`` of ``input_tokens``."""
    return _STEMS.get(metric, metric.removesuffix("_tokens"))


def kind_of(row: Row) -> str:
    """What the check is: ``relative``, ``new``, or an absolute ``max`` or ``min``.

    A rule may have one of each on the same metric.
    """
    if row.kind != "absolute":
        return row.kind
    return "max" if row.better == "lower" else "min"


def _family(
    stem: str,
    unit: str,
    text: str,
    points: Iterable[_Labelled],
    *,
    kind: Kind = "gauge",
    several_units: bool = False,
) -> Family:
    known = (
        Point(labels=names, value=float(value)) for names, value in points if value is not None
    )
    return Family(
        stem=stem,
        unit=unit,
        help=text,
        kind=kind,
        points=tuple(known),
        several_units=several_units,
    )


def _run(report: Report) -> Iterator[Family]:
    own = labels(policy=report.policy)
    refs, spend = report.refs, report.spend
    named = labels(
        policy=report.policy,
        run=report.run_id,
        mode=refs.mode,
        outcome=report.outcome,
        commit=refs.head or "",
        control=refs.control_ref or "",
        version=report.version,
    )
    yield _family("run", "", "What the last run was of.", [(named, 1.0)], kind="info")
    start = origin_of(report).start_ns // 10**9
    alone = [
        ("run_timestamp", "seconds", "When the run began, since 1970 (UTC).", float(start)),
        ("run_duration", "seconds", "How long the run took.", report.elapsed_s),
        ("exit_code", "", "The gate's exit code.", float(report.exit_code)),
        ("failed_checks", "", "Checks that fail and count.", float(_failing(report.rows))),
        ("spent", "usd", "What the run cost.", float(spend.spent_usd)),
        ("peak", "usd", "The most that was ever spent and reserved.", float(spend.peak_usd)),
        ("cap", "usd", "The most that the run could have cost.", float(spend.cap_usd)),
        ("sent_requests", "", "Requests that were sent, warm-up included.", float(spend.requests)),
        ("cap_requests", "", "The most requests that could be sent.", float(spend.max_requests)),
    ]
    for stem, unit, text, value in alone:
        yield _family(stem, unit, text, [(own, value)])
    outcomes = [
        ({**own, "outcome": outcome}, float(outcome == report.outcome))
        for outcome in get_args(Outcome)
    ]
    yield _family("outcome", "", "1 for the gate's outcome, 0 for each other one.", outcomes)
    verdicts = Counter((row.name, counts(row)) for row in report.rows)
    yield _family(
        "checks",
        "",
        "Checks by verdict, and whether they count towards the outcome.",
        [
            ({**own, "verdict": name, "counts": _word(counting)}, float(n))
            for (name, counting), n in sorted(verdicts.items())
        ],
    )


def _failing(rows: Iterable[Row]) -> int:
    return sum(row.name == "fail" and counts(row) for row in rows)


def _word(truth: bool) -> str:  # noqa: FBT001  # a truth is all that it takes
    return "true" if truth else "false"


def _checks(report: Report) -> Iterator[Family]:
    rows = [(row, _of_row(report, row)) for row in report.rows]
    yield _family(
        "check_verdict",
        "",
        "1 for the verdict of each check, named by its label.",
        [
            ({**names, "verdict": row.name, "counts": _word(counts(row))}, 1.0)
            for row, names in rows
        ],
    )
    for word, unit in UNITS.items():
        of_unit = [(row, names) for row, names in rows if row.unit == word]
        sides = [
            ("check_head", "The gated statistic as measured.", "head_value"),
            ("check_base", "The same of the control or of the stored runs.", "base_value"),
            ("check_limit", "The limit of an absolute check.", "limit"),
        ]
        for stem, text, field in sides:
            values = [(names, getattr(row.verdict, field)) for row, names in of_unit]
            yield _family(stem, unit, text, values, several_units=True)
    relative = [(row.verdict, names) for row, names in rows if row.kind == "relative"]
    changes = [
        ("check_change", "The head against its base: 0.2 is a fifth more.", "estimate"),
        ("check_change_lower", "The lower end of the change's 90 % interval.", "low"),
        ("check_change_upper", "The upper end of the change's 90 % interval.", "high"),
        ("check_margin", "The change that the rule tolerates.", "margin"),
    ]
    for stem, text, field in changes:
        values = [(names, getattr(verdict, field)) for verdict, names in relative]
        yield _family(stem, "ratio", text, values)


def _of_row(report: Report, row: Row) -> Mapping[str, str]:
    return labels(
        policy=report.policy,
        scenario=row.scenario,
        target=row.target,
        rule=row.rule,
        metric=row.metric,
        statistic=row.statistic,
        kind=kind_of(row),
    )


def _cells(report: Report) -> Iterator[Family]:
    cells = [
        (cell, labels(policy=report.policy, scenario=cell.scenario, target=cell.target))
        for cell in report.cells
    ]
    yield from _requests(cells)
    yield from _statistics(cells)
    yield from _moved(cells)
    yield from _rates(cells)


_Cells = Sequence[tuple[CellReport, Mapping[str, str]]]


def _arms(cells: _Cells) -> Iterator[tuple[CellReport | DuetReport, Mapping[str, str]]]:
    """Both sides of each cell, which have the same fields as far as they are asked for here."""
    for cell, names in cells:
        yield cell, {**names, "arm": "head"}
        if cell.duet is not None:
            yield cell.duet, {**names, "arm": "control"}


def _requests(cells: _Cells) -> Iterator[Family]:
    yield _family(
        "requests",
        "",
        "Measured requests of the run by how they ended.",
        [
            ({**names, "status": status}, float(n))
            for side, names in _arms(cells)
            for status, n in {"ok": side.ok, **side.failures}.items()
        ],
        kind="counter",
    )
    yield _family(
        "retried_requests",
        "",
        "Measured requests of the head that were sent again.",
        [({**names, "arm": "head"}, float(cell.retried)) for cell, names in cells],
        kind="counter",
    )
    yield _family(
        "cell_spent",
        "usd",
        "What the cell's requests cost, those of both arms.",
        [(names, float(cell.spent_usd)) for cell, names in cells],
    )
    whole = [
        ("planned_requests", "", "N: the most requests (duets: pairs) measured.", "planned"),
        ("baseline_runs", "", "Stored runs that the head was held against.", "baselines"),
        ("merged", "ratio", "Outputs that shared a read with an earlier one.", "merged_share"),
        ("client_lag_p99", "seconds", "How late this client read (p99).", "client_lag_p99_s"),
    ]
    for stem, unit, text, field in whole:
        yield _family(stem, unit, text, [(n, getattr(cell, field)) for cell, n in cells])


def _statistics(cells: _Cells) -> Iterator[Family]:
    for metric, row in CATALOGUE.items():
        if not row.statistics:
            continue
        known = [(s, n) for side, n in _arms(cells) if (s := side.metrics.get(metric)) is not None]
        yield _family(
            statistic_stem(metric),
            UNITS[row.unit],
            f"{row.title}, by statistic.",
            [({**n, "statistic": name}, s.named(name)) for s, n in known for name in STATISTICS],
            several_units=row.unit.startswith("tokens"),
        )
    counted = [
        ("values", "Requests that have a number of this metric.", "n"),
        ("censored_values", "Of these, timeouts: only a lower bound is known.", "censored"),
    ]
    for stem, text, field in counted:
        yield _family(stem, "", text, _by_metric(cells, field))


def _by_metric(cells: _Cells, field: str) -> Iterator[_Labelled]:
    for side, names in _arms(cells):
        for metric, statistics in side.metrics.items():
            if metric in CATALOGUE:
                yield {**names, "metric": metric}, _count(statistics, field)


def _count(statistics: Statistics, field: str) -> float:
    return float(getattr(statistics, field))


def _moved(cells: _Cells) -> Iterator[Family]:
    changes = [
        ("moved", "The typical change of the head against its control.", "change"),
        ("moved_lower", "The lower end of the typical change's interval.", "low"),
        ("moved_upper", "The upper end of the typical change's interval.", "high"),
    ]
    duets = [(cell.duet, names) for cell, names in cells if cell.duet is not None]
    for stem, text, field in changes:
        yield _family(
            stem,
            "ratio",
            text,
            [
                ({**names, "metric": metric}, getattr(moved, field))
                for duet, names in duets
                for metric, moved in duet.moved.items()
                if metric in CATALOGUE
            ],
        )


def _rates(cells: _Cells) -> Iterator[Family]:
    of_load = [
        ("successful", "requests_per_second", "Successful requests of the window.", "rps"),
        ("good", "requests_per_second", "Requests that meet every objective.", "goodput_rps"),
        ("asked", "requests_per_second", "The rate that the schedule asks for.", "asked_rate"),
        ("sent", "requests_per_second", "The rate at which requests left.", "sent_rate"),
        ("throughput", "tokens_per_second", "Output of the measured window.", "throughput"),
        ("window", "seconds", "The length of the measured window.", "window_s"),
        ("concurrency", "", "Requests in flight, on average.", "concurrency"),
    ]
    loads = [(cell.load, names) for cell, names in cells if cell.load is not None]
    for stem, unit, text, field in of_load:
        yield _family(stem, unit, text, [(names, getattr(load, field)) for load, names in loads])
    colds = [(cell.cold, names) for cell, names in cells if cell.cold is not None]
    of_cold = [
        ("cold_start_penalty", "By how much cold requests take longer.", "penalty_s"),
        ("cold_start_penalty_lower", "The lower end of its 90 % interval.", "low_s"),
        ("cold_start_penalty_upper", "The upper end of its 90 % interval.", "high_s"),
    ]
    for stem, text, field in of_cold:
        yield _family(stem, "seconds", text, [(n, getattr(cold, field)) for cold, n in colds])

"""One change over several targets: what the checks of a rule show together."""

from collections.abc import Iterator, Sequence

from lens_gate.judge.pooled import pooled
from lens_gate.metrics.catalogue import check_kind
from lens_gate.records.report import PooledRow, Row


def pooled_rows(rows: Sequence[Row]) -> tuple[PooledRow, ...]:
    """A line for each rule that was tested in pairs on two targets or more, in the rows' order."""
    return tuple(_pooled_rows(rows))


def _pooled_rows(rows: Sequence[Row]) -> Iterator[PooledRow]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        # A rate has no statistic: its changes are differences, which do not average like ratios.
        if row.mode == "duet" and row.statistic:
            groups.setdefault((row.scenario, row.rule), []).append(row)
    for (scenario, rule), same in groups.items():
        first = same[0]
        kind = check_kind(first.metric, first.statistic)
        found = pooled([row.verdict for row in same], kind, better=first.better)
        if found is not None:
            yield PooledRow(
                scenario=scenario,
                rule=rule,
                metric=first.metric,
                statistic=first.statistic,
                targets=found.targets,
                pairs=found.pairs,
                estimate=found.estimate,
                low=found.low,
                high=found.high,
                p_worse=found.p_worse,
            )

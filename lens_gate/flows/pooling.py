"""One change over several targets: what the checks of a rule show together."""

from collections.abc import Iterator, Sequence

from lens_gate.judge.pooled import pooled
from lens_gate.metrics.catalogue import check_kind
from lens_gate.records.report import PooledRow, Row


def pooled_rows(rows: Sequence[Row]) -> tuple[PooledRow, ...]:
    """A line for each rule that was tested in pairs on two targets or more, in the rows' order."""
    return tuple(_pooled_rows(rows))


def _pooled_rows(rows: Sequence[Row]) -> Iterator[PooledRow]:
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        # A rate has no statistic: its changes are differences, which do not average like ratios.
        if row.mode == "duet" and row.statistic:
            groups.setdefault((row.scenario, row.rule, row.in_blocks), []).append(row)
    for (scenario, rule, in_blocks), same in groups.items():
        first = same[0]
        # Pairs of blocks are tested by ranks, whatever the statistic within a block is.
        kind = "typ" if in_blocks else check_kind(first.metric, first.statistic)
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
                in_blocks=in_blocks,
            )

"""From a run without a policy to what is shown of it: a column for each target."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lens_gate.flows.adhoc import Measured
from lens_gate.judge.side_by_side import mean_change, typical_change
from lens_gate.load.question import output_limit
from lens_gate.metrics.arms import head_arm, measured
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.client_health import basis, merged_note
from lens_gate.metrics.cold_start import cold_start
from lens_gate.metrics.summary import price_remarks, remarks, statistics
from lens_gate.metrics.sweep import saturation, step_reports
from lens_gate.metrics.window import load_report
from lens_gate.metrics.workload import length_check, limit_check
from lens_gate.records.difference import Difference
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Scenario
from lens_gate.records.sample import Sample
from lens_gate.render.side_by_side import Column


def columns(found: Measured) -> list[Column]:
    """The targets in the order of the order; differences are against the first one."""
    cells = found.plan.cells
    samples = {c.cell: [s for s in found.run.samples if s.cell == c.cell] for c in cells}
    first = samples[cells[0].cell]
    return [
        _column(cell, samples[cell.cell], None if cell is cells[0] else first, found)
        for cell in cells
    ]


def _column(
    cell: CellPlan, samples: Sequence[Sample], first: Sequence[Sample] | None, found: Measured
) -> Column:
    own = measured(samples)
    failures = Counter(s.failure.status for s in own if s.failure is not None)
    ends = found.run.end.cells if found.run.end else ()
    ended = [
        f"ended early: {e.detail}" for e in ends if e.cell == cell.cell and e.reason != "complete"
    ]
    swept = cell.load is not None and cell.load.pattern == "sweep"
    steps = step_reports(own, cell.load) if cell.load is not None and swept else ()
    example = next((s.failure.detail for s in own if s.failure is not None), "")
    return Column(
        name=cell.target,
        asked=found.specs[cell.target] if len(found.specs) > 1 else "",
        measured=len(own),
        failures=dict(failures.most_common()),
        metrics=statistics(samples),
        differences={} if first is None else _differences(first, samples),
        load=load_report(own, {}, concurrency=cell.concurrency),
        steps=steps,
        saturation=saturation(steps) if steps else None,
        cold=cold_start(samples),
        basis=basis(own),
        notes=(
            *ended,
            *([f"the first failure said: {example}"] if example else []),
            *remarks(samples),
            *price_remarks(cell.prices, samples, created=found.run.header.created),
            *merged_note(own),
            *_workload(samples, found.plan.policy.scenarios[cell.scenario]),
        ),
    )


def _workload(samples: Sequence[Sample], scenario: Scenario) -> Iterator[str]:
    """Whether lengths and limits were kept to."""
    prompts = scenario.prompts
    lengths = {p.id: p.input_tokens for p in prompts if p.input_tokens is not None}
    limits = {p.id: output_limit(scenario, p) for p in prompts}
    yield from filter(None, (length_check(samples, lengths), limit_check(samples, limits)))


def _differences(first: Sequence[Sample], other: Sequence[Sample]) -> Mapping[str, Difference]:
    found = {}
    for name, metric in CATALOGUE.items():
        if not metric.statistics or metric.unit == "share":
            continue
        compared = typical_change if metric.default_statistic == "typ" else mean_change
        difference = compared(head_arm(first, name, {}), head_arm(other, name, {}))
        if difference is not None:
            found[name] = difference
    return found

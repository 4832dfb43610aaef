"""A cell's load, the steps of its sweep and its cold starts, in words and rows for every medium.

The texts are our own words and numbers: nothing foreign is in them.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from lens_gate.records.load_report import ColdStart, LoadReport, Saturation, StepReport
from lens_gate.render.figures import NOTHING, counted, value
from lens_gate.units import format_duration

STEP_HEADERS = (
    "Step",
    "sent/s",
    "ok/s",
    "tokens/s",
    "TTFT p50",
    "TTFT p95",
    "E2E p50",
    "E2E p95",
    "n",
    "failed",
)


class Offered(Protocol):
    """What both a cell of a report and a column of a run without a policy say of their load."""

    @property
    def load(self) -> LoadReport | None:
        """What the load came to."""
        ...

    @property
    def steps(self) -> Sequence[StepReport]:
        """The steps of a sweep."""
        ...

    @property
    def saturation(self) -> Saturation | None:
        """Where the sweep found its target saturated."""
        ...

    @property
    def cold(self) -> ColdStart | None:
        """Cold requests against warm ones."""
        ...


def load_facts(cell: Offered) -> Iterable[str]:
    """What the load came to, where the sweep is saturated, what a cold start costs."""
    if cell.load is not None and not cell.steps:
        yield _load(cell.load)
    if cell.saturation is not None:
        yield _saturation(cell.saturation, cell.steps)
    if cell.cold is not None and _worth_saying(cell.cold):
        yield _cold(cell.cold)


def step_lines(cell: Offered) -> list[list[str]]:
    """The steps of a sweep as rows under ``STEP_HEADERS``; times count from the schedule."""
    return [
        [
            _level(step),
            _rate(step.sent_rate),
            _rate(step.done_rate),
            _rate(step.throughput),
            *(value(x, "s") for x in (step.ttft_p50, step.ttft_p95, step.e2e_p50, step.e2e_p95)),
            str(step.requests),
            str(step.failed),
        ]
        for step in cell.steps
    ]


def _load(load: LoadReport) -> str:
    facts = [f"{_rate(load.rps)} successful requests/s"]
    if load.throughput is not None:
        facts.append(f"{_rate(load.throughput)} output tokens/s")
    if load.goodput_rps is not None:
        facts.append(f"{_rate(load.goodput_rps)} requests/s within every objective")
    if load.asked_rate is not None:
        facts.append(f"{_rate(load.sent_rate)} of {_rate(load.asked_rate)} requests/s sent")
    in_flight = f"{load.concurrency:.3g} in flight on average, {load.most_in_flight} at most"
    asked = "cap" if load.open else "asked"
    return (
        f"load: {', '.join(facts)}; {in_flight} ({asked} {load.asked_concurrency}); "
        f"window {format_duration(load.window_s)}"
    )


def _saturation(found: Saturation, steps: Iterable[StepReport]) -> str:
    by_index = {step.step: step for step in steps}
    best = by_index.get(-1 if found.best is None else found.best)
    first = by_index.get(-1 if found.step is None else found.step)
    sustained = f"; sustained: {_level(best)}" if best is not None else ""
    head = f"saturated at {_level(first)}" if first is not None else "not saturated"
    return f"sweep: {head}{sustained} ({found.reason})"


def _worth_saying(cold: ColdStart) -> bool:
    return bool(cold.loaded or cold.connect_s is not None or (cold.low_s or 0.0) > 0.0)


def _cold(cold: ColdStart) -> str:
    facts = []
    if cold.penalty_s is not None:
        low, high = (NOTHING if x is None else value(x, "s") for x in (cold.low_s, cold.high_s))
        facts.append(f"{value(cold.penalty_s, 's')} [{low}, {high}] more than when warm")
    facts.append(f"{counted(cold.cold, 'cold request')} against {cold.warm} warm ones")
    if cold.first_s is not None and cold.warm_s is not None:
        first, warm = value(cold.first_s, "s"), value(cold.warm_s, "s")
        facts.append(f"the first took {first}, warm ones {warm}")
    if cold.connect_s is not None:
        facts.append(f"connection set-up {value(cold.connect_s, 's')}")
    if cold.loaded:
        how = "as the server says" if cold.loaded_by == "server" else "by the look of a spike"
        loads = counted(cold.loaded, "request")
        facts.append(f"model loaded for {loads}, up to {value(cold.load_s, 's')}, {how}")
    return f"cold start: {'; '.join(facts)}"


def _level(step: StepReport) -> str:
    return f"{step.level:g}/s" if step.by == "rate" else f"{step.level:g} at once"


def _rate(rate: float | None) -> str:
    if rate is None:
        return NOTHING
    return f"{rate:.0f}" if rate >= 99.5 else f"{rate:.3g}"

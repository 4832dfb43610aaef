"""The steps of a sweep, and the first of them that its target does not sustain.

Saturation, by rate: the first step at which requests succeed at less than ``SUSTAINED`` of the rate
at which they were offered, or at which the median time to the first output, counted from the
schedule, is more than ``BLOWN_UP`` times the first step's (the median, since a tail of some tens of
requests is one unlucky request). Below saturation a server answers as
fast as it is asked; above it a queue grows for as long as the load lasts, and with it every time
that counts from the schedule. By concurrency, where the load itself gives way: the step after the
one with the greatest *power*, the rate of successes over the mean time of a request (Kleinrock,
"Power and deterministic rules of thumb for probabilistic problems in computer communications", ICC
1979): beyond that knee, more requests at once buy more delay than rate.

The rate of successes is the slope of a straight line through the ordered moments of success: that
of a whole step, its start and its drain among them, would be too low for short steps.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from lens_gate.metrics.arms import measured
from lens_gate.metrics.derive import NS, scalars
from lens_gate.metrics.window import spaced_rate
from lens_gate.records.load_report import Saturation, StepReport
from lens_gate.records.policy import Load
from lens_gate.records.sample import Sample
from lens_gate.stats.quantiles import sample_quantile
from lens_gate.units import format_share

SUSTAINED = 0.9
BLOWN_UP = 3.0
LEAST = 10
"""Successes of a step below which nothing is said of its rate."""


def step_reports(samples: Iterable[Sample], load: Load) -> tuple[StepReport, ...]:
    """The steps of one cell's sweep, in their order; those without a request are left out."""
    every = measured(samples)
    found = []
    for step, level in enumerate(load.steps):
        own = [s for s in every if s.step == step]
        if own:
            found.append(_step(own, step, level, load.step_by))
    return tuple(found)


def _step(
    samples: Sequence[Sample], step: int, level: float, by: Literal["rate", "concurrency"]
) -> StepReport:
    numbers = [scalars(s) for s in samples]
    good = [s for s in samples if s.failure is None]
    ends = sorted(s.marks.done for s in good if s.marks.done is not None)
    rate = _slope_rate(ends)
    tokens = [n["output_tokens"] for n in numbers if "output_tokens" in n]

    def quantile(metric: str, p: float) -> float | None:
        values = [n.get(f"{metric}_scheduled", n.get(metric)) for n in numbers]
        known = [value for value in values if value is not None]
        return sample_quantile(known, p) if known else None

    return StepReport(
        step=step,
        by=by,
        level=level,
        requests=len(samples),
        failed=len(samples) - len(good),
        sent_rate=spaced_rate([s.marks.sent for s in samples if s.marks.sent is not None]),
        done_rate=rate,
        throughput=None if rate is None or not tokens else rate * math.fsum(tokens) / len(tokens),
        ttft_p50=quantile("ttft", 0.5),
        ttft_p95=quantile("ttft", 0.95),
        e2e_p50=quantile("e2e", 0.5),
        e2e_p95=quantile("e2e", 0.95),
    )


def _slope_rate(moments: Sequence[int]) -> float | None:
    """Events a second, by least squares of the ordered moments (nanoseconds) on their rank."""
    n = len(moments)
    if n < 2 or moments[-1] <= moments[0]:
        return None
    middle = (n - 1) / 2.0
    spread = math.fsum((rank - middle) ** 2 for rank in range(n))
    slope = math.fsum((rank - middle) * (t - moments[0]) for rank, t in enumerate(moments)) / spread
    return 1.0 / (slope * NS)


def saturation(steps: Sequence[StepReport]) -> Saturation:
    """Where the target is saturated, by the rule of this module; steps rising."""
    known = [s for s in steps if s.requests - s.failed >= LEAST or s.failed > LEAST]
    if not known:
        return Saturation(
            step=None, best=None, reason=f"no step has {LEAST} successful requests: nothing is said"
        )
    return _by_rate(known) if known[0].by == "rate" else _by_concurrency(known)


def _by_rate(steps: Sequence[StepReport]) -> Saturation:
    best: int | None = None
    for step in steps:
        why = _unsustained(step, steps[0])
        if why:
            return Saturation(step=step.step, best=best, reason=f"at {step.level:g}/s {why}")
        best = step.step
    return Saturation(step=None, best=best, reason="every rate of the sweep was sustained")


def _unsustained(step: StepReport, first: StepReport) -> str:
    done = step.done_rate or 0.0
    if done < SUSTAINED * step.level:
        share = format_share(SUSTAINED)
        return f"only {done:.3g}/s succeeded, less than {share} of what was offered"
    late, usual = step.ttft_p50, first.ttft_p50
    if late is not None and usual is not None and late > BLOWN_UP * usual:
        return (
            f"the median TTFT from the schedule was {late / usual:.1f} times the first step's, "
            f"more than {BLOWN_UP:g} times"
        )
    return ""


def _by_concurrency(steps: Sequence[StepReport]) -> Saturation:
    powers = [_power(step) for step in steps]
    knee = max(range(len(steps)), key=powers.__getitem__)
    best = steps[knee]
    if not powers[knee]:
        return Saturation(step=steps[0].step, best=None, reason="no request succeeded")
    if knee == len(steps) - 1:
        return Saturation(
            step=None, best=best.step, reason="rate over time of a request still grew at the last"
        )
    return Saturation(
        step=steps[knee + 1].step,
        best=best.step,
        reason=f"rate over time of a request is greatest at {best.level:g} in flight",
    )


def _power(step: StepReport) -> float:
    if step.done_rate is None or not step.e2e_p50:
        return 0.0
    return step.done_rate / step.e2e_p50

"""Our stamps against a server's own: errors, and up to where they can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from lens_gate.metrics.derive import NS
from lens_gate.records.calibration import Calibration, CalibrationStep, Spread
from lens_gate.stats.quantiles import sample_quantile

TTFT_LIMIT_S = 0.001
GAP_LIMIT_S = 0.0005
"""A step can be trusted while 99 % of its errors are no larger: no verdict turns on so little."""

LATE_SERVER_S = 0.001
"""A server that misses its schedule by more (p99) did not offer what the step is named after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One stream by both clocks, which are one on this machine (monotonic nanoseconds).

    ``arrived`` are our stamps of the events, ``sent`` the server's just before each send, ``due``
    when it meant to send. ``late`` is the sample's lag, ``merged`` counts shared reads.
    """

    arrived: Sequence[int]
    sent: Sequence[int]
    due: Sequence[int]
    merged: int
    late: int | None


def calibration_step(streams: int, told: Sequence[Told]) -> CalibrationStep:
    """What these streams, which ran at once, say; a ``problem`` where they say nothing."""
    complete = [one for one in told if len(one.arrived) == len(one.sent) > 1]
    if len(complete) < streams:
        return CalibrationStep(
            streams=streams, problem=f"{streams - len(complete)} of {streams} streams broke"
        )
    ttft = [abs(one.arrived[0] - one.sent[0]) for one in complete]
    gaps = [
        abs((ours - ours_before) - (theirs - theirs_before))
        for one in complete
        for (ours_before, ours), (theirs_before, theirs) in zip(
            pairwise(one.arrived), pairwise(one.sent), strict=True
        )
    ]
    late = [at - due for one in complete for at, due in zip(one.sent, one.due, strict=True)]
    lags = [one.late for one in complete if one.late is not None]
    events = sum(len(one.arrived) for one in complete)
    lasted = max(one.arrived[-1] for one in complete) - min(one.arrived[0] for one in complete)
    first, gap = _spread(ttft), _spread(gaps)
    return CalibrationStep(
        streams=streams,
        events=events,
        events_per_s=events / (max(1, lasted) * NS),
        ttft=first,
        gap=gap,
        merged_share=sum(one.merged for one in complete) / events,
        client_lag_p99_s=sample_quantile(lags, 0.99) * NS if lags else None,
        server_late_p99_s=sample_quantile(late, 0.99) * NS,
        trusted=first.p99_s <= TTFT_LIMIT_S and gap.p99_s <= GAP_LIMIT_S,
    )


def calibration(steps: Sequence[CalibrationStep], *, clock: str) -> Calibration:
    """The whole: trusted up to the step before the first one that is not."""
    good = list(takewhile(lambda step: step.trusted, steps))
    return Calibration(
        steps=tuple(steps),
        trusted_streams=good[-1].streams if good else 0,
        events_per_s=good[-1].events_per_s if good else 0.0,
        clock=clock,
        ttft_limit_s=TTFT_LIMIT_S,
        gap_limit_s=GAP_LIMIT_S,
    )


def _spread(errors_ns: Sequence[int]) -> Spread:
    return Spread(
        p50_s=float(sample_quantile(errors_ns, 0.5)) * NS,
        p99_s=float(sample_quantile(errors_ns, 0.99)) * NS,
    )

"""From one sample to its detail: everything that charts and exports show of a request."""

from datetime import datetime, timedelta
from itertools import pairwise

from lens_gate.metrics.cost_split import cost_parts
from lens_gate.metrics.derive import NS, censored, estimated, scalars
from lens_gate.records.detail import RequestDetail
from lens_gate.records.plan import UnitPrices
from lens_gate.records.sample import Marks, Sample

PHASES: tuple[str, ...] = ("queue", "dns", "tcp", "tls", "headers", "first", "stream")
"""What a request's time goes to, in order."""


def request_detail(
    sample: Sample,
    *,
    prices: UnitPrices | None,
    began: datetime | None = None,
    provider: str = "",
    asked_model: str = "",
) -> RequestDetail:
    """The request, flat.

    Args:
        sample: the request.
        prices: those of the target that it was sent to, for the parts of its bill.
        began: the moment that its marks count from (aware), for prices that are bound to a time.
        provider: the name of the protocol by which it was sent.
        asked_model: the model as the policy names it.
    """
    marks, failure = sample.marks, sample.failure
    return RequestDetail(
        seq=sample.seq,
        scenario=sample.scenario,
        target=sample.target,
        arm=sample.arm,
        phase=sample.phase,
        prompt_id=sample.prompt_id,
        pair=sample.pair,
        block=sample.block,
        step=sample.step,
        attempts=sample.attempts,
        status="ok" if failure is None else failure.status,
        failure="" if failure is None else failure.detail,
        http_status=sample.http_status,
        model=sample.model,
        finish_reason=sample.finish_reason,
        service_tier=sample.service_tier,
        at_s=_start(marks) * NS,
        phases=_phases(marks),
        values=scalars(sample),
        bounds=censored(sample),
        estimated=estimated(sample),
        gaps_s=tuple((after - before) * NS for before, after in pairwise(marks.output_ns)),
        merged=marks.merged,
        lag_s=None if marks.lag is None else marks.lag * NS,
        clock=marks.clock,
        reused=marks.reused,
        cost_usd=sample.cost_usd,
        settled_usd=sample.settled_usd,
        cost_parts=cost_parts(sample, prices, _billed(marks, began)),
        provider=provider,
        asked_model=asked_model,
    )


def _start(marks: Marks) -> int:
    """When it should have gone: what an open load had scheduled, else when its slot was free."""
    return marks.ready if marks.due is None else min(marks.due, marks.ready)


def _visible(marks: Marks) -> int | None:
    return min((m for m in (marks.first_text, marks.first_tool) if m is not None), default=None)


def _phases(marks: Marks) -> dict[str, float]:
    """What its time went to, in seconds. What broke off belongs to the phase that was under way."""
    spent = dict.fromkeys(PHASES, 0)
    now = _start(marks)
    for phase, moment in _ends(marks):
        if moment is not None and moment > now:
            spent[phase] += moment - now
            now = moment
    return {phase: ns * NS for phase, ns in spent.items() if ns}


def _ends(marks: Marks) -> list[tuple[str, int | None]]:
    """The moments at which phases ended, in order."""
    if marks.reused or marks.connect_start is None:
        setting_up: list[tuple[str, int | None]] = []
    else:
        joined = marks.connected if marks.tcp_connected is None else marks.tcp_connected
        setting_up = [
            ("queue", marks.connect_start),
            ("dns", marks.resolved),
            ("tcp", joined),
            ("tls", marks.connected),
        ]
    ends = [
        *setting_up,
        ("queue", marks.sent),
        ("headers", marks.headers),
        ("first", _visible(marks)),
    ]
    return [*ends, (_under_way(ends), marks.done)]


def _under_way(ends: list[tuple[str, int | None]]) -> str:
    """The phase after the last one that is known to have ended."""
    last = max((place for place, (_, moment) in enumerate(ends) if moment is not None), default=-1)
    return "stream" if last + 1 == len(ends) else ends[last + 1][0]


def _billed(marks: Marks, began: datetime | None) -> datetime | None:
    if began is None:
        return None
    return began + timedelta(microseconds=(marks.done or marks.ready) // 1000)

"""What a cell's load came to: rates asked and achieved, the steps of a sweep, cold starts."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """The measured window of a cell: from the first request sent to the last that ended.

    ``rps`` counts successful requests a second, ``goodput_rps`` those of them that meet every
    objective (``None``: there is none), ``throughput`` their output tokens a second (``None``: no
    usage). ``asked_rate`` is the schedule's (``None``: a closed loop), ``sent_rate`` the one at
    which requests left, both over the time between the first and the last. ``concurrency`` is the
    mean number in flight while requests were still being sent; ``most_in_flight`` the greatest;
    ``asked_concurrency`` what a closed loop keeps in flight, else the cap.
    """

    open: bool
    window_s: float
    requests: int
    rps: float
    throughput: float | None
    goodput_rps: float | None
    asked_rate: float | None
    sent_rate: float | None
    asked_concurrency: int
    concurrency: float
    most_in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step of a sweep.

    ``level`` is the rate (requests a second) or the concurrency asked, ``sent_rate`` the rate at
    which requests left, ``done_rate`` the one at which they succeeded. Times are in seconds, from
    the scheduled moment where there is one, so that waiting in the client is in them; ``None``
    where no request has one.
    """

    step: int
    by: Literal["rate", "concurrency"]
    level: float
    requests: int
    failed: int
    sent_rate: float | None
    done_rate: float | None
    throughput: float | None
    ttft_p50: float | None
    ttft_p95: float | None
    e2e_p50: float | None
    e2e_p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """Where a sweep found its target saturated.

    ``step`` is the first saturated one, ``None`` where none is; ``best`` the highest step that the
    target sustained, ``None`` where it did not even sustain the first. ``reason`` is a sentence.
    """

    step: int | None
    best: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Cold requests against warm ones: time to the first visible output, connection set-up in it.

    ``penalty_s`` is the Hodges-Lehmann shift, ``low_s`` and ``high_s`` its 90 % interval (``None``:
    too few requests for a bound). ``connect_s`` is the median set-up of a new connection,
    ``first_s`` the cell's very first request, ``warm_s`` the median of the warm ones. ``loaded``
    counts requests for which the server loaded its model, ``load_s`` the longest such load;
    ``loaded_by`` says how that is known: the server's word, or a spike.
    """

    cold: int
    warm: int
    penalty_s: float | None
    low_s: float | None
    high_s: float | None
    connect_s: float | None
    first_s: float | None
    warm_s: float | None
    loaded: int
    load_s: float | None
    loaded_by: Literal["server", "spike", ""]

"""How well this machine measures: one step for each number of streams."""

from dataclasses import dataclass

CALIBRATION_SCHEMA = "lens-gate/calibration/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The middle and the tail of an error's size, seconds."""

    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationStep:
    """``streams`` at once, held against the server's own stamps.

    ``ttft`` and ``gap`` are by how much ours differ from the server's. ``merged_share``: of the
    events, those that shared a read with an earlier one. ``client_lag_p99_s``: by how much reads
    were late. ``server_late_p99_s``: by how much the server missed its own schedule, which is none
    of our error. ``trusted``: both errors are within their limits. ``problem`` says why a step gave
    nothing, and is empty otherwise.
    """

    streams: int
    events: int = 0
    events_per_s: float = 0.0
    ttft: Spread | None = None
    gap: Spread | None = None
    merged_share: float = 0.0
    client_lag_p99_s: float | None = None
    server_late_p99_s: float | None = None
    trusted: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """All steps, and what they come to.

    ``trusted_streams`` is the highest step up to which every step can be trusted, 0 where none;
    ``events_per_s`` what it took in.
    """

    steps: tuple[CalibrationStep, ...]
    trusted_streams: int
    events_per_s: float
    clock: str
    ttft_limit_s: float
    gap_limit_s: float
    schema: str = CALIBRATION_SCHEMA

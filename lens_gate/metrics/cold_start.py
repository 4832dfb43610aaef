"""What a cold start costs: requests over new connections, or after silence, against warm ones.

Compared is the time to the first visible output, counted from the start of the connection's set-up
where there was one. *Cold* are requests that opened their own connection, the very first of the
cell, and those sent after ``IDLE_S`` seconds in which nothing of the cell was in flight; all others
are *warm*. The warm-up counts: in a cell whose measured requests all are cold (``connection:
cold``) it is what they are held against.

A server loaded its model for a request where it says so and the load took ``LOAD_S`` or more (a
model that is resident is "loaded" in some milliseconds). Where the server says nothing, a first
request, or one after silence, looks like it that took ``SPIKE`` times as long as the warm ones'
median, and at least ``SPIKE_S`` longer.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lens_gate.metrics.derive import NS
from lens_gate.records.check import Arm
from lens_gate.records.load_report import ColdStart
from lens_gate.records.sample import ArmName, Sample
from lens_gate.stats.quantiles import sample_quantile
from lens_gate.stats.rank_sum import shift, shift_interval

IDLE_S = 10.0
LOAD_S = 0.25
SPIKE = 5.0
SPIKE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """One request that succeeded at once: how long, and what made it cold."""

    seconds: float
    new: bool
    first: bool
    after_silence: bool
    connect_s: float | None
    load_s: float | None
    block: int | None = None

    @property
    def cold(self) -> bool:
        return self.new or self.first or self.after_silence


def cold_start(samples: Iterable[Sample]) -> ColdStart | None:
    """The head's cold starts in one cell, its warm-up among them; ``None`` where none succeeded.

    What the control sends keeps the cell from being silent.
    """
    starts = _starts(samples)
    if not starts:
        return None
    cold = [s.seconds for s in starts if s.cold]
    warm = [s.seconds for s in starts if not s.cold]
    low, high = shift_interval(cold, warm) if cold and warm else (-math.inf, math.inf)
    connects = [s.connect_s for s in starts if s.connect_s is not None]
    loads, by = _loads(starts, warm)
    return ColdStart(
        cold=len(cold),
        warm=len(warm),
        penalty_s=shift(cold, warm) if cold and warm else None,
        low_s=low if math.isfinite(low) else None,
        high_s=high if math.isfinite(high) else None,
        connect_s=sample_quantile(connects, 0.5) if connects else None,
        first_s=next((s.seconds for s in starts if s.first), None),
        warm_s=sample_quantile(warm, 0.5) if warm else None,
        loaded=len(loads),
        load_s=max(loads, default=None),
        loaded_by=by,
    )


def cold_arms(samples: Iterable[Sample], arm: ArmName = "head") -> tuple[Arm, Arm]:
    """Cold requests of this arm and its warm ones, for a check of the shift between them."""
    starts = _starts(samples, arm)
    cold = tuple(s.seconds for s in starts if s.cold)
    return Arm(values=cold), Arm(values=tuple(s.seconds for s in starts if not s.cold))


def cold_blocks(
    samples: Iterable[Sample], arm: ArmName
) -> Mapping[int | None, tuple[Sequence[float], Sequence[float]]]:
    """By block of load, the times of this arm's cold requests and those of its warm ones.

    No request is cold for being the first: ask for cells whose warm-up went before.
    """
    every = list(samples)
    found: dict[int | None, tuple[list[float], list[float]]] = {
        s.block: ([], []) for s in every if s.arm == arm
    }
    for start in _starts(every, arm):
        found[start.block][0 if start.new or start.after_silence else 1].append(start.seconds)
    return found


def _starts(samples: Iterable[Sample], arm: ArmName = "head") -> list[_Start]:
    found: list[_Start] = []
    busy_until: int | None = None
    first = True
    kept = [s for s in samples if s.marks.sent is not None]
    for sample in sorted(kept, key=_began):
        began = _began(sample)
        silent = busy_until is not None and (began - busy_until) * NS >= IDLE_S
        seconds = _seconds(sample, began)
        if sample.arm == arm:
            if seconds is not None:
                found.append(_start(sample, seconds, first=first, after_silence=silent))
            first = False
        marks = sample.marks
        ends = (marks.done, marks.last_output, marks.sent, busy_until)
        busy_until = max(end for end in ends if end is not None)
    return found


def _start(sample: Sample, seconds: float, *, first: bool, after_silence: bool) -> _Start:
    marks = sample.marks
    connect_s: float | None = None
    if marks.connect_start is not None and marks.connected is not None and not marks.reused:
        connect_s = (marks.connected - marks.connect_start) * NS
    return _Start(
        seconds=seconds,
        new=connect_s is not None,
        first=first,
        after_silence=after_silence,
        connect_s=connect_s,
        load_s=sample.server.load_s if sample.server is not None else None,
        block=sample.block,
    )


def _began(sample: Sample) -> int:
    """The start of the connection's set-up where the request waited for it, else its sending."""
    marks = sample.marks
    sent = marks.sent or 0
    if marks.connect_start is None or marks.connected is None or marks.reused:
        return sent
    return min(sent, marks.connect_start)


def _seconds(sample: Sample, began: int) -> float | None:
    if sample.failure is not None or sample.attempts != 1 or sample.phase == "cut":
        return None
    marks = sample.marks
    visible = [m for m in (marks.first_text, marks.first_tool) if m is not None]
    end = min(visible, default=marks.done)
    return None if end is None else (end - began) * NS


def _loads(
    starts: Sequence[_Start], warm: Sequence[float]
) -> tuple[list[float], Literal["server", "spike", ""]]:
    told = [s.load_s for s in starts if s.load_s is not None]
    if told:
        loads = [seconds for seconds in told if seconds >= LOAD_S]
        return loads, "server" if loads else ""
    if not warm:
        return [], ""
    usual = sample_quantile(warm, 0.5)
    spikes = [
        s.seconds - usual
        for s in starts
        if (s.first or s.after_silence)
        and s.seconds > SPIKE * usual
        and s.seconds > usual + SPIKE_S
    ]
    return spikes, "spike" if spikes else ""

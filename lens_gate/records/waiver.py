"""Accepted regressions: a change that is known, reasoned about, and let through for a while."""

from dataclasses import dataclass
from typing import Literal

from lens_gate.records.policy import Place

WaiverState = Literal["in_force", "pending", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One rule's ceiling in one cell, until a day.

    ``cell`` is ``scenario/target``. ``ceiling`` stands in for the margin of the rule's relative
    limit (0.3: up to 30 % worse); ``limit`` for its absolute one, in the metric's unit. ``created``
    and ``expires`` are dates (UTC, ``2026-11-21``); it holds through the day on which it expires.
    """

    rule: str
    cell: str
    ceiling: float | None
    limit: float | None
    reason: str
    who: str
    created: str
    expires: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShift:
    """From this moment a cell's history begins anew: runs that are older do not compare.

    ``since`` is UTC, ``20261121T021500Z``. ``cell`` is ``scenario/target``.
    """

    cell: str
    since: str
    reason: str
    who: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """All that was accepted by hand, as ``waivers.yaml`` has it at one commit."""

    waivers: tuple[Waiver, ...] = ()
    shifts: tuple[LevelShift, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverReport:
    """A waiver as the report shows it. ``used``: it let a failing check of this run through.

    ``pending``: the change under test brings it; it counts once that is merged.
    """

    waiver: Waiver
    state: WaiverState
    used: bool

"""Whether a waiver holds, or an accepted level."""

from collections.abc import Iterable, Iterator
from datetime import date

from lens_gate.errors import Problem
from lens_gate.policy.waivers import MAX_DAYS
from lens_gate.records.waiver import LevelShift, Waiver, WaiverState


def state_of(waiver: Waiver, today: date) -> WaiverState:
    """Whether a merged waiver holds today (UTC); before its first day it is pending."""
    if today > date.fromisoformat(waiver.expires):
        return "expired"
    return "pending" if today < date.fromisoformat(waiver.created) else "in_force"


def has_come(shift: LevelShift, today: date) -> bool:
    """Whether the day of a merged level shift has come (UTC).

    One that lies ahead would take every stored run out of the history until then.
    """
    return shift.since[:8] <= today.strftime("%Y%m%d")


def too_far_ahead(waivers: Iterable[Waiver], today: date) -> Iterator[Problem]:
    """What is wrong with waivers that end later than one that is accepted today (UTC) could.

    A row of waivers, each for when the one before it ends, would else be one without an end. A day
    more is given to those who write them where tomorrow has begun.
    """
    for waiver in waivers:
        days = (date.fromisoformat(waiver.expires) - today).days
        if days > MAX_DAYS + 1:
            place = waiver.place
            yield Problem(
                file=place.file,
                line=place.line,
                column=place.column,
                message=f"the waiver of {waiver.rule} in {waiver.cell} ends {days} days from now",
                hint=f"one may end at most {MAX_DAYS} days ahead: accept it when it is needed",
            )

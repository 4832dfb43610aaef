"""Whether a waiver holds."""

from datetime import date

from lens_gate.records.waiver import Waiver, WaiverState


def state_of(waiver: Waiver, today: date) -> WaiverState:
    """Whether a merged waiver holds today (UTC); before its first day it is pending."""
    if today > date.fromisoformat(waiver.expires):
        return "expired"
    return "pending" if today < date.fromisoformat(waiver.created) else "in_force"

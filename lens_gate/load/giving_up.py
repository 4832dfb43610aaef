"""When a load is given up because too much of it fails."""

from lens_gate.records.policy import Load
from lens_gate.units import format_share

LEAST_ENDED = 20
"""Requests that must have ended before their error rate can end a load."""


def too_many_errors(load: Load, *, ended: int, failed: int) -> str | None:
    """Why a load goes no further: more of its requests failed than ``max_error_rate`` allows.

    The share is taken over all measured requests of the cell that have ended, of which there must
    be ``LEAST_ENDED``: before that, a single failure would be a high rate.
    """
    limit = load.max_error_rate
    if limit is None or ended < LEAST_ENDED or failed <= limit * ended:
        return None
    return (
        f"{failed} of {ended} requests failed, more than the load's max_error_rate of "
        f"{format_share(limit)}"
    )

"""The open loop: requests are due at moments that no answer can move."""

from collections.abc import Sequence

from lens_gate.load.closed import OVER
from lens_gate.load.pacer import Pacer, Send, Step, Stop, Wait


def scheduled(arrivals: Sequence[float], *, at_most: int, duration_s: float | None = None) -> Pacer:
    """A pacer that sends a request at each of these moments, seconds from the start, in order.

    ``at_most`` caps what may be in flight. A request that the cap holds back keeps its moment
    (``due_s``), so that its delay shows; it is sent as soon as there is room. None is dropped: a
    load that skips what it could not send in time measures only the good moments of a server
    ("coordinated omission"). ``duration_s`` ends the schedule: what is due from then on is not
    sent, what was due before still is, however late.

    Raises:
        ValueError: no request may be in flight, or the moments go backwards or begin before 0.
    """
    if at_most < 1:
        raise ValueError(f"an open loop with {at_most} requests in flight")
    moments = tuple(arrivals)
    if not all(later >= earlier for earlier, later in zip((0.0, *moments), moments, strict=False)):
        raise ValueError("the arrivals of a load do not go backwards, nor begin before 0")

    def pace(elapsed_s: float, sent: int, in_flight: int) -> Step:
        if sent >= len(moments):
            return Stop()
        due_s = moments[sent]
        if duration_s is not None and due_s >= duration_s:
            return Stop(early=OVER.format(duration_s))
        if elapsed_s < due_s:
            return Wait(seconds=due_s - elapsed_s)
        return Send(due_s=due_s) if in_flight < at_most else Wait()

    return pace

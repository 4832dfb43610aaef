"""What every load pattern is: a pure function of where the run stands to what comes next.

The runner owns the clock and asks again after each answer it has carried out. A pattern holds no
state of its own, so it is tested by a table of situations and answers, and a run can be replayed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send one request now.

    ``due_s`` is the moment for which the pattern had scheduled it, in seconds since the start;
    ``None`` where there is no schedule: the request was due when its slot became free.
    """

    due_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Send nothing for so many seconds, or until a request ends, whichever comes first.

    ``None``: only the end of a request can change the answer.
    """

    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Send nothing more. Requests in flight are waited for."""


Step: TypeAlias = Send | Wait | Stop

Pacer: TypeAlias = Callable[[float, int, int], Step]
"""``(elapsed_s, sent, in_flight) -> Step``: seconds since the start, requests sent, and how many of
those have not ended."""

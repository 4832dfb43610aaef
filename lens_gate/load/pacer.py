"""What every load pattern is: a pure function of where the run stands to what comes next.

The runner owns the clock and asks again after each answer it has carried out. A pattern holds no
state of its own, so it is tested by a table of situations and answers, and a run can be replayed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, SupportsFloat, TypeAlias


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
    """Send nothing more. Requests in flight are waited for.

    ``early`` says in words what ended the load before all its requests were sent, or is empty.
    """

    early: str = ""


Step: TypeAlias = Send | Wait | Stop

Pacer: TypeAlias = Callable[[float, int, int], Step]
"""``(elapsed_s, sent, in_flight) -> Step``: seconds since the start, requests sent, and how many of
those have not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of a load with a start of its own: before it, all that was in flight has ended.

    ``requests`` is the most that it sends. ``slots`` is how many requests a closed loop keeps in
    flight, 0 where there is a schedule. ``step`` is the index of the sweep's step that it is.
    """

    pacer: Pacer
    requests: int
    slots: int = 0
    step: int | None = None


class Chance(Protocol):
    """What is asked of a random generator (numpy's has it): so many exponential draws of mean 1."""

    def standard_exponential(self, size: int, /) -> Iterable[SupportsFloat]:
        """Independent waiting times of a process with one event a second."""
        ...

"""What the server did, as it knows it: the other side's accounting is checked against this."""

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

MOST_ENTRIES = 1000

Ending = Literal["complete", "refused", "error", "dropped", "client_gone"]


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request, filled in while it is answered.

    Token counts are true, whatever usage said. ``completion_tokens`` are those made until the end,
    silent ones included; ``planned_tokens`` those of the whole answer; ``reported`` the prompt and
    completion tokens that usage named, ``None`` where the client was not told. ``finish``: the
    reason in the simulator's own words, ``None`` where none was told. Times are CLOCK_MONOTONIC
    nanoseconds, 0 where a thing did not happen: ``read_ns`` when the request was read whole,
    ``headers_ns`` and those of writes just before the send; outputs are thought, text and calls.
    """

    number: int
    request_id: str
    status: int = 0
    dialect: str = ""
    model: str = ""
    stream: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    planned_tokens: int = 0
    reported: tuple[int, int] | None = None
    faults: tuple[str, ...] = ()
    ended: Ending = "client_gone"
    finish: str | None = None
    service_tier: str | None = None
    tool: str | None = None
    written_long_tokens: int = 0
    queue_s: float = 0.0
    load_s: float = 0.0
    read_ns: int = 0
    headers_ns: int = 0
    first_output_ns: int = 0
    first_text_ns: int = 0
    last_output_ns: int = 0
    end_ns: int = 0


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Sums over all finished requests, and the latest of them one by one."""

    in_flight: int = 0
    most_in_flight: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_ending: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    recent: deque[Entry] = field(default_factory=lambda: deque(maxlen=MOST_ENTRIES))


_SUMMED = ("prompt", "cached", "written", "completion", "reasoning")


def begin(ledger: Ledger) -> None:
    """A request has been read."""
    ledger.in_flight += 1
    ledger.most_in_flight = max(ledger.most_in_flight, ledger.in_flight)


def finish(ledger: Ledger, entry: Entry) -> None:
    """A request has been answered, or its client has gone."""
    ledger.in_flight -= 1
    ledger.by_status[str(entry.status)] += 1
    ledger.by_ending[entry.ended] += 1
    for name in _SUMMED:
        ledger.tokens[name] += getattr(entry, f"{name}_tokens")
    ledger.recent.append(entry)


def as_json(ledger: Ledger) -> dict[str, Any]:
    """The ledger for ``/__sim/stats``. Status 0: nothing was answered."""
    return {
        "requests": sum(ledger.by_status.values()),
        "in_flight": ledger.in_flight,
        "most_in_flight": ledger.most_in_flight,
        "by_status": dict(ledger.by_status),
        "by_ending": dict(ledger.by_ending),
        **{f"{name}_tokens": ledger.tokens[name] for name in _SUMMED},
        "recent": [asdict(entry) for entry in ledger.recent],
    }

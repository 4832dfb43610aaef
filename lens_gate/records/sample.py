"""One request: when each thing happened, how it ended, what it used and cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lens_gate.records.exchange import Failure, ServerTimes, Usage

Phase = Literal["warmup", "measured", "confirm", "cut"]
ArmName = Literal["head", "control"]
Clock = Literal["kernel", "transport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Moments of one attempt, integer nanoseconds since the run began (monotonic clock).

    ``ready`` is when the request should have gone (open loop: its scheduled moment; closed loop:
    its slot was free), ``due`` that moment where an open load had scheduled it, ``sent`` the send
    call of its last byte. Of a new connection:
    ``connect_start``, ``resolved`` (DNS), ``tcp_connected`` and ``connected`` (TLS too; the same
    moment where nothing is encrypted). What never happened is ``None``.

    ``output_ns`` are the arrivals of the events that carried output (reasoning, text or tool), in
    order; ``merged`` counts those that shared a read with an earlier one, whose true arrival is
    only known to lie between two reads. ``first_since`` and ``last_since`` bound the first visible
    and the last output: the earliest moment at which that event can have arrived (the read before
    it, where its own read carried several events; else its own time); ``byte_since`` and
    ``output_since`` do so for the first byte and the first output of any kind. ``blur`` is the most
    by which the arrival of an output is uncertain, in nanoseconds. ``lag`` is the most by which
    this client read late what had already arrived, in nanoseconds.
    """

    ready: int
    connect_start: int | None = None
    resolved: int | None = None
    tcp_connected: int | None = None
    connected: int | None = None
    sent: int | None = None
    first_byte: int | None = None
    headers: int | None = None
    first_event: int | None = None
    first_reasoning: int | None = None
    first_text: int | None = None
    first_tool: int | None = None
    last_output: int | None = None
    done: int | None = None
    output_ns: tuple[int, ...] = ()
    merged: int = 0
    first_since: int | None = None
    last_since: int | None = None
    byte_since: int | None = None
    output_since: int | None = None
    blur: int = 0
    lag: int | None = None
    due: int | None = None
    reused: bool = False
    clock: Clock = "transport"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request of a run, retries included.

    ``marks`` are those of the last attempt; ``attempts`` above 1 make it no latency sample.
    ``cost_usd`` is the bill by usage and price over all attempts, ``None`` where usage is unknown;
    ``settled_usd`` is what the ledger booked (the reservation where the bill is unknown).
    ``limit_s`` is the timeout that ended it, where one did: latency metrics are censored there.
    ``waited_s`` is the time between its attempts, ``held_s`` the time for which the rate limiter
    kept it back before the first. ``server`` is what the server says of its own time. ``step`` is
    the index of the sweep's step that it belongs to. ``resent`` is 1 where the server had closed
    the idle connection and the request was sent again over a new one, whose times these are.
    ``first_tokens`` are the output tokens that the server had counted with the first output, hidden
    ones before it among them; ``None`` where it says so only at the end. ``labels`` are what the
    head of the last answer says of its way (request id, servers, compression), by header: foreign
    text.
    In a duet ``pair`` numbers the pairs of a cell from 0 (those of its warm-up and of a confirming
    block by themselves); with ``block``, the number of a pair of blocks, requests are no pairs.
    Phase ``confirm``: of a block that tests a failure again. Phase ``cut``: our own end of the run
    (a cap, a signal) broke it off; it costs, and counts in no statistic.
    """

    seq: int
    scenario: str
    target: str
    arm: ArmName
    phase: Phase
    prompt_id: str
    attempts: int
    waited_s: float
    marks: Marks
    failure: Failure | None
    limit_s: float | None
    http_status: int | None
    model: str | None
    finish_reason: str | None
    service_tier: str | None
    usage: Usage | None
    output_chars: int
    reserved_usd: Decimal
    settled_usd: Decimal
    cost_usd: Decimal | None
    held_s: float = 0.0
    server: ServerTimes | None = None
    step: int | None = None
    resent: int = 0
    first_tokens: int | None = None
    pair: int | None = None
    block: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def cell(self) -> str:
        """The key by which everything is grouped: ``scenario/target``."""
        return f"{self.scenario}/{self.target}"

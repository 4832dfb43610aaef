"""One request, flat: what charts and exports read, so that none of them computes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from lens_gate.records.exchange import Status
from lens_gate.records.report import Report
from lens_gate.records.sample import ArmName, Clock, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetail:
    """One request of a run; times are seconds, money is US dollars, no text of prompts or answers.

    ``at_s`` is when it should have gone, since the run began. ``phases`` are what its time went to,
    in order, those that it had: ``queue`` (held back by this client), ``dns``, ``tcp``, ``tls``,
    ``headers`` (from the send to the response's head), ``first`` (from there to the first visible
    output), ``stream`` (to its end). Together they are its whole time.

    ``values`` are its numbers by metric of the catalogue, in the metric's unit; ``bounds`` are
    lower bounds (a timeout's limit), ``estimated`` numbers that rest on estimated token counts.
    ``gaps_s`` are the times between the arrivals of its outputs. ``cost_parts`` is what its bill
    is made of (``input``, ``cached``, ``cache_write``, ``output``, ``reasoning``, ``request``,
    ``other``; together ``cost_usd``), empty where that is not known. ``settled_usd`` is what the
    ledger booked. ``failure`` says in the server's words how it failed (foreign text).

    ``provider`` is the name of the protocol's row (``openai``), ``asked_model`` the model as the
    policy names it; empty where the run's plan does not say.
    """

    seq: int
    scenario: str
    target: str
    arm: ArmName
    phase: Phase
    prompt_id: str
    pair: int | None
    block: int | None
    step: int | None
    attempts: int
    status: Status
    failure: str
    http_status: int | None
    model: str | None
    finish_reason: str | None
    service_tier: str | None
    at_s: float
    phases: Mapping[str, float]
    values: Mapping[str, float]
    bounds: Mapping[str, float]
    estimated: Mapping[str, float]
    gaps_s: tuple[float, ...]
    merged: int
    lag_s: float | None
    clock: Clock
    reused: bool
    cost_usd: Decimal | None
    settled_usd: Decimal
    cost_parts: Mapping[str, Decimal] = field(default_factory=dict)
    provider: str = ""
    asked_model: str = ""

    @property
    def cell(self) -> str:
        """The key by which everything is grouped: ``scenario/target``."""
        return f"{self.scenario}/{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A report with the requests behind it, in the order in which they ended.

    ``requests`` is ``None`` where the run's journal is not beside the report.
    """

    report: Report
    requests: tuple[RequestDetail, ...] | None = None

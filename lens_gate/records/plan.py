"""What will be sent, how often, at what cost: settled before the first request."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from lens_gate.records.policy import Budget, Load, Policy, PriceOverride


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrices:
    """Resolved prices of a target, US dollars for 1,000,000 tokens unless said otherwise.

    ``dearest_input`` and ``dearest_output`` are the highest unit prices that any tier, cache write
    or service tier could reach: reservations use them. ``source`` names table, version and model.
    """

    provider: str
    model: str
    input: Decimal
    output: Decimal
    dearest_input: Decimal
    dearest_output: Decimal
    request: Decimal
    source: str
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    hour: Decimal = Decimal(0)
    limit_s: float = 0.0
    override: PriceOverride | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a cell measured, for comparing with other runs of it.

    ``fixed`` must be equal, or the runs do not compare (``no_data``, and the difference is named).
    ``compared`` may differ: those differences are what the author asks about; they are listed.
    Values are short plain text or hashes, never prompt text or URLs.
    """

    fixed: Mapping[str, str]
    compared: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPlan:
    """One scenario on one target. ``n`` is N: frozen before the first request, it never grows.

    ``worst_usd`` and ``expected_usd`` are for one request (the dearest and the mean prompt);
    ``expected_s`` is the expected time of one request and ``expected_from`` says how it is known.
    ``limited_by`` names what cut ``n`` below ``samples.max``: money, requests, time or nothing.
    ``load`` is how they are offered, ``None`` in plans of before it was written down.
    """

    scenario: str
    target: str
    n: int
    warmup: int
    min_n: int
    concurrency: int
    gating: bool
    worst_usd: Decimal
    expected_usd: Decimal
    expected_s: float
    expected_from: str
    limited_by: str
    prices: UnitPrices
    fingerprint: Fingerprint
    load: Load | None = None

    @property
    def cell(self) -> str:
        """``scenario/target``."""
        return f"{self.scenario}/{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole of it. ``budget`` is the policy's, lowered by flags or environment where said."""

    policy: Policy
    budget: Budget
    seed: int
    cells: tuple[CellPlan, ...]
    warnings: tuple[str, ...]

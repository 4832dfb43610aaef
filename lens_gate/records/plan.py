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
class Look:
    """A planned look at a cell: after so many pairs, with this share of its error budget."""

    pairs: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Duet:
    """The control's side of a cell that is measured in pairs, and when it is looked at.

    ``control`` is the key of the control's target: the cell's own, or the one that it names. The
    prices, the costs (of one control request) and the fingerprint are the control's. ``looks`` are
    in rising order and end at N. ``confirm`` is how many new pairs are set aside to test a failure
    again, 0 where none is. ``salted``: each arm begins its prompts with a salt of its own, and one
    unmeasured call for each arm and prompt comes before the first measured pair of that prompt.

    With ``block_s`` above 0 the arms alternate in blocks of load of that many seconds instead, and
    N counts pairs of blocks, of which each has ``block_requests`` planned for each arm. The first
    ``block_warmup`` of these go before the load, unmeasured and over connections that are kept
    open: what the cold requests of the block are held against. A closed load that is answered
    before a block's time is over goes on there with up to ``block_more`` further requests: what the
    caps hold beyond the worst case of all that is planned.
    ``only_head`` and ``only_control`` are prompt ids which the other side lacks: they are not sent.
    ``by_position`` names prompts that were paired by their place, ``new id (was old id)``.
    """

    control: str
    prices: UnitPrices
    fingerprint: Fingerprint
    worst_usd: Decimal
    expected_usd: Decimal
    expected_s: float
    looks: tuple[Look, ...]
    confirm: int = 0
    salted: bool = False
    block_s: float = 0.0
    block_requests: int = 0
    block_more: int = 0
    only_head: tuple[str, ...] = ()
    only_control: tuple[str, ...] = ()
    block_warmup: int = 0
    by_position: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPlan:
    """One scenario on one target. ``n`` is N: frozen before the first request, it never grows.

    In a duet ``n``, ``warmup`` and ``min_n`` count pairs (in blocks: N pairs of blocks, and pairs
    of requests before them); the calls that warm a cache are part of ``warmup``.

    ``worst_usd`` and ``expected_usd`` are for one request (the dearest and the mean prompt);
    ``expected_s`` is the expected time of one request and ``expected_from`` says how it is known.
    ``limited_by`` names what cut ``n`` below ``samples.max``: money, requests, time or nothing.
    ``load`` is how they are offered, ``None`` in plans of before it was written down. ``unpaired``
    says why a cell that should have been measured in pairs is measured alone; else it is empty.
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
    duet: Duet | None = None
    unpaired: str = ""

    @property
    def cell(self) -> str:
        """``scenario/target``."""
        return f"{self.scenario}/{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole of it. ``budget`` is the policy's, lowered by flags or environment where said.

    ``control`` is the policy by which the control arms of duets are sent, ``None`` without duets.
    """

    policy: Policy
    budget: Budget
    seed: int
    cells: tuple[CellPlan, ...]
    warnings: tuple[str, ...]
    control: Policy | None = None

"""What a relative rule can see of a change before anything is sent: chances, and what they cost."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

SIGHT_SCHEMA = "lens-gate/power/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one relative rule can see in one cell.

    ``mode``: against the control, pair by pair, or against ``runs`` stored runs. ``n`` is N in
    ``unit`` (``pairs``, ``pairs of blocks``, or ``requests`` of a run); ``set_by`` names what set
    it. ``margin`` and ``change`` are fractions, of rates added shares; ``margin_from`` says whose
    margin it is. ``finds`` is the chance that a build worse by ``change`` fails, ``passes`` that an
    unchanged one passes. ``smallest_margin`` is the smallest one that would decide here,
    ``smallest_change`` the smallest one that is found in nine cases of ten; ``None``: none is, or,
    where ``known_from`` is empty, nobody knows how widely this metric scatters.
    ``requests`` and ``usd`` are what the whole cell sends and is expected to cost, both arms.
    ``undecidable``: the gate refuses this rule. ``fewest``: of pairs of blocks, those without which
    it can never fail; 0 where it is tested on pairs of requests.
    """

    rule: str
    scenario: str
    target: str
    metric: str
    statistic: str
    gating: bool
    mode: Literal["duet", "history"]
    n: int
    unit: str
    set_by: str
    margin: float
    margin_from: str
    change: float
    finds: float | None
    passes: float | None
    smallest_margin: float | None
    smallest_change: float | None
    known_from: str
    requests: int
    usd: Decimal
    runs: int = 0
    undecidable: bool = False
    fewest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a policy can see at ``times`` its budget, or in ``why`` that this is too little."""

    times: float
    max_usd: Decimal
    requests: int
    usd: Decimal
    sights: tuple[Sight, ...]
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReport:
    """What a policy can see at several spends. ``checks`` share ``1 - confidence`` among them."""

    policy: str
    confidence: float
    checks: int
    spendings: tuple[Spending, ...]
    schema: str = SIGHT_SCHEMA

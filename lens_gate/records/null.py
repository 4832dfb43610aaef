"""A/A runs: both arms the same, against the real targets. What fails there is a false alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

NULL_SCHEMA = "lens-gate/null/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NullCount:
    """How one check came out over so many A/A runs; the rest was inconclusive."""

    runs: int
    failed: int
    passed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NullSession:
    """Several A/A runs of a policy, one after the other; ``failed`` is how many had a false alarm.

    ``checks`` is by ``scenario/target/rule``, those of gating rules with a relative limit.
    ``created`` is UTC, ``20261121T021500Z``; ``commit`` is what was measured.
    """

    created: str
    commit: str
    policy: str
    runs: int
    failed: int
    spent_usd: Decimal
    checks: Mapping[str, NullCount]
    schema: str = NULL_SCHEMA

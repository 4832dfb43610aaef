"""A stored run of one cell: a small, sorted, diffable file that is written once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lens_gate.records.plan import Fingerprint

BASELINE_SCHEMA = "lens-gate/baseline/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Every per-request scalar of a cell's measured requests, by prompt id.

    ``values[metric][i]`` belongs to ``prompt_ids[i]``; ``None`` where the request has no such
    number. ``censored`` are indexes of requests that ran into a timeout, whose times are its limit.
    ``failures`` counts failed requests by status; they have no row. ``retried`` are indexes of
    requests that succeeded after a retry: tokens and cost, no times. Never prompt or answer text,
    URLs, headers, or ids of requests, organisations or deployments.
    """

    scenario: str
    target: str
    created: str
    commit: str
    policy: str
    run_id: str
    models: Sequence[str]
    fingerprint: Fingerprint
    prompt_ids: Sequence[str]
    values: Mapping[str, Sequence[float | None]]
    censored: Sequence[int]
    failures: Mapping[str, int]
    spent_usd: Decimal
    environment: Mapping[str, str]
    retried: Sequence[int] = ()
    bad: str = ""
    schema: str = BASELINE_SCHEMA

"""What a cell needs for the least that can decide anything: nobody else may use that."""

from collections.abc import Iterable
from decimal import Decimal

from lens_gate.records.plan import CellPlan, Plan
from lens_gate.runner.till import Kept


def least(plan: Plan, cell: CellPlan, *, warmup: int, measured: int) -> Kept:
    """Money and requests for so many of a cell's warm-up and measured requests, at the worst.

    In a duet these are pairs (or pairs of blocks): both arms count. Every request is taken to cost
    the most that it can, and to be retried as often as it may be. Of cells that gate nothing, or
    are not measured, nothing is kept.
    """
    if not (cell.gating and cell.n):
        return Kept()
    duet = cell.duet
    tries = 1 + plan.policy.targets[cell.target].retries
    if duet is None:
        requests = (warmup + measured) * tries
        return Kept(usd=cell.worst_usd * requests, requests=requests)
    twins = 1 + (plan.control or plan.policy).targets[duet.control].retries
    pairs = warmup + measured * (duet.block_requests if duet.block_s > 0 else 1)
    return Kept(
        usd=(cell.worst_usd * tries + duet.worst_usd * twins) * pairs,
        requests=(tries + twins) * pairs,
    )


def together(parts: Iterable[Kept]) -> Kept:
    """All of them."""
    usd, requests = Decimal(0), 0
    for part in parts:
        usd += part.usd
        requests += part.requests
    return Kept(usd=usd, requests=requests)

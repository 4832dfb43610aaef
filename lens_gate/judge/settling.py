"""What would settle an undecided check: requests, and dollars at the expected price."""

from decimal import Decimal
from typing import Literal

from lens_gate.records.check import Verdict
from lens_gate.records.plan import CellPlan

MOST = 10
"""More than so many times its N is no advice for a cell."""


def needs(
    verdict: Verdict, plan: CellPlan | None, *, mode: Literal["duet", "history", ""]
) -> tuple[int | None, Decimal | None]:
    """Requests in all, both arms counted, and their expected price.

    ``None`` where not known, or more than ``MOST`` times what the cell has planned.

    A duet needs pairs (in blocks: pairs of blocks, each as full as it may be), a history runs of
    as many requests as this one has planned.
    """
    if verdict.needed_n is None or plan is None or not mode:
        return None, None
    if mode != "history" and verdict.needed_n > MOST * plan.n:
        return None, None
    if mode == "history" or plan.duet is None:
        requests = verdict.needed_n * plan.n
        return requests, requests * plan.expected_usd
    each = verdict.needed_n * (plan.duet.block_requests if plan.duet.block_s > 0 else 1)
    return 2 * each, each * (plan.expected_usd + plan.duet.expected_usd)

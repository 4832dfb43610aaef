"""The run's purse: the one place where the ledger changes while requests are in flight.

The arithmetic is ``metrics.ledger``; this holds its newest state. asyncio runs one step at a time
and neither method awaits, so a reservation is never computed from a state that another one changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lens_gate.metrics.ledger import Ledger, Refusal, release, reserve, settle, spend
from lens_gate.records.run import Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Money and requests that cells still to come need for their least number of samples."""

    usd: Decimal = Decimal(0)
    requests: int = 0


NOTHING = Kept()
_KEPT = "the rest of {} is kept for the least that the cells still to come need"


class Till:
    """Holds the newest ledger; reserves before a request is sent, settles when it ended."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def reserve(self, target: str, amount: Decimal, keep: Kept = NOTHING) -> Refusal | None:
        """Set money and one request aside, or say what does not allow it.

        ``keep`` is what later cells must still find: it is not touched.
        """
        now = self.ledger
        if now.spent_usd + now.reserved_usd + amount + keep.usd > now.cap_usd and keep.usd:
            return Refusal(reason="money", detail=_KEPT.format("budget.max_usd"))
        if now.requests + 1 + keep.requests > now.max_requests and keep.requests:
            return Refusal(reason="requests", detail=_KEPT.format("budget.max_requests"))
        answer = reserve(self.ledger, target, amount)
        if isinstance(answer, Refusal):
            return answer
        self.ledger = answer
        return None

    def reserve_all(
        self, wanted: Sequence[tuple[str, Decimal]], keep: Kept = NOTHING
    ) -> Refusal | None:
        """Set aside what several requests need, (target, amount) each: for all of them or none."""
        before = self.ledger
        for target, amount in wanted:
            refusal = self.reserve(target, amount, keep)
            if refusal is not None:
                self.ledger = before
                return refusal
        return None

    def release(self, target: str, reserved: Decimal) -> None:
        """Give back what was set aside for a request that is not sent."""
        self.ledger = release(self.ledger, target, reserved)

    def overrun(self, target: str) -> bool:
        """Whether a bill was above its reservation, so that the target is ended."""
        return self.ledger.accounts[target].overrun_usd > 0

    def settle(self, target: str, reserved: Decimal, bill: Decimal | None) -> Decimal:
        """Book what a request cost, its whole reservation where that is unknown."""
        self.ledger = settle(self.ledger, target, reserved, bill)
        return reserved if bill is None else bill

    def spend(self) -> Spend:
        """The state, for the journal's end and for progress."""
        return spend(self.ledger)

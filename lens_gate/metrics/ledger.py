"""Reserve and settle: the arithmetic that keeps a run inside its caps.

Every request reserves the most that it can cost before it is sent, and settles to its bill when it
has ended. ``spent + reserved <= cap`` holds after every reservation, so at any concurrency the cap
is kept by construction. Where a bill is unknown (a stream cut, a timeout) the whole reservation is
spent: the provider may have worked on, and a refund would let the next request spend it again.

The one way past the cap is a bill above its reservation, which only a provider that breaks its own
limits can send. It is booked, not hidden; it ends its target; and nothing is reserved after it that
does not fit under the cap again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from lens_gate.records.policy import Budget, Target
from lens_gate.records.run import Spend
from lens_gate.units import format_usd

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One target's part: its own caps (``None``: none of its own) and what it used of them.

    ``overrun_usd`` is by how much bills went beyond their reservations; above zero the target is
    ended.
    """

    cap_usd: Decimal | None
    max_requests: int | None
    spent_usd: Decimal = ZERO
    reserved_usd: Decimal = ZERO
    requests: int = 0
    overrun_usd: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The state of the run's money and requests. US dollars; ``requests`` counts every one sent.

    ``peak_usd`` is the most that spent and reserved together ever were.
    """

    cap_usd: Decimal
    max_requests: int
    accounts: Mapping[str, Account]
    spent_usd: Decimal = ZERO
    reserved_usd: Decimal = ZERO
    peak_usd: Decimal = ZERO
    requests: int = 0

    @property
    def overrun_usd(self) -> Decimal:
        """By how much bills went beyond their reservations, over all targets."""
        return sum((a.overrun_usd for a in self.accounts.values()), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request may not be sent: the run's money, its requests, or its target's own caps."""

    reason: Literal["money", "requests", "target"]
    detail: str


def open_ledger(budget: Budget, targets: Iterable[Target]) -> Ledger:
    """An empty ledger with the caps of the run and of its targets.

    Raises:
        ValueError: the run's own budget lacks a cap.
    """
    if budget.max_usd is None or budget.max_requests is None:
        raise ValueError("the run's budget needs max_usd and max_requests")
    accounts = {
        target.key: Account(cap_usd=target.budget.max_usd, max_requests=target.budget.max_requests)
        for target in targets
    }
    return Ledger(
        cap_usd=budget.max_usd,
        max_requests=budget.max_requests,
        accounts=MappingProxyType(accounts),
    )


def reserve(ledger: Ledger, target: str, amount: Decimal) -> Ledger | Refusal:
    """The ledger with ``amount`` and one request set aside for ``target``, or why that can't be.

    Raises:
        KeyError: the ledger has no such target.
        ValueError: the amount is negative or not finite.
    """
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{amount} can't be reserved")
    account = ledger.accounts[target]
    refusal = _refusal(ledger, account, target, amount)
    if refusal is not None:
        return refusal
    reserved = ledger.reserved_usd + amount
    return replace(
        ledger,
        reserved_usd=reserved,
        peak_usd=max(ledger.peak_usd, ledger.spent_usd + reserved),
        requests=ledger.requests + 1,
        accounts=_with(
            ledger,
            target,
            replace(
                account,
                reserved_usd=account.reserved_usd + amount,
                requests=account.requests + 1,
            ),
        ),
    )


def release(ledger: Ledger, target: str, reserved: Decimal) -> Ledger:
    """The ledger after a request that had ``reserved`` set aside turned out not to be sent.

    Raises:
        KeyError: the ledger has no such target.
        ValueError: nothing of that size is reserved.
    """
    settled = settle(ledger, target, reserved, ZERO)
    account = settled.accounts[target]
    return replace(
        settled,
        requests=settled.requests - 1,
        accounts=_with(settled, target, replace(account, requests=account.requests - 1)),
    )


def settle(ledger: Ledger, target: str, reserved: Decimal, bill: Decimal | None) -> Ledger:
    """The ledger after a request that had ``reserved`` set aside ended with this bill.

    ``None`` is an unknown bill: the whole reservation is spent. A bill above the reservation is
    booked in full and ends the target.

    Raises:
        KeyError: the ledger has no such target.
        ValueError: nothing of that size is reserved, or the bill is negative or not finite.
    """
    account = ledger.accounts[target]
    if not ZERO <= reserved <= account.reserved_usd:
        raise ValueError(f"{target} has {account.reserved_usd} reserved, not {reserved}")
    booked = reserved if bill is None else bill
    if not booked.is_finite() or booked < 0:
        raise ValueError(f"{bill} is no bill")
    spent, still = ledger.spent_usd + booked, ledger.reserved_usd - reserved
    return replace(
        ledger,
        spent_usd=spent,
        reserved_usd=still,
        peak_usd=max(ledger.peak_usd, spent + still),
        accounts=_with(
            ledger,
            target,
            replace(
                account,
                spent_usd=account.spent_usd + booked,
                reserved_usd=account.reserved_usd - reserved,
                overrun_usd=account.overrun_usd + max(ZERO, booked - reserved),
            ),
        ),
    )


def spend(ledger: Ledger) -> Spend:
    """The record that journals and reports keep of it."""
    return Spend(
        spent_usd=ledger.spent_usd,
        peak_usd=ledger.peak_usd,
        cap_usd=ledger.cap_usd,
        requests=ledger.requests,
        max_requests=ledger.max_requests,
    )


def _refusal(ledger: Ledger, account: Account, target: str, amount: Decimal) -> Refusal | None:
    if account.overrun_usd > 0:
        return Refusal(
            reason="target",
            detail=f"overrun: a bill of {target} was {format_usd(account.overrun_usd)} above "
            "what its request could cost; the target is ended",
        )
    if ledger.requests >= ledger.max_requests:
        return Refusal(
            reason="requests",
            detail=f"budget.max_requests of {ledger.max_requests} is used up",
        )
    if account.max_requests is not None and account.requests >= account.max_requests:
        return Refusal(
            reason="target",
            detail=f"max_requests of target {target} ({account.max_requests}) is used up",
        )
    if ledger.spent_usd + ledger.reserved_usd + amount > ledger.cap_usd:
        return Refusal(
            reason="money",
            detail=_too_dear(amount, "budget.max_usd", ledger.cap_usd, ledger),
        )
    cap = account.cap_usd
    if cap is not None and account.spent_usd + account.reserved_usd + amount > cap:
        return Refusal(
            reason="target",
            detail=_too_dear(amount, f"max_usd of target {target}", cap, account),
        )
    return None


def _too_dear(amount: Decimal, name: str, cap: Decimal, used: Ledger | Account) -> str:
    return (
        f"the next request may cost {format_usd(amount)}: {name} is {format_usd(cap)}, "
        f"{format_usd(used.spent_usd)} is spent and {format_usd(used.reserved_usd)} reserved"
    )


def _with(ledger: Ledger, target: str, account: Account) -> Mapping[str, Account]:
    return MappingProxyType({**ledger.accounts, target: account})

"""What was set aside for a request that is not sent goes back: money and count."""

from decimal import Decimal

import pytest

from lens_gate.metrics.ledger import Ledger, Refusal, open_ledger, release, reserve, settle
from lens_gate.records.policy import Budget


class Target:
    key = "t"
    budget = Budget(max_usd=Decimal(1), max_requests=2, max_duration_s=None)


def ledger() -> Ledger:
    budget = Budget(max_usd=Decimal(1), max_requests=2, max_duration_s=60)
    return open_ledger(budget, [Target()])


def test_a_released_request_leaves_the_ledger_as_it_was_but_for_its_peak():
    before = reserve(ledger(), "t", Decimal("0.4"))
    both = reserve(before, "t", Decimal("0.5"))
    assert isinstance(reserve(both, "t", Decimal(0)), Refusal)
    after = release(both, "t", Decimal("0.5"))
    assert (after.spent_usd, after.reserved_usd, after.requests) == (0, Decimal("0.4"), 1)
    assert after.accounts == before.accounts
    assert after.peak_usd == Decimal("0.9")
    assert isinstance(reserve(after, "t", Decimal("0.6")), Ledger)


def test_only_what_is_reserved_can_be_released():
    with pytest.raises(ValueError, match="reserved"):
        release(ledger(), "t", Decimal("0.1"))
    one = reserve(ledger(), "t", Decimal("0.4"))
    with pytest.raises(ValueError, match="reserved"):
        release(settle(one, "t", Decimal("0.4"), None), "t", Decimal("0.4"))
    with pytest.raises(KeyError):
        release(one, "other", Decimal("0.4"))

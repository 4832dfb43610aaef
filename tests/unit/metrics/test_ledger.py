from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lens_gate.metrics.ledger import (
    Account,
    Ledger,
    Refusal,
    open_ledger,
    reserve,
    settle,
    spend,
)
from lens_gate.records.policy import Budget, KeySource, Place, Target, Timeouts

CAP, TARGET_CAP, REQUESTS, TARGET_REQUESTS = Decimal(1), Decimal("0.6"), 40, 25


def usd(cents: int) -> Decimal:
    return Decimal(cents) / 100


def ledger(**given) -> Ledger:
    whole = {
        "cap_usd": CAP,
        "max_requests": REQUESTS,
        "accounts": {
            "mini": Account(cap_usd=None, max_requests=None),
            "maxi": Account(cap_usd=TARGET_CAP, max_requests=TARGET_REQUESTS),
        },
    }
    return Ledger(**{**whole, **given})


def reserved(book: Ledger, target: str, *amounts: Decimal) -> Ledger:
    for amount in amounts:
        book = reserve(book, target, amount)
        assert isinstance(book, Ledger), book
    return book


def test_a_request_reserves_settles_and_frees_what_it_did_not_need() -> None:
    book = reserved(ledger(), "mini", usd(30))
    assert (book.spent_usd, book.reserved_usd, book.requests) == (0, usd(30), 1)
    book = settle(book, "mini", usd(30), usd(10))
    assert (book.spent_usd, book.reserved_usd, book.peak_usd) == (usd(10), 0, usd(30))
    assert book.accounts["mini"].spent_usd == usd(10)
    assert book.accounts["maxi"].spent_usd == 0


def test_an_unknown_bill_spends_the_whole_reservation() -> None:
    book = settle(reserved(ledger(), "mini", usd(30)), "mini", usd(30), None)
    assert (book.spent_usd, book.reserved_usd) == (usd(30), 0)


def test_the_cap_counts_what_is_in_flight() -> None:
    book = reserved(ledger(), "mini", usd(60), usd(40))
    refusal = reserve(book, "mini", Decimal("0.0000001"))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "money"
    assert refusal.detail == (
        "the next request may cost $0.00000010: budget.max_usd is $1.00, $0.00 is spent and "
        "$1.00 reserved"
    )


def test_a_request_that_fits_exactly_is_sent() -> None:
    assert reserved(ledger(), "mini", CAP).reserved_usd == CAP


def test_requests_are_counted_when_they_are_reserved() -> None:
    book = replace(ledger(), requests=REQUESTS)
    assert reserve(book, "mini", usd(0)) == Refusal(
        reason="requests", detail="budget.max_requests of 40 is used up"
    )


def test_a_target_has_caps_of_its_own() -> None:
    refusal = reserve(reserved(ledger(), "maxi", usd(50)), "maxi", usd(11))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "target"
    assert "max_usd of target maxi is $0.60" in refusal.detail
    assert isinstance(reserve(reserved(ledger(), "maxi", usd(50)), "mini", usd(11)), Ledger)
    book = reserved(ledger(), "maxi", *[usd(0)] * TARGET_REQUESTS)
    refusal = reserve(book, "maxi", usd(0))
    assert isinstance(refusal, Refusal)
    assert refusal.detail == "max_requests of target maxi (25) is used up"


def test_a_bill_above_its_reservation_is_booked_and_ends_its_target() -> None:
    book = settle(reserved(ledger(), "mini", usd(10)), "mini", usd(10), usd(35))
    assert (book.spent_usd, book.overrun_usd) == (usd(35), usd(25))
    refusal = reserve(book, "mini", usd(1))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "target"
    assert refusal.detail == (
        "overrun: a bill of mini was $0.25 above what its request could cost; the target is ended"
    )
    assert isinstance(reserve(book, "maxi", usd(1)), Ledger)


def test_a_bill_of_exactly_its_reservation_is_no_overrun() -> None:
    book = settle(reserved(ledger(), "mini", usd(10)), "mini", usd(10), usd(10))
    assert book.overrun_usd == 0


def test_a_lie_that_passes_the_cap_is_shown_and_nothing_more_is_reserved() -> None:
    book = reserved(ledger(), "mini", usd(50))
    book = reserved(book, "maxi", usd(50))
    book = settle(book, "mini", usd(50), usd(90))
    assert book.peak_usd == usd(140)
    refusal = reserve(book, "maxi", usd(1))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "money"


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity"])
def test_nonsense_is_refused_loudly(amount) -> None:
    with pytest.raises(ValueError, match="reserved"):
        reserve(ledger(), "mini", Decimal(amount))
    with pytest.raises(ValueError, match="no bill"):
        settle(reserved(ledger(), "mini", usd(1)), "mini", usd(1), Decimal(amount))


@pytest.mark.parametrize("amount", [usd(11), usd(-1)])
def test_what_was_not_reserved_cannot_be_settled(amount) -> None:
    with pytest.raises(ValueError, match=r"mini has 0\.1 reserved"):
        settle(reserved(ledger(), "mini", usd(10)), "mini", amount, None)


def test_a_ledger_opens_with_the_caps_of_policy_and_targets() -> None:
    target = Target(
        key="mini",
        title="",
        provider="openai",
        model="m",
        base_url=None,
        region=None,
        api_key=KeySource(env=None, file=None, command=None),
        params={},
        headers={},
        header_env={},
        price=None,
        timeouts=Timeouts(connect_s=1, first_byte_s=1, idle_s=1, total_s=1),
        retries=0,
        budget=Budget(max_usd=usd(20), max_requests=None, max_duration_s=None),
        simulate=None,
        place=Place(file="p", line=1, column=1),
    )
    book = open_ledger(Budget(max_usd=CAP, max_requests=9, max_duration_s=1.0), [target])
    assert (book.cap_usd, book.max_requests) == (CAP, 9)
    assert book.accounts == {"mini": Account(cap_usd=usd(20), max_requests=None)}
    assert spend(book).cap_usd == CAP
    assert (spend(book).requests, spend(book).max_requests) == (0, 9)


@pytest.mark.parametrize("missing", ["max_usd", "max_requests"])
def test_the_run_itself_must_have_caps(missing) -> None:
    budget = Budget(max_usd=CAP, max_requests=9, max_duration_s=1.0)
    with pytest.raises(ValueError, match="max_usd and max_requests"):
        open_ledger(replace(budget, **{missing: None}), [])


class Honest(RuleBasedStateMachine):
    """Requests in any order, at any concurrency, from a provider that keeps its limits.

    ``true`` is what the provider will charge: for a request that was cut or timed out it may be
    anything up to the reservation, whatever the client saw.
    """

    def __init__(self) -> None:
        super().__init__()
        self.book = ledger()
        self.flight: list[tuple[str, Decimal]] = []
        self.true = Decimal(0)
        self.refused = 0

    def settle(self, target: str, amount: Decimal, bill: Decimal | None) -> None:
        self.book = settle(self.book, target, amount, bill)

    @rule(to=st.sampled_from(["mini", "maxi"]), cents=st.integers(0, 30))
    def send(self, to: str, cents: int) -> None:
        answer = reserve(self.book, to, usd(cents))
        if isinstance(answer, Refusal):
            self.refused += 1
            return
        self.book = answer
        self.flight.append((to, usd(cents)))

    @precondition(lambda self: self.flight)
    @rule(which=st.integers(0, 99), share=st.fractions(0, 1), known=st.booleans())
    def end(self, which: int, share, known) -> None:
        target, amount = self.flight.pop(which % len(self.flight))
        bill = amount * share.numerator / share.denominator
        self.true += bill
        self.settle(target, amount, bill if known else None)

    @invariant()
    def the_cap_is_kept(self) -> None:
        assert self.book.spent_usd + self.book.reserved_usd <= CAP
        assert self.book.peak_usd <= CAP
        assert self.true <= CAP
        maxi = self.book.accounts["maxi"]
        assert maxi.spent_usd + maxi.reserved_usd <= TARGET_CAP
        assert self.book.requests <= REQUESTS
        assert maxi.requests <= TARGET_REQUESTS

    @invariant()
    def the_books_agree(self) -> None:
        accounts = self.book.accounts.values()
        assert sum(a.reserved_usd for a in accounts) == self.book.reserved_usd
        assert sum(a.requests for a in accounts) == self.book.requests
        assert sum(amount for _, amount in self.flight) == self.book.reserved_usd
        assert self.true <= self.book.spent_usd + Decimal("1e-20")


class Lying(Honest):
    """The same with a provider whose usage may say more than its request could use."""

    @precondition(lambda self: self.flight)
    @rule(which=st.integers(0, 99), extra=st.integers(1, 50))
    def lie(self, which: int, extra: int) -> None:
        target, amount = self.flight.pop(which % len(self.flight))
        self.true += amount + usd(extra)
        self.settle(target, amount, amount + usd(extra))
        assert isinstance(reserve(self.book, target, usd(0)), Refusal)

    @invariant()
    def the_cap_is_kept(self) -> None:
        assert self.book.spent_usd + self.book.reserved_usd <= CAP + self.book.overrun_usd
        assert self.book.requests <= REQUESTS


TestHonest = Honest.TestCase
TestHonest.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLying = Lying.TestCase
TestLying.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def true_spend(timeouts: int, unknown) -> Decimal:
    """Send as long as the ledger lets us, to a provider that bills every timeout in full."""
    book, true = ledger(), Decimal(0)
    for _ in range(timeouts):
        answer = reserve(book, "mini", usd(10))
        if isinstance(answer, Refusal):
            break
        true += usd(10)
        book = settle(answer, "mini", usd(10), unknown)
    return true


@given(st.integers(1, 39))
def test_a_refund_on_timeout_would_pass_the_cap_and_ours_does_not(timeouts) -> None:
    assert true_spend(timeouts, None) <= CAP
    refunded = true_spend(timeouts, Decimal(0))
    assert (refunded > CAP) is (timeouts > 10)


def test_counting_only_what_is_spent_would_pass_the_cap_in_flight() -> None:
    """Another plausible wrong ledger: the check looks at bills, not at what is under way."""
    book, naive = ledger(), Decimal(0)
    for _ in range(20):
        answer = reserve(book, "mini", usd(10))
        book = answer if isinstance(answer, Ledger) else book
        if book.spent_usd + usd(10) <= CAP:  # the naive test, nothing has settled yet
            naive += usd(10)
    assert book.reserved_usd == CAP
    assert naive == 2 * CAP

"""What is billed besides tokens, or at a price that nobody told us: never booked too low."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lens_gate.metrics.price_table import PriceUnknown
from lens_gate.metrics.pricing import bill, reserve_for, resolve, tier_is_priced, to_book
from lens_gate.metrics.rate_card import FREE
from lens_gate.records.exchange import Usage
from lens_gate.records.policy import PriceEntry, PriceOverride, PriceVariant

AT = datetime(2026, 11, 21, tzinfo=UTC)
USAGE = Usage(input_total=1000, output_total=100)
RESERVED = Decimal("0.5")


def table(provider="anthropic", model="claude-opus-5-5"):
    return resolve(provider, model, None, simulated=False, request_usd=Decimal(0), at=AT)


def own(*, override=None, **more):
    prices = {"input": Decimal(1), "output": Decimal(4)}
    card = override or PriceOverride(entries=(PriceEntry(prices=prices, **more),))
    return resolve(None, "m", card, simulated=False, request_usd=Decimal(0), at=AT)


def billed(prices, usage=USAGE, *, tier=None):
    return bill(prices, usage, model=None, service_tier=tier, at=AT)


@pytest.mark.parametrize("prices", [table, own], ids=["table", "policy"])
@pytest.mark.parametrize("kind", ["compaction", "advisor", "a kind of tomorrow"])
def test_a_charge_of_no_known_price_makes_the_cost_unknown_and_books_the_reservation(prices, kind):
    charged = billed(prices(), replace(USAGE, charges={kind: 1}))
    plain = billed(prices())
    assert charged.usd is None
    assert charged.check_usd == plain.usd
    assert charged.note.endswith(f"at a price that is not known: {kind}")
    assert to_book(charged, RESERVED) == RESERVED


def test_what_is_known_of_an_unknown_cost_is_booked_where_it_is_more_than_the_reservation():
    charged = billed(own(), replace(USAGE, charges={"advisor": 1}))
    assert to_book(charged, Decimal("0.0001")) == billed(own()).usd


@pytest.mark.parametrize("charges", [{"advisor": 0}, {"web_fetch": 3}])
def test_what_costs_nothing_changes_nothing(charges):
    assert billed(table(), replace(USAGE, charges=charges)) == billed(table())


def test_searches_that_the_policy_gives_no_price_are_unknown_but_where_all_is_free():
    searched = replace(USAGE, charges={"web_search": 2})
    assert billed(own(), searched).usd is None
    assert billed(own(override=FREE), searched).usd == 0


@pytest.mark.parametrize(
    ("prices", "usage", "tier"),
    [
        (lambda: table("google", "gemini-2.5-pro"), USAGE, "priority"),
        (lambda: table("openai", "gpt-5.6"), replace(USAGE, cache_write={"12h": 500}), None),
        (
            lambda: own(
                variants=(PriceVariant(by="service_tier", value="flex", prices={"input": 1}),)
            ),
            USAGE,
            "priority",
        ),
    ],
    ids=["tier of the table", "lifetime", "tier of the policy"],
)
def test_a_bill_that_may_be_too_low_books_the_reservation(prices, usage, tier):
    found = billed(prices(), usage, tier=tier)
    assert found.note
    assert found.usd is not None
    assert to_book(found, RESERVED) == RESERVED
    assert to_book(found, Decimal(0)) == found.usd


@pytest.mark.parametrize("tier", ["flex", "batch"])
def test_a_cheaper_tier_without_a_price_costs_no_more_than_the_standard_one(tier):
    prices = table("groq", "llama-3.3-70b-versatile")
    found = billed(prices, tier=tier)
    assert to_book(found, RESERVED) == billed(prices).usd


@pytest.mark.parametrize(
    ("prices", "tier", "known"),
    [
        (lambda: table("openai", "gpt-4o"), "priority", True),
        (lambda: table("openai", "gpt-4o"), "Default", True),
        (lambda: table("google", "gemini-2.5-pro"), "priority", False),
        (lambda: table("google", "gemini-2.5-pro"), "flex", True),
        (lambda: table("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0"), "optimized", False),
        (own, "priority", True),
    ],
)
def test_whether_a_tier_that_is_asked_for_has_a_price(prices, tier, known):
    assert tier_is_priced(prices(), tier, at=AT) is known


def test_reservations_hold_the_dearest_tier_that_the_table_knows():
    prices = table("openai", "gpt-4o")
    assert billed(prices, tier="priority").usd <= reserve_for(prices, 1000, 100)


def test_a_model_that_no_table_knows_has_no_tier_either():
    with pytest.raises(PriceUnknown):
        tier_is_priced(replace(table(), model="nobody-knows-it"), "priority", at=AT)

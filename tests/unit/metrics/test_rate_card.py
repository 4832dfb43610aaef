"""Prices of the policy, each form against arithmetic by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from lens_gate.metrics.price_table import PriceUnknown
from lens_gate.metrics.pricing import bill, expected, reserve_for, resolve
from lens_gate.metrics.rate_card import FREE, applying
from lens_gate.records.codec import from_json, to_json
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import PriceEntry, PriceOverride, PriceTier, PriceVariant

SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC)


def usd(text: str) -> Decimal:
    return Decimal(text)


def entry(**given) -> PriceEntry:
    units = {"input": usd("2"), "output": usd("8"), **given.pop("prices", {})}
    return PriceEntry(prices=units, **given)


def planned(*entries: PriceEntry, model: str = "m-1", at=SATURDAY, **given) -> UnitPrices:
    return resolve(
        None,
        model,
        PriceOverride(entries=entries),
        simulated=False,
        request_usd=given.pop("request_usd", Decimal(0)),
        at=at,
        **given,
    )


def cost(prices: UnitPrices, usage: Usage, **given) -> Decimal | None:
    given = {"model": None, "service_tier": None, "at": SATURDAY, **given}
    return bill(prices, usage, **given).usd


PLAIN = Usage(input_total=1_000_000, output_total=1_000_000)


@pytest.mark.parametrize(
    ("units", "usage", "dollars"),
    [
        ({}, {}, "10"),
        ({"cache_read": usd("0.5")}, {"cache_read": 400_000}, "9.4"),
        ({}, {"cache_read": 400_000}, "10"),
        ({"cache_write": usd("2.5")}, {"cache_write": {"1h": 100_000}}, "10.05"),
        (
            {"cache_write": usd("2.5"), "cache_write_1h": usd("4")},
            {"cache_write": {"1h": 100_000, "5m": 100_000, "later": 100_000}},
            "10.3",
        ),
        (
            {f"cache_write_{life}": usd("3") for life in ("5m", "30m", "12h")},
            {"cache_write": {"5m": 100_000, "30m": 100_000, "12h": 100_000}},
            "10.3",
        ),
        ({"audio_input": usd("10")}, {"input_audio": 250_000}, "12"),
        ({"image_input": usd("3")}, {"input_image": 250_000}, "10.25"),
        ({"audio_output": usd("20")}, {"output_audio": 500_000}, "16"),
        ({"reasoning": usd("4")}, {"reasoning": 250_000}, "9"),
        ({}, {"reasoning": 250_000}, "10"),
        ({"request": usd("0.01")}, {}, "10.01"),
        ({"searches": usd("25")}, {"charges": {"web_search": 3, "web_fetch": 1}}, "10.075"),
    ],
)
def test_every_unit_costs_its_own_price_or_that_of_its_kind(units, usage, dollars) -> None:
    assert cost(planned(entry(prices=units)), replace(PLAIN, **usage)) == usd(dollars)


def test_sound_that_came_from_the_cache_is_counted_once() -> None:
    prices = planned(entry(prices={"cache_read": usd("1"), "audio_input": usd("10")}))
    usage = Usage(input_total=1_000_000, output_total=0, cache_read=900_000, input_audio=300_000)
    assert cost(prices, usage) == usd("1.9")


@pytest.mark.parametrize(
    "wrong",
    [
        {"output_audio": 2_000_000},
        {"reasoning": 600_000, "output_audio": 600_000},
        {"charges": {"web_search": -1}},
        {"input_audio": -5},
    ],
)
def test_counts_that_contradict_each_other_make_no_bill(wrong) -> None:
    found = bill(planned(entry()), replace(PLAIN, **wrong), model=None, service_tier=None)
    assert found.usd is None
    assert "contradicts" in found.note


def test_a_tier_holds_for_every_token_of_a_request_above_its_size() -> None:
    tiers = (
        PriceTier(above=200_000, prices={"input": usd("4"), "output": usd("12")}),
        PriceTier(above=100_000, prices={"input": usd("3")}),
    )
    prices = planned(entry(tiers=tiers))

    def at_size(tokens: int) -> Decimal | None:
        return cost(prices, Usage(input_total=tokens, output_total=1_000_000))

    assert at_size(100_000) == usd("8.2")
    assert at_size(100_001) == usd("8.300003")
    assert at_size(200_001) == usd("12.800004")
    assert (prices.dearest_input, prices.dearest_output) == (usd("4"), usd("12"))
    near = planned(entry(tiers=tiers), bound_input=150_000)
    assert (near.dearest_input, near.dearest_output) == (usd("3"), usd("8"))


def test_a_variant_counts_where_the_response_names_it_and_never_by_what_was_asked() -> None:
    variants = (
        PriceVariant(by="service_tier", value="flex", prices={}, multiply=usd("0.5")),
        PriceVariant(by="speed", value="Fast", prices={"output": usd("40")}),
        PriceVariant(by="processing", value="batch", prices={}, multiply=usd("0.5")),
    )
    prices = planned(entry(variants=variants))
    assert cost(prices, PLAIN, service_tier="flex") == usd("5")
    assert cost(prices, PLAIN, service_tier="FAST") == usd("42")
    assert cost(prices, PLAIN, service_tier="default") == usd("10")
    told = bill(prices, PLAIN, model=None, service_tier="priority", at=SATURDAY)
    assert told.usd == usd("10")
    assert "no price for service tier 'priority'" in told.note
    assert bill(prices, PLAIN, model=None, service_tier="flex", at=SATURDAY).note == ""
    assert prices.dearest_output == usd("40")


def test_a_region_is_the_targets_own() -> None:
    variants = (PriceVariant(by="region", value="eu", prices={}, multiply=usd("1.1")),)
    assert cost(planned(entry(variants=variants), region="eu"), PLAIN) == usd("11")
    assert cost(planned(entry(variants=variants), region="us"), PLAIN) == usd("10")
    # A service tier that happens to be called like a region is no region.
    assert cost(planned(entry(variants=variants)), PLAIN, service_tier="eu") == usd("10")


def test_currency_and_discount_apply_to_every_price() -> None:
    units = {"request": usd("1")}
    prices = planned(entry(prices=units, currency="EUR", usd=usd("1.1"), discount=usd("0.2")))
    assert cost(prices, PLAIN) == usd("9.68")
    assert reserve_for(prices, 1_000_000, 1_000_000) == usd("9.68")
    assert "EUR at 1.1 US dollars" in prices.source
    assert "20.0 % discount" in prices.source


@pytest.mark.parametrize(
    ("limits", "at", "applies"),
    [
        ({"valid_from": "2026-11-21"}, SATURDAY, True),
        ({"valid_from": "2026-11-22"}, SATURDAY, False),
        ({"valid_to": "2026-11-21"}, SATURDAY, True),
        ({"valid_to": "2026-11-20"}, SATURDAY, False),
        ({"weekdays": (5, 6)}, SATURDAY, True),
        ({"weekdays": (0,)}, SATURDAY, False),
        ({"hours": (720, 721)}, SATURDAY, True),
        ({"hours": (0, 720)}, SATURDAY, False),
        ({"hours": (990, 30)}, SATURDAY, False),
        ({"hours": (990, 30)}, SATURDAY.replace(hour=23), True),
        ({"hours": (990, 30)}, SATURDAY.replace(hour=0, minute=29), True),
        ({"hours": (990, 30)}, SATURDAY.replace(hour=0, minute=30), False),
        # A moment told in another zone is the same moment.
        ({"weekdays": (6,)}, SATURDAY.astimezone(timezone(timedelta(hours=13))), False),
        ({"weekdays": (5,)}, None, False),
    ],
)
def test_an_entry_counts_only_at_its_time_in_utc(limits, at, applies) -> None:
    cheap = entry(prices={"input": usd("1"), "output": usd("1")}, **limits)
    prices = planned(cheap, entry())
    assert cost(prices, PLAIN, at=at) == (usd("2") if applies else usd("10"))
    # Whatever the hour, the reservation is that of the dearest one.
    assert reserve_for(prices, 1_000_000, 1_000_000) == usd("10")


def test_the_first_entry_for_the_model_of_the_response_counts() -> None:
    dated = entry(prices={"input": usd("1"), "output": usd("1")}, model="m-1-0930", match="exact")
    family = entry(prices={"input": usd("3"), "output": usd("3")}, model="m-1", match="prefix")
    by_rule = entry(prices={"input": usd("5"), "output": usd("5")}, model="x.*", match="regex")
    prices = planned(dated, family, by_rule)
    assert cost(prices, PLAIN, model="m-1-0930") == usd("2")
    assert cost(prices, PLAIN, model="m-1-1120") == usd("6")
    assert cost(prices, PLAIN, model="x7") == usd("10")
    # The server's own name for a model that nobody priced: what was asked for counts.
    assert cost(prices, PLAIN, model="org/other") == usd("6")
    assert cost(prices, PLAIN) == usd("6")


def test_a_model_without_a_price_is_refused() -> None:
    only = entry(model="other", match="exact")
    with pytest.raises(PriceUnknown, match="none of the policy's prices applies to 'm-1'"):
        planned(only)


def test_prices_that_have_run_out_make_no_bill() -> None:
    prices = planned(entry(valid_to="2026-11-21"))
    late = bill(prices, PLAIN, model=None, service_tier=None, at=SATURDAY + timedelta(days=1))
    assert late.usd is None
    assert "none of the policy's prices applies" in late.note


def test_a_server_paid_by_the_hour_costs_its_share_of_the_wall_time() -> None:
    own_server = PriceEntry(prices={"hour": usd("3.6")})
    prices = replace(planned(own_server), limit_s=300.0)
    usage = Usage(input_total=100, output_total=10)
    assert cost(prices, usage, seconds=2.0, sharing=4) == usd("0.0005")
    assert cost(prices, usage, seconds=2.0) == usd("0.002")
    assert reserve_for(prices, 100, 10) == usd("0.3")
    assert expected(prices, 100.0, 10.0, seconds=1.5) == usd("0.0015")
    assert "$3.6 an hour" in prices.source


def test_the_protocols_own_charge_comes_on_top_once() -> None:
    units = {"request": usd("0.01")}
    variants = (PriceVariant(by="service_tier", value="flex", prices={}, multiply=usd("2")),)
    prices = planned(entry(prices=units, variants=variants), request_usd=usd("0.5"))
    assert cost(prices, PLAIN) == usd("10.51")
    assert cost(prices, PLAIN, service_tier="flex") == usd("20.52")
    assert reserve_for(prices, 1_000_000, 1_000_000) == usd("20.52")


def test_free_is_a_price() -> None:
    prices = planned(*FREE.entries)
    assert cost(prices, PLAIN) == 0
    assert reserve_for(prices, 10**6, 10**6) == 0


def test_a_saved_plan_prices_as_the_plan_did() -> None:
    tiers = (PriceTier(above=10, prices={"input": usd("4.123456789012")}),)
    variants = (PriceVariant(by="service_tier", value="flex", prices={}, multiply=usd("0.5")),)
    prices = planned(entry(tiers=tiers, variants=variants, hours=(0, 1439), weekdays=(5,)))
    again = from_json(UnitPrices, to_json(prices))
    assert again == prices
    assert cost(again, PLAIN, service_tier="flex") == cost(prices, PLAIN, service_tier="flex")
    bare = replace(prices, override=None)
    assert bill(bare, PLAIN, model=None, service_tier=None).usd is None


def test_the_source_says_what_more_there_is() -> None:
    tiers = (PriceTier(above=10, prices={"input": usd("4")}),)
    text = planned(
        entry(tiers=tiers, source="contract of May", prices={"cache_read": usd("1")})
    ).source
    assert text == (
        "policy (contract of May): $2 in, $8 out, $1 cache read for 1M tokens; "
        "more by size or service tier"
    )


def test_a_name_that_is_none_is_not_held_against_a_regular_expression():
    card = PriceOverride(entries=(entry(prices={}, model=".*", match="regex"),))
    assert list(applying(card, "m" * 300, SATURDAY))
    assert not list(applying(card, "m" * 301, SATURDAY))

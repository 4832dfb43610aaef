import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.metrics.price_table import PriceUnknown
from lens_gate.metrics.pricing import bill, expected, reserve_for, resolve, to_book
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import PriceEntry, PriceOverride

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def table(provider: str, model: str, **given) -> UnitPrices:
    return resolve(provider, model, None, simulated=False, request_usd=Decimal(0), at=AT, **given)


def override(source: str = "", **given) -> PriceOverride:
    prices = {"input": Decimal(2), "output": Decimal(8), **given}
    return PriceOverride(entries=(PriceEntry(prices=prices, source=source),))


def own(**given) -> UnitPrices:
    return resolve(None, "m", override(**given), simulated=False, request_usd=Decimal(0))


def simulated() -> UnitPrices:
    return resolve(None, "sim-1", None, simulated=True, request_usd=Decimal(0))


# providers.md 10.1, worked by hand.
HAND = [
    ("openai", "gpt-4o-mini", {"cache_read": 10240}, 12345, 678, None, "0.00149055"),
    ("openai", "gpt-5.6", {"cache_read": 1024, "cache_write": {"default": 2048}}, 12345, 678, None,
     "0.0613016"),
    ("openai", "gpt-5.6", {}, 300000, 1000, None, "2.43"),
    ("openai", "gpt-5.6", {}, 12345, 678, "flex", "0.03147"),
    ("anthropic", "claude-opus-5-5", {"cache_read": 4000, "cache_write": {"5m": 500, "1h": 1500}},
     12345, 678, "standard", "0.05424"),
    ("anthropic", "claude-haiku-4-5", {}, 1234, 567, "batch", "0.0020345"),
    ("google", "gemini-2.5-pro", {"cache_read": 100000}, 250000, 3000, None, "0.445"),
    ("google", "gemini-3.8-flash", {}, 5000, 3000, None, "0.015"),
    ("groq", "llama-3.3-70b-versatile", {}, 5000, 3000, "on_demand", "0.00532"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "cache", "given", "out", "tier", "usd"), HAND)
def test_bills_equal_hand_arithmetic_to_the_last_digit(
    provider, model, cache, given, out, tier, usd
) -> None:
    usage = Usage(input_total=given, output_total=out, **cache)
    found = bill(table(provider, model), usage, model=model, service_tier=tier, at=AT)
    assert found.usd == Decimal(usd)
    assert found.note == ""
    assert found.check_usd is None


@pytest.mark.parametrize(("provider", "model", "cache", "given", "out", "tier", "usd"), HAND)
def test_no_bill_of_the_table_exceeds_its_reservation(
    provider, model, cache, given, out, tier, usd
) -> None:
    assert reserve_for(table(provider, model), given, out) >= Decimal(usd)


def test_the_long_context_tier_begins_above_its_threshold_and_holds_for_every_token() -> None:
    prices = table("openai", "gpt-5.6")

    def cost(tokens: int) -> Decimal | None:
        usage = Usage(input_total=tokens, output_total=0)
        return bill(prices, usage, model=None, service_tier=None, at=AT).usd

    assert cost(272_000) == Decimal("1.088")
    assert cost(272_001) == Decimal("2.176008")


@pytest.mark.parametrize(
    ("provider", "model", "dearest_input", "dearest_output"),
    [
        ("openai", "gpt-5.6", "20", "60"),  # priority, long context, cache write
        ("anthropic", "claude-opus-5-5", "16", "40"),  # fast mode, one-hour cache write
        ("openai", "gpt-4o-mini", "0.25", "1"),  # priority
        ("google", "gemini-2.5-pro", "2.5", "15"),  # long context
        ("groq", "llama-3.3-70b-versatile", "0.59", "0.79"),
    ],
)
def test_reservations_use_the_dearest_price_within_reach(
    provider, model, dearest_input, dearest_output
) -> None:
    prices = table(provider, model)
    assert (prices.dearest_input, prices.dearest_output) == (
        Decimal(dearest_input),
        Decimal(dearest_output),
    )


def test_a_long_context_tier_out_of_reach_is_not_reserved_for() -> None:
    prices = table("openai", "gpt-5.6", bound_input=272_000)
    assert (prices.dearest_input, prices.dearest_output) == (Decimal(10), Decimal(40))
    assert table("openai", "gpt-5.6", bound_input=272_001) == table("openai", "gpt-5.6")


def test_the_hour_of_the_day_does_not_lower_a_reservation() -> None:
    cheap, dear = (datetime(2026, 11, 21, hour, tzinfo=UTC) for hour in (20, 8))
    at_night, by_day = (
        resolve("deepseek", "deepseek-v4-pro", None, simulated=False, request_usd=Decimal(0), at=at)
        for at in (cheap, dear)
    )
    assert at_night.input < by_day.input
    assert at_night.dearest_input == by_day.dearest_input == by_day.input


def test_the_source_names_table_version_entry_date_and_unit_prices() -> None:
    text = table("openai", "gpt-5.6").source
    assert text.startswith("genai-prices 0.")
    assert "openai/gpt-5.6-sol since 2026-08-21: $4 in, $20 out, $0.4 cache read, " in text
    assert text.endswith("$5 cache write for 1M tokens; at most $20 in, $60 out")


def test_the_plans_prices_are_the_base_ones() -> None:
    prices = table("openai", "gpt-5.6")
    assert (prices.provider, prices.model) == ("openai", "gpt-5.6")
    assert (prices.input, prices.output) == (Decimal(4), Decimal(20))
    assert (prices.cache_read, prices.cache_write) == (Decimal("0.4"), Decimal(5))


def test_a_charge_for_each_request_is_billed_and_reserved_once() -> None:
    charge = Decimal("0.001")
    prices = resolve("perplexity", "sonar", None, simulated=False, request_usd=charge, at=AT)
    assert prices.request == Decimal("0.013")
    usage = Usage(input_total=100, output_total=10)
    found = bill(prices, usage, model="sonar", service_tier=None, at=AT)
    assert found.usd == Decimal("0.01311")
    assert reserve_for(prices, 100, 10) == found.usd
    assert "$0.012 a request" in prices.source


@pytest.mark.parametrize(
    ("provider", "model", "message"),
    [
        (None, "llama", "no price is known for 'llama': its provider is in no price table"),
        ("openai", "gpt-unheard-of", "the price table has no openai/gpt-unheard-of"),
        ("nobody", "m", "the price table has no nobody/m"),
        ("openai", "whisper-1", "openai/whisper-1 has no price for text tokens"),
    ],
)
def test_an_unknown_price_is_an_error(provider, model, message) -> None:
    with pytest.raises(PriceUnknown, match=message):
        resolve(provider, model, None, simulated=False, request_usd=Decimal(0), at=AT)


def test_the_policys_price_comes_first_and_needs_no_table() -> None:
    prices = resolve(
        "openai",
        "gpt-5.6",
        override(cache_read=Decimal("0.5"), cache_write=Decimal(3), request=Decimal("0.001"),
                 source="contract of May"),
        simulated=True,
        request_usd=Decimal("0.002"),
    )  # fmt: skip
    assert (prices.provider, prices.dearest_input, prices.dearest_output) == (
        "policy",
        Decimal(3),
        Decimal(8),
    )
    assert prices.request == Decimal("0.003")
    assert prices.source == (
        "policy (contract of May): $2 in, $8 out, $0.5 cache read, $3 cache write "
        "for 1M tokens, $0.001 a request"
    )
    usage = Usage(
        input_total=1000, output_total=100, cache_read=400, cache_write={"5m": 100, "1h": 100}
    )
    found = bill(prices, usage, model="whatever", service_tier="priority")
    # 400 x 2 + 400 x 0.5 + 200 x 3 + 100 x 8, and the request
    assert found.usd == Decimal("0.0024") + Decimal("0.003")
    assert found.note == ""


def test_without_prices_of_its_own_cached_input_costs_what_input_costs() -> None:
    usage = Usage(input_total=1000, output_total=0, cache_read=400, cache_write={"5m": 100})
    assert bill(own(), usage, model=None, service_tier=None).usd == Decimal("0.002")


def test_free_is_free() -> None:
    prices = own(input=Decimal(0), output=Decimal(0))
    usage = Usage(input_total=1000, output_total=100)
    assert bill(prices, usage, model=None, service_tier=None).usd == 0
    assert reserve_for(prices, 10**6, 10**6) == 0


def test_simulated_targets_have_a_price_built_in() -> None:
    prices = simulated()
    assert (prices.input, prices.output) == (Decimal(1), Decimal(4))
    assert prices.source == "simulated: $1 in, $4 out for 1M tokens"
    usage = Usage(input_total=1000, output_total=100, cache_read=500)
    assert bill(prices, usage, model="sim", service_tier=None).usd == Decimal("0.0014")


def test_the_model_that_the_response_reports_is_what_is_paid() -> None:
    usage = Usage(input_total=1_000_000, output_total=0)
    prices = table("openai", "gpt-4o-mini")
    found = bill(prices, usage, model="gpt-5.6", service_tier=None, at=AT)
    assert found.usd == Decimal(8)
    assert found.note == "priced as 'gpt-5.6', the model that the response names"


def test_a_dated_name_of_the_same_model_is_no_news() -> None:
    usage = Usage(input_total=1_000_000, output_total=0)
    prices = table("openai", "gpt-4o-mini")
    found = bill(prices, usage, model="gpt-4o-mini-2024-07-18", service_tier=None, at=AT)
    assert (found.usd, found.note) == (Decimal("0.15"), "")


def test_an_unknown_model_in_the_response_is_paid_as_planned_and_said() -> None:
    usage = Usage(input_total=1_000_000, output_total=0)
    prices = table("openai", "gpt-4o-mini")
    found = bill(prices, usage, model="x" * 500, service_tier=None, at=AT)
    assert found.usd == Decimal("0.15")
    assert found.note == f"the response names model {'x' * 80!r}, which has no price"


def test_a_tier_without_a_price_is_said() -> None:
    usage = Usage(input_total=1_000_000, output_total=0)
    prices = table("groq", "llama-3.3-70b-versatile")
    found = bill(prices, usage, model=None, service_tier="Flex", at=AT)
    assert found.usd == Decimal("0.59")
    assert found.note == "no price for service tier 'flex': the standard price is used"


def test_cache_writes_of_a_lifetime_that_the_table_does_not_know_are_said() -> None:
    usage = Usage(input_total=1_000_000, output_total=0, cache_write={"12h": 1000, "30m": 1})
    found = bill(table("openai", "gpt-5.6", bound_input=1), usage, model=None, service_tier=None,
                 at=AT)  # fmt: skip
    assert found.note == "12h cache writes are priced as plain cache writes"


@pytest.mark.parametrize("prices", [simulated, lambda: table("openai", "gpt-4o-mini")])
@pytest.mark.parametrize(
    ("usage", "note"),
    [
        (None, "no usage was reported"),
        (Usage(input_total=5), "usage was reported without its totals"),
        (Usage(output_total=5), "usage was reported without its totals"),
        (Usage(input_total=5, output_total=5, source="estimated"), "token counts are estimated"),
        (Usage(input_total=5, output_total=5, cache_read=6), "usage contradicts itself"),
        (Usage(input_total=5, output_total=5, cache_read=3, cache_write={"5m": 3}), "contradicts"),
        (Usage(input_total=5, output_total=5, cache_read=-1), "usage contradicts itself"),
        (Usage(input_total=5, output_total=-5), "usage contradicts itself"),
        (Usage(input_total=5, output_total=5, reasoning=-1), "usage contradicts itself"),
    ],
)
def test_what_cannot_be_known_is_no_bill_and_never_clamped(prices, usage, note) -> None:
    found = bill(prices(), usage, model=None, service_tier=None, at=AT)
    assert found.usd is None
    assert note in found.note


def test_reasoning_priced_apart_and_larger_than_the_output_contradicts() -> None:
    prices = table("perplexity", "sonar-deep-research")
    usage = Usage(input_total=10, output_total=5, reasoning=6)
    found = bill(prices, usage, model=None, service_tier=None, at=AT)
    assert found.usd is None
    assert found.note.startswith("usage contradicts itself: ")


def test_reasoning_is_part_of_the_output_where_it_has_no_price_of_its_own() -> None:
    prices = table("openai", "gpt-5.6")
    plain = Usage(input_total=10, output_total=50)
    thought = Usage(input_total=10, output_total=50, reasoning=40)
    bills = {bill(prices, u, model=None, service_tier=None, at=AT).usd for u in (plain, thought)}
    assert bills == {Decimal("0.00104")}


def test_what_the_provider_states_is_preferred_and_ours_kept_as_a_check() -> None:
    usage = Usage(input_total=1000, output_total=100, cost_usd=Decimal("0.00141"))
    found = bill(simulated(), usage, model=None, service_tier=None)
    assert (found.usd, found.check_usd) == (Decimal("0.00141"), Decimal("0.0014"))
    assert found.note == ""


def test_a_stated_cost_far_from_ours_is_said() -> None:
    usage = Usage(input_total=1000, output_total=100, cost_usd=Decimal("0.002"))
    found = bill(simulated(), usage, model=None, service_tier=None)
    assert found.usd == Decimal("0.002")
    assert found.note == "the provider states $0.002, usage times price is $0.0014"


def test_a_stated_cost_stands_where_we_have_no_sum() -> None:
    found = bill(simulated(), Usage(cost_usd=Decimal("0.002")), model=None, service_tier=None)
    assert (found.usd, found.check_usd, found.note) == (Decimal("0.002"), None, "")


@pytest.mark.parametrize("stated", ["-1", "NaN", "Infinity"])
def test_a_stated_cost_that_is_no_amount_is_no_bill(stated) -> None:
    usage = Usage(input_total=1, output_total=1, cost_usd=Decimal(stated))
    found = bill(simulated(), usage, model=None, service_tier=None)
    assert found.usd is None
    assert "states a cost of" in found.note


def test_an_estimate_is_no_statement_of_the_provider() -> None:
    usage = Usage(input_total=1, output_total=1, cost_usd=Decimal(1), source="estimated")
    assert bill(simulated(), usage, model=None, service_tier=None).usd is None


def test_an_expected_cost_takes_means() -> None:
    assert expected(own(), 100.5, 10.25) == Decimal("0.000283")
    assert expected(own(request=Decimal("0.01")), 0.0, 0.0) == Decimal("0.01")


def test_reservations_round_up_never_down() -> None:
    prices = own(input=Decimal("0.0000001"), output=Decimal(0))
    assert reserve_for(prices, 1, 0) == Decimal("1e-12")
    assert reserve_for(own(), 1000, 10) == Decimal("0.00208")


@given(
    total=st.integers(0, 10**6),
    read=st.integers(0, 10**6),
    write=st.integers(0, 10**6),
    out=st.integers(0, 10**5),
    tier=st.sampled_from([None, "priority", "flex", "batch", "fast"]),
)
def test_no_usage_within_its_bounds_is_billed_above_its_reservation(
    total, read, write, out, tier
) -> None:
    read = min(read, total)
    writes = {"1h": min(write, total - read)}
    usage = Usage(input_total=total, output_total=out, cache_read=read, cache_write=writes)
    for provider, model in (("openai", "gpt-5.6"), ("anthropic", "claude-opus-5-5")):
        prices = table(provider, model)
        found = bill(prices, usage, model=model, service_tier=tier, at=AT)
        assert found.usd is not None
        assert found.usd <= reserve_for(prices, total, out)


def test_the_price_table_is_read_only_when_it_is_needed() -> None:
    code = (
        "import sys; from decimal import Decimal as D; from lens_gate.metrics import pricing as p; "
        "p.resolve(None, 'm', None, simulated=True, request_usd=D(0)); "
        "print('genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_sound_and_pictures_are_not_reserved_for_since_only_text_is_sent() -> None:
    prices = table("openai", "gpt-audio")
    assert (prices.dearest_input, prices.dearest_output) == (Decimal("2.5"), Decimal(10))


@pytest.mark.parametrize(
    ("usage", "booked"),
    [
        (Usage(input_total=1000, output_total=100, cost_usd=Decimal(0)), "0.0014"),
        (Usage(input_total=1000, output_total=100, cost_usd=Decimal("0.002")), "0.002"),
        (Usage(input_total=1000, output_total=100), "0.0014"),
        # Without a sum of our own the reservation stands for it.
        (Usage(cost_usd=Decimal(0)), "0.5"),
        (Usage(input_total=1, output_total=1, cache_read=2, cost_usd=Decimal("0.1")), "0.5"),
        (Usage(cost_usd=Decimal("0.7")), "0.7"),
        (Usage(input_total=5), None),
    ],
)
def test_the_ledger_books_the_larger_of_what_is_stated_and_what_we_reckon(usage, booked) -> None:
    found = bill(simulated(), usage, model=None, service_tier=None)
    assert to_book(found, Decimal("0.5")) == (None if booked is None else Decimal(booked))


@pytest.mark.parametrize("wrong", [{"provider": "nobody"}, {"model": "no-such-model"}])
def test_prices_of_a_saved_run_that_the_table_does_not_know_make_no_bill(wrong) -> None:
    prices = replace(table("openai", "gpt-4o-mini"), **wrong)
    found = bill(prices, Usage(input_total=1, output_total=1), model=None, service_tier=None)
    assert found.usd is None
    assert found.note.startswith("the price table has no ")


# Worked by hand from the vendors' price pages as the table has them (AT).
MORE_HAND = [
    # 10 searches at $10 for 1,000 beside the tokens of claude-opus-5-5 ($4 in, $20 out).
    ("anthropic", "claude-opus-5-5", {"charges": {"web_search": 10}}, 1000, 100, "0.106"),
    # gemini-2.5-flash: text $0.3, sound $1 for 1M input tokens, $2.5 out.
    ("google", "gemini-2.5-flash", {"input_audio": 600}, 1000, 100, "0.00097"),
    # The same with 400 tokens from the cache ($0.03): text is taken to be what was cached.
    ("google", "gemini-2.5-flash", {"input_audio": 600, "cache_read": 400}, 1000, 100, "0.000862"),
]


@pytest.mark.parametrize(("provider", "model", "more", "given", "out", "usd"), MORE_HAND)
def test_sound_and_searches_are_billed_by_the_table(provider, model, more, given, out, usd) -> None:
    usage = Usage(input_total=given, output_total=out, **more)
    found = bill(table(provider, model), usage, model=None, service_tier=None, at=AT)
    assert found.usd == Decimal(usd)
    assert found.note == ""


def test_searches_without_a_price_are_told_and_not_guessed() -> None:
    usage = Usage(input_total=1000, output_total=100, charges={"web_search": 2})
    plain = replace(usage, charges={})
    prices = table("groq", "llama-3.3-70b-versatile")
    found = bill(prices, usage, model=None, service_tier=None, at=AT)
    assert found.usd is None
    assert found.check_usd == bill(prices, plain, model=None, service_tier=None, at=AT).usd
    assert found.note.endswith("at a price that is not known: web_search")

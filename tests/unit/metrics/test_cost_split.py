"""What a bill is made of: exactly its sum, by a foreign arithmetic and by our own."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as Units
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.metrics.cost_split import PARTS, cost_parts
from lens_gate.metrics.pricing import bill, resolve
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import PriceEntry, PriceOverride, PriceTier, PriceVariant

AT = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)


def usd(text: str) -> Decimal:
    return Decimal(text)


def table(provider: str, model: str, **given) -> UnitPrices:
    given = {"request_usd": Decimal(0), **given}
    return resolve(provider, model, None, simulated=False, at=AT, **given)


def card(*, variants=(), tiers=(), discount="0", request_usd="0", **prices) -> UnitPrices:
    units = {"input": usd("2"), "output": usd("8"), **{k: usd(v) for k, v in prices.items()}}
    entry = PriceEntry(prices=units, variants=variants, tiers=tiers, discount=usd(discount))
    override = PriceOverride(entries=(entry,))
    return resolve(None, "m", override, simulated=False, request_usd=usd(request_usd))


def billed(sample, prices: UnitPrices, usage: Usage, *, at=AT, **given):
    """A request that was billed as the runner does it."""
    model, tier = given.get("model", prices.model), given.get("service_tier")
    cost = bill(prices, usage, model=model, service_tier=tier, at=at).usd
    assert cost is not None
    return sample(**{"model": model, **given}, usage=usage, cost_usd=cost)


def test_each_kind_of_token_at_its_own_price(sample) -> None:
    prices = card(cache_read="0.2", cache_write_1h="4", reasoning="10", request="0.001")
    usage = Usage(
        input_total=100, cache_read=30, cache_write={"1h": 20}, output_total=50, reasoning=40
    )
    assert cost_parts(billed(sample, prices, usage), prices, AT) == {
        "input": usd("0.0001"),
        "cached": usd("0.000006"),
        "cache_write": usd("0.00008"),
        "output": usd("0.00008"),
        "reasoning": usd("0.0004"),
        "request": usd("0.001"),
    }


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "gpt-4o-mini", {"cache_read": 512}),
        ("openai", "gpt-5.6", {"cache_read": 100, "cache_write": {"default": 200}}),
        ("openai", "gpt-5.6", {"input_total": 300_000, "reasoning": 700}),
        ("anthropic", "claude-opus-5-5", {"cache_read": 400, "cache_write": {"5m": 50, "1h": 15}}),
        ("google", "gemini-2.5-pro", {"input_total": 250_000, "cache_read": 100_000}),
        ("groq", "llama-3.3-70b-versatile", {}),
    ],
)
def test_the_table_parts_agree_with_the_tables_own_sums(sample, provider, model, usage) -> None:
    usage = Usage(**{"input_total": 1234, "output_total": 999, **usage})
    prices = table(provider, model)
    request = billed(sample, prices, usage)
    parts = cost_parts(request, prices, AT)
    own = {
        "input_tokens": usage.input_total,
        "output_tokens": usage.output_total,
        "cache_read_tokens": usage.cache_read or 0,
        "cache_write_tokens": sum(usage.cache_write.values()),
        "cache_write_5m_tokens": usage.cache_write.get("5m", 0),
        "cache_write_1h_tokens": usage.cache_write.get("1h", 0),
        "output_reasoning_tokens": usage.reasoning or 0,
    }
    theirs = calc_price(Units(**own), model, provider_id=provider, genai_request_timestamp=AT)
    assert sum(parts.values()) == request.cost_usd == theirs.total_price
    assert sum(parts.get(p, 0) for p in ("input", "cached", "cache_write")) == theirs.input_price
    assert sum(parts.get(p, 0) for p in ("output", "reasoning")) == theirs.output_price
    assert "other" not in parts


COUNTS = st.integers(0, 400_000)
PRICES = st.decimals("0", "99", places=4)


@given(
    counts=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    prices=st.tuples(PRICES, PRICES, PRICES, PRICES, PRICES),
    discount=st.sampled_from(["0", "0.15", "0.333"]),
)
def test_any_parts_are_the_whole_bill(sample, counts, prices, discount) -> None:
    uncached, read, written, output, reasoning = counts
    names = ("input", "output", "cache_read", "cache_write_5m", "reasoning")
    usage = Usage(
        input_total=uncached + read + written,
        cache_read=read,
        cache_write={"5m": written},
        output_total=output + reasoning,
        reasoning=reasoning,
    )
    tier = PriceTier(above=200_000, prices={"input": usd("7")})
    own = card(
        **dict(zip(names, map(str, prices), strict=True)),
        tiers=(tier,),
        discount=discount,
    )
    request = billed(sample, own, usage)
    parts = cost_parts(request, own, AT)
    assert sum(parts.values(), Decimal(0)) == request.cost_usd
    assert set(parts) <= set(PARTS) - {"request", "other"}
    assert all(parts.values())


def test_parts_that_are_floats_would_not_be_the_bill(sample) -> None:
    prices = card(reasoning="0.1")
    usage = Usage(input_total=1, output_total=23, reasoning=2)
    request = billed(sample, prices, usage)
    parts = cost_parts(request, prices, AT)
    assert sum(parts.values()) == request.cost_usd
    assert Decimal(sum(map(float, parts.values()))) != request.cost_usd


def test_a_variant_and_the_responses_model_choose_the_prices(sample) -> None:
    flex = PriceVariant(by="tier", value="flex", prices={}, multiply=usd("0.5"))
    prices = card(variants=(flex,))
    usage = Usage(input_total=10, output_total=10)
    plain = cost_parts(billed(sample, prices, usage), prices, AT)
    half = cost_parts(billed(sample, prices, usage, service_tier="Flex"), prices, AT)
    assert half == {part: amount / 2 for part, amount in plain.items()}
    asked = table("openai", "gpt-4o")
    request = billed(sample, asked, usage, model="gpt-4o-mini", service_tier="default")
    assert cost_parts(request, asked, AT) == {
        "input": usd("0.0000015"),
        "output": usd("0.000006"),
    }
    unheard = billed(sample, asked, usage, model="nobody-knows-it")
    assert sum(cost_parts(unheard, asked, AT).values()) == unheard.cost_usd


def test_what_is_no_token_of_text_is_the_rest(sample) -> None:
    usage = Usage(input_total=100, output_total=10, input_audio=40, output_audio=4)
    prices = card(audio_input="50", audio_output="100", request="0.01")
    parts = cost_parts(billed(sample, prices, usage), prices, AT)
    assert parts == {
        "input": usd("0.00012"),
        "output": usd("0.000048"),
        "request": usd("0.01"),
        "other": usd("0.0024"),
    }


def test_a_request_that_cost_less_than_the_dearest_charge_keeps_its_sum(sample) -> None:
    prices = replace(card(), request=usd("0.5"))
    request = sample(usage=Usage(input_total=1, output_total=0), cost_usd=usd("0.2"), model="m")
    parts = cost_parts(request, prices, AT)
    assert parts == {"input": usd("0.000002"), "request": usd("0.199998")}


def test_earlier_attempts_are_the_rest(sample) -> None:
    prices = card()
    request = billed(sample, prices, Usage(input_total=10, output_total=10), attempts=2)
    twice = replace(request, cost_usd=request.cost_usd * 2)
    assert cost_parts(twice, prices, AT)["other"] == request.cost_usd


def test_what_the_provider_states_may_be_rounded_and_no_more(sample) -> None:
    prices = card()
    usage = Usage(input_total=10, output_total=10, cost_usd=usd("0.0001"))
    exact = sample(usage=usage, cost_usd=usd("0.0001"), model="m")
    assert sum(cost_parts(exact, prices, AT).values()) == usd("0.0001")
    rounded = replace(exact, cost_usd=usd("0.000101"))
    assert cost_parts(rounded, prices, AT)["other"] == usd("0.000001")
    for other in ("0.00011", "0.00009"):
        assert cost_parts(replace(exact, cost_usd=usd(other)), prices, AT) == {}


def test_there_are_no_parts_of_what_is_not_known(sample) -> None:
    prices = card()
    usage = Usage(input_total=10, output_total=10)
    known = billed(sample, prices, usage)
    assert cost_parts(known, prices, AT)
    assert cost_parts(known, None, AT) == {}
    assert cost_parts(known, replace(prices, override=None), AT) == {}
    assert cost_parts(replace(known, cost_usd=None), prices, AT) == {}
    assert cost_parts(replace(known, usage=None), prices, AT) == {}
    assert cost_parts(replace(known, usage=Usage(input_total=10)), prices, AT) == {}
    assert cost_parts(replace(known, usage=Usage(output_total=10)), prices, AT) == {}
    gone = replace(prices, provider="openai", model="nobody-knows-it")
    assert cost_parts(replace(known, model=None), gone, AT) == {}
    contradicting = replace(usage, cache_read=11)
    assert cost_parts(replace(known, usage=contradicting), prices, AT) == {}


def test_a_price_of_another_model_is_none(sample) -> None:
    prices = card()
    entry = PriceEntry(prices={"input": usd("1"), "output": usd("1")}, model="else", match="exact")
    other = replace(prices, override=PriceOverride(entries=(entry,)))
    request = sample(usage=Usage(input_total=1, output_total=1), cost_usd=usd("1"), model="m")
    assert cost_parts(request, other, AT) == {}


def test_what_costs_nothing_has_no_parts(sample) -> None:
    prices = card(input="0", output="0")
    assert cost_parts(billed(sample, prices, Usage(input_total=9, output_total=9)), prices) == {}

"""Prices of a target in every form, and what is said of those that make no sense."""

import textwrap
from decimal import Decimal

import pytest

from lens_gate.records.policy import PriceEntry, PriceTier, PriceVariant

EVERYTHING = """\
  - model: gpt-4.1-mini
    input: 0.40
    output: "1.60"
    cache_read: 0.1
    cache_write: 0.5
    cache_write_5m: 0.6
    cache_write_30m: 0.7
    cache_write_1h: 0.8
    cache_write_12h: 0.9
    audio_input: 2
    audio_output: 3
    image_input: 4
    reasoning: 5
    request: 0.001
    searches: 25
    tiers:
      - {above: 200000, input: 0.8, output: 3.2}
    variants:
      - {service_tier: flex, multiply: 0.5}
      - {speed: fast, input: 4, output: 16}
      - {processing: batch, multiply: 0.5}
      - {region: eu, multiply: 1.1}
    valid_from: "2026-01-01"
    valid_to: 2026-12-31
    hours: "16:30-00:30"
    weekdays: [mon, sun]
    discount: 12.5%
    currency: EUR
    usd: 1.08
    source: contract
  - model: {prefix: gpt-4}
    input: 1
    output: 2
  - model: {regex: "o[0-9]+"}
    hour: 2.5
"""


def with_price(small: str, yaml: str) -> str:
    return small.replace(
        "    model: gpt-4.1-mini\n",
        "    model: gpt-4.1-mini\n    price:\n" + textwrap.indent(yaml, "    "),
    )


def test_every_form_is_read_to_the_last_digit(load_text, small) -> None:
    price = load_text(with_price(small, EVERYTHING)).targets["mini"].price
    first, second, third = price.entries
    assert first == PriceEntry(
        prices={
            unit: Decimal(amount)
            for unit, amount in {
                "input": "0.40",
                "output": "1.60",
                "cache_read": "0.1",
                "cache_write": "0.5",
                "cache_write_5m": "0.6",
                "cache_write_30m": "0.7",
                "cache_write_1h": "0.8",
                "cache_write_12h": "0.9",
                "audio_input": "2",
                "audio_output": "3",
                "image_input": "4",
                "reasoning": "5",
                "request": "0.001",
                "searches": "25",
            }.items()
        },
        model="gpt-4.1-mini",
        match="exact",
        tiers=(
            PriceTier(above=200_000, prices={"input": Decimal("0.8"), "output": Decimal("3.2")}),
        ),
        variants=(
            PriceVariant(by="service_tier", value="flex", prices={}, multiply=Decimal("0.5")),
            PriceVariant(
                by="speed", value="fast", prices={"input": Decimal(4), "output": Decimal(16)}
            ),
            PriceVariant(by="processing", value="batch", prices={}, multiply=Decimal("0.5")),
            PriceVariant(by="region", value="eu", prices={}, multiply=Decimal("1.1")),
        ),
        valid_from="2026-01-01",
        valid_to="2026-12-31",
        hours=(990, 30),
        weekdays=(0, 6),
        discount=Decimal("0.125"),
        currency="EUR",
        usd=Decimal("1.08"),
        source="contract",
    )
    assert (second.match, second.model) == ("prefix", "gpt-4")
    assert (third.match, third.model, third.prices) == (
        "regex",
        "o[0-9]+",
        {"hour": Decimal("2.5")},
    )


@pytest.mark.parametrize(
    ("yaml", "where", "message"),
    [
        ("  input: 1\n", (9, 7), "price has no output"),
        ("  {input: 1, output: 2, tiers: [{above: 9}]}\n", (9, 37), ""),
        ("  {input: 1, output: 2, tiers: [{input: 9}]}\n", (9, 37), "above"),
        ("  {input: 1, output: 2, variants: [{multiply: 2}]}\n", (9, 40), ""),
        ("  {input: 1, output: 2, variants: [{speed: fast, region: eu}]}\n", (9, 40), ""),
        (
            "  {input: 1, output: 2, variants: [{speed: fast}]}\n",
            (9, 40),
            "this variant changes no price",
        ),
        ("  {input: 1, output: 2, hours: '25:00-26:00'}\n", (9, 36), "hours"),
        ("  {input: 1, output: 2, hours: '10:00-10:00'}\n", (9, 36), "these hours are empty"),
        ("  {input: 1, output: 2, valid_from: '2026-02-30'}\n", (9, 41), "no day of the calendar"),
        ("  {input: 1, output: 2, weekdays: [someday]}\n", (9, 40), "weekdays"),
        ("  {input: 1, output: 2, currency: EUR}\n", (9, 7), "currency and usd belong together"),
        ("  {input: 1, output: 2, usd: 2}\n", (9, 7), "currency and usd belong together"),
        ("  {input: 1, output: 2, model: {regex: '('}}\n", (9, 36), "no regular expression"),
        ("  {input: 1, output: 2, model: {regex: '(a+)+'}}\n", (9, 36), "may take forever"),
        ("  {input: 1, output: 2, model: {regex: '(a|a){9}'}}\n", (9, 36), "may take forever"),
        ("  {input: 1, output: 2, model: {regex: '.*a.*b.*c.*'}}\n", (9, 36), "may take forever"),
        ("  {input: 1, output: 2, model: {prefix: a, regex: b}}\n", (9, 36), ""),
        ("  []\n", (9, 7), ""),
    ],
)
def test_nonsense_is_told_with_its_place(problems_of, small, yaml, where, message) -> None:
    problems = problems_of(with_price(small, yaml))
    found = [p for p in problems if (p.line, p.column) == where]
    assert found, [(p.line, p.column, p.message) for p in problems]
    assert message in found[0].message


@pytest.mark.parametrize(
    "pattern", [r"gpt-4[.]1.*", r"(a|b)?c+", r"o[0-9*+{]{1,3}-.*", r"\(x\)+", r"[]*+)]*[^]+]+"]
)
def test_a_regular_expression_that_ends_soon_is_taken(load_text, small, pattern) -> None:
    yaml = f"  {{input: 1, output: 2, model: {{regex: '{pattern}'}}}}\n"
    (entry,) = load_text(with_price(small, yaml)).targets["mini"].price.entries
    assert (entry.match, entry.model) == ("regex", pattern)

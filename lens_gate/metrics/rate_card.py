"""Prices that the policy gives: which entry applies, and what its units cost.

Of the entries the first that applies counts. Within it prices are refined in this order: the tier
of the request's size, the variants of its region and service tier (named prices before factors),
exchange rate and discount.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from lens_gate.metrics.price_table import Parts, prices_text
from lens_gate.records.policy import PriceEntry, PriceOverride, PriceVariant

MILLION = Decimal(1_000_000)
THOUSAND = Decimal(1000)
ZERO = Decimal(0)

_LONGEST_NAME = 300

FALLBACKS: Mapping[str, str] = MappingProxyType(
    {
        "cache_read": "input",
        "cache_write": "input",
        "cache_write_5m": "cache_write",
        "cache_write_30m": "cache_write",
        "cache_write_1h": "cache_write",
        "cache_write_12h": "cache_write",
        "audio_input": "input",
        "image_input": "input",
        "audio_output": "output",
        "reasoning": "output",
    }
)
"""A unit without a price of its own costs what another one costs."""

INPUT_UNITS = ("input", *(u for u in FALLBACKS if u.startswith("cache") or u.endswith("_input")))
OUTPUT_UNITS = ("output", "audio_output", "reasoning")
OTHER_UNITS = ("request", "searches", "hour")
"""Of these a price that is not given is zero."""


FREE = PriceOverride(entries=(PriceEntry(prices={"input": ZERO, "output": ZERO}, source="free"),))
"""A price of zero, said aloud."""


def applying(
    override: PriceOverride, model: str, at: datetime | None, *, ever: bool = False
) -> Iterator[PriceEntry]:
    """The entries for this model, best first.

    Args:
        override: the policy's prices.
        model: the model's id.
        at: the moment of the request (aware).
        ever: also those whose time is another one.
    """
    for entry in override.entries:
        if _is_for(entry, model) and (ever or _in_force(entry, at)):
            yield entry


def unit_prices(
    entry: PriceEntry, *, words: frozenset[str], region: str | None, total_input: int
) -> Mapping[str, Decimal]:
    """Dollars by unit for a request of this size; every unit has its price.

    ``words`` are what the response says of service tier, speed and processing, in lower case.
    """
    chosen = dict(entry.prices)
    for tier in sorted(entry.tiers, key=lambda t: t.above):
        if total_input > tier.above:
            chosen |= tier.prices
    picked = [v for v in entry.variants if _is_chosen(v, words, region)]
    for variant in picked:
        chosen |= variant.prices
    factor = entry.usd * (1 - entry.discount)
    for variant in picked:
        factor *= 1 if variant.multiply is None else variant.multiply
    whole = {unit: _with_fallback(chosen, unit) for unit in (*INPUT_UNITS, *OUTPUT_UNITS)}
    whole |= {unit: chosen.get(unit, ZERO) for unit in OTHER_UNITS}
    return {unit: price * factor for unit, price in whole.items()}


def possible(
    entry: PriceEntry, region: str | None, bound_input: int | None
) -> Iterator[Mapping[str, Decimal]]:
    """The prices of every size within reach under every tier that a response could name."""
    sizes = {0, *(t.above + 1 for t in entry.tiers if bound_input is None or bound_input > t.above)}
    named = {v.value.lower() for v in entry.variants if v.by != "region"}
    for words in (frozenset[str](), *(frozenset({word}) for word in named)):
        for size in sizes:
            yield unit_prices(entry, words=words, region=region, total_input=size)


def knows(entry: PriceEntry, words: frozenset[str]) -> bool:
    """Whether the entry has a variant for what the response says of its service tier."""
    return any(v.by != "region" and v.value.lower() in words for v in entry.variants)


def is_free(entry: PriceEntry) -> bool:
    """Whether nothing costs anything: what has no price of its own neither."""
    prices = [entry.prices, *(t.prices for t in entry.tiers), *(v.prices for v in entry.variants)]
    return not any(price for given in prices for price in given.values())


def total(prices: Mapping[str, Decimal], parts: Parts, *, seconds: float, sharing: int) -> Decimal:
    """What a request costs, US dollars.

    ``seconds`` is its wall time, ``sharing`` how many requests share the server meanwhile.
    """
    reasoning = parts.reasoning or 0
    tokens = (
        prices["input"] * parts.uncached
        + prices["cache_read"] * parts.read
        + sum(
            (
                prices.get(f"cache_write_{life}", prices["cache_write"]) * count
                for life, count in parts.writes.items()
            ),
            ZERO,
        )
        + prices["audio_input"] * parts.audio_in
        + prices["image_input"] * parts.image_in
        + prices["output"] * (parts.output - parts.audio_out - reasoning)
        + prices["audio_output"] * parts.audio_out
        + prices["reasoning"] * reasoning
    )
    by_time = for_time(prices["hour"], seconds / sharing)
    searches = prices["searches"] * parts.searches / THOUSAND
    return tokens / MILLION + prices["request"] + searches + by_time


def for_time(hour: Decimal, seconds: float) -> Decimal:
    """What so many seconds of a server cost, to 12 places: sums of it stay exact in 28 digits."""
    if not hour:
        return ZERO
    return (hour * Decimal(seconds) / 3600).quantize(Decimal("1e-12"))


def told(entry: PriceEntry, prices: Mapping[str, Decimal]) -> str:
    """The entry for people, after the name of whose prices they are."""
    note = f" ({entry.source})" if entry.source else ""
    read, write = (prices[u] if u in entry.prices else None for u in ("cache_read", "cache_write"))
    text = prices_text(prices["input"], prices["output"], read, write, prices["request"])
    more = [f"${prices['hour']:f} an hour, shared by concurrent requests"] if prices["hour"] else []
    if entry.discount:
        more.append(f"{entry.discount * 100:f} % discount taken off")
    if entry.currency != "USD":
        more.append(f"{entry.currency} at {entry.usd:f} US dollars")
    if entry.tiers or entry.variants:
        more.append("more by size or service tier")
    return "; ".join([f"{note}: {text}", *more])


def _is_for(entry: PriceEntry, model: str) -> bool:
    if entry.match == "exact":
        return model == entry.model
    if entry.match == "prefix":
        return model.startswith(entry.model)
    if entry.match == "any":
        return True
    # A server may call its model what it likes.
    return len(model) <= _LONGEST_NAME and re.fullmatch(entry.model, model) is not None


def _in_force(entry: PriceEntry, at: datetime | None) -> bool:
    limited = entry.valid_from or entry.valid_to or entry.hours or entry.weekdays
    if not limited:
        return True
    if at is None:
        return False
    now = at.astimezone(UTC)
    today = now.date().isoformat()
    if today < (entry.valid_from or today) or today > (entry.valid_to or today):
        return False
    if entry.weekdays and now.weekday() not in entry.weekdays:
        return False
    if not entry.hours:
        return True
    start, end = entry.hours
    minute = now.hour * 60 + now.minute
    return start <= minute < end if start <= end else minute >= start or minute < end


def _is_chosen(variant: PriceVariant, words: frozenset[str], region: str | None) -> bool:
    if variant.by == "region":
        return variant.value == region
    return variant.value.lower() in words


def _with_fallback(prices: Mapping[str, Decimal], unit: str) -> Decimal:
    while unit not in prices and unit in FALLBACKS:
        unit = FALLBACKS[unit]
    return prices.get(unit, ZERO)

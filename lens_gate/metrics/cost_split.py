"""What a bill is made of: the tokens of one request, each kind at its own price.

The bill itself is never computed here: it was made when the request ended. Its parts are priced
again by the prices that held then, and what they leave of it is a part of its own; parts that come
to more than the bill are no parts of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from lens_gate.metrics import price_table, rate_card
from lens_gate.metrics.pricing import MILLION, POLICY, SIMULATED, STANDARD_TIERS, TIER_WORDS
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import PriceEntry, PriceOverride
from lens_gate.records.sample import Sample

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

PARTS: tuple[str, ...] = (
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "request",
    "other",
)
"""The parts of a bill, in the order in which they are shown."""

ZERO = Decimal(0)
# Of what a provider states, ours may be so far off and still be its parts (rounding, at most).
_ROUNDING = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prices:
    """Dollars for 1,000,000 tokens that are text; ``writes`` by the cache's lifetime."""

    input: Decimal
    cached: Decimal
    write: Decimal
    writes: Mapping[str, Decimal]
    output: Decimal
    reasoning: Decimal


def cost_parts(
    sample: Sample, prices: UnitPrices | None, at: datetime | None = None
) -> Mapping[str, Decimal]:
    """The parts of this request's bill, US dollars: together exactly ``sample.cost_usd``.

    ``other`` is what the rest has no name for: sound and pictures, searches, a server's time by the
    hour, attempts before the last, and what a provider's own statement rounds. Parts of nothing
    are left out. Empty where the bill or its prices are not known, and where prices of today do not
    explain it.

    Args:
        sample: the request.
        prices: its target's; ``None`` where they are not known.
        at: when it was billed (aware), for prices that are bound to a time.
    """
    usage, cost = sample.usage, sample.cost_usd
    if cost is None or usage is None or prices is None:
        return {}
    named = _tokens(usage, sample, prices, at)
    # Of counts that contradict each other nothing is made (a part larger than its total).
    if named is None or min(named.values()) < 0:
        return {}
    rest = cost - sum(named.values(), ZERO)
    if rest < 0 or (usage.cost_usd is not None and rest > cost * _ROUNDING):
        return {}
    # What a request costs by itself is the only charge beside tokens that every price has.
    request = min(rest, prices.request)
    found = {**named, "request": request, "other": rest - request}
    return {part: found[part] for part in PARTS if found.get(part)}


def _tokens(
    usage: Usage, sample: Sample, prices: UnitPrices, at: datetime | None
) -> dict[str, Decimal] | None:
    """The parts that are tokens of text, or nothing where no price is known."""
    if usage.input_total is None or usage.output_total is None:
        return None
    own = _prices(prices, sample.model, sample.service_tier or "", at, usage.input_total)
    if own is None:
        return None
    read, written = usage.cache_read or 0, sum(usage.cache_write.values())
    uncached = usage.input_total - read - written
    # Counted among all input, and billed at prices of their own where there are any.
    media = min(uncached, (usage.input_audio or 0) + (usage.input_image or 0))
    reasoning = usage.reasoning or 0
    text = usage.output_total - reasoning - (usage.output_audio or 0)
    writes = (own.writes.get(life, own.write) * n for life, n in usage.cache_write.items())
    return {
        "input": own.input * (uncached - media) / MILLION,
        "cached": own.cached * read / MILLION,
        "cache_write": sum(writes, ZERO) / MILLION,
        "output": own.output * text / MILLION,
        "reasoning": own.reasoning * reasoning / MILLION,
    }


def _prices(
    prices: UnitPrices, model: str | None, tier: str, at: datetime | None, total_input: int
) -> _Prices | None:
    """The unit prices of a request of this size, as its response names model and tier."""
    names = (model or prices.model, prices.model)
    if prices.provider in (POLICY, SIMULATED):
        return _of_card(prices, names, tier.lower(), at, total_input)
    # To the minute: so do prices change, and so a run asks the table a few times, not thousands.
    minute = None if at is None else at.astimezone(UTC).replace(second=0, microsecond=0)
    found = _of_table(prices.provider, names, tier.lower(), minute)
    return None if found is None else _sized(found, total_input)


def _of_card(
    prices: UnitPrices, names: tuple[str, ...], tier: str, at: datetime | None, total_input: int
) -> _Prices | None:
    if prices.override is None:
        return None
    entry = _entry(prices.override, names, at)
    if entry is None:
        return None
    words = frozenset[str]() if tier in STANDARD_TIERS else frozenset({tier})
    own = rate_card.unit_prices(entry, words=words, region=prices.region, total_input=total_input)
    lives = (unit for unit in own if unit.startswith("cache_write_"))
    return _Prices(
        input=own["input"],
        cached=own["cache_read"],
        write=own["cache_write"],
        writes={life.removeprefix("cache_write_"): own[life] for life in lives},
        output=own["output"],
        reasoning=own["reasoning"],
    )


def _entry(
    override: PriceOverride, names: tuple[str, ...], at: datetime | None
) -> PriceEntry | None:
    return next((e for name in names for e in rate_card.applying(override, name, at)), None)


@lru_cache(maxsize=256)
def _of_table(
    provider: str, names: tuple[str, ...], tier: str, at: datetime | None
) -> "ModelPrice | None":
    context = {} if tier in STANDARD_TIERS else dict.fromkeys(TIER_WORDS, tier)
    for name in names:
        try:
            return price_table.price_of(
                provider, name, price_table.Parts(), context, at
            ).model_price
        except price_table.PriceUnknown:
            continue
    return None


def _sized(price: "ModelPrice", total_input: int) -> _Prices:
    """The table's prices for a request of this size; a kind without its own costs its parent's."""

    def unit(key: str, without: Decimal = ZERO) -> Decimal:
        value = getattr(price, key)
        if value is None or isinstance(value, Decimal):
            return without if value is None else value
        above = (tier.price for tier in reversed(value.tiers) if total_input > tier.start)
        sized: Decimal = next(above, value.base)
        return sized

    plain = unit("input_mtok")
    write = unit("cache_write_mtok", plain)
    output = unit("output_mtok")
    return _Prices(
        input=plain,
        cached=unit("cache_read_mtok", plain),
        write=write,
        writes={life: unit(f"cache_write_{life}_mtok", write) for life in price_table.WRITE_UNITS},
        output=output,
        reasoning=unit("output_reasoning_mtok", output),
    )

"""The price table: what ``genai-prices`` says, asked in our words. Its only owner.

The data come with the library (nothing is fetched). It is imported when the first price is asked
for: that takes half a second, which most verbs save.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, PriceCalculation

# Lifetimes of cache writes that the table tells apart; others cost its plain cache write.
WRITE_UNITS = {"5m": "cache_write_5m_tokens", "1h": "cache_write_1h_tokens"}
# What requests of this program never hold: pictures they may, sound, films and paid tools not.
_OTHER_MEDIA = ("audio", "video", "tool", "output_image")


class PriceUnknown(LookupError):  # noqa: N818  # named by the plan of the house
    """No price for this model: one must be given in the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is billed of one request. Input counts do not overlap; ``uncached`` is text alone.

    ``output`` is all of the output, ``audio_out`` and ``reasoning`` are parts of it. ``searches``
    are billed apart from tokens.
    """

    uncached: int = 0
    read: int = 0
    writes: Mapping[str, int] = field(default_factory=dict)
    audio_in: int = 0
    image_in: int = 0
    output: int = 0
    audio_out: int = 0
    reasoning: int | None = None
    searches: int = 0

    @property
    def written(self) -> int:
        """Tokens written to a cache, of whatever lifetime."""
        return sum(self.writes.values())

    @property
    def total_input(self) -> int:
        """All input tokens: they choose the long-context tier."""
        return self.uncached + self.read + self.written + self.audio_in + self.image_in


def look_up(provider: str, model: str, at: datetime | None) -> "PriceCalculation":
    """What the table has of a model.

    Raises:
        PriceUnknown: it has no such provider or model.
    """
    return price_of(provider, model, Parts(), {}, at)


def price_of(
    provider: str, model: str, parts: Parts, context: Mapping[str, str], at: datetime | None
) -> "PriceCalculation":
    """Ask the table.

    Raises:
        PriceUnknown: it has no such provider or model, or can't price such parts.
    """
    from genai_prices import Usage as Units  # noqa: PLC0415  # half a second that most verbs save
    from genai_prices import calc_price  # noqa: PLC0415  # likewise

    units = {
        "input_tokens": parts.total_input,
        "cache_read_tokens": parts.read,
        "cache_write_tokens": parts.written,
        "output_tokens": parts.output,
    }
    units |= {unit: parts.writes.get(life, 0) for life, unit in WRITE_UNITS.items()}
    media = {
        "input_audio_tokens": parts.audio_in,
        "input_image_tokens": parts.image_in,
        "output_audio_tokens": parts.audio_out,
        "web_searches": parts.searches,
    }
    # The table wants to know how kinds overlap: what came from the cache is taken for text, which
    # is the cheapest to have been cached, so that the sum is no smaller than the bill.
    overlaps = {
        f"cache_{kind}_{way}_tokens": 0
        for kind in ("audio", "image")
        if media[f"input_{kind}_tokens"]
        for way in ("read", "write", "write_5m", "write_1h")
    }
    units |= {unit: count for unit, count in media.items() if count} | overlaps
    if parts.reasoning is not None:
        units["output_reasoning_tokens"] = parts.reasoning
    try:
        return calc_price(
            Units(**units),
            model,
            provider_id=provider,
            genai_request_timestamp=at,
            price_context=context,
        )
    except (LookupError, ValueError) as error:
        raise PriceUnknown(f"the price table has no {provider}/{model[:80]}") from error


def reachable(found: "PriceCalculation") -> Iterator["ModelPrice"]:
    """Every set of prices by which a request of today could be billed.

    The one in force, those of other hours of the day, and every service tier's: a tier is the
    server's choice, told only in the response.
    """
    yield found.model_price
    dated = found.model.prices
    if isinstance(dated, list) and any(hasattr(p.constraint, "start_time") for p in dated):
        yield from (p.prices for p in dated if not hasattr(p.constraint, "start_date"))
    yield from (variant.prices for variant in found.model.price_variants or ())


def tops(
    reachable: Iterable["ModelPrice"], kinds: tuple[str, ...], bound_input: int | None
) -> Iterator[Decimal]:
    """Every unit price of text tokens of these kinds, long-context tiers within reach included."""
    for price in reachable:
        for key, value in vars(price).items():
            if not key.startswith(kinds) or not key.endswith("_mtok") or value is None:
                continue
            if any(medium in key for medium in _OTHER_MEDIA):
                continue
            if isinstance(value, Decimal):
                yield value
                continue
            yield value.base
            yield from (
                t.price for t in value.tiers if bound_input is None or bound_input > t.start
            )


def base(price: "ModelPrice", key: str) -> Decimal | None:
    """The price below every long-context tier, dollars for 1,000,000 tokens."""
    value = getattr(price, key)
    return value if value is None or isinstance(value, Decimal) else value.base


def for_a_request(price: "ModelPrice") -> Decimal:
    """The table's own charge for a request, dollars."""
    for_a_thousand = base(price, "requests_kcount")
    return Decimal(0) if for_a_thousand is None else for_a_thousand / 1000


def source_of(found: "PriceCalculation", dearest_input: Decimal, dearest_output: Decimal) -> str:
    """Library, version, entry, the date from which its prices count where known, and the prices."""
    from genai_prices import __version__  # noqa: PLC0415  # see above

    price = found.model_price
    entries = found.model.prices if isinstance(found.model.prices, list) else ()
    starts = (getattr(p.constraint, "start_date", None) for p in entries if p.prices is price)
    since = "".join(f" since {start}" for start in starts if start)
    named = prices_text(
        base(price, "input_mtok"),
        base(price, "output_mtok"),
        base(price, "cache_read_mtok"),
        base(price, "cache_write_mtok"),
        for_a_request(price),
    )
    return (
        f"genai-prices {__version__}, {found.provider.id}/{found.model.id}{since}: {named}; "
        f"at most ${dearest_input:f} in, ${dearest_output:f} out"
    )


def prices_text(
    given: Decimal | None,
    output: Decimal | None,
    read: Decimal | None,
    write: Decimal | None,
    request: Decimal,
) -> str:
    """Unit prices for people: ``$1 in, $4 out for 1M tokens``."""
    parts = ((given, "in"), (output, "out"), (read, "cache read"), (write, "cache write"))
    text = ", ".join(f"${price:f} {name}" for price, name in parts if price is not None)
    return f"{text} for 1M tokens" + (f", ${request:f} a request" if request else "")

"""What requests cost: unit prices, reservations, bills. The only owner of the price table.

A price comes from the policy where it gives one, from a built-in price for simulated targets, else
from the data bundled with ``genai-prices`` (nothing is fetched), which is imported when the first
price is asked for: that takes half a second. Money is ``Decimal``; rounding is for display alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING

from lens_gate.records.exchange import Usage
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import PriceOverride

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, PriceCalculation

MILLION = Decimal(1_000_000)
ZERO = Decimal(0)
POLICY = "policy"
SIMULATED = "simulated"
_SIMULATED_INPUT, _SIMULATED_OUTPUT = Decimal(1), Decimal(4)
# Reservations are rounded up here, so that sums of them stay exact in 28 digits.
_STEP = Decimal("1e-12")
# Words by which providers name the tier that costs the standard price.
_STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "standard_only"})
# Lifetimes of cache writes that the table tells apart; others cost its plain cache write.
_WRITE_UNITS = {"5m": "cache_write_5m_tokens", "1h": "cache_write_1h_tokens"}
_KNOWN_WRITES = frozenset({"default", "30m", *_WRITE_UNITS})
# The table's words for a tier; providers use one word each, and no two mean different things by it.
_TIER_WORDS = ("service_tier", "processing", "speed")
_OTHER_MEDIA = ("audio", "image", "video", "tool")


class PriceUnknown(LookupError):  # noqa: N818  # named by the plan of the house
    """No price for this model: one must be given in the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a request cost. ``usd`` is ``None`` where that can't be known; ``note`` says why.

    ``note`` also warns where the sum rests on an assumption. ``stated``: the provider said the cost
    itself; ``check_usd`` is our own sum beside it, where there is one.
    """

    usd: Decimal | None
    note: str = ""
    check_usd: Decimal | None = None
    stated: bool = False


def resolve(
    price_provider: str | None,
    model: str,
    override: PriceOverride | None,
    *,
    simulated: bool,
    request_usd: Decimal,
    at: datetime | None = None,
    bound_input: int | None = None,
) -> UnitPrices:
    """The unit prices of a target, the dearest that its requests can reach among them.

    Args:
        price_provider: the provider's id in the price table; ``None`` where it is in none.
        model: the model as the policy names it.
        override: the policy's own price, which comes first.
        simulated: whether the target is a simulated one, which has a built-in price.
        request_usd: what the protocol charges for each request, besides.
        at: the moment whose prices count (aware); the present where not given.
        bound_input: the most input tokens of any request, where known: a long-context tier that
            begins at or above it is out of reach.

    Raises:
        PriceUnknown: neither the policy nor the table has a price for text tokens of this model.
    """
    if override is not None:
        return _flat(POLICY, model, override, request_usd)
    if simulated:
        built_in = PriceOverride(
            input=_SIMULATED_INPUT,
            output=_SIMULATED_OUTPUT,
            cache_read=None,
            cache_write=None,
            request=ZERO,
            source="",
        )
        return _flat(SIMULATED, model, built_in, request_usd)
    if price_provider is None:
        raise PriceUnknown(f"no price is known for {model!r}: its provider is in no price table")
    found = _look_up(price_provider, model, at)
    price, reachable = found.model_price, list(_reachable(found))
    base_input, base_output = _base(price, "input_mtok"), _base(price, "output_mtok")
    if base_input is None or base_output is None:
        raise PriceUnknown(f"{found.provider.id}/{found.model.id} has no price for text tokens")
    dearest_input = max(_tops(reachable, ("input", "cache"), bound_input))
    dearest_output = max(_tops(reachable, ("output",), bound_input))
    return UnitPrices(
        provider=price_provider,
        model=model,
        input=base_input,
        output=base_output,
        dearest_input=dearest_input,
        dearest_output=dearest_output,
        request=request_usd + max(_for_a_request(p) for p in reachable),
        cache_read=_base(price, "cache_read_mtok"),
        cache_write=_base(price, "cache_write_mtok"),
        source=_source(found, dearest_input, dearest_output),
    )


def reserve_for(prices: UnitPrices, bound_input: int, max_output_tokens: int) -> Decimal:
    """The most that one request can cost, US dollars: what is reserved before it is sent.

    ``bound_input`` is an upper bound of its input tokens; every one of them, and every output token
    that the limit allows, is counted at the dearest price.
    """
    worst = prices.dearest_input * bound_input + prices.dearest_output * max_output_tokens
    return (worst / MILLION + prices.request).quantize(_STEP, rounding=ROUND_UP)


def expected(prices: UnitPrices, input_tokens: float, output_tokens: float) -> Decimal:
    """What a request with so many tokens (means, so they may be fractions) costs, uncached."""
    tokens = prices.input * Decimal(input_tokens) + prices.output * Decimal(output_tokens)
    return (tokens / MILLION + prices.request).quantize(_STEP)


def bill(
    prices: UnitPrices,
    usage: Usage | None,
    *,
    model: str | None,
    service_tier: str | None,
    at: datetime | None = None,
) -> Bill:
    """The bill of one request by its final usage (providers.md 10.3).

    Disjoint parts of the input (uncached, read from cache, written to it) and the output, each at
    its price; the long-context tier by all of the input; model and service tier as the *response*
    names them. What the provider itself says that it bills is preferred, ours is kept as a check.

    Args:
        prices: the target's prices, from ``resolve``.
        usage: final token counts; ``None`` or an estimate makes no bill.
        model: the model id that the response reports; the target's own where it reports none.
        service_tier: the tier that the response reports.
        at: the moment of the request (aware); the present where not given.
    """
    if usage is None:
        return Bill(usd=None, note="no usage was reported")
    own = _own_sum(prices, usage, model, service_tier, at)
    stated = usage.cost_usd
    if stated is None or usage.source != "provider":
        return own
    if not stated.is_finite() or stated < 0:
        return Bill(usd=None, note=f"the provider states a cost of {stated}")
    return Bill(usd=stated, note=_disagreement(stated, own.usd), check_usd=own.usd, stated=True)


def to_book(found: Bill, reserved: Decimal) -> Decimal | None:
    """What the ledger books for this bill; ``None`` where only the reservation is known.

    A statement alone never makes a request cheaper to the caps than its tokens at our price: a
    server that states a cost of zero for everything would spend without end. Where we have no sum
    of our own, the reservation stands for it.
    """
    if found.usd is None or not found.stated:
        return found.usd
    return max(found.usd, reserved if found.check_usd is None else found.check_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Token counts that do not overlap, and the total input, which chooses the tier."""

    uncached: int = 0
    read: int = 0
    writes: Mapping[str, int] = field(default_factory=dict)
    output: int = 0
    reasoning: int | None = None

    @property
    def written(self) -> int:
        return sum(self.writes.values())

    @property
    def total_input(self) -> int:
        return self.uncached + self.read + self.written


def _own_sum(
    prices: UnitPrices,
    usage: Usage,
    model: str | None,
    service_tier: str | None,
    at: datetime | None,
) -> Bill:
    parts = _parts(usage)
    if isinstance(parts, str):
        return Bill(usd=None, note=parts)
    if prices.provider in (POLICY, SIMULATED):
        return Bill(usd=_flat_sum(prices, parts))
    try:
        return _table_sum(prices, parts, model, service_tier, at)
    except PriceUnknown as error:
        # Prices from a saved run: of another table, or of nobody's.
        return Bill(usd=None, note=str(error))


def _parts(usage: Usage) -> _Parts | str:
    """The disjoint parts, or why there is no bill. Counts that contradict are never clamped."""
    if usage.source != "provider":
        return "token counts are estimated"
    if usage.input_total is None or usage.output_total is None:
        return "usage was reported without its totals"
    read = usage.cache_read or 0
    uncached = usage.input_total - read - sum(usage.cache_write.values())
    counts = (uncached, read, *usage.cache_write.values(), usage.output_total)
    if min(counts) < 0 or (usage.reasoning or 0) < 0:
        return "usage contradicts itself: a part is larger than its total"
    return _Parts(
        uncached=uncached,
        read=read,
        writes=usage.cache_write,
        output=usage.output_total,
        reasoning=usage.reasoning,
    )


def _flat(provider: str, model: str, price: PriceOverride, request_usd: Decimal) -> UnitPrices:
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    note = f" ({price.source})" if price.source else ""
    per_request = price.request + request_usd
    return UnitPrices(
        provider=provider,
        model=model,
        input=price.input,
        output=price.output,
        dearest_input=max(price.input, read, write),
        dearest_output=price.output,
        request=per_request,
        cache_read=price.cache_read,
        cache_write=price.cache_write,
        source=f"{provider}{note}: "
        + _prices_text(price.input, price.output, price.cache_read, price.cache_write, per_request),
    )


def _flat_sum(prices: UnitPrices, parts: _Parts) -> Decimal:
    read = prices.input if prices.cache_read is None else prices.cache_read
    write = prices.input if prices.cache_write is None else prices.cache_write
    tokens = (
        prices.input * parts.uncached
        + read * parts.read
        + write * parts.written
        + prices.output * parts.output
    )
    return tokens / MILLION + prices.request


def _table_sum(
    prices: UnitPrices,
    parts: _Parts,
    model: str | None,
    service_tier: str | None,
    at: datetime | None,
) -> Bill:
    notes = []
    planned = standard = _look_up(prices.provider, prices.model, at)
    named = prices.model
    if model:
        try:
            standard = _look_up(prices.provider, model, at)
            named = model
            if standard.model.id != planned.model.id:
                notes.append(f"priced as {model[:80]!r}, the model that the response names")
        except PriceUnknown:
            notes.append(f"the response names model {model[:80]!r}, which has no price")
    tier = (service_tier or "").lower()
    context = {} if tier in _STANDARD_TIERS else dict.fromkeys(_TIER_WORDS, tier)
    try:
        found = _price(prices.provider, named, parts, context, at)
    except ValueError as error:
        return Bill(usd=None, note=f"usage contradicts itself: {error}")
    if context and found.model_price == standard.model_price:
        notes.append(f"no price for service tier {tier[:40]!r}: the standard price is used")
    unpriced = sorted(k for k, n in parts.writes.items() if n and k not in _KNOWN_WRITES)
    notes += [f"{k} cache writes are priced as plain cache writes" for k in unpriced]
    # The table's own charge for a request is in its total; what is left is the protocol's.
    protocol = prices.request - max(_for_a_request(p) for p in _reachable(planned))
    return Bill(usd=found.total_price + protocol, note="; ".join(notes))


def _disagreement(stated: Decimal, own: Decimal | None) -> str:
    if own is None or abs(stated - own) <= max(stated, own) / 100:
        return ""
    return f"the provider states ${stated:f}, usage times price is ${own:f}"


def _look_up(provider: str, model: str, at: datetime | None) -> "PriceCalculation":
    return _price(provider, model, _Parts(), {}, at)


def _price(
    provider: str, model: str, parts: _Parts, context: Mapping[str, str], at: datetime | None
) -> "PriceCalculation":
    """Ask the table.

    Raises:
        PriceUnknown: it has no such provider or model.
        ValueError: the parts contradict each other in a way that only the table can see.
    """
    from genai_prices import Usage as Units  # noqa: PLC0415  # half a second that most verbs save
    from genai_prices import calc_price  # noqa: PLC0415  # likewise

    units = {
        "input_tokens": parts.total_input,
        "cache_read_tokens": parts.read,
        "cache_write_tokens": parts.written,
        "output_tokens": parts.output,
    }
    units |= {unit: parts.writes.get(life, 0) for life, unit in _WRITE_UNITS.items()}
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
    except LookupError as error:
        raise PriceUnknown(f"the price table has no {provider}/{model[:80]}") from error


def _reachable(found: "PriceCalculation") -> Iterator["ModelPrice"]:
    """Every set of prices by which a request of today could be billed.

    The one in force, those of other hours of the day, and every service tier's: a tier is the
    server's choice, told only in the response.
    """
    yield found.model_price
    dated = found.model.prices
    if isinstance(dated, list) and any(hasattr(p.constraint, "start_time") for p in dated):
        yield from (p.prices for p in dated if not hasattr(p.constraint, "start_date"))
    yield from (variant.prices for variant in found.model.price_variants or ())


def _tops(
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


def _base(price: "ModelPrice", key: str) -> Decimal | None:
    """The price below every long-context tier, dollars for 1,000,000 tokens."""
    value = getattr(price, key)
    return value if value is None or isinstance(value, Decimal) else value.base


def _for_a_request(price: "ModelPrice") -> Decimal:
    for_a_thousand = _base(price, "requests_kcount")
    return ZERO if for_a_thousand is None else for_a_thousand / 1000


def _source(found: "PriceCalculation", dearest_input: Decimal, dearest_output: Decimal) -> str:
    """Library, version, entry, the date from which its prices count where known, and the prices."""
    from genai_prices import __version__  # noqa: PLC0415  # see above

    price = found.model_price
    entries = found.model.prices if isinstance(found.model.prices, list) else ()
    starts = (getattr(p.constraint, "start_date", None) for p in entries if p.prices is price)
    since = "".join(f" since {start}" for start in starts if start)
    named = _prices_text(
        _base(price, "input_mtok"),
        _base(price, "output_mtok"),
        _base(price, "cache_read_mtok"),
        _base(price, "cache_write_mtok"),
        _for_a_request(price),
    )
    return (
        f"genai-prices {__version__}, {found.provider.id}/{found.model.id}{since}: {named}; "
        f"at most ${dearest_input:f} in, ${dearest_output:f} out"
    )


def _prices_text(
    given: Decimal | None,
    output: Decimal | None,
    read: Decimal | None,
    write: Decimal | None,
    request: Decimal,
) -> str:
    parts = ((given, "in"), (output, "out"), (read, "cache read"), (write, "cache write"))
    text = ", ".join(f"${price:f} {name}" for price, name in parts if price is not None)
    return f"{text} for 1M tokens" + (f", ${request:f} a request" if request else "")

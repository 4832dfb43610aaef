"""What requests cost: unit prices, reservations, bills.

A price comes from the policy where it gives one, from a built-in price for simulated targets, else
from the table (``price_table``). Money is ``Decimal``; rounding is for display alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_UP, Decimal

from lens_gate.metrics import rate_card
from lens_gate.metrics.price_table import (
    WRITE_UNITS,
    Parts,
    PriceUnknown,
    base,
    for_a_request,
    look_up,
    price_of,
    reachable,
    source_of,
    tops,
)
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import PriceEntry, PriceOverride

MILLION = Decimal(1_000_000)
POLICY = "policy"
SIMULATED = "simulated"
_SIMULATED = PriceOverride(
    entries=(PriceEntry(prices={"input": Decimal(1), "output": Decimal(4)}),)
)
# Reservations are rounded up here, so that sums of them stay exact in 28 digits.
_STEP = Decimal("1e-12")
# Words by which providers name the tier that costs the standard price.
STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "standard_only"})
# Those that cost less than that, or nothing more than what was paid for before.
_CHEAPER_TIERS = frozenset({"batch", "flex", "provisioned_throughput"})
_KNOWN_WRITES = frozenset({"default", "30m", *WRITE_UNITS})
# What is billed apart from tokens and has a unit of its own in prices.
_SEARCHES = "web_search"
# So many other kinds are named; a server may make up more.
_NAMED = 5
# What providers count and do not charge for (Anthropic: a fetched page costs its tokens alone).
_NO_CHARGE = frozenset({"web_fetch"})
# The table's words for a tier; providers use one word each, and no two mean different things by it.
TIER_WORDS = ("service_tier", "processing", "speed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a request cost. ``usd`` is ``None`` where that can't be known; ``note`` says why.

    ``note`` also warns where the sum rests on an assumption, and ``at_least`` says that by it the
    true bill may be higher. ``stated``: the provider said the cost itself; ``check_usd`` is our own
    sum beside it, where there is one, or that part of an unknown cost which is known.
    """

    usd: Decimal | None
    note: str = ""
    check_usd: Decimal | None = None
    stated: bool = False
    at_least: bool = False


def resolve(
    price_provider: str | None,
    model: str,
    override: PriceOverride | None,
    *,
    simulated: bool,
    request_usd: Decimal,
    at: datetime | None = None,
    bound_input: int | None = None,
    region: str | None = None,
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
        region: the target's region, by which a policy's price may differ.

    Raises:
        PriceUnknown: neither the policy nor the table has a price for text tokens of this model.
    """
    if override is not None or simulated:
        card = _SIMULATED if override is None else override
        owner = SIMULATED if override is None else POLICY
        own = _own_prices(owner, model, card, region, at, bound_input)
        return replace(own, request=own.request + request_usd)
    if price_provider is None:
        raise PriceUnknown(f"no price is known for {model!r}: its provider is in no price table")
    found = look_up(price_provider, model, at)
    price, possible = found.model_price, list(reachable(found))
    base_input, base_output = base(price, "input_mtok"), base(price, "output_mtok")
    if base_input is None or base_output is None:
        raise PriceUnknown(f"{found.provider.id}/{found.model.id} has no price for text tokens")
    dearest_input = max(tops(possible, ("input", "cache"), bound_input))
    dearest_output = max(tops(possible, ("output",), bound_input))
    return UnitPrices(
        provider=price_provider,
        model=model,
        input=base_input,
        output=base_output,
        dearest_input=dearest_input,
        dearest_output=dearest_output,
        request=request_usd + max(for_a_request(p) for p in possible),
        cache_read=base(price, "cache_read_mtok"),
        cache_write=base(price, "cache_write_mtok"),
        source=source_of(found, dearest_input, dearest_output),
    )


def reserve_for(prices: UnitPrices, bound_input: int, max_output_tokens: int) -> Decimal:
    """The most that one request can cost, US dollars: what is reserved before it is sent.

    ``bound_input`` is an upper bound of its input tokens; every one of them, and every output token
    that the limit allows, is counted at the dearest price.
    """
    worst = prices.dearest_input * bound_input + prices.dearest_output * max_output_tokens
    by_time = rate_card.for_time(prices.hour, prices.limit_s)
    return (worst / MILLION + prices.request + by_time).quantize(_STEP, rounding=ROUND_UP)


def expected(
    prices: UnitPrices, input_tokens: float, output_tokens: float, *, seconds: float = 0.0
) -> Decimal:
    """What a request with so many tokens (means, so they may be fractions) costs, uncached.

    ``seconds`` is its share of the server's time, where that is what is paid for.
    """
    tokens = prices.input * Decimal(input_tokens) + prices.output * Decimal(output_tokens)
    by_time = rate_card.for_time(prices.hour, seconds)
    return (tokens / MILLION + prices.request + by_time).quantize(_STEP)


def bill(
    prices: UnitPrices,
    usage: Usage | None,
    *,
    model: str | None,
    service_tier: str | None,
    at: datetime | None = None,
    seconds: float = 0.0,
    sharing: int = 1,
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
        at: the moment of the request (aware); where not given, the present for the table, and no
            time at all for prices of the policy that are bound to one.
        seconds: the wall time of the request, for servers that are paid by the hour.
        sharing: how many requests share the server meanwhile.
    """
    if usage is None:
        return Bill(usd=None, note="no usage was reported")
    own = _own_sum(prices, usage, model, service_tier, at, (seconds, sharing))
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
    of our own, or one that is only the least, the reservation stands for it.
    """
    if found.usd is None:
        return None if found.check_usd is None else max(found.check_usd, reserved)
    if found.stated:
        return max(found.usd, reserved if found.check_usd is None else found.check_usd)
    return max(found.usd, reserved) if found.at_least else found.usd


def tier_is_priced(prices: UnitPrices, tier: str, *, at: datetime | None = None) -> bool:
    """Whether a request that asks for this service tier costs no more than ``prices`` know of.

    Prices of the policy are its author's word for whatever its target asks.
    """
    word = tier.lower().removeprefix("service_tier_")
    if prices.provider in (POLICY, SIMULATED) or word in STANDARD_TIERS | _CHEAPER_TIERS:
        return True
    standard = look_up(prices.provider, prices.model, at)
    asked = dict.fromkeys(TIER_WORDS, word)
    found = price_of(prices.provider, prices.model, Parts(), asked, at)
    return found.model_price != standard.model_price


def _own_sum(
    prices: UnitPrices,
    usage: Usage,
    model: str | None,
    service_tier: str | None,
    at: datetime | None,
    time: tuple[float, int],
) -> Bill:
    parts = _parts(usage)
    if isinstance(parts, str):
        return Bill(usd=None, note=parts)
    known = {_SEARCHES, *_NO_CHARGE}
    others = sorted(kind for kind, n in usage.charges.items() if n and kind not in known)
    if prices.provider in (POLICY, SIMULATED):
        return _without(others, _card_sum(prices, parts, model, service_tier, at, time))
    try:
        return _without(others, _table_sum(prices, parts, model, service_tier, at))
    except PriceUnknown as error:
        # Prices from a saved run: of another table, or of nobody's.
        return Bill(usd=None, note=str(error))


def _without(charges: Sequence[str], found: Bill) -> Bill:
    """The bill of a request that was charged for more than its sum holds: it is not known."""
    if not charges or found.usd is None:
        return found
    named = ", ".join(charges[:_NAMED])
    note = f"billed apart from the tokens of usage, at a price that is not known: {named}"
    return Bill(usd=None, note="; ".join(filter(None, (found.note, note))), check_usd=found.usd)


def _parts(usage: Usage) -> Parts | str:
    """The disjoint parts, or why there is no bill. Counts that contradict are never clamped."""
    if usage.source != "provider":
        return "token counts are estimated"
    if usage.input_total is None or usage.output_total is None:
        return "usage was reported without its totals"
    read = usage.cache_read or 0
    audio_in, image_in, audio_out = (
        count or 0 for count in (usage.input_audio, usage.input_image, usage.output_audio)
    )
    reasoning = usage.reasoning or 0
    uncached = usage.input_total - read - sum(usage.cache_write.values())
    # Sound and pictures may themselves come from the cache; then they are in its count already.
    audio_in, image_in = min(audio_in, uncached), min(image_in, max(0, uncached - audio_in))
    rest = usage.output_total - audio_out - reasoning
    counts = (
        *(uncached, read, *usage.cache_write.values(), audio_in, image_in),
        *(usage.output_total, rest, audio_out, reasoning, *usage.charges.values()),
    )
    if min(counts) < 0:
        return "usage contradicts itself: a part is larger than its total"
    return Parts(
        uncached=uncached - audio_in - image_in,
        read=read,
        writes=usage.cache_write,
        audio_in=audio_in,
        image_in=image_in,
        output=usage.output_total,
        audio_out=audio_out,
        reasoning=usage.reasoning,
        searches=usage.charges.get(_SEARCHES, 0),
    )


def _own_prices(
    provider: str,
    model: str,
    override: PriceOverride,
    region: str | None,
    at: datetime | None,
    bound_input: int | None,
) -> UnitPrices:
    """The prices of a policy (or the simulator's), the dearest at any time of any tier too."""
    now = next(rate_card.applying(override, model, at), None)
    if now is None:
        raise PriceUnknown(f"none of the policy's prices applies to {model[:80]!r} now")
    reach = [
        prices
        for entry in rate_card.applying(override, model, at, ever=True)
        for prices in rate_card.possible(entry, region, bound_input)
    ]
    prices = rate_card.unit_prices(now, words=frozenset(), region=region, total_input=0)
    return UnitPrices(
        provider=provider,
        model=model,
        input=prices["input"],
        output=prices["output"],
        dearest_input=max(p[unit] for p in reach for unit in rate_card.INPUT_UNITS),
        dearest_output=max(p[unit] for p in reach for unit in rate_card.OUTPUT_UNITS),
        request=_dearest_request(override, model, region),
        cache_read=prices["cache_read"],
        cache_write=prices["cache_write"],
        hour=max(p["hour"] for p in reach),
        override=override,
        region=region,
        source=f"{provider}{rate_card.told(now, prices)}",
    )


def _dearest_request(override: PriceOverride, model: str, region: str | None) -> Decimal:
    entries = rate_card.applying(override, model, None, ever=True)
    return max(p["request"] for e in entries for p in rate_card.possible(e, region, None))


def _card_sum(
    prices: UnitPrices,
    parts: Parts,
    model: str | None,
    service_tier: str | None,
    at: datetime | None,
    time: tuple[float, int],
) -> Bill:
    if prices.override is None:
        return Bill(usd=None, note="the run was saved without its prices")
    named = model or prices.model
    # A server may name its model otherwise than it is asked for; then the price asked for holds.
    entry = next(
        (
            found
            for name in (named, prices.model)
            for found in rate_card.applying(prices.override, name, at)
        ),
        None,
    )
    if entry is None:
        return Bill(usd=None, note=f"none of the policy's prices applies to {named[:80]!r}")
    word = (service_tier or "").lower()
    words = frozenset() if word in STANDARD_TIERS else frozenset({word})
    own = rate_card.unit_prices(
        entry, words=words, region=prices.region, total_input=parts.total_input
    )
    seconds, sharing = time
    # What the protocol charges for each request is in the plan's price, not in the policy's.
    charge = prices.request - _dearest_request(prices.override, prices.model, prices.region)
    usd = rate_card.total(own, parts, seconds=seconds, sharing=sharing) + charge
    if rate_card.is_free(entry):
        return Bill(usd=usd)
    note = ""
    if words and entry.variants and not rate_card.knows(entry, words):
        note = f"no price for service tier {word[:40]!r}: the plain price is used"
    found = Bill(usd=usd, note=note, at_least=bool(note) and word not in _CHEAPER_TIERS)
    unpriced = parts.searches and "searches" not in entry.prices
    return _without([_SEARCHES] if unpriced else [], found)


def _table_sum(
    prices: UnitPrices,
    parts: Parts,
    model: str | None,
    service_tier: str | None,
    at: datetime | None,
) -> Bill:
    notes = []
    at_least = False
    planned = standard = look_up(prices.provider, prices.model, at)
    named = prices.model
    if model:
        try:
            standard = look_up(prices.provider, model, at)
            named = model
            if standard.model.id != planned.model.id:
                notes.append(f"priced as {model[:80]!r}, the model that the response names")
        except PriceUnknown:
            notes.append(f"the response names model {model[:80]!r}, which has no price")
    tier = (service_tier or "").lower()
    context = {} if tier in STANDARD_TIERS else dict.fromkeys(TIER_WORDS, tier)
    found = price_of(prices.provider, named, parts, context, at)
    if context and found.model_price == standard.model_price:
        notes.append(f"no price for service tier {tier[:40]!r}: the standard price is used")
        at_least = tier not in _CHEAPER_TIERS
    unpriced = sorted(k for k, n in parts.writes.items() if n and k not in _KNOWN_WRITES)
    notes += [f"{k} cache writes are priced as plain cache writes" for k in unpriced]
    unpriced_search = parts.searches and base(found.model_price, "web_searches_kcount") is None
    # The table's own charge for a request is in its total; what is left is the protocol's.
    protocol = prices.request - max(for_a_request(p) for p in reachable(planned))
    known = Bill(
        usd=found.total_price + protocol,
        note="; ".join(notes),
        at_least=at_least or bool(unpriced),
    )
    return _without([_SEARCHES] if unpriced_search else [], known)


def _disagreement(stated: Decimal, own: Decimal | None) -> str:
    if own is None or abs(stated - own) <= max(stated, own) / 100:
        return ""
    return f"the provider states ${stated:f}, usage times price is ${own:f}"

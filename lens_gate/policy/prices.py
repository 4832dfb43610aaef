"""Prices in a policy: for models, sizes, tiers, times and currencies, and servers of one's own."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from lens_gate.metrics.rate_card import FALLBACKS, FREE, OTHER_UNITS
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, entries, field, items
from lens_gate.policy.read import decimal, money, share, text, whole
from lens_gate.records.policy import (
    PriceCondition,
    PriceEntry,
    PriceMatch,
    PriceOverride,
    PriceTier,
    PriceVariant,
)

TOKEN_UNITS = ("input", "output", *FALLBACKS)
_WAYS: Mapping[str, PriceMatch] = {"prefix": "prefix", "regex": "regex"}
_CONDITIONS: Mapping[str, PriceCondition] = {
    "service_tier": "service_tier",
    "speed": "speed",
    "processing": "processing",
    "region": "region",
}
# What stands for a character: an escape, a class.
_NO_OPERATOR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEATED = re.compile(r"[*+{]")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_MOST_REPEATED = 3
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def build_price(node: Node | None, findings: Findings) -> PriceOverride | None:
    """The policy's prices of a target; ``None`` where the table's count."""
    if node is None:
        return None
    if node.value == "free":
        return FREE
    rows = items(node) or (node,)
    return PriceOverride(entries=tuple(_entry(row, findings) for row in rows))


def _entry(node: Node, findings: Findings) -> PriceEntry:
    match, model = _model(field(node, "model"), findings)
    currency = text(field(node, "currency"), "USD")
    usd = field(node, "usd")
    if (currency != "USD") != (usd is not None):
        hint = "give both, such as currency: EUR and usd: 1.08 (dollars for one of it), or neither"
        findings.add(node.place, "currency and usd belong together", hint)
    prices = _prices(node, (*TOKEN_UNITS, *OTHER_UNITS))
    for unit in ("input", "output") if isinstance(node.value, Mapping) else ():
        if unit not in prices and "hour" not in prices and unit not in entries(node):
            hint = "give input and output, or the price of an hour of your own server"
            findings.add(node.place, f"price has no {unit}", hint)
    return PriceEntry(
        prices=prices,
        model=model,
        match=match,
        tiers=tuple(
            PriceTier(above=whole(field(row, "above"), 0), prices=_prices(row, TOKEN_UNITS))
            for row in items(field(node, "tiers"))
        ),
        variants=tuple(_variant(row, findings) for row in items(field(node, "variants"))),
        valid_from=_date(field(node, "valid_from"), findings),
        valid_to=_date(field(node, "valid_to"), findings),
        hours=_hours(field(node, "hours"), findings),
        weekdays=tuple(
            _DAYS.index(text(day)) for day in items(field(node, "weekdays")) if text(day) in _DAYS
        ),
        discount=_discount(field(node, "discount")),
        currency=currency,
        usd=decimal(usd, Decimal(1)),
        source=text(field(node, "source")),
    )


def _prices(node: Node, units: tuple[str, ...]) -> Mapping[str, Decimal]:
    given = ((unit, money(field(node, unit))) for unit in units)
    return {unit: price for unit, price in given if price is not None}


def _model(node: Node | None, findings: Findings) -> tuple[PriceMatch, str]:
    if node is None:
        return "any", ""
    if isinstance(node.value, str):
        return "exact", node.value
    way = ([word for word in _WAYS if word in entries(node)] or ["prefix"])[0]
    named = text(field(node, way))
    if way == "regex":
        try:
            re.compile(named)
        except re.error as error:
            findings.blame(node, f"this is no regular expression: {error}")
            return "any", ""
        if _may_take_forever(named):
            hint = "no repeated groups, and at most three of * + {: such as gpt-4[.]1.*"
            findings.blame(node, "this regular expression may take forever", hint)
            return "any", ""
    return _WAYS[way], named


def _may_take_forever(pattern: str) -> bool:
    """Whether some text takes very long to be found not to match: a server names its model."""
    bare = _NO_OPERATOR.sub("x", pattern)
    return _REPEATED_GROUP.search(bare) is not None or len(_REPEATED.findall(bare)) > _MOST_REPEATED


def _variant(node: Node, findings: Findings) -> PriceVariant:
    by = ([word for word in _CONDITIONS if word in entries(node)] or ["service_tier"])[0]
    prices = _prices(node, TOKEN_UNITS)
    factor = field(node, "multiply")
    if not prices and factor is None and findings.fine(node):
        hint = "add multiply: 0.5, or prices such as input and output"
        findings.blame(node, "this variant changes no price", hint)
    return PriceVariant(
        by=_CONDITIONS[by],
        value=text(field(node, by)),
        prices=prices,
        multiply=None if factor is None else decimal(factor, Decimal(1)),
    )


def _date(node: Node | None, findings: Findings) -> str | None:
    if node is None or not findings.fine(node):
        return None
    try:
        return date.fromisoformat(text(node)).isoformat()
    except ValueError:
        findings.blame(node, "this is no day of the calendar", "such as 2026-11-21")
        return None


def _hours(node: Node | None, findings: Findings) -> tuple[int, ...]:
    if node is None or not findings.fine(node):
        return ()
    start, end = (
        int(hour) * 60 + int(minute)
        for hour, minute in (part.split(":") for part in text(node).split("-"))
    )
    if start == end:
        findings.blame(node, "these hours are empty", "such as 16:30-00:30")
    return start, end


def _discount(node: Node | None) -> Decimal:
    # From the text itself: a float in between would not be exact.
    given = text(node)
    return Decimal(given[:-1].strip()) / 100 if share(node) is not None else Decimal(0)

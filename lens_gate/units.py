"""Quantities as people write them, and back: durations, shares, money.

Inside the program durations are seconds (float, ``_s``) or nanoseconds (int, ``_ns``), shares are
fractions, money is ``Decimal`` US dollars.
"""

import re
from decimal import Decimal, InvalidOperation

_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"{_NUMBER}\s*(us|ms|s|m|h|d)", re.ASCII)
_DURATION_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST_DIGITS = 18
_SHARE = re.compile(rf"{_NUMBER}\s*%", re.ASCII)
_SHORT = {"tokens/s": "tok/s", "requests/s": "req/s"}


def parse_duration(text: str) -> float:
    """Seconds from ``250ms``, ``1.5s``, ``10m``, ``2h``.

    Raises:
        ValueError: the text is no duration with a unit.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 250ms, 1.5s, 10m or 2h")
    return float(match[1]) * _DURATION_S[match[2]]


def parse_share(text: str) -> float:
    """A fraction from ``10%``.

    Raises:
        ValueError: the text is no share with a percent sign.
    """
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a share such as 10%")
    return float(match[1]) / 100


def parse_usd(value: str | float | Decimal) -> Decimal:
    """US dollars from ``0.50``: exact, since a YAML number reaches us as its own digits.

    Raises:
        ValueError: not a finite amount of at least zero.
    """
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is not an amount in US dollars such as 0.50") from None
    # Written out, 1e-999999 would fill a page, and 1e999999 the memory.
    if not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"{value!r} is not an amount in US dollars such as 0.50")
    return amount


def format_duration(seconds: float) -> str:
    """Three significant digits with the unit that fits: ``412 ms``, ``1.84 s``, ``3 min 20 s``."""
    size = abs(seconds)
    if size >= 60:
        whole = round(size)
        sign = "-" if seconds < 0 else ""
        hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
        if hours:
            return f"{sign}{hours} h {minutes} min"
        return f"{sign}{minutes} min {rest} s" if rest else f"{sign}{minutes} min"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if size >= 0.9995 * scale or unit == "µs":
            return f"{_three_digits(seconds / scale)} {unit}" if size else "0 s"
    raise AssertionError


def format_usd(amount: Decimal) -> str:
    """Dollars with at least two decimals and never fewer than two significant digits."""
    if amount == 0:
        return "$0.00"
    exponent = amount.adjusted()
    places = 2 if exponent >= 0 else min(12, -exponent + 1)
    text = f"{amount:.{max(2, places)}f}"
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"


def about_count(number: int) -> str:
    """A number that is no better known than to two digits: ``27000`` for 26916."""
    return f"{round(number, 2 - len(str(abs(number)))) if number else 0}"


def about_usd(amount: Decimal) -> str:
    """Dollars that are no better known than to two digits: ``$44``, ``$1.20``, ``$0.0031``."""
    if amount == 0:
        return "$0.00"
    rounded = round(amount, 1 - amount.adjusted())
    return f"${rounded:.0f}" if rounded >= 10 else format_usd(rounded)


def format_share(fraction: float, *, signed: bool = False) -> str:
    """``12.3 %``, ``+4 %``: at most three significant digits."""
    text = _three_digits(fraction * 100)
    return f"{'+' if signed and not text.startswith('-') else ''}{text} %"


def format_amount(amount: float, unit: str) -> str:
    """A metric's value in its unit, three digits: ``412 ms``, ``$0.000123``, ``151 tokens``.

    ``unit`` is a word of the catalogue (``s tokens usd share tokens/s requests/s``); a number
    without one (the empty word) is written bare.
    """
    if unit == "s":
        return format_duration(amount)
    if unit == "share":
        return format_share(amount)
    if unit == "usd":
        # Three digits below a dollar; the exponent's own text says how many places that takes.
        places = 2 if abs(amount) >= 1 or amount == 0 else 2 - int(f"{amount:e}".partition("e")[2])
        return f"${amount:.{places}f}"
    digits = f"{amount:.0f}" if abs(amount) >= 99.5 else f"{amount:.3g}"
    return " ".join(filter(None, (digits, _SHORT.get(unit, unit))))


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    places = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""Plain values to typed ones: leaves, groups of keys, and the list of what is wrong.

A reader gets the value, what stands there already (the profile's), the path to it and the list of
problems. It returns the new value, or ``BAD`` after adding a problem: one pass finds all of them.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from lens_gate.units import parse_duration, parse_share

Path: TypeAlias = tuple[str | int, ...]
Problems: TypeAlias = list[tuple[Path, str]]
Reader: TypeAlias = Callable[[object, Any, Path, Problems], Any]
Fields: TypeAlias = Mapping[str, tuple[str, Reader]]

T = TypeVar("T")

BAD: Any = object()
DAY_S = 86400.0
_SIGNED = re.compile(r"\s*([+-]?)\s*(.*)", re.DOTALL)


def leaf(convert: Callable[[object], object]) -> Reader:
    """A reader of one value; ``convert`` raises ``ValueError`` with what is wrong."""

    def read(value: object, _base: object, path: Path, problems: Problems) -> object:
        try:
            return convert(value)
        except ValueError as error:
            problems.append((path, str(error)))
            return BAD

    return read


def shown(value: object) -> str:
    """A value for a message, cut to a length that a terminal line bears."""
    full = repr(value)
    return full if len(full) <= 80 else f"{full[:77]}..."


def _text_of(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not {what}")
    return value


def duration(*, above_zero: bool = False) -> Reader:
    """Seconds from ``250ms``."""

    def convert(value: object) -> float:
        seconds = parse_duration(_text_of(value, "a duration such as 250ms or 1.5s"))
        if above_zero and seconds == 0:
            raise ValueError("must be longer than 0s")
        if seconds > DAY_S:
            raise ValueError(f"{shown(value)} is longer than 1d")
        return seconds

    return leaf(convert)


def share() -> Reader:
    """A fraction of at most 1 from ``10%``."""

    def convert(value: object) -> float:
        fraction = parse_share(_text_of(value, "a share such as 10%"))
        if fraction > 1:
            raise ValueError(f"{shown(value)} is more than 100%")
        return fraction

    return leaf(convert)


def signed_share() -> Reader:
    """A relative change above -1 from ``+5%`` or ``-5%``."""

    def convert(value: object) -> float:
        match = _SIGNED.fullmatch(_text_of(value, "a relative change such as 5% or -5%"))
        sign, digits = match.groups() if match else ("", "")
        change = parse_share(digits) * (-1 if sign == "-" else 1)
        if change <= -1:
            raise ValueError(f"{shown(value)} leaves nothing: it must be above -100%")
        if change > 10:
            raise ValueError(f"{shown(value)} is more than 1000%")
        return change

    return leaf(convert)


def number(low: float, high: float, *, above_low: bool = False) -> Reader:
    """A finite number within bounds; ``above_low`` leaves out the lower bound itself."""

    def convert(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{shown(value)} is not a number")
        inside = low < value <= high if above_low else low <= value <= high
        if not inside:  # NaN is inside nothing
            raise ValueError(
                f"{shown(value)} is not {'above' if above_low else 'at least'} {low:g} "
                f"and at most {high:g}"
            )
        return float(value)

    return leaf(convert)


def integer(low: int, high: int) -> Reader:
    """A whole number within bounds."""

    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{shown(value)} is not a whole number")
        if not low <= value <= high:
            raise ValueError(f"{shown(value)} is not between {low} and {high}")
        return value

    return leaf(convert)


def choice(*names: str) -> Reader:
    """One of some words."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"{shown(value)} is not one of {', '.join(names)}")
        return value

    return leaf(convert)


def text(*, header: bool = False) -> Reader:
    """A string; one that travels in a header holds visible ASCII and spaces only.

    Its messages never repeat the value: it may be a key.
    """

    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("not a text")
        if header and not value:
            raise ValueError("must not be empty")
        if header and not all(" " <= c <= "~" for c in value):
            raise ValueError("can't stand in a header: plain ASCII only")
        return value

    return leaf(convert)


def boolean() -> Reader:
    """True or false."""

    def convert(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{shown(value)} is not true or false")
        return value

    return leaf(convert)


def read_fields(
    value: object, base: object, path: Path, problems: Problems, fields: Fields
) -> dict[str, Any]:
    """The readable ones of a mapping's keys, by the name of the record's field.

    Keys that are not in ``fields`` are problems, with the nearest name as a hint.
    """
    if not isinstance(value, Mapping):
        problems.append((path, f"{shown(value)} is not a mapping"))
        return {}
    found: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str) or key not in fields:
            problems.append(((*path, str(key)), unknown(key, fields)))
            continue
        attribute, read = fields[key]
        result = read(item, getattr(base, attribute, None), (*path, key), problems)
        if result is not BAD:
            found[attribute] = result
    return found


def unknown(key: object, known: Mapping[str, object]) -> str:
    """The message for a key that does not exist here."""
    near = difflib.get_close_matches(str(key), known, n=1)
    tail = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"unknown key {shown(key)}; {tail}"


def group(start: T, fields: Fields, *, required: tuple[str, ...] = ()) -> Reader:
    """A reader of a record: given keys replace those of what stands there, else of ``start``."""

    def read(value: object, base: T | None, path: Path, problems: Problems) -> object:
        before = len(problems)
        found = read_fields(value, base or start, path, problems, fields)
        if isinstance(value, Mapping):
            problems.extend(
                (path, f"{name!r} is missing") for name in required if name not in value
            )
        if len(problems) > before:
            return BAD
        return replace(base or start, **found)  # type: ignore[type-var]  # any of the records

    return read

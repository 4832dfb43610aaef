"""Records to JSON values and back, driven by their annotations.

Money travels as a string (a float would change it), tuples as lists, and fields that a reader does
not know are ignored, so that a newer file can be read by an older program of the same schema.
"""

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

from lens_gate.records.json_types import Json

T = TypeVar("T")
_MOST_DIGITS = 30
# Beyond this a foreign file's number counts nothing, and no float may hold it.
_LARGEST_INT = 2**63
# A stored run is mostly long lists of these; read one by one they take many times as long.
_PLAIN: Mapping[Any, frozenset[type]] = {
    str: frozenset({str}),
    float: frozenset({float, int}),
    float | None: frozenset({float, int, type(None)}),
}


class CodecError(ValueError):
    """A JSON value that is no such record; the message names the path inside it."""


def to_json(value: object) -> Json:
    """The JSON value of a record.

    Raises:
        TypeError: something in it has no JSON form (a NaN, an array, an object of another kind).
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no JSON form")
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [to_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(kind: type[T], value: object) -> T:
    """The record of class ``kind`` that ``to_json`` made this value from.

    Raises:
        CodecError: a field is missing or of another type.
    """
    return cast("T", _decode(kind, value, kind.__name__))


@cache
def _hints(kind: type) -> dict[str, Any]:
    # The alias Json is a text that names itself and what it is made of, wherever it is used.
    names = {"Json": Any, "Mapping": Mapping, "Sequence": Sequence}
    return typing.get_type_hints(kind, localns=names)


def _decode(kind: Any, value: object, path: str) -> object:  # noqa: ANN401  # an annotation is any object
    if kind is Any:
        return value
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _decode_record(kind, value, path)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(args, value, path)
    if origin is Literal:
        if value in args:
            return args[args.index(value)]
        raise CodecError(f"{path}: {value!r} is none of {', '.join(map(str, args))}")
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise CodecError(f"{path}: not an object")
        return {str(k): _decode(args[1], v, f"{path}.{k}") for k, v in value.items()}
    if origin is not None and issubclass(origin, Sequence):
        return _decode_list(args[0], value, path)
    return _decode_scalar(kind, value, path)


def _decode_list(kind: Any, value: object, path: str) -> object:  # noqa: ANN401  # an annotation is any object
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise CodecError(f"{path}: not a list")
    plain = _decode_plain(kind, value)
    if plain is not None:
        return plain
    return tuple(_decode(kind, item, f"{path}[{i}]") for i, item in enumerate(value))


def _decode_plain(kind: Any, value: Sequence[object]) -> object:  # noqa: ANN401  # an annotation is any object
    """A list of plain values all at once; ``None`` where they must be looked at one by one."""
    if not _PLAIN.get(kind, frozenset()).issuperset(map(type, value)):
        return None
    if kind is str:
        return tuple(sys.intern(cast("str", item)) for item in value)
    try:
        return tuple(None if item is None else float(cast("float", item)) for item in value)
    except OverflowError:
        return None


def _decode_record(kind: type, value: object, path: str) -> object:
    if not isinstance(value, Mapping):
        raise CodecError(f"{path}: not an object")
    hints, given = _hints(kind), {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            given[field.name] = _decode(
                hints[field.name], value[field.name], f"{path}.{field.name}"
            )
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise CodecError(f"{path}: {field.name} is missing")
    return kind(**given)


def _decode_union(args: tuple[Any, ...], value: object, path: str) -> object:
    if value is None:
        if type(None) in args:
            return None
        raise CodecError(f"{path}: null")
    error: CodecError | None = None
    for arg in args:
        if arg is type(None):
            continue
        try:
            return _decode(arg, value, path)
        except CodecError as problem:
            error = problem
    raise error or CodecError(f"{path}: {value!r} does not fit")


def _decode_scalar(kind: Any, value: object, path: str) -> object:  # noqa: ANN401  # an annotation is any object
    if kind is Decimal and isinstance(value, str):
        return _decode_amount(value, path)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise CodecError(f"{path}: a number beyond all measure") from None
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        if not -_LARGEST_INT <= value <= _LARGEST_INT:
            raise CodecError(f"{path}: a number beyond all measure")
        return value
    if kind is str and isinstance(value, str):
        return sys.intern(value)  # a run says the same few words in each of its samples
    if kind is bool and isinstance(value, bool):
        return value
    raise CodecError(f"{path}: {value!r} is no {getattr(kind, '__name__', kind)}")


@lru_cache(maxsize=1024)
def _decode_amount(text: str, path: str) -> Decimal:
    """An amount of money. Foreign files may hold NaN, or exponents that would fill the memory."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise CodecError(f"{path}: {text[:40]!r} is no amount of money") from None
    if not amount.is_finite() or abs(amount.adjusted()) > _MOST_DIGITS:
        raise CodecError(f"{path}: {text[:40]!r} is no amount of money")
    return amount

"""Checks as callers give them, turned into plain numbers that the tests can trust, or refused."""

import math
import operator
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from lens_gate.errors import LensError
from lens_gate.records.check import Arm, Check, CheckKind

KINDS: tuple[str, ...] = get_args(CheckKind)
QUANTILES: dict[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm in plain numbers. For an error rate only their count matters, and none is late.

    ``values`` and ``late`` (the value is only a timeout's limit) are parallel; so are ``keys``,
    where pairs have them. ``errors`` counts requests that ended without a value.
    """

    values: tuple[float, ...]
    late: tuple[bool, ...]
    keys: tuple[Hashable, ...] | None
    errors: int

    @property
    def asked(self) -> int:
        """Requests in all."""
        return len(self.values) + self.errors

    @property
    def answered(self) -> int:
        """Requests that succeeded: they have a value, and it is no timeout's limit."""
        return len(self.values) - sum(self.late)

    @property
    def erred_much(self) -> bool:
        """More than a tenth of the requests ended without a value."""
        return 10 * self.errors > self.asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A check with its numbers. A duet has a ``control``, a history has ``runs``; else neither.

    ``bound`` is the margin of a relative check and the limit of an absolute one.
    """

    check: Check
    relative: bool
    bound: float
    head: Side
    control: Side | None
    runs: tuple[Side, ...] | None

    @property
    def base(self) -> tuple[Side, ...]:
        """Every arm that the head is held against."""
        if self.control is not None:
            return (self.control,)
        return self.runs or ()


def read_case(check: Check) -> Case:
    """The check in plain numbers.

    Raises:
        LensError: the check contradicts itself, or an arm holds something that is no measurement.
    """
    relative, bound = _read_bound(check)
    counted = check.kind == "error_rate"
    name = f"check {check.id!r}"
    head = _side(check.head, f"{name}, head", counted=counted)
    control: Side | None = None
    runs: tuple[Side, ...] | None = None
    if isinstance(check.base, Arm):
        control = _side(check.base, f"{name}, control", counted=counted)
    elif isinstance(check.base, Iterable):
        runs = tuple(
            _side(arm, f"{name}, baseline run {k}", counted=counted)
            for k, arm in enumerate(check.base, start=1)
        )
    elif check.base is not None:
        raise LensError(
            f"{name}: base is a {type(check.base).__name__}",
            "base takes one Arm (a duet), a sequence of Arms (a history) or None",
        )
    return Case(check=check, relative=relative, bound=bound, head=head, control=control, runs=runs)


def _read_bound(check: Check) -> tuple[bool, float]:
    """Whether the check is relative, and its margin or limit; refuses fields that make no sense."""
    name = f"check {check.id!r}"
    if check.kind not in KINDS:
        raise LensError(f"{name}: unknown kind {check.kind!r}", f"one of {', '.join(KINDS)}")
    if check.better not in ("lower", "higher"):
        raise LensError(f"{name}: better is {check.better!r}", "either 'lower' or 'higher'")
    if not (_is_number(check.run_sd) and check.run_sd >= 0):
        raise LensError(f"{name}: run_sd is {check.run_sd!r}", "a number of at least zero")
    if not (_is_number(check.fraction) and 0 < check.fraction <= 1 + 1e-9):
        raise LensError(f"{name}: fraction is {check.fraction!r}", "above 0 and at most 1")
    if (check.margin is None) == (check.limit is None):
        raise LensError(
            f"{name} needs either a margin or a limit",
            "a check is relative (margin) or absolute (limit); two limits are two checks",
        )
    if check.kind == "shift" and (check.margin is not None or not isinstance(check.base, Arm)):
        raise LensError(
            f"{name}: a shift between two arms takes a limit, and a base to be shifted against",
            "give base=Arm(...), and limit",
        )
    if check.kind == "max" and check.margin is not None:
        raise LensError(
            f"{name}: a maximum can't be compared with a margin", "use p99, or an absolute limit"
        )
    field, bound = ("limit", check.limit) if check.margin is None else ("margin", check.margin)
    if bound is None or not _is_number(bound) or bound < 0:
        raise LensError(f"{name}: {field} is {bound!r}", "a number of at least zero")
    return field == "margin", float(bound)


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(value)  # type: ignore[arg-type]  # asked of whatever the caller gave
    except (TypeError, ValueError):
        return False


def read_side(arm: Arm, name: str) -> Side:
    """An arm in plain numbers, outside any check.

    Raises:
        LensError: the arm holds something that is no measurement.
    """
    return _side(arm, name, counted=False)


def _side(arm: object, name: str, *, counted: bool) -> Side:
    if not isinstance(arm, Arm):
        raise LensError(f"{name} is a {type(arm).__name__}", "an Arm is needed")
    try:
        raw = _walk(arm.values)
        values = (0.0,) * len(raw) if counted else tuple(map(float, raw))
    except (TypeError, ValueError):
        raise LensError(
            f"{name}: values hold something that is no number",
            "values is one flat sequence of numbers, one for each request that has one",
        ) from None
    if not _measurements(values):
        raise LensError(
            f"{name}: {next(x for x in values if not 0 <= x < math.inf)!r} is no measurement",
            "values are finite and not negative; a request without a value is one of `errors`, "
            "a timeout is its limit marked in `censored`",
        )
    late = _late(arm, name, len(values))
    return Side(
        values=values,
        late=(False,) * len(values) if counted else late,
        keys=_keys(arm, name, len(values)),
        errors=_errors(arm, name),
    )


def _measurements(values: tuple[float, ...]) -> bool:
    """Whether all are numbers of at least zero; most often their sum says so at once."""
    if not values or (math.isfinite(sum(values)) and min(values) >= 0.0):
        return True
    return all(0 <= value < math.inf for value in values)


def _walk(items: object) -> tuple[Any, ...]:
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise TypeError
    # Arrays turn themselves into plain numbers faster than one by one.
    plain = getattr(items, "tolist", None)
    return tuple(items if plain is None else plain())


def _late(arm: Arm, name: str, n: int) -> tuple[bool, ...]:
    if arm.censored is None:
        return (False,) * n
    try:
        late = tuple(bool(flag) for flag in _walk(arm.censored))
    except (TypeError, ValueError):
        raise LensError(f"{name}: censored is no sequence of flags") from None
    if len(late) != n:
        raise LensError(
            f"{name}: {len(late)} censored flags for {n} values", "one flag for each value"
        )
    return late


def _keys(arm: Arm, name: str, n: int) -> tuple[Hashable, ...] | None:
    if arm.pair is None:
        return None
    try:
        keys = _walk(arm.pair)
        distinct = len(set(keys))
    except TypeError:
        raise LensError(
            f"{name}: pair is no sequence of keys", "use strings, numbers or tuples of them"
        ) from None
    if len(keys) != n:
        raise LensError(f"{name}: {len(keys)} pair keys for {n} values", "one key for each value")
    if distinct != n:
        raise LensError(
            f"{name}: the same pair key twice",
            "each key names one pair; a prompt that is sent again needs its round in the key",
        )
    return keys


def _errors(arm: Arm, name: str) -> int:
    try:
        errors = operator.index(arm.errors)
    except TypeError:
        errors = -1
    if errors < 0:
        raise LensError(f"{name}: errors is {arm.errors!r}", "a count of at least zero")
    return errors


def lift_zeros(sides: Sequence[Side], *, each: bool) -> tuple[tuple[float, ...], ...] | None:
    """The values of these arms, fit for logarithms; ``None`` where no ratio can be told.

    A coarse clock measures zero now and then. ``each`` (the statistic takes the logarithm of each
    value) lifts zeros to the smallest positive value of all arms, as long as no arm has more than a
    tenth of them; otherwise only the mean must be above zero. All zeros everywhere are equal
    constants.
    """
    if not any(any(side.values) for side in sides):
        return tuple((1.0,) * len(side.values) for side in sides)
    for side in sides:
        zeros = side.values.count(0.0)
        if 10 * zeros > len(side.values) if each else zeros == len(side.values):
            return None
    if not each:
        return tuple(side.values for side in sides)
    if not any(side.values.count(0.0) for side in sides):
        return tuple(side.values for side in sides)
    least = min(value for side in sides for value in side.values if value > 0)
    return tuple(tuple(max(value, least) for value in side.values) for side in sides)

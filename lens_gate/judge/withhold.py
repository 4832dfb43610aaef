"""Verdicts that the client's own lateness could have made are withheld.

Where the true values are only known to lie between two bounds, everything is decided twice more:
with the bounds most favourable to the head, and with those least so. A failure that the first does
not share, or a pass that the second does not, says as much about the client as about the service.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lens_gate.errors import LensError
from lens_gate.records.check import Arm, Check, Verdict
from lens_gate.units import format_amount

_GOOD = ("pass", "improved")
_BOUNDS = "Arm.low and Arm.high have one number for each value, below and above it"

Again = Callable[[Sequence[Check]], list[Verdict]]
"""Decides checks as they stand, bounds aside."""


def withheld(
    checks: Sequence[Check], verdicts: Sequence[Verdict], again: Again
) -> Sequence[Verdict]:
    """The verdicts, those withheld that hold only on one side of the bounds.

    Raises:
        LensError: an arm's bounds do not fit its values.
    """
    if not any(_open(arm) for check in checks for arm in _arms(check)):
        return verdicts
    best = again([_moved(check, favour=True) for check in checks])
    worst = again([_moved(check, favour=False) for check in checks])
    return [
        _settled(check, verdict, mild, harsh)
        for check, verdict, mild, harsh in zip(checks, verdicts, best, worst, strict=True)
    ]


def _settled(check: Check, verdict: Verdict, mild: Verdict, harsh: Verdict) -> Verdict:
    if verdict.verdict == "fail" and mild.verdict != "fail":
        return _withdrawn(
            check, verdict, "would not fail with times as early as they may have been"
        )
    if verdict.verdict in _GOOD and harsh.verdict not in _GOOD:
        return _withdrawn(check, verdict, f"would not {_WORDS[verdict.verdict]} at the other end")
    if verdict.verdict == "improved" and harsh.verdict == "pass":
        return replace(verdict, verdict="pass", reason=harsh.reason)
    return verdict


_WORDS = {"pass": "pass", "improved": "be better"}


def _withdrawn(check: Check, verdict: Verdict, but: str) -> Verdict:
    reason = (
        f"withheld: this client read late, or several events at once, so that {_by(check)}, and "
        f"this {but}; run fewer streams on this machine. As measured: {verdict.reason}"
    )
    return replace(verdict, verdict="inconclusive", reason=reason, withheld=True)


def _by(check: Check) -> str:
    if check.kind == "error_rate":
        arm = check.head
        low, high = _errors(arm)
        return f"{high - low} of {_size(arm)} requests could count either way"
    most = max((_widest(arm) for arm in _arms(check)), default=0.0)
    return f"times are uncertain by up to {format_amount(most, check.unit)}"


def _arms(check: Check) -> tuple[Arm, ...]:
    base = check.base
    others = () if base is None else (base,) if isinstance(base, Arm) else tuple(base)
    return (check.head, *others)


def _open(arm: Arm) -> bool:
    low, high = _errors(arm)
    return low != high or _widest(arm) > 0


def _widest(arm: Arm) -> float:
    if arm.low is None and arm.high is None:
        return 0.0
    low, high = _bounds(arm)
    return max((most - least for least, most in zip(low, high, strict=True)), default=0.0)


def _moved(check: Check, *, favour: bool) -> Check:
    """The check with every value at the bound that favours the head, or at the other."""
    low = favour is (check.better == "lower")
    base = check.base
    if isinstance(base, Arm):
        base = _at(base, low=not low, fewer=not favour)
    elif base is not None:
        base = [_at(arm, low=not low, fewer=not favour) for arm in base]
    return replace(check, head=_at(check.head, low=low, fewer=favour), base=base)


def _at(arm: Arm, *, low: bool, fewer: bool) -> Arm:
    if not _open(arm):
        return arm
    values = _bounds(arm)[0 if low else 1]
    errors = _errors(arm)[0 if fewer else 1]
    if errors == arm.errors:
        return replace(arm, values=values, low=None, high=None, errors_low=None, errors_high=None)
    # Of a rate only the counts matter, and which request it was is not known.
    return Arm(values=(1.0,) * (_size(arm) - errors), errors=errors)


def _bounds(arm: Arm) -> tuple[tuple[float, ...], tuple[float, ...]]:
    values = _numbers(arm.values)
    low = values if arm.low is None else _numbers(arm.low)
    high = values if arm.high is None else _numbers(arm.high)
    if not len(low) == len(values) == len(high):
        raise LensError("the bounds of an arm are not one for each value", _BOUNDS)
    if not all(least <= x <= most for least, x, most in zip(low, values, high, strict=True)):
        raise LensError("an arm has values beyond their own bounds", _BOUNDS)
    return low, high


def _numbers(items: Any) -> tuple[float, ...]:  # noqa: ANN401  # array-like, or what a caller took for it
    try:
        return tuple(float(item) for item in items)
    except (TypeError, ValueError):
        raise LensError("the bounds of an arm hold something that is no number", _BOUNDS) from None


def _errors(arm: Arm) -> tuple[int, int]:
    low = arm.errors if arm.errors_low is None else arm.errors_low
    high = arm.errors if arm.errors_high is None else arm.errors_high
    if not 0 <= low <= arm.errors <= high <= _size(arm):
        raise LensError("an arm has errors beyond their own bounds", _BOUNDS)
    return low, high


def _size(arm: Arm) -> int:
    return len(arm.values) + arm.errors  # type: ignore[arg-type]  # a sequence, as `read_case` saw

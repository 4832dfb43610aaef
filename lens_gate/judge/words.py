"""Why a verdict is what it is: the deciding inequality as plain text, one sentence, no markup."""

from dataclasses import dataclass

from lens_gate.judge.evidence import Evidence
from lens_gate.judge.inputs import Case
from lens_gate.records.check import VerdictName
from lens_gate.units import format_amount, format_share

_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the family says about one check.

    ``key1`` and ``better`` are Holm's answers on "worse" and on "improved". ``level`` is gamma
    times this look's share of the error budget, by which key 2 and the pass test are judged.
    """

    key1: bool
    better: bool
    level: float
    family: int

    @property
    def over(self) -> str:
        """``, over 30 checks``; nothing where the family is this check alone."""
        return f", over {self.family} checks" if self.family > 1 else ""


def p_text(p: float) -> str:
    """A p-value in the fewest digits that say something: ``p = 0.03``, ``p = 2e-6``."""
    if p < 1e-12:
        return "p < 1e-12"
    if p >= 0.0095:
        return f"p = {p:.2f}"
    mantissa, mark, exponent = f"{p:.1g}".partition("e")
    return f"p = {mantissa}e{int(exponent)}" if mark else f"p = {mantissa}"


def relative_reason(
    case: Case, found: Evidence, keys: Keys, verdict: VerdictName, detectable: float | None
) -> str:
    """The sentence for a relative check whose data were tested."""
    past = case.control is None
    base = "its history" if past else "the control"
    values = _values(found)
    if past:
        values += f" against {found.base_n} run{'s' if found.base_n > 1 else ''}"
    unchanged = f"unchanged: {p_text(found.p_worse)}{keys.over}"
    margin = f"the margin {_margin(case, found)}"
    if verdict == "fail":
        worse = f"worse than its history: {values}" if past else f"worse: {values}"
        if not case.bound:
            return f"{worse} ({unchanged})"
        return f"{worse}, more than {margin} ({_held(found.p_margin, keys)}; {unchanged})"
    if verdict == "improved":
        return f"better than {base}: {values} (unchanged: {p_text(found.p_better)}{keys.over})"
    if verdict == "pass":
        held = _held(found.p_within, keys)
        return f"not worse than {base} by as much as {margin}: {values} ({held})"
    return _undecided(case, found, keys, values) + _could(found, detectable)


def _undecided(case: Case, found: Evidence, keys: Keys, values: str) -> str:
    margin = f"the margin {_margin(case, found)}"
    unchanged = f"unchanged: {p_text(found.p_worse)}{keys.over}"
    if found.p_within <= keys.level:
        why = found.no_pass or "a margin of 0 can fail but not pass"
        return f"not shown to be worse, but it can't pass: {why}: {values}"
    if found.no_fail:
        return f"it can't fail: {found.no_fail}: {values}"
    if found.p_margin <= keys.level:
        return f"{values} could still be chance ({unchanged})"
    if keys.key1:
        return (
            f"worse, but not shown to be so by {margin}: {values} ({_held(found.p_margin, keys)})"
        )
    if not case.bound:
        return f"not shown to be worse: {values} ({unchanged})"
    return (
        f"neither shown to be worse by {margin} ({p_text(found.p_margin)}) "
        f"nor to be within it ({_held(found.p_within, keys)}): {values}"
    )


def dead_reason(found: Evidence, keys: Keys, verdict: VerdictName) -> str:
    """The sentence where no request of the head succeeded and some of the other side did."""
    p = f"{p_text(found.p_worse)}{keys.over}"
    if verdict == "fail":
        return f"{found.dead} ({p})"
    return f"environment: {found.dead}, which could be chance ({p})"


def absolute_reason(case: Case, found: Evidence, keys: Keys, verdict: VerdictName) -> str:
    """The sentence for an absolute check whose data were tested."""
    lower = case.check.better == "lower"
    side, limit = ("above", "limit") if lower else ("below", "minimum")
    limit = f"the {limit} {_amount(case, case.bound)}"
    p = f"({p_text(found.p_worse)}{keys.over})"
    value = _counted(case, found)
    bound = found.high if lower else found.low
    if verdict == "fail":
        return f"{value}, {side} {limit} {p}"
    if verdict == "pass" and case.check.kind == "max":
        return f"{value}, within {limit}"
    still = (
        f"{'up' if lower else 'down'} to {_amount(case, bound)} not excluded"
        if bound is not None
        else "no bound from so few requests"
    )
    if verdict == "pass":
        return f"{value}; {still}; {limit} holds"
    if found.exceeded:
        return f"{value}, {side} {limit}, but not shown to be {p}"
    if found.no_pass:
        return f"{value}, within {limit}, but it can't pass: {found.no_pass}"
    if not case.check.final:
        return f"{value}, within {limit}; it can pass at the cell's last look"
    return f"{value}, within {limit}, but that is not shown: {still}"


def _held(p: float, keys: Keys) -> str:
    """``p = 0.03 <= 0.05``, with as many digits as tell the two apart: ``p = 0.053 > 0.05``."""
    level = f"{keys.level:.3g}"
    said = p_text(p)
    digits = 2
    while said == f"p = {level}" and digits < _MOST_DIGITS:
        said = f"p = {p:.{digits}g}"
        digits += 1
    return f"{said} {'<=' if p <= keys.level else '>'} {level}"


def _values(found: Evidence) -> str:
    """Estimate and interval of a change: ``+42 % [+31 %, +55 %]``."""
    unit = " points" if found.scale == "share" else " %"

    def text(value: float | None) -> str:
        return "unbounded" if value is None else format_share(value, signed=True)[:-2]

    return f"{text(found.estimate)}{unit} [{text(found.low)}, {text(found.high)}]"


def _margin(case: Case, found: Evidence) -> str:
    if found.scale == "share":
        return f"{format_share(case.bound)[:-2]} points"
    if case.check.better == "higher":
        # Where more is better, the margin is tested on 1/x: 20 % is a fall by a sixth.
        return f"{format_share(1 / (1 + case.bound) - 1)} (1/{1 + case.bound:.4g})"
    return format_share(case.bound)


def _could(found: Evidence, detectable: float | None) -> str:
    if detectable is None:
        return ""
    size = format_share(detectable, signed=True)
    if found.scale == "share":
        size = f"{size[:-2]} points"
    return f"; the smallest change that could have been shown is {size}"


def _amount(case: Case, value: float) -> str:
    return format_amount(value, "share" if case.check.kind == "error_rate" else case.check.unit)


def _counted(case: Case, found: Evidence) -> str:
    """The statistic in words: ``0 of 120 failed``, ``p95 of 120 is 1.62``."""
    if case.check.kind == "error_rate":
        return f"{case.head.errors} of {found.n} {case.check.bad}"
    value = "beyond all values" if found.estimate is None else _amount(case, found.estimate)
    return f"{case.check.kind} of {found.n} is {value}"

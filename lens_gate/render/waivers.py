"""Accepted regressions as a reader sees them: in force, expired, or brought by this very change.

Rules, cells, reasons and names are foreign text: escape them for the medium.
"""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lens_gate.records.report import Report, Row
from lens_gate.records.waiver import Waiver, WaiverReport, WaiverState
from lens_gate.render.escape import one_line
from lens_gate.render.figures import is_rate, value, worse_by
from lens_gate.units import format_share

_ORDER: Sequence[WaiverState] = ("expired", "pending", "in_force")


_MOST_COMMANDS = 3
# So small a share of what there was is as good as nothing left; and of a digit, as good as none.
_LEAST = 1e-3
_TINY = 1e-9
TITLES: Mapping[WaiverState, str] = {
    "expired": "expired waiver",
    "pending": "pending waiver",
    "in_force": "waiver",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverLine:
    """One waiver in words, without its state's title."""

    state: WaiverState
    text: str


def waiver_lines(report: Report) -> list[WaiverLine]:
    """All waivers, those first that want something to be done."""
    lines = [_line(found, report.rows) for found in report.waivers]
    return sorted(lines, key=lambda line: _ORDER.index(line.state))


def _line(found: WaiverReport, rows: Iterable[Row]) -> WaiverLine:
    waiver = found.waiver
    when = {
        "expired": f"expired on {waiver.expires}",
        "pending": f"counts once it is merged, until {waiver.expires}",
        "in_force": f"until {waiver.expires}" + ("" if found.used else ", not needed by this run"),
    }[found.state]
    text = (
        f"{waiver.cell} {waiver.rule}{_ceiling(waiver, rows)}: {when}: "
        f"{waiver.reason} ({waiver.who})"
    )
    return WaiverLine(state=found.state, text=text)


def _ceiling(waiver: Waiver, rows: Iterable[Row]) -> str:
    """``, up to +30 %``, in the terms of the rule's row where this run has one."""
    row = next(
        (r for r in rows if (r.rule, f"{r.scenario}/{r.target}") == (waiver.rule, waiver.cell)),
        None,
    )
    parts = []
    if waiver.ceiling is not None:
        parts.append(
            worse_by(row, waiver.ceiling) if row else format_share(waiver.ceiling, signed=True)
        )
    if waiver.limit is not None:
        parts.append(value(waiver.limit, row.unit) if row else f"{waiver.limit:g}")
    return f", up to {' and '.join(parts)}" if parts else ""


def accepting(report: Report) -> Iterable[str]:
    """Commands that would let the failures of this run through for a while, the first few of them.

    Each ceiling is the worst end of what was measured, rounded up: a starting point.
    """
    policy = shlex.quote(one_line(report.policy_file, 300))
    failed = [row for row in report.rows if row.gating and row.name == "fail" and not row.waived]
    for row in failed[:_MOST_COMMANDS]:
        amount = _ceiling_option(row) if row.kind == "relative" else _limit_option(row)
        if amount:
            rule, cell = map(_argument, (row.rule, f"{row.scenario}/{row.target}"))
            yield (
                f"lens-gate baseline accept {rule} --cell {cell} {amount} "
                f"--policy {policy} --reason 'say why'"
            )


def _argument(text: str) -> str:
    return shlex.quote(one_line(text, 150))


def _ceiling_option(row: Row) -> str:
    verdict, lower = row.verdict, row.better == "lower"
    end = verdict.high if lower else verdict.low
    worst = verdict.estimate if end is None else end
    if worst is None:
        return ""
    if is_rate(row):
        return f"--ceiling {math.ceil(abs(worst) * 100)}%"
    # Where more is better the margin is tested on 1/x.
    worse = worst if lower else 1 / max(1 + worst, _LEAST) - 1
    return f"--ceiling {math.ceil(worse * 20) * 5}%"


def _limit_option(row: Row) -> str:
    verdict, lower = row.verdict, row.better == "lower"
    end = verdict.high if lower else verdict.low
    worst = verdict.head_value if end is None else end
    if worst is None:
        return ""
    scale, unit = {"s": (1, "s"), "share": (100, "%")}.get(row.unit, (1, ""))
    return f"--limit {_rounded(worst * scale, up=lower)}{unit}"


def _rounded(amount: float, *, up: bool) -> str:
    """With two digits, away from what was measured; never in scientific notation."""
    if amount <= 0:
        return "0"
    places = 1 - math.floor(math.log10(amount))
    shifted = amount * 10.0**places
    whole = math.ceil(shifted - _TINY) if up else math.floor(shifted + _TINY)
    text = f"{whole / 10.0**places:.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

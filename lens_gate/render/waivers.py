"""Accepted regressions as a reader sees them: in force, expired, or brought by this very change.

Rules, cells, reasons and names are foreign text: escape them for the medium.
"""

import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from lens_gate.records.report import Report, Row
from lens_gate.records.waiver import Waiver, WaiverReport, WaiverState
from lens_gate.render.escape import one_line
from lens_gate.render.figures import is_rate, value, worse_by
from lens_gate.units import format_share

_ORDER: Sequence[WaiverState] = ("expired", "pending", "in_force")


# As `lens-gate baseline accept` has it where nothing else is asked.
_DAYS = 30
_RULE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_CELL = re.compile(rf"{_RULE.pattern}/{_RULE.pattern}", re.ASCII)
# No waiver goes further; a damaged report might.
_MOST = 1e9
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
    rows = {(row.rule, f"{row.scenario}/{row.target}"): row for row in reversed(report.rows)}
    lines = [_line(found, rows) for found in report.waivers]
    return sorted(lines, key=lambda line: _ORDER.index(line.state))


def _line(found: WaiverReport, rows: Mapping[tuple[str, str], Row]) -> WaiverLine:
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


def _ceiling(waiver: Waiver, rows: Mapping[tuple[str, str], Row]) -> str:
    """``, up to +30 %``, in the terms of the rule's row where this run has one."""
    row = rows.get((waiver.rule, waiver.cell))
    parts = []
    if waiver.ceiling is not None:
        parts.append(
            worse_by(row, waiver.ceiling) if row else format_share(waiver.ceiling, signed=True)
        )
    if waiver.limit is not None:
        parts.append(value(waiver.limit, row.unit) if row else f"{waiver.limit:g}")
    return f", up to {' and '.join(parts)}" if parts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What would let one rule's failure in one cell through: a starting point.

    ``ceiling`` and ``limit`` are the worst end of what was measured, rounded up, as people write
    them (``35%``, ``1.8s``); empty where the rule has no failed limit of that kind.
    """

    rule: str
    cell: str
    ceiling: str = ""
    limit: str = ""


def acceptances(report: Report) -> list[Acceptance]:
    """One for each rule that fails the gate in a cell."""
    found: dict[tuple[str, str], Acceptance] = {}
    for row in report.rows:
        if not row.gating or row.name != "fail" or row.waived:
            continue
        amount = {"ceiling": _ceiling_of(row)} if row.kind == "relative" else {"limit": _limit(row)}
        if any(amount.values()):
            key = row.rule, f"{row.scenario}/{row.target}"
            one = found.get(key, Acceptance(rule=key[0], cell=key[1]))
            found[key] = replace(one, **amount)
    return list(found.values())


def command(one: Acceptance, policy_file: str) -> str:
    """The ``lens-gate baseline accept`` that writes it, for a shell."""
    words = ["lens-gate", "baseline", "accept", _argument(one.rule), "--cell", _argument(one.cell)]
    words += ["--ceiling", one.ceiling] if one.ceiling else []
    words += ["--limit", one.limit] if one.limit else []
    policy = shlex.quote(one_line(policy_file, 300))
    return " ".join([*words, "--policy", policy, "--reason", "'say why'"])


def waivers_yaml(found: Iterable[Acceptance], created: str) -> list[str]:
    """The lines of ``waivers.yaml`` that say the same, for a month from ``created`` on.

    ``created`` is a report's stamp. Nothing where it is none, and nothing of what the file could
    not name.
    """
    days = _days(created)
    entries = [one for one in found if _RULE.fullmatch(one.rule) and _CELL.fullmatch(one.cell)]
    if not days or not entries:
        return []
    lines = ["version: 1", "waivers:"]
    for one in entries:
        lines += [f"  - rule: {one.rule}", f"    cell: {one.cell}"]
        lines += [f"    ceiling: {one.ceiling}"] if one.ceiling else []
        lines += [f"    limit: {one.limit}"] if one.limit else []
        lines += ["    reason: say why", "    who: your name", *(f"    {day}" for day in days)]
    return lines


def _days(stamp: str) -> list[str]:
    """The first day and the last one, in the terms of the file."""
    try:
        first = date.fromisoformat(stamp[:8])
        last = first + timedelta(days=_DAYS)
    except (ValueError, OverflowError):
        return []
    return [f"created: {first.isoformat()}", f"expires: {last.isoformat()}"]


def _argument(text: str) -> str:
    return shlex.quote(one_line(text, 150))


def _ceiling_of(row: Row) -> str:
    verdict, lower = row.verdict, row.better == "lower"
    end = verdict.high if lower else verdict.low
    worst = verdict.estimate if end is None else end
    if worst is None:
        return ""
    if is_rate(row):
        return f"{math.ceil(min(abs(worst), 1.0) * 100)}%"
    # Where more is better the margin is tested on 1/x.
    worse = worst if lower else 1 / max(1 + worst, _LEAST) - 1
    return f"{math.ceil(min(worse, _MOST) * 20) * 5}%"


def _limit(row: Row) -> str:
    verdict, lower = row.verdict, row.better == "lower"
    end = verdict.high if lower else verdict.low
    worst = verdict.head_value if end is None else end
    if worst is None:
        return ""
    scale, unit = {"s": (1, "s"), "share": (100, "%")}.get(row.unit, (1, ""))
    return f"{_rounded(min(worst, _MOST) * scale, up=lower)}{unit}"


def _rounded(amount: float, *, up: bool) -> str:
    """With two digits, away from what was measured; never in scientific notation."""
    if amount <= 0:
        return "0"
    places = 1 - math.floor(math.log10(amount))
    shifted = amount * 10.0**places
    whole = math.ceil(shifted - _TINY) if up else math.floor(shifted + _TINY)
    text = f"{whole / 10.0**places:.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

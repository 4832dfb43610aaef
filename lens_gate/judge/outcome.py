"""From verdicts to the gate's outcome and its exit code: the first that applies.

The exit codes 70 (a bug) and 2 (the request is wrong) are decided before there is anything to
settle, where errors are mapped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from lens_gate.errors import (
    EXIT_BUDGET,
    EXIT_FAILED,
    EXIT_INCONCLUSIVE,
    EXIT_OK,
    EXIT_SIGINT,
    EXIT_SIGTERM,
    EXIT_UNMEASURED,
)
from lens_gate.records.check import WORST_FIRST, VerdictName
from lens_gate.records.policy import OnInconclusive
from lens_gate.records.report import Outcome, Row
from lens_gate.records.run import EndReason
from lens_gate.records.waiver import Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The answer of the gate."""

    outcome: Outcome
    exit_code: int


def rule_verdict(verdicts: Iterable[VerdictName]) -> VerdictName:
    """A rule's verdict: that of its worst check. A rule without a check has no data."""
    return min(verdicts, key=WORST_FIRST.index, default="no_data")


def counts(row: Row) -> bool:
    """Whether this row's verdict gates: its rule does, and no waiver in force lets it through."""
    return row.gating and not row.waived


def used(waiver: Waiver, rows: Iterable[Row]) -> bool:
    """Whether this waiver, which is in force, let a failing check through."""
    return any(
        row.waived
        and (row.rule, f"{row.scenario}/{row.target}") == (waiver.rule, waiver.cell)
        and (waiver.ceiling if row.kind == "relative" else waiver.limit) is not None
        for row in rows
    )


def settle(
    *,
    gating: Sequence[VerdictName],
    run_end: EndReason | None,
    on_inconclusive: OnInconclusive,
    starved_cells: Sequence[str] = (),
    nothing_sent: Literal["unchanged", "not_measured"] | None = None,
    undelivered: bool = False,
) -> Settled:
    """Outcome and exit code, by the order of the design's table.

    Args:
        gating: verdicts of the gating checks or rules; those that only warn, or that a waiver lets
            through, are left out (``counts``).
        run_end: how the run ended; ``None`` where its journal has no end, since it was killed.
        on_inconclusive: the policy's switch.
        starved_cells: gating cells that money, requests or time ended before their first allowed
            look. Leave their ``no_data`` for want of samples out of ``gating``: this speaks for it.
        nothing_sent: why the gate sent nothing, where it had a reason. The rest is then not looked
            at.
        undelivered: something that had to be published was not. It can change the exit code, never
            the outcome, and never that of a failure.
    """
    if nothing_sent is not None:
        settled = Settled(outcome=nothing_sent, exit_code=EXIT_OK)
    elif run_end in _SIGNALS:
        return Settled(outcome="aborted", exit_code=_SIGNALS[run_end])
    elif run_end is None:
        return Settled(outcome="aborted", exit_code=EXIT_UNMEASURED)
    else:
        settled = _by_verdicts(gating, run_end, on_inconclusive, starved_cells)
    if undelivered and settled.exit_code != EXIT_FAILED:
        return Settled(outcome=settled.outcome, exit_code=EXIT_UNMEASURED)
    return settled


def _by_verdicts(
    gating: Sequence[VerdictName],
    run_end: EndReason,
    on_inconclusive: OnInconclusive,
    starved_cells: Sequence[str],
) -> Settled:
    if "fail" in gating:
        return Settled(outcome="failed", exit_code=EXIT_FAILED)
    if run_end == "error":
        return Settled(outcome="aborted", exit_code=EXIT_UNMEASURED)
    if "no_data" in gating:
        return Settled(outcome="no_data", exit_code=EXIT_UNMEASURED)
    if starved_cells:
        return Settled(outcome="budget", exit_code=EXIT_BUDGET)
    if "inconclusive" in gating and on_inconclusive != "pass":
        failing = on_inconclusive == "fail"
        return Settled(outcome="inconclusive", exit_code=EXIT_INCONCLUSIVE if failing else EXIT_OK)
    return Settled(outcome="passed", exit_code=EXIT_OK)


_SIGNALS: Mapping[str | None, int] = MappingProxyType(
    {"interrupted": EXIT_SIGINT, "terminated": EXIT_SIGTERM}
)

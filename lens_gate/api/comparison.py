"""What came of two targets side by side: verdicts, changes, and the numbers of both."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from lens_gate.api.measurement import Measurement
from lens_gate.api.reporting import report_of, save_run
from lens_gate.errors import LensError
from lens_gate.records.difference import Difference
from lens_gate.records.policy import Policy
from lens_gate.records.report import Outcome, Report, Row
from lens_gate.records.run import Run
from lens_gate.render.markdown import markdown


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """A head held against its control, pair by pair.

    ``run`` is everything that was written down, ``policy`` what the call came to as a policy.
    """

    run: Run
    policy: Policy

    def __repr__(self) -> str:
        return f"<Comparison {self.head.target} against {self.control.target}: {self.headline}>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows."""
        return markdown(self.report())

    @property
    def ok(self) -> bool:
        """Whether every rule is shown to hold: the outcome is ``passed``."""
        return self.outcome == "passed"

    @property
    def outcome(self) -> Outcome:
        """``passed``, ``failed``, ``inconclusive``, ``no_data``, ``budget`` or ``aborted``."""
        return self.report().outcome

    @property
    def headline(self) -> str:
        """The outcome in a sentence; foreign text in it is not escaped."""
        return self.report().headline

    @property
    def rows(self) -> tuple[Row, ...]:
        """The answer to each rule: its ``name`` is the verdict's word, its ``verdict`` the rest."""
        return self.report().rows

    def row(self, rule: str) -> Row:
        """The answer to the rule of this id (``ttft-typ``) or metric (``ttft.typ``, ``ttft``).

        Raises:
            LensError: there is no such rule, or there are several.
        """
        found = [row for row in self.rows if rule in _names(row)]
        if len(found) != 1:
            there = ", ".join(row.rule for row in self.rows)
            count = "no rule" if not found else f"{len(found)} rules"
            raise LensError(f"there is {count} {rule!r}", f"there are {there}")
        return found[0]

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rules that the head is shown to break."""
        return tuple(row for row in self.rows if row.name == "fail")

    @property
    def changes(self) -> Mapping[str, Difference]:
        """By metric, how the head differs typically: a fraction with its 95 % interval.

        What is shown here decides nothing: the verdicts do.
        """
        duet = self.report().cells[0].duet
        return duet.moved if duet else {}

    @property
    def pairs(self) -> int:
        """How many pairs were measured on both sides (of blocks of load: pairs of blocks)."""
        duet = self.report().cells[0].duet
        return (duet.blocks or duet.pairs) if duet else 0

    @cached_property
    def head(self) -> Measurement:
        """The head's numbers."""
        return Measurement(run=self.run, cell=self.run.header.cells[0], policy=self.policy)

    @cached_property
    def control(self) -> Measurement:
        """The control's numbers."""
        cell = self.run.header.cells[0]
        return Measurement(run=self.run, cell=cell, policy=self.policy, arm="control")

    @property
    def cost_usd(self) -> Decimal:
        """What both arms cost together, warm-up included, as the ledger booked it; US dollars."""
        return self.head.cost_usd + self.control.cost_usd

    def report(self) -> Report:
        """The report, as every surface of lens-gate shows it."""
        return self._report

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``run.jsonl``, ``report.json``, ``report.html``, ``summary.md`` and ``junit.xml``.

        An earlier report there is replaced. Gives the folder.

        Raises:
            LensError: the folder is a link.
            WorldError: the disk did not take them.
        """
        return save_run(Path(folder), self.run, self.report())

    @cached_property
    def _report(self) -> Report:
        return report_of(self.run, self.policy)


def _names(row: Row) -> tuple[str, ...]:
    return row.rule, row.metric, f"{row.metric}.{row.statistic}"

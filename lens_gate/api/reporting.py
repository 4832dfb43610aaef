"""The report of a run that a call measured, and its files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from lens_gate.flows.accepting import NOTHING, Holding
from lens_gate.flows.judging import judge
from lens_gate.flows.outputs import RUN_FILE, discard_reports, write_report
from lens_gate.flows.paging import Behind, write_page
from lens_gate.flows.planning import protocols
from lens_gate.flows.reporting import Setting, run_report
from lens_gate.records.baseline import Baseline
from lens_gate.records.policy import Policy
from lens_gate.records.report import Refs, Report
from lens_gate.records.run import Run
from lens_gate.runner.journal import open_journal, write


def report_of(
    run: Run,
    policy: Policy,
    *,
    stored: Mapping[str, Sequence[Baseline]] = MappingProxyType({}),
    lines: Sequence[str] = (),
    accepted: Holding = NOTHING,
) -> Report:
    """The report of a run under a policy: the one that a call came to, or another.

    Args:
        run: what was measured.
        policy: what it is judged by.
        stored: the runs that each cell is held against, newest first.
        lines: the lines of the policy's file.
        accepted: the waivers and levels that were accepted by hand.

    Raises:
        LensError: a plug-in of the policy is gone.
    """
    judged = judge(policy, run, stored, protocols(policy), accepted)
    paired = any(cell.duet for cell in run.header.cells)
    refs = Refs(
        mode="duet" if paired else "absolute limits only",
        why=run.header.why,
        trust_ref=None,
        control_ref=None,
        head=None,
        dirty=False,
    )
    setting = Setting(
        policy=policy,
        policy_lines=lines,
        refs=refs,
        changes=(),
        warnings=run.header.warnings,
        reproduce="",
        pulled=False,
    )
    return replace(run_report(run, judged, setting), waivers=judged.waivers)


def save_run(
    folder: Path,
    run: Run,
    report: Report,
    stored: Mapping[str, Sequence[Baseline]] = MappingProxyType({}),
) -> Path:
    """Write the journal and the report's files, ``report.html`` among them.

    The journal comes first: a disk that is full leaves no report without what it rests on.

    Raises:
        LensError: the folder is a link.
        WorldError: the disk did not take them.
    """
    discard_reports(folder)
    with open_journal(folder / RUN_FILE, run.header) as journal:
        for sample in run.samples:
            write(journal, sample)
        if run.end is not None:
            write(journal, run.end)
    write_report(folder, report)
    write_page(folder, report, Behind(run=run, stored=stored))
    return folder

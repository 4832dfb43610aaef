"""The end of a session, in the process that began it: the report's files, and new stored runs."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lens_gate.api.reporting import save_run
from lens_gate.api.world import world
from lens_gate.errors import LensError
from lens_gate.flows.measuring import stamp
from lens_gate.flows.outputs import REPORT_FILE
from lens_gate.flows.paging import Behind, write_page
from lens_gate.flows.stopping import Stop
from lens_gate.metrics.arms import baseline_of
from lens_gate.pytest_plugin.judging import Ground, find_ground
from lens_gate.pytest_plugin.merging import Course, TestOutcome, merged_report, merged_run, newest
from lens_gate.pytest_plugin.session import Recorded, Session
from lens_gate.pytest_plugin.telling import summary_lines
from lens_gate.records.report import Refs
from lens_gate.repo import write_baseline


def finish(
    session: Session, outcomes: Mapping[str, TestOutcome], *, interrupted: bool
) -> list[str]:
    """Write the session's report and, where asked for, its baselines; what to tell of it.

    Raises:
        LensError: the folder of the report is a link.
        WorldError: the disk did not take it.
    """
    purse = session.purse()
    recorded, notes, lost = session.recorded(), purse.notes(), purse.never_settled()
    if not (recorded or notes or lost):
        session.remove()
        return []
    ground, refs = _refs(session)
    course = Course(
        key=session.identity.key,
        created=stamp(datetime.fromtimestamp(session.identity.began, UTC)),
        elapsed_s=time.time() - session.identity.began,
        seed=session.identity.seed,
        confidence=session.settings.confidence,
        on_inconclusive=session.settings.on_inconclusive,
        spend=purse.spend(),
        outcomes=outcomes,
        notes=notes,
        lost=lost,
        users=purse.users(),
        refs=refs,
        interrupted=interrupted,
    )
    report = merged_report(recorded, course)
    run = merged_run(recorded, course, report)
    save_run(session.output, run, report)
    write_page(session.output, report, Behind(run=run))
    session.remove()
    place = os.path.relpath(session.output / REPORT_FILE)
    lines = list(summary_lines(report, place))
    if session.settings.update_baselines:
        lines += _updated(recorded, ground)
    return lines


def _refs(session: Session) -> tuple[Ground | LensError, Refs]:
    """Where the tests stand; an error of git's is told and hides no result."""
    refs = Refs(mode="tests", why="", trust_ref=None, control_ref=None, head=None, dirty=False)
    try:
        ground = find_ground(session.settings, session.root, world(Stop(), None, session.root))
    except LensError as error:
        return error, replace(refs, why=error.message)
    return ground, replace(
        refs, why=ground.why, trust_ref=ground.read_at, head=ground.commit, dirty=ground.dirty
    )


def _updated(recorded: Sequence[Recorded], ground: Ground | LensError) -> list[str]:
    """Store each cell that can stand as a baseline, as `lens-gate baseline update` does."""
    if isinstance(ground, LensError):
        return [f"no baseline was stored: {ground.message}"]
    lines = []
    for one in newest(recorded)[0]:
        header = replace(one.run.header, commit=ground.commit, dirty=ground.dirty)
        run = replace(one.run, header=header)
        for plan in header.cells:
            baseline = baseline_of(run, plan.cell)
            if run.end is None or run.end.reason != "complete":
                lines.append(f"not stored: {plan.cell} did not come to its own end")
            elif len(baseline.prompt_ids) < plan.min_n:
                lines.append(f"not stored: {plan.cell} has no usable request")
            else:
                lines.append(f"stored {write_baseline(ground.root, ground.baselines, baseline)}")
    if ground.dirty and any(line.startswith("stored") for line in lines):
        lines.append("warning: measured with uncommitted changes, which the commit does not hold")
    return lines

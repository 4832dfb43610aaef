"""The end of a session, in the process that began it: the report's files, and new stored runs."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lens_gate.api.reporting import save_run
from lens_gate.api.world import world
from lens_gate.errors import LensError
from lens_gate.flows.measuring import stamp
from lens_gate.flows.outputs import REPORT_FILE
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
        WorldError: the ledger of the session can't be read.
    """
    purse = session.purse()
    (recorded, damaged), notes = session.recorded(), purse.notes()
    lost = purse.never_settled()
    if not (recorded or damaged or notes or lost):
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
        damaged=damaged,
    )
    report = merged_report(recorded, course)
    run = merged_run(recorded, course, report)
    stored = {one.run.header.cells[0].cell: one.stored for one in newest(recorded)[0]}
    place = os.path.relpath(session.output / REPORT_FILE)
    try:
        save_run(session.output, run, report, stored)
        session.remove()
    except LensError as error:  # what was spent is told all the same
        place = f"not whole: {error.message}"
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
    lines: list[str] = []
    try:
        lines.extend(_stored(recorded, ground))
    except LensError as error:
        lines.append(f"no further baseline was stored: {error.message}")
    if ground.dirty and any(line.startswith("stored") for line in lines):
        lines.append("warning: measured with uncommitted changes, which the commit does not hold")
    return lines


def _stored(recorded: Sequence[Recorded], ground: Ground) -> Iterator[str]:
    for one in newest(recorded)[0]:
        header = replace(one.run.header, commit=ground.commit, dirty=ground.dirty)
        run = replace(one.run, header=header)
        for plan in header.cells:
            baseline = baseline_of(run, plan.cell)
            if run.end is None or run.end.reason != "complete":
                yield f"not stored: {plan.cell} did not come to its own end"
            elif len(baseline.prompt_ids) < plan.min_n:
                yield f"not stored: {plan.cell} has no usable request"
            else:
                yield f"stored {write_baseline(ground.root, ground.baselines, baseline)}"

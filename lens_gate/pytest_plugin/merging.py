"""The one report of a session: what all its tests have measured, whichever process it was in."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from lens_gate import __version__
from lens_gate.errors import EXIT_BUDGET, EXIT_FAILED, EXIT_OK
from lens_gate.flows.measuring import environment
from lens_gate.judge.outcome import Settled, counts, settle
from lens_gate.judge.wording import headline, next_step
from lens_gate.pytest_plugin.purse import Note
from lens_gate.pytest_plugin.session import Recorded
from lens_gate.records.policy import Budget
from lens_gate.records.report import Outcome, Refs, Report, Row
from lens_gate.records.run import EndReason, Run, RunEnd, RunHeader, Spend
from lens_gate.units import format_usd

POLICY: Final = "pytest"
_NAMED: Final = 3
TestOutcome = Literal["passed", "failed", "skipped", "xfailed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a session went.

    ``created`` is UTC (``20261121T021500Z``), ``outcomes`` are pytest's words by test. ``lost`` are
    tests whose process was killed while they measured, and what stays booked for each. ``users``
    are the tests that measured, or tried to. ``refs`` say where stored runs were read. ``damaged``
    are measurements that were written down and can't be read.
    """

    key: str
    created: str
    elapsed_s: float
    seed: int
    confidence: float
    on_inconclusive: Literal["pass", "warn", "fail"]
    spend: Spend
    outcomes: Mapping[str, TestOutcome]
    notes: Sequence[Note]
    lost: Sequence[tuple[str, Decimal]]
    users: Sequence[str]
    refs: Refs
    interrupted: bool
    damaged: Sequence[str] = ()

    @property
    def run_id(self) -> str:
        """The name of the session's run, as every run has one."""
        return f"{self.created}-{self.key[:8]}"


def newest(recorded: Sequence[Recorded]) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    """Of several measurements of one name the last; and what to say of the others.

    A test that is run again measures again, and each worker has its own of what is shared.
    """
    by_name = {one.call.name: one for one in recorded}
    times = Counter(one.call.name for one in recorded)
    again = [
        f"measured {count} times, of which the last one is shown and all are paid for: {name}"
        for name, count in times.items()
        if count > 1
    ]
    return tuple(by_name.values()), tuple(again)


def merged_report(recorded: Sequence[Recorded], course: Course) -> Report:
    """The report of the whole session."""
    shown, again = newest(recorded)
    rows = tuple(row for one in shown for row in _rows(one, course))
    cells = tuple(cell for one in shown for cell in one.report.cells)
    settled = _settled(rows, recorded, course)
    failed = _failed(course)
    return Report(
        policy=POLICY,
        policy_file="",
        policy_sha256=_sha256(shown),
        run_id=course.run_id,
        created=course.created,
        outcome=settled.outcome,
        exit_code=settled.exit_code,
        headline=_headline(settled.outcome, rows, shown, failed, course),
        next_step=_next_step(settled.outcome, rows, shown, failed),
        confidence=course.confidence,
        family=sum(row.gating for row in rows),
        refs=course.refs,
        rows=rows,
        cells=cells,
        spend=course.spend,
        elapsed_s=course.elapsed_s,
        seed=course.seed,
        changes=(),
        warnings=(*again, *_lost(course), *_warnings(shown)),
        environment=shown[0].report.environment if shown else environment(),
        reproduce=f"pytest --lens-seed {course.seed}",
        version=__version__,
        pooled=tuple(pooled for one in shown for pooled in one.report.pooled),
    )


def merged_run(recorded: Sequence[Recorded], course: Course, report: Report) -> Run:
    """The journal behind the report: the requests of all its cells, numbered anew."""
    shown, _ = newest(recorded)
    header = RunHeader(
        run_id=report.run_id,
        created=report.created,
        policy=report.policy,
        policy_sha256=report.policy_sha256,
        commit=course.refs.head,
        dirty=course.refs.dirty,
        seed=report.seed,
        budget=Budget(
            max_usd=report.spend.cap_usd,
            max_requests=report.spend.max_requests,
            max_duration_s=None,
        ),
        cells=tuple(cell for one in shown for cell in one.run.header.cells),
        environment=report.environment,
        mode="none",
        why=course.refs.why,
        warnings=report.warnings,
    )
    samples = [sample for one in shown for sample in one.run.samples]
    return Run(
        header=header,
        samples=tuple(replace(sample, seq=seq) for seq, sample in enumerate(samples)),
        end=_end([one.run.end for one in shown], course),
        damaged=sum(one.run.damaged for one in shown),
    )


def _end(ends: Iterable[RunEnd | None], course: Course) -> RunEnd:
    known = [end for end in ends if end is not None]
    lags = [end.lag_p99_s for end in known if end.lag_p99_s is not None]
    shares = [end.cpu_share for end in known if end.cpu_share is not None]
    late = [end.client_lag_p99_s for end in known if end.client_lag_p99_s is not None]
    return RunEnd(
        reason="interrupted" if course.interrupted else "complete",
        detail="",
        elapsed_s=course.elapsed_s,
        spend=course.spend,
        cells=tuple(cell for end in known for cell in end.cells),
        lag_p99_s=max(lags, default=None),
        client_lag_p99_s=max(late, default=None),
        cpu_share=max(shares, default=None),
        merged_share=max((end.merged_share for end in known), default=0.0),
        clock=", ".join(dict.fromkeys(end.clock for end in known if end.clock)),
    )


def _rows(one: Recorded, course: Course) -> Iterable[Row]:
    """The rows of a call. What a test is expected to fail does not count."""
    for row in one.report.rows:
        if course.outcomes.get(one.call.test) == "xfailed" and row.name == "fail":
            yield replace(row, waived="the test is expected to fail")
        else:
            yield row


def _failed(course: Course) -> tuple[str, ...]:
    """The tests that measured, or tried to, and failed; those that never ended are among them."""
    lost = () if course.interrupted else tuple(test for test, _ in course.lost)
    failed = (test for test in course.users if course.outcomes.get(test) == "failed")
    return tuple(dict.fromkeys((*failed, *lost)))


def _settled(rows: Sequence[Row], recorded: Sequence[Recorded], course: Course) -> Settled:
    """The outcome of the session: pytest's word on its tests, in the words of the gate."""
    starved = {note.test for note in course.notes if note.kind == "budget"}
    # xdist calls it an interruption, too, where -x ends the session at a failure.
    if any(test not in starved for test in _failed(course)):
        return Settled(outcome="failed", exit_code=EXIT_FAILED)
    if not recorded and not course.interrupted:
        kinds = {note.kind for note in course.notes}
        if kinds == {"not_measured"}:
            return Settled(outcome="not_measured", exit_code=EXIT_OK)
    reason: EndReason = "interrupted" if course.interrupted else "complete"
    settled = settle(
        gating=[row.name for row in rows if counts(row)],
        run_end=reason,
        on_inconclusive=course.on_inconclusive,
    )
    if starved and settled.outcome not in ("aborted", "failed"):
        return Settled(outcome="budget", exit_code=EXIT_BUDGET)
    return settled


def _headline(
    outcome: Outcome,
    rows: Sequence[Row],
    shown: Sequence[Recorded],
    failed: Sequence[str],
    course: Course,
) -> str:
    tests = len({one.call.test for one in shown})
    cells = [cell for one in shown for cell in one.report.cells]
    if outcome == "not_measured":
        return next(f"{note.text}." for note in course.notes if note.kind == "not_measured")
    counted = f"{tests} test{'' if tests == 1 else 's'} measured {_cells(len(cells))}"
    if not tests:
        counted = "nothing was measured"
    if outcome == "passed":
        names = [row.name for row in rows if counts(row)]
        held = sum(name in ("pass", "improved", "new") for name in names)
        return f"{counted}; {held} of {len(names)} rules held." if names else f"{counted}."
    named = ", ".join(failed[:_NAMED]) + (", ..." if len(failed) > _NAMED else "")
    if outcome == "failed" and not any(row.name == "fail" and counts(row) for row in rows):
        return f"{counted}; {len(failed)} failed: {named}."
    if outcome == "budget":
        return f"{counted}; the budget of the session was used up: {named}."
    why = "the session was interrupted" if course.interrupted else ""
    return headline(outcome, rows, cells, why)


def _next_step(
    outcome: Outcome, rows: Sequence[Row], shown: Sequence[Recorded], failed: Sequence[str]
) -> str:
    if outcome == "budget":
        return "Raise lens_max_usd (--lens-max-usd), or ask for fewer requests or shorter answers."
    if outcome == "failed" and not any(row.name == "fail" and counts(row) for row in rows):
        return f"See pytest's report of {failed[0]}."
    return next_step(outcome, rows, tuple(cell for one in shown for cell in one.report.cells))


def _sha256(shown: Sequence[Recorded]) -> str:
    """One hash of what all calls came to as policies."""
    parts = sorted(one.report.policy_sha256 for one in shown)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _lost(course: Course) -> Iterable[str]:
    for test, usd in course.lost:
        yield f"{test} never ended its measurement: {format_usd(usd)} stay booked for it"
    for name in course.damaged:
        yield f"what {name} has measured can't be read, and is not in this report"


def _warnings(shown: Sequence[Recorded]) -> Iterable[str]:
    """Those of the calls, each once, with the cell that it is of."""
    for one in shown:
        name = one.call.name
        yield from (w if w.startswith(name) else f"{name}: {w}" for w in one.report.warnings)

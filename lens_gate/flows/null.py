"""A/A runs on the real targets: how often this very policy fails a build that changes nothing.

Both arms send the same, so every failure is a false alarm. Each run is a whole duet inside the
policy's budget; all together stay inside so many budgets, or less where the user says so. What has
ended is stored after each run, so that nothing that ends the session loses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from lens_gate.errors import BudgetError, LensError, WorldError
from lens_gate.flows.demoting import as_written
from lens_gate.flows.itself import by_cell, compared, key_of, most_requests, rehearsal_of
from lens_gate.flows.judging import broken_off, judge, terms_of
from lens_gate.flows.looking import looking
from lens_gate.flows.measuring import Conduct, Keys, measure_plan, new_header, stamp
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import Lowered, lower
from lens_gate.flows.power import Rehearsal
from lens_gate.flows.preparing import resolve_keys
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.judge.fixed_rule import would_fail
from lens_gate.judge.null import demotions, null_rate
from lens_gate.policy.plan import expected_duration, worst_case
from lens_gate.records.null import NullCount, NullSession
from lens_gate.records.plan import Plan
from lens_gate.records.policy import Budget
from lens_gate.records.proof import NullReport, NullRow, Tally
from lens_gate.records.report import Row, Statistics
from lens_gate.records.run import EndReason, Run, RunEnd
from lens_gate.repo.null_files import null_sessions_in_worktree, write_null_session
from lens_gate.stats.rates import clopper_pearson
from lens_gate.stats.rng import seed_of
from lens_gate.units import format_duration, format_usd

_WHY = "an A/A run: both arms send the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class NullOrder:
    """What the user asked for.

    ``lowered`` are caps on all runs together, ``output`` is the folder of their journals. ``seed``
    ``None``: a fresh one is drawn and printed.
    """

    policy_path: str | None
    runs: int
    lowered: Lowered
    seed: int | None
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class NullEnd:
    """The session as it is shown, and how its last run ended."""

    report: NullReport
    reason: EndReason


def null(order: NullOrder, outside: Outside) -> NullEnd:
    """Measure A/A runs one after the other, and store what came of them in the work tree.

    Raises:
        BudgetError: not one run can be paid for.
        WorldError: a run in which no check had data.
        LensError: the request is wrong, or this is no place for A/A runs.
    """
    sources = find_sources(outside, order.policy_path)
    if sources.context.event in ("pull_request", "merge_queue"):
        raise LensError(
            "A/A runs spend so many budgets, and are not for pull requests",
            "run `lens-gate null` on a schedule, by hand or locally",
        )
    # That a demoted rule raises false alarms, or no more, is what is to be found out.
    given, plan = rehearsal_of(replace(sources, policy=as_written(sources.policy)))
    plan = replace(plan, cells=tuple(cell for cell in plan.cells if cell.duet))
    if not plan.cells or plan.control is None:
        raise LensError(
            "this policy measures nothing in pairs, so that there is no A/A run of it",
            "let baseline.compare be auto or interleaved",
        )
    session = _Session(order, outside, sources, given, plan)
    return session.all_runs()


class _Session:
    """The runs so far: what they spent, what came of them, what the run before looked like."""

    def __init__(
        self,
        order: NullOrder,
        outside: Outside,
        sources: Sources,
        given: Rehearsal,
        plan: Plan,
    ) -> None:
        self._order, self._outside, self._sources = order, outside, sources
        self._given, self._plan = given, plan
        self._left = lower(_times(plan.budget, order.runs), order.lowered)
        self._cap_usd = self._left.max_usd or Decimal(0)
        self._seed = outside.entropy() if order.seed is None else order.seed
        self._created = stamp(outside.now())
        self._rows: dict[str, NullRow] = {}
        self._before: Mapping[str, Mapping[str, Statistics]] = {}
        self._runs = Tally()
        self._fixed = Tally()
        self._spent = Decimal(0)
        self._path = ""

    def all_runs(self) -> NullEnd:
        """Run after run, until there are enough or the caps hold no further one."""
        keys = resolve_keys(self._given.policy, self._outside)
        stopped = ""
        reason: EndReason = "complete"
        for number in range(1, self._order.runs + 1):
            stopped = _short(self._plan, self._left)
            if stopped and not self._runs.of:
                raise BudgetError(
                    f"not one A/A run can be paid for: {stopped}. Nothing was sent.",
                    "raise the cap, or lower samples.max or max_output_tokens",
                )
            if stopped:
                reason = "budget"
                break
            self._outside.tell(f"A/A run {number} of {self._order.runs}")
            run = self._measured(number, keys)
            reason = run.end.reason if run.end else "error"
            if broken_off(run):
                stopped = run.end.detail if run.end else "the measuring itself failed"
                break
            self._count(run, number)
        return NullEnd(report=self._report(stopped), reason=reason)

    def _measured(self, number: int, keys: Keys) -> Run:
        sources, given, left = self._sources, self._given, self._left
        plan = replace(
            self._plan,
            seed=seed_of(self._seed, "null", number) % 2**48,
            # N stays that of the gate; only the clock is short where little time is left.
            budget=replace(
                self._plan.budget,
                max_duration_s=_least(self._plan.budget.max_duration_s, left.max_duration_s),
            ),
        )
        header = new_header(
            plan,
            self._outside,
            commit=sources.commit,
            dirty=sources.refs.dirty,
            providers=given.providers,
            mode="interleaved",
            why=_WHY,
            control=sources.commit,
        )
        run = measure_plan(
            plan,
            Conduct(
                header=header,
                journal_path=self._order.output / f"null-{number}.jsonl",
                providers=given.providers,
                keys=keys,
                control_keys=keys,
                after_look=looking(terms_of(plan.policy, header, given.providers)),
            ),
            self._outside,
        )
        if run.end is not None:
            self._spent += run.end.spend.spent_usd
            self._left = _less(left, run.end)
        return run

    def _count(self, run: Run, number: int) -> None:
        rows = compared(judge(self._given.policy, run, {}, self._given.providers).rows)
        rows = [row for row in rows if row.mode == "duet"]
        told = [row for row in rows if row.name != "no_data"]
        if not told:
            why = rows[0].verdict.reason if rows else "nothing was compared"
            raise WorldError(
                f"A/A run {number}: no check had data: {why}",
                "`lens-gate check --connect` says what is wrong with a target",
            )
        now = by_cell(run, "head")
        fixed = {
            key_of(row): would_fail(
                row.metric,
                row.statistic,
                now.get(f"{row.scenario}/{row.target}", {}),
                self._before.get(f"{row.scenario}/{row.target}", {}),
            )
            for row in told
        }
        for row in told:
            before = self._rows.get(key_of(row)) or _fresh(row)
            self._rows[key_of(row)] = _counted(before, row, fixed=fixed[key_of(row)])
        known = [found for found in fixed.values() if found is not None]
        if known:
            self._fixed = self._fixed.and_one(failed=any(known))
        self._before = by_cell(run, "control")
        self._runs = self._runs.and_one(failed=any(row.name == "fail" for row in told))
        self._path = write_null_session(
            self._sources.root, self._given.policy.baseline.dir, self._session()
        )

    def _session(self) -> NullSession:
        return NullSession(
            created=self._created,
            commit=self._sources.commit or "",
            policy=self._given.policy.name,
            runs=self._runs.of,
            failed=self._runs.failed,
            spent_usd=self._spent,
            checks={
                key: NullCount(runs=row.runs, failed=row.failed, passed=row.passed)
                for key, row in self._rows.items()
            },
        )

    def _report(self, stopped: str) -> NullReport:
        policy = self._given.policy
        stored = null_sessions_in_worktree(self._sources.root, policy.baseline.dir, policy.name)
        return NullReport(
            session=self._session(),
            asked=self._order.runs,
            path=self._path,
            stopped=stopped,
            rows=tuple(
                replace(row, upper=clopper_pearson(row.failed, row.runs, level=0.90)[1])
                for row in self._rows.values()
            ),
            upper=clopper_pearson(self._runs.failed, self._runs.of, level=0.90)[1],
            fixed=self._fixed,
            cap_usd=self._cap_usd,
            seed=self._seed,
            measured=null_rate(stored),
            demoted=demotions(stored, alpha=1 - policy.confidence),
        )


def _fresh(row: Row) -> NullRow:
    return NullRow(
        scenario=row.scenario,
        target=row.target,
        rule=row.rule,
        metric=row.metric,
        statistic=row.statistic,
        runs=0,
        failed=0,
        passed=0,
        upper=1.0,
        fixed=Tally(),
    )


def _counted(before: NullRow, row: Row, *, fixed: bool | None) -> NullRow:
    return replace(
        before,
        runs=before.runs + 1,
        failed=before.failed + (row.name == "fail"),
        passed=before.passed + (row.name in ("pass", "improved")),
        fixed=before.fixed if fixed is None else before.fixed.and_one(failed=fixed),
    )


def _times(budget: Budget, runs: int) -> Budget:
    """The caps on so many runs together."""
    usd, requests, seconds = budget.max_usd, budget.max_requests, budget.max_duration_s
    return Budget(
        max_usd=None if usd is None else usd * runs,
        max_requests=None if requests is None else requests * runs,
        max_duration_s=None if seconds is None else seconds * runs,
    )


def _less(left: Budget, end: RunEnd) -> Budget:
    """What a run leaves of the caps."""
    usd, requests, seconds = left.max_usd, left.max_requests, left.max_duration_s
    return Budget(
        max_usd=None if usd is None else max(Decimal(0), usd - end.spend.spent_usd),
        max_requests=None if requests is None else max(0, requests - end.spend.requests),
        max_duration_s=None if seconds is None else max(0.0, seconds - end.elapsed_s),
    )


def _least(one: float | None, other: float | None) -> float | None:
    return min((s for s in (one, other) if s is not None), default=None)


def _short(plan: Plan, left: Budget) -> str:
    """Which cap does not hold a whole further run at its worst (of time: as expected), or nothing.

    No run is worse than its own budget lets it be.
    """
    own = plan.budget
    usd = worst_case(plan) if own.max_usd is None else min(worst_case(plan), own.max_usd)
    if left.max_usd is not None and usd > left.max_usd:
        return f"a run may cost {format_usd(usd)}, and {format_usd(left.max_usd)} is left"
    requests = most_requests(plan)
    if own.max_requests is not None:
        requests = min(requests, own.max_requests)
    if left.max_requests is not None and requests > left.max_requests:
        return f"a run may take {requests} requests, and {left.max_requests} are left"
    seconds = expected_duration(plan)
    if own.max_duration_s is not None:
        seconds = min(seconds, own.max_duration_s)
    if left.max_duration_s is not None and seconds > left.max_duration_s:
        takes, rest = format_duration(seconds), format_duration(left.max_duration_s)
        return f"a run is expected to take {takes}, and {rest} is left"
    return ""

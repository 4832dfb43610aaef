"""The user's own policy, proven on simulated servers: it must not fail, and it must fail.

Two acts with the plan that a pull request would get. *Unchanged*: both arms ask the same model; no
rule that compares may fail. *Slowed*: the head asks for a model that is slower by a known factor;
every cell that can see it must fail. A policy that compares with history alone is given stored runs
of other days first. Each server has a day of its own, drawn from the seed: beside the two acts a
rule that fails at +10 % compares the days, on none of which anything has changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from lens_gate.errors import LensError
from lens_gate.flows.itself import by_cell, compared, key_of, rehearsal_of
from lens_gate.flows.judging import broken_off, judge, terms_of
from lens_gate.flows.looking import looking
from lens_gate.flows.measuring import NO_KEYS, Conduct, measure_plan, new_header
from lens_gate.flows.outside import Outside
from lens_gate.flows.simulating import (
    SLOWED,
    USUAL,
    Simulation,
    effort,
    is_of_time,
    least_scale,
)
from lens_gate.flows.slowdown import REACHED, Slowdown, false_alarm, slowdown
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.judge.fixed_rule import would_fail
from lens_gate.metrics.arms import baseline_of
from lens_gate.metrics.catalogue import TargetKind
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Policy, Scenario
from lens_gate.records.proof import Act, ActName, SelftestReport, SelftestRow, Tally
from lens_gate.records.report import Row, Statistics
from lens_gate.records.run import EndReason, Run
from lens_gate.stats.rng import seed_of
from lens_gate.units import format_duration

DAYS: Final = 4
"""Further days on which a duet's policy is measured a little, for the fixed rule alone."""

SOUND: Final = 0.01
"""A sound gate is called unproven no more often than this."""

_DAY_N: Final = 20
_START_S: Final = 1.0
_EACH_S: Final = 0.01
_SURE: Final = 0.7

Day = Mapping[str, Mapping[str, Statistics]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelftestOrder:
    """What the user asked for. ``seed`` ``None``: a fresh one is drawn and printed.

    ``time_s`` is about how long it may take; journals go to ``folder``.
    """

    policy_path: str | None
    time_s: float
    seed: int | None
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What is played: a plan of a policy against itself, and which model each act's head asks for.

    ``kinds`` are those of the real targets. ``days`` is how many are measured before the acts.
    """

    policy: Policy
    kinds: Mapping[str, TargetKind]
    plan: Plan
    slow: Slowdown
    days: int
    heads: Mapping[ActName, str] = field(
        default_factory=lambda: {"unchanged": USUAL, "slowed": SLOWED}
    )


class BrokenOffError(LensError):
    """A signal ended it: there is no answer."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__("interrupted: nothing is proven, and nothing is disproven")
        self.reason = reason


def selftest(order: SelftestOrder, outside: Outside) -> SelftestReport:
    """Play both acts, and say whether the policy holds what it promises.

    Raises:
        InputError: the policy has problems, or rules that could not be decided.
        BudgetError: the caps do not allow the least that could decide anything.
        LensError: the policy has nothing to prove, or the time is too short for it.
        BrokenOffError: a signal ended it.
    """
    return played(piece_of(find_sources(outside, order.policy_path)), order, outside)


def piece_of(sources: Sources) -> Piece:
    """What there is to play of these sources' policy.

    Raises:
        InputError: the policy has rules that could not be decided, or unknown prices.
        BudgetError: the caps do not allow the least that could decide anything.
        LensError: the policy has nothing to prove.
    """
    given, plan = rehearsal_of(sources)
    slow = slowdown(plan, given.kinds)
    if not slow.must_fail:
        why = "; ".join(f"{cell}: {text}" for cell, text in slow.may_stay.items())
        raise LensError(
            f"there is no slowdown that this policy had to find: {why}",
            "`lens-gate power` shows what its rules can see",
        )
    in_history = any(cell.duet is None for cell in plan.cells)
    return Piece(
        policy=given.policy,
        kinds=given.kinds,
        plan=plan,
        slow=slow,
        days=given.policy.baseline.history if in_history else DAYS,
    )


def played(piece: Piece, order: SelftestOrder, outside: Outside) -> SelftestReport:
    """Play both acts.

    Raises:
        LensError: the time is too short.
        BrokenOffError: a signal ended it.
    """
    began = outside.now()
    stage = _Stage(piece, order, replace(outside, observe=_nothing))
    stage.play()
    return stage.report((outside.now() - began).total_seconds())


class _Stage:
    """What is played on: the plan, the servers' clock, and the days that were measured so far."""

    def __init__(self, piece: Piece, order: SelftestOrder, outside: Outside) -> None:
        plan = piece.plan
        self._plan, self._slow, self._heads = plan, piece.slow, piece.heads
        self._order, self._outside = order, outside
        self._seed = outside.entropy() if order.seed is None else order.seed
        self._days_planned = piece.days
        self._sim = Simulation(
            policy=piece.policy,
            kinds=piece.kinds,
            factor=piece.slow.factor,
            scale=_scale(piece, order.time_s),
        )
        self._alarm = false_alarm(plan, piece.kinds)
        self._days: list[Day] = []
        self._stored: dict[str, list[Baseline]] = {cell.cell: [] for cell in plan.cells}
        self._acts: list[Act] = []
        self._rows: dict[ActName, Mapping[str, Row]] = {}

    def play(self) -> None:
        """The days before, then both acts."""
        for number in range(1, self._days_planned + 1):
            self._outside.tell(f"day {number} of {self._days_planned}")
            self._day(number)
        tries = 1
        while not self._act("unchanged", tries) and tries < self._tries():
            tries += 1
        # A busy machine hides a slowdown, and that is no fault of the policy.
        if not self._act("slowed", 1) and self._is_disturbed():
            self._act("slowed", 2)

    def _is_disturbed(self) -> bool:
        return any(row.verdict.withheld for row in self._rows["slowed"].values())

    def _tries(self) -> int:
        """How often the first act may be played, so that a sound gate hardly fails all of them."""
        tries = 1
        while self._alarm**tries + self._slow.missed > SOUND and tries < 9:
            tries += 1
        return tries

    def _day(self, number: int) -> None:
        """One more day: a whole stored run for history, a few requests otherwise."""
        plan = _day_of(self._plan)
        run = self._measured(plan, USUAL, f"day-{number}")
        self._days.append(by_cell(run, "head"))
        for cell in (cell for cell in self._plan.cells if cell.duet is None):
            self._stored[cell.cell].insert(0, baseline_of(run, cell.cell))

    def _act(self, name: ActName, number: int) -> bool:
        """Play an act; whether it brought what it should."""
        self._outside.tell(f"act: {name}")
        model = self._heads[name]
        run = self._measured(self._plan, model, f"{name}-{number}")
        judged = judge(self._sim.policy_asking(model), run, self._stored, self._sim.providers())
        here = {cell.cell for cell in self._plan.cells}
        rows = {
            key_of(row): row
            for row in compared(judged.rows)
            if f"{row.scenario}/{row.target}" in here
        }
        problems = _unchanged(rows) if name == "unchanged" else _slowed(rows, self._slow)
        act = Act(name=name, problems=problems, tries=number, requests=len(run.samples))
        self._acts = [*(a for a in self._acts if a.name != name), act]
        self._rows[name] = rows
        if self._plan.control is not None:
            self._days.append(by_cell(run, "control"))
        elif name == "unchanged":
            self._days.append(by_cell(run, "head"))
        return not problems

    def _measured(self, plan: Plan, model: str, name: str) -> Run:
        sim, outside = self._sim, self._outside
        seed = seed_of(self._seed, "selftest", name) % 2**48
        plan = sim.plan(plan, head=model, control=USUAL, seed=seed)
        providers = sim.providers()
        header = new_header(
            plan, outside, commit=None, dirty=False, providers=providers, mode="interleaved"
        )
        run = measure_plan(
            plan,
            Conduct(
                header=header,
                journal_path=self._order.folder / f"{name}.jsonl",
                providers=providers,
                keys=NO_KEYS,
                after_look=looking(terms_of(plan.policy, header, providers)),
            ),
            outside,
        )
        if broken_off(run):
            raise BrokenOffError(run.end.reason if run.end else "error")
        return run

    def report(self, elapsed_s: float) -> SelftestReport:
        """What came of it."""
        slowed = self._rows["slowed"]
        rows = [self._row(row, slowed[key]) for key, row in self._rows["unchanged"].items()]
        return SelftestReport(
            policy=self._plan.policy.name,
            seed=self._seed,
            scale=self._sim.scale,
            factor=self._slow.factor,
            elapsed_s=elapsed_s,
            acts=tuple(self._acts),
            rows=tuple(rows),
            must_fail=self._slow.must_fail,
            may_stay=self._slow.may_stay,
            false_alarm=self._alarm ** self._tries(),
            missed=self._slow.missed,
            fixed=self._fixed_builds(),
            left_out=tuple(_left_out(self._plan)),
        )

    def _row(self, row: Row, slowed: Row) -> SelftestRow:
        cell = next(c for c in self._plan.cells if c.cell == f"{row.scenario}/{row.target}")
        unit = "requests" if cell.duet is None else "pairs"
        days = [_fixed(row, now, before) for before, now in pairwise(self._days)]
        known = [found for found in days if found is not None]
        return SelftestRow(
            scenario=row.scenario,
            target=row.target,
            rule=row.rule,
            metric=row.metric,
            statistic=row.statistic,
            n=cell.n,
            unit="pairs of blocks" if cell.duet and cell.duet.block_requests else unit,
            margin=row.verdict.margin or 0.0,
            unchanged=row.name,
            slowed=slowed.name,
            slows=row.metric in REACHED,
            open_because=slowed.verdict.reason if slowed.name == "inconclusive" else "",
            fixed=Tally(failed=sum(known), of=len(known)),
        )

    def _fixed_builds(self) -> Tally:
        rows, tally = self._rows["unchanged"].values(), Tally()
        for before, now in pairwise(self._days):
            tally = tally.and_one(failed=any(_fixed(row, now, before) for row in rows))
        return tally


def _fixed(row: Row, now: Day, before: Day) -> bool | None:
    cell = f"{row.scenario}/{row.target}"
    return would_fail(row.metric, row.statistic, now.get(cell, {}), before.get(cell, {}))


def _unchanged(rows: Mapping[str, Row]) -> tuple[str, ...]:
    """What is wrong where nothing changed: every failure, or that nothing had data."""
    if all(row.name == "no_data" for row in rows.values()):
        return tuple(f"{key}: no data: {row.verdict.reason}" for key, row in rows.items())
    return tuple(
        f"{key}: failed: {row.verdict.reason}" for key, row in rows.items() if row.name == "fail"
    )


def _slowed(rows: Mapping[str, Row], slow: Slowdown) -> tuple[str, ...]:
    """Where the slowdown was not found though it had to be."""
    return tuple(filter(None, (_missed(rows, cell, slow) for cell in slow.must_fail)))


def _missed(rows: Mapping[str, Row], cell: str, slow: Slowdown) -> str:
    own = list(_slow_rows(rows, cell))
    if any(row.name == "fail" for row in own):
        return ""
    said = (f"{row.rule} {row.name.replace('_', ' ')}: {row.verdict.reason}" for row in own)
    return (
        f"{cell}: not found to be slower, though its model takes {slow.factor:.3g} times as long: "
        + "; ".join(said)
    )


def _slow_rows(rows: Mapping[str, Row], cell: str) -> Iterator[Row]:
    """The rows of a cell that the slowdown reaches."""
    for row in rows.values():
        if f"{row.scenario}/{row.target}" == cell and row.metric in REACHED:
            yield row


def _day_of(plan: Plan) -> Plan:
    """A plan of the head alone: whole where stored runs are needed, a little of each duet."""
    cells = (_alone(plan.policy.scenarios[cell.scenario], cell) for cell in plan.cells)
    return replace(plan, cells=tuple(cells), control=None)


def _alone(scenario: Scenario, cell: CellPlan) -> CellPlan:
    if cell.duet is None:
        return cell
    n = min(_DAY_N, scenario.samples.max)
    warm = min(len(scenario.prompts), n) if scenario.cache == "warm" else 0
    return replace(cell, duet=None, n=n, min_n=n, warmup=scenario.samples.warmup + warm)


def _scale(piece: Piece, time_s: float) -> float:
    """How much faster than real the simulated time has to run.

    Raises:
        LensError: so much that this machine could not tell the times apart.
    """
    policy, kinds, plan = piece.policy, piece.kinds, piece.plan
    day = _day_of(plan)
    works = [
        *(effort(policy, kinds, cell, 1.0) for cell in plan.cells),
        *(effort(policy, kinds, cell, piece.slow.factor) for cell in plan.cells),
        *(effort(policy, kinds, cell, 1.0) for cell in day.cells for _ in range(piece.days)),
    ]
    virtual_s = sum(work.seconds for work in works)
    own_s = (piece.days + 2) * _START_S + sum(work.requests for work in works) * _EACH_S
    least = max(least_scale(policy, kinds, cell) for cell in plan.cells)
    scale = min(1.0, (_SURE * time_s - own_s) / virtual_s)
    if scale < least:
        needed = format_duration((own_s + least * virtual_s) / _SURE)
        raise LensError(
            f"{format_duration(time_s)} are too short for {sum(w.requests for w in works)} "
            f"simulated requests: they take about {needed}",
            f"give it --time {round((own_s + least * virtual_s) / _SURE) + 1}s or more",
        )
    return scale


def _left_out(plan: Plan) -> Sequence[str]:
    policy, found = plan.policy, []
    times = sum(
        ((rule.max is not None) + (rule.min is not None)) * len(rule.targets)
        for scenario in policy.scenarios.values()
        for rule in scenario.rules
        if is_of_time(rule.metric)
    )
    if times:
        limits = "1 absolute limit" if times == 1 else f"{times} absolute limits"
        found.append(f"{limits} on times: simulated times are not those of the real targets")
    here = {cell.cell for cell in plan.cells}
    others = [
        f"{scenario.key}/{target}"
        for scenario in policy.scenarios.values()
        for target in scenario.targets
        if f"{scenario.key}/{target}" not in here
    ]
    if others:
        found.append(f"{', '.join(others)}: no gating rule compares anything there")
    return found


def _nothing(_progress: object) -> None:
    """Show nothing: the acts are told one by one."""

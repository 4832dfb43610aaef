"""What a test has in its hand: measure, and hold it against limits and stored runs.

All of it goes through the library's own calls. What is added here is the session: its one purse,
its report, and what pytest is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NoReturn, Unpack, cast

from lens_gate.api import Comparison, Measurement, Prompts, Target
from lens_gate.api.apart import Work, awaited, wait_for
from lens_gate.api.comparing import DEFAULT_RULES
from lens_gate.api.wording import IN_A_COMPARISON, IN_A_MEASUREMENT, worded
from lens_gate.api.world import world
from lens_gate.errors import LensError
from lens_gate.flows.stopping import Stop
from lens_gate.pytest_plugin.asking import Ask, AskComparison, Test, begun
from lens_gate.pytest_plugin.calls import Made, carried_out, planned, planned_duel
from lens_gate.pytest_plugin.ending import fail, hold, warn_of_nothing
from lens_gate.pytest_plugin.judging import (
    NOTHING_EARLIER,
    Gates,
    Ground,
    earlier_runs,
    find_ground,
    judged_report,
    named_rules,
    with_gates,
)
from lens_gate.pytest_plugin.naming import name_of, numbered
from lens_gate.pytest_plugin.session import Session
from lens_gate.pytest_plugin.telling import measured_lines, properties, verdict_properties
from lens_gate.records.report import Report, Row

_DEFAULT_METRICS: Final = ("ttft", "e2e")
# The share of its test's error budget that the first judging has, and each later one of the rest.
_FIRST_SHARE: Final = 0.9


class Lens:
    """Measures LLM calls inside of a test, on the session's one budget, into its one report."""

    def __init__(self, session: Session, test: Test, made: dict[str, Made]) -> None:
        self._session, self._test, self._made = session, test, made
        self._measured = 0
        self._judged = 0
        self._own: list[str] = []

    def measure(
        self, target: Target | None = None, prompts: Prompts | None = None, **asked: Unpack[Ask]
    ) -> Measurement:
        """Send requests to a target and give their numbers: ``result.ttft.p95`` in seconds.

        What is not said comes from the test's ``lens`` marker, then from the settings. Fails the
        test, with nothing sent, where the session's budget does not allow it.

        Args:
            target: as ``lens_gate.measure`` has it, such as ``openai:gpt-4.1-mini``.
            prompts: a text, several, or the path of a file of them.
            **asked: see ``Ask``.
        """
        __tracebackhide__ = True
        try:
            work, gates = self._work(target, prompts, asked)
            result = wait_for(work)
        except LensError as error:
            self._fail(error)
        warn_of_nothing(result)
        self._judge_at_once(result, gates)
        return result

    async def measure_async(
        self, target: Target | None = None, prompts: Prompts | None = None, **asked: Unpack[Ask]
    ) -> Measurement:
        """As ``measure``, for tests that run in an event loop, which goes on meanwhile."""
        __tracebackhide__ = True
        try:
            work, gates = self._work(target, prompts, asked)
            result = await awaited(work)
        except LensError as error:
            self._fail(error)
        warn_of_nothing(result)
        self._judge_at_once(result, gates)
        return result

    def compare(
        self,
        control: Target,
        head: Target,
        prompts: Prompts | None = None,
        **asked: Unpack[AskComparison],
    ) -> Comparison:
        """Measure a head beside its control, pair by pair; ``assert_no_regression`` tells on it.

        Args:
            control: what there is.
            head: what would take its place.
            prompts: as for ``measure``; both arms send the same.
            **asked: see ``AskComparison``.
        """
        __tracebackhide__ = True
        try:
            result = wait_for(self._work_of_two((control, head), prompts, asked))
        except LensError as error:
            self._fail(error)
        warn_of_nothing(result)
        return result

    async def compare_async(
        self,
        control: Target,
        head: Target,
        prompts: Prompts | None = None,
        **asked: Unpack[AskComparison],
    ) -> Comparison:
        """As ``compare``, for tests that run in an event loop."""
        __tracebackhide__ = True
        try:
            result = await awaited(self._work_of_two((control, head), prompts, asked))
        except LensError as error:
            self._fail(error)
        warn_of_nothing(result)
        return result

    def assert_gates(self, result: Measurement, *gates: Mapping[str, object]) -> None:
        """Hold a measurement against rules, as a policy has them, by the gate's decision.

        ``{"metric": "ttft.p95", "max": "800ms"}`` fails where p95 is shown to be above the limit.

        Raises:
            AssertionError: a rule fails, or has no data.
        """
        __tracebackhide__ = True
        try:
            rows = self._judge(result, gates)
        except LensError as error:
            self._fail(error)
        hold(result.cell.cell, rows, self._session.settings.on_inconclusive)

    def assert_no_regression(
        self,
        result: Measurement | Comparison,
        *metrics: str,
        margin: str | float | None = None,
    ) -> None:
        """Hold a measurement against the stored runs of its name, by the gate's decision.

        A comparison is held against its control, by the rules that it was made with; it takes
        neither metrics nor a margin.

        Args:
            result: what ``measure`` or ``compare`` gave.
            *metrics: which, with a statistic or without [``ttft``, ``e2e``].
            margin: the change that is tolerated, such as ``"50%"`` or 0.5 [as the gate has it].

        Raises:
            AssertionError: it is shown to be worse by more than the margin, or there is no data.
        """
        __tracebackhide__ = True
        if isinstance(result, Comparison):
            if metrics or margin is not None:
                raise TypeError("a comparison has its rules and its margin from lens.compare")
            undecided = self._session.settings.on_inconclusive
            hold(result.head.cell.cell, result.rows, undecided)
            return
        gates = named_rules(metrics or _DEFAULT_METRICS, margin, by="max_drift")
        try:
            rows = self._judge(result, gates)
        except LensError as error:
            self._fail(error)
        hold(result.cell.cell, rows, self._session.settings.on_inconclusive)

    def lines(self) -> list[str]:
        """What this test has measured, for people: a failure's report shows it."""
        return [line for run_id in self._own for line in measured_lines(self._made[run_id].report)]

    def _work(
        self, target: Target | None, prompts: Prompts | None, asked: Ask
    ) -> tuple[Work[Measurement], Gates]:
        merged = {**self._test.asked, **asked}
        gates = cast("Gates", merged.pop("gates", ()))
        target = target or merged.get("target") or self._session.settings.target
        if not target:
            raise LensError(
                "no target is named", 'say lens.measure("openai:gpt-4.1-mini"), or set lens_target'
            )
        if gates:
            self._needs_share()
        merged.setdefault("requests", 20)
        name = self._name(merged.pop("name", None))
        call = begun(self._session, self._test, name, [target], prompts, merged)
        with worded(IN_A_MEASUREMENT):
            job = planned(call)
            if gates:  # before anything is sent
                with_gates(call.order, gates, self._session.settings, call.outside.cwd)

        def do() -> Measurement:
            run, policy = carried_out(job, self._session)
            result = Measurement(run=run, cell=run.header.cells[0], policy=policy)
            self._keep(Made(job=job, run=run, report=result.report()))
            return result

        return Work(do=do, break_off=call.stop.ask, left=lambda: ""), gates

    def _work_of_two(
        self, targets: tuple[Target, Target], prompts: Prompts | None, asked: AskComparison
    ) -> Work[Comparison]:
        merged = {**self._test.asked, **asked}
        for key in ("gates", "requests"):  # of a marker: they are for what is measured alone
            merged.pop(key, None)
        rules = named_rules(
            merged.pop("rules", DEFAULT_RULES), merged.pop("margin", None), by="max_regression"
        )
        self._needs_share()
        merged["requests"] = merged.pop("pairs", 180)
        name = self._name(merged.pop("name", None))
        call = begun(self._session, self._test, name, targets, prompts, merged)
        with worded(IN_A_COMPARISON):
            job = planned_duel(call, rules, confidence=self._confidence())

        def do() -> Comparison:
            run, policy = carried_out(job, self._session)
            result = Comparison(run=run, policy=policy)
            self._keep(Made(job=job, run=run, report=self._at_test(result.report())))
            return result

        return Work(do=do, break_off=call.stop.ask, left=lambda: "")

    def _name(self, given: str | None) -> str:
        if given is not None:
            return given
        if not self._test.own_name:
            raise LensError(
                "what several tests share has no name of its own",
                'give one: lens_session.measure(..., name="chat")',
            )
        self._measured += 1
        return numbered(name_of(self._test.nodeid), self._measured)

    def _keep(self, made: Made) -> None:
        self._made[made.run.header.run_id] = made
        self._own.append(made.run.header.run_id)
        self._session.keep(made.job.begun.folder, made.job.begun.call, made.report)
        self._test.properties.extend(properties(made.report))

    def _judge_at_once(self, result: Measurement, gates: Gates) -> None:
        __tracebackhide__ = True
        if gates:
            self.assert_gates(result, *gates)

    def _judge(self, result: Measurement, gates: Gates) -> Sequence[Row]:
        """The rows of these rules, which are in the report from here on."""
        made = self._made.get(result.run.header.run_id)
        if made is None:
            raise LensError(
                "this was not measured by the plug-in",
                "hand over what lens.measure gave, in the same process",
            )
        self._needs_share()
        call = made.job.begun
        with worded(IN_A_MEASUREMENT):
            policy = with_gates(call.order, gates, self._session.settings, call.outside.cwd)
        relative = any(rule.relative for s in policy.scenarios.values() for rule in s.rules)
        earlier = NOTHING_EARLIER
        if relative:
            cell, today = made.run.header.cells[0], datetime.now(UTC).date()
            earlier = earlier_runs(self._ground(), policy, cell, today)
        policy = replace(policy, confidence=self._confidence())
        report, behind = judged_report(made.run, policy, earlier)
        report = self._at_test(report)
        if relative and (foreign := self._ground().foreign):
            report = replace(report, warnings=(*report.warnings, foreign))
        ids = {row.verdict.id for row in report.rows}
        made.rows = [*(row for row in made.rows if row.verdict.id not in ids), *report.rows]
        made.report = replace(report, rows=tuple(made.rows))
        if relative:
            made.stored = tuple(stored for runs in behind.values() for stored in runs)
        self._session.keep(call.folder, call.call, made.report, made.stored)
        return report.rows

    def _ground(self) -> Ground:
        """Where stored runs are read: asked of git once in each process."""
        session = self._session
        if session.ground is None:
            outside = world(Stop(), None, session.root)
            session.ground = find_ground(session.settings, session.root, outside)
        return session.ground

    def _at_test(self, report: Report) -> Report:
        """The report with its rows placed at this test."""
        rows = tuple(replace(row, place=self._test.place) for row in report.rows)
        self._test.properties.extend(verdict_properties(rows))
        return replace(report, rows=rows)

    def _confidence(self) -> float:
        """The confidence of one judging, so that all of the session's keep the session's together.

        The tests share its error budget alike; of a test's part the first judging has nine tenths,
        the next one nine tenths of what is left.
        """
        self._judged += 1
        budget = (1.0 - self._session.settings.confidence) / self._session.shares
        return 1.0 - budget * _FIRST_SHARE * (1.0 - _FIRST_SHARE) ** (self._judged - 1)

    def _needs_share(self) -> None:
        """Refuse to judge what nobody counted: the session's error budget was shared without it."""
        if not self._test.has_share:
            raise LensError(
                "this test came by its fixture in a way that its collection does not show, so it "
                "has no share of the session's error budget",
                'name it: def test_chat(lens), or @pytest.mark.usefixtures("lens")',
            )

    def _fail(self, error: LensError) -> NoReturn:
        __tracebackhide__ = True
        fail(self._session, self._test.nodeid, error)

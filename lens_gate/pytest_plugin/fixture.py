"""What a test has in its hand: measure, and hold it against limits and stored runs.

All of it goes through the library's own calls. What is added here is the session: its one purse,
its report, and what pytest is told.
"""

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn, Unpack, cast

import pytest

from lens_gate.api import Comparison, Details, Measurement, Prompts, Target, Usd
from lens_gate.api.apart import Work, awaited, wait_for
from lens_gate.api.asked import Asked, order_of
from lens_gate.api.comparing import DEFAULT_RULES, CompareDetails
from lens_gate.api.measuring import DEFAULT_PROMPT
from lens_gate.api.wording import IN_A_COMPARISON, IN_A_MEASUREMENT, worded
from lens_gate.api.world import world
from lens_gate.errors import InputError, LensError
from lens_gate.flows.stopping import Stop
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.pytest_plugin import LensWarning
from lens_gate.pytest_plugin.calls import (
    Begun,
    Made,
    MissingKeyError,
    OutOfBudgetError,
    carried_out,
    planned,
    planned_duel,
)
from lens_gate.pytest_plugin.judging import (
    Gates,
    Ground,
    find_ground,
    judged_report,
    named_rules,
    stored_runs,
    told,
    with_gates,
)
from lens_gate.pytest_plugin.naming import name_of, numbered
from lens_gate.pytest_plugin.purse import Note
from lens_gate.pytest_plugin.session import Call, Session
from lens_gate.pytest_plugin.telling import measured_lines, properties, verdict_properties
from lens_gate.records.policy import Place
from lens_gate.records.report import Report, Row
from lens_gate.stats.rng import seed_of

_DEFAULT_METRICS: Final = ("ttft", "e2e")
# The share of its test's error budget that the first judging has, and each later one of the rest.
_FIRST_SHARE: Final = 0.9
# A call without a cap of its own is planned whole: whether it fits is the session's to say.
_UNCAPPED_USD: Final = 999_999
_MOST_SEED: Final = 2**53


class Ask(Details, total=False):
    """What ``measure`` may be told; those of ``Details`` besides.

    Keys:
        requests: how many are measured [20].
        concurrency: how many are kept in flight [1].
        max_output_tokens: the longest answer [128].
        max_usd: a cap on this call's money, inside of the session's.
        seed: of the order of prompts, and of simulated providers [from the session's and the name].
        gates: rules, as a policy has them, that are held against it at once.
    """

    requests: int
    concurrency: int
    max_output_tokens: int
    max_usd: Usd
    seed: int
    gates: Gates


class AskComparison(CompareDetails, total=False):
    """What ``compare`` may be told; those of ``lens_gate.compare`` besides.

    Keys:
        pairs: the most that are measured [180].
        margin: the change that rules without one of their own tolerate, as a fraction.
        max_usd: a cap on this call's money, inside of the session's.
        seed: of the order of pairs, of resampling and of simulated providers.
    """

    pairs: int
    margin: float
    max_usd: Usd
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """The test that measures: its id, where it stands, what its markers say, its properties.

    ``own_name`` is false for what is shared by several tests: each call must give a name then.
    """

    __test__ = False

    nodeid: str
    place: Place
    asked: Mapping[str, Any]
    properties: list[tuple[str, object]]
    own_name: bool = True


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
            return wait_for(self._work_of_two((control, head), prompts, asked))
        except LensError as error:
            self._fail(error)

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
            return await awaited(self._work_of_two((control, head), prompts, asked))
        except LensError as error:
            self._fail(error)

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
        self._assert(result.cell.cell, rows)

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
            self._assert(result.head.cell.cell, result.rows)
            return
        gates = named_rules(metrics or _DEFAULT_METRICS, margin, by="max_drift")
        try:
            rows = self._judge(result, gates)
        except LensError as error:
            self._fail(error)
        self._assert(result.cell.cell, rows)

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
        begun = self._begun([target], prompts, merged, requests=20)
        with worded(IN_A_MEASUREMENT):
            job = planned(begun)
            if gates:  # before anything is sent
                with_gates(begun.order, gates, self._session.settings, begun.outside.cwd)

        def do() -> Measurement:
            run, policy = carried_out(job, self._session)
            result = Measurement(run=run, cell=run.header.cells[0], policy=policy)
            self._keep(Made(job=job, run=run, report=result.report()))
            return result

        return Work(do=do, break_off=begun.stop.ask, left=lambda: ""), gates

    def _work_of_two(
        self, targets: tuple[Target, Target], prompts: Prompts | None, asked: AskComparison
    ) -> Work[Comparison]:
        merged = {**self._test.asked, **asked}
        for key in ("gates", "requests"):  # of a marker: they are for what is measured alone
            merged.pop(key, None)
        rules = named_rules(
            merged.pop("rules", DEFAULT_RULES), merged.pop("margin", None), by="max_regression"
        )
        begun = self._begun(targets, prompts, merged, requests=merged.pop("pairs", 180))
        with worded(IN_A_COMPARISON):
            job = planned_duel(begun, rules, confidence=self._confidence())

        def do() -> Comparison:
            run, policy = carried_out(job, self._session)
            result = Comparison(run=run, policy=policy)
            self._keep(Made(job=job, run=run, report=self._at_test(result.report())))
            return result

        return Work(do=do, break_off=begun.stop.ask, left=lambda: "")

    def _begun(
        self,
        targets: Sequence[Target],
        prompts: Prompts | None,
        asked: dict[str, Any],
        *,
        requests: int,
    ) -> Begun:
        """The order that a call comes to, under a name that no other test has."""
        session = self._session
        if "output" in asked:
            raise LensError("output is the session's", "set lens_output: one report for all tests")
        name = self._name(asked.pop("name", None))
        asked.pop("target", None)
        own_prompts = asked.pop("prompts", None)
        stop = asked.setdefault("stop", Stop())
        numbers = Asked(
            requests=asked.pop("requests", requests),
            concurrency=asked.pop("concurrency", 1),
            max_output_tokens=asked.pop("max_output_tokens", 128),
            max_usd=asked.pop("max_usd", _UNCAPPED_USD),
            seed=asked.pop("seed", seed_of(session.identity.seed, name) % _MOST_SEED),
        )
        details = cast("Details", {"plugins": session.settings.plugins, **asked, "name": name})
        prompts = prompts or own_prompts or DEFAULT_PROMPT
        order, cwd = order_of(targets, prompts, numbers, details)
        self._claim(name)
        return Begun(
            call=Call(name=name, test=self._test.nodeid, at_ns=time.time_ns()),
            order=order,
            folder=session.new_folder(name),
            outside=world(stop, details.get("on_progress"), cwd),
            stop=stop,
        )

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

    def _claim(self, name: str) -> None:
        other = self._session.purse().claim(name, self._test.nodeid)
        if other is not None:
            raise LensError(
                f"{other} measures under the name {name!r} already",
                'give one of them another: lens.measure(..., name="...")',
            )

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
        begun = made.job.begun
        with worded(IN_A_MEASUREMENT):
            policy = with_gates(begun.order, gates, self._session.settings, begun.outside.cwd)
        relative = any(rule.relative for s in policy.scenarios.values() for rule in s.rules)
        stored, why = {}, ""
        if relative:
            ground = self._ground()
            read, cell = stored_runs(ground, policy), made.run.header.cells[0]
            stored, why = {cell.cell: read(cell.scenario, cell.target)}, ground.why
        policy = replace(policy, confidence=self._confidence())
        report = self._at_test(judged_report(made.run, policy, stored, why=why))
        ids = {row.verdict.id for row in report.rows}
        made.rows = [*(row for row in made.rows if row.verdict.id not in ids), *report.rows]
        made.report = replace(report, rows=tuple(made.rows))
        self._session.keep(made.job.begun.folder, made.job.begun.call, made.report)
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
        budget = (1.0 - self._session.settings.confidence) / max(1, self._session.tests)
        return 1.0 - budget * _FIRST_SHARE * (1.0 - _FIRST_SHARE) ** (self._judged - 1)

    def _assert(self, cell: str, rows: Iterable[Row]) -> None:
        __tracebackhide__ = True
        undecided = self._session.settings.on_inconclusive
        bad = ("fail", "no_data", *(["inconclusive"] if undecided == "fail" else []))
        failed = [row for row in rows if row.gating and row.name in bad]
        if failed:
            lines = "\n".join(f"  {told(row)}" for row in failed)
            raise AssertionError(f"{cell}:\n{lines}")
        opened = [row for row in rows if row.name == "inconclusive"]
        if opened and undecided == "warn":
            text = "; ".join(map(told, opened))
            warnings.warn(LensWarning(f"{cell}: {text}"), stacklevel=3)

    def _fail(self, error: LensError) -> NoReturn:
        """End the test: skipped where it can't be measured here, else failed, in one message."""
        __tracebackhide__ = True
        if isinstance(error, MissingKeyError) and (why := self._excuse(error)):
            self._note("not_measured", why)
            raise pytest.skip.Exception(f"not measured: {why}") from None
        self._note("budget" if isinstance(error, OutOfBudgetError) else "error", error.message)
        raise pytest.fail.Exception(_words(error), pytrace=False) from None

    def _excuse(self, error: MissingKeyError) -> str:
        """Why a missing key is no failure here, or nothing where it is one."""
        wish = self._session.settings.missing_key
        if wish == "skip":
            return error.message
        if wish == "fail":
            return ""
        try:
            outside = world(Stop(), None, self._session.root)
            fork = detect(outside.environ, read_event_file).is_fork
        except LensError:
            return ""
        return f"a fork's run has no access to the key ({error.message})" if fork else ""

    def _note(self, kind: str, text: str) -> None:
        self._session.purse().note(Note(kind=kind, test=self._test.nodeid, text=text))


def _words(error: LensError) -> str:
    if isinstance(error, InputError):
        return "lens: " + "\n".join(str(problem) for problem in error.problems)
    return f"lens: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else "")

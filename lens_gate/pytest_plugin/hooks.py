"""The hooks of one process: the controller begins and ends a session, workers join it."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import pytest

from lens_gate.errors import LensError
from lens_gate.pytest_plugin.identity import (
    Identity,
    new_identity,
    output_folder,
    session_folder,
)
from lens_gate.pytest_plugin.settings import Settings

if TYPE_CHECKING:
    from lens_gate.pytest_plugin.calls import Made
    from lens_gate.pytest_plugin.fixture import Lens
    from lens_gate.pytest_plugin.merging import TestOutcome
    from lens_gate.pytest_plugin.session import Session

_FIXTURE: Final = "lens"
_SHARED_FIXTURE: Final = "lens_session"
_MARKER: Final = "lens"
_WORKER_KEY: Final = "lens_gate"
SHARED: Final = "a shared fixture"
"""Who measures what several tests share."""

_ORDER: Final = ("failed", "passed", "xfailed", "skipped")
_LENS: pytest.StashKey["Lens"] = pytest.StashKey()


class Plugin:
    """What one process of a session knows. Nothing is imported or made before it is needed."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config, self._settings = config, settings
        self._worker: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        self._identity = (
            new_identity(settings.seed, time.time())
            if self._worker is None
            else Identity(**self._worker[_WORKER_KEY])
        )
        self._opened: Session | None = None
        self._made: dict[str, Made] = {}
        self._outcomes: dict[tuple[str, str], TestOutcome] = {}
        self._lines: list[str] = []
        self._shares = 0
        self._shared_has_one = False

    def lens(self, node: pytest.Item) -> "Lens":
        """The fixture of one test."""
        from lens_gate.pytest_plugin.asking import Test  # noqa: PLC0415
        from lens_gate.pytest_plugin.fixture import Lens  # noqa: PLC0415
        from lens_gate.records.policy import Place  # noqa: PLC0415

        file, line, _ = node.location
        test = Test(
            nodeid=node.nodeid,
            place=Place(file=file, line=(line or 0) + 1, column=1),
            asked=_asked(node),
            properties=node.user_properties,
            has_share=_FIXTURE in _fixtures_of(node),
        )
        found = Lens(self._session(), test, self._made)
        node.stash[_LENS] = found
        return found

    def shared_lens(self) -> "Lens":
        """The fixture of what several tests share."""
        from lens_gate.pytest_plugin.asking import Test  # noqa: PLC0415
        from lens_gate.pytest_plugin.fixture import Lens  # noqa: PLC0415
        from lens_gate.records.policy import Place  # noqa: PLC0415

        place = Place(file="", line=0, column=0)
        test = Test(
            nodeid=SHARED,
            place=place,
            asked={},
            properties=[],
            own_name=False,
            has_share=self._shared_has_one,
        )
        return Lens(self._session(), test, self._made)

    def _session(self) -> "Session":
        from lens_gate.pytest_plugin.session import Session  # noqa: PLC0415

        if self._opened is None:
            holder = "main" if self._worker is None else str(self._worker["workerid"])
            root = self._config.rootpath
            self._opened = Session(self._settings, root, self._identity, holder)
        self._opened.shares = max(1, self._shares)
        return self._opened

    @property
    def _used(self) -> bool:
        """Whether any process of the session has measured, or tried to: a fork of this one, too."""
        output = output_folder(self._settings, self._config.rootpath)
        return session_folder(output, self._identity).exists()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401  # xdist's, if it is there
        """Tell a worker of xdist which session it joins."""
        node.workerinput[_WORKER_KEY] = asdict(self._identity)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401
        """A worker is gone: what it had reserved stays booked, and nobody waits for it."""
        if self._used:
            try:
                self._session().purse().lose(node.gateway.id)
            except LensError as error:
                self._lines.append(f"lens: {error.message}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count who measures: they share the session's error budget.

        Each test that names ``lens``; and of what tests share, one for each process that may have
        it. Whoever is not counted can't judge.
        """
        named = [_fixtures_of(item) for item in session.items]
        sharing = sum(_SHARED_FIXTURE in names for names in named)
        processes = int(self._worker["workercount"]) if self._worker else 1
        self._shares = sum(_FIXTURE in names for names in named) + min(sharing, processes)
        self._shared_has_one = sharing > 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show all numbers of a test that fails."""
        report = yield
        lens = item.stash.get(_LENS, None)
        if lens is not None and report.failed and call.when == "call" and (lines := lens.lines()):
            report.sections.append(("measured by lens-gate", "\n".join(lines)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how each test went; one that a process runs again is as its last run there."""
        if self._worker is not None:
            return
        node = getattr(report, "node", None)  # xdist's: several workers may run the same test
        test = report.nodeid, node.gateway.id if node else ""
        if report.failed:
            self._outcomes[test] = "failed"
        elif report.when == "setup" or (report.when == "call" and report.outcome != "passed"):
            word: TestOutcome = "skipped" if report.skipped else "passed"
            self._outcomes[test] = "xfailed" if hasattr(report, "wasxfail") else word

    # Innermost of the wrappers: after the workers' end, before the summary is printed.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, exitstatus: int | pytest.ExitCode
    ) -> Generator[None, object, object]:
        """Write the report of the whole session."""
        result = yield
        if self._worker is None and self._used:
            from lens_gate.pytest_plugin.finishing import finish  # noqa: PLC0415

            interrupted = int(exitstatus) == int(pytest.ExitCode.INTERRUPTED)
            try:
                outcomes = _worst(self._outcomes)
                self._lines += finish(self._session(), outcomes, interrupted=interrupted)
            except LensError as error:
                self._lines.append(f"lens: there is no report: {error.message}")
        return result

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Tell what was measured, decided and spent."""
        if self._lines:
            terminalreporter.section("lens-gate")
            for line in self._lines:
                terminalreporter.line(line)


def _asked(node: pytest.Item) -> dict[str, Any]:
    """What the markers of a test say, the nearest last."""
    asked: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(_MARKER))):
        asked |= dict(zip(("target", "prompts"), marker.args, strict=False))
        asked |= marker.kwargs
    return asked


def _fixtures_of(node: pytest.Item) -> Sequence[str]:
    """The fixtures that a test names, or those that it has by the names of others."""
    names: Sequence[str] = getattr(node, "fixturenames", ())
    return names


def _worst(outcomes: "Mapping[tuple[str, str], TestOutcome]") -> "Mapping[str, TestOutcome]":
    """Of a test that several workers have run, the outcome that counts: any failure does."""
    found: dict[str, TestOutcome] = {}
    for (test, _worker), outcome in outcomes.items():
        if test not in found or _ORDER.index(outcome) < _ORDER.index(found[test]):
            found[test] = outcome
    return found

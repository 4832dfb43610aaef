"""The hooks of one process: the controller begins and ends a session, workers join it."""

import time
from collections.abc import Generator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import pytest

from lens_gate.errors import LensError
from lens_gate.pytest_plugin.settings import Settings

if TYPE_CHECKING:
    from lens_gate.pytest_plugin.calls import Made
    from lens_gate.pytest_plugin.fixture import Lens
    from lens_gate.pytest_plugin.merging import TestOutcome
    from lens_gate.pytest_plugin.session import Session

_FIXTURES: Final = frozenset({"lens", "lens_session"})
_MARKER: Final = "lens"
_WORKER_KEY: Final = "lens_gate"
SHARED: Final = "a shared fixture"
"""Who measures what several tests share."""

_LENS: pytest.StashKey["Lens"] = pytest.StashKey()


class Plugin:
    """What one process of a session knows. Nothing is imported or made before it is needed."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config, self._settings = config, settings
        self._began = time.time()
        self._worker: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        self._opened: Session | None = None
        self._made: dict[str, Made] = {}
        self._outcomes: dict[str, TestOutcome] = {}
        self._lines: list[str] = []
        self._tests = 1

    def lens(self, node: pytest.Item) -> "Lens":
        """The fixture of one test."""
        from lens_gate.pytest_plugin.fixture import Lens, Test  # noqa: PLC0415
        from lens_gate.records.policy import Place  # noqa: PLC0415

        file, line, _ = node.location
        test = Test(
            nodeid=node.nodeid,
            place=Place(file=file, line=(line or 0) + 1, column=1),
            asked=_asked(node),
            properties=node.user_properties,
        )
        found = Lens(self._session(), test, self._made)
        node.stash[_LENS] = found
        return found

    def shared_lens(self) -> "Lens":
        """The fixture of what several tests share."""
        from lens_gate.pytest_plugin.fixture import Lens, Test  # noqa: PLC0415
        from lens_gate.records.policy import Place  # noqa: PLC0415

        place = Place(file="", line=0, column=0)
        test = Test(nodeid=SHARED, place=place, asked={}, properties=[], own_name=False)
        return Lens(self._session(), test, self._made)

    def _session(self) -> "Session":
        from lens_gate.pytest_plugin.session import Identity, Session, new_identity  # noqa: PLC0415

        if self._opened is None:
            if self._worker is None:
                identity, holder = new_identity(self._settings.seed, self._began), "main"
            else:
                identity = Identity(**self._worker[_WORKER_KEY])
                holder = str(self._worker["workerid"])
            self._opened = Session(self._settings, self._config.rootpath, identity, holder)
        self._opened.tests = self._tests
        return self._opened

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401  # xdist's, if it is there
        """Tell a worker of xdist which session it joins."""
        node.workerinput[_WORKER_KEY] = asdict(self._session().identity)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401
        """A worker is gone: what it had reserved stays booked, and nobody waits for it."""
        session = self._session()
        if session.used:
            try:
                session.purse().lose(node.gateway.id)
            except LensError as error:
                self._lines.append(f"lens: {error.message}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests that measure: they share the session's error budget."""
        self._tests = max(
            1, sum(not _FIXTURES.isdisjoint(getattr(i, "fixturenames", ())) for i in session.items)
        )

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
        """Keep how each test went; one that is run again is as its last run."""
        if self._worker is not None:
            return
        if report.failed:
            self._outcomes[report.nodeid] = "failed"
        elif report.when == "setup" or (report.when == "call" and report.outcome != "passed"):
            word: TestOutcome = "skipped" if report.skipped else "passed"
            self._outcomes[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else word

    # Innermost of the wrappers: after the workers' end, before the summary is printed.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, exitstatus: int | pytest.ExitCode
    ) -> Generator[None, object, object]:
        """Write the report of the whole session."""
        result = yield
        session = self._opened
        if self._worker is None and session is not None and session.used:
            from lens_gate.pytest_plugin.finishing import finish  # noqa: PLC0415

            interrupted = int(exitstatus) == int(pytest.ExitCode.INTERRUPTED)
            try:
                self._lines += finish(session, self._outcomes, interrupted=interrupted)
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

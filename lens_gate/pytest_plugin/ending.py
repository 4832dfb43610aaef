"""How a test ends that can't be measured, or whose rules do not hold; and what it is warned of."""

import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

import pytest

from lens_gate.api import Comparison, Measurement
from lens_gate.api.world import world
from lens_gate.errors import InputError, LensError
from lens_gate.flows.stopping import Stop
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.judge.outcome import counts
from lens_gate.pytest_plugin import LensWarning
from lens_gate.pytest_plugin.calls import MissingKeyError, OutOfBudgetError
from lens_gate.pytest_plugin.judging import told
from lens_gate.pytest_plugin.purse import Note
from lens_gate.pytest_plugin.session import Session
from lens_gate.pytest_plugin.settings import Undecided
from lens_gate.records.report import Row
from lens_gate.render.escape import one_line

# The test's own line, seen from a warning in here: it calls `Lens`, which calls this.
_OF_THE_TEST = 3


def fail(session: Session, test: str, error: LensError) -> NoReturn:
    """End the test: skipped where it can't be measured here, else failed, in one message."""
    __tracebackhide__ = True
    if isinstance(error, MissingKeyError) and (why := _excuse(session, error)):
        _note(session, Note(kind="not_measured", test=test, text=why))
        raise pytest.skip.Exception(f"not measured: {why}") from None
    kind = "budget" if isinstance(error, OutOfBudgetError) else "error"
    _note(session, Note(kind=kind, test=test, text=error.message))
    raise pytest.fail.Exception(_words(error), pytrace=False) from None


def hold(cell: str, rows: Iterable[Row], undecided: Undecided) -> None:
    """Fail where a rule does; warn of what is open.

    Raises:
        AssertionError: a rule fails, or has no data.
    """
    __tracebackhide__ = True
    bad = ("fail", "no_data", *(["inconclusive"] if undecided == "fail" else []))
    failed = [row for row in rows if counts(row) and row.name in bad]
    if failed:
        lines = "\n".join(f"  {told(row)}" for row in failed)
        raise AssertionError(f"{cell}:\n{lines}")
    opened = [row for row in rows if row.name == "inconclusive"]
    if opened and undecided == "warn":
        text = "; ".join(map(told, opened))
        warnings.warn(LensWarning(f"{cell}: {text}"), stacklevel=_OF_THE_TEST)


def warn_of_nothing(found: Measurement | Comparison) -> None:
    """A test that asserts nothing of a target that never answered would pass in silence."""
    __tracebackhide__ = True
    sides = [found] if isinstance(found, Measurement) else [found.control, found.head]
    for side in sides:
        count, failed = len(side.samples), sum(side.failures.values())
        if failed == count:
            said = one_line(side.example_failure, 300)
            how = ", ".join(f"{n} {status}" for status, n in side.failures.items())
            text = f"all {count} requests failed ({how}): {said}" if count else side.ended
            warnings.warn(
                LensWarning(f"{side.name}/{side.target}: nothing was measured: {text}"),
                stacklevel=_OF_THE_TEST,
            )


def _excuse(session: Session, error: MissingKeyError) -> str:
    """Why a missing key is no failure here, or nothing where it is one."""
    wish = session.settings.missing_key
    if wish == "skip":
        return error.message
    if wish == "fail":
        return ""
    try:
        outside = world(Stop(), None, session.root)
        fork = detect(outside.environ, read_event_file).is_fork
    except LensError:
        return ""
    return f"a fork's run has no access to the key ({error.message})" if fork else ""


def _note(session: Session, note: Note) -> None:
    """Tell the report. Where that is what can't be done, the test's own message says so."""
    with suppress(LensError):
        session.purse().note(note)


def _words(error: LensError) -> str:
    if isinstance(error, InputError):
        return "lens: " + "\n".join(str(problem) for problem in error.problems)
    return f"lens: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else "")

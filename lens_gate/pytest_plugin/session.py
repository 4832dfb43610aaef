"""A test session over all its processes: its folder, its purse, and what was measured in it.

Nothing is made on disk before the first measurement. What a process has measured lies in files, so
that it is in the report though the process is killed later.
"""

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lens_gate.errors import LensError, WorldError
from lens_gate.pytest_plugin.identity import (
    Identity,
    output_folder,
    session_folder,
    this_host,
)
from lens_gate.pytest_plugin.settings import Settings

if TYPE_CHECKING:
    from lens_gate.pytest_plugin.judging import Ground
    from lens_gate.pytest_plugin.purse import Purse
    from lens_gate.records.baseline import Baseline
    from lens_gate.records.report import Report
    from lens_gate.records.run import Run

CALL_FILE: Final = "call.json"
_LEDGER: Final = "ledger.sqlite3"
_STORED: Final = "stored-{}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One measurement, as its folder keeps it.

    ``name`` is its scenario's key, ``test`` the id of the test that made it (or of the fixture's
    scope), ``at_ns`` when it was made: of two with one name the later one counts.
    """

    name: str
    test: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A call with its report, its run, and the stored runs that it was held against."""

    call: Call
    report: "Report"
    run: "Run"
    stored: "tuple[Baseline, ...]" = ()


class Session:
    """What one process knows of the session.

    ``holder`` is the name of this process among all of the session's. ``shares`` is how many have a
    part of the session's error budget, ``ground`` where the tests stand, once somebody has asked.
    """

    def __init__(self, settings: Settings, root: Path, identity: Identity, holder: str) -> None:
        self.settings, self.root, self.identity, self.holder = settings, root, identity, holder
        self.shares = 1
        self.ground: Ground | None = None
        self.output = output_folder(settings, root)
        self.folder = session_folder(self.output, identity)

    def purse(self) -> "Purse":
        """The session's money; the first process to ask opens it.

        Raises:
            LensError: this process is on another machine than the session, or the folder is a link.
            WorldError: the disk does not take it.
        """
        from lens_gate.flows.outputs import discard_reports  # noqa: PLC0415
        from lens_gate.pytest_plugin.purse import Caps, Purse  # noqa: PLC0415

        if this_host() != self.identity.host:
            raise LensError(
                f"this worker runs on {this_host()}, and the session on "
                f"{self.identity.host}: they can't keep one budget",
                "run the tests that measure on one machine, such as with -n 4",
            )
        if not self.folder.exists():
            discard_reports(self.output)
            _make(self.folder)
        caps = Caps(usd=self.settings.max_usd, requests=self.settings.max_requests)
        return Purse(self.folder / _LEDGER, caps)

    def new_folder(self, name: str) -> Path:
        """A folder of its own for one measurement.

        Raises:
            WorldError: the disk does not take it.
        """
        # Part of the name, since two processes may begin at the same moment.
        folder = self.folder / f"{name}-{self.holder}-{os.getpid()}-{secrets.token_hex(4)}"
        _make(folder)
        return folder

    def keep(
        self, folder: Path, call: Call, report: "Report", stored: "Sequence[Baseline]" = ()
    ) -> None:
        """Write down what was measured, or judged since. The name of the call is written last.

        Args:
            folder: the measurement's own.
            call: which it is.
            report: of it alone.
            stored: the runs that it was held against, oldest first.

        Raises:
            WorldError: the disk does not take it.
        """
        from lens_gate.flows.outputs import REPORT_FILE, write_file  # noqa: PLC0415
        from lens_gate.render.report_json import report_json  # noqa: PLC0415
        from lens_gate.repo import encode_baseline  # noqa: PLC0415

        write_file(folder / REPORT_FILE, report_json(report))
        for number, baseline in enumerate(stored):
            write_file(folder / _STORED.format(number), encode_baseline(baseline))
        content = {
            "name": call.name,
            "test": call.test,
            "at_ns": call.at_ns,
            "stored": len(stored),
        }
        write_file(folder / CALL_FILE, json.dumps(content).encode())

    def recorded(self) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
        """All that was measured and written down, in the order of measuring.

        And the names of what was, and can't be read: one damaged file hides no other.
        """
        found, damaged = [], []
        for file in self.folder.glob(f"*/{CALL_FILE}"):
            try:
                found.append(_read(file))
            except (LensError, OSError, ValueError, KeyError, TypeError):
                damaged.append(file.parent.name)
        return tuple(sorted(found, key=lambda one: one.call.at_ns)), tuple(sorted(damaged))

    def remove(self) -> None:
        """Remove the folder of the session, whose content is in the report by now."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorldError(
            f"{folder} can't be made: {error.strerror}", "name another folder as --lens-output"
        ) from error


def _read(file: Path) -> Recorded:
    from lens_gate.flows.outputs import REPORT_FILE, RUN_FILE, load_report  # noqa: PLC0415
    from lens_gate.repo import decode_baseline  # noqa: PLC0415
    from lens_gate.runner.journal import read_run  # noqa: PLC0415

    content: Mapping[str, object] = json.loads(file.read_bytes())
    call = Call(
        name=str(content["name"]), test=str(content["test"]), at_ns=int(str(content["at_ns"]))
    )
    stored = [file.with_name(_STORED.format(n)) for n in range(int(str(content["stored"])))]
    return Recorded(
        call=call,
        report=load_report(file.with_name(REPORT_FILE)),
        run=read_run(file.with_name(RUN_FILE)),
        stored=tuple(decode_baseline(one.read_bytes(), one.name) for one in stored),
    )

"""A test session over all its processes: its folder, its purse, and what was measured in it.

Nothing is made on disk before the first measurement. What a process has measured lies in files, so
that it is in the report though the process is killed later.
"""

import json
import os
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lens_gate.errors import LensError
from lens_gate.pytest_plugin.settings import Settings

if TYPE_CHECKING:
    from lens_gate.pytest_plugin.judging import Ground
    from lens_gate.pytest_plugin.purse import Purse
    from lens_gate.records.report import Report
    from lens_gate.records.run import Run

CALL_FILE: Final = "call.json"
_LEDGER: Final = "ledger.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the processes of a session have in common: a key, a seed, and the host that they are on.

    ``key`` is of hexadecimal digits; ``began`` seconds since the epoch.
    """

    key: str
    seed: int
    host: str
    began: float


def new_identity(seed: int | None, began: float) -> Identity:
    """That of a session of this process."""
    return Identity(
        key=secrets.token_hex(8),
        seed=secrets.randbits(32) if seed is None else seed,
        host=socket.gethostname(),
        began=began,
    )


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
    """A call with its report and its run; without them where its process was lost meanwhile."""

    call: Call
    report: "Report"
    run: "Run"


class Session:
    """What one process knows of the session.

    ``holder`` is the name of this process among all of the session's. ``tests`` is how many
    collected tests use the plug-in, ``ground`` where they stand, once somebody has asked.
    """

    def __init__(self, settings: Settings, root: Path, identity: Identity, holder: str) -> None:
        self.settings, self.root, self.identity, self.holder = settings, root, identity, holder
        self.tests = 1
        self.ground: Ground | None = None
        self.output = root / settings.output
        self.folder = self.output / f".session-{identity.key}"

    @property
    def used(self) -> bool:
        """Whether any process of the session has measured, or tried to."""
        return (self.folder / _LEDGER).exists()

    def purse(self) -> "Purse":
        """The session's money; the first process to ask opens it.

        Raises:
            LensError: this process is on another machine than the session, or the folder is a link.
            WorldError: the disk does not take it.
        """
        from lens_gate.flows.outputs import discard_reports  # noqa: PLC0415
        from lens_gate.pytest_plugin.purse import Caps, Purse  # noqa: PLC0415

        if socket.gethostname() != self.identity.host:
            raise LensError(
                f"this worker runs on {socket.gethostname()}, and the session on "
                f"{self.identity.host}: they can't keep one budget",
                "run the tests that measure on one machine, such as with -n 4",
            )
        if not self.folder.exists():
            discard_reports(self.output)
            self.folder.mkdir(parents=True, exist_ok=True)
        caps = Caps(usd=self.settings.max_usd, requests=self.settings.max_requests)
        return Purse(self.folder / _LEDGER, caps)

    def new_folder(self, name: str) -> Path:
        """A folder of its own for one measurement."""
        # Part of the name, since two processes may begin at the same moment.
        folder = self.folder / f"{name}-{self.holder}-{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(parents=True)
        return folder

    def keep(self, folder: Path, call: Call, report: "Report") -> None:
        """Write down what was measured, or judged since. The name of the call is written last."""
        from lens_gate.flows.outputs import REPORT_FILE, write_file  # noqa: PLC0415
        from lens_gate.render.report_json import report_json  # noqa: PLC0415

        write_file(folder / REPORT_FILE, report_json(report))
        content = {"name": call.name, "test": call.test, "at_ns": call.at_ns}
        write_file(folder / CALL_FILE, json.dumps(content).encode())

    def recorded(self) -> tuple[Recorded, ...]:
        """All that was measured and written down, in the order of measuring."""
        from lens_gate.flows.outputs import REPORT_FILE, RUN_FILE, load_report  # noqa: PLC0415
        from lens_gate.runner.journal import read_run  # noqa: PLC0415

        found = []
        for file in self.folder.glob(f"*/{CALL_FILE}"):
            content: Mapping[str, object] = json.loads(file.read_bytes())
            call = Call(
                name=str(content["name"]),
                test=str(content["test"]),
                at_ns=int(str(content["at_ns"])),
            )
            report = load_report(file.with_name(REPORT_FILE))
            found.append(Recorded(call=call, report=report, run=read_run(file.with_name(RUN_FILE))))
        return tuple(sorted(found, key=lambda one: one.call.at_ns))

    def remove(self) -> None:
        """Remove the folder of the session, whose content is in the report by now."""
        shutil.rmtree(self.folder, ignore_errors=True)

"""Where the journal of a call lies: in the caller's folder, else in one that is removed after."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from lens_gate.api.apart import Work
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.stopping import Stop

T = TypeVar("T")


def with_journal(do: Callable[[Path], T], *, output: Path | None, stop: Stop) -> Work[T]:
    """Work that keeps a journal in the folder that it is given.

    Without ``output`` the folder is a temporary one. It stays where the work is broken off: what
    was measured was paid for, and nobody else has it.
    """
    call = _Journal(do, output, stop)
    return Work(do=call.do, break_off=call.break_off, left=call.left)


class _Journal(Generic[T]):
    def __init__(self, do: Callable[[Path], T], output: Path | None, stop: Stop) -> None:
        self._do = do
        self._output = output
        self._folder = output
        self._stop = stop
        self._broken_off = False

    def do(self) -> T:
        if self._output is not None:
            return self._do(self._output)
        self._folder = Path(tempfile.mkdtemp(prefix="lens-gate-"))
        try:
            return self._do(self._folder)
        finally:
            if not (self._broken_off and self._file().exists()):
                shutil.rmtree(self._folder, ignore_errors=True)

    def break_off(self) -> None:
        self._broken_off = True
        self._stop.ask()

    def left(self) -> str:
        return f"what was measured is in {self._file()}" if self._file().exists() else ""

    def _file(self) -> Path:
        return (self._folder or Path()) / RUN_FILE

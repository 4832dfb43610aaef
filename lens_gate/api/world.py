"""The outside world as a library has it: nothing is printed, nothing of the process is changed."""

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lens_gate.flows.outside import Outside
from lens_gate.flows.stopping import Stop
from lens_gate.runner.measure import Progress


def world(stop: Stop, observe: Callable[[Progress], None] | None, folder: Path) -> Outside:
    """Environment and clock of this process; relative files are in ``folder``."""
    return Outside(
        environ=_Environment(os.environ),
        cwd=folder,
        now=lambda: datetime.now(UTC),
        entropy=lambda: secrets.randbits(48),
        observe=observe or _unseen,
        tell=_unheard,
        stop=stop,
    )


class _Environment(dict[str, str]):
    """Variables that no traceback with local values shows: there are keys among them."""

    def __repr__(self) -> str:
        return f"<{len(self)} environment variables>"


def _unseen(_progress: Progress) -> None:
    """Nobody looks."""


def _unheard(_text: str) -> None:
    """Nobody listens: what there is to say is in the result."""

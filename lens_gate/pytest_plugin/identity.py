"""What all processes of a test session have in common, known before any of them is begun.

So a test that a plug-in runs in a process of its own (a fork) has the session's budget, and not one
of its own. This is made in every pytest run of the environment: it imports nothing heavy.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from lens_gate.pytest_plugin.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A session's key, its seed, the host that it is on, and when it began.

    ``key`` is of hexadecimal digits; ``began`` seconds since the epoch.
    """

    key: str
    seed: int
    host: str
    began: float


def new_identity(seed: int | None, began: float) -> Identity:
    """That of a session of this process."""
    return Identity(
        key=os.urandom(8).hex(),
        seed=int.from_bytes(os.urandom(4)) if seed is None else seed,
        host=this_host(),
        began=began,
    )


def this_host() -> str:
    """The name of this machine."""
    return platform.node()


def output_folder(settings: Settings, root: Path) -> Path:
    """Where the report goes."""
    return root / settings.output


def session_folder(output: Path, identity: Identity) -> Path:
    """Where the processes of a session meet: nobody makes it before the first measurement."""
    return output / f".session-{identity.key}"

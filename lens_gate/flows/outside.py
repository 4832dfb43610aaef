"""The outside world, handed to the flows by whoever starts them (the CLI, a test, a library)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lens_gate.flows.stopping import Stop
from lens_gate.records.sample import Sample
from lens_gate.runner.measure import Progress, nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a flow may know and tell: settings, where it stands, the time, and onlookers.

    ``now`` gives an aware time in UTC; ``entropy`` a fresh seed for a run that names none.
    ``stop`` ends a run inside of somebody else's program, of which nothing else is touched;
    ``None``: the process is ours, and signals do. ``seen`` is given each sample as it ends; it may
    wait for nothing.
    """

    environ: Mapping[str, str]
    cwd: Path
    now: Callable[[], datetime]
    entropy: Callable[[], int]
    observe: Callable[[Progress], None]
    tell: Callable[[str], None]
    stop: Stop | None = None
    seen: Callable[[Sample], None] = nobody

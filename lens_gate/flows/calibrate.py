"""How well this machine measures, found out on this machine; nothing is stored."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from lens_gate.providers.table import PROVIDERS
from lens_gate.records.calibration import Calibration, CalibrationStep
from lens_gate.runner.calibration import calibrate
from lens_gate.transport import measuring_loop


def calibrate_machine(
    *, seconds: float, most: int, observe: Callable[[CalibrationStep], None]
) -> Calibration:
    """Rising numbers of streams against a simulated provider's own stamps.

    Args:
        seconds: about how long it may take.
        most: streams at once at most.
        observe: hears of each step as it ends.

    Raises:
        WorldError: the simulated provider did not start.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lens-gate-calibrate-") as folder,
        asyncio.Runner(loop_factory=measuring_loop) as runner,
    ):
        return runner.run(
            calibrate(
                PROVIDERS["openai-compatible"],
                log_path=Path(folder, "stamps.jsonl"),
                seconds=seconds,
                most=most,
                observe=observe,
            )
        )

"""Cold starts: which request has to wait until its model is loaded."""

from dataclasses import dataclass

from lens_gate.sim.model import ColdStart


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model in memory: from when it can be used, and until when it stays (simulated seconds)."""

    ready_s: float
    until_s: float = float("inf")


def wait_s(
    cold: ColdStart | None, loaded: Loaded | None, now_s: float, *, new_connection: bool
) -> float:
    """Simulated seconds until a request that comes now can begin."""
    if cold is None:
        return 0.0
    if loaded is None or now_s > loaded.until_s or (cold.each_connection and new_connection):
        return cold.takes_s
    return max(0.0, loaded.ready_s - now_s)


def used(loaded: Loaded, now_s: float, keep_s: float) -> Loaded:
    """The model after a request that ended now and asked to keep it for ``keep_s``."""
    return Loaded(ready_s=loaded.ready_s, until_s=now_s + keep_s)

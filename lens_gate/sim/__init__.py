"""The simulated provider: a server that behaves, and misbehaves, as told.

It stands apart from the rest of the house on purpose. It shares no code with the providers, so a
mistake in how we read a protocol can't be hidden by the same mistake in how we write it.

``behaviour_from_mapping`` reads what it should do (``behaviour_schema`` describes it), ``serve``
runs it in this process, ``argv_for`` starts it in its own (see ``process`` for what is said). It
runs alone too: ``python -m lens_gate.sim --port 0``.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from lens_gate.sim.behaviour import (
    BehaviourError,
    behaviour_from_mapping,
    behaviour_schema,
    behaviour_to_mapping,
)
from lens_gate.sim.model import Behaviour
from lens_gate.sim.process import Ready, argv_for, first_line, parse_ready

__all__ = [
    "Behaviour",
    "BehaviourError",
    "Ready",
    "argv_for",
    "behaviour_from_mapping",
    "behaviour_schema",
    "behaviour_to_mapping",
    "first_line",
    "parse_ready",
    "serve",
]


async def serve(
    behaviour: Behaviour,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    log_path: Path | None = None,
    ready: Callable[[int], None],
    stop: asyncio.Event,
) -> None:
    """Serves until ``stop`` is set: see ``lens_gate.sim.server.serve``, loaded when called."""
    from lens_gate.sim import server  # noqa: PLC0415  # aiohttp takes a third of a second to load

    await server.serve(
        behaviour, host=host, port=port, seed=seed, log_path=log_path, ready=ready, stop=stop
    )

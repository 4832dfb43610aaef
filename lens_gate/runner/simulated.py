"""Starts a simulated provider for a target in a process of its own, and stops it after.

The server is a separate process so that its work never delays ours: it is the world, no part of
the client. It ends when its standard input closes, so that even our own violent death leaves none.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lens_gate.errors import WorldError
from lens_gate.records.json_types import Json
from lens_gate.sim import argv_for, first_line, parse_ready

_READY_S = 30.0
_STOP_S = 5.0


@asynccontextmanager
async def simulated_server(
    behaviour: Mapping[str, Json], *, seed: int, log_path: Path | None = None
) -> AsyncIterator[int]:
    """A simulated provider with this behaviour; gives the port that it serves on loopback.

    ``log_path`` is where it writes its own stamps.

    Raises:
        WorldError: it did not start.
    """
    python, *arguments = argv_for(seed=seed, log_path=log_path)
    try:
        process = await asyncio.create_subprocess_exec(
            # Isolated: a folder `lens_gate` in the user's checkout must not become our server.
            *(python, "-I", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # A Ctrl-C in the terminal reaches the whole group; the server outlives our drain.
            start_new_session=True,
        )
    except OSError as error:
        raise WorldError(
            f"the simulated provider could not be started: {error.strerror}",
            "check the limits on processes and memory, and that this Python is still installed",
        ) from error
    try:
        yield await _port(process, behaviour)
    finally:
        await _stop(process)


async def _port(process: asyncio.subprocess.Process, behaviour: Mapping[str, Json]) -> int:
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    try:
        process.stdin.write(first_line(behaviour))
        await process.stdin.drain()
        return parse_ready(await asyncio.wait_for(process.stdout.readline(), _READY_S)).port
    except (OSError, ValueError, TimeoutError) as error:
        raise WorldError(
            "the simulated provider did not start", "`lens-gate sim` shows its own message"
        ) from error


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

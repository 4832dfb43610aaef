"""How another program starts a simulated server, and what the two say to each other.

The starter runs ``argv_for(...)`` with pipes, writes ``first_line(mapping)`` to its stdin, and
keeps that open. When the server listens it prints one line, which ``parse_ready`` reads; nothing
else ever goes to its stdout. Closing its stdin ends it, so it can't outlive the starter. What is
wrong with the behaviour, or with the port, is said on stderr, with the exit code of the house (2
for a wrong request, 5 for a port that can't be had).
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The server listens: its port on the host that it was given, and its process id."""

    port: int
    pid: int


def argv_for(
    *, seed: int, port: int = 0, log_path: Path | None = None, python: str = sys.executable
) -> list[str]:
    """The command line of a server that takes its behaviour from stdin and ends with it."""
    argv = [python, "-m", "lens_gate.sim", "--port", str(port), "--behaviour", "-"]
    argv += ["--die-with-stdin", "--seed", str(seed)]
    return argv if log_path is None else [*argv, "--log", str(log_path)]


def first_line(mapping: Mapping[str, Any]) -> bytes:
    """The line that tells the server its behaviour."""
    return json.dumps(mapping).encode("ascii") + b"\n"


def ready_line(ready: Ready) -> str:
    """The line that the server prints when it listens, without its end."""
    return json.dumps({"port": ready.port, "pid": ready.pid})


def parse_ready(line: bytes) -> Ready:
    """Reads the ready line.

    Raises:
        ValueError: the server printed something else, or nothing: it did not start.
    """
    try:
        data = json.loads(line)
        return Ready(port=int(data["port"]), pid=int(data["pid"]))
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{line[:200]!r} is not the ready line of a simulated server") from None

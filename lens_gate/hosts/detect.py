"""From a job's environment to a ``Context``: which host is this, and what does it say?

Everything in this room decides whose policy is obeyed, so it fails closed: an event that no table
names is refused, a fork is a fork until the host says otherwise, and no value leaves that is not a
full commit id or a well-formed branch name.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from lens_gate.errors import WorldError
from lens_gate.hosts.checked import quoted
from lens_gate.hosts.dispatched import on_behalf
from lens_gate.hosts.table import host_of
from lens_gate.records.context import Context

# GitHub sends no payload above 25 MB.
MAX_EVENT_BYTES = 32 * 1024 * 1024


def detect(environ: Mapping[str, str], read_event: Callable[[str], bytes]) -> Context:
    """The context of this job, by its environment alone.

    Args:
        environ: the job's environment variables.
        read_event: gives the bytes of GitHub's event file by its path.

    Raises:
        LensError: the event is one on which nothing can be trusted, or what the host says is
            damaged, or ``LENS_GATE_HOST`` names no plug-in for a host (exit 2).
        WorldError: the event file can't be read (exit 5).
    """
    return on_behalf(host_of(environ).context(environ, read_event), environ, read_event)


def read_event_file(path: str) -> bytes:
    """The bytes of GitHub's event file.

    Raises:
        WorldError: it can't be read, or is larger than any that GitHub writes.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_EVENT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise WorldError(
            f"The event file {quoted(path)} can't be read: {reason}.",
            "GITHUB_EVENT_PATH must name the file that the runner wrote; "
            "in a container job, check that it is mounted.",
        ) from error
    if len(data) > MAX_EVENT_BYTES:
        raise WorldError(
            f"The event file {quoted(path)} is larger than {MAX_EVENT_BYTES // 1024**2} MiB.",
            "No event of GitHub's is that large: check GITHUB_EVENT_PATH.",
        )
    return data

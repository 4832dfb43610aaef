"""A file: replaced as a whole, so that who reads it never finds half of it."""

import os
from pathlib import Path

from lens_gate.records.destination import Destination
from lens_gate.sinks.upload import Means, Payload, Pushed


def push(payload: Payload, sink: Destination, means: Means) -> Pushed:
    """Write it; a relative path lies in the output folder and leads through no link there."""
    folder = Path(means.folder)
    path = folder / sink.path
    link = _link(folder, path)
    if link is not None:
        return Pushed(problem=f"{link} is a link, which is not followed")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if payload.append:
            _append(path, payload.data)
        else:
            _replace(path, payload.data)
    except OSError as error:
        return Pushed(problem=f"it can't be written: {error.strerror}")
    return Pushed()


def _link(folder: Path, path: Path) -> Path | None:
    """A link between the output folder and the file: a checkout of foreign content may have one."""
    if not path.is_relative_to(folder):
        return None
    inside = (part for part in (path, *path.parents) if part != folder and folder in part.parents)
    return next((part for part in inside if part.is_symlink()), None)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def _replace(path: Path, data: bytes) -> None:
    # The node exporter reads whatever ends in .prom: the scratch file must not.
    scratch = path.with_name(path.name + ".part")
    scratch.unlink(missing_ok=True)
    with scratch.open("xb") as stream:
        stream.write(data)
    os.replace(scratch, path)  # noqa: PTH105  # Path.replace says the same

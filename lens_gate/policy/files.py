"""Files that a policy names: inside the repository, regular, of bounded size, or not read."""

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from lens_gate.errors import LensError
from lens_gate.policy.literal_secrets import shown

MAX_FILE_BYTES = 16 * 1024 * 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def path_problem(path: str) -> str:
    """What is wrong with a path by its text alone; empty where nothing is.

    A path is relative, with forward slashes, without ``..``, and leads not into ``.git``.
    """
    if not path or _CONTROL.search(path):
        return "is empty or holds a control character"
    if "\\" in path or re.match(r"[A-Za-z]:", path):
        return "must be written with forward slashes, from the repository's root"
    if path.startswith(("/", "~")):
        return "must be relative to the repository's root"
    steps = PurePosixPath(path).parts
    if ".." in steps:
        return "leads out of its folder by '..'"
    if any(step.lower() == ".git" for step in steps):
        return "leads into git's own folder"
    return "" if steps else "names the repository itself"


def read_worktree_file(root: Path) -> Callable[[str], bytes]:
    """A reader of files below ``root`` (the repository's work tree).

    The reader takes a path relative to the root and gives the file's bytes. It raises ``LensError``
    where the path leads outside (after resolving links), is missing, is no regular file, or is
    larger than 16 MiB. Devices and pipes are never waited for.
    """
    top = Path(os.path.realpath(root))

    def read(path: str) -> bytes:
        problem = path_problem(path)
        if problem:
            raise LensError(f"the path {shown(path)} {problem}")
        try:
            real = Path(os.path.realpath(top / path, strict=True))
            if not real.is_relative_to(top):
                raise LensError(
                    f"the file {shown(path)} lies outside the repository",
                    "a link must not lead out of it; copy the file in",
                )
            return _read_regular(real, path)
        except OSError as error:
            raise _mapped(error, path) from None

    return read


def _read_regular(real: Path, path: str) -> bytes:
    # Opened without waiting (a pipe) and without following a link put there in the meantime.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(real, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise LensError(f"{shown(path)} is not a regular file")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise LensError(f"the file {shown(path)} is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    return data


def _mapped(error: OSError, path: str) -> LensError:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return LensError(
            f"there is no file {shown(path)}", "paths are relative to the repository's root"
        )
    if error.errno == errno.ELOOP:
        return LensError(f"the file {shown(path)} is a link that leads in a circle")
    return LensError(f"the file {shown(path)} can't be read: {error.strerror or 'unknown reason'}")

"""Stored A/A sessions: ``<dir>/null/<20261121T021500Z>-<commit12>.json``, written once each."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lens_gate.errors import InputError, LensError, Problem
from lens_gate.records.codec import CodecError, from_json, to_json
from lens_gate.records.null import NULL_SCHEMA, NullSession
from lens_gate.repo.objects import list_blobs, read_blob
from lens_gate.repo.repository import Repository

FOLDER = "null"
MAX_BYTES = 1024 * 1024
MAX_RUNS = 10_000
MOST = 20
"""How many of the newest sessions count."""

# A number at the end where two jobs began in one second at one commit.
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}(?:-[1-9][0-9]{0,3})?\.json", re.ASCII)
_CREATED = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)


def null_sessions_at(
    repository: Repository, commit: str, folder: str, policy: str
) -> Sequence[NullSession]:
    """The newest sessions of a policy, as they are at a commit.

    Raises:
        InputError: one of them is damaged.
    """
    prefix = f"{folder}/{FOLDER}"
    names = [path for path in list_blobs(repository, commit, prefix) if is_session(path, prefix)]
    files = ((path, read_blob(repository, commit, path)) for path in _newest(names))
    return _of_policy(files, policy)


def null_sessions_in_worktree(root: Path, folder: str, policy: str) -> Sequence[NullSession]:
    """The newest sessions of a policy in the work tree.

    Raises:
        InputError: one of them is damaged.
        LensError: one of them can't be read.
    """
    place = root / folder / FOLDER
    if not place.is_dir():
        return ()
    names = [path.name for path in place.iterdir() if _NAME.fullmatch(path.name)]
    paths = (f"{folder}/{FOLDER}/{name}" for name in _newest(names))
    files = ((path, read_session(root, path)) for path in paths)
    return _of_policy(files, policy)


def write_null_session(root: Path, folder: str, session: NullSession) -> str:
    """Store a session in the work tree; its path from the root.

    Raises:
        LensError: it can't be written.
    """
    name = f"{session.created}-{(session.commit or '0' * 12)[:12]}.json"
    path = f"{folder}/{FOLDER}/{name}"
    text = json.dumps(to_json(session), indent=1, sort_keys=True) + "\n"
    try:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise LensError(f"{path} can't be written: {error.strerror}") from error
    return path


def decode_null_session(data: bytes, path: str) -> NullSession:
    """The session that a file's bytes hold.

    Raises:
        InputError: they hold none.
    """
    if len(data) > MAX_BYTES:
        raise _damaged(path, "it is too large")
    try:
        session = from_json(NullSession, json.loads(data))
    except (ValueError, RecursionError, CodecError) as error:
        raise _damaged(path, ascii(str(error))[:200]) from None
    if session.schema != NULL_SCHEMA:
        raise _damaged(path, f"its schema is {ascii(session.schema)[:80]}, not {NULL_SCHEMA}")
    if not _CREATED.fullmatch(session.created):
        raise _damaged(path, "created is no moment such as 20261121T021500Z")
    counts = [(session.runs, session.failed, 0)]
    counts += [(c.runs, c.failed, c.passed) for c in session.checks.values()]
    for runs, failed, passed in counts:
        if not (0 <= failed <= runs <= MAX_RUNS and 0 <= passed <= runs - failed):
            raise _damaged(path, "its counts contradict each other")
    return session


def is_session(path: str, prefix: str) -> bool:
    """Whether this is the path of an A/A session in the folder ``prefix``."""
    folder, _, name = path.rpartition("/")
    return folder == prefix and _NAME.fullmatch(name) is not None


def _newest(names: Iterable[str]) -> Sequence[str]:
    return sorted(names, reverse=True)[:MOST]


def _of_policy(files: Iterable[tuple[str, bytes]], policy: str) -> Sequence[NullSession]:
    found = (decode_null_session(data, path) for path, data in files)
    return tuple(session for session in found if session.policy == policy)


def read_session(root: Path, path: str) -> bytes:
    """The bytes of an A/A session in the work tree.

    Raises:
        LensError: it can't be read.
    """
    try:
        return (root / path).read_bytes()
    except OSError as error:
        raise LensError(f"{path} can't be read: {error.strerror}") from error


def _damaged(path: str, why: str) -> InputError:
    hint = "`lens-gate null` writes these files; restore it from git, or remove it"
    text = f"not a readable A/A session: {why}"
    return InputError([Problem(file=path, line=0, column=0, message=text, hint=hint)])

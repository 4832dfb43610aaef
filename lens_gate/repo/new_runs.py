"""What a job has added below the folder of baselines, and what else was changed there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import InputError, Problem
from lens_gate.repo.baselines import (
    StoredPath,
    checked,
    list_in_worktree,
    read_stored,
    stored_path,
)
from lens_gate.repo.changes import without_filters
from lens_gate.repo.command import failure, git, split_nul
from lens_gate.repo.null_files import FOLDER, decode_null_session, is_session, read_session
from lens_gate.repo.objects import check_path, list_entries
from lens_gate.repo.repository import Repository, head_commit

_CODE_AND_BLANK = 3  # "XY path"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A file that HEAD does not hold. ``place`` is ``None`` for an A/A session."""

    path: str
    data: bytes
    place: StoredPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRuns:
    """The new runs, oldest first, and the tracked files below the folder that were changed."""

    runs: tuple[NewRun, ...]
    changed: tuple[str, ...]


def new_runs(repo: Repository, folder: str) -> NewRuns:
    """The runs and A/A sessions of the work tree that HEAD does not hold, each of them checked.

    Raises:
        InputError: one of them is damaged; all that are, are named.
        LensError: ``folder`` is no path inside a repository.
        WorldError: a file can't be read.
    """
    head = head_commit(repo)
    known = {e.path for e in list_entries(repo, head, check_path(folder))} if head else set()
    places = [s for s in list_in_worktree(repo.root, folder) if s.path not in known]
    sessions = [path for path in _sessions(repo.root, folder) if path not in known]
    contents = [read_stored(repo.root, place.path) for place in places]
    problems: list[Problem] = []
    try:
        checked(places, contents)
    except InputError as error:
        problems += error.problems
    found = [NewRun(path=path, data=read_session(repo.root, path)) for path in sessions]
    for run in found:
        try:
            decode_null_session(run.data, run.path)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    stored = zip(places, contents, strict=True)
    runs = [NewRun(path=place.path, data=data, place=place) for place, data in stored]
    return NewRuns(runs=(*runs, *found), changed=_changed(repo, folder) if head else ())


def is_run(path: str, folder: str) -> bool:
    """Whether a path below the folder is that of a stored run or an A/A session."""
    return stored_path(path, folder) is not None or is_session(path, f"{folder}/{FOLDER}")


def _sessions(root: Path, folder: str) -> Sequence[str]:
    place, prefix = root / folder / FOLDER, f"{folder}/{FOLDER}"
    if place.is_symlink() or not place.is_dir():
        return []
    names = sorted(file.name for file in place.iterdir() if not file.is_symlink())
    return [path for name in names if is_session(path := f"{prefix}/{name}", prefix)]


def _changed(repo: Repository, folder: str) -> tuple[str, ...]:
    result = git(
        repo.root,
        *("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no"),
        *("--", folder),
        config=without_filters(repo),
    )
    if result.status != 0:
        raise failure(repo.root, "status", result)
    rows = split_nul(result.stdout)
    return tuple(sorted(row[_CODE_AND_BLANK:] for row in rows if not row.startswith("A")))

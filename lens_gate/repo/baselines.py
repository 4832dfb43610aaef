"""Stored runs of cells: where they lie, how they are listed, added and thinned out.

``<dir>/<scenario>/<target>/<20261121T021500Z>-<commit12>.json``: a file for each run, written once.
Two branches that add runs add different files, so they merge. The newest run is the one with the
latest time in its name; the time of the file or of its commit says nothing.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import InputError, LensError, Problem, WorldError
from lens_gate.records.baseline import Baseline
from lens_gate.repo.baseline_file import KEY, MAX_BYTES, decode_baseline, encode_baseline
from lens_gate.repo.objects import check_path, list_entries, read_entries
from lens_gate.repo.repository import Repository

_NAME = re.compile(r"([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{12})(?:-([1-9][0-9]{0,3}))?\.json", re.ASCII)
_NO_COMMIT = "0" * 12
MAX_SAME_NAME = 1000
# Names that Windows keeps for devices: a clone there could not check such a folder out.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBaseline:
    """A baseline and where it lies, relative to the repository's root."""

    path: str
    baseline: Baseline


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StoredPath:
    """A baseline's file by what its path says. The order is that of time, oldest first.

    ``number`` tells runs apart that share second and commit; 1 for the first, which has no suffix.
    """

    created: str
    number: int
    commit12: str
    scenario: str
    target: str
    path: str


def cell_folder(folder: str, scenario: str, target: str) -> str:
    """The folder of a cell's baselines.

    A key that Windows keeps for a device (``con``, ``nul``) gets a ``_``, which no key can hold.

    Raises:
        LensError: ``folder`` is no path inside a repository, or a key is none.
    """
    return "/".join((check_path(folder), _folder_name(scenario), _folder_name(target)))


def stored_path(path: str, folder: str) -> StoredPath | None:
    """What the path of a baseline under ``folder`` says; ``None`` where it is no such path."""
    prefix = folder + "/"
    parts = path.removeprefix(prefix).split("/")
    if not path.startswith(prefix) or len(parts) != 3:
        return None
    keys = [part.removesuffix("_") for part in parts[:2]]
    match = _NAME.fullmatch(parts[2])
    if match is None or not all(map(KEY.fullmatch, keys)):
        return None
    if [_folder_name(key) for key in keys] != parts[:2]:
        return None
    return StoredPath(
        created=match[1],
        number=int(match[3] or 1),
        commit12=match[2],
        scenario=keys[0],
        target=keys[1],
        path=path,
    )


def list_at(
    repo: Repository,
    commit: str,
    folder: str,
    scenario: str | None = None,
    target: str | None = None,
) -> tuple[StoredPath, ...]:
    """The baselines that a commit holds, oldest first, by their names alone: one git process.

    Raises:
        LensError: ``folder`` is no path inside a repository, or a key is none.
        WorldError: the commit is not here.
    """
    return _select(
        (e.path for e in list_entries(repo, commit, check_path(folder))), folder, scenario, target
    )


def list_in_worktree(
    root: Path, folder: str, scenario: str | None = None, target: str | None = None
) -> tuple[StoredPath, ...]:
    """The baselines in the work tree, oldest first, by their names alone.

    No link is followed, and what is no regular file is none: a pipe would be waited for.

    Raises:
        LensError: ``folder`` is no path inside a repository, or a key is none.
        WorldError: a folder can't be read.
    """
    paths: list[str] = []
    if _is_real_folder(root, check_path(folder)):
        for current, _, names in os.walk(root / folder, onerror=_unreadable):
            below = Path(current).relative_to(root).as_posix()
            paths += [f"{below}/{n}" for n in names if _is_real_file(Path(current, n))]
    return _select(paths, folder, scenario, target)


def baselines_at(  # two places (commit, folder), two keys, two bounds
    repo: Repository,
    commit: str,
    folder: str,
    scenario: str | None = None,
    target: str | None = None,
    limit: int | None = None,
    *,
    accept: Callable[[Baseline], bool] | None = None,
) -> list[StoredBaseline]:
    """The newest baselines that a commit holds, newest first; the work tree is not looked at.

    Args:
        repo: the repository.
        commit: a full commit id.
        folder: the policy's ``baseline.dir``.
        scenario: only this scenario's; all where ``None``.
        target: only this target's; all where ``None``.
        limit: at most so many; all where ``None``.
        accept: counts only those for which it is true (not marked bad, same fingerprint); it
            sees them newest first and is not asked again once ``limit`` is reached.

    Raises:
        InputError: a file that was read is damaged; all that were read are named.
        LensError: ``folder`` is no path inside a repository, a key is none, a file is too large.
        WorldError: the commit is not here.
    """
    entries = {e.path: e for e in list_entries(repo, commit, check_path(folder))}
    stored = _select(entries, folder, scenario, target)

    def read(paths: Sequence[str]) -> Sequence[bytes]:
        return read_entries(repo, [entries[path] for path in paths], max_bytes=MAX_BYTES)

    return _newest(stored, limit, accept, read)


def baselines_in_worktree(
    root: Path,
    folder: str,
    scenario: str | None = None,
    target: str | None = None,
    limit: int | None = None,
    *,
    accept: Callable[[Baseline], bool] | None = None,
) -> list[StoredBaseline]:
    """The newest baselines in the work tree, committed or not; otherwise like ``baselines_at``.

    Raises:
        InputError: a file that was read is damaged; all that were read are named.
        LensError: ``folder`` is no path inside a repository, or a key is none.
        WorldError: a folder or a file can't be read.
    """
    stored = list_in_worktree(root, folder, scenario, target)
    return _newest(stored, limit, accept, lambda paths: [read_stored(root, path) for path in paths])


def write_baseline(root: Path, folder: str, baseline: Baseline) -> str:
    """Adds a baseline to the work tree and gives its path, relative to ``root``.

    Nothing is ever overwritten: the same baseline again is left as it lies, another one of the same
    second and commit gets ``-2``, ``-3`` ... at its name's end. The file appears whole or not at
    all.

    Raises:
        LensError: ``folder`` is no path inside a repository, or passes through a symbolic link.
        WorldError: the file can't be written.
    """
    data = encode_baseline(baseline)
    below = cell_folder(folder, baseline.scenario, baseline.target)
    stem = f"{baseline.created}-{baseline.commit[:12] or _NO_COMMIT}"
    try:
        _make_folder(root, below)
        for number in range(1, MAX_SAME_NAME):
            path = f"{below}/{stem}{'' if number == 1 else f'-{number}'}.json"
            if _add(root / path, data) or _holds(root / path, data):
                return path
    except OSError as error:
        raise WorldError(
            f"The baseline can't be written to {below!r}: {error.strerror}.",
            "Check the folder's rights and the free space.",
        ) from error
    raise LensError(f"{below!r} holds {MAX_SAME_NAME} runs of one second already.", "Prune it.")


def prune(
    root: Path,
    folder: str,
    keep: int,
    scenario: str | None = None,
    target: str | None = None,
) -> tuple[str, ...]:
    """Removes all but the ``keep`` newest baselines of each cell from the work tree.

    Gives the paths that were removed, oldest first. Git keeps what was committed.

    Raises:
        LensError: ``keep`` is below 1, ``folder`` is no path inside a repository, or a key is none.
        WorldError: a file can't be removed.
    """
    if keep < 1:
        raise LensError("At least one baseline of each cell is kept.", "Give a number above 0.")
    old = beyond(list_in_worktree(root, folder, scenario, target), keep)
    for stored in old:
        try:
            (root / stored.path).unlink()
        except OSError as error:
            raise WorldError(
                f"{stored.path!r} can't be removed: {error.strerror}.", "Check the folder's rights."
            ) from error
    return tuple(stored.path for stored in old)


def beyond(stored: Iterable[StoredPath], keep: int) -> tuple[StoredPath, ...]:
    """All but the ``keep`` newest of each cell, oldest first. ``keep`` is above 0."""
    cells: defaultdict[tuple[str, str], list[StoredPath]] = defaultdict(list)
    for place in sorted(stored):
        cells[place.scenario, place.target].append(place)
    return tuple(sorted(place for cell in cells.values() for place in cell[:-keep]))


def _folder_name(key: str) -> str:
    if not KEY.fullmatch(key):
        raise LensError(
            f"{key[:80]!a} is no key of a scenario or a target.",
            "Keys are lower-case letters, digits and dashes, at most 63.",
        )
    return f"{key}_" if key in _DEVICES else key


def _select(
    paths: Iterable[str], folder: str, scenario: str | None, target: str | None
) -> tuple[StoredPath, ...]:
    for key in (scenario, target):
        if key is not None:
            _folder_name(key)
    stored = (found for path in paths if (found := stored_path(path, folder)) is not None)
    return tuple(
        sorted(s for s in stored if scenario in {None, s.scenario} and target in {None, s.target})
    )


def _newest(
    stored: Sequence[StoredPath],
    limit: int | None,
    accept: Callable[[Baseline], bool] | None,
    read: Callable[[Sequence[str]], Sequence[bytes]],
) -> list[StoredBaseline]:
    """Reads from the newest on, in batches that grow, until ``limit`` are accepted."""
    wanted = len(stored) if limit is None else max(0, limit)
    found: list[StoredBaseline] = []
    left, batch = list(reversed(stored)), wanted
    while left and len(found) < wanted:
        now, left = left[:batch], left[batch:]
        batch *= 2
        for candidate in checked(now, read([place.path for place in now])):
            if len(found) < wanted and (accept is None or accept(candidate.baseline)):
                found.append(candidate)
    return found


def checked(places: Sequence[StoredPath], contents: Sequence[bytes]) -> list[StoredBaseline]:
    """The baselines that these contents hold, each in its place.

    Raises:
        InputError: one is damaged, or lies where it does not belong; all such are named.
    """
    problems: list[Problem] = []
    found: list[StoredBaseline] = []
    for place, data in zip(places, contents, strict=True):
        try:
            baseline = decode_baseline(data, place.path)
        except InputError as error:
            problems += error.problems
            continue
        mismatch = _mismatch(place, baseline)
        if mismatch:
            problems.append(mismatch)
        found.append(StoredBaseline(path=place.path, baseline=baseline))
    if problems:
        raise InputError(problems)
    return found


def _mismatch(place: StoredPath, baseline: Baseline) -> Problem | None:
    """A file that was moved or copied: it would be counted in another cell or at another time."""
    by_path = (place.scenario, place.target, place.created, place.commit12)
    commit12 = baseline.commit[:12] or _NO_COMMIT
    if by_path == (baseline.scenario, baseline.target, baseline.created, commit12):
        return None
    return Problem(
        file=place.path,
        line=0,
        column=0,
        message="its path and its content disagree about cell, time or commit",
        hint=f"It belongs to {baseline.scenario}/{baseline.target} at {baseline.created}: "
        "a baseline is neither moved nor copied.",
    )


def _is_real_folder(root: Path, below: str) -> bool:
    """Whether a folder is there, with no symbolic link on the way from the root."""
    place = root
    for part in below.split("/"):
        place /= part
        if place.is_symlink() or not place.is_dir():
            return False
    return True


def _is_real_file(place: Path) -> bool:
    return not place.is_symlink() and place.is_file()


def _unreadable(error: OSError) -> None:
    raise WorldError(
        f"The folder {error.filename!r} can't be read: {error.strerror}.", "Check its rights."
    ) from error


def read_stored(root: Path, path: str) -> bytes:
    """The bytes of a baseline in the work tree; at most one more than a baseline may have.

    Raises:
        WorldError: it can't be read.
    """
    try:
        with (root / path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WorldError(
            f"{path!r} can't be read: {error.strerror}.", "Check the file's rights."
        ) from error


def _make_folder(root: Path, below: str) -> None:
    place = root
    for part in below.split("/"):
        place /= part
        if place.is_symlink():
            raise LensError(
                f"{below!r} passes through a symbolic link ({part!r}).",
                "Baselines are written to real folders only: remove the link.",
            )
        place.mkdir(exist_ok=True)


def _holds(path: Path, data: bytes) -> bool:
    return not path.is_symlink() and path.is_file() and path.read_bytes() == data


def _add(path: Path, data: bytes) -> bool:
    """Puts a file in place, whole; false where something of that name is there already."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if path.is_symlink() or path.exists():
                return False
            draft.rename(path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    return True

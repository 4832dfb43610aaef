"""Every run of a folder that git remembers: those that a commit holds, and those removed before it.

Branches keep the newest runs and prune the others; git keeps what was committed. All is read in one
batch: the number of git processes does not depend on that of runs or commits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lens_gate.errors import InputError, Problem
from lens_gate.records.baseline import Baseline
from lens_gate.repo.baseline_file import MAX_BYTES
from lens_gate.repo.baselines import (
    StoredPath,
    checked,
    list_in_worktree,
    read_stored,
    stored_path,
)
from lens_gate.repo.command import expect, split_nul
from lens_gate.repo.objects import REGULAR, Entry, check_path, list_entries, read_entries, sizes_of
from lens_gate.repo.repository import Repository

Keep = Callable[[StoredPath], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A stored run, and whether it was removed since."""

    path: str
    baseline: Baseline
    pruned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The runs, oldest first, and the paths of removed ones that can't be read any more."""

    runs: tuple[Remembered, ...]
    unreadable: tuple[str, ...] = ()


def remembered_at(  # the place, what of it, and what of each run
    repo: Repository,
    commit: str,
    folder: str,
    *,
    keep: Keep,
    metrics: frozenset[str],
    pruned: bool = True,
    root: Path | None = None,
) -> Found:
    """The runs of a folder at a commit and before it.

    Args:
        repo: the repository.
        commit: a full commit id.
        folder: the policy's ``baseline.dir``.
        keep: only those for which it is true are read.
        metrics: the values of other metrics are left out, to save memory.
        pruned: also those that were removed before this commit.
        root: a work tree whose files count beside the commit's, and before them.

    Raises:
        InputError: a file that the commit or the work tree holds is damaged; all are named.
        LensError: ``folder`` is no path inside a repository, a file is too large.
        WorldError: the commit is not here.
    """
    tip = {entry.path: entry for entry in list_entries(repo, commit, check_path(folder))}
    on_disk = list_in_worktree(root, folder) if root else ()
    here = {place.path for place in on_disk}
    gone = {}
    if pruned:
        past = _past(repo, commit, folder)
        gone = {
            path: entry for path, entry in past.items() if path not in tip | dict.fromkeys(here)
        }
    present = {path: entry for path, entry in tip.items() if path not in here}
    now = [*_places(present, folder, keep)]
    disk = [place for place in on_disk if keep(place)]
    before = [*_places(gone, folder, keep)]
    sizes = sizes_of(repo, [gone[place.path] for place in before])
    readable = {
        place.path
        for place, size in zip(before, sizes, strict=True)
        if size is not None and size <= MAX_BYTES
    }
    old = [place for place in before if place.path in readable]
    entries = [*(present[p.path] for p in now), *(gone[p.path] for p in old)]
    contents = read_entries(repo, entries, max_bytes=MAX_BYTES)
    runs = _decoded(_both(now, contents, disk, root), metrics)
    lost = [place.path for place in before if place.path not in readable]
    for place, data in zip(old, contents[len(now) :], strict=True):
        try:
            (run,) = checked([place], [data])
        except InputError:
            # Nobody can mend what is not there any more.
            lost.append(place.path)
            continue
        runs.append((place, Remembered(path=run.path, baseline=run.baseline, pruned=True)))
    return _in_order(runs, metrics, lost)


def remembered_on_disk(root: Path, folder: str, *, keep: Keep, metrics: frozenset[str]) -> Found:
    """The runs of a folder in a work tree, or where there is no git at all.

    Raises:
        InputError: a file is damaged; all are named.
        LensError: ``folder`` is no path inside a repository.
        WorldError: a folder or a file can't be read.
    """
    places = [place for place in list_in_worktree(root, folder) if keep(place)]
    runs = _decoded(((place, read_stored(root, place.path)) for place in places), metrics)
    return _in_order(runs, metrics, [])


def _both(
    now: Sequence[StoredPath],
    contents: Sequence[bytes],
    disk: Sequence[StoredPath],
    root: Path | None,
) -> Iterator[tuple[StoredPath, bytes]]:
    yield from zip(now, contents, strict=False)
    if root is not None:
        for place in disk:
            yield place, read_stored(root, place.path)


def _decoded(
    files: Iterable[tuple[StoredPath, bytes]], metrics: frozenset[str]
) -> list[tuple[StoredPath, Remembered]]:
    runs: list[tuple[StoredPath, Remembered]] = []
    problems: list[Problem] = []
    for place, data in files:
        try:
            (run,) = checked([place], [data])
        except InputError as error:
            problems += error.problems
            continue
        baseline = _slim(run.baseline, metrics)
        runs.append((place, Remembered(path=run.path, baseline=baseline, pruned=False)))
    if problems:
        raise InputError(problems)
    return runs


def _in_order(
    runs: list[tuple[StoredPath, Remembered]], metrics: frozenset[str], lost: Sequence[str]
) -> Found:
    ordered = [run for _, run in sorted(runs, key=lambda one: one[0])]
    slim = (replace(run, baseline=_slim(run.baseline, metrics)) for run in ordered)
    return Found(runs=tuple(slim), unreadable=tuple(sorted(lost)))


def _slim(baseline: Baseline, metrics: frozenset[str]) -> Baseline:
    if baseline.values.keys() <= metrics:
        return baseline
    found = {name: column for name, column in baseline.values.items() if name in metrics}
    return replace(baseline, values=found)


def _places(entries: Mapping[str, Entry], folder: str, keep: Keep) -> Iterator[StoredPath]:
    places = (stored_path(path, folder) for path in entries)
    return (place for place in places if place is not None and keep(place))


def _past(repo: Repository, commit: str, folder: str) -> Mapping[str, Entry]:
    """The files of a folder that commits up to this one added or removed, as they were last."""
    commits = expect(
        repo.root, "rev-list", "--full-history", "--topo-order", commit, "--", check_path(folder)
    )
    output = expect(
        repo.root,
        "diff-tree",
        "--stdin",
        "--root",
        "-r",
        "-z",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--no-commit-id",
        "--",
        check_path(folder),
        stdin=commits,
    )
    words = iter(split_nul(output))
    found: dict[str, Entry] = {}
    for head, path in zip(words, words, strict=False):
        old_mode, new_mode, old, new, status = head.removeprefix(":").split()
        blob, mode = (old, old_mode) if status == "D" else (new, new_mode)
        if mode in REGULAR:
            found.setdefault(path, Entry(path=path, blob=blob))
    return found

"""Where the stored runs of a history lie: a commit, the work tree and what git remembers of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import LensError
from lens_gate.flows.accepting import AcceptedFile, accepted_name
from lens_gate.flows.outside import Outside
from lens_gate.flows.places import POLICY_FILES, candidates, no_policy
from lens_gate.flows.reading import present, read_policy
from lens_gate.policy import read_worktree_file
from lens_gate.policy.waivers import FILE
from lens_gate.records.policy import Policy
from lens_gate.repo import (
    Repository,
    StoredPath,
    blob_reader,
    head_commit,
    is_shallow,
    list_blobs,
    open_repository,
    read_blob,
    resolve,
)
from lens_gate.repo.stored_over_time import Found, remembered_at, remembered_on_disk


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOrder:
    """What is to be shown.

    ``cell`` is ``scenario/target`` or a scenario; ``metrics`` are as policies have them
    (``ttft.p95``), none: those of the policy's rules; ``since`` is a time back from now (``30d``)
    or a day; ``objectives`` are as people write them; ``share`` of the runs have to meet each.
    ``ref`` is the commit to read, ``None``: the work tree. ``folder`` is where runs lie, instead of
    where the policy has them: then no policy is read. ``pruned``: also runs removed since.
    """

    cell: str | None = None
    metrics: tuple[str, ...] = ()
    since: str | None = None
    objectives: tuple[str, ...] = ()
    share: float = 1.0
    ref: str | None = None
    policy_path: str | None = None
    folder: str | None = None
    pruned: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPlace:
    """Where runs are read: a commit, a work tree, or both. ``source`` says it in words."""

    folder: str
    policy: Policy | None
    accepted: AcceptedFile
    root: Path | None
    repository: Repository | None
    commit: str | None
    source: str


def place_of(order: HistoryOrder, outside: Outside) -> HistoryPlace:
    """Where to read, and the policy and waivers that hold there.

    Raises:
        LensError: there is no policy, or no repository to a ref.
        InputError: the policy has problems: all of them.
        WorldError: git or the disk can't answer.
    """
    repository = open_repository(outside.cwd)
    if order.ref is None:
        return _on_disk(order, outside, repository)
    if repository is None:
        raise LensError(
            f"--ref {order.ref!a} needs a git repository, and {outside.cwd} is in none",
            "leave it out to read the folder",
        )
    commit = resolve(repository, order.ref)
    policy = None
    if order.folder is None:
        names = candidates(outside.cwd, repository.root, order.policy_path)
        name = present(repository, commit, names)
        if name is None:
            raise no_policy(names, f"in the commit {commit[:12]}")
        policy, _ = read_policy(blob_reader(repository, commit), name)
    folder = _folder(order, policy)
    file = f"{folder}/{FILE}" if policy is None else accepted_name(policy)
    there = file in list_blobs(repository, commit, file)
    data = read_blob(repository, commit, file) if there else None
    return HistoryPlace(
        folder=folder,
        policy=policy,
        accepted=AcceptedFile(file=file, trusted=data),
        root=None,
        repository=repository,
        commit=commit,
        source=f"{order.ref} ({commit[:12]})",
    )


def _on_disk(order: HistoryOrder, outside: Outside, repository: Repository | None) -> HistoryPlace:
    root = repository.root if repository else outside.cwd
    names: tuple[str, ...] = POLICY_FILES
    if repository:
        names = candidates(outside.cwd, root, order.policy_path)
    elif order.policy_path:
        path = Path(outside.cwd, order.policy_path)
        root, names = path.parent, (path.name,)
    policy = None
    if order.folder is None:
        name = next((n for n in names if (root / n).is_file()), None)
        if name is None:
            raise no_policy(names, f"in {root}")
        policy, _ = read_policy(read_worktree_file(root), name)
    folder = _folder(order, policy)
    file = f"{folder}/{FILE}"
    data = read_worktree_file(root)(file) if (root / file).exists() else None
    return HistoryPlace(
        folder=folder,
        policy=policy,
        accepted=AcceptedFile(file=file, trusted=data),
        root=root,
        repository=repository,
        commit=head_commit(repository) if repository else None,
        source=_source(repository, pruned=order.pruned),
    )


def _source(repository: Repository | None, *, pruned: bool) -> str:
    if repository is None:
        return "the folder (there is no git repository)"
    return "the work tree and the commits before it" if pruned else "the work tree"


def _folder(order: HistoryOrder, policy: Policy | None) -> str:
    if policy is not None:
        return policy.baseline.dir
    return (order.folder or "").rstrip("/")


def runs_at(place: HistoryPlace, order: HistoryOrder, since: str, metrics: frozenset[str]) -> Found:
    """The runs of the cells that are asked for since a moment, with the values of ``metrics``.

    Raises:
        InputError: stored runs that are there have problems: all of them.
        WorldError: git or the disk can't answer.
    """

    def keep(stored: StoredPath) -> bool:
        return stored.created >= since and wanted(order.cell, stored.scenario, stored.target)

    if place.repository is not None and place.commit is not None:
        return remembered_at(
            place.repository,
            place.commit,
            place.folder,
            keep=keep,
            metrics=metrics,
            pruned=order.pruned,
            root=place.root,
        )
    if place.root is None:
        raise AssertionError("a place without a commit is a folder")
    return remembered_on_disk(place.root, place.folder, keep=keep, metrics=metrics)


def wanted(cell: str | None, scenario: str, target: str) -> bool:
    """Whether ``cell``, a cell or a scenario or ``None`` for all, takes this one in."""
    return cell is None or cell in (scenario, f"{scenario}/{target}")


def warnings_of(place: HistoryPlace, order: HistoryOrder, found: Found) -> Iterator[str]:
    """What has to be known of the reading: nothing found, left out, or not there to be seen."""
    if not found.runs:
        where = f"in {place.folder}" + (" in this window" if order.since else "")
        yield f"there are no stored runs {where}"
    if found.unreadable:
        count = len(found.unreadable)
        runs = "1 run that was" if count == 1 else f"{count} runs that were"
        yield f"{runs} removed since can't be read, and left out: {found.unreadable[0]}"
    if order.pruned and place.repository is not None and is_shallow(place.repository):
        yield (
            "this clone is shallow: runs that were removed before its first commit are not seen; "
            "`git fetch --unshallow` brings them"
        )

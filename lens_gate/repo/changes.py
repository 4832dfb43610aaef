"""What differs between a commit and the files as they lie here, uncommitted ones included."""

from collections.abc import Mapping, Sequence

from lens_gate.repo.command import failure, git, split_nul
from lens_gate.repo.objects import changed_files, check_path
from lens_gate.repo.repository import Repository, head_commit

_CODE_AND_BLANK = 3  # "XY path"


def is_dirty(repo: Repository, paths: Sequence[str] | None = None) -> bool:
    """Whether the work tree differs from ``HEAD``.

    Without ``paths``: any tracked file differs (as ``git describe --dirty`` sees it). With
    ``paths``: one of these differs, or is not in ``HEAD`` at all, ignored or not. No filter driver
    is run: a file whose driver rewrites it may be called dirty right after it was checked out.
    """
    named = ["--untracked-files=no"] if paths is None else ["--untracked-files=all", "--ignored"]
    if paths is not None and not paths:
        return False
    wanted = [check_path(path) for path in paths or ()]
    result = git(
        repo.root,
        "status",
        "--porcelain=v1",
        "-z",
        "--ignore-submodules=dirty",
        *named,
        "--",
        *wanted,
        config=without_filters(repo),
    )
    if result.status != 0:
        raise failure(repo.root, "status", result)
    return bool(result.stdout)


def changed_since(repo: Repository, commit: str) -> tuple[str, ...]:
    """The paths that a commit has otherwise than the work tree, sorted; a moved file is two paths.

    New files count, ignored ones don't. A path that a later commit changed, and the work tree
    changed back, counts too. No filter driver is run, and nothing is written.

    Raises:
        LensError: ``commit`` is no full commit id.
        WorldError: the commit is not here, or git can't look at the work tree.
    """
    head = head_commit(repo)
    committed = changed_files(repo, commit, head) if head else ()
    return tuple(sorted({*committed, *_uncommitted(repo)}))


def _uncommitted(repo: Repository) -> list[str]:
    result = git(
        repo.root,
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=none",
        config=without_filters(repo),
    )
    if result.status != 0:
        raise failure(repo.root, "status", result)
    return [entry[_CODE_AND_BLANK:] for entry in split_nul(result.stdout)]


def without_filters(repo: Repository) -> Mapping[str, str]:
    """Settings that switch off every filter driver of the user's: each is a command to run."""
    result = git(repo.root, "config", "-z", "--name-only", "--get-regexp", r"^filter\.")
    if result.status > 1:
        raise failure(repo.root, "config", result)
    drivers = {name.rpartition(".")[0] for name in split_nul(result.stdout)}
    off = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"{driver}.{key}": value for driver in sorted(drivers) for key, value in off.items()}

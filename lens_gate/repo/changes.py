"""What differs between a commit and the files as they lie here, uncommitted ones included."""

from lens_gate.repo.command import failure, git, split_nul
from lens_gate.repo.objects import Repository, changed_files, head_commit, without_filters

_CODE_AND_BLANK = 3  # "XY path"


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

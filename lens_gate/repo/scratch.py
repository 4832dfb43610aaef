"""A repository of our own, in a scratch folder, for the demonstration: never the user's."""

from pathlib import Path

from lens_gate.repo.command import expect
from lens_gate.repo.repository import Repository

_IDENTITY = ("-c", "user.name=lens-gate demo", "-c", "user.email=demo@lens-gate.invalid")


def new_repository(folder: Path) -> Repository:
    """An empty repository with the branch ``main``.

    Raises:
        WorldError: git could not make it.
    """
    expect(folder, "-c", "init.defaultBranch=main", "init", "--quiet", "--template=")
    return Repository(root=folder)


def commit_all(repo: Repository, message: str) -> None:
    """Commit everything in the work tree of a scratch repository.

    Raises:
        WorldError: git refused.
    """
    expect(repo.root, "add", "--all")
    expect(
        repo.root,
        *_IDENTITY,
        *("-c", "commit.gpgSign=false", "commit", "--quiet", "--allow-empty", "-m", message),
    )


def switch(repo: Repository, branch: str, *, new: bool = False) -> None:
    """Put a branch into the work tree of a scratch repository; a new one begins at the present one.

    Raises:
        WorldError: git refused.
    """
    expect(repo.root, "checkout", "--quiet", *(["-b"] if new else []), branch)

"""A commit made of another one by adding and removing files: no work tree, no index of the user's.

The files are written as git objects and put together in an index of our own, in a scratch folder.
Nothing that is staged, changed or lying about can get into the commit.
"""

import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import LensError, WorldError
from lens_gate.repo.command import failure, git
from lens_gate.repo.objects import changed_files, check_path
from lens_gate.repo.repository import Repository, commits_named

_MODE = "100644"
_AUTHOR = re.compile(r"([^<>\x00-\x1f\x7f]{1,200}) <([^<>\s\x00-\x1f\x7f]{1,200})>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """In whose name a commit is made."""

    name: str
    email: str


def author_of(text: str) -> Author:
    """The author that ``Name <mail>`` says.

    Raises:
        LensError: it says none.
    """
    match = _AUTHOR.fullmatch(text.strip())
    if match is None or not match[1].strip():
        raise LensError(f"{text[:80]!a} is no author of a commit.", "Write it as 'Name <mail>'.")
    return Author(name=match[1].strip(), email=match[2])


def blob_id(repo: Repository, data: bytes) -> str:
    """The id of a file's content, once git holds it: the bytes as they are, without any filter.

    Raises:
        WorldError: it can't be stored.
    """
    return _said(repo, "hash-object", "-w", "-t", "blob", "--stdin", stdin=data)


def commit_on(
    repo: Repository,
    parent: str,
    *,
    add: Mapping[str, str],
    remove: Collection[str],
    message: str,
    author: Author,
) -> str:
    """A commit that has other files than its parent; no ref leads to it yet.

    Args:
        repo: the repository.
        parent: the commit below it.
        add: blob ids by path.
        remove: paths that the parent holds.
        message: the commit's.
        author: who commits.

    Raises:
        WorldError: git could not make it: the parent is not here, or has a file where a folder
            is needed.
    """
    none = "0" * len(parent)
    rows = [f"0 {none} 0\t{check_path(path)}" for path in sorted(remove)]
    rows += [f"{_MODE} {blob} 0\t{check_path(path)}" for path, blob in sorted(add.items())]
    with tempfile.TemporaryDirectory(prefix="lens-gate-") as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        _said(repo, "read-tree", parent, environment=index)
        lines = "".join(f"{row}\0" for row in rows).encode("utf-8", "surrogateescape")
        _said(repo, "update-index", "-z", "--index-info", stdin=lines, environment=index)
        tree = _said(repo, "write-tree", environment=index)
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", author.name), ("EMAIL", author.email))
    }
    commit = _said(
        repo,
        *("commit-tree", "--no-gpg-sign", tree, "-p", parent),
        stdin=message.encode("utf-8"),
        environment=who,
    )
    others = set(changed_files(repo, parent, commit)) - {*add, *remove}
    if others:
        # git takes out a file that stands where a folder is needed.
        raise WorldError(
            f"The commit would change {min(others)!a} as well.",
            "Where that is a file or a link, the runs need a folder: move it away.",
        )
    return commit


def parent_of(repo: Repository, commit: str) -> str | None:
    """The first parent of a commit, where it has one and this clone holds it.

    Raises:
        WorldError: git can't look it up.
    """
    return commits_named(repo, [f"{commit}^"])[0]


def _said(
    repo: Repository,
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    result = git(repo.root, *arguments, stdin=stdin, environment=environment)
    if result.status != 0:
        raise failure(repo.root, arguments[0], result)
    return result.stdout.decode("utf-8", "surrogateescape").strip()

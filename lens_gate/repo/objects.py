"""Reading commits and blobs, never the work tree or the index.

A path here is a name inside a commit, with ``/`` between its parts. What is read is the blob's own
bytes: no filter, no line ending, no text conversion, no symbolic link is followed.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lens_gate.errors import LensError, WorldError
from lens_gate.records.context import is_commit_id
from lens_gate.repo.command import expect, split_nul
from lens_gate.repo.repository import Repository

MAX_BLOB_BYTES = 16 * 1024 * 1024
MAX_PATH_BYTES = 4096
REGULAR = frozenset({"100644", "100755", "100664"})  # the last is of very old repositories
_ELSEWHERE = frozenset({"120000", "160000"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file as a commit holds it: its path and the id of its blob."""

    path: str
    blob: str


def check_path(path: str) -> str:
    """The path, if it is one inside a repository: relative, normal, ``/`` between its parts.

    Raises:
        LensError: it is absolute, leaves the repository, or can't be a file's name.
    """
    parts = path.split("/")
    bad = "\0" in path or any(part in {"", ".", ".."} for part in parts) or path.startswith("~")
    try:
        bad = bad or len(os.fsencode(path)) > MAX_PATH_BYTES
    except UnicodeEncodeError:
        bad = True
    if bad:
        raise LensError(
            f"{path[:200]!a} is not a path inside the repository.",
            "Write it relative to the repository's root, with / between its parts, without . or ..",
        )
    return path


def list_entries(repo: Repository, commit: str, prefix: str = "") -> tuple[Entry, ...]:
    """The regular files under a path of a commit, sorted: one git process, however many.

    A prefix is whole parts of a path: a folder, or the one file of that name.

    Raises:
        LensError: the prefix is no path inside a repository.
        WorldError: the commit is not here.
    """
    wanted = [check_path(prefix.rstrip("/"))] if prefix else []
    output = expect(repo.root, "ls-tree", "-r", "-z", "--full-tree", _commit(commit), "--", *wanted)
    rows = (entry.partition("\t") for entry in split_nul(output))
    entries = [(path, head.split()) for head, _, path in rows]
    return tuple(
        Entry(path=path, blob=blob) for path, (mode, _, blob) in sorted(entries) if mode in REGULAR
    )


def list_blobs(repo: Repository, commit: str, prefix: str = "") -> tuple[str, ...]:
    """The paths of the regular files under a folder of a commit, sorted; or a file's own path.

    Raises:
        LensError: the prefix is no path inside a repository.
        WorldError: the commit is not here.
    """
    return tuple(entry.path for entry in list_entries(repo, commit, prefix))


def holds(repo: Repository, commit: str, path: str) -> bool:
    """Whether a commit has anything of this path: a file, or a folder, a link, a submodule.

    Raises:
        LensError: this is no path inside a repository.
        WorldError: the commit is not here.
    """
    wanted = check_path(path)
    output = expect(
        repo.root, "ls-tree", "--name-only", "-z", "--full-tree", _commit(commit), "--", wanted
    )
    return wanted in split_nul(output)


def links(repo: Repository, commit: str) -> tuple[str, ...]:
    """The paths of a commit that lead elsewhere, sorted: symbolic links and submodules.

    Raises:
        WorldError: the commit is not here.
    """
    output = expect(repo.root, "ls-tree", "-r", "-z", "--full-tree", _commit(commit), "--")
    rows = (entry.partition("\t") for entry in split_nul(output))
    return tuple(sorted(path for head, _, path in rows if head.split()[0] in _ELSEWHERE))


def read_blob(
    repo: Repository, commit: str, path: str, *, max_bytes: int = MAX_BLOB_BYTES
) -> bytes:
    """The bytes of a regular file as a commit holds it.

    Raises:
        LensError: the path is bad or absent, not a regular file, or too large.
        WorldError: the commit is not here.
    """
    output = expect(
        repo.root, "ls-tree", "-l", "-z", "--full-tree", _commit(commit), "--", check_path(path)
    )
    for entry in split_nul(output):
        head, _, name = entry.partition("\t")
        mode, _, blob, size = head.split()
        if name == path:
            _refuse_irregular(mode, commit, path)
            _refuse_large(int(size), max_bytes, path)
            return expect(repo.root, "cat-file", "blob", blob)
    raise LensError(
        f"There is no file {path!a} in commit {commit[:12]}.",
        "Is it committed, and does the path start at the repository's root?",
    )


def blob_reader(repo: Repository, commit: str) -> Callable[[str], bytes]:
    """A reader of a commit's files by path: ``read_blob`` with the commit filled in."""
    _commit(commit)

    def read(path: str) -> bytes:
        return read_blob(repo, commit, path)

    return read


def sizes_of(repo: Repository, entries: Sequence[Entry]) -> tuple[int | None, ...]:
    """The sizes of several files in bytes, ``None`` where git has no content: one git process."""
    if not entries:
        return ()
    names = "".join(f"{entry.blob}\n" for entry in entries).encode("ascii")
    lines = expect(repo.root, "cat-file", "--batch-check=%(objectsize)", stdin=names).split(b"\n")
    return tuple(int(line) if line.isdigit() else None for line in lines[: len(entries)])


def read_entries(
    repo: Repository, entries: Sequence[Entry], *, max_bytes: int = MAX_BLOB_BYTES
) -> tuple[bytes, ...]:
    """The bytes of several files, in their order: two git processes, however many.

    Raises:
        LensError: one of them is larger than ``max_bytes``.
        WorldError: a blob is not here.
    """
    if not entries:
        return ()
    names = "".join(f"{entry.blob}\n" for entry in entries).encode("ascii")
    sizes = []
    for entry, size in zip(entries, sizes_of(repo, entries), strict=True):
        if size is None:
            raise WorldError(
                f"git has no content for {entry.path!a}.",
                "The clone is damaged or partial: `git fsck` tells; fetch it again.",
            )
        _refuse_large(size, max_bytes, entry.path)
        sizes.append(size)
    output = memoryview(expect(repo.root, "cat-file", "--batch=%(objectsize)", stdin=names))
    contents, position = [], 0
    for size in sizes:
        start = position + len(str(size)) + 1
        position = start + size + 1
        contents.append(bytes(output[start : position - 1]))
    return tuple(contents)


def changed_files(repo: Repository, a: str, b: str) -> tuple[str, ...]:
    """The paths that differ between two commits, sorted; a moved file is two paths.

    Raises:
        WorldError: a commit is not here.
    """
    output = expect(
        repo.root,
        "diff-tree",
        "-r",
        "-z",
        "--name-only",
        "--ignore-submodules=none",
        _commit(a),
        _commit(b),
        "--",
    )
    return tuple(sorted(split_nul(output)))


def _commit(commit: str) -> str:
    """The id itself. Only ids reach the commands that read: a name could be an option."""
    if is_commit_id(commit):
        return commit
    raise LensError(f"{commit!a} is not a full commit id.", "Resolve the name first.")


def _refuse_irregular(mode: str, commit: str, path: str) -> None:
    if mode in REGULAR:
        return
    kind = {"120000": "a symbolic link", "160000": "a submodule", "040000": "a folder"}
    raise LensError(
        f"{path!a} in commit {commit[:12]} is {kind.get(mode, 'no regular file')}.",
        "Name a regular file: links are not followed and submodules are not read.",
    )


def _refuse_large(size: int, max_bytes: int, path: str) -> None:
    if size > max_bytes:
        raise LensError(
            f"{path!a} has {size} bytes; at most {max_bytes} are read.",
            "Use a smaller file.",
        )

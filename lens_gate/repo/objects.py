"""Reading a repository: refs, commits and blobs, never its work tree or its index.

A path here is a name inside a commit, with ``/`` between its parts. What is read is the blob's own
bytes: no filter, no line ending, no text conversion, no symbolic link is followed.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import LensError, WorldError
from lens_gate.records.context import is_branch_name, is_commit_id
from lens_gate.repo.command import expect, failure, git, split_nul

MAX_BLOB_BYTES = 16 * 1024 * 1024
MAX_PATH_BYTES = 4096
REGULAR = frozenset({"100644", "100755", "100664"})  # the last is of very old repositories
_ELSEWHERE = frozenset({"120000", "160000"})
_ANCESTRY = re.compile(r"(.*?)((?:~[0-9]{0,9}|\^[0-9]{0,9})*)", re.ASCII | re.DOTALL)
_SHORT_ID = re.compile(r"[0-9a-f]{7,63}", re.ASCII)
_MISPLACED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")

FULL_HISTORY_HINT = """\
Give the checkout its whole history. On GitHub, in the step that uses actions/checkout:
  with:
    fetch-depth: 0
On GitLab, in the job:
  variables:
    GIT_DEPTH: "0\""""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A git repository with a work tree, by the folder at the work tree's top."""

    root: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file as a commit holds it: its path and the id of its blob."""

    path: str
    blob: str


def open_repository(path: Path) -> Repository | None:
    """The repository that ``path`` lies in; ``None`` where there is none.

    Raises:
        LensError: the repository is bare, or ``GIT_DIR`` points elsewhere (exit 2).
        WorldError: git is missing, or refuses the folder because another user owns it (exit 5).
    """
    result = git(path, "rev-parse", "--is-bare-repository", "--absolute-git-dir", "--show-toplevel")
    lines = os.fsdecode(result.stdout).split("\n", 2)
    if result.status == 0:
        root = Path(lines[2].removesuffix("\n"))
        _refuse_misplaced(root, Path(lines[1]))
        return Repository(root=root)
    if lines[0] == "true":
        raise LensError(
            f"{str(path)!r} is in a bare repository: it has no files to work on.",
            "Clone it, and run lens-gate in the clone.",
        )
    if lines[0] == "false":
        raise LensError(
            f"{str(path)!r} lies inside a .git folder.", "Run lens-gate in the work tree."
        )
    if "not a git repository" in result.stderr:
        _refuse_misplaced(path, None)
        return None
    raise failure(path, "rev-parse", result)


def _refuse_misplaced(root: Path, git_dir: Path | None) -> None:
    """Git's hooks run with GIT_DIR set: in another repository every reading would go astray."""
    set_here = [name for name in _MISPLACED if name in os.environ]
    if not set_here or (git_dir and _git_dir_of(root) == git_dir.resolve()):
        return
    raise LensError(
        f"{' and '.join(set_here)} is set and does not belong to {str(root)!r}.",
        "In a git hook, run `unset $(git rev-parse --local-env-vars)` before lens-gate.",
    )


def _git_dir_of(root: Path) -> Path | None:
    place = root / ".git"
    try:
        if place.is_dir():
            return place.resolve()
        return (root / place.read_text().removeprefix("gitdir:").strip()).resolve()
    except (OSError, ValueError):
        return None


def head_commit(repo: Repository) -> str | None:
    """The commit id of ``HEAD``; ``None`` in a repository without a commit."""
    return commits_named(repo, ["HEAD"])[0]


def current_branch(repo: Repository) -> str | None:
    """The branch that ``HEAD`` is on; ``None`` where it is detached."""
    result = git(repo.root, "symbolic-ref", "--quiet", "HEAD")
    if result.status > 1:
        raise failure(repo.root, "symbolic-ref", result)
    ref = os.fsdecode(result.stdout).removesuffix("\n")
    return ref.removeprefix("refs/heads/") or None


def commit_author(repo: Repository) -> str:
    """The name under which commits are made here; empty where git was told none."""
    result = git(repo.root, "config", "--get", "user.name")
    return result.stdout.decode("utf-8", "replace").strip() if result.status == 0 else ""


def is_detached(repo: Repository) -> bool:
    """Whether ``HEAD`` is a commit and no branch, as CI checks out."""
    return current_branch(repo) is None


def is_shallow(repo: Repository) -> bool:
    """Whether the clone's history is cut (``--depth``)."""
    return expect(repo.root, "rev-parse", "--is-shallow-repository").strip() == b"true"


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


def without_filters(repo: Repository) -> Mapping[str, str]:
    """Settings that switch off every filter driver of the user's: each is a command to run."""
    result = git(repo.root, "config", "-z", "--name-only", "--get-regexp", r"^filter\.")
    if result.status > 1:
        raise failure(repo.root, "config", result)
    drivers = {name.rpartition(".")[0] for name in split_nul(result.stdout)}
    off = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"{driver}.{key}": value for driver in sorted(drivers) for key, value in off.items()}


def resolve(repo: Repository, ref: str) -> str:
    """The commit id that a name stands for.

    A full or short commit id, ``HEAD``, a full ref, a branch here, a branch of ``origin``, a tag,
    in this order; each may end in ``~N`` or ``^N``. A branch comes before a tag of the same name,
    so that who may push a tag can't put it in a branch's place.

    Raises:
        LensError: no ref can have this name (exit 2).
        WorldError: there is no such ref here; the hint names similar ones (exit 5).
    """
    match = _ANCESTRY.fullmatch(ref)
    name, ancestry = (match[1], match[2]) if match else (ref, "")
    if not is_branch_name(name):
        raise LensError(
            f"{ref!a} is not the name of a commit, a branch or a tag.",
            "Give a branch such as main, a tag, or a commit id.",
        )
    candidates = [f"refs/heads/{name}", f"refs/remotes/origin/{name}", f"refs/tags/{name}"]
    if name.startswith("refs/"):
        candidates.insert(0, name)
    if name == "HEAD" or is_commit_id(name):
        candidates = [name]
    elif _SHORT_ID.fullmatch(name):
        candidates.append(name)
    for commit in commits_named(repo, [candidate + ancestry for candidate in candidates]):
        if commit is not None:
            return commit
    raise _no_such_ref(repo, ref, name)


def commits_named(repo: Repository, revisions: Sequence[str]) -> tuple[str | None, ...]:
    """For each full ref or commit id its commit, ``None`` where there is none: one git process."""
    names = "".join(f"{revision}^{{commit}}\n" for revision in revisions)
    output = expect(
        repo.root, "cat-file", "--batch-check=%(objectname)", stdin=names.encode("utf-8")
    )
    lines = output.decode("utf-8", "replace").split("\n")[: len(revisions)]
    return tuple(line if is_commit_id(line) else None for line in lines)


def _no_such_ref(repo: Repository, ref: str, name: str) -> WorldError:
    if is_commit_id(name):
        return WorldError(f"The commit {name[:12]} is not in this clone.", FULL_HISTORY_HINT)
    output = expect(repo.root, "for-each-ref", "--format=%(refname)%00")
    full = [ref.strip("\n") for ref in split_nul(output)]
    known = {re.sub(r"^refs/(heads|tags|remotes/[^/]+)/", "", ref) for ref in full}
    near = difflib.get_close_matches(name, sorted(known), n=3)
    meant = f"Did you mean {' or '.join(map(ascii, near))}? " if near else ""
    return WorldError(
        f"There is no branch, tag or commit {ref!a} in this clone.",
        f"{meant}If it is on the remote only, the checkout did not fetch it. {FULL_HISTORY_HINT}",
    )


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

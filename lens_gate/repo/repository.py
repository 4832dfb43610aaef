"""A repository and its refs: what a folder belongs to, and which commit a name stands for."""

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import LensError, WorldError
from lens_gate.records.context import is_branch_name, is_commit_id
from lens_gate.repo.command import expect, failure, git, split_nul

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

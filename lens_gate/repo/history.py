"""The two commits that a change is judged by: the target branch's tip, and the merge base.

Both may be missing in a CI clone, which holds one commit and no other branch. They are fetched
where a fetch works: a bounded number of times, without a prompt, without touching the work tree.
"""

from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import LensError, WorldError
from lens_gate.records.context import is_branch_name, is_commit_id
from lens_gate.repo.command import Result, expect, failure, git
from lens_gate.repo.repository import FULL_HISTORY_HINT, Repository, commits_named, is_shallow

FETCH_TIMEOUT_S = 120.0
# A clone that is too shallow is asked for so many times the commits it has; then for all of them.
_DEEPER = (2, 8)
_LEAST_DEPTH = 64
_NO_ANSWER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """A branch's newest commit, and in words how it is known."""

    commit: str
    why: str


def target_tip(repo: Repository, branch: str, stated: str | None = None) -> Tip:
    """The tip of a branch as the host has it now; where it can't be asked, the best older word.

    The branch is fetched. Where that fails: what an earlier fetch saw or ``stated``, whichever is
    newer (``stated`` where that is not known).

    Args:
        repo: the repository.
        branch: the branch on the remote, without ``refs/heads/``.
        stated: the commit that the host's event named as the branch's tip.

    Raises:
        LensError: no branch can have this name (exit 2).
        WorldError: the branch can't be fetched and nothing older is known (exit 5).
    """
    if not is_branch_name(branch):
        raise LensError(f"{branch!a} is not a name that git accepts for a branch.")
    if stated is not None and not is_commit_id(stated):
        raise LensError(f"{stated!a} is not a full commit id.")
    remote = remote_name(repo)
    if remote is None:
        local, told = commits_named(repo, [f"refs/heads/{branch}", stated or "0" * 40])
        if local or told:
            why = "as the host stated it" if told else "this repository has no remote"
            return Tip(commit=told or local or "", why=why)
        raise _no_tip(branch, "this repository has no remote")
    tracked = f"refs/remotes/{remote}/{branch}"
    result = _fetch(repo, *no_deeper(repo), "--", remote, f"+refs/heads/{branch}:{tracked}")
    seen, told = commits_named(repo, [tracked, stated or "0" * 40])
    if result.status == 0 and seen:
        return Tip(commit=seen, why=f"fetched from {remote}")
    if seen and (told is None or is_ancestor(repo, told, seen)):
        return Tip(commit=seen, why=f"as last fetched from {remote} ({result.reason})")
    if told:
        return Tip(commit=told, why=f"as the host stated it ({result.reason})")
    raise _no_tip(branch, result.reason)


def fetch_commit(repo: Repository, commit: str) -> str:
    """The commit's id, once it is here: a CI clone may hold a test merge of it and nothing else.

    Raises:
        LensError: this is no full commit id (exit 2).
        WorldError: it is not here and can't be fetched (exit 5).
    """
    if not is_commit_id(commit):
        raise LensError(f"{commit!a} is not a full commit id.", "Resolve the name first.")
    if commits_named(repo, [commit])[0]:
        return commit
    remote, reason = remote_name(repo), "this repository has no remote"
    if remote is not None:
        result = _fetch(repo, *no_deeper(repo), "--", remote, commit)
        if result.status == 0 and commits_named(repo, [commit])[0]:
            return commit
        reason = result.reason
    raise WorldError(
        f"The commit {commit[:12]} is not in this clone and could not be fetched: {reason}.",
        FULL_HISTORY_HINT,
    )


def fetch_stated(repo: Repository, ref: str, commit: str) -> str:
    """The commit's id, once it is here, and only if the remote has it at ``ref`` at this moment.

    For a commit that a person named as the head of a pull request (``refs/pull/7/head``): what came
    after it was not looked at.

    Raises:
        LensError: the ref has another commit, or there is none of this name (exit 2).
        WorldError: the remote can't be asked, or the commit not be fetched (exit 5).
    """
    remote = remote_name(repo)
    if remote is None:
        raise WorldError(
            f"{ref} can't be looked up: this repository has no remote.",
            "Check the repository out with `origin` as its remote.",
        )
    result = git(
        repo.root, "ls-remote", "--quiet", "--refs", "--", remote, ref, timeout_s=FETCH_TIMEOUT_S
    )
    if result.status != 0:
        raise WorldError(
            f"{ref} can't be looked up: {result.reason}.",
            "In a private repository the checkout has to keep its credentials for this job.",
        )
    rows = (row.partition("\t") for row in result.stdout.decode("utf-8", "replace").splitlines())
    now = {name: found for found, _, name in rows}.get(ref)
    if now is None:
        raise LensError(f"The remote has no {ref}.", "Is this the number of a pull request?")
    if now != commit:
        raise LensError(
            f"{ref} is {now[:12]} by now, not {commit[:12]}: nothing is sent.",
            "Look at what was added since, and start again with the newer commit.",
        )
    return fetch_commit(repo, commit)


def merge_base(repo: Repository, a: str, b: str) -> str:
    """The best common ancestor of two commits, deepening a shallow clone until it is certain.

    In a shallow clone an ancestor is accepted only if no cut lies between it and the two commits:
    behind a cut a better one may hide.

    Where branches were merged crosswise there are several best ones, and each lacks what the others
    brought: a change that undoes this would be held against the very ancestor that never had it.
    None of them is given then, but ``a``, the branch that the change is to go into.

    Raises:
        LensError: an argument is no full commit id (exit 2).
        WorldError: the histories are unrelated, or the clone is too shallow and can't be deepened
            (exit 5).
    """
    for commit in (a, b):
        if not is_commit_id(commit):
            raise LensError(f"{commit!a} is not a full commit id.", "Resolve the name first.")
    refusal = ""
    for factor in (None, *_DEEPER, 0):
        if factor is not None:
            refusal = _deepen(repo, a, b, factor)
        if refusal:
            break
        base = _certain_base(repo, a, b)
        if base is not None:
            return base
        if not is_shallow(repo):
            raise _no_base(repo, a, b)
    raise WorldError(
        f"This clone is too shallow: it does not hold the commit where {a[:12]} and {b[:12]} part, "
        f"and it could not be deepened ({refusal or 'its remote is shallow as well'}).",
        FULL_HISTORY_HINT,
    )


def _certain_base(repo: Repository, a: str, b: str) -> str | None:
    result = git(repo.root, "merge-base", "--all", a, b)
    bases = result.stdout.decode("ascii", "replace").split()
    if result.status != 0 or not bases or not all(map(is_commit_id, bases)):
        return None
    base = bases[0] if len(bases) == 1 else a
    cuts = _cuts(repo)
    if not cuts:
        return base
    known = (f"^{commit}" for commit in bases)
    between = expect(repo.root, "rev-list", a, b, *known, "--").decode("ascii").split()
    return None if cuts.intersection(between) else base


def _no_base(repo: Repository, a: str, b: str) -> WorldError:
    missing = [
        commit
        for commit, found in zip((a, b), commits_named(repo, [a, b]), strict=True)
        if not found
    ]
    if missing:
        return WorldError(
            f"The commit {missing[0][:12]} is not in this clone.",
            f"Fetch it: `git fetch origin {missing[0]}`. {FULL_HISTORY_HINT}",
        )
    return WorldError(
        f"{a[:12]} and {b[:12]} have no common ancestor: their histories are unrelated.",
        "Merge or rebase the branch onto its target once, or compare by history.",
    )


def _cuts(repo: Repository) -> frozenset[str]:
    """The commits whose parents a shallow clone does not hold."""
    path = expect(repo.root, "rev-parse", "--git-path", "shallow").decode(
        "utf-8", "surrogateescape"
    )
    try:
        return frozenset(Path(repo.root, path.removesuffix("\n")).read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError) as error:
        raise WorldError(
            f"git's list of shallow commits can't be read: {error}.", FULL_HISTORY_HINT
        ) from error


def _deepen(repo: Repository, a: str, b: str, factor: int) -> str:
    """Asks the remote for more history (``factor`` 0: all of it); the reason where it refuses."""
    remote = remote_name(repo)
    if remote is None:
        return "this repository has no remote"
    depth = max(_LEAST_DEPTH, factor * _known_commits(repo, a, b))
    by_id = f"--depth={depth}" if factor else "--unshallow"
    result = _fetch(repo, by_id, "--", remote, a, b)
    if result.status not in {0, _NO_ANSWER}:
        # The remote does not know one of them (a commit that was never pushed): what is fetched
        # by default then, from the cut onwards.
        by_branch = f"--deepen={depth}" if factor else "--unshallow"
        result = _fetch(repo, by_branch, "--", remote)
    return "" if result.status == 0 else result.reason


def no_deeper(repo: Repository) -> list[str]:
    """Keeps a fetch into a shallow clone from bringing the whole history along."""
    return [f"--depth={_known_commits(repo)}"] if is_shallow(repo) else []


def _known_commits(repo: Repository, *unnamed: str) -> int:
    """How many commits this clone holds: a fetch to this depth does not shorten its history.

    ``unnamed`` are commits that no ref leads to; those that are here count with their history.
    """
    here = [commit for commit in commits_named(repo, ["HEAD", *unnamed]) if commit]
    output = expect(repo.root, "rev-list", "--count", "--all", *here, "--")
    return max(1, int(output))


def _fetch(repo: Repository, *arguments: str) -> Result:
    try:
        return git(
            repo.root, "fetch", "--quiet", "--no-tags", *arguments, timeout_s=FETCH_TIMEOUT_S
        )
    except WorldError as error:
        return Result(status=_NO_ANSWER, stdout=b"", stderr=error.message)


def remote_name(repo: Repository) -> str | None:
    """The remote to ask: ``origin``, else the only one there is."""
    names = expect(repo.root, "remote").decode("utf-8", "surrogateescape").split("\n")[:-1]
    if "origin" in names:
        return "origin"
    return names[0] if len(names) == 1 else None


def is_ancestor(repo: Repository, old: str, new: str) -> bool:
    """Whether a commit is in another one's history, as far as this clone holds it.

    Raises:
        WorldError: a commit is not here.
    """
    result = git(repo.root, "merge-base", "--is-ancestor", old, new)
    if result.status > 1:
        raise failure(repo.root, "merge-base", result)
    return result.status == 0


def _no_tip(branch: str, reason: str) -> WorldError:
    return WorldError(
        f"The tip of the target branch {branch!a} is not known: {reason}.",
        f"The policy is read there. Fetch the branch before lens-gate runs. {FULL_HISTORY_HINT}",
    )

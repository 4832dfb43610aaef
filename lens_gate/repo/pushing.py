"""Stored runs on their way to the branch that keeps them, beside other jobs that do the same.

A run is a file that is written once, so two jobs never disagree: each takes the branch as it is on
the remote at this moment, adds its files, and pushes without force. Who comes second is refused,
and begins again with what the first has left.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lens_gate.errors import LensError, WorldError
from lens_gate.records.context import is_branch_name, is_commit_id
from lens_gate.repo.access import NO_ANSWER, Access, over_the_wire
from lens_gate.repo.baselines import MAX_SAME_NAME, beyond, stored_path
from lens_gate.repo.command import Result
from lens_gate.repo.committing import Author, blob_id, commit_on
from lens_gate.repo.history import is_ancestor, no_deeper
from lens_gate.repo.new_runs import NewRun
from lens_gate.repo.objects import list_entries
from lens_gate.repo.repository import Repository, commits_named, is_shallow

ATTEMPTS = 30
"""How often a push is tried. Of those that are tried at once one always succeeds."""

_SILENCES = 3
# Nothing of the user's settings adds to what is pushed, or asks for a signature.
_PLAIN = (
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("push.recurseSubmodules", "no"),
)
# A remote that was asked by two at once says one of these; the words are git's own.
_LOCKED = re.compile(
    r"cannot lock ref|failed to update ref|incorrect old value|reference already exists"
    r"|unable to create .*\.lock|failed to lock|fetch first|non-fast-forward|stale info",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What is to be pushed, and where.

    ``branch`` keeps the runs. Where ``proposal`` names another branch, that one is pushed, to be
    merged by people. ``keep`` is the number of runs of each cell that stay, ``None`` for all.
    ``marks`` end the message's first line, ``body`` ends the message. ``options`` are push options.
    ``measured_at`` is a commit that has to be in the branch's history, or empty.
    """

    folder: str
    branch: str
    runs: tuple[NewRun, ...]
    author: Author
    proposal: str | None = None
    keep: int | None = None
    marks: str = ""
    body: str = ""
    options: tuple[str, ...] = ()
    measured_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What came of it: paths as they are on the branch. ``commit`` is ``None`` if none was needed.

    ``already`` were there before.
    """

    branch: str
    commit: str | None = None
    stored: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """The difference between a branch's tip and what it is to be: blob ids by path, and paths."""

    add: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    already: tuple[str, ...] = ()


def push_runs(repo: Repository, to: Access, order: Push, pause: Callable[[int], None]) -> Pushed:
    """Add the runs to the branch on the remote; the work tree and the index stay as they are.

    Args:
        repo: the repository.
        to: how to reach the remote.
        order: what and where.
        pause: waits a moment before another attempt, whose number it is given.

    Raises:
        LensError: no branch can have this name, or the run stands on none of its commits (exit 2).
        WorldError: the remote has no such branch, refuses, or does not answer (exit 5).
    """
    branch = order.proposal or order.branch
    for name in (order.branch, branch):
        if not is_branch_name(name):
            raise LensError(f"{name!a} is not a name that git accepts for a branch.")
    blobs = [blob_id(repo, run.data) for run in order.runs]
    silences, result = 0, Result(status=0, stdout=b"", stderr="")
    for attempt in range(1, ATTEMPTS + 1):
        parent, held = _tips(repo, to, order)
        edit = _edit(repo, order, blobs, parent, held)
        if not edit.add and not edit.remove:
            return Pushed(branch=branch, already=edit.already, attempts=attempt)
        commit = commit_on(
            repo,
            parent,
            add=edit.add,
            remove=edit.remove,
            message=_message(order, edit),
            author=order.author,
        )
        result = _send(repo, to, commit, branch, order.options)
        if result.status == 0:
            return Pushed(
                branch=branch,
                commit=commit,
                stored=tuple(sorted(edit.add)),
                removed=edit.remove,
                already=edit.already,
                attempts=attempt,
            )
        silences += result.status == NO_ANSWER
        if silences >= _SILENCES or not (result.status == NO_ANSWER or _beaten(result)):
            raise _refused(branch, result, order)
        if attempt < ATTEMPTS:
            pause(attempt)
    raise _refused(branch, result, order)


def _tips(repo: Repository, to: Access, order: Push) -> tuple[str, Collection[str]]:
    """The commit to add to, and all commits whose files are known there already.

    A proposal that is not merged yet is added to; one that is, begins anew at the branch.
    """
    main_ref, proposal_ref = (
        f"refs/heads/{n}" if n else "" for n in (order.branch, order.proposal)
    )
    tips = _listed(repo, to, main_ref, proposal_ref)
    for _ in range(_SILENCES):
        if main_ref not in tips:
            raise WorldError(
                f"The remote has no branch {order.branch!a}.",
                "`baseline.branch` in the policy names the branch that keeps the stored runs.",
            )
        if None not in commits_named(repo, list(tips.values())):
            break
        fetch = ("fetch", "--quiet", "--no-tags", *no_deeper(repo), "--", to.remote, *tips)
        fetched = over_the_wire(repo, to, *fetch)
        if fetched.status != 0:
            raise _unreachable(fetched)
        # Asked again: a shallow fetch may have brought a newer tip alone.
        tips = _listed(repo, to, main_ref, proposal_ref)
    main, proposed = tips[main_ref], tips.get(proposal_ref)
    _refuse_other_history(repo, order, main)
    if proposed is None or is_ancestor(repo, proposed, main):
        return main, (main,)
    return proposed, (main, proposed)


def _refuse_other_history(repo: Repository, order: Push, main: str) -> None:
    """What was measured off the branch is none of its runs. A shallow clone can't always tell."""
    measured_at = order.measured_at
    if not measured_at or is_ancestor(repo, measured_at, main) or is_shallow(repo):
        return
    raise LensError(
        f"{order.branch} does not have the commit {measured_at[:12]} that this run stands on: "
        "nothing is pushed.",
        f"Baselines are those of {order.branch}: merge first, and let the job run there.",
    )


def _listed(repo: Repository, to: Access, *refs: str) -> Mapping[str, str]:
    """The commits that these refs of the remote stand for now; those that there are."""
    wanted = [ref for ref in refs if ref]
    listed = over_the_wire(repo, to, "ls-remote", "--quiet", "--refs", "--", to.remote, *wanted)
    if listed.status != 0:
        raise _unreachable(listed)
    rows = (row.partition("\t") for row in listed.stdout.decode("utf-8", "replace").splitlines())
    return {name: commit for commit, _, name in rows if name in wanted and is_commit_id(commit)}


def _edit(
    repo: Repository, order: Push, blobs: Sequence[str], parent: str, held: Collection[str]
) -> _Edit:
    """What is missing at the parent, and what is more than enough there. Nothing is overwritten."""
    there: dict[str, str] = {}
    for commit in held:
        there |= {e.path: e.blob for e in list_entries(repo, commit, order.folder)}
    add: dict[str, str] = {}
    already = []
    for run, blob in zip(order.runs, blobs, strict=True):
        path = _free(run.path, blob, {**there, **add})
        if there.get(path) == blob:
            already.append(path)
        else:
            add[path] = blob
    if order.keep is None:
        return _Edit(add=add, already=tuple(already))
    own = {e.path for e in list_entries(repo, parent, order.folder)}
    places = (stored_path(path, order.folder) for path in {*own, *add})
    old = [place.path for place in beyond(filter(None, places), order.keep)]
    return _Edit(
        add={path: blob for path, blob in add.items() if path not in old},
        remove=tuple(path for path in old if path in own),
        already=tuple(already),
    )


def _free(path: str, blob: str, taken: Mapping[str, str]) -> str:
    """The path, with a number where another run has its name: same cell, second and commit."""
    stem = path.removesuffix(".json")
    for number in range(1, MAX_SAME_NAME):
        wanted = path if number == 1 else f"{stem}-{number}.json"
        if taken.get(wanted, blob) == blob:
            return wanted
    raise LensError(f"{path!r} stands for {MAX_SAME_NAME} runs of one second already.", "Prune it.")


def _send(repo: Repository, to: Access, commit: str, branch: str, options: Sequence[str]) -> Result:
    asked = [word for option in options for word in ("--push-option", option)]
    return over_the_wire(
        repo,
        to,
        *("push", "--porcelain", *asked, "--", to.remote, f"{commit}:refs/heads/{branch}"),
        settings=_PLAIN,
    )


def _beaten(result: Result) -> bool:
    """Whether somebody else pushed to the branch at the same time."""
    said = result.stdout.decode("utf-8", "replace")
    refusals = [line for line in said.splitlines() if line.startswith("!")]
    return bool(_LOCKED.search("\n".join([*refusals, result.stderr])))


def _refused(branch: str, result: Result, order: Push) -> WorldError:
    said = result.stdout.decode("utf-8", "replace")
    refusals = [line.rpartition("\t")[2] for line in said.splitlines() if line.startswith("!")]
    why = "; ".join([*refusals, *filter(None, [result.reason])])[:400]
    if order.proposal is None:
        hint = (
            "Let this job's identity write to the branch, or push a branch that people merge: "
            "`lens-gate baseline push --propose lens-gate-baselines`."
        )
    else:
        hint = "Let this job's identity create and write branches (`contents: write` on GitHub)."
    return WorldError(f"The stored runs could not be pushed to {branch!a}: {why}.", hint)


def _unreachable(result: Result) -> WorldError:
    return WorldError(
        f"The remote could not be asked for its branches: {result.reason}.",
        "A checkout with `persist-credentials: false` needs LENS_GATE_TOKEN in this step.",
    )


def _message(order: Push, edit: _Edit) -> str:
    counts = [
        f"{verb} {len(paths)} run{'' if len(paths) == 1 else 's'}"
        for verb, paths in (("Store", edit.add), ("Remove", edit.remove))
        if paths
    ]
    first = ", ".join(counts).capitalize() + (f" {order.marks}" if order.marks else "")
    lines = [*(f"+ {path}" for path in sorted(edit.add)), *(f"- {p}" for p in edit.remove)]
    return "\n".join([first, "", *lines, *(["", order.body] if order.body else []), ""])

"""Stored runs to the branch that keeps them: the last step of a job after a merge, or at night."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from lens_gate.errors import InputError, LensError
from lens_gate.flows.accepting import holding
from lens_gate.flows.baselines import worth_keeping
from lens_gate.flows.outside import Outside
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.records.context import Context
from lens_gate.repo import Repository, changed_files, head_commit, open_repository
from lens_gate.repo.access import Token, access
from lens_gate.repo.committing import Author, author_of, parent_of
from lens_gate.repo.new_runs import is_run, new_runs
from lens_gate.repo.pushing import Push, Pushed, push_runs

SKIP = "[skip ci]"
"""What GitHub, GitLab and others read in a commit's message as: start nothing for this."""

_TOKENS = {
    "github": (("LENS_GATE_TOKEN", "x-access-token"), ("GITHUB_TOKEN", "x-access-token")),
    "gitlab": (("LENS_GATE_TOKEN", "oauth2"), ("GITLAB_TOKEN", "oauth2")),
}
_BOTS = {
    "github": Author(
        name="github-actions[bot]", email="41898282+github-actions[bot]@users.noreply.github.com"
    ),
}
_BOT = Author(name="lens-gate", email="lens-gate@bot.invalid")
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOrder:
    """What the command line asks for. ``propose`` is a branch to push instead, for people to merge.

    ``skip_ci`` ``None``: marked so where the branch itself is pushed.
    """

    policy_path: str | None = None
    keep: int | None = None
    propose: str | None = None
    author: str | None = None
    skip_ci: bool | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """What came of it, why nothing was pushed (or nothing), and what to know besides."""

    pushed: Pushed
    why_not: str = ""
    remarks: tuple[str, ...] = ()


def push(order: PushOrder, outside: Outside) -> PushReport:
    """Commit the work tree's new runs on the remote's branch, as it is there now.

    Raises:
        LensError: this is no run whose measurements may become baselines, or an option is wrong.
        InputError: a new run is damaged.
        WorldError: the remote refuses or does not answer.
    """
    sources = find_sources(outside, order.policy_path)
    repository = open_repository(outside.cwd)
    if repository is None:
        raise LensError("baselines are pushed from a git repository", "run it in a clone")
    branch = sources.policy.baseline.branch
    _refuse_foreign(sources.context, branch)
    author = author_of(order.author) if order.author else _bot(sources.context)
    if order.keep is not None:
        worth_keeping(sources, order.keep)
    folder = sources.policy.baseline.dir
    new = new_runs(repository, folder)
    remarks = (*_changed(new.changed), *expired_waivers(sources, outside))
    if _only_stores(repository, sources.context, folder):
        why = "this commit only stores runs: one more from it would start the next, without end"
        return PushReport(pushed=Pushed(branch=branch), why_not=why, remarks=remarks)
    pushed = push_runs(
        repository,
        access(repository, _token(sources.context, outside.environ)),
        Push(
            folder=folder,
            branch=branch,
            runs=new.runs,
            author=author,
            proposal=order.propose,
            keep=order.keep,
            marks=_marks(order),
            body=f"Measured in {sources.context.run_url}" if sources.context.run_url else "",
            measured_at=head_commit(repository) or "",
            options=order.options or _options(sources.context, order, branch),
        ),
        lambda attempt: time.sleep(_pause_s(attempt, outside)),
    )
    why_not = "" if pushed.commit else "the branch holds every run of this work tree already"
    return PushReport(pushed=pushed, why_not=why_not, remarks=remarks)


def expired_waivers(sources: Sources, outside: Outside) -> tuple[str, ...]:
    """A line for each waiver that has ended. Nobody but a person takes it out of the file."""
    try:
        found = holding(sources.accepted, outside.now().date())
    except InputError as error:
        return tuple(str(problem) for problem in error.problems)
    return tuple(
        f"{sources.accepted.file}: the waiver of {r.waiver.rule} in {r.waiver.cell} ended on "
        f"{r.waiver.expires}: remove it"
        for r in found.reports
        if r.state == "expired"
    )


def _refuse_foreign(context: Context, branch: str) -> None:
    """What a change under test measured is no baseline, nor is another branch's run."""
    if context.event in ("pull_request", "merge_queue"):
        raise LensError(
            "what a change under test measured is no baseline: nothing is pushed",
            "push from the run after the merge, or on a schedule",
        )
    if context.event in ("push", "schedule") and context.target_branch != branch:
        raise LensError(
            f"this run stands on {context.target_branch or 'a tag'}, and baselines are those of "
            f"{branch}: nothing is pushed",
            f"let the job run on {branch} only, or name the branch in `baseline.branch`",
        )


def _only_stores(repository: Repository, context: Context, folder: str) -> bool:
    """Whether a push brought nothing but stored runs: a host may start a job for it all the same.

    Where the parent is not in the clone, the message, the host and the paths of the workflow have
    to do.
    """
    commit = head_commit(repository)
    if context.event != "push" or commit is None:
        return False
    parent = parent_of(repository, commit)
    if parent is None:
        return False
    paths = changed_files(repository, parent, commit)
    return bool(paths) and all(is_run(path, folder) for path in paths)


def _changed(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{path}: changed in the work tree, and left as it is on the branch: runs are only added"
        for path in paths
    )


def _bot(context: Context) -> Author:
    return _BOTS.get(context.host, _BOT)


def _token(context: Context, environ: Mapping[str, str]) -> Token | None:
    if not context.server_url:
        return None
    for name, user in _TOKENS.get(context.host, ()):
        if value := environ.get(name, "").strip():
            return Token(value=value, user=user, server_url=context.server_url)
    return None


def _marks(order: PushOrder) -> str:
    # A pull request whose checks are skipped could never be merged where they are required.
    wanted = order.propose is None if order.skip_ci is None else order.skip_ci
    return SKIP if wanted else ""


def _options(context: Context, order: PushOrder, branch: str) -> tuple[str, ...]:
    """GitLab's push options; a server that knows none refuses the push."""
    if context.host != "gitlab":
        return ()
    if order.propose is not None:
        return ("merge_request.create", f"merge_request.target={branch}")
    return ("ci.skip",) if order.skip_ci is not False else ()


def _pause_s(attempt: int, outside: Outside) -> float:
    """A random part of a time that doubles: who was beaten together does not meet again."""
    share = (outside.entropy() % 1000) / 1000
    return min(_LONGEST_PAUSE_S, 0.1 * 2.0**attempt) * share

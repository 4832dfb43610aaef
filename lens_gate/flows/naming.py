"""Which policy's word counts here, by its name alone: for telling why there is no verdict."""

from lens_gate.errors import LensError
from lens_gate.flows.outside import Outside
from lens_gate.flows.places import candidates
from lens_gate.flows.reading import present
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.policy.naming import name_of
from lens_gate.records.context import Context
from lens_gate.repo import (
    Repository,
    blob_reader,
    head_commit,
    open_repository,
    resolve,
    target_tip,
)


def trusted_name(outside: Outside, policy_path: str | None) -> str:
    """The name of the policy that is trusted here; empty where nobody can tell.

    A pull request's is that of its target branch, whatever the head calls itself.
    """
    try:
        context = detect(outside.environ, read_event_file)
        repository = open_repository(outside.cwd)
        if repository is None:
            return ""
        commit = _trusted(repository, context)
        names = candidates(outside.cwd, repository.root, policy_path)
        name = present(repository, commit, names) if commit else None
        return name_of(blob_reader(repository, commit)(name)) or "" if commit and name else ""
    except LensError:
        return ""


def _trusted(repository: Repository, context: Context) -> str | None:
    if context.event in ("pull_request", "merge_queue") and context.target_branch is not None:
        return target_tip(repository, context.target_branch, context.target_commit).commit
    if context.trust_ref is not None:
        return resolve(repository, context.trust_ref)
    return head_commit(repository)

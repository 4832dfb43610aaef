"""What GitHub Actions says about a job: its environment and the event's payload.

Variables and payloads as in GitHub's documentation, "Variables reference" and "Webhook events and
payloads". On pull requests ``GITHUB_SHA`` is a test merge that nobody wrote, so the head comes from
the payload.
"""

import json
import re
from collections.abc import Callable, Mapping

from lens_gate.errors import LensError
from lens_gate.hosts.checked import branch_name, commit_id, link, optional_commit_id, quoted
from lens_gate.records.context import Context, EventKind

# Events that are not here are refused: who may start them, and with whose content, is not settled.
EVENTS: Mapping[str, EventKind] = {
    "pull_request": "pull_request",
    "pull_request_target": "pull_request",
    "pull_request_review": "pull_request",
    "pull_request_review_comment": "pull_request",
    "merge_group": "merge_queue",
    "push": "push",
    "schedule": "schedule",
    "workflow_dispatch": "manual",
    "repository_dispatch": "manual",
}
_HEADS = "refs/heads/"
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", re.ASCII)


def context(environ: Mapping[str, str], read_event: Callable[[str], bytes]) -> Context:
    """The context of a GitHub Actions job.

    Raises:
        LensError: the event is none of ``EVENTS``, or its payload is damaged.
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    if name not in EVENTS:
        raise LensError(
            f"lens-gate does not know whose policy to trust on the GitHub event {quoted(name)}.",
            f"Run it on one of: {', '.join(EVENTS)}.",
        )
    if EVENTS[name] == "pull_request":
        return _pull_request(environ, _payload(environ, read_event))
    if EVENTS[name] == "merge_queue":
        return _merge_group(environ, _payload(environ, read_event))
    commit = commit_id(environ.get("GITHUB_SHA"), "GITHUB_SHA")
    manual = EVENTS[name] == "manual"
    return Context(
        host="github",
        event=EVENTS[name],
        target_branch=None if manual else _own_branch(environ),
        trust_ref=None if manual else commit,
        head_ref=commit,
        run_url=_run_url(environ),
        ci=True,
    )


def _pull_request(environ: Mapping[str, str], payload: Mapping[str, object]) -> Context:
    pull = _mapping(payload.get("pull_request"), "pull_request")
    base = _mapping(pull.get("base"), "pull_request.base")
    head = _mapping(pull.get("head"), "pull_request.head")
    branch = branch_name(base.get("ref"), "pull_request.base.ref in the event file")
    return Context(
        host="github",
        event="pull_request",
        target_branch=branch,
        trust_ref=_HEADS + branch,
        target_commit=optional_commit_id(
            base.get("sha"), "pull_request.base.sha in the event file"
        ),
        head_ref=commit_id(head.get("sha"), "pull_request.head.sha in the event file"),
        is_fork=not _same_repository(base.get("repo"), head.get("repo")),
        run_url=_run_url(environ),
        ci=True,
    )


def _merge_group(environ: Mapping[str, str], payload: Mapping[str, object]) -> Context:
    """A merge queue's group. Its ``base_sha`` may be a group ahead of it that never merges."""
    group = _mapping(payload.get("merge_group"), "merge_group")
    where = "merge_group.base_ref in the event file"
    ref = group.get("base_ref")
    branch = branch_name(ref.removeprefix(_HEADS) if isinstance(ref, str) else ref, where)
    return Context(
        host="github",
        event="merge_queue",
        target_branch=branch,
        trust_ref=_HEADS + branch,
        target_commit=optional_commit_id(
            group.get("base_sha"), "merge_group.base_sha in the event file"
        ),
        head_ref=commit_id(group.get("head_sha"), "merge_group.head_sha in the event file"),
        run_url=_run_url(environ),
        ci=True,
    )


def _payload(
    environ: Mapping[str, str], read_event: Callable[[str], bytes]
) -> Mapping[str, object]:
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        raise LensError(
            "GITHUB_EVENT_PATH is not set, so the pull request is not known.",
            "The runner sets it; pass it on where the job starts lens-gate in a container.",
        )
    try:
        payload: object = json.loads(read_event(path))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, digits or nesting without end
        raise LensError(
            f"The event file {quoted(path)} is not JSON.",
            "GITHUB_EVENT_PATH must name the file that the runner wrote.",
        ) from None
    return _mapping(payload, "its top level")


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise LensError(
        f"The event file has no object at {where}.",
        "GITHUB_EVENT_NAME and the file that GITHUB_EVENT_PATH names must be of one event.",
    )


def _same_repository(base: object, head: object) -> bool:
    """Whether both ends of a pull request lie in one repository. A deleted fork is null."""
    if not isinstance(base, dict) or not isinstance(head, dict):
        return False
    ours, theirs = base.get("id"), head.get("id")
    return type(ours) is int and type(theirs) is int and ours == theirs


def _own_branch(environ: Mapping[str, str]) -> str | None:
    ref = environ.get("GITHUB_REF", "")
    if not ref.startswith(_HEADS):
        return None
    return branch_name(ref.removeprefix(_HEADS), "GITHUB_REF")


def _run_url(environ: Mapping[str, str]) -> str:
    server = environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    if not _REPOSITORY.fullmatch(repository) or not (run.isascii() and run.isdigit()):
        return ""
    return link(f"{server}/{repository}/actions/runs/{run}")

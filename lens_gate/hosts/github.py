"""What GitHub Actions says about a job: its environment and the event's payload.

Variables and payloads as in GitHub's documentation, "Variables reference" and "Webhook events and
payloads". On pull requests ``GITHUB_SHA`` is a test merge that nobody wrote, so the head comes from
the payload.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

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
# A run about another run. Its content is a stranger's, so it publishes and never measures: it is
# read by ``lens_gate.hosts.github_fork`` alone.
REPORTING = "workflow_run"
_HEADS = "refs/heads/"
# Never a part of dots alone: it becomes a part of an API's path.
_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]{1,200}"
_REPOSITORY = re.compile(f"{_PART}/{_PART}", re.ASCII)
# Numbers of pull requests and of what else GitHub counts are 64 bits wide.
_MAX_NUMBER = 2**63 - 1


def context(environ: Mapping[str, str], read_event: Callable[[str], bytes]) -> Context:
    """The context of a GitHub Actions job.

    Raises:
        LensError: the event is none of ``EVENTS``, or its payload is damaged.
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    if name not in EVENTS:
        fork = f" On {REPORTING}, only `lens-gate publish --from-fork` runs: it measures nothing."
        raise LensError(
            f"lens-gate does not know whose policy to trust on the GitHub event {quoted(name)}.",
            f"Run it on one of: {', '.join(EVENTS)}.{fork if name == REPORTING else ''}",
        )
    read_event = cache(read_event)
    if EVENTS[name] == "pull_request":
        found = _pull_request(payload(environ, read_event))
    elif EVENTS[name] == "merge_queue":
        found = _merge_group(payload(environ, read_event))
    else:
        found = _own_commit(environ, EVENTS[name])
    if found.event != "schedule":  # which is always of the default branch
        found = replace(found, is_aside=_is_aside(found, environ, read_event))
    return replace(
        found,
        ci=True,
        run_url=run_url(environ),
        repository=repository(environ),
        api_url=address(environ, "GITHUB_API_URL"),
        server_url=address(environ, "GITHUB_SERVER_URL"),
    )


def _own_commit(environ: Mapping[str, str], event: EventKind) -> Context:
    """A run without a change that somebody asks to merge."""
    commit = commit_id(environ.get("GITHUB_SHA"), "GITHUB_SHA")
    manual = event == "manual"
    return Context(
        host="github",
        event=event,
        target_branch=None if manual else _own_branch(environ),
        trust_ref=None if manual else commit,
        head_ref=commit,
    )


def _is_aside(
    found: Context, environ: Mapping[str, str], read_event: Callable[[str], bytes]
) -> bool:
    """Whether the event names a default branch, and this run is about another one or a tag."""
    try:
        default = mapping(payload(environ, read_event).get("repository"), "").get("default_branch")
    except LensError:
        return False
    asked = found.event in ("pull_request", "merge_queue")
    ref = f"{_HEADS}{found.target_branch}" if asked else environ.get("GITHUB_REF")
    return isinstance(default, str) and ref != _HEADS + default


def _pull_request(event: Mapping[str, object]) -> Context:
    pull = mapping(event.get("pull_request"), "pull_request")
    base = mapping(pull.get("base"), "pull_request.base")
    head = mapping(pull.get("head"), "pull_request.head")
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
        number=number(pull.get("number")),
    )


def _merge_group(event: Mapping[str, object]) -> Context:
    """A merge queue's group. Its ``base_sha`` may be a group ahead of it that never merges."""
    group = mapping(event.get("merge_group"), "merge_group")
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
    )


def payload(environ: Mapping[str, str], read_event: Callable[[str], bytes]) -> Mapping[str, object]:
    """The event file's top level.

    Raises:
        LensError: there is none, or it is no JSON object.
    """
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        raise LensError(
            "GITHUB_EVENT_PATH is not set, so the pull request is not known.",
            "The runner sets it; pass it on where the job starts lens-gate in a container.",
        )
    try:
        parsed: object = json.loads(read_event(path))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, digits or nesting without end
        raise LensError(
            f"The event file {quoted(path)} is not JSON.",
            "GITHUB_EVENT_PATH must name the file that the runner wrote.",
        ) from None
    return mapping(parsed, "its top level")


def mapping(value: object, where: str) -> Mapping[str, object]:
    """The object at ``where`` in the event file.

    Raises:
        LensError: there is none.
    """
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


def repository(environ: Mapping[str, str]) -> str:
    """``owner/name`` of the repository whose job this is, empty where the variable holds none."""
    return repository_name(environ.get("GITHUB_REPOSITORY"))


def repository_name(value: object) -> str:
    """The value where it is ``owner/name``, else an empty text."""
    return value if isinstance(value, str) and _REPOSITORY.fullmatch(value) else ""


def number(value: object) -> int | None:
    """The value where it can be the number of something on GitHub, else ``None``.

    It only says where an answer is posted: a damaged one is no reason not to measure.
    """
    return value if type(value) is int and 0 < value <= _MAX_NUMBER else None


def address(environ: Mapping[str, str], name: str) -> str:
    """The base address in this variable, without a slash at its end; empty where it is none."""
    url = link(environ.get(name, "").rstrip("/"))
    return "" if "?" in url or "#" in url else url


def run_url(environ: Mapping[str, str], run: object = None) -> str:
    """The page of this job's run, or of another one of the same repository by its number."""
    server, name = environ.get("GITHUB_SERVER_URL", "").rstrip("/"), repository(environ)
    number_text = environ.get("GITHUB_RUN_ID", "") if run is None else str(run)
    if not name or not (number_text.isascii() and number_text.isdigit()):
        return ""
    return link(f"{server}/{name}/actions/runs/{number_text}")

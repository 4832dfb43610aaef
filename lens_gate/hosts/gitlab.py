"""What GitLab CI says about a job: its predefined variables.

GitLab's documentation, "Predefined CI/CD variables reference". A pipeline is a merge request's
where a merge request's number is set, whatever started it: a child pipeline inherits the number
and has a source of its own.
"""

import re
from collections.abc import Mapping

from lens_gate.errors import LensError
from lens_gate.hosts.checked import branch_name, commit_id, link, optional_commit_id, quoted
from lens_gate.records.context import Context, EventKind

# `CI_PIPELINE_SOURCE` of pipelines outside merge requests. What is not here is refused.
SOURCES: Mapping[str, EventKind] = {
    "push": "push",
    "schedule": "schedule",
    "web": "manual",
    "api": "manual",
    "trigger": "manual",
    "pipeline": "manual",
    "chat": "manual",
}
_REQUEST = "CI_MERGE_REQUEST_"
# Numbers that become parts of an API path. GitLab's are 64 bits wide.
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def context(environ: Mapping[str, str]) -> Context:
    """The context of a GitLab CI job.

    Raises:
        LensError: the pipeline's source is none of ``SOURCES``, or a variable is damaged.
    """
    source = environ.get("CI_PIPELINE_SOURCE", "")
    if source == "merge_request_event" or environ.get(_REQUEST + "IID"):
        return _merge_request(environ)
    if source not in SOURCES:
        raise LensError(
            f"lens-gate does not know whose policy to trust in a pipeline from {quoted(source)}.",
            f"Run it on one of: merge_request_event, {', '.join(SOURCES)} (CI_PIPELINE_SOURCE).",
        )
    commit = commit_id(environ.get("CI_COMMIT_SHA"), "CI_COMMIT_SHA")
    manual = SOURCES[source] == "manual"
    branch = environ.get("CI_COMMIT_BRANCH", "")  # not set for tags
    default = environ.get("CI_DEFAULT_BRANCH", "")
    return Context(
        host="gitlab",
        event=SOURCES[source],
        target_branch=branch_name(branch, "CI_COMMIT_BRANCH") if branch and not manual else None,
        trust_ref=None if manual else commit,
        head_ref=commit,
        is_aside=bool(default) and branch != default,
        run_url=link(environ.get("CI_JOB_URL", "")),
        ci=True,
        repository=_number(environ, "CI_PROJECT_ID"),
        api_url=link(environ.get("CI_API_V4_URL", "")),
        server_url=link(environ.get("CI_SERVER_URL", "")),
    )


def _merge_request(environ: Mapping[str, str]) -> Context:
    """A merge request's pipeline: detached, of merged results, or a merge train's.

    The source branch's own commit is only stated for merged results and trains; in a detached
    pipeline ``CI_COMMIT_SHA`` is that commit. ``DIFF_BASE_SHA`` is not read: variables of a
    pipeline can be set by who starts it, and git tells where the branch left its target.
    """
    where = _REQUEST + "TARGET_BRANCH_NAME"
    branch = branch_name(environ.get(where), where)
    train = environ.get(_REQUEST + "EVENT_TYPE") == "merge_train"
    head = "CI_COMMIT_SHA" if train else _REQUEST + "SOURCE_BRANCH_SHA"
    head = head if environ.get(head) else "CI_COMMIT_SHA"
    tip = _REQUEST + "TARGET_BRANCH_SHA"
    source = environ.get(_REQUEST + "SOURCE_PROJECT_ID", "")
    return Context(
        host="gitlab",
        event="merge_queue" if train else "pull_request",
        target_branch=branch,
        trust_ref=f"refs/heads/{branch}",
        target_commit=optional_commit_id(environ.get(tip), tip),
        head_ref=commit_id(environ.get(head), head),
        is_fork=not source or source != environ.get(_REQUEST + "PROJECT_ID"),
        run_url=link(environ.get("CI_JOB_URL", "")),
        ci=True,
        repository=_number(environ, _REQUEST + "PROJECT_ID"),
        number=int(_number(environ, _REQUEST + "IID") or 0) or None,
        api_url=link(environ.get("CI_API_V4_URL", "")),
        server_url=link(environ.get("CI_SERVER_URL", "")),
    )


def _number(environ: Mapping[str, str], name: str) -> str:
    """A project's or a merge request's number; empty where the variable holds none.

    It only says where an answer is posted, so that a damaged one is no reason not to measure.
    """
    value = environ.get(name, "")
    return value if _NUMBER.fullmatch(value) else ""

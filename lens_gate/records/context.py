"""Where a run stands: which host started it, for which event, and whose word decides.

Besides the record this holds the two questions that every reader of foreign git names asks first;
``hosts`` and ``repo`` share a floor, so the answers live below both.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

# A row of `hosts.table` (github, gitlab, generic, local), or of a plug-in under its own name.
HostName: TypeAlias = str
EventKind = Literal["pull_request", "merge_queue", "push", "schedule", "manual", "local"]

# SHA-1 or SHA-256 object names in full; git itself writes them in lower case.
_COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
# git-check-ref-format(1), rules 4, 5, 8 and 10: never anywhere in a name.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
MAX_REF_CHARS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the host says about this run, checked, and nothing that the run's author could choose.

    ``target_branch`` is the branch that the change goes to; on push and schedule the branch that
    the run stands on. ``None`` (a tag, a manual or a local run): the policy's ``baseline.branch``.

    ``trust_ref`` says where policy, waivers and baselines are read: ``refs/heads/<branch>`` means
    that branch as it is *on the host now* (pull requests, merge queues), a commit id means that
    commit (push, schedule), ``None`` means the work tree (manual, local). ``target_commit`` is the
    tip of the target branch that the host's event named. It was true when the event happened and
    may be old by now: it stands in only where the branch can't be fetched.

    ``head_ref`` is the commit whose content is asked about: in a pull request the author's commit,
    not the host's test merge. ``None`` locally, and where a pipeline's definition speaks for a CI
    that lens-gate does not know: the commit that is checked out. ``head_at`` is the ref at which
    the host has to hold ``head_ref`` still, where a person named that commit; else empty.
    ``is_aside``: the host says that the policy is that of another branch than the default one. A
    status is a commit's, whichever branch it is to be merged into: so a push or manual run has no
    say then, and the status of a pull request names the branch. ``is_fork`` is true unless the
    host says that the head comes from the same repository.
    ``run_url`` leads to the job, empty where there is none. ``ci``: nobody watches this terminal.

    Where the answer is posted: ``repository`` is the host's own name for it (``owner/name``, a
    project's number), ``number`` that of the pull or merge request, ``api_url`` and ``server_url``
    the host's addresses; empty where the host does not say.
    """

    host: HostName
    event: EventKind
    target_branch: str | None = None
    trust_ref: str | None = None
    target_commit: str | None = None
    head_ref: str | None = None
    head_at: str = ""
    is_aside: bool = False
    is_fork: bool = False
    run_url: str = ""
    ci: bool = False
    repository: str = ""
    number: int | None = None
    api_url: str = ""
    server_url: str = ""


def is_commit_id(text: str) -> bool:
    """Whether this is a full object name: 40 or 64 lower-case hexadecimal digits."""
    return _COMMIT_ID.fullmatch(text) is not None


def is_branch_name(text: str) -> bool:
    """Whether ``refs/heads/<text>`` is a ref that git accepts (git-check-ref-format).

    A leading dash is allowed, as git allows it in a full ref: who uses the name must write
    ``refs/heads/`` before it, so that it can't become an option.
    """
    if not text or len(text) > MAX_REF_CHARS or _FORBIDDEN.search(text):
        return False
    if any("\ud800" <= char <= "\udfff" for char in text):
        return False
    if text.startswith("/") or text.endswith(("/", ".")):
        return False
    return not any(part.startswith(".") or part.endswith(".lock") for part in text.split("/"))

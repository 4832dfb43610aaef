"""A pull request that a maintainer has measured by hand: a manual run that is told its number.

A fork's own run gets no key. A maintainer may start a workflow of the base repository instead
(``workflow_dispatch``) and name the pull request and the commit that was looked at. The run then
answers like one of that pull request, and trusts it as little: everything that decides is read at
the default branch, the head is a fork's, and the commit has to be the pull request's head at this
moment, or nothing is sent.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from lens_gate.errors import LensError
from lens_gate.hosts.checked import branch_name, commit_id, quoted
from lens_gate.hosts.github import mapping, payload
from lens_gate.records.context import Context

PULL = "LENS_GATE_PULL"
HEAD = "LENS_GATE_PULL_HEAD"
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def on_behalf(
    found: Context, environ: Mapping[str, str], read_event: Callable[[str], bytes]
) -> Context:
    """The context of the pull request that ``LENS_GATE_PULL`` names; as it was where none is named.

    Raises:
        LensError: it is named on another event than a manual one, without its commit, or the event
            does not say which branch is the default one.
    """
    pull, head = (environ.get(name, "").strip() for name in (PULL, HEAD))
    if not pull and not head:
        return found
    if found.host != "github" or found.event != "manual":
        raise LensError(
            f"{PULL} and {HEAD} are for manual runs on GitHub (workflow_dispatch).",
            "Remove them: in a pull request's own run GitHub says which commit is asked about.",
        )
    if not _NUMBER.fullmatch(pull):
        raise LensError(
            f"{PULL} is {quoted(pull)}, not the number of a pull request.", "Write it as 17."
        )
    repository = mapping(payload(environ, read_event).get("repository"), "repository")
    where = "repository.default_branch in the event file"
    branch = branch_name(repository.get("default_branch"), where)
    return replace(
        found,
        event="pull_request",
        target_branch=branch,
        trust_ref=f"refs/heads/{branch}",
        head_ref=commit_id(head, HEAD),
        head_at=f"refs/pull/{pull}/head",
        is_aside=False,  # whatever branch this was started on, the default one is followed
        is_fork=True,
        number=int(pull),
    )

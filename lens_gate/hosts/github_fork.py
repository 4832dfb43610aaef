"""A fork's own report, shown by a later job of ours (GitHub's event ``workflow_run``).

The run that measured had no secret and its content is a stranger's, so nothing of its artifact says
where the report is shown: the event names the run's repository, branch and commit, and the API the
one open pull request that has exactly these as its head (``lens_gate.hosts.github_pull``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from lens_gate.errors import LensError
from lens_gate.hosts.checked import branch_name, commit_id, quoted
from lens_gate.hosts.github import (
    REPORTING,
    address,
    mapping,
    number,
    payload,
    repository_name,
    run_url,
)

_T = TypeVar("_T")
# Runs of other events say nothing about a pull request, or are ours to trust: another verb's work.
MEASURED_ON = "pull_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkReport:
    """Whose report this is, by what GitHub itself says of the run that measured.

    ``head``, ``head_branch`` and ``head_repository`` (``owner/name``) are where the run's content
    came from; ``repository`` is ours. The numbers are GitHub's own for the two repositories: a name
    can change hands. ``run_url`` is the page of the run that measured, ``run_id`` its number.
    """

    head: str
    head_branch: str
    head_repository: str
    head_repository_id: int
    repository: str
    repository_id: int
    run_id: int
    run_url: str
    api_url: str
    server_url: str


def reported_by(environ: Mapping[str, str], read_event: Callable[[str], bytes]) -> ForkReport:
    """The run that this ``workflow_run`` job is about.

    Raises:
        LensError: this is no such job, the run was not a pull request's, or the event file is
            damaged (exit 2).
        WorldError: the event file can't be read (exit 5).
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    if environ.get("GITHUB_ACTIONS") != "true" or name != REPORTING:
        raise LensError(
            f"A fork's report is published on GitHub's event {REPORTING}, not on {quoted(name)}.",
            f"Start this job by `on: {REPORTING}`; everywhere else the gate itself publishes.",
        )
    event = payload(environ, read_event)
    run = mapping(event.get("workflow_run"), "workflow_run")
    if run.get("event") != MEASURED_ON:
        raise LensError(
            f"The run that ended was started by {quoted(run.get('event'))}, not {MEASURED_ON}.",
            f"Add `if: github.event.workflow_run.event == '{MEASURED_ON}'` to the job.",
        )
    ours = mapping(event.get("repository"), "repository")
    theirs = mapping(run.get("head_repository"), "workflow_run.head_repository")
    run_id = _required(number(run.get("id")), "workflow_run.id")
    where = "workflow_run.head_branch in the event file"
    return ForkReport(
        head=commit_id(run.get("head_sha"), "workflow_run.head_sha in the event file"),
        head_branch=branch_name(run.get("head_branch"), where),
        head_repository=_name(theirs, "workflow_run.head_repository.full_name"),
        head_repository_id=_required(number(theirs.get("id")), "workflow_run.head_repository.id"),
        repository=_name(ours, "repository.full_name"),
        repository_id=_required(number(ours.get("id")), "repository.id"),
        run_id=run_id,
        run_url=run_url(environ, run_id),
        api_url=address(environ, "GITHUB_API_URL"),
        server_url=address(environ, "GITHUB_SERVER_URL"),
    )


def _name(value: Mapping[str, object], where: str) -> str:
    return _required(repository_name(value.get("full_name")) or None, where)


def _required(value: _T | None, where: str) -> _T:
    if value is None:
        raise LensError(
            f"The event file holds nothing usable at {where}.",
            "GITHUB_EVENT_PATH must name the file that the runner wrote. The repository of a fork "
            "that was deleted is unknown, and its report can't be shown.",
        )
    return value

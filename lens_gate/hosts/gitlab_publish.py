"""Posts a gate's answer to GitLab: a note on the merge request, a status in its pipeline.

GitLab's documentation, "Notes API" and "Commits API", and its source where that is silent. The
job's own token (``CI_JOB_TOKEN``) may do neither, so this needs a token that somebody made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.errors import LensError, WorldError
from lens_gate.hosts.checked import link
from lens_gate.hosts.gitlab_notes import (
    MAX_NOTE_CHARS,
    Request,
    could_be_a_command,
    post_note,
)
from lens_gate.hosts.http import SYSTEM, Client, Clock, RefusedError, usable_token
from lens_gate.records.context import Context, is_commit_id
from lens_gate.records.json_types import Json
from lens_gate.records.publication import (
    CommentMode,
    Publication,
    Published,
    State,
    Status,
    Wish,
)

TOKENS: Final = ("LENS_GATE_TOKEN", "GITLAB_TOKEN")
_STATES: Final[Mapping[State, str]] = {"success": "success", "failure": "failed", "error": "failed"}
# GitLab's limit for a status's target; a description is one line in a list.
_MAX_FIELD = 255
_MAKE_ONE: Final = (
    "make a project access token with the scope `api` and the role Developer, and save it as the "
    "masked CI/CD variable LENS_GATE_TOKEN (a protected one is not given to merge requests of "
    "unprotected branches)"
)
_UNSAFE: Final = (
    "No note was written: its text is too long for GitLab, or has a line that GitLab could take "
    "for a command. This is a bug of ours; report.json holds the answer."
)
_DOUBLED: Final = (
    "GitLab let this token write a note but not change its older one, so that there are two now. "
    "Give the project access token the role Maintainer."
)
_REMEDIES: Final = {
    401: f"The token is not valid, or not any more: {_MAKE_ONE}",
    403: "The token needs the scope `api` and at least the role Developer in this project",
    # GitLab does not say of what a token may not see that it is there.
    404: "The token must be of the project that the merge request belongs to, or of its group",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where everything goes, and what of the job's environment says so."""

    context: Context
    environ: Mapping[str, str]

    @property
    def in_a_fork(self) -> bool:
        """Whether this pipeline runs in another project than the merge request's."""
        return self.environ.get("CI_PROJECT_ID", "") != self.context.repository

    def note_url(self, number: int) -> str:
        """The note's address on the merge request's page."""
        project = link(self.environ.get("CI_MERGE_REQUEST_PROJECT_URL", "")).rstrip("/")
        if not project or not number:
            return ""
        return f"{project}/-/merge_requests/{self.context.number}#note_{number}"


def publish(
    context: Context,
    publication: Publication,
    wish: Wish,
    environ: Mapping[str, str],
    *,
    clock: Clock = SYSTEM,
) -> Published:
    """Posts what is wished and can be posted. Whatever fails becomes a line in ``problems``.

    A pipeline in a fork posts nothing, and nothing is wrong with that: it runs in another project,
    whose token has no say in this one.
    """
    place = _Place(context=context, environ=environ)
    note = wish.comment != "off" and context.number is not None
    status = publication.status if wish.status != "off" else None
    if not (note or status) or not context.repository or not context.api_url or place.in_a_fork:
        return Published()
    try:
        client = _client(place, clock)
    except LensError as error:
        return Published(problems=(_line("Nothing was posted to GitLab", error),))
    try:
        posted = Published()
        if note:
            posted = _noted(client, place, publication, wish.comment)
        if status:
            url, problems = _stated(client, place, publication.head, status)
            posted = replace(posted, status_url=url, problems=posted.problems + problems)
    finally:
        client.close()
    return posted


def _client(place: _Place, clock: Clock) -> Client:
    """The client of the merge request's GitLab, with the token that the job was given.

    Raises:
        LensError: there is none, or none that could work.
    """
    name = next((name for name in TOKENS if place.environ.get(name, "").strip()), "")
    if not name:
        raise LensError(f"neither {TOKENS[0]} nor {TOKENS[1]} is set", _MAKE_ONE)
    token = usable_token(place.environ[name], name)
    if token == place.environ.get("CI_JOB_TOKEN", "").strip():
        raise LensError(
            f"{name} is the job's own token, which GitLab lets write neither notes nor statuses",
            _MAKE_ONE,
        )
    return Client(
        forge="GitLab",
        api_url=place.context.api_url,
        # Taken from personal, project and group tokens and from OAuth's alike.
        header=("Authorization", f"Bearer {token}"),
        token=token,
        headers={"Accept": "application/json"},
        clock=clock,
    )


def _noted(client: Client, place: _Place, publication: Publication, mode: CommentMode) -> Published:
    """The note on the merge request."""
    if could_be_a_command(publication.comment) or len(publication.comment) > MAX_NOTE_CHARS:
        return Published(problems=(_UNSAFE,))
    request = Request(project=place.context.repository, number=place.context.number or 0)
    try:
        noted = post_note(client, request, publication, mode)
    except WorldError as error:
        return Published(problems=(_line("No note was written", _explained(error)),))
    url = place.note_url(noted.number)
    return Published(comment_url=url, problems=(_DOUBLED,) if noted.doubled else ())


def _stated(
    client: Client, place: _Place, head: str, status: Status
) -> tuple[str, tuple[str, ...]]:
    """Posts the status in this very pipeline; its address, and what went wrong.

    In a pipeline of merged results, or of a merge train, ``CI_COMMIT_SHA`` is a merge that GitLab
    made, and a status of the head would count for nothing: so it goes to the commit that the
    pipeline is of. Where GitLab does not know that pair (404), it goes to the head, for which
    GitLab takes the newest pipeline or makes one.
    """
    body: dict[str, Json] = {
        "state": _STATES[status.state],
        "name": status.name,
        "description": status.description[:_MAX_FIELD],
    }
    if status.url and len(status.url) <= _MAX_FIELD:
        body["target_url"] = status.url
    path = f"/projects/{place.context.repository}/statuses/"
    try:
        if not _in_pipeline(client, place, path, body):
            client.send("POST", path + head, body)
    except WorldError as error:
        return "", (_line("No commit status was posted", _explained(error)),)
    return link(place.environ.get("CI_PIPELINE_URL", "")), ()


def _in_pipeline(client: Client, place: _Place, path: str, body: Mapping[str, Json]) -> bool:
    commit = place.environ.get("CI_COMMIT_SHA", "").lower()
    pipeline = place.environ.get("CI_PIPELINE_ID", "")
    if not is_commit_id(commit) or not (pipeline.isascii() and pipeline.isdigit()):
        return False
    try:
        client.send("POST", path + commit, {**body, "pipeline_id": int(pipeline)})
    except RefusedError as error:
        if error.answer.status == 404:
            return False
        raise
    return True


def _explained(error: WorldError) -> LensError:
    """GitLab's refusal with what to do about it."""
    hint = error.hint
    if isinstance(error, RefusedError):
        hint = _REMEDIES.get(error.answer.status, hint)
    return LensError(error.message, hint)


def _line(what: str, error: LensError) -> str:
    """One line that says what did not happen, why, and what to do."""
    why, hint = error.message.rstrip("."), error.hint.rstrip(".")
    return f"{what}: {why}. {hint[:1].upper()}{hint[1:]}."

"""GitHub's REST API: how it is asked, whose name its token has, and what its refusals mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lens_gate.errors import LensError, WorldError
from lens_gate.hosts.http import SYSTEM, Client, Clock, RefusedError
from lens_gate.records.json_types import Json

TOKENS: Final = ("LENS_GATE_TOKEN", "GITHUB_TOKEN")
# Whom comments are by that a job writes with its own token.
ACTIONS_LOGIN: Final = "github-actions[bot]"
_HEADERS: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A pull request: its repository (``owner/name``), its number, the server with its pages."""

    repository: str
    number: int
    server_url: str

    @property
    def url(self) -> str:
        """The pull request's page."""
        return f"{self.server_url}/{self.repository}/pull/{self.number}"


def connect(api_url: str, token: str, clock: Clock = SYSTEM) -> Client:
    """A client for GitHub at ``api_url``, speaking with this token."""
    return Client(
        forge="GitHub",
        api_url=api_url,
        header=("Authorization", f"Bearer {token}"),
        token=token,
        headers=_HEADERS,
        clock=clock,
    )


def login(client: Client) -> str:
    """The name under which this token writes.

    ``GET /user`` tells it to people's tokens alone. Those of apps, a job's own among them, may ask
    the GraphQL API; where neither answers it is taken for a job's own.

    Raises:
        WorldError: the token is not accepted, or there is no answer.
    """
    try:
        return _text(client.get("/user").data, "login") or ACTIONS_LOGIN
    except RefusedError as error:
        if error.answer.status == 401:
            raise
    try:
        answer = client.send("POST", _graphql(client.api_url), {"query": "query{viewer{login}}"})
    except RefusedError:
        return ACTIONS_LOGIN
    viewer = _object(_object(answer.data).get("data")).get("viewer")
    return _text(viewer, "login") or ACTIONS_LOGIN


def number_in(data: Json, name: str) -> int | None:
    """The whole number of this name in an answer's object, or ``None``."""
    value = _object(data).get(name)
    return value if type(value) is int and value > 0 else None


def text_at(data: Json, *names: str) -> str:
    """The text found by following these names through an answer's objects, or an empty one."""
    for name in names[:-1]:
        data = _object(data).get(name)
    return _text(data, names[-1])


def problem(what: str, error: LensError, permission: str) -> str:
    """One line for a person: what was not done, why, and what to do.

    Args:
        what: The thing that was not done, as a sentence without its end.
        error: Why.
        permission: What the job's ``permissions:`` must grant for it.
    """
    hint = error.hint
    if isinstance(error, RefusedError):
        hint = _remedy(error.answer.status, permission) or hint
    return f"{what}: {error.message} {hint}".strip()


def unusable(what: str) -> WorldError:
    """An answer of success without what its description promises."""
    return WorldError(
        f"GitHub does not answer as its API is described: {what}.",
        "Check that GITHUB_API_URL is GitHub's API, and what stands between.",
    )


def _remedy(status: int, permission: str) -> str:
    if status == 401:
        return "The token is not accepted: it may have expired, or is of another server."
    if status == 403:
        return (
            f"Give the job `permissions: {permission}: write`. For a pull request from a fork or "
            "of Dependabot, GitHub only gives a token that reads: the job's summary has it all."
        )
    if status in (404, 410):
        return (
            "It is gone, or this token may not see it: check the token's repository and "
            f"`permissions: {permission}: write`."
        )
    return ""


def _graphql(api_url: str) -> str:
    """Where GraphQL is asked: on a server of one's own, beside the REST API's ``/v3``."""
    return f"{api_url.removesuffix('/v3')}/graphql"


def _object(data: object) -> Mapping[str, Json]:
    return data if isinstance(data, dict) else {}


def _text(data: object, name: str) -> str:
    value = _object(data).get(name)
    return value if isinstance(value, str) else ""

"""The note on a merge request, of which ``hosts.sticky`` keeps one.

A note is ours if the token's own user wrote it and it begins with the marker's line.

GitLab's documentation, "Notes API" and "Merge requests API".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lens_gate.errors import WorldError
from lens_gate.hosts.http import Client, RefusedError
from lens_gate.hosts.sticky import Edited, Kept, Post, Wall, keep
from lens_gate.records.json_types import Json
from lens_gate.records.publication import CommentMode, Publication
from lens_gate.render.marker import carries

# GitLab's own limit; the renderer's, 65,536, is far below it.
MAX_NOTE_CHARS: Final = 1_000_000
_PER_PAGE: Final = 100
_GONE: Final = 404
_FORBIDDEN: Final = frozenset({403, 405})
_LINE_START_SLASH: Final = re.compile(r"^/", re.MULTILINE)
# GitLab deletes each CR before it looks for commands; the others end a line for some reader.
_LINE_ENDS: Final = str.maketrans(
    {"\r": None, **dict.fromkeys("\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n")}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A merge request: the number of its project, and its own (its IID) in that project."""

    project: str
    number: int

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/projects/{self.project}/merge_requests/{self.number}"


def could_be_a_command(body: str) -> bool:
    """Whether GitLab might run a line of this text as a quick action (``/merge``)."""
    return _LINE_START_SLASH.search(body.translate(_LINE_ENDS)) is not None


def post_note(
    client: Client, request: Request, publication: Publication, mode: CommentMode
) -> Kept:
    """Writes the publication's comment.

    Raises:
        WorldError: GitLab refused, or can't be reached.
    """
    user = _own_number(client)
    wall = Wall(
        own=lambda: _own_notes(client, request, publication, user),
        head=lambda: _head(client, request),
        create=lambda text: _created(client, request, text),
        edit=lambda post, text: _edited(client, request, post, text),
        remove=lambda post: _removed(client, request, post),
    )
    return keep(wall, publication, mode)


def _own_notes(
    client: Client, request: Request, publication: Publication, user: int
) -> Sequence[Post]:
    """Our notes with the publication's marker, the newest first.

    All pages are read, and the Link header alone says which is the last: a page that is not full
    may be followed by another, because notes that this token may not see are taken out of it after
    it was cut.
    """
    params: dict[str, str | int] = {
        "order_by": "created_at",
        "sort": "asc",
        "activity_filter": "only_comments",
        "per_page": _PER_PAGE,
    }
    found = []
    for item in client.items(f"{request.path}/notes", params):
        number, body = _number(item, "id"), item.get("body")
        by_us = item.get("system") is not True and _number(item.get("author"), "id") == user
        if number and by_us and isinstance(body, str) and carries(body, publication.marker):
            found.append(Post(number=number, body=body))
    return sorted(found, key=lambda post: -post.number)


def _edited(client: Client, request: Request, post: Post, text: str) -> Edited:
    try:
        client.send("PUT", f"{request.path}/notes/{post.number}", {"body": text})
    except RefusedError as error:
        if error.answer.status == _GONE:
            return "gone"
        if error.answer.status in _FORBIDDEN:
            return "forbidden"
        raise
    return "done"


def _created(client: Client, request: Request, text: str) -> int:
    answer = client.send("POST", f"{request.path}/notes", {"body": text}, again=False)
    return _number(answer.data, "id")


def _removed(client: Client, request: Request, post: Post) -> None:
    client.send("DELETE", f"{request.path}/notes/{post.number}")


def _head(client: Client, request: Request) -> str:
    """The merge request's present head; empty where GitLab does not say."""
    try:
        shown = client.get(request.path).data
    except RefusedError:
        return ""
    head = shown.get("sha") if isinstance(shown, dict) else None
    return head if isinstance(head, str) else ""


def _own_number(client: Client) -> int:
    """The number of the user that the token belongs to: a bot of its own for a project's token."""
    number = _number(client.get("/user").data, "id")
    if not number:
        raise WorldError(
            "GitLab does not say whose the token is, so that no note could be found again",
            "Make a new project access token with the scope `api`.",
        )
    return number


def _number(data: Json, key: str) -> int:
    """The number under this key; 0 for anything else."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if type(value) is int and value > 0 else 0

"""The note on a merge request: found again, brought up to date in its place, made anew on bad news.

A note is ours if the token's own user wrote it and it begins with the marker's line. There is one
for a marker: the newest is kept, older ones (of jobs that ran at once, or of before the bad news)
are deleted after it was written. A result that is older than what stands there changes nothing.

GitLab's documentation, "Notes API" and "Merge requests API".
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lens_gate.errors import WorldError
from lens_gate.hosts.http import Client, RefusedError, UnclearError
from lens_gate.hosts.news import is_bad_news, is_due
from lens_gate.records.json_types import Json
from lens_gate.records.publication import CommentMode, Publication
from lens_gate.render.marker import carries, said

# GitLab's own limit; the renderer's, 65,536, is far below it.
MAX_NOTE_CHARS: Final = 1_000_000
_PER_PAGE: Final = 100
_FORBIDDEN: Final = frozenset({403, 405})
# What jobs that run at once can leave behind; more of it is somebody else's play.
_MOST_REMOVED: Final = 20
_TURNS: Final = 3
_LINE_START_SLASH: Final = re.compile(r"^/", re.MULTILINE)
# GitLab deletes each CR before it looks for commands; the others end a line for some reader.
_LINE_ENDS: Final = str.maketrans(
    {"\r": None, **dict.fromkeys("\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n")}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note of ours."""

    number: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A merge request: the number of its project, and its own (its IID) in that project."""

    project: str
    number: int

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/projects/{self.project}/merge_requests/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """The number of the note that says it now, 0 where none was due; ``doubled``: see ``_new``."""

    number: int
    doubled: bool = False


def could_be_a_command(body: str) -> bool:
    """Whether GitLab might run a line of this text as a quick action (``/merge``)."""
    return _LINE_START_SLASH.search(body.translate(_LINE_ENDS)) is not None


def post_note(
    client: Client, request: Request, publication: Publication, mode: CommentMode
) -> Noted:
    """Writes the publication's comment.

    Raises:
        WorldError: GitLab refused, or can't be reached.
    """
    user = _own_number(client)
    gone: set[int] = set()
    for turn in range(1, _TURNS + 1):
        own = [n for n in _own_notes(client, request, publication, user) if n.number not in gone]
        if own and _overtaken(client, request, own[0], publication):
            return Noted(number=own[0].number)
        if not is_due(publication, mode, is_there=bool(own)):
            return Noted(number=0)
        try:
            done = _written(client, request, own, publication)
        except UnclearError:
            if turn == _TURNS:
                raise
            continue  # it may be there after all: look again
        if done is not None:
            return done
        gone.add(own[0].number)
    raise WorldError(
        "Whatever note was to be brought up to date had just been deleted", "Run the job again."
    )


def _own_notes(
    client: Client, request: Request, publication: Publication, user: int
) -> Sequence[Note]:
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
            found.append(Note(number=number, body=body))
    return sorted(found, key=lambda note: -note.number)


def _written(
    client: Client, request: Request, own: Sequence[Note], publication: Publication
) -> Noted | None:
    """The note with the new text; ``None`` where the one to be changed was just deleted."""
    before = said(own[0].body) if own else None
    if not own or is_bad_news(before.outcome if before else None, publication):
        number = _created(client, request, publication.comment)
        _remove(client, request, own)
        return Noted(number=number)
    last = own[0]
    if last.body != publication.comment:
        try:
            body: Json = {"body": publication.comment}
            client.send("PUT", f"{request.path}/notes/{last.number}", body)
        except RefusedError as error:
            if error.answer.status == 404:
                return None
            if error.answer.status not in _FORBIDDEN:
                raise
            # A role that may write notes and not edit them: better twice than not at all.
            return Noted(number=_created(client, request, publication.comment), doubled=True)
    _remove(client, request, own[1:])
    return Noted(number=last.number)


def _created(client: Client, request: Request, text: str) -> int:
    answer = client.send("POST", f"{request.path}/notes", {"body": text}, again=False)
    return _number(answer.data, "id")


def _remove(client: Client, request: Request, notes: Sequence[Note]) -> None:
    """Deletes older notes of ours. What can't be deleted now is met again by the next run."""
    for note in notes[:_MOST_REMOVED]:
        with suppress(WorldError):
            client.send("DELETE", f"{request.path}/notes/{note.number}")


def _overtaken(client: Client, request: Request, last: Note, publication: Publication) -> bool:
    """Whether the note is about the merge request's present head, and ours about an older one."""
    before = said(last.body)
    if before is None or before.head in ("", publication.head):
        return False
    try:
        shown = client.get(request.path).data
    except RefusedError:
        return False
    return isinstance(shown, dict) and shown.get("sha") == before.head


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

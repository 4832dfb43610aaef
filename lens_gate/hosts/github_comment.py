"""The comment on a pull request: found again, brought up to date, or made anew on bad news.

A comment is ours if our own login wrote it and its first line is the marker's. There is one for a
marker: the newest is kept, older ones (of jobs that ran at once, or of before the bad news) are
deleted after it was written. A result that is older than what stands there changes nothing.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lens_gate.errors import WorldError
from lens_gate.hosts.github_api import Place, login, number_in, text_at, unusable
from lens_gate.hosts.http import Client, RefusedError, UnclearError
from lens_gate.hosts.news import is_bad_news, is_due
from lens_gate.records.publication import CommentMode, Publication
from lens_gate.records.report import Outcome
from lens_gate.render.marker import carries, said

PERMISSION: Final = "pull-requests"
_GONE: Final = frozenset({404, 410})
# What jobs that run at once can leave behind; more of it is somebody else's play.
_MOST_REMOVED: Final = 20
_TURNS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment of ours, and what it says: the outcome, and the head that it was about.

    ``None`` and empty where it does not say.
    """

    number: int
    outcome: Outcome | None
    head: str


def post_comment(client: Client, place: Place, publication: Publication, mode: CommentMode) -> str:
    """Writes the publication's comment; the link to it, empty where none was due.

    Raises:
        WorldError: GitHub refused, or can't be reached.
    """
    author = login(client)
    gone: set[int] = set()
    for turn in range(1, _TURNS + 1):
        own = [c for c in own_comments(client, place, publication, author) if c.number not in gone]
        if own and _overtaken(client, place, own[0], publication):
            return _link(place, own[0].number)
        if not is_due(publication, mode, is_there=bool(own)):
            return ""
        if own and not is_bad_news(own[0].outcome, publication):
            if not _updated(client, place, own[0], publication):
                gone.add(own[0].number)
                continue
            kept = own[0].number
        else:
            try:
                kept = _created(client, place, publication)
            except UnclearError:
                if turn == _TURNS:
                    raise
                continue  # it may be there after all: look again
        _remove(client, place, [c.number for c in own if c.number != kept])
        return _link(place, kept)
    raise WorldError(
        "Whatever comment was to be brought up to date had just been deleted.",
        "Run the job again.",
    )


def own_comments(
    client: Client, place: Place, publication: Publication, author: str
) -> Sequence[Comment]:
    """Our comments with the publication's marker, newest first: all pages are read.

    Raises:
        WorldError: GitHub refused, can't be reached, or lists without end.
    """
    path = f"/repos/{place.repository}/issues/{place.number}/comments"
    found = []
    for item in client.items(path, {"per_page": 100}):
        number, body = number_in(item, "id"), text_at(item, "body")
        # Logins are one, however their letters are written; no person's can hold brackets.
        by_us = text_at(item, "user", "login").lower() == author.lower()
        if number is not None and by_us and carries(body, publication.marker):
            before = said(body)
            outcome, head = (before.outcome, before.head) if before else (None, "")
            found.append(Comment(number=number, outcome=outcome, head=head))
    return sorted(found, key=lambda comment: -comment.number)


def _overtaken(client: Client, place: Place, newest: Comment, publication: Publication) -> bool:
    """Whether the comment is about the pull request's present head, and ours about an older one."""
    if newest.head in ("", publication.head):
        return False
    try:
        pull = client.get(f"/repos/{place.repository}/pulls/{place.number}")
    except RefusedError:
        return False
    return text_at(pull.data, "head", "sha") == newest.head


def _created(client: Client, place: Place, publication: Publication) -> int:
    path = f"/repos/{place.repository}/issues/{place.number}/comments"
    answer = client.send("POST", path, {"body": publication.comment}, again=False)
    number = number_in(answer.data, "id")
    if number is None:
        raise unusable("a new comment without a number")
    return number


def _updated(client: Client, place: Place, comment: Comment, publication: Publication) -> bool:
    """Whether the comment was still there."""
    path = _path(place, comment.number)
    try:
        client.send("PATCH", path, {"body": publication.comment})
    except RefusedError as error:
        if error.answer.status in _GONE:
            return False
        raise
    return True


def _remove(client: Client, place: Place, numbers: Sequence[int]) -> None:
    """Deletes older comments of ours. What can't be deleted now is met again by the next run."""
    for number in numbers[:_MOST_REMOVED]:
        with suppress(WorldError):
            client.send("DELETE", _path(place, number))


def _path(place: Place, number: int) -> str:
    return f"/repos/{place.repository}/issues/comments/{number}"


def _link(place: Place, number: int) -> str:
    # Made from what the runner says: a server's own link could lead anywhere.
    return f"{place.url}#issuecomment-{number}"

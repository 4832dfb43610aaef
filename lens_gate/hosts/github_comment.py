"""The comment on a pull request, of which ``hosts.sticky`` keeps one.

A comment is ours if our own login wrote it and its first line is the marker's.
"""

from collections.abc import Sequence
from typing import Final

from lens_gate.hosts.github_api import Place, login, number_in, text_at, unusable
from lens_gate.hosts.http import Client, RefusedError
from lens_gate.hosts.sticky import Edited, Post, Wall, keep
from lens_gate.records.publication import CommentMode, Publication
from lens_gate.render.marker import carries

PERMISSION: Final = "pull-requests"
_GONE: Final = frozenset({404, 410})


def post_comment(client: Client, place: Place, publication: Publication, mode: CommentMode) -> str:
    """Writes the publication's comment; the link to it, empty where none was due.

    Raises:
        WorldError: GitHub refused, or can't be reached.
    """
    author = login(client)
    wall = Wall(
        own=lambda: _own(client, place, publication, author),
        head=lambda: _head(client, place),
        create=lambda text: _created(client, place, text),
        edit=lambda post, text: _edited(client, place, post, text),
        remove=lambda post: _removed(client, place, post),
    )
    kept = keep(wall, publication, mode)
    return _link(place, kept.number) if kept.number else ""


def _own(client: Client, place: Place, publication: Publication, author: str) -> Sequence[Post]:
    """Our comments with the publication's marker, newest first: all pages are read."""
    path = f"/repos/{place.repository}/issues/{place.number}/comments"
    found = []
    for item in client.items(path, {"per_page": 100}):
        number, body = number_in(item, "id"), text_at(item, "body")
        # Logins are one, however their letters are written; no person's can hold brackets.
        by_us = text_at(item, "user", "login").lower() == author.lower()
        if number is not None and by_us and carries(body, publication.marker):
            found.append(Post(number=number, body=body))
    return sorted(found, key=lambda post: -post.number)


def _head(client: Client, place: Place) -> str:
    """The pull request's present head; empty where GitHub does not say."""
    try:
        pull = client.get(f"/repos/{place.repository}/pulls/{place.number}")
    except RefusedError:
        return ""
    return text_at(pull.data, "head", "sha")


def _created(client: Client, place: Place, text: str) -> int:
    path = f"/repos/{place.repository}/issues/{place.number}/comments"
    answer = client.send("POST", path, {"body": text}, again=False)
    number = number_in(answer.data, "id")
    if number is None:
        raise unusable("a new comment without a number")
    return number


def _edited(client: Client, place: Place, post: Post, text: str) -> Edited:
    try:
        client.send("PATCH", _path(place, post.number), {"body": text})
    except RefusedError as error:
        if error.answer.status in _GONE:
            return "gone"
        raise
    return "done"


def _removed(client: Client, place: Place, post: Post) -> None:
    client.send("DELETE", _path(place, post.number))


def _path(place: Place, number: int) -> str:
    return f"/repos/{place.repository}/issues/comments/{number}"


def _link(place: Place, number: int) -> str:
    # Made from what the runner says: a server's own link could lead anywhere.
    return f"{place.url}#issuecomment-{number}"

"""The one post that is kept up to date: found again, edited in its place, made anew on bad news.

There is one for a marker: the newest is kept, older ones (of jobs that ran at once, or of before
the bad news) are deleted after it was written. A result that is older than what stands there
changes nothing.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from lens_gate.errors import WorldError
from lens_gate.hosts.http import UnclearError
from lens_gate.hosts.news import is_bad_news, is_due
from lens_gate.records.publication import CommentMode, Publication
from lens_gate.render.marker import said

Edited = Literal["done", "gone", "forbidden"]
# What jobs that run at once can leave behind; more of it is somebody else's play.
_MOST_REMOVED: Final = 20
_TURNS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post of ours: its number, and its text."""

    number: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """Where posts are. Each function raises a ``WorldError`` where the host refuses or is away.

    ``own`` gives our posts with the marker, the newest first; ``head`` the commit that the request
    is at now, empty where that can't be told; ``create`` the number of a new post. ``edit`` says
    whether the post was still there, and could be edited by this token.
    """

    own: Callable[[], Sequence[Post]]
    head: Callable[[], str]
    create: Callable[[str], int]
    edit: Callable[[Post, str], Edited]
    remove: Callable[[Post], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The number of the post that says it now, 0 where none was due.

    ``doubled``: a second one had to be written, since this token may not edit the first.
    """

    number: int
    doubled: bool = False


def keep(wall: Wall, publication: Publication, mode: CommentMode) -> Kept:
    """Have the publication's comment on the wall, once.

    Raises:
        WorldError: the host refused, can't be reached, or loses what it was given.
    """
    gone: set[int] = set()
    for turn in range(1, _TURNS + 1):
        own = [post for post in wall.own() if post.number not in gone]
        if own and _overtaken(wall, own[0], publication):
            return Kept(number=own[0].number)
        if not is_due(publication, mode, is_there=bool(own)):
            return Kept(number=0)
        try:
            kept = _written(wall, own, publication)
        except UnclearError:
            if turn == _TURNS:
                raise
            continue  # it may be there after all: look again
        if kept is not None:
            return kept
        gone.add(own[0].number)
    raise WorldError(
        "Whatever comment was to be brought up to date had just been deleted.",
        "Run the job again.",
    )


def _written(wall: Wall, own: Sequence[Post], publication: Publication) -> Kept | None:
    """The post with the new text; ``None`` where the one to be edited was just deleted."""
    before = said(own[0].body) if own else None
    if not own or is_bad_news(before.outcome if before else None, publication):
        number = wall.create(publication.comment)
        _remove(wall, own)
        return Kept(number=number)
    newest = own[0]
    edited = "done"
    if newest.body != publication.comment:
        edited = wall.edit(newest, publication.comment)
    if edited == "gone":
        return None
    if edited == "forbidden":
        # A role that may write posts and not edit them: better twice than not at all.
        return Kept(number=wall.create(publication.comment), doubled=True)
    _remove(wall, own[1:])
    return Kept(number=newest.number)


def _remove(wall: Wall, posts: Sequence[Post]) -> None:
    """Deletes older posts of ours. What can't be deleted now is met again by the next run."""
    for post in posts[:_MOST_REMOVED]:
        with suppress(WorldError):
            wall.remove(post)


def _overtaken(wall: Wall, newest: Post, publication: Publication) -> bool:
    """Whether the post is about the request's present head, and ours about an older one."""
    before = said(newest.body)
    if before is None or before.head in ("", publication.head):
        return False
    return wall.head() == before.head

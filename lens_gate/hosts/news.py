"""Which answers are worth a new comment: forges tell people of new ones, not of changed ones."""

from typing import Final

from lens_gate.records.publication import CommentMode, Publication
from lens_gate.records.report import Outcome

_GOOD: Final[frozenset[Outcome]] = frozenset({"passed", "unchanged"})
_BAD: Final[frozenset[Outcome]] = frozenset({"failed", "no_data", "budget", "aborted"})


def is_due(publication: Publication, mode: CommentMode, *, is_there: bool) -> bool:
    """Whether there is to be a comment; a quiet gate begins none to say that all is well."""
    quiet = mode == "quiet" and publication.outcome in _GOOD
    return mode != "off" and (is_there or not quiet)


def is_bad_news(before: Outcome | None, publication: Publication) -> bool:
    """Whether what passed now fails. ``before`` is what the newest comment said, if it is known."""
    status = publication.status
    fails = publication.outcome in _BAD or (status is not None and status.state != "success")
    return fails and before in _GOOD

"""What a gate tells its host: one comment, one status, lines beside the policy's text.

All of it is settled, escaped text: a host only sends it. ``Wish`` is what the workflow asked for,
``Published`` what came of it. Publishing never changes an outcome.
"""

from dataclasses import dataclass
from typing import Literal

from lens_gate.records.report import Outcome

Forge = Literal["github", "gitlab", ""]
Level = Literal["error", "warning", "notice"]
State = Literal["success", "failure", "error"]
CommentMode = Literal["on", "quiet", "off"]
StatusMode = Literal["commit", "check", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Whose comment and status this is: a policy, in an environment, in a cell of a job's matrix.

    Two of them that differ never touch each other's comment or status. ``environment`` and
    ``matrix`` are the workflow's own words, empty where it has none.
    """

    policy: str
    environment: str = ""
    matrix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where a comment is going to be read.

    ``policy_url`` is the policy file's page on the forge at the trusted commit, without a line, and
    empty where it has none. ``reported_by`` names the fork whose unverified report this is, or is
    empty.
    """

    forge: Forge
    marker: Marker
    policy_url: str = ""
    run_url: str = ""
    reported_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A remark on a file of the head; ``line`` ``None``: on the file as a whole."""

    level: Level
    title: str
    message: str
    file: str
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a required check goes by. ``name`` is stable: documented, and asked for by branch rules.

    ``description`` is one line of plain text.
    """

    name: str
    state: State
    description: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Everything for one commit. ``status`` is ``None`` where none may be posted.

    ``comment`` begins with the marker's hidden line and fits the forge. ``outcome`` decides whether
    a comment is updated or, where what passed now fails, made anew. ``text`` is the Markdown for a
    check run's page.
    """

    marker: Marker
    head: str
    outcome: Outcome
    comment: str
    text: str
    status: Status | None
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the workflow wants posted. ``quiet``: no new comment for what is no news (a pass)."""

    comment: CommentMode = "on"
    status: StatusMode = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What came of it: links to what was posted, and a line for each thing that was not."""

    comment_url: str = ""
    status_url: str = ""
    problems: tuple[str, ...] = ()

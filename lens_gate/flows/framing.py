"""A report as one host's readers get it: comment, status and annotations, all settled text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

from lens_gate.records.context import Context, is_commit_id
from lens_gate.records.publication import (
    Annotation,
    Forge,
    Frame,
    Marker,
    Publication,
    State,
    Status,
    Wish,
)
from lens_gate.records.report import Outcome, Report
from lens_gate.render.annotations import annotations
from lens_gate.render.comment import comment, summary
from lens_gate.render.escape import one_line
from lens_gate.render.figures import OUTCOMES
from lens_gate.render.marker import status_name

# What GitHub takes of a status' description, and of a check run's page.
_MOST_DESCRIPTION: Final = 140
_MOST_PAGE: Final = 65_535
_FORGES: Final[Mapping[str, Forge]] = {"github": "github", "gitlab": "gitlab"}
_PULLED: Final = frozenset({"pull_request", "merge_queue"})
_STATES: Final[Mapping[Outcome, State | None]] = {
    "passed": "success",
    "unchanged": "success",
    "inconclusive": "success",
    "failed": "failure",
    "no_data": "failure",
    "budget": "failure",
    "aborted": "error",
    "not_measured": None,
}
# A marker of its own, so that no word of a fork's touches the comment of a trusted run: no policy
# can have this name.
FORKS_POLICY: Final = "reported by a fork"
# What the reading of a head's policy puts behind its name.
OF_HEAD: Final = " (head)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What the workflow wants told, and under which name.

    ``environment`` and ``matrix`` keep apart what several jobs say of one policy. ``required``: a
    job that can't deliver has failed.
    """

    wish: Wish = field(default_factory=Wish)
    environment: str = ""
    matrix: str = ""
    required: bool = False


def marker_of(policy: str, posting: Posting) -> Marker:
    """Whose comment and status it is."""
    return Marker(policy=policy, environment=posting.environment, matrix=posting.matrix)


def frame_of(report: Report, context: Context, marker: Marker, *, reported_by: str = "") -> Frame:
    """Where the comment is going to be read.

    A report that a fork made links to nothing that it names itself.
    """
    return Frame(
        forge=forge_of(context),
        marker=marker,
        policy_url="" if reported_by else _policy_url(report, context),
        run_url=context.run_url,
        reported_by=reported_by,
    )


def publication(
    report: Report, context: Context, frame: Frame, notes: Sequence[Annotation]
) -> Publication:
    """Everything for the head's commit; of a fork's own report nothing but the comment."""
    foreign = bool(frame.reported_by)
    return Publication(
        marker=frame.marker,
        head=context.head_ref or "",
        outcome=report.outcome,
        comment=comment(report, frame),
        text=summary(report, frame, limit=_MOST_PAGE),
        status=None if foreign or has_no_say(context) else status_of(report, frame, context),
        annotations=() if foreign else tuple(notes),
    )


def remarks(
    report: Report, head_lines: Mapping[str, Sequence[str]] | None
) -> tuple[Annotation, ...]:
    """Remarks on the policy's lines. A rule that the head adds stands in the head's own file."""
    found = annotations(report, head_lines)
    return tuple(replace(one, file=one.file.removesuffix(OF_HEAD)) for one in found)


def has_no_say(context: Context) -> bool:
    """Whether a status of this run could be taken for that of a pull request of its commit."""
    return context.is_aside and context.event not in _PULLED


def status_called(marker: Marker, context: Context) -> str:
    """The name of the status, with the branch that the change goes to if it is not the default."""
    aside = context.is_aside and context.event in _PULLED
    return status_name(marker, (aside and context.target_branch) or "")


def status_of(report: Report, frame: Frame, context: Context) -> Status | None:
    """The status that a required check goes by; ``None`` where nothing may be said."""
    state = _STATES[report.outcome]
    if state is None:
        return None
    if report.outcome == "inconclusive" and report.exit_code:
        state = "failure"
    # A green status of a few scenarios must not look like one of all.
    by = ", as the workflow has it" if report.refs.overridden else ""
    text = f"{OUTCOMES[report.outcome]}{by}. {report.headline}"
    return Status(
        name=status_called(frame.marker, context),
        state=state,
        description=one_line(text, _MOST_DESCRIPTION),
        url=frame.run_url,
    )


def forge_of(context: Context) -> Forge:
    """Whose dialect of Markdown it is; nobody's in a terminal."""
    return _FORGES.get(context.host, "")


def _policy_url(report: Report, context: Context) -> str:
    """The policy's page at the commit whose word counted."""
    refs = report.refs
    commit = refs.trust_ref or ("" if refs.dirty else refs.head) or ""
    project = _project_url(context)
    if not project or not is_commit_id(commit):
        return ""
    between = "/-/blob/" if context.host == "gitlab" else "/blob/"
    return f"{project}{between}{commit}/{quote(report.policy_file)}"


def _project_url(context: Context) -> str:
    """The project's page, which the job's own page lies below: GitLab's number names no page.

    On GitLab a fork's job lies below the fork.
    """
    if context.host == "gitlab" and context.is_fork:
        return ""
    found = re.match(r"(https?://.+?)/(?:-/jobs|actions/runs)/", context.run_url)
    return found[1] if found else ""

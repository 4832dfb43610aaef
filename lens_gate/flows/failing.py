"""What a gate tells its host when it ended before a verdict: a wrong policy, a git that is shallow.

The author of a pull request reads why beside his change, and a required status says ``error``. The
problems hold foreign text, which is escaped like any other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lens_gate.errors import EXIT_BUG, InputError, LensError, Problem
from lens_gate.flows.framing import OF_HEAD, Posting, has_no_say, marker_of, status_called
from lens_gate.flows.host_files import append_markdown, append_outputs
from lens_gate.flows.naming import trusted_name
from lens_gate.flows.outside import Outside
from lens_gate.flows.publishing import Publish, tell_of
from lens_gate.hosts import publish as publish_on_host
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.records.context import Context
from lens_gate.records.publication import Annotation, Marker, Publication, Published, Status
from lens_gate.render.annotations import workflow_commands
from lens_gate.render.ended import ended, ended_in_short
from lens_gate.render.marker import marker_line, state_line, status_name


class _BugError(LensError):
    """A bug of ours: what its exception says is for the log alone, since it may hold anything."""

    exit_code = EXIT_BUG


A_BUG: Final = _BugError(
    "lens-gate ended by a bug of its own.", "The job's log has it; please report it from there."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An error with what it stopped. ``policy_path`` is what was asked for as ``--policy``."""

    error: LensError
    policy_path: str | None
    posting: Posting


def deliver_error(failed: Failed, outside: Outside, publish: Publish = publish_on_host) -> str:
    """Tell the host of this job; the workflow commands for standard output (or nothing).

    The exit code stays the error's. Where the policy's name can't be told, no comment and no status
    is touched: a required one is missing then, and blocks as well, unless an earlier run of the
    very same commit had set it.
    """
    try:
        context = detect(outside.environ, read_event_file)
    except LensError:
        return ""
    if context.host == "local":
        return ""
    problems = _problems(failed.error)
    name = trusted_name(outside, failed.policy_path)
    marker = marker_of(name, failed.posting)
    text = ended(status_name(marker) if name else "lens-gate", problems, context.run_url)
    told = [*_written(failed, text, context, outside)]
    published = Published()
    if name and context.head_ref is not None:
        found = _publication(marker, text, problems, context)
        published = publish(context, found, failed.posting.wish, outside.environ)
    tell_of(published, [*told, *published.problems], outside)
    return workflow_commands(_annotations(problems)) if context.host == "github" else ""


def _problems(error: LensError) -> Sequence[Problem]:
    if isinstance(error, InputError):
        return error.problems
    return (Problem(file="", line=0, column=0, message=error.message, hint=error.hint),)


def _written(failed: Failed, text: str, context: Context, outside: Outside) -> Iterator[str]:
    if context.host == "github":
        yield from append_markdown(lambda _room: text, outside)
        yield from append_outputs(_outputs(failed.error), outside)


def _outputs(error: LensError) -> Mapping[str, str]:
    return {"exit-code": str(error.exit_code)}


def _publication(
    marker: Marker, text: str, problems: Sequence[Problem], context: Context
) -> Publication:
    hidden = (marker_line(marker), state_line("aborted", context.head_ref))
    return Publication(
        marker=marker,
        head=context.head_ref or "",
        outcome="aborted",
        comment="\n".join([*hidden, text]),
        text=text,
        status=None if has_no_say(context) else _status(marker, problems, context),
        annotations=tuple(_annotations(problems)),
    )


def _status(marker: Marker, problems: Sequence[Problem], context: Context) -> Status:
    return Status(
        name=status_called(marker, context),
        state="error",
        description=ended_in_short(problems),
        url=context.run_url,
    )


def _annotations(problems: Sequence[Problem]) -> Iterator[Annotation]:
    """On the line where the head has the problem; of another file the number is in the text."""
    for problem in problems:
        of_head = problem.file.endswith(OF_HEAD)
        where = f"line {problem.line}: " if problem.line and not of_head else ""
        yield Annotation(
            level="error",
            title="lens-gate has no verdict",
            message="; ".join(filter(None, (f"{where}{problem.message}", problem.hint))),
            file=problem.file.removesuffix(OF_HEAD),
            line=problem.line if problem.line and of_head else None,
        )

"""What a gate tells its host, once its files are written: summary, outputs, comment, status.

Nothing here changes an outcome. What could not be delivered is said in one line each, and fails the
job only where the workflow requires delivery. A report that sent nothing for a fork is not posted:
the job of a fork may write nothing.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lens_gate.errors import (
    EXIT_FAILED,
    EXIT_SIGINT,
    EXIT_SIGTERM,
    EXIT_UNMEASURED,
    LensError,
)
from lens_gate.flows.framing import (
    Posting,
    frame_of,
    has_no_say,
    marker_of,
    publication,
    remarks,
)
from lens_gate.flows.host_files import append_outputs, append_summary, write_gitlab_files
from lens_gate.flows.outputs import REPORT_FILE, SUMMARY_FILE
from lens_gate.flows.outside import Outside
from lens_gate.hosts import publish as publish_on_host
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.records.context import Context
from lens_gate.records.publication import Annotation, Frame, Publication, Published, Wish
from lens_gate.records.report import Report
from lens_gate.render.annotations import workflow_commands
from lens_gate.render.outputs import outputs
from lens_gate.repo import blob_reader, holds, open_repository

Publish = Callable[[Context, Publication, Wish, Mapping[str, str]], Published]
_NO_STATUS: Final = (
    "no status: this run is not of the default branch, and followed a policy that nobody approved; "
    "the status of a pull request of this commit is that of the pull request's own run"
)
_SIGNALS: Final = (EXIT_SIGINT, EXIT_SIGTERM)
# A failed verdict and an interruption say more than what became of their messenger.
_KEPT: Final = (EXIT_FAILED, *_SIGNALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The exit code to end with, and the workflow commands for standard output (or nothing)."""

    exit_code: int
    commands: str


def deliver(
    report: Report,
    posting: Posting,
    output: Path,
    outside: Outside,
    publish: Publish = publish_on_host,
) -> Delivered:
    """Tell the host of this job. The report's own files are written before.

    ``output`` is the folder of the report's files.
    """
    context = detect(outside.environ, read_event_file)
    frame = frame_of(report, context, marker_of(report.policy, posting))
    notes = remarks(report, head_lines(report.policy_file, context, outside))
    values = outputs(report, _paths(output, outside))
    problems = [*_written(report, frame, values, output, outside)]
    published = Published()
    if not (report.outcome == "not_measured" and context.is_fork):
        wish = _wish(posting, report.exit_code)
        published = publish(
            context, publication(report, context, frame, notes), wish, outside.environ
        )
    problems += published.problems
    tell_of(published, problems, outside)
    tell_no_status(context, posting, outside)
    code = exit_code(report.exit_code, problems, posting)
    if code != report.exit_code and context.host == "github":
        tell_problems(append_outputs({"exit-code": str(code)}, outside), outside)
    return Delivered(exit_code=code, commands=_commands(context, notes, posting, published))


def exit_code(code: int, problems: Sequence[str], posting: Posting) -> int:
    """The exit code where these things could not be delivered."""
    if problems and posting.required and code not in _KEPT:
        return EXIT_UNMEASURED
    return code


def tell_of(published: Published, problems: Iterable[str], outside: Outside) -> None:
    """Say where it was posted, and a line for each thing that was not."""
    for what, url in ("comment", published.comment_url), ("status", published.status_url):
        if url:
            outside.tell(f"{what}: {url}")
    tell_problems(problems, outside)


def tell_no_status(context: Context, posting: Posting, outside: Outside) -> None:
    """Say why there is none, where one is wished for and this run has no say."""
    if has_no_say(context) and posting.wish.status != "off":
        outside.tell(_NO_STATUS)


def tell_problems(problems: Iterable[str], outside: Outside) -> None:
    """Say a line for each thing that was not delivered."""
    for problem in problems:
        outside.tell(f"not delivered: {' '.join(problem.split())}")


def head_lines(
    policy_file: str, context: Context, outside: Outside
) -> Mapping[str, Sequence[str]] | None:
    """The lines of the policy as the head has it, by file; ``None`` where they can't be read."""
    try:
        repository = open_repository(outside.cwd)
        if repository is None or context.head_ref is None:
            return None
        if not holds(repository, context.head_ref, policy_file):
            return {}
        data = blob_reader(repository, context.head_ref)(policy_file)
    except LensError:
        return None
    return {policy_file: data.decode("utf-8", "replace").splitlines()}


def _written(
    report: Report, frame: Frame, values: Mapping[str, str], output: Path, outside: Outside
) -> Iterator[str]:
    """Write what needs no network; what could not be written, in words."""
    if frame.forge == "github":
        yield from append_summary(report, frame, outside)
        yield from append_outputs(values, outside)
    elif frame.forge == "gitlab":
        yield from write_gitlab_files(report, frame, output)


def _paths(output: Path, outside: Outside) -> Mapping[str, str]:
    """The report's files by the outputs that name them, wherever the next step stands."""
    files = {"report-path": REPORT_FILE, "summary-path": SUMMARY_FILE}
    return {name: os.path.normpath(outside.cwd / output / file) for name, file in files.items()}


def _wish(posting: Posting, code: int) -> Wish:
    """A run that was broken off is no news to a reader: most often a newer commit ended it."""
    return replace(posting.wish, comment="off") if code in _SIGNALS else posting.wish


def _commands(
    context: Context, notes: Sequence[Annotation], posting: Posting, published: Published
) -> str:
    """Annotations for GitHub's log, unless the check run carries the same ones."""
    on_check = posting.wish.status == "check" and bool(published.status_url)
    return workflow_commands(notes) if context.host == "github" and not on_check else ""

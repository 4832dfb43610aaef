"""A saved report, told to the host by a job of its own: one that may write, where others may not.

Where a report is posted never follows from the report. A job of the same run says by its own event
which commit and which change it stands for. For a fork the host says whose run it was; its report
is a stranger's text, bounded, held against the schema, and shown as what it is: not verified.
"""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from lens_gate.errors import EXIT_OK, LensError, WorldError
from lens_gate.flows.framing import FORKS_POLICY, Posting, frame_of, marker_of, publication, remarks
from lens_gate.flows.outside import Outside
from lens_gate.flows.publishing import (
    Publish,
    exit_code,
    head_lines,
    tell_no_status,
    tell_of,
)
from lens_gate.hosts import ForkReport, publish_fork_report, reported_by
from lens_gate.hosts import publish as publish_on_host
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.policy.schema import report_problem
from lens_gate.records.context import Context
from lens_gate.records.publication import CommentMode, Publication, Published
from lens_gate.records.report import Report
from lens_gate.render.report_json import read_report

MAX_BYTES: Final = 64 * 1024 * 1024
# A report of a hundred cells with ten rules each takes half of it.
MAX_FORK_BYTES: Final = 4 * 1024 * 1024
PublishFork = Callable[[ForkReport, Publication, Mapping[str, str], CommentMode], Published]
_HINT: Final = "name the report.json that `lens-gate gate` wrote"


def deliver_saved(
    path: Path, posting: Posting, outside: Outside, publish: Publish = publish_on_host
) -> int:
    """Tell the host what an earlier job of this run measured; the exit code.

    Raises:
        LensError: the file is no report, or one of another commit than this job's.
        WorldError: the file can't be read.
    """
    report = read_report_file(path, MAX_BYTES)
    context = detect(outside.environ, read_event_file)
    if context.host == "local":
        raise LensError(
            "there is no host to publish to: this is no job of a CI",
            "`lens-gate report` shows a saved report here",
        )
    _check_head(report, context.head_ref, "this job's")
    if report.outcome == "not_measured" and context.is_fork:
        outside.tell("nothing to publish: the fork's change was not measured")
        return EXIT_OK
    frame = frame_of(report, context, marker_of(report.policy, posting))
    notes = remarks(report, head_lines(report.policy_file, context, outside))
    told = publication(report, context, frame, notes)
    published = publish(context, told, posting.wish, outside.environ)
    tell_no_status(context, posting, outside)
    return _end(published, posting, outside)


def deliver_forks(
    path: Path, posting: Posting, outside: Outside, publish: PublishFork = publish_fork_report
) -> int:
    """Show what a fork's own job reports, as a comment and no more; the exit code.

    Raises:
        LensError: this is no job for that, or the file is no report of the fork's commit.
        WorldError: a file can't be read.
    """
    fork = reported_by(outside.environ, read_event_file)
    if fork.head_repository_id == fork.repository_id:
        outside.tell("nothing to publish: the run was no fork's, and its own gate told of it")
        return EXIT_OK
    report = read_report_file(path, MAX_FORK_BYTES, foreign=True)
    _check_head(report, fork.head, "the fork's")
    context = Context(
        host="github", event="pull_request", head_ref=fork.head, is_fork=True, run_url=fork.run_url
    )
    frame = frame_of(
        report, context, marker_of(FORKS_POLICY, posting), reported_by=fork.head_repository
    )
    told = publication(report, context, frame, ())
    return _end(publish(fork, told, outside.environ, posting.wish.comment), posting, outside)


def read_report_file(path: Path, most: int, *, foreign: bool = False) -> Report:
    """A saved report of at most so many bytes; a ``foreign`` one must fit its schema to the letter.

    Raises:
        LensError: the file is no report.
        WorldError: it can't be read.
    """
    data = _bounded(path, most)
    if foreign and (problem := report_problem(data)):
        raise LensError(f"{path} is no report: {problem}", _HINT)
    try:
        return read_report(data)
    except ValueError as error:
        raise LensError(f"{path} is no report: {str(error)[:200]}", _HINT) from error


def _bounded(path: Path, most: int) -> bytes:
    """The bytes of a regular file, through no link: what an artifact unpacks to is a stranger's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _NO_WAIT)
        with open(descriptor, "rb") as file:  # noqa: PTH123  # Path has no open of descriptors
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise LensError(f"{path} is no regular file", _HINT)
            data = file.read(most + 1)
    except OSError as error:
        raise WorldError(f"{path} can't be read: {error.strerror}", _HINT) from error
    if len(data) > most:
        raise LensError(f"{path} is larger than {most // 1024**2} MiB", _HINT)
    return data


# A pipe that nobody writes to must not hold the job.
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _check_head(report: Report, head: str | None, whose: str) -> None:
    if head is None or report.refs.head != head:
        measured = (report.refs.head or "no commit")[:12]
        raise LensError(
            f"the report is of {measured!a}, and {whose} head is {(head or 'not known')[:12]}",
            "a report is published by the run that measured it; nothing was posted",
        )


def _end(published: Published, posting: Posting, outside: Outside) -> int:
    tell_of(published, published.problems, outside)
    return exit_code(EXIT_OK, published.problems, posting)

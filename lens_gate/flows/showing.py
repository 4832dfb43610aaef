"""A saved report in the formats that other programs read, as a gate in this job would write it."""

from collections.abc import Mapping
from typing import Literal

from lens_gate.errors import LensError
from lens_gate.flows.framing import Posting, frame_of, marker_of
from lens_gate.flows.outside import Outside
from lens_gate.flows.publishing import head_lines
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.records.context import Context
from lens_gate.records.report import Report
from lens_gate.render.code_quality import code_quality
from lens_gate.render.comment import comment
from lens_gate.render.gitlab_report import gitlab_annotations, metrics
from lens_gate.render.junit import junit

Form = Literal["comment", "junit", "code-quality", "gitlab-annotations", "metrics"]


def shown(
    report: Report, form: Form, outside: Outside, *, posting: Posting, links: Mapping[str, str]
) -> bytes:
    """The report in this format, UTF-8.

    ``posting`` names the comment, ``links`` are those of GitLab's annotations by their labels.
    """
    if form == "junit":
        return junit(report)
    if form == "metrics":
        return metrics(report)
    if form == "gitlab-annotations":
        return gitlab_annotations(report, links)
    context = _context(outside)
    if form == "code-quality":
        return code_quality(report, head_lines(report.policy_file, context, outside))
    marker = marker_of(report.policy, posting)
    return comment(report, frame_of(report, context, marker)).encode()


def _context(outside: Outside) -> Context:
    """Where this is read. A job in which nothing could be measured can still show a report."""
    try:
        return detect(outside.environ, read_event_file)
    except LensError:
        return Context(host="local", event="local")

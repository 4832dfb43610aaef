"""Posts a gate's answer to the host that runs it. What fails is told, and changes no outcome."""

from collections.abc import Mapping

from lens_gate.errors import LensError
from lens_gate.hosts.github_fork import ForkReport
from lens_gate.hosts.table import HOSTS, host_of
from lens_gate.records.context import Context
from lens_gate.records.publication import CommentMode, Publication, Published, Wish


def publish(
    context: Context, publication: Publication, wish: Wish, environ: Mapping[str, str]
) -> Published:
    """What came of posting this: links, and one line for each thing that was not posted.

    Nothing is raised for what a host, the network or a missing permission does. A local run posts
    nothing, and neither does a run where nothing is wished for.
    """
    try:
        row = HOSTS.get(context.host) or host_of(environ)
    except LensError as error:
        return Published(problems=(f"Nothing was posted: {error.message} {error.hint}",))
    return row.publish(context, publication, wish, environ)


def publish_fork_report(
    report: ForkReport,
    publication: Publication,
    environ: Mapping[str, str],
    mode: CommentMode = "on",
) -> Published:
    """Posts a fork's unverified report as a comment on its pull request: never a status.

    The pull request is found by what GitHub says of the run. The publication's marker must be none
    that a measuring job has: a comment of that marker would be brought up to date by the stranger.
    """
    from lens_gate.hosts import github_publish  # noqa: PLC0415  # requests, which most verbs save

    return github_publish.publish_fork_report(report, publication, environ, mode=mode)

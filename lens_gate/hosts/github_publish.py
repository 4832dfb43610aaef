"""Posts a gate's answer to GitHub: a comment on the pull request, a status or check on the commit.

What can go where: a pull request takes a comment and a status; a merge queue's group, a push, a
schedule and a manual run have no pull request, and take a status on their commit. A missing
permission leaves the job's summary, and one line that says what to grant.
"""

from collections.abc import Callable, Mapping

from lens_gate.errors import LensError
from lens_gate.hosts.github_api import TOKENS, Place, connect, problem
from lens_gate.hosts.github_comment import PERMISSION, post_comment
from lens_gate.hosts.github_fork import ForkReport
from lens_gate.hosts.github_pull import resolve_pull
from lens_gate.hosts.github_status import (
    CHECK_PERMISSION,
    STATUS_PERMISSION,
    post_check,
    post_status,
)
from lens_gate.hosts.http import SYSTEM, Client, Clock, usable_token
from lens_gate.records.context import Context
from lens_gate.records.publication import CommentMode, Publication, Published, Wish

_NO_COMMENT = "The comment was not posted"


def publish(
    context: Context,
    publication: Publication,
    wish: Wish,
    environ: Mapping[str, str],
    *,
    clock: Clock = SYSTEM,
) -> Published:
    """Posts what is wished for and has a place. Whatever fails becomes a line in ``problems``."""
    place = None
    if wish.comment != "off" and context.number is not None and publication.comment:
        place = Place(
            repository=context.repository, number=context.number, server_url=context.server_url
        )
    status = wish.status != "off" and publication.status is not None
    if place is None and not status:
        return Published()
    try:
        client = _client(context.repository, context.api_url, context.server_url, environ, clock)
    except LensError as error:
        return Published(problems=(problem("Nothing was posted to GitHub", error, ""),))
    comment_url, status_url, problems = "", "", []
    try:
        if status:
            status_url, trouble = _status(client, context, publication, wish)
            problems += trouble
        if place is not None:
            comment_url, trouble = _comment(client, place, publication, wish.comment)
            problems += trouble
    finally:
        client.close()
    return Published(comment_url=comment_url, status_url=status_url, problems=tuple(problems))


def publish_fork_report(
    report: ForkReport,
    publication: Publication,
    environ: Mapping[str, str],
    *,
    mode: CommentMode = "on",
    clock: Clock = SYSTEM,
) -> Published:
    """Posts a fork's unverified report as a comment on its pull request, and nothing else.

    The publication's status and annotations are not looked at. Its marker must be none that a
    measuring job has, so that a stranger's report can't take the place of a verified one.
    """
    try:
        client = _client(report.repository, report.api_url, report.server_url, environ, clock)
    except LensError as error:
        return Published(problems=(problem("Nothing was posted to GitHub", error, ""),))
    try:
        number = resolve_pull(client, report)
        place = Place(repository=report.repository, number=number, server_url=report.server_url)
        url, problems = _comment(client, place, publication, mode)
    except LensError as error:
        return Published(problems=(problem(_NO_COMMENT, error, PERMISSION),))
    finally:
        client.close()
    return Published(comment_url=url, problems=tuple(problems))


def _comment(
    client: Client, place: Place, publication: Publication, mode: CommentMode
) -> tuple[str, list[str]]:
    return _attempt(lambda: post_comment(client, place, publication, mode), _NO_COMMENT, PERMISSION)


def _status(
    client: Client, context: Context, publication: Publication, wish: Wish
) -> tuple[str, list[str]]:
    status, check = publication.status, wish.status == "check"
    what = "The check run was not made" if check else "The commit status was not set"
    if status is None or publication.head != context.head_ref:
        other = "the report is about another commit than this run. Publish it where it was measured"
        return "", [f"{what}: {other}."]
    where = (client, context.repository, context.server_url)
    if check:
        return _attempt(lambda: post_check(*where, publication, status), what, CHECK_PERMISSION)
    return _attempt(lambda: post_status(*where, publication.head, status), what, STATUS_PERMISSION)


def _attempt(post: Callable[[], str], what: str, permission: str) -> tuple[str, list[str]]:
    try:
        return post(), []
    except LensError as error:
        return "", [problem(what, error, permission)]


def _client(
    repository: str,
    api_url: str,
    server_url: str,
    environ: Mapping[str, str],
    clock: Clock,
) -> Client:
    """The client with the job's token.

    Raises:
        LensError: there is no token, or the runner does not say where GitHub is.
    """
    if not (repository and api_url and server_url):
        raise LensError(
            "The runner does not say which repository of which server this is.",
            "Pass GITHUB_REPOSITORY, GITHUB_API_URL and GITHUB_SERVER_URL on to lens-gate.",
        )
    name = next((name for name in TOKENS if environ.get(name, "").strip()), "")
    if not name:
        raise LensError(
            "There is no token.",
            f"Set {TOKENS[0]} (or {TOKENS[1]}) to `${{{{ github.token }}}}` in the step's `env:`.",
        )
    return connect(api_url, usable_token(environ[name], name), clock)

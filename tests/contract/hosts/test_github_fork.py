"""A fork's own report: whose it is by what GitHub says, and where it is shown."""

import json
from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.errors import LensError, WorldError
from lens_gate.hosts import detect, publish_fork_report, reported_by
from lens_gate.hosts import github_publish as real
from lens_gate.hosts.github_api import connect
from lens_gate.hosts.github_fork import ForkReport
from lens_gate.hosts.github_pull import resolve_pull
from tests.contract.hosts.github_forge import Account, GitHub, Trouble, pull, serving
from tests.contract.hosts.test_github_publish import BOT, HEAD, OLDER, TOKEN, news

FORK = "mallory/app"
EVENT = {
    "action": "completed",
    "repository": {"id": 1, "full_name": "octo/app"},
    "workflow_run": {
        "id": 77,
        "event": "pull_request",
        "head_sha": HEAD,
        "head_branch": "feature/x",
        "head_repository": {"id": 2, "full_name": FORK},
        # Filled in for branches of our own alone, and never read.
        "pull_requests": [{"number": 666}],
    },
}


@pytest.fixture
def github():
    theirs = pull(12, HEAD, branch="feature/x", fork=FORK, fork_id=2)
    with serving(GitHub(accounts={TOKEN: Account(BOT)}, pulls=[theirs])) as forge:
        yield forge


def environ(url="https://api.github.com", event="workflow_run"):
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": "/event.json",
        "GITHUB_SHA": OLDER,
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_API_URL": url,
        "GITHUB_RUN_ID": "88",
        "LENS_GATE_TOKEN": TOKEN,
    }


def told(event=EVENT, url="https://api.github.com", name="workflow_run"):
    return reported_by(environ(url, name), lambda _: json.dumps(event).encode())


def changed(path, value):
    event = deepcopy(EVENT)
    *parents, last = path.split(".")
    node = event
    for parent in parents:
        node = node[parent]
    node[last] = value
    return event


def test_a_run_is_told_by_the_event_alone():
    assert told() == ForkReport(
        head=HEAD,
        head_branch="feature/x",
        head_repository=FORK,
        head_repository_id=2,
        repository="octo/app",
        repository_id=1,
        run_id=77,
        run_url="https://github.com/octo/app/actions/runs/77",
        api_url="https://api.github.com",
        server_url="https://github.com",
    )


def test_it_never_becomes_a_measuring_context():
    with pytest.raises(LensError, match="whose policy to trust") as caught:
        detect(environ(), lambda _: json.dumps(EVENT).encode())
    assert "publish --from-fork" in caught.value.hint


@pytest.mark.parametrize("event", ["pull_request", "push", "", "workflow_dispatch"])
def test_it_is_read_on_its_own_event_alone(event):
    with pytest.raises(LensError, match="event workflow_run"):
        told(name=event)
    with pytest.raises(LensError, match="event workflow_run"):
        reported_by({"GITHUB_EVENT_NAME": "workflow_run"}, lambda _: b"{}")


@pytest.mark.parametrize("event", ["push", "workflow_dispatch", "pull_request_target", None, 3])
def test_a_run_of_another_event_is_no_forks_report(event):
    with pytest.raises(LensError, match="not pull_request"):
        told(changed("workflow_run.event", event))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("workflow_run", None),
        ("repository", []),
        ("repository.id", "1"),
        ("repository.full_name", "octo/app/../x"),
        ("repository.full_name", "../.."),
        ("workflow_run.id", True),
        ("workflow_run.head_sha", "main"),
        ("workflow_run.head_branch", "a b"),
        ("workflow_run.head_branch", None),
        ("workflow_run.head_repository", None),  # the fork was deleted
        ("workflow_run.head_repository.id", -1),
        ("workflow_run.head_repository.full_name", "x\n::error::"),
    ],
)
def test_a_damaged_event_is_one_clear_error(path, value):
    with pytest.raises(LensError, match="event file") as caught:
        told(changed(path, value))
    assert caught.value.message.isprintable()
    assert caught.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(HEAD),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id"]), inner),
    max_leaves=4,
)


@given(path=st.sampled_from(["workflow_run", "repository", "workflow_run.id"]), value=JSON)
def test_whatever_the_event_there_is_a_report_or_a_clear_error(path, value):
    message = ""
    try:
        told(changed(path, value))
    except LensError as error:
        message = error.message
    assert message.isprintable()


def resolved(github, **changes):
    client = connect(github.url, TOKEN)
    try:
        return resolve_pull(client, replace(told(url=github.url), **changes))
    finally:
        client.close()


def by_commit(github):
    """How others look: by the commit, which GitHub does not know of a fork's pull request."""
    client = connect(github.url, TOKEN)
    try:
        return client.get(f"/repos/octo/app/commits/{HEAD}/pulls").data
    finally:
        client.close()


def test_the_pull_request_is_found_where_a_search_by_commit_finds_none(github):
    assert by_commit(github) == []
    assert resolved(github) == 12


@pytest.mark.parametrize(
    "other",
    [
        pull(13, OLDER, branch="feature/x", fork=FORK, fork_id=2),  # moved on
        pull(13, HEAD, branch="feature/x", fork=FORK, fork_id=3),  # a fork of the same name
        pull(13, HEAD, branch="feature/x", fork=FORK, fork_id=2, base_id=9),
        pull(13, HEAD, branch="feature/x", fork=FORK, fork_id=2, state="closed"),
        pull(13, HEAD, branch="other", fork=FORK, fork_id=2),
        pull(13, HEAD, branch="feature/x", fork="eve/app", fork_id=2),
        {**pull(13, HEAD), "head": {"sha": HEAD, "ref": "feature/x", "repo": None}},
        {**pull(13, HEAD), "head": {"sha": HEAD, "ref": "feature/x", "repo": {"full_name": FORK}}},
    ],
)
def test_every_word_of_it_must_be_right(github, other):
    github.pulls.append(other)
    assert resolved(github) == 12
    github.pulls = [other]
    with pytest.raises(WorldError, match="No open pull request"):
        resolved(github)


def test_two_of_the_same_commit_are_none(github):
    # The same branch, asked to be merged into two of ours.
    github.pulls.append(pull(13, HEAD, branch="feature/x", fork=FORK, fork_id=2))
    with pytest.raises(WorldError, match="2 open pull requests"):
        resolved(github)


def test_a_filter_that_is_left_out_opens_no_door(github):
    # A server that ignores the filter lists everybody's.
    for at in range(150):
        github.pulls.insert(0, pull(100 + at, HEAD, branch="b", fork=f"u{at}/app", fork_id=50 + at))
    closed = pull(99, HEAD, branch="feature/x", fork=FORK, fork_id=2, state="closed")
    listed = [*github.pulls, closed]
    link = {"Link": f'<{github.url}/repositories/1/pulls?page=2>; rel="next"'}
    github.troubles = [
        Trouble("GET", "/pulls$", 200, link, listed[:100]),
        Trouble("GET", "/pulls$", 200, {}, listed[100:]),
    ]
    assert resolved(github) == 12


def test_it_becomes_a_comment_and_nothing_else(github):
    report = told(url=github.url)
    published = publish_fork_report(report, news("failed"), environ(github.url))
    (comment,) = github.comments
    assert published.comment_url == f"https://github.com/octo/app/pull/12#issuecomment-{comment.id}"
    assert (published.status_url, published.problems) == ("", ())
    assert (github.statuses, github.checks) == ([], [])
    assert Counter(e.method for e in github.exchanges if "issues" in e.path)["POST"] == 1
    assert {e.path.split("/")[5] for e in github.exchanges if "issues" in e.path} == {"12"}


def test_a_quiet_one_says_nothing_of_good_news(github):
    report, given = told(url=github.url), environ(github.url)
    assert publish_fork_report(report, news("passed"), given, mode="quiet").comment_url == ""
    assert github.comments == []


def test_one_that_has_no_pull_request_any_more_is_a_problem(github):
    github.pulls = []
    published = real.publish_fork_report(told(url=github.url), news(), environ(github.url))
    (problem,) = published.problems
    assert "has moved on or was closed" in problem
    assert github.comments == []


def test_without_a_token_nothing_is_asked(github):
    given = environ(github.url) | {"LENS_GATE_TOKEN": ""}
    (problem,) = publish_fork_report(told(url=github.url), news(), given).problems
    assert "no token" in problem
    assert github.exchanges == []

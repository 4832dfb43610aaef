"""What is posted to GitHub, through the front door, against a GitHub with a memory."""

import base64
import json
from collections import Counter
from dataclasses import replace

import pytest

from lens_gate.hosts import detect
from lens_gate.hosts.github_publish import publish
from lens_gate.hosts.http import ATTEMPTS, MAX_PAGES, PATIENCE_S, Clock
from lens_gate.records.publication import Annotation, Marker, Publication, Published, Status, Wish
from lens_gate.render.marker import marker_line, state_line
from tests.contract.hosts.github_forge import (
    NO_PERMISSION,
    SECONDARY,
    Account,
    GitHub,
    Trouble,
    pull,
    serving,
)

TOKEN = "ghs_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"
HEAD, OLDER = "a" * 40, "0" * 40
BOT = "github-actions[bot]"
MARKER = Marker(policy="shop", environment="staging", matrix="eu")
COMMENT = Wish(status="off")
STATUS = Wish(comment="off")


def text(outcome, words="", *, head=HEAD, marker=MARKER):
    return f"{marker_line(marker)}\n{state_line(outcome, head)}\n\n**{outcome}** {words}\n"


def news(outcome="passed", words="", *, head=HEAD, marker=MARKER, **more):
    good = {"passed", "unchanged", "inconclusive"}
    status = Status(
        name="lens-gate/shop (staging) [eu]",
        state="success" if outcome in good else "error" if outcome == "aborted" else "failure",
        description=f"{outcome}: all of it",
        url="https://github.com/octo/app/actions/runs/9",
    )
    given = {
        "marker": marker,
        "head": head,
        "outcome": outcome,
        "comment": text(outcome, words, head=head, marker=marker),
        "text": f"# {outcome}\n",
        "status": status,
        **more,
    }
    return Publication(**given)


class Ticking:
    """A clock that is only moved by waiting."""

    def __init__(self, now=1_000_000.0):
        self.now, self.waits = now, []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    @property
    def clock(self):
        return Clock(monotonic=lambda: self.now, wall=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def ticking():
    return Ticking()


@pytest.fixture
def github():
    with serving(GitHub(accounts={TOKEN: Account(BOT)}, pulls=[pull(7, HEAD)])) as forge:
        yield forge


def environ(github, event="pull_request"):
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": "/event.json",
        "GITHUB_SHA": HEAD,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_API_URL": github.url,
        "GITHUB_RUN_ID": "9",
        "LENS_GATE_TOKEN": TOKEN,
    }


def context(github, event="pull_request", head=HEAD):
    group = {"head_sha": head, "base_sha": OLDER, "base_ref": "refs/heads/main"}
    payload = {"pull_request": pull(7, head), "merge_group": group}
    return detect(environ(github, event), lambda _: json.dumps(payload).encode())


def post(github, publication, wish=COMMENT, ticking=None, *, event="pull_request", **changes):
    given = environ(github, event) | changes
    clock = (ticking or Ticking()).clock
    where = context(github, event, publication.head)
    published = publish(where, publication, wish, given, clock=clock)
    said = repr(published)
    assert TOKEN not in said
    assert all(problem == " ".join(problem.split()) for problem in published.problems)
    return published


def ours(github, login=BOT):
    return [c for c in github.comments if c.login == login]


def methods(github):
    return Counter(e.method for e in github.exchanges if e.path not in ("/user", "/graphql"))


# --- the sticky comment -------------------------------------------------------------------------


def test_a_first_answer_is_a_comment_and_a_status(github):
    published = post(github, news("failed"), Wish())
    (comment,) = github.comments
    assert comment.body == text("failed")
    assert published == Published(
        comment_url=f"https://github.com/octo/app/pull/7#issuecomment-{comment.id}",
        status_url=f"https://github.com/octo/app/commit/{HEAD}",
    )
    assert github.statuses == [
        {
            "sha": HEAD,
            "state": "failure",
            "context": "lens-gate/shop (staging) [eu]",
            "description": "failed: all of it",
            "target_url": "https://github.com/octo/app/actions/runs/9",
        }
    ]


def test_each_request_says_who_asks_and_which_version_of_the_api(github):
    post(github, news(), Wish())
    assert len(github.exchanges) >= 4
    for exchange in github.exchanges:
        assert exchange.headers["authorization"] == f"Bearer {TOKEN}"
        assert exchange.headers["accept"] == "application/vnd.github+json"
        assert exchange.headers["x-github-api-version"] == "2022-11-28"
        assert exchange.headers["user-agent"].startswith("lens-gate/")


def test_a_second_push_updates_the_comment(github):
    first = post(github, news("passed", "one", head=OLDER))
    second = post(github, news("passed", "two"))
    (comment,) = github.comments
    assert comment.body == text("passed", "two")
    assert first.comment_url == second.comment_url


def first_page_any_author(comments):
    """How others look for their comment: the first page, whoever wrote it, the marker anywhere."""
    return next((c for c in comments[:100] if marker_line(MARKER) in c.body), None)


def test_the_comment_is_found_over_all_pages_and_never_taken_from_another(github):
    forged = github.add("mallory", text("passed", "forged"))
    for at in range(249):
        github.add("someone", f"no {at}")
    mine = github.add(BOT, text("failed", "old"))
    also_forged = github.add("mallory", text("passed", "newest"))
    assert first_page_any_author(github.comments) is forged
    post(github, news("failed", "new"))
    assert mine.body == text("failed", "new")
    assert forged.body == text("passed", "forged")
    assert also_forged.body == text("passed", "newest")
    assert len(github.comments) == 252
    assert methods(github) == {"GET": 3, "PATCH": 1}


@pytest.mark.parametrize(
    "other",
    [
        replace(MARKER, policy="shop2"),
        replace(MARKER, environment=""),
        replace(MARKER, environment="", matrix="staging:eu"),
        replace(MARKER, matrix="us"),
    ],
)
def test_another_gates_comment_of_the_same_bot_is_left_alone(github, other):
    theirs = github.add(BOT, text("passed", marker=other))
    post(github, news("failed"))
    assert theirs.body == text("passed", marker=other)
    assert len(github.comments) == 2


def test_a_marker_that_is_only_quoted_makes_no_comment_ours(github):
    quoted = github.add(BOT, f"> {text('passed')}")
    below = github.add(BOT, f"Look:\n{text('passed')}")
    post(github, news("failed"))
    assert (quoted.body[:2], below.body[:5]) == ("> ", "Look:")
    assert len(github.comments) == 3


@pytest.mark.parametrize("before", ["passed", "unchanged"])
@pytest.mark.parametrize("now", ["failed", "no_data", "budget", "aborted"])
def test_what_passed_and_fails_now_is_news_and_a_new_comment(github, before, now):
    old = github.add(BOT, text(before))
    published = post(github, news(now))
    (comment,) = github.comments
    assert comment.id > old.id
    assert published.comment_url.endswith(f"-{comment.id}")
    # Nobody is left without a comment in between.
    assert [e.method for e in github.exchanges if e.method != "GET"][-2:] == ["POST", "DELETE"]


@pytest.mark.parametrize(
    ("before", "now"),
    [("failed", "failed"), ("failed", "passed"), ("inconclusive", "failed"), ("passed", "passed")],
)
def test_all_else_is_brought_up_to_date_in_its_place(github, before, now):
    old = github.add(BOT, text(before))
    post(github, news(now))
    assert github.comments == [old]
    assert old.body == text(now)


def test_an_inconclusive_answer_that_fails_the_job_is_news_too(github):
    old = github.add(BOT, text("passed"))
    failing = replace(news().status, state="failure")
    post(github, news("inconclusive", status=failing))
    (comment,) = github.comments
    assert comment.id > old.id


def test_an_old_comment_that_does_not_say_how_it_ended_is_brought_up_to_date(github):
    old = github.add(BOT, f"{marker_line(MARKER)}\nfrom an older version")
    post(github, news("failed"))
    assert github.comments == [old]


@pytest.mark.parametrize("outcome", ["passed", "unchanged"])
def test_a_quiet_gate_begins_no_comment_for_good_news(github, outcome):
    quiet = Wish(comment="quiet", status="off")
    assert post(github, news(outcome), quiet) == Published()
    assert github.comments == []
    post(github, news("failed"), quiet)
    post(github, news(outcome), quiet)
    (comment,) = github.comments
    assert comment.body == text(outcome)


def test_what_is_switched_off_is_not_asked_for(github):
    assert post(github, news(), Wish(comment="off", status="off")) == Published()
    assert post(github, news(), Wish(), event="push", LENS_GATE_TOKEN="") != Published()
    assert post(github, news(status=None), Wish(), event="push", LENS_GATE_TOKEN="") == Published()
    assert github.exchanges == []


# --- two jobs at once ---------------------------------------------------------------------------


def test_a_comment_that_is_deleted_before_the_update_is_written_anew(github):
    github.add(BOT, text("passed", "old"))
    # The user, GraphQL and the list are asked for; it is gone by the time of the update.
    github.before = [lambda _: None] * 3 + [lambda forge: forge.comments.clear()]
    published = post(github, news("passed", "new"))
    (comment,) = github.comments
    assert comment.body == text("passed", "new")
    assert published.comment_url.endswith(f"-{comment.id}")


def test_two_jobs_at_once_leave_one_comment_at_the_next_run(github):
    # Each had looked before the other wrote.
    rival = [lambda _: None] * 3 + [lambda forge: forge.add(BOT, text("failed", "rival"))]
    github.before = rival
    post(github, news("failed", "mine"))
    assert len(ours(github)) == 2
    newest = max(c.id for c in github.comments)
    bystander = github.add("someone", text("failed"))
    post(github, news("failed", "next"))
    (comment,) = ours(github)
    assert (comment.id, comment.body) == (newest, text("failed", "next"))
    assert bystander in github.comments


def test_what_can_not_be_cleaned_up_is_no_problem(github):
    for words in ("one", "two"):
        github.add(BOT, text("failed", words))
    github.troubles = [Trouble("DELETE", "comments", 403, data=NO_PERMISSION)]
    assert post(github, news("failed")).problems == ()
    assert len(github.comments) == 2


def test_a_job_of_an_older_commit_that_ends_late_does_not_overwrite_the_newer_answer(github):
    newer = github.add(BOT, text("passed", "newer", head=HEAD))
    published = post(github, news("failed", "older", head=OLDER))
    assert github.comments == [newer]
    assert newer.body == text("passed", "newer", head=HEAD)
    assert published.comment_url.endswith(f"-{newer.id}")


def test_a_newer_commit_overwrites_whatever_stands_there(github):
    github.pulls = [pull(7, "c" * 40)]  # neither is the newest
    old = github.add(BOT, text("failed", head=OLDER))
    post(github, news("failed", "now"))
    assert old.body == text("failed", "now")
    github.pulls = []  # and GitHub does not say
    post(github, news("failed", "again", head=OLDER))
    assert old.body == text("failed", "again", head=OLDER)


# --- whose comments are ours --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "login"),
    [
        (Account("Octo-Cat", app=False), "octo-cat"),
        (Account("our-app[bot]"), "our-app[bot]"),
        (Account(BOT, viewer=False), BOT),
    ],
)
def test_a_token_finds_the_comments_of_its_own_name(github, account, login):
    github.accounts[TOKEN] = account
    mine = github.add(login, text("failed", "old"))
    theirs = github.add("someone[bot]", text("failed", "old"))
    post(github, news("failed", "new"))
    assert mine.body == text("failed", "new")
    assert theirs.body == text("failed", "old")


# --- statuses and check runs --------------------------------------------------------------------


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch", "merge_group"])
def test_without_a_pull_request_there_is_a_status_alone(github, event):
    published = post(github, news(), Wish(), event=event)
    assert published == Published(status_url=f"https://github.com/octo/app/commit/{HEAD}")
    assert [s["sha"] for s in github.statuses] == [HEAD]
    assert methods(github) == {"POST": 1}


def test_what_was_not_measured_has_a_comment_and_no_status(github):
    published = post(github, news("not_measured", status=None), Wish())
    assert published.status_url == ""
    assert (len(github.comments), github.statuses) == (1, [])


def test_a_status_fits_githubs_limit_and_may_lead_nowhere(github):
    status = replace(news().status, description="x" * 300, url="")
    post(github, news(status=status), STATUS)
    assert github.statuses[0]["description"] == "x" * 139 + "…"
    assert "target_url" not in github.statuses[0]


def test_a_report_about_another_commit_sets_no_status(github):
    where = context(github)
    for wish in (STATUS, Wish(comment="off", status="check")):
        published = publish(where, news(head=OLDER), wish, environ(github))
        assert "another commit" in published.problems[0]
    assert (github.statuses, github.checks) == ([], [])


def remarks(count):
    return tuple(
        Annotation(
            level=("error", "warning", "notice")[at % 3],
            title="t" * 300 if at == 0 else f"title {at}",
            message="m" * 70_000 if at == 1 else f"message {at}",
            file="lens-gate.yaml",
            line=at or None,
        )
        for at in range(count)
    )


@pytest.mark.parametrize(("count", "patches"), [(0, 0), (50, 0), (51, 1), (120, 2), (9000, 9)])
def test_a_check_run_takes_its_annotations_fifty_at_a_time(github, count, patches):
    wish = Wish(comment="off", status="check")
    published = post(github, news("aborted", annotations=remarks(count)), wish)
    (check,) = github.checks
    assert published == Published(status_url="https://github.com/octo/app/runs/1")
    assert (check["name"], check["head_sha"]) == ("lens-gate/shop (staging) [eu]", HEAD)
    assert (check["status"], check["conclusion"]) == ("completed", "failure")
    assert check["output"]["title"] == "aborted: all of it"
    assert check["output"]["summary"] == "# aborted\n"
    assert len(check["annotations"]) == min(count, 500)
    assert methods(github)["PATCH"] == patches
    lines = [a["start_line"] for a in check["annotations"]]
    assert lines == [at or 1 for at in range(min(count, 500))]
    levels = [a["annotation_level"] for a in check["annotations"][:3]]
    assert levels == ["failure", "warning", "notice"][:count]


def test_a_check_runs_text_and_annotations_are_cut_to_the_limits(github):
    long = "€ line\n" * 20_000
    wish = Wish(comment="off", status="check")
    assert post(github, news(text=long, annotations=remarks(2)), wish).problems == ()
    (check,) = github.checks
    summary = check["output"]["summary"]
    assert 65_000 < len(summary.encode()) <= 65_535
    assert summary.removesuffix(summary.rpartition("\n\n")[2]).endswith("€ line\n\n")
    assert "summary" in summary.splitlines()[-1]
    assert len(check["annotations"][0]["title"]) == 255
    assert len(check["annotations"][1]["message"].encode()) <= 65_535
    assert check["conclusion"] == "success"


def test_a_persons_token_makes_no_check_run_and_is_told_so(github):
    github.accounts[TOKEN] = Account("octocat", app=False)
    (problem,) = post(github, news(), Wish(comment="off", status="check")).problems
    assert "check run was not made" in problem
    assert "GitHub App" in problem


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_missing_permission_is_one_line_for_each_thing_and_says_what_to_grant(github):
    github.accounts[TOKEN] = Account(BOT, grants=frozenset())
    published = post(github, news(), Wish())
    status, comment = published.problems
    assert (published.comment_url, published.status_url) == ("", "")
    assert "statuses: write" in status
    assert "pull-requests: write" in comment
    assert all("Resource not accessible by integration" in p for p in published.problems)
    (check,) = post(github, news(), Wish(comment="off", status="check")).problems
    assert "checks: write" in check


def test_one_missing_permission_does_not_keep_the_other_thing_back(github):
    github.accounts[TOKEN] = Account(BOT, grants=frozenset({"pull-requests"}))
    published = post(github, news(), Wish())
    assert len(published.problems) == 1
    assert len(github.comments) == 1


def test_a_token_that_is_not_accepted_is_said_so(github):
    github.accounts.clear()
    for problem in post(github, news(), Wish()).problems:
        assert "may have expired" in problem
        assert "401" in problem
    assert [e.path.split("/")[-2] for e in github.exchanges] == ["statuses", ""]


def test_a_comment_that_is_too_long_is_a_problem_in_githubs_words(github):
    (problem,) = post(github, news(comment=text("passed", "x" * 65_536))).problems
    assert "maximum is 65536 characters" in problem


def test_a_pull_request_that_the_token_can_not_see(github):
    github.troubles = [Trouble("GET", "issues/7/comments", 404)]
    (problem,) = post(github, news()).problems
    assert "may not see it" in problem


@pytest.mark.parametrize(
    ("status", "headers", "data", "waits"),
    [
        (403, {"Retry-After": "7"}, SECONDARY, [7]),
        (429, {"Retry-After": "0"}, SECONDARY, [1]),
        (429, {}, {}, [60]),
        (403, {}, SECONDARY, [60]),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000030"}, SECONDARY, [30]),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "999"}, {}, [1]),
        (429, {"Retry-After": "soon", "X-RateLimit-Remaining": "0"}, {}, [60]),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_rate_limit_is_waited_for(github, ticking, method, status, headers, data, waits):
    github.troubles = [Trouble(method, "issues", status, headers, data)]
    assert post(github, news(), COMMENT, ticking).problems == ()
    assert ticking.waits == waits
    assert len(github.comments) == 1


def test_a_rate_limit_beyond_all_patience_is_not_waited_for(github, ticking):
    github.troubles = [Trouble("POST", "issues", 403, {"Retry-After": "3600"}, SECONDARY)]
    (problem,) = post(github, news(), COMMENT, ticking).problems
    assert ticking.waits == []
    assert "wait 3600 s" in problem
    assert "permissions" not in problem


def test_rate_limits_without_end_are_waited_for_within_the_time(github, ticking):
    github.troubles = [Trouble("POST", "issues", 403, {}, SECONDARY, times=99)]
    (problem,) = post(github, news(), COMMENT, ticking).problems
    assert "limits the rate" in problem
    assert sum(ticking.waits) <= PATIENCE_S
    assert github.comments == []


def test_a_missing_permission_is_no_rate_limit(github, ticking):
    headers = {"X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": "1000030"}
    github.troubles = [Trouble("POST", "issues", 403, headers, NO_PERMISSION)]
    post(github, news(), COMMENT, ticking)
    assert ticking.waits == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_tried_again(github, ticking, status):
    github.troubles = [Trouble("GET", "issues", status, times=2)]
    assert post(github, news(), COMMENT, ticking).problems == ()
    assert ticking.waits == [1, 2]


def test_server_errors_without_end_are_a_problem_after_some_tries(github, ticking):
    github.troubles = [Trouble("GET", "issues", 503, times=99)]
    (problem,) = post(github, news(), COMMENT, ticking).problems
    assert "answered 503" in problem
    assert methods(github)["GET"] == ATTEMPTS


@pytest.mark.parametrize("done", [True, False])
def test_a_server_error_on_a_new_comment_leaves_one(github, done):
    # Whoever just asks again has two where the first had been written.
    github.troubles = [Trouble("POST", "issues", 502, done=done)]
    published = post(github, news())
    (comment,) = github.comments
    assert published == Published(
        comment_url=f"https://github.com/octo/app/pull/7#issuecomment-{comment.id}"
    )


def test_new_comments_that_always_fail_are_a_problem(github):
    github.troubles = [Trouble("POST", "issues", 502, times=99)]
    (problem,) = post(github, news()).problems
    assert "answered 502" in problem
    assert methods(github)["POST"] == 3


def test_an_update_that_always_finds_nothing_is_a_problem(github):
    for _ in range(3):
        github.add(BOT, text("failed"))
    github.troubles = [Trouble("PATCH", "comments", 404, times=99)]
    (problem,) = post(github, news("failed")).problems
    assert "just been deleted" in problem
    assert methods(github)["PATCH"] == 3


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("GET", "issues", 200, data={"not": "a list"}),
        Trouble("GET", "issues", 200, data=b"<html>"),
        Trouble("GET", "issues", 200, data=b"[" * 100_000),
        Trouble("GET", "issues", 200, data=b""),
        Trouble("GET", "issues", 200, data=[{"id": 1}] * 100_000),
        Trouble("POST", "issues", 201, data={"id": "one"}),
        Trouble("POST", "issues", 201, data=[]),
        Trouble("POST", "check-runs", 201, data={"id": True}),
    ],
)
def test_an_answer_that_is_none_of_githubs_is_a_problem(github, trouble):
    github.troubles = [trouble]
    (problem,) = post(github, news(), Wish(status="check")).problems
    assert "as its API is described" in problem


def test_what_is_odd_in_a_list_is_passed_over(github):
    odd = [None, 3, {}, {"id": 1, "user": None, "body": text("failed")}, {"user": {"login": BOT}}]
    odd += [{"id": "5", "user": {"login": BOT}, "body": text("failed")}]
    odd += [{"id": 6, "user": {"login": BOT}, "body": None}, {"id": 7, "user": [], "body": []}]
    github.troubles = [Trouble("GET", "issues", 200, data=odd)]
    assert post(github, news("failed")).problems == ()
    assert len(github.comments) == 1


# --- hostile servers ----------------------------------------------------------------------------


def test_pages_without_end_have_one(github):
    link = {"Link": f'<{github.url}/repositories/1/issues/7/comments?page=2>; rel="next"'}
    github.troubles = [Trouble("GET", "issues", 200, link, [{"id": 1}] * 100, times=9999)]
    (problem,) = post(github, news()).problems
    assert f"more than {MAX_PAGES} pages" in problem
    assert methods(github)["GET"] == MAX_PAGES
    assert github.comments == []


def test_an_answer_without_end_has_one(github, monkeypatch):
    monkeypatch.setattr("lens_gate.hosts.http.MAX_ANSWER_BYTES", 100_000)
    github.troubles = [Trouble("GET", "issues", 200, data=b"[" + b" " * 300_000 + b"]")]
    (problem,) = post(github, news()).problems
    assert "an answer of more than" in problem


@pytest.fixture
def thief():
    with serving(GitHub()) as forge:
        yield forge


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_to_another_server_is_not_followed(github, thief, status, method):
    there = {"Location": f"{thief.url}/repos/octo/app/issues/7/comments"}
    github.troubles = [Trouble(method, "issues", status, there)]
    (problem,) = post(github, news()).problems
    assert "on another server" in problem
    assert thief.exchanges == []


@pytest.mark.parametrize(
    "there",
    [
        "//{host}/x",
        "http://{host}@evil.example/",
        "https://{host}/",
        "http://[bad",
        "\\\\evil",
        "ftp:x",
    ],
)
def test_addresses_of_every_kind_stay_on_the_server(github, there):
    host = github.url.partition("//")[2].replace("127.0.0.1", "localhost")
    github.troubles = [
        Trouble("GET", "issues", 302, {"Location": there.format(host=host)}, times=9)
    ]
    (problem,) = post(github, news()).problems
    assert "GitHub" in problem
    assert len(github.exchanges) < 9


def test_a_link_to_another_server_is_not_followed(github, thief):
    link = {"Link": f'<{thief.url}/repositories/1/issues/7/comments?page=2>; rel="next"'}
    github.troubles = [Trouble("GET", "issues", 200, link, [])]
    (problem,) = post(github, news()).problems
    assert "a next page on another server" in problem
    assert thief.exchanges == []
    assert github.comments == []


def test_a_renamed_repository_is_followed(github):
    github.moved = True
    for _ in range(2):
        assert post(github, news("failed"), Wish()).problems == ()
    assert (len(github.comments), len(github.statuses)) == (1, 2)


def test_redirects_in_a_circle_end(github):
    circle = {"Location": f"{github.url}/repositories/1/issues/7/comments"}
    github.troubles = [Trouble("GET", "issues", 302, circle, times=99)]
    (problem,) = post(github, news()).problems
    assert "redirects without end" in problem


ECHOES = [
    TOKEN,
    f"Bearer {TOKEN}",
    TOKEN[:20],
    TOKEN[-12:],
    " ".join(TOKEN),
    "-".join(TOKEN),
    TOKEN.upper(),
    TOKEN[::-1],
    TOKEN.encode().hex(),
    base64.b64encode(f"x{TOKEN}".encode()).decode(),
    "".join(f"%{ord(c):02x}" for c in TOKEN),
    "".join(c if at % 3 else f"%{ord(c):02x}" for at, c in enumerate(TOKEN)),
    "".join(f"&#{ord(c)};" for c in TOKEN),
    "".join(f"\\u{ord(c):04x}" for c in TOKEN),
    "".join(f"\\x{ord(c):02X}" for c in TOKEN),
]


@pytest.mark.parametrize("echo", ECHOES)
def test_the_token_is_in_no_message_whatever_the_server_says(github, echo):
    says = {"message": f"no: {echo}", "errors": [{"message": echo}], "error": {"a": echo}}
    plain = {"message": "not today"}
    for data in (says, {"errors": [echo]}, {"message": [echo]}):
        for status in (403, 422):
            github.troubles = [
                Trouble(m, "issues|statuses", status, data=data) for m in ("GET", "POST")
            ]
            problems = post(github, news(), Wish()).problems
            assert len(problems) == 2
            for problem in problems:
                assert echo not in problem
                assert f"answered {status} to" in problem
    github.troubles = [Trouble("GET", "issues", 422, data=plain)]
    assert "not today" in post(github, news()).problems[0]


def test_the_token_is_in_no_link_that_we_show(github):
    evil = {"id": 5, "html_url": f"https://evil.example/{TOKEN}", "url": TOKEN}
    github.troubles = [
        Trouble("POST", "issues", 201, data=evil),
        Trouble("POST", "statuses", 201, data=evil),
    ]
    published = post(github, news(), Wish())
    assert published.comment_url == "https://github.com/octo/app/pull/7#issuecomment-5"
    for header in (
        f"<{github.url}/{TOKEN}>; rel=next",
        f"<{TOKEN}",
        TOKEN,
        f'<>; rel="next"; {TOKEN}',
    ):
        github.troubles = [
            Trouble("GET", "issues", 200, {"Link": header}, []),
            Trouble("GET", TOKEN, 404, data={}),
        ]
        post(github, news())


def test_what_a_server_says_is_one_short_line_of_plain_text(github):
    nasty = "\x1b[31m::set-output name=x::y\n::error::z\u202e @everyone " + "x" * 5000
    github.troubles = [Trouble("POST", "issues", 422, data={"message": nasty})]
    (problem,) = post(github, news()).problems
    assert problem.isprintable()
    assert problem.isascii()
    assert len(problem) < 500


def test_a_netrc_does_not_take_the_tokens_place(github, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password x\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert post(github, news()).problems == ()


# --- the token and the way there ----------------------------------------------------------------


def test_without_a_token_nothing_is_asked_and_the_line_says_what_to_set(github):
    (problem,) = post(github, news(), Wish(), LENS_GATE_TOKEN="").problems
    assert "`${{ github.token }}`" in problem
    assert github.exchanges == []


def test_the_jobs_own_variable_will_do_and_line_ends_do_no_harm(github):
    assert post(github, news(), LENS_GATE_TOKEN=" ", GITHUB_TOKEN=f"{TOKEN}\n").problems == ()


@pytest.mark.parametrize("value", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN} x", f"{TOKEN}é", f"a\0{TOKEN}"])
def test_a_token_that_no_header_can_carry_is_not_sent_nor_shown(github, value):
    (problem,) = post(github, news(), LENS_GATE_TOKEN=value).problems
    assert "LENS_GATE_TOKEN" in problem
    assert github.exchanges == []


@pytest.mark.parametrize("name", ["GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_SERVER_URL"])
@pytest.mark.parametrize("value", ["", "../..", "javascript:x", "https://a:b@c", "https://a?x=y"])
def test_a_runner_that_does_not_say_where_it_is(github, name, value):
    given = environ(github) | {name: value}
    where = detect(given, lambda _: json.dumps({"pull_request": pull(7, HEAD)}).encode())
    (problem,) = publish(where, news(), Wish(), given).problems
    assert name in problem
    assert github.exchanges == []


def test_a_server_that_is_not_there_is_a_problem(github, ticking):
    where, given = context(github), environ(github)
    with serving(GitHub()) as gone:
        pass
    where = replace(where, api_url=gone.url)
    published = publish(where, news(), Wish(), given, clock=ticking.clock)
    for problem in published.problems:
        assert "no connection" in problem
    assert len(published.problems) == 2
    assert ticking.waits == [1, 2, 4, 8] * 2


def test_a_server_of_ones_own_has_graphql_beside_version_three(github):
    given = environ(github) | {"GITHUB_API_URL": f"{github.url}/api/v3"}
    where = detect(given, lambda _: json.dumps({"pull_request": pull(7, HEAD)}).encode())
    publish(where, news(), COMMENT, given, clock=Ticking().clock)
    asked = [e.path for e in github.exchanges]
    assert asked[:2] == ["/api/v3/user", "/api/graphql"]
    assert all(path.startswith("/api/") for path in asked)

"""What is posted to GitLab, against a GitLab with a memory and a description of its API."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses

from lens_gate.hosts.gitlab import context as context_of
from lens_gate.hosts.gitlab_notes import MAX_NOTE_CHARS
from lens_gate.hosts.gitlab_publish import publish
from lens_gate.hosts.http import Clock
from lens_gate.records.publication import Marker, Publication, Published, Status, Wish
from lens_gate.render.marker import marker_line, state_line
from tests.contract.hosts.gitlab_forge import API, GitLab, User

TOKEN = "glpat-a1b2c3d4e5f6"
HEAD, MERGED, OLDER = "a" * 40, "c" * 40, "0" * 40
MARKER = Marker(policy="shop", environment="staging", matrix="eu")
ENVIRON = {
    "GITLAB_CI": "true",
    "LENS_GATE_TOKEN": TOKEN,
    "CI_JOB_TOKEN": "glcbt-of-the-job",
    "CI_API_V4_URL": API,
    "CI_SERVER_URL": "https://gitlab.example.com",
    "CI_JOB_URL": "https://gitlab.example.com/g/app/-/jobs/9",
    "CI_PIPELINE_URL": "https://gitlab.example.com/g/app/-/pipelines/70",
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_PIPELINE_ID": "70",
    "CI_PROJECT_ID": "11",
    "CI_COMMIT_SHA": HEAD,
    "CI_MERGE_REQUEST_IID": "3",
    "CI_MERGE_REQUEST_PROJECT_ID": "11",
    "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example.com/g/app",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "11",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
}
MR = "https://gitlab.example.com/g/app/-/merge_requests/3"


def text(outcome, words="", *, head=HEAD, marker=MARKER):
    return f"{marker_line(marker)}\n{state_line(outcome, head)}\n\n**{outcome}** {words}\n"


def news(outcome="passed", words="", *, marker=MARKER, head=HEAD, **more):
    state = {"passed": "success", "unchanged": "success", "aborted": "error"}.get(
        outcome, "failure"
    )
    status = Status(
        name="lens-gate/shop (staging) [eu]",
        state=state,
        description=f"{outcome}: all of it",
        url=ENVIRON["CI_JOB_URL"],
    )
    given = {
        "marker": marker,
        "head": head,
        "outcome": outcome,
        "comment": text(outcome, words, head=head, marker=marker),
        "text": "",
        "status": status,
        **more,
    }
    return Publication(**given)


class Ticking:
    """A clock that is only moved by waiting."""

    def __init__(self):
        self.now, self.waits = 0.0, []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    @property
    def clock(self):
        return Clock(monotonic=lambda: self.now, wall=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def bot():
    return User(5, "project_11_bot_x")


@pytest.fixture
def gitlab(bot):
    forge = GitLab(users={TOKEN: bot}, pipelines={70: HEAD}, head=HEAD)

    def answer(request):
        parts = urlsplit(request.url)
        path = parts.path.removeprefix("/api/v4")
        query = dict(parse_qsl(parts.query))
        status, headers, data = forge.answer(
            request.method, path, query, request.headers, request.body
        )
        return status, headers, "" if data is None else json.dumps(data)

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT", "DELETE"):
            mock.add_callback(method, responses.matchers.re.compile(f"{API}/.*"), callback=answer)
        yield forge


def post(publication=None, wish=None, *, ticking=None, **changes):
    environ = {**ENVIRON, **changes}
    clock = (ticking or Ticking()).clock
    return publish(context_of(environ), publication or news(), wish or Wish(), environ, clock=clock)


def test_the_first_answer_is_a_note_and_a_status_in_the_merge_requests_pipeline(gitlab):
    done = post()
    assert done == Published(
        comment_url=f"{MR}#note_1000", status_url=ENVIRON["CI_PIPELINE_URL"], problems=()
    )
    assert [n.body for n in gitlab.notes] == [text("passed")]
    [status] = gitlab.statuses
    assert (status["sha"], status["pipeline_id"]) == (HEAD, 70)
    assert status["state"] == "success"
    assert status["name"] == "lens-gate/shop (staging) [eu]"
    assert status["target_url"] == ENVIRON["CI_JOB_URL"]


def test_the_second_answer_takes_the_place_of_the_first(gitlab):
    post()
    done = post(news("passed", "again"))
    assert done.comment_url == f"{MR}#note_1000"
    assert [n.body for n in gitlab.notes] == [text("passed", "again")]


def test_the_same_words_are_not_written_twice(gitlab):
    post()
    gitlab.asked.clear()
    post(wish=Wish(status="off"))
    assert [method for method, _ in gitlab.asked] == ["GET", "GET"]


def test_what_passed_and_now_fails_is_a_new_note_and_the_old_one_goes(gitlab):
    post()
    done = post(news("failed"))
    assert [(n.id, n.body) for n in gitlab.notes] == [(1001, text("failed"))]
    assert done.comment_url == f"{MR}#note_1001"
    assert gitlab.statuses[-1]["state"] == "failed"


@pytest.mark.parametrize(("before", "now"), [("failed", "failed"), ("failed", "passed")])
def test_no_other_turn_makes_a_new_note(gitlab, before, now):
    post(news(before))
    post(news(now, "now"))
    assert [n.id for n in gitlab.notes] == [1000]


def test_the_note_is_found_beyond_the_first_page_behind_notes_that_nobody_may_read(gitlab, bot):
    other = User(9, "someone")
    for number in range(150):
        # Of the first page a part is hidden, so that it is not full though more follows.
        gitlab.add(f"chatter {number}", other, hidden=number < 60, system=number % 7 == 0)
    mine = gitlab.add(text("failed"), bot)
    for number in range(120):
        gitlab.add(f"more chatter {number}", other)
    post(news("failed", "updated"), Wish(status="off"))
    assert mine.body == text("failed", "updated")
    assert sum(path.endswith("/notes") for _, path in gitlab.asked) == 3


@pytest.mark.parametrize("outcome", ["failed", "passed"])
def test_notes_that_only_look_like_ours_are_left_alone(gitlab, bot, outcome):
    # The token of a maintainer's may change and delete what others wrote.
    bot.maintains, gitlab.filters = True, False
    before = [
        gitlab.add(text("failed", "as somebody else has it"), User(9, "mallory")),
        gitlab.add(text("passed", "as somebody else has it"), User(9, "mallory")),
        gitlab.add("> look:\n" + text("failed"), bot),
        gitlab.add(text("failed", "by GitLab"), bot, system=True),
    ]
    bodies = [note.body for note in before]
    post(news(outcome))
    assert gitlab.notes[:4] == before
    assert [note.body for note in gitlab.notes] == [*bodies, text(outcome)]


@pytest.mark.parametrize(
    "other",
    [
        Marker(policy="shop", environment="staging", matrix="us"),
        Marker(policy="shop"),
        Marker(policy="shop:staging", matrix="eu"),
        Marker(policy="shop2", environment="staging", matrix="eu"),
    ],
)
def test_another_cell_of_the_matrix_has_a_note_of_its_own(gitlab, other):
    post()
    post(news("passed", marker=other))
    assert [n.body for n in gitlab.notes] == [text("passed"), text("passed", marker=other)]


def test_two_notes_that_two_jobs_left_become_one(gitlab, bot):
    gitlab.add(text("passed", "first"), bot)
    newest = gitlab.add(text("passed", "second"), bot)
    post(news("passed", "third"))
    assert gitlab.notes == [newest]
    assert newest.body == text("passed", "third")


def test_an_older_heads_result_changes_nothing(gitlab, bot):
    standing = gitlab.add(text("failed"), bot)
    late = news("passed", head=OLDER)
    done = post(late, Wish(status="off"))
    assert standing.body == text("failed")
    assert done == Published(comment_url=f"{MR}#note_{standing.id}")
    # Where the merge request went back to that commit, it is its present result.
    gitlab.head = OLDER
    post(late, Wish(status="off"))
    assert standing.body == text("passed", head=OLDER)


@pytest.mark.parametrize("outcome", ["passed", "unchanged"])
def test_a_quiet_gate_begins_no_note_for_a_pass_but_keeps_its_note_true(gitlab, bot, outcome):
    quiet = Wish(comment="quiet")
    assert post(news(outcome), quiet).comment_url == ""
    assert not gitlab.notes
    post(news("failed"), quiet)
    post(news(outcome), quiet)
    assert [n.body for n in gitlab.notes] == [text(outcome)]


def test_what_is_switched_off_is_not_asked_for(gitlab):
    post(wish=Wish(comment="off"))
    assert (gitlab.notes, len(gitlab.statuses)) == ([], 1)
    post(wish=Wish(status="off"))
    assert (len(gitlab.notes), len(gitlab.statuses)) == (1, 1)
    gitlab.asked.clear()
    assert post(wish=Wish(comment="off", status="off")) == Published()
    assert post(news(status=None), Wish(comment="off")) == Published()
    assert not gitlab.asked


def test_where_there_is_no_merge_request_there_is_only_a_status(gitlab):
    done = post(CI_PIPELINE_SOURCE="push", CI_MERGE_REQUEST_IID="", CI_COMMIT_BRANCH="main")
    assert (done.comment_url, gitlab.notes, len(gitlab.statuses)) == ("", [], 1)


def test_in_a_pipeline_of_merged_results_the_status_counts_in_that_pipeline(gitlab):
    gitlab.pipelines = {70: MERGED}
    post(CI_COMMIT_SHA=MERGED, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=HEAD)
    assert [(s["sha"], s["pipeline_id"]) for s in gitlab.statuses] == [(MERGED, 70)]
    assert gitlab.pipelines == {70: MERGED}  # none was made beside it


@pytest.mark.parametrize(
    "changes", [{"CI_PIPELINE_ID": "71"}, {"CI_PIPELINE_ID": ""}, {"CI_PIPELINE_ID": "٣"}]
)
def test_a_pipeline_that_gitlab_does_not_know_leaves_the_status_on_the_head(gitlab, changes):
    assert post(**changes).problems == ()
    assert [s["sha"] for s in gitlab.statuses] == [HEAD]


def test_a_newer_pipeline_of_the_same_commit_does_not_get_the_status(gitlab):
    gitlab.pipelines = {70: HEAD, 72: HEAD}  # that of the branch beside the merge request's
    post()
    assert [s["pipeline_id"] for s in gitlab.statuses] == [70]


def test_a_status_fits_into_gitlabs_fields(gitlab):
    status = replace(news().status, description="d" * 900, url="https://x.example/" + "u" * 300)
    assert post(news(status=status)).problems == ()
    [posted] = gitlab.statuses
    assert len(posted["description"]) == 255
    assert "target_url" not in posted


def test_a_name_that_a_job_has_is_said(gitlab):
    gitlab.jobs.add("lens-gate/shop (staging) [eu]")
    [problem] = post().problems
    assert problem.startswith("No commit status was posted: ")
    assert "already been taken" in problem


@pytest.mark.parametrize(
    "changes",
    [
        {"LENS_GATE_TOKEN": ""},
        {"LENS_GATE_TOKEN": " \n"},
        {"LENS_GATE_TOKEN": ENVIRON["CI_JOB_TOKEN"]},
    ],
)
def test_without_a_token_of_its_own_one_line_says_what_to_make(gitlab, changes):
    [problem] = post(**changes).problems
    assert "project access token with the scope `api`" in problem
    assert "LENS_GATE_TOKEN" in problem
    assert "protected" in problem
    assert "\n" not in problem
    assert not gitlab.asked
    assert ENVIRON["CI_JOB_TOKEN"] not in problem


def test_gitlabs_usual_name_for_a_token_does_too(gitlab, bot):
    gitlab.users["glpat-other"] = bot
    assert post(LENS_GATE_TOKEN="", GITLAB_TOKEN="glpat-other\n").problems == ()
    assert len(gitlab.notes) == 1


def test_a_token_that_no_header_can_carry_is_said_and_not_shown(gitlab):
    [problem] = post(LENS_GATE_TOKEN="glpat\r\nX-Evil: 1").problems
    assert "characters that no token has" in problem
    assert "Evil" not in problem
    assert not gitlab.asked


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_forks_pipeline_posts_nothing_and_complains_of_nothing(gitlab, token):
    done = post(CI_PROJECT_ID="12", CI_MERGE_REQUEST_SOURCE_PROJECT_ID="12", LENS_GATE_TOKEN=token)
    assert done == Published()
    assert not gitlab.asked


def test_a_members_pipeline_for_a_forks_request_posts_to_the_parent(gitlab):
    done = post(CI_MERGE_REQUEST_SOURCE_PROJECT_ID="12")
    assert done.problems == ()
    assert (len(gitlab.notes), len(gitlab.statuses)) == (1, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"CI_API_V4_URL": ""},
        {"CI_API_V4_URL": "https://user:pass@gitlab.example.com/api/v4"},
        {"CI_MERGE_REQUEST_PROJECT_ID": "11/../12", "CI_PROJECT_ID": "11/../12"},
        {"CI_MERGE_REQUEST_PROJECT_ID": "", "CI_PROJECT_ID": ""},
    ],
)
def test_where_nothing_says_where_nothing_is_posted(gitlab, changes):
    assert post(**changes) == Published()
    assert not gitlab.asked


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (None, ("401", "The token is not valid")),
        (User(5, "bot", writes=False), ("403", "scope `api`", "Developer")),
        (User(5, "bot", member=False), ("404", "of the project that the merge request belongs to")),
    ],
)
def test_a_refusal_says_what_the_token_lacks_once_for_each_thing(gitlab, user, words):
    gitlab.users = {TOKEN: user} if user else {}
    problems = post().problems
    assert [p.split(":")[0] for p in problems] == [
        "No note was written",
        "No commit status was posted",
    ]
    for problem in problems:
        assert all(word in problem for word in words)
        assert TOKEN not in problem
        assert "\n" not in problem


def test_a_token_that_may_not_edit_writes_a_second_note_and_says_so(gitlab, bot):
    post()
    bot.edits = False
    done = post(news("passed", "again"))
    assert [n.body for n in gitlab.notes] == [text("passed"), text("passed", "again")]
    assert done.comment_url == f"{MR}#note_1001"
    assert "Maintainer" in done.problems[0]


def test_a_note_that_was_deleted_meanwhile_is_written_anew(gitlab, bot):
    gitlab.add(text("failed"), bot)
    gitlab.trouble = [("PUT", 404, {})]
    done = post(news("failed", "again"))
    assert done.problems == ()
    assert [n.body for n in gitlab.notes] == [text("failed"), text("failed", "again")]


def test_other_trouble_with_an_edit_is_told(gitlab, bot):
    gitlab.add(text("failed"), bot)
    gitlab.trouble = [("PUT", 400, {})]
    [problem] = post(news("failed", "again"), Wish(status="off")).problems
    assert "400" in problem


def test_rate_limits_are_waited_for(gitlab):
    gitlab.trouble = [("POST", 429, {"Retry-After": "7"})]
    ticking = Ticking()
    assert post(ticking=ticking).problems == ()
    assert ticking.waits == [7.0]
    assert len(gitlab.notes) == 1


def test_a_note_is_not_written_twice_where_nobody_knows_whether_it_was(gitlab, bot):
    # GitLab wrote it, and what stands before GitLab lost the answer.
    gitlab.trouble = [("POST", 502, {})]
    gitlab.add(text("passed"), bot)
    bad = news("failed")
    original = gitlab._answered

    def lossy(method, path, query, headers, data):
        lost = method == "POST" and path.endswith("/notes") and bool(gitlab.trouble)
        answer = original(method, path, query, headers, data)
        if lost:
            gitlab.add(data["body"], bot)
        return answer

    gitlab._answered = lossy
    assert post(bad, Wish(status="off")).problems == ()
    assert [n.body for n in gitlab.notes] == [text("failed")]


def test_an_unclear_answer_again_and_again_is_told(gitlab):
    gitlab.trouble = [("POST", 502, {})] * 3
    [problem] = post(wish=Wish(status="off")).problems
    assert problem.startswith("No note was written")
    assert "502" in problem


@pytest.mark.parametrize("evil", ["/merge", "\r/merge", "a\r\n/close", "a\u2028/close", "a\x0b/x"])
def test_a_line_that_could_be_a_command_is_never_sent(gitlab, evil):
    [problem] = post(news(comment=text("passed") + "\n" + evil), Wish(status="off")).problems
    assert "command" in problem
    assert not gitlab.asked
    assert not gitlab.commands


def test_a_slash_inside_a_line_is_no_command(gitlab):
    post(news("passed", "a / b\n `/merge` \n | /close | \n > /x"))
    assert len(gitlab.notes) == 1
    assert not gitlab.commands


def test_a_text_that_gitlab_would_refuse_is_not_sent(gitlab):
    long = text("passed") + "x" * MAX_NOTE_CHARS
    assert "too long" in post(news(comment=long), Wish(status="off")).problems[0]
    assert not gitlab.asked


def test_a_user_without_a_number_is_told(gitlab, bot):
    gitlab._answered = lambda *_: (200, {}, {"id": 0, "username": "x"})
    [problem] = post(wish=Wish(status="off")).problems
    assert "whose the token is" in problem
    assert not gitlab.notes


def test_a_note_that_vanishes_again_and_again_ends(gitlab, bot):
    for _ in range(5):
        gitlab.add(text("failed"), bot)
    gitlab.trouble = [("PUT", 404, {})] * 5
    [problem] = post(news("failed", "again"), Wish(status="off")).problems
    assert "deleted" in problem


def test_a_merge_request_that_cant_be_read_is_no_reason_to_be_silent(gitlab, bot):
    note = gitlab.add(text("failed", head=OLDER), bot)
    original = gitlab._answered

    def blind(method, path, *rest):
        if path.endswith("/merge_requests/3"):
            return 403, {}, {"message": "403 Forbidden"}
        return original(method, path, *rest)

    gitlab._answered = blind
    post(wish=Wish(status="off"))
    assert note.body == text("passed")

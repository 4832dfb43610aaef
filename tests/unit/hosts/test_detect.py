import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.errors import EXIT_UNMEASURED, EXIT_USAGE, LensError, WorldError
from lens_gate.hosts import detect, read_event_file
from lens_gate.hosts import detect as detect_function
from lens_gate.records.codec import from_json, to_json
from lens_gate.records.context import Context, is_branch_name, is_commit_id

HEAD, BASE, MERGE = "a" * 40, "b" * 40, "c" * 40
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_PATH": "/event.json",
    "GITHUB_SHA": MERGE,
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "octo/app",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_RUN_ID": "123",
    "GITHUB_ACTOR": "mallory",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_COMMIT_SHA": MERGE,
    "CI_JOB_URL": "https://gitlab.example.com:8443/group/app/-/jobs/9",
}
REQUEST = GITLAB | {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "3",
    "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "11",
    "CI_MERGE_REQUEST_PROJECT_ID": "11",
}


def pull(*, ref="main", sha=BASE, head=HEAD, ours=1, theirs=1):
    return {
        "number": 7,
        "pull_request": {
            "number": 7,
            "base": {"ref": ref, "sha": sha, "repo": {"id": ours}},
            "head": {"ref": "feature", "sha": head, "repo": {"id": theirs}},
        },
    }


ON_TRUNK = {"repository": {"default_branch": "trunk"}}


def never(path):
    raise AssertionError(f"{path} was read")


def github(event, payload=None, **changes):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    environ = GITHUB | {"GITHUB_EVENT_NAME": event} | changes
    return detect(environ, lambda _path: data)


def test_a_plain_terminal_is_local_and_trusts_the_work_tree():
    context = detect({"HOME": "/root", "CI": ""}, never)
    assert context == Context(host="local", event="local")
    assert context.trust_ref is None
    assert context.target_branch is None


@pytest.mark.parametrize(("value", "ci"), [("true", True), ("1", True), ("woodpecker", True)])
def test_another_ci_is_a_quiet_terminal(value, ci):
    assert detect({"CI": value}, never) == Context(host="local", event="local", ci=ci)


@pytest.mark.parametrize("value", ["false", "0", "no", "OFF", " "])
def test_ci_switched_off_is_a_terminal(value):
    assert not detect({"CI": value}, never).ci


def test_a_host_is_one_only_if_it_says_true():
    assert detect({"GITHUB_ACTIONS": "false", "GITLAB_CI": ""}, never).host == "local"


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "pull_request_review"])
def test_a_pull_request_trusts_the_target_branch_and_asks_about_the_authors_commit(event):
    context = github(event, pull(ref="release/1.x"))
    assert context == Context(
        host="github",
        event="pull_request",
        target_branch="release/1.x",
        trust_ref="refs/heads/release/1.x",
        target_commit=BASE,
        head_ref=HEAD,
        is_fork=False,
        run_url="https://github.com/octo/app/actions/runs/123",
        ci=True,
        repository="octo/app",
        number=7,
        api_url="https://api.github.com",
        server_url="https://github.com",
    )
    assert MERGE not in to_json(context).values()


def test_the_event_file_named_by_the_environment_is_read():
    seen = []

    def read(path):
        seen.append(path)
        return json.dumps(pull()).encode()

    detect(GITHUB | {"GITHUB_EVENT_NAME": "pull_request"}, read)
    assert seen == ["/event.json"]


@pytest.mark.parametrize(
    ("base", "head", "fork"),
    [
        ({"id": 1}, {"id": 1}, False),
        ({"id": 1}, {"id": 2}, True),
        ({"id": 1}, None, True),  # the fork was deleted
        ({}, {}, True),
        ({"id": True}, {"id": True}, True),
        ({"id": None}, {"id": None}, True),
        ("x", "x", True),
    ],
)
def test_a_fork_is_one_until_the_host_says_otherwise(base, head, fork):
    payload = pull()
    payload["pull_request"]["base"]["repo"] = base
    payload["pull_request"]["head"]["repo"] = head
    assert github("pull_request", payload).is_fork is fork


def test_a_merge_queue_trusts_the_branch_not_the_group_ahead():
    group = {"head_sha": HEAD, "base_sha": BASE, "base_ref": "refs/heads/main", "head_ref": "x"}
    context = github("merge_group", {"merge_group": group})
    assert context.event == "merge_queue"
    assert context.trust_ref == "refs/heads/main"
    assert context.target_branch == "main"
    assert (context.target_commit, context.head_ref) == (BASE, HEAD)


def test_a_missing_base_commit_is_no_error_since_it_only_stands_in():
    assert github("pull_request", pull(sha=None)).target_commit is None


@pytest.mark.parametrize("event", ["push", "schedule"])
def test_push_and_schedule_trust_the_commit_itself(event):
    context = github(event, ON_TRUNK, GITHUB_REF="refs/heads/main")
    assert (context.event, context.target_branch) == (event, "main")
    assert context.trust_ref == context.head_ref == MERGE


@pytest.mark.parametrize(("branch", "aside"), [("trunk", False), ("release/1.x", True)])
def test_a_change_to_another_branch_than_the_default_one_is_aside(branch, aside):
    assert github("pull_request", pull(ref=branch) | ON_TRUNK).is_aside is aside
    assert not github("pull_request", pull(ref=branch)).is_aside
    group = {"merge_group": {"base_ref": f"refs/heads/{branch}", "head_sha": HEAD}}
    assert github("merge_group", group | ON_TRUNK).is_aside is aside


def test_a_tag_has_no_branch():
    context = github("push", ON_TRUNK, GITHUB_REF="refs/tags/v1")
    assert context.target_branch is None


@pytest.mark.parametrize("event", ["push", "workflow_dispatch", "repository_dispatch"])
@pytest.mark.parametrize(
    ("ref", "payload", "aside"),
    [
        ("refs/heads/trunk", ON_TRUNK, False),
        ("refs/heads/feature", ON_TRUNK, True),
        ("refs/tags/trunk", ON_TRUNK, True),
        ("trunk", ON_TRUNK, True),
        ("refs/heads/feature", {}, False),  # it names no default branch
        ("refs/heads/feature", {"repository": {"default_branch": 7}}, False),
        ("refs/heads/feature", b"]", False),
    ],
)
def test_only_the_default_branch_has_a_policy_that_was_approved(event, ref, payload, aside):
    assert github(event, payload, GITHUB_REF=ref).is_aside is aside
    assert not github("schedule", payload, GITHUB_REF=ref).is_aside


@pytest.mark.parametrize("event", ["workflow_dispatch", "repository_dispatch"])
def test_manual_runs_trust_the_work_tree(event):
    context = github(event, ON_TRUNK, GITHUB_REF="refs/heads/feature")
    assert context.event == "manual"
    assert context.trust_ref is None
    assert context.target_branch is None
    assert context.head_ref == MERGE


@pytest.mark.parametrize("event", ["", "issue_comment", "workflow_run", "fork", "Push"])
def test_an_unknown_event_is_refused_and_the_known_ones_are_named(event):
    with pytest.raises(LensError, match="whose policy to trust") as caught:
        detect(GITHUB | {"GITHUB_EVENT_NAME": event}, never)
    assert "pull_request, " in caught.value.hint
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "no object at its top level"),
        (b"null", "no object at its top level"),
        ({}, "no object at pull_request"),
        ({"pull_request": []}, "no object at pull_request"),
        ({"pull_request": {"head": {}}}, "no object at pull_request.base"),
        ({"pull_request": {"base": {"ref": "main"}}}, "no object at pull_request.head"),
        (pull(ref=None), "base.ref in the event file is None"),
        (pull(ref=["main"]), "base.ref"),
        (pull(ref="a..b"), "does not accept"),
        (pull(ref="x\n::error::y"), "does not accept"),
        (pull(ref="x" * 5000), "does not accept"),
        (pull(ref="\ud800"), "does not accept"),
        (pull(sha="main"), "base.sha"),
        (pull(sha={}), "base.sha"),
        (pull(head="--upload-pack=x"), "head.sha"),
        (pull(head=None), "head.sha"),
        (pull(head=HEAD + "\n"), "head.sha"),
        (pull(head="٣" * 40), "head.sha"),
    ],
)
def test_a_damaged_payload_is_one_clear_error(payload, message):
    with pytest.raises(LensError, match=message) as caught:
        github("pull_request", payload)
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert caught.value.message.isascii()
    assert len(caught.value.message) < 300


def test_a_damaged_merge_group_is_one_clear_error():
    for group in ({}, {"base_ref": 3}, {"base_ref": "refs/heads/"}, {"base_ref": "main"}):
        with pytest.raises(LensError, match="merge_group"):
            github("merge_group", {"merge_group": group})


def test_an_event_without_a_file_is_an_error():
    with pytest.raises(LensError, match="GITHUB_EVENT_PATH is not set"):
        detect(GITHUB | {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": ""}, never)


@pytest.mark.parametrize("sha", ["", "main", "c" * 39, "c" * 41, "-" * 40, "G" * 40])
def test_a_damaged_commit_in_the_environment_is_an_error(sha):
    with pytest.raises(LensError, match="GITHUB_SHA"):
        github("push", GITHUB_SHA=sha)
    with pytest.raises(LensError, match="CI_COMMIT_SHA"):
        detect(GITLAB | {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_SHA": sha}, never)


def test_commit_ids_of_both_hashes_are_taken_and_written_as_git_does():
    assert github("push", GITHUB_SHA="AB" * 20).head_ref == "ab" * 20
    assert github("push", GITHUB_SHA="ab" * 32).head_ref == "ab" * 32


def test_a_branch_that_looks_like_an_option_becomes_a_full_ref():
    context = github("pull_request", pull(ref="--upload-pack=x"))
    assert context.trust_ref == "refs/heads/--upload-pack=x"


@pytest.mark.parametrize(
    "changes",
    [
        {"GITHUB_SERVER_URL": "javascript:alert(1)//"},
        {"GITHUB_SERVER_URL": "https://user:key@github.com"},
        {"GITHUB_SERVER_URL": "https://github.com/\n::error::"},
        {"GITHUB_SERVER_URL": ""},
        {"GITHUB_REPOSITORY": "octo/app/../x y"},
        {"GITHUB_RUN_ID": "1; rm"},
        {"GITHUB_RUN_ID": "٣"},
        {"GITHUB_SERVER_URL": "https://" + "x" * 5000},
    ],
)
def test_a_strange_link_is_left_out(changes):
    assert github("push", **changes).run_url == ""


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch", "merge_group"])
def test_where_an_answer_goes_is_known_on_each_event(event):
    group = {"head_sha": HEAD, "base_sha": BASE, "base_ref": "refs/heads/main"}
    context = github(event, {"merge_group": group}, GITHUB_REF="refs/heads/main")
    assert (context.repository, context.number) == ("octo/app", None)
    assert (context.api_url, context.server_url) == ("https://api.github.com", "https://github.com")


@pytest.mark.parametrize("number", [None, "7", 0, -1, True, 7.0, 2**63, [7]])
def test_a_damaged_number_is_no_reason_not_to_measure(number):
    payload = pull()
    payload["pull_request"]["number"] = number
    assert github("pull_request", payload).number is None


@pytest.mark.parametrize(
    "name",
    ["", "octo", "octo/app/x", "../app", "octo/..", "./x", "octo/.", "o c/app", "é/app", "o/a?x"],
)
def test_a_strange_repository_is_left_out(name):
    # It becomes a part of an API's path.
    context = github("push", GITHUB_REPOSITORY=name)
    assert (context.repository, context.run_url) == ("", "")


@pytest.mark.parametrize("name", ["octo/.github", "octo/...", "-x/_y", "octo/a..b"])
def test_a_repository_may_begin_with_a_dot(name):
    assert github("push", GITHUB_REPOSITORY=name).repository == name


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://ghe.example/api/v3/", "https://ghe.example/api/v3"),
        ("https://ghe.example/api?x=", ""),
        ("https://ghe.example/api#x", ""),
        ("https://user:key@ghe.example", ""),
        ("file:///etc/passwd", ""),
        ("", ""),
    ],
)
def test_a_strange_address_is_left_out(url, taken):
    assert github("push", GITHUB_API_URL=url).api_url == taken
    assert github("push", GITHUB_SERVER_URL=url).server_url == taken


def test_a_detached_merge_request_pipeline():
    context = detect(REQUEST, never)
    assert context == Context(
        host="gitlab",
        event="pull_request",
        target_branch="main",
        trust_ref="refs/heads/main",
        target_commit=None,
        head_ref=MERGE,
        is_fork=False,
        run_url=GITLAB["CI_JOB_URL"],
        ci=True,
        repository="11",
        number=3,
    )


def test_the_place_where_the_author_branched_off_never_stands_in_for_the_tip():
    # An author could pick an old commit with a laxer policy and branch off there. Nor is it taken
    # for the merge base: that one is git's to tell.
    context = detect(REQUEST, never)
    assert BASE not in repr(context)


def test_merged_results_ask_about_the_source_branch():
    context = detect(
        REQUEST
        | {
            "CI_MERGE_REQUEST_EVENT_TYPE": "merged_result",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD,
            "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "d" * 40,
        },
        never,
    )
    assert (context.event, context.head_ref) == ("pull_request", HEAD)
    assert context.target_commit == "d" * 40


def test_a_merge_train_is_a_queue_and_asks_about_the_merged_commit():
    context = detect(
        REQUEST
        | {
            "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD,
        },
        never,
    )
    assert (context.event, context.head_ref) == ("merge_queue", MERGE)


@pytest.mark.parametrize(
    "changes",
    [
        {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "12"},
        {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": ""},
        {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "", "CI_MERGE_REQUEST_PROJECT_ID": ""},
    ],
)
def test_a_gitlab_fork_is_one_until_the_host_says_otherwise(changes):
    assert detect(REQUEST | changes, never).is_fork


def test_a_child_pipeline_of_a_merge_request_stays_one():
    # Taken by its source alone it would trust the author's work tree.
    for source in ("parent_pipeline", "web", "push", "schedule"):
        assert detect(REQUEST | {"CI_PIPELINE_SOURCE": source}, never).event == "pull_request"


@pytest.mark.parametrize(
    ("source", "event", "branch"),
    [("push", "push", "main"), ("schedule", "schedule", "main"), ("web", "manual", None)],
)
def test_gitlab_branch_pipelines(source, event, branch):
    environ = GITLAB | {"CI_PIPELINE_SOURCE": source, "CI_COMMIT_BRANCH": "main"}
    context = detect(environ, never)
    assert (context.event, context.target_branch) == (event, branch)
    assert context.trust_ref == (None if event == "manual" else MERGE)
    assert context.head_ref == MERGE
    assert not context.is_fork


@pytest.mark.parametrize(
    ("default", "own", "aside"),
    [("main", "main", False), ("main", "feature", True), ("main", "", True), ("", "main", False)],
)
@pytest.mark.parametrize("source", ["push", "web", "schedule"])
def test_on_gitlab_only_the_default_branch_has_an_approved_policy(source, default, own, aside):
    own_branch = {"CI_DEFAULT_BRANCH": default, "CI_COMMIT_BRANCH": own}
    environ = GITLAB | {"CI_PIPELINE_SOURCE": source} | own_branch
    assert detect(environ, never).is_aside is aside
    assert not detect(REQUEST | own_branch, never).is_aside


def test_a_gitlab_tag_has_no_branch():
    assert detect(GITLAB | {"CI_PIPELINE_SOURCE": "push"}, never).target_branch is None


@pytest.mark.parametrize("source", ["", "parent_pipeline", "external_pull_request_event"])
def test_an_unknown_gitlab_source_is_refused(source):
    with pytest.raises(LensError, match="whose policy to trust") as caught:
        detect(GITLAB | {"CI_PIPELINE_SOURCE": source}, never)
    assert "merge_request_event" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": ""}, "TARGET_BRANCH_NAME"),
        ({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "a b"}, "TARGET_BRANCH_NAME"),
        ({"CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "x"}, "TARGET_BRANCH_SHA"),
        ({"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "x"}, "SOURCE_BRANCH_SHA"),
        ({"CI_COMMIT_SHA": ""}, "CI_COMMIT_SHA"),
    ],
)
def test_damaged_gitlab_variables_are_named(changes, message):
    with pytest.raises(LensError, match=message):
        detect(REQUEST | changes, never)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([HEAD, "main"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["pull_request", "merge_group", "base", "head", "ref", "sha", "repo"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(payload=JSON, event=st.sampled_from(["pull_request", "merge_group"]))
def test_whatever_the_payload_there_is_a_checked_context_or_a_clear_error(payload, event):
    message, context = "", None
    try:
        context = github(event, payload)
    except LensError as error:
        message = error.message
    assert message.isprintable()
    assert context is None or is_commit_id(context.head_ref)
    assert context is None or is_branch_name(context.target_branch)


@given(data=st.binary(max_size=200))
def test_whatever_the_bytes_there_is_no_traceback(data):
    with pytest.raises(LensError):
        github("pull_request", data)


@pytest.mark.parametrize(
    "name", ["main", "feature/x.y", "a-b", "-x", "@", "é", "a@b", "x.lock.y", "HEAD"]
)
def test_names_that_git_accepts(name):
    assert is_branch_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a.", ".a", "a/.b", "a.lock", "a//b", "a..b", "a@{b", "a b", "a\\b", "a\x7f"],
)
def test_names_that_git_does_not_accept(name):
    assert not is_branch_name(name)


def test_the_context_can_be_written_and_read_back():
    context = github("pull_request", pull())
    assert from_json(Context, json.loads(json.dumps(to_json(context)))) == context


def test_the_event_file_is_read(tmp_path):
    file = tmp_path / "event.json"
    file.write_bytes(json.dumps(pull()).encode())
    environ = GITHUB | {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(file)}
    assert detect_function(environ, read_event_file).head_ref == HEAD


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_an_event_file_that_cannot_be_read_is_the_worlds_fault(tmp_path, name):
    with pytest.raises(WorldError, match="can't be read") as caught:
        read_event_file(f"{tmp_path}/{name}")
    assert caught.value.exit_code == EXIT_UNMEASURED


def test_an_endless_event_file_is_not_swallowed():
    with pytest.raises(WorldError, match="larger than"):
        read_event_file("/dev/zero" if Path("/dev/zero").exists() else "")

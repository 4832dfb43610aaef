"""Where an answer to GitLab goes, as the job's variables say it."""

import pytest

from lens_gate.hosts.gitlab import context

PUSH = {
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_SHA": "c" * 40,
    "CI_COMMIT_BRANCH": "main",
    "CI_PROJECT_ID": "12",
    "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
    "CI_SERVER_URL": "https://gitlab.example.com",
}
REQUEST = PUSH | {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "3",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_PROJECT_ID": "11",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "12",
}


def where(environ):
    found = context(environ)
    return found.repository, found.number, found.api_url, found.server_url


def test_a_merge_request_is_answered_in_the_project_that_it_belongs_to():
    # Not in the one whose pipeline this is: that may be a fork.
    assert where(REQUEST) == ("11", 3, PUSH["CI_API_V4_URL"], PUSH["CI_SERVER_URL"])


def test_any_other_pipeline_is_answered_in_its_own_project():
    assert where(PUSH) == ("12", None, PUSH["CI_API_V4_URL"], PUSH["CI_SERVER_URL"])


@pytest.mark.parametrize(
    "bad", ["", "0", "-3", "03", "3/../4", "3\n", " 3", "٣", "9" * 20, "g/app"]
)
def test_a_damaged_number_is_no_place_to_post_to_and_no_reason_not_to_measure(bad):
    assert context(PUSH | {"CI_PROJECT_ID": bad}).repository == ""
    damaged = REQUEST | {"CI_MERGE_REQUEST_IID": bad, "CI_MERGE_REQUEST_PROJECT_ID": bad}
    assert where(damaged)[:2] == ("", None)


@pytest.mark.parametrize(
    "bad", ["", "gitlab.example.com", "https://user:key@gitlab.example.com", "javascript:x"]
)
def test_a_strange_address_is_left_out(bad):
    assert where(REQUEST | {"CI_API_V4_URL": bad, "CI_SERVER_URL": bad})[2:] == ("", "")

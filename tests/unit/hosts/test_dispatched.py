"""A manual run for a pull request: it answers like one of its own, and trusts it as little."""

import json

import pytest

from lens_gate.errors import LensError
from lens_gate.hosts import detect

HEAD, OWN = "a" * 40, "b" * 40
EVENT = {"repository": {"default_branch": "trunk"}, "inputs": {"pull": "7"}}
MANUAL = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "workflow_dispatch",
    "GITHUB_EVENT_PATH": "event.json",
    "GITHUB_SHA": OWN,
    "GITHUB_REF": "refs/heads/side",
    "GITHUB_REPOSITORY": "org/house",
}
NAMED = {"LENS_GATE_PULL": "7", "LENS_GATE_PULL_HEAD": HEAD}


def detected(environ, event=EVENT):
    return detect(environ, lambda _: json.dumps(event).encode())


def test_the_default_branch_decides_and_the_head_is_a_forks():
    context = detected(MANUAL | NAMED)
    assert (context.event, context.is_fork, context.number) == ("pull_request", True, 7)
    assert (context.target_branch, context.trust_ref) == ("trunk", "refs/heads/trunk")
    assert (context.head_ref, context.head_at) == (HEAD, "refs/pull/7/head")
    assert (context.repository, context.target_commit) == ("org/house", None)
    assert not context.is_aside, "it follows the default branch, wherever it was started"


def test_without_a_number_a_manual_run_stays_one():
    context = detected(MANUAL | {"LENS_GATE_PULL": "", "LENS_GATE_PULL_HEAD": " "})
    assert (context.event, context.trust_ref, context.head_at) == ("manual", None, "")


@pytest.mark.parametrize("pull", ["", "0", "07", "-1", "7/head", "1e3", "٧", "9" * 19, "7 8", "x"])
def test_what_is_no_number_is_refused(pull):
    with pytest.raises(LensError, match="LENS_GATE_PULL"):
        detected(MANUAL | NAMED | {"LENS_GATE_PULL": pull})


@pytest.mark.parametrize("head", ["", "a" * 39, "main", "a" * 12, "--upload-pack=x"])
def test_the_commit_is_needed_in_full(head):
    with pytest.raises(LensError, match="LENS_GATE_PULL_HEAD"):
        detected(MANUAL | NAMED | {"LENS_GATE_PULL_HEAD": head})


@pytest.mark.parametrize(
    "event", [{}, {"repository": {}}, {"repository": {"default_branch": "a b"}}]
)
def test_an_event_that_names_no_default_branch_is_refused(event):
    with pytest.raises(LensError, match="repository"):
        detected(MANUAL | NAMED, event)


@pytest.mark.parametrize(
    "environ",
    [
        MANUAL | {"GITHUB_EVENT_NAME": "push"},
        MANUAL | {"GITHUB_EVENT_NAME": "schedule"},
        {},
        {"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "web", "CI_COMMIT_SHA": OWN},
    ],
)
def test_no_other_event_takes_another_head(environ):
    for one in NAMED.items():
        with pytest.raises(LensError, match=r"manual runs on GitHub"):
            detected(environ | dict([one]))

"""Other CIs: the pipeline's definition says what is foreign, and its silence is no permission."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.errors import EXIT_USAGE, LensError
from lens_gate.hosts import detect as detect_function
from lens_gate.hosts.generic import FORK, HEAD, SIGNS, TARGET
from lens_gate.records.context import Context, is_branch_name, is_commit_id

COMMIT = "a" * 40
PAGE = Path(__file__).parents[3] / "docs" / "other-ci.md"


def detect(**environ):
    return detect_function(environ, lambda path: pytest.fail(f"{path} was read"))


def said(**more):
    return detect(**{"CI": "true", TARGET: "main", **more})


def test_a_definition_makes_a_pull_request_whose_target_is_trusted():
    assert said() == Context(
        host="generic",
        event="pull_request",
        target_branch="main",
        trust_ref="refs/heads/main",
        head_ref=None,
        is_fork=False,
        ci=True,
    )


@pytest.mark.parametrize("branch", ["release/1.x", "refs/heads/release/1.x"])
def test_a_branch_is_named_with_or_without_its_prefix(branch):
    context = said(**{TARGET: branch})
    assert (context.target_branch, context.trust_ref) == ("release/1.x", "refs/heads/release/1.x")


@pytest.mark.parametrize("head", ["", "HEAD"])
def test_the_head_is_what_is_checked_out(head):
    assert said(**{HEAD: head}).head_ref is None


def test_a_head_that_is_named_is_a_commit():
    assert said(**{HEAD: COMMIT.upper()}).head_ref == COMMIT
    for head in ("main", "HEAD~1", "--upload-pack=x", COMMIT + "\n", "a" * 39):
        with pytest.raises(LensError, match=HEAD):
            said(**{HEAD: head})


@pytest.mark.parametrize("word", ["true", "True", "1", "yes"])
def test_a_fork_is_one_where_the_definition_says_so(word):
    assert said(**{FORK: word}).is_fork


@pytest.mark.parametrize("word", ["", "false", "False", "0", "no"])
def test_no_word_of_a_fork_means_that_a_missing_key_is_an_error(word):
    assert not said(**{FORK: word}).is_fork


def test_a_strange_word_is_refused():
    for environ in ({TARGET: "main"}, {}):
        with pytest.raises(LensError, match=FORK):
            detect(**environ, **{FORK: "mallory/app"})


@pytest.mark.parametrize("branch", ["a..b", "x\n::error::y", " ", "refs/heads/", "x" * 5000])
def test_a_damaged_branch_is_one_clear_error(branch):
    with pytest.raises(LensError, match=TARGET) as caught:
        said(**{TARGET: branch})
    assert caught.value.message.isprintable()
    assert caught.value.exit_code == EXIT_USAGE


def test_an_empty_branch_is_no_pull_request():
    assert said(**{TARGET: ""}) == Context(host="local", event="local", ci=True)
    assert said(**{TARGET: "", FORK: "false"}).event == "local"


@pytest.mark.parametrize("more", [{HEAD: COMMIT}, {FORK: "true"}])
def test_half_a_word_is_refused(more):
    with pytest.raises(LensError, match=f"{next(iter(more))} is set and {TARGET} is not"):
        detect(**more)


@pytest.mark.parametrize("sign", SIGNS)
def test_a_pull_request_of_which_the_definition_says_nothing_is_refused(sign):
    """Taken for a local run it would obey the policy that its author wrote."""
    for more in ({}, {TARGET: ""}):
        with pytest.raises(LensError, match="its author's own policy") as caught:
            detect(CI="true", **{sign: "7"}, **more)
        assert caught.value.exit_code == EXIT_USAGE
        assert TARGET in caught.value.hint
        assert "docs/other-ci.md" in caught.value.hint
    context = said(**{sign: "7"})
    assert (context.event, context.trust_ref) == ("pull_request", "refs/heads/main")


@pytest.mark.parametrize("sign", SIGNS)
def test_what_is_no_pull_request_is_local(sign):
    for value in ("", "false"):
        assert detect(CI="true", **{sign: value}).event == "local"


def test_the_hosts_that_speak_for_themselves_are_asked_first():
    environ = {
        TARGET: "lax",
        "CHANGE_TARGET": "lax",
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_COMMIT_SHA": COMMIT,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    context = detect(**environ)
    assert (context.host, context.target_branch) == ("gitlab", "main")


@given(
    st.dictionaries(
        st.sampled_from([TARGET, HEAD, FORK, *SIGNS]),
        st.text(max_size=12) | st.sampled_from(["main", "true", "false", COMMIT]),
    )
)
def test_whatever_is_said_there_is_a_checked_context_or_a_clear_error(environ):
    context, refusal = None, None
    try:
        context = detect(**environ)
    except LensError as error:
        refusal = error
    if context is None:
        assert refusal.message.isprintable()
        assert refusal.hint
    elif context.event == "local":
        # Nothing says that this is somebody's change.
        assert not environ.get(TARGET)
        assert not any(environ.get(sign, "").lower() not in NO for sign in SIGNS)
    else:
        assert is_branch_name(context.target_branch)
        assert context.head_ref is None or is_commit_id(context.head_ref)


NO = {"", "0", "false", "no", "off"}


def test_the_page_names_every_variable_and_every_ci():
    page = PAGE.read_text("utf-8")
    for name in (TARGET, HEAD, FORK):
        assert f"`{name}`" in page
    table = page.partition("<!-- signs -->")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| ([\w ]+) \| `(\w+)` \|", table, re.MULTILINE))
    assert rows == {name: sign for sign, (name, _) in SIGNS.items()}

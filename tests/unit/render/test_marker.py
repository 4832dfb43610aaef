"""Hidden lines and names: injective whatever the words hold, and read back as written."""

import re
from typing import get_args

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lens_gate.records.publication import Marker
from lens_gate.records.report import Outcome
from lens_gate.render.marker import Said, carries, marker_line, said, state_line, status_name

HEAD = "371ea0f0c5051f7d0d0a3d6b7f0cf3a2b9d1e4c7"
WORDS = st.text(max_size=12) | st.text("a:-> <!%~[]() ", max_size=12) | st.just("x" * 200)
MARKERS = st.builds(Marker, policy=WORDS, environment=WORDS, matrix=WORDS)


def test_the_line_names_policy_environment_and_matrix():
    assert marker_line(Marker(policy="demo")) == "<!-- lens-gate:demo:: -->"
    marker = Marker(policy="checkout-assistant", environment="staging", matrix="eu, 3.11")
    assert marker_line(marker) == "<!-- lens-gate:checkout-assistant:staging:eu%2C%203.11 -->"


def test_words_that_are_too_long_end_in_their_hash():
    line = marker_line(Marker(policy="demo", matrix="x" * 121))
    assert re.fullmatch(r"<!-- lens-gate:demo::x{120}~[0-9a-f]{64} -->", line)
    name = status_name(Marker(policy="demo", environment="y" * 61, matrix="a[1]"))
    assert re.fullmatch(r"lens-gate/demo \(y{59}…~[0-9a-f]{10}\) \[a_1_~[0-9a-f]{10}\]", name)


BRANCHES = st.just("") | WORDS


@given(MARKERS, MARKERS, BRANCHES, BRANCHES)
@example(Marker(policy="a @b"), Marker(policy="a"), "", "b")
@example(Marker(policy="a:b"), Marker(policy="a", environment="b"), "", "")
@example(Marker(policy="a", environment="%3A"), Marker(policy="a", environment=":"), "", "")
@example(Marker(policy="p", matrix="x" * 200), Marker(policy="p", matrix="x" * 199 + "y"), "", "")
@example(Marker(policy="p", matrix="\ud800"), Marker(policy="p", matrix="\udfff"), "", "")
@example(Marker(policy="a--b"), Marker(policy="a-%2Db"), "", "")
@example(
    Marker(policy="p", environment="a) [b"), Marker(policy="p", environment="a", matrix="b"), "", ""
)
@example(
    Marker(policy="p", environment="a) [b", matrix="c"),
    Marker(policy="p", environment="a", matrix="b) [c"),
    "",
    "",
)
@example(Marker(policy="p", environment="a\n"), Marker(policy="p", environment="a"), "", "")
def test_markers_that_differ_share_neither_a_line_nor_a_status(one, other, to, or_to):
    assume(one != other)
    assert marker_line(one) != marker_line(other)
    assert status_name(one, to) != status_name(other, or_to)


@given(MARKERS, BRANCHES, BRANCHES)
def test_branches_that_differ_do_not_share_a_status(marker, to, or_to):
    assume(to != or_to)
    assert status_name(marker, to) != status_name(marker, or_to)
    assert len(status_name(marker, to)) <= 255


@given(MARKERS)
def test_a_line_is_one_hidden_comment_and_nothing_else(marker):
    line = marker_line(marker)
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert line.count("<!--") == line.count("-->") == 1
    assert "--" not in line[4:-3]
    (token,) = MarkdownIt("commonmark").parse(line)
    assert token.type == "html_block"


@given(MARKERS)
def test_a_status_has_a_short_name_on_one_line(marker):
    name = status_name(marker)
    assert len(name) <= 230
    assert len(name.splitlines()) == 1
    assert name.startswith("lens-gate/")


def test_status_names_are_what_branch_rules_ask_for():
    assert status_name(Marker(policy="demo")) == "lens-gate/demo"
    assert status_name(Marker(policy="demo", environment="staging")) == "lens-gate/demo (staging)"
    assert status_name(Marker(policy="demo", matrix="3.11")) == "lens-gate/demo [3.11]"
    both = Marker(policy="demo", environment="staging", matrix="eu, 3.11")
    assert status_name(both) == "lens-gate/demo (staging) [eu, 3.11]"
    assert status_name(both, "release/1.x") == "lens-gate/demo (staging) [eu, 3.11] @release/1.x"
    assert status_name(Marker(policy="demo", matrix="node@18")) == "lens-gate/demo [node@18]"


@given(MARKERS, st.sampled_from(get_args(Outcome)), st.sampled_from(["\n", "\r\n"]))
def test_a_comment_is_known_again_and_says_what_it_said(marker, outcome, end):
    comment = end.join([marker_line(marker), state_line(outcome, HEAD), "", "### any"])
    assert carries(comment, marker)
    assert not carries(comment, Marker(policy="another"))
    assert said(comment) == Said(outcome=outcome, head=HEAD)


@pytest.mark.parametrize("head", [None, "", "main", "-->", HEAD.upper(), HEAD[:12]])
def test_a_state_names_a_commit_or_none(head):
    line = state_line("passed", head)
    assert line == "<!-- lens-gate-state:passed: -->"
    assert said(f"marker\n{line}") == Said(outcome="passed", head="")


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "one line",
        "marker\n\n<!-- lens-gate-state:passed: -->",
        "marker\n<!-- lens-gate-state:novel: -->",
        "marker\nsee <!-- lens-gate-state:passed: -->",
        "marker\n<!-- lens-gate-state:passed:xyz -->",
    ],
)
def test_what_no_second_line_of_ours_says_is_not_known(comment):
    assert said(comment) is None
    assert not carries(comment, Marker(policy="demo"))


def test_a_marker_further_down_is_a_quotation():
    marker = Marker(policy="demo")
    assert not carries(f"Look:\n{marker_line(marker)}", marker)
    assert not carries(f"{marker_line(marker)} and more", marker)

"""Remarks on the policy's lines, and the commands that carry them through a job's log."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.records.policy import Place
from lens_gate.records.publication import Annotation
from lens_gate.render.annotations import annotations, at_most, workflow_commands

FILE = "lens-gate.yaml"


def lines_of(rows):
    """The head's file with each rule where the trusted one has it."""
    found = [""] * 40
    for row in rows:
        found[row.place.line - 1] = f"    {row.policy_line}  "
    return {FILE: found}


def decided(build, name, **given):
    return build.pairs("ttft", "typ", name, 0.045, 0.52, **given)


def test_a_failed_rule_is_remarked_on_its_own_line(build):
    row = decided(build, "fail")
    (one,) = annotations(build.report("failed", rows=[row]), lines_of([row]))
    assert one == Annotation(
        level="error",
        title="chat/quick TTFT typ: fail",
        message=(
            "+52 % [+37, +67], allowed +20 %: worse than the control: +52% over 36 pairs "
            "(p = 0.0003 <= 0.01)"
        ),
        file=FILE,
        line=21,
    )


@pytest.mark.parametrize(
    "lines",
    [
        None,
        {},
        {FILE: []},
        {FILE: ["- {metric: ttft.typ}"] * 20},
        {FILE: [*["- {metric: ttft.typ}"] * 20, "- {metric: ttft.typ, max_regression: 900%}"]},
        {FILE: [""] * 40},
        {"other.yaml": ["- {metric: ttft.typ}"] * 40},
    ],
)
def test_where_the_head_has_another_line_it_is_on_the_file(build, lines):
    (one,) = annotations(build.report("failed", rows=[decided(build, "fail")]), lines)
    assert (one.file, one.line) == (FILE, None)


def test_a_long_line_is_the_same_by_what_the_report_has_of_it(build):
    row = decided(build, "fail", policy_line="x" * 200)
    (one,) = annotations(build.report("failed", rows=[row]), {FILE: ["x" * 300] * 40})
    assert one.line == 21
    row = decided(build, "fail", policy_line="")
    (one,) = annotations(build.report("failed", rows=[row]), {FILE: [""] * 40})
    assert one.line is None
    row = decided(build, "fail", place=Place(file="", line=0, column=0))
    (one,) = annotations(build.report("failed", rows=[row]), {"": ["- {metric: ttft.typ}"]})
    assert (one.file, one.line) == (FILE, None)


@pytest.mark.parametrize(
    ("name", "given", "code", "level"),
    [
        ("fail", {}, 1, "error"),
        ("fail", {"gating": False}, 0, "warning"),
        ("fail", {"waived": "until tomorrow"}, 0, "notice"),
        ("no_data", {}, 5, "error"),
        ("no_data", {"gating": False}, 0, "warning"),
        ("inconclusive", {}, 0, "warning"),
        ("inconclusive", {}, 3, "error"),
        ("inconclusive", {"gating": False}, 0, None),
        ("pass", {}, 0, None),
        ("improved", {}, 0, None),
        ("new", {}, 0, None),
    ],
)
def test_how_loud_a_remark_is_follows_what_the_verdict_does(build, name, given, code, level):
    undecided = "inconclusive" if name == "inconclusive" else "passed"
    outcome = {1: "failed", 5: "no_data"}.get(code, undecided)
    report = build.report(outcome, rows=[decided(build, name, **given)], exit_code=code)
    assert [one.level for one in annotations(report, None)] == ([level] if level else [])


def test_the_worst_come_first_and_errors_before_all(build):
    rows = [
        decided(build, "inconclusive", target="a"),
        decided(build, "fail", target="b", gating=False),
        decided(build, "no_data", target="c"),
        decided(build, "fail", target="d"),
    ]
    found = annotations(build.report("failed", rows=rows), None)
    assert [(one.level, one.title.split()[0]) for one in found] == [
        ("error", "chat/d"),
        ("error", "chat/c"),
        ("warning", "chat/b"),
        ("warning", "chat/a"),
    ]


def test_an_absolute_limit_is_told_by_its_value(build):
    row = build.limit("e2e", "p90", "fail", 1.62, 1.5, low=1.51, high=2.2)
    (one,) = annotations(build.report("failed", rows=[row]), None)
    assert one.message.startswith("1.62 s, allowed ≤ 1.5 s: p90 of 20")
    bare = build.row(verdict=build.verdict("fail", reason="every request failed"))
    (one,) = annotations(build.report("failed", rows=[bare]), None)
    assert one.message == "every request failed"


@pytest.mark.parametrize(
    ("outcome", "level", "title"),
    [
        ("budget", "error", "lens-gate/demo ran out of budget"),
        ("aborted", "error", "lens-gate/demo was broken off"),
        ("no_data", "error", "lens-gate/demo has no verdict"),
        ("not_measured", "notice", "lens-gate/demo was not measured"),
    ],
)
def test_what_no_rule_tells_is_told_of_the_file(build, outcome, level, title):
    report = build.unsent(outcome, "the reason")
    (one,) = annotations(report, {FILE: ["x"]})
    assert (one.level, one.title, one.file, one.line) == (level, title, FILE, None)
    assert one.message == f"{report.headline} {report.next_step}"


@pytest.mark.parametrize("outcome", ["passed", "unchanged", "inconclusive", "failed"])
def test_other_outcomes_are_told_by_their_rows_alone(build, outcome):
    assert annotations(build.unsent(outcome, ""), None) == ()


def test_rows_without_data_tell_it_themselves(build):
    report = build.report("no_data", rows=[decided(build, "no_data")])
    assert [one.title for one in annotations(report, None)] == ["chat/quick TTFT typ: no data"]
    only = build.report("no_data", rows=[decided(build, "no_data", gating=False)])
    assert [one.level for one in annotations(only, None)] == ["error", "warning"]


def test_an_expired_waiver_is_remarked_where_it_stands(build):
    waivers = (build.waiver("expired"), build.waiver("pending"), build.waiver())
    (one,) = annotations(build.report(waivers=waivers), None)
    assert (one.level, one.title, one.file) == (
        "warning",
        "expired waiver",
        "baselines/waivers.yaml",
    )
    (one,) = annotations(build.report(waivers=waivers, waivers_file=""), None)
    assert one.file == FILE


# --- the commands ---------------------------------------------------------------------------------


def as_the_runner_reads(log):
    """Annotations by the rules of GitHub's runner, written down anew from its behaviour.

    A line that begins with ``::`` (white space before it aside) and has a second ``::`` is a
    command if its first word is one. Properties are parted by commas, names from values by the
    first equals sign. Afterwards %0D, %0A, of properties %3A and %2C, and at last %25 are undone.
    """

    def undone(text, *, is_property):
        pairs = [("%0D", "\r"), ("%0A", "\n")]
        pairs += [("%3A", ":"), ("%2C", ",")] if is_property else []
        for code, char in [*pairs, ("%25", "%")]:
            text = text.replace(code, char)
        return text

    for line in re.split("\r\n|\r|\n", log):
        stripped = line.lstrip()
        end = stripped.find("::", 2)
        if not stripped.startswith("::") or end < 0:
            continue
        command, _, rest = stripped[2:end].partition(" ")
        properties = {}
        for part in filter(None, rest.strip().split(",")):
            name, _, value = part.partition("=")
            if value:
                properties[name] = undone(value, is_property=True)
        yield command, properties, undone(stripped[end + 2 :], is_property=False)


def told(one):
    """What a remark must come to."""
    properties = {"file": one.file, "title": one.title}
    if one.line is not None:
        properties["line"] = str(one.line)
    return one.level, {name: value for name, value in properties.items() if value}, one.message


NASTY = st.text(st.sampled_from("a:%,=\r\n 0D2C5A#[]é\u2028\x00\ud800"), max_size=30)
COMMAND_WORDS = st.sampled_from(["::error::x", "%0A::add-mask::y", "%25", "::set-output name=a::b"])
FOREIGN = st.lists(NASTY | COMMAND_WORDS, max_size=3).map("".join)


@given(
    st.lists(
        st.builds(
            Annotation,
            level=st.sampled_from(["error", "warning", "notice"]),
            title=FOREIGN,
            message=FOREIGN,
            file=FOREIGN,
            line=st.none() | st.integers(1, 10**6),
        ),
        max_size=5,
    )
)
def test_the_runner_reads_what_was_meant_and_nothing_else(found):
    log = workflow_commands(found)
    read = list(as_the_runner_reads(log))
    assert len(read) == len(found) == log.count("\n")
    assert not re.search("[\r\x0b\x0c\x85\u2028]", log)
    for (level, properties, message), meant in zip(read, at_most(found, 10), strict=True):
        assert level == meant.level
        assert set(properties) <= {"file", "line", "title"}
        assert properties.get("line") == (None if meant.line is None else str(meant.line))
        # Controls are replaced and white space is one space; the rest arrives as it was.
        for arrived, was in (
            (message, meant.message),
            (properties.get("title", ""), meant.title),
            (properties.get("file", ""), meant.file),
        ):
            kept = [char for char in was if char.isprintable() and not char.isspace()]
            assert [c for c in arrived if not c.isspace() and c != "\ufffd"] == kept


def test_plain_words_come_back_unchanged(build):
    row = decided(build, "fail")
    found = annotations(build.report("failed", rows=[row]), lines_of([row]))
    assert list(as_the_runner_reads(workflow_commands(found))) == [told(one) for one in found]
    bare = Annotation(level="notice", title="", message="50 % of it: done", file="", line=None)
    assert workflow_commands([bare]) == "::notice::50 %25 of it: done\n"


def without_percent(text):
    return text.replace("\n", "%0A").replace("\r", "%0D")


@pytest.mark.parametrize("text", ["a%0A::error::b", "100%25", "%2C", "%3A%3A"])
def test_an_escape_without_the_percent_sign_would_be_caught(text):
    """What looks escaped already must not be undone."""
    one = Annotation(level="error", title=text, message=text, file="f", line=None)
    (read,) = as_the_runner_reads(workflow_commands([one]))
    assert read == told(one)
    wrong = f"::error file=f,title={without_percent(text)}::{without_percent(text)}"
    assert next(as_the_runner_reads(wrong)) != told(one)


def test_a_message_is_as_long_as_the_runner_keeps(build):
    one = Annotation(level="error", title="t" * 9000, message="é%" * 9000, file="f", line=1)
    ((_, properties, message),) = as_the_runner_reads(workflow_commands([one]))
    assert len(message) == 4096
    assert message.endswith("…")
    assert len(properties["title"]) <= 4096


def test_ten_of_each_level_are_shown_and_the_last_says_how_many_more(build):
    rows = [decided(build, "fail", target=f"t{k}") for k in range(25)]
    rows += [decided(build, "inconclusive", target=f"u{k}") for k in range(10)]
    read = list(as_the_runner_reads(workflow_commands(annotations(build.report(rows=rows), None))))
    errors = [properties["title"] for level, properties, _ in read if level == "error"]
    warnings = [properties["title"] for level, properties, _ in read if level == "warning"]
    assert len(errors) == len(warnings) == 10
    assert errors[8].startswith("chat/t8 ")
    assert errors[9] == "16 more remarks of this kind"
    assert warnings[9].startswith("chat/u9 ")


def test_of_a_level_as_many_are_kept_as_asked_for(build):
    rows = [decided(build, "fail", target=f"t{k}") for k in range(60)]
    found = annotations(build.report(rows=rows), None)
    assert at_most(found, 60) == found
    kept = at_most(found, 50)
    assert len(kept) == 50
    assert kept[:49] == found[:49]
    assert kept[49].title == "11 more remarks of this kind"
    assert (kept[49].file, kept[49].line) == (FILE, None)
    assert at_most([], 10) == ()


def test_foreign_words_in_a_remark_are_single_lines(build):
    row = decided(build, "fail", target="x\n::error::y", policy_line="")
    report = replace(build.report("failed", rows=[row]), policy_file="a\nb")
    for one in annotations(report, None):
        assert "\n" not in one.title + one.message + one.file

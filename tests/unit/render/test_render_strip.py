"""A change as a strip of characters."""

import pytest

from lens_gate.render.figures import allowed_to
from lens_gate.render.strip import STRIP, strip, strip_axis


def drawn(row, *others):
    axis = strip_axis([row, *others])
    return "".join(char for char, _ in strip(row, axis))


def test_a_strip_is_as_wide_as_its_column_and_holds_every_mark(build):
    text = drawn(build.pairs("ttft", "typ", "fail", 0.4, 0.5, margin=0.2))
    assert len(text) == STRIP
    assert text.index("┊") < text.index("│") < text.index("─") < text.index("●")
    within = drawn(build.pairs("ttft", "typ", "pass", 0.4, 0.0, margin=0.2))
    assert within.index("●") < within.index("│")


def test_where_more_is_better_the_allowed_end_lies_below(build):
    text = drawn(build.pairs("output_tps", "typ", "fail", 50.0, -0.4, margin=0.25))
    assert text.index("●") < text.index("│") < text.index("┊")


def test_rows_share_their_axis(build):
    one = build.pairs("ttft", "typ", "fail", 0.4, 0.5)
    other = build.pairs("itl", "typ", "pass", 0.4, -0.1)
    assert drawn(one, other).index("┊") == drawn(other, one).index("┊")


def test_what_is_out_of_sight_has_an_arrow(build):
    text = drawn(build.pairs("ttft", "typ", "fail", 0.1, 9.0))
    assert text.endswith("▸")
    assert "●" not in text
    verdict = build.verdict("inconclusive", estimate=0.1, low=None, high=None, margin=None)
    text = drawn(build.row(verdict=verdict))
    assert (text[0], text[-1]) == ("◂", "▸")
    assert "│" not in text


@pytest.mark.parametrize("kind", ["absolute", "rate", "no estimate"])
def test_what_is_no_change_has_no_strip(build, kind):
    row = {
        "absolute": build.limit("ttft", "p95", "pass", 0.3, 0.5, low=0.2, high=0.4),
        "rate": build.row(
            "error_rate", "", verdict=build.verdict(estimate=0.01, low=0.0, high=0.02)
        ),
        "no estimate": build.row(verdict=build.verdict("no_data")),
    }[kind]
    assert strip_axis([row]) is None
    beside = build.pairs("ttft", "typ", "fail", 0.4, 0.5)
    assert strip(row, strip_axis([row, beside])) == []


@pytest.mark.parametrize(
    ("metric", "margin", "allowed"),
    [
        ("ttft", 0.25, 0.25),
        ("output_tps", 0.25, -0.2),
        ("error_rate", 0.02, 0.02),
        ("goodput", 0.02, -0.02),
        ("ttft", None, None),
    ],
)
def test_what_is_allowed_is_a_change_in_the_metrics_own_direction(build, metric, margin, allowed):
    """Where more is better the margin is tested on 1/x."""
    statistic = "" if metric in ("error_rate", "goodput") else "typ"
    row = build.row(metric, statistic, verdict=build.verdict(margin=margin))
    assert allowed_to(row) == (None if allowed is None else pytest.approx(allowed))

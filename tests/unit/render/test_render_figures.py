from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.judge.wording import short_name
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.render import figures
from lens_gate.render.grid import rows_grid, sign


@pytest.mark.parametrize(
    ("amount", "unit", "shown"),
    [
        (None, "s", "–"),
        (0.4123, "s", "412 ms"),
        (0.0, "s", "0 s"),
        (0.012345, "share", "1.23 %"),
        (0.0, "usd", "$0.00"),
        (0.000123456, "usd", "$0.000123"),
        (0.5, "usd", "$0.500"),
        (0.0999, "usd", "$0.0999"),
        (1.0, "usd", "$1.00"),
        (1234.567, "usd", "$1234.57"),
        (60.666, "tokens", "60.7 tokens"),
        (99.6, "tokens", "100 tokens"),
        (1_000_000.0, "tokens", "1000000 tokens"),
        (436.4, "tokens/s", "436 tok/s"),
    ],
)
def test_a_value_has_three_digits_and_its_unit(amount, unit, shown):
    assert figures.value(amount, unit) == shown


@given(amount=st.floats(1e-9, 0.99))
def test_small_money_keeps_three_digits(amount):
    text = figures.value(amount, "usd")
    assert float(text[1:]) == pytest.approx(amount, rel=0.0051)


def test_every_metric_has_a_title_and_an_unknown_name_stays_what_it_is():
    assert figures.metric_title("ttft", "p95") == "TTFT p95"
    assert figures.metric_title("error_rate") == "error rate"
    assert figures.metric_title("no_such") == "no_such"
    assert all("_" not in figures.metric_title(name) for name in CATALOGUE)


def test_sentences_and_tables_call_a_metric_by_one_name():
    assert {name: short_name(name) for name in CATALOGUE} == {
        name: figures.metric_title(name) for name in CATALOGUE
    }


@pytest.mark.parametrize(
    ("estimate", "low", "high", "shown"),
    [
        (0.42, 0.31, 0.55, "+42 % [+31, +55]"),
        (-0.068, -0.301, 0.246, "-6.8 % [-30, +25]"),
        (0.0002, None, 0.1, "0 % [–, +10]"),
        (0.0996, -0.0001, None, "+10 % [0, –]"),
    ],
)
def test_a_change_has_no_more_digits_than_it_deserves(build, estimate, low, high, shown):
    row = build.row(verdict=build.verdict(estimate=estimate, low=low, high=high))
    assert figures.change(row) == shown


def test_only_a_relative_check_with_an_estimate_has_a_change(build):
    assert figures.change(build.row()) == "–"
    absolute = build.row(kind="absolute", verdict=build.verdict(estimate=0.2))
    assert figures.change(absolute) == "–"


def test_rates_are_compared_by_points(build):
    verdict = build.verdict(
        estimate=0.05, low=0.01, high=0.12, margin=0.02, base_value=0.1, head_value=0.15, base_n=8
    )
    errors = build.row("error_rate", "", verdict=verdict)
    assert figures.change(errors) == "+5.0 points [+1.0, +12]"
    assert figures.tolerance(errors) == "+2 points"
    assert (figures.base_value(errors), figures.head_value(errors)) == ("10 %", "15 %")
    assert figures.tolerance(build.row("goodput", "", verdict=verdict)) == "-2 points"


def test_a_share_of_each_request_is_compared_as_a_ratio(build):
    verdict = build.verdict(estimate=0.05, low=0.01, high=0.12, margin=0.25)
    row = build.row("cached_share", "mean", unit="share", better="higher", verdict=verdict)
    assert figures.change(row) == "+5.0 % [+1.0, +12]"
    # 25 % on 1/x is a fall by a fifth.
    assert figures.tolerance(row) == "-20 %"


@pytest.mark.parametrize(
    ("metric", "statistic", "limit", "shown"),
    [
        ("ttft", "p95", 1.5, "≤ 1.5 s"),
        ("output_tps", "typ", 50.0, "≥ 50 tok/s"),
        ("error_rate", "", 0.02, "≤ 2 %"),
        ("goodput", "", 0.95, "≥ 95 %"),
    ],
)
def test_a_limit_says_which_side_of_it_is_fine(build, metric, statistic, limit, shown):
    row = build.row(metric, statistic, kind="absolute", verdict=build.verdict(limit=limit))
    assert figures.tolerance(row) == shown


def test_a_rule_without_margin_or_limit_allows_nothing_in_particular(build):
    assert figures.tolerance(build.row(kind="new")) == "–"


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.0795, 0.0633, 0.118, "79.5 ms [63.3, 118]"),
        (0.98, 0.85, 1.2, "980 ms [850, 1.2 s]"),
        (0.98, 0.85, None, "980 ms [850, –]"),
        (0.98, None, None, "980 ms"),
        (None, None, None, "–"),
    ],
)
def test_an_absolute_check_shows_its_interval_with_the_unit_once(build, value, low, high, shown):
    verdict = build.verdict(estimate=value, low=low, high=high, head_value=value, limit=3.0)
    assert figures.head_with_bounds(build.row(kind="absolute", verdict=verdict)) == shown


def test_the_interval_of_a_change_is_not_shown_as_one_of_the_value(build):
    verdict = build.verdict(estimate=0.2, low=0.1, high=0.3, head_value=0.5)
    assert figures.head_with_bounds(build.row(verdict=verdict)) == "500 ms"


def test_sizes_name_the_stored_runs(build):
    assert figures.sample_size(build.row()) == "20"
    assert figures.sample_size(build.row(verdict=build.verdict(base_n=1))) == "20 · 1 run"
    assert figures.sample_size(build.row(verdict=build.verdict(base_n=8))) == "20 · 8 runs"
    assert figures.sample_size(build.row(kind="absolute", verdict=build.verdict())) == "20"


def test_sizes_in_a_duet_are_pairs(build):
    assert figures.sample_size(build.pairs("ttft", "typ", "pass", 0.4, 0.0)) == "36 pairs"
    assert figures.sample_size(build.pairs("ttft", "typ", "pass", 0.4, 0.0, n=1)) == "1 pair"
    row = build.pairs("ttft", "typ", "pass", 0.4, 0.0, n=8)
    assert figures.sample_size(replace(row, in_blocks=True)) == "8 pairs of blocks"
    absolute = build.row(kind="absolute", mode="duet", verdict=build.verdict())
    assert figures.sample_size(absolute) == "20"


def test_time_stamps_are_written_for_people():
    assert figures.moments("20261121T021500Z to x") == "2026-11-21 02:15 to x"


def test_rows_are_sorted_worst_first_and_gating_first(build):
    rows = [
        build.row(verdict=build.verdict(name), gating=gating)
        for name in ("improved", "pass", "new", "inconclusive", "no_data", "fail")
        for gating in (False, True)
    ]
    names = [(row.name, row.gating) for row in figures.worst_first(rows)]
    assert names[:3] == [("fail", True), ("fail", False), ("no_data", True)]
    assert names[-1] == ("improved", False)
    assert figures.worst_first(rows[:0]) == []


def test_a_waived_failure_comes_after_all_that_asks_for_something(build):
    rows = [build.row(verdict=build.verdict(n)) for n in ("pass", "new", "inconclusive")]
    waived = build.row(verdict=build.verdict("fail"), waived="until tomorrow")
    failed = build.row(verdict=build.verdict("fail"))
    shown = figures.worst_first([waived, *rows, failed])
    assert [(row.name, bool(row.waived)) for row in shown] == [
        ("fail", False),
        ("inconclusive", False),
        ("fail", True),
        ("new", False),
        ("pass", False),
    ]
    assert figures.verdict_words(waived) == "fail (waived)"
    assert sign(waived) == "🟡"


def test_what_was_demoted_says_so(build):
    row = build.row(verdict=build.verdict("fail"), gating=False, demoted="3 of 60 failed")
    assert figures.verdict_words(row) == "fail (demoted)"
    assert figures.reason(row) == "why; only warns: 3 of 60 failed"
    assert sign(row) == "⚠️"


@pytest.mark.parametrize(
    ("requests", "usd", "said"),
    [
        (None, None, ""),
        (820, Decimal("1.234"), "about 820 requests in all, $1.20, would settle it"),
        (26916, Decimal("43.87"), "about 27000 requests in all, $44, would settle it"),
        (1, None, "about 1 request in all would settle it"),
    ],
)
def test_what_would_settle_a_check_is_said_where_it_is_known(build, requests, usd, said):
    verdict = build.verdict("inconclusive", detectable=0.34)
    row = build.row(verdict=verdict, needs_requests=requests, needs_usd=usd)
    assert figures.settling(row) == said
    shown = "the smallest change that could have been shown is +34 %"
    assert figures.open_question(row) == "; ".join(filter(None, (shown, said)))
    assert figures.reason(row) == "; ".join(filter(None, ("why", said)))
    passed = replace(row, verdict=build.verdict("pass"))
    assert figures.reason(passed) == "why"


def test_a_change_at_its_margin_is_not_to_be_chased(build):
    row = build.row(verdict=build.verdict("inconclusive", detectable=0.34, needed_n=90_000))
    said = "the change lies at its margin: no sensible number of requests settles it"
    assert figures.settling(row) == said
    assert figures.open_question(row).endswith(said)


def test_an_open_question_that_was_withheld_is_told_by_its_reason(build):
    row = build.row(verdict=build.verdict("inconclusive", detectable=0.34, withheld=True))
    assert figures.open_question(row) == "why"
    fall = build.row("output_tps", "typ", verdict=build.verdict("inconclusive", detectable=-0.2))
    assert figures.open_question(fall).endswith("is -20 %")
    rate = build.row("error_rate", "", verdict=build.verdict("inconclusive", detectable=0.04))
    assert figures.open_question(rate).endswith("is +4 points")


def test_a_reason_says_what_a_waiver_lets_through(build):
    row = build.row(verdict=build.verdict("fail"), waived="waived until tomorrow: known (me)")
    assert figures.reason(row) == "why; waived until tomorrow: known (me)"


def test_chances_are_those_of_the_policy_and_what_was_measured(build):
    by_design = (
        "unchanged builds: at most 1 % for each policy; a real change no larger than its margin: "
        "at most 5 % for each check."
    )
    assert figures.rates(0.99, "") == by_design
    assert figures.rates(0.99, "0 of 24 failed") == f"{by_design} Measured: 0 of 24 failed."
    assert figures.rates(0.95, "").startswith("unchanged builds: at most 5 % for")


def test_a_default_margin_is_marked_only_where_there_is_a_margin(build):
    margin = build.verdict(margin=0.2)
    assert figures.by_default(build.row(verdict=margin, margin_from="default"))
    assert not figures.by_default(build.row(verdict=margin))
    assert not figures.by_default(build.row(margin_from="default"))
    marked = rows_grid([build.row(verdict=margin, margin_from="default")])
    assert "| +20 % (default) |" in marked


def test_what_only_warns_is_no_red_cross(build):
    row = build.row(verdict=build.verdict("fail"))
    assert sign(row) == "❌"
    assert sign(replace(row, gating=False)) == "⚠️"
    assert figures.verdict_words(replace(row, gating=False)) == "fail (warn)"
    assert figures.verdict_words(build.row(verdict=build.verdict("no_data"))) == "no data"
    warned = build.row(verdict=build.verdict("inconclusive"), gating=False)
    assert sign(warned) == "❔"


def test_a_grid_keeps_to_a_comment_s_width(build):
    row = build.drift("output_tokens", "mean", "fail", 60.7, 0.478, gating=False)
    assert all(len(line) <= 160 for line in rows_grid([row]).splitlines())

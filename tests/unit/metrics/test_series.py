"""A metric over stored runs: levels within stretches, changes, the trend of the newest level."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lens_gate.metrics.series import analysed, moment
from lens_gate.records.series import StoredRun
from lens_gate.stats.rng import generator

START = datetime(2026, 9, 1, tzinfo=UTC)


def runs(count, *, stretch=lambda _k: 0, bad=(), gap=timedelta(days=1)):
    return [
        StoredRun(
            path="", created=(START + k * gap).strftime("%Y%m%dT%H%M%SZ"), commit="", run_id="",
            models=(), requests=9, failed=0, spent_usd=Decimal(0), stretch=stretch(k),
            bad="bad" if k in bad else "",
        )
        for k in range(count)
    ]  # fmt: skip


def noisy(*levels, sd=0.05):
    rng = generator("series", len(levels))
    return [level * math.exp(rng.normal(0, sd)) for level in levels]


def test_a_change_is_told_as_a_ratio_with_the_runs_on_either_side():
    found = analysed("ttft", "typ", runs(40), noisy(*[0.4] * 25, *[0.6] * 15))
    (change,) = found.changes
    assert (change.last, change.first, change.worse) == (24, 25, True)
    assert change.change == pytest.approx(0.5, abs=0.08)
    assert change.p <= 0.01
    assert [(level.first, level.last, level.runs) for level in found.levels] == [
        (0, 24, 25),
        (25, 39, 15),
    ]
    assert found.relative


def test_a_rise_of_what_should_be_high_is_for_the_better():
    values = noisy(*[30.0] * 20, *[60.0] * 20)
    assert not analysed("output_tps", "typ", runs(40), values).changes[0].worse
    assert analysed("output_tps", "typ", runs(40), values[::-1]).changes[0].worse


def test_nothing_is_worked_out_across_the_end_of_a_stretch():
    """One stretch would show a change for each that was made on purpose."""
    values = noisy(*[0.4] * 20, *[0.8] * 20)
    apart = analysed("ttft", "typ", runs(40, stretch=lambda k: k // 20), values)
    assert apart.changes == ()
    assert [level.first for level in apart.levels] == [0, 20]
    assert analysed("ttft", "typ", runs(40), values).changes != ()


def test_runs_that_are_bad_or_have_no_number_are_in_no_level():
    values = [*noisy(*[0.4] * 20)]
    values[3], values[5] = 90.0, None
    found = analysed("ttft", "typ", runs(20, bad={3}), values)
    assert found.levels[0].runs == 18
    assert found.values[3] == 90.0
    assert found.levels[0].value == pytest.approx(0.4, rel=0.1)


@pytest.mark.parametrize("metric", ["error_rate", "cached_share", "queue_delay"])
def test_shares_and_what_may_be_nothing_change_by_differences(metric):
    values = [abs(v) for v in generator("rate").normal(0.02, 0.005, 20)]
    values += [v + 0.1 for v in values]
    found = analysed(metric, "", runs(40), values)
    assert not found.relative
    assert found.changes[0].change == pytest.approx(0.1, abs=0.01)


def test_a_zero_among_times_is_no_ratio():
    assert not analysed("ttft", "typ", runs(3), [0.0, 0.1, 0.2]).relative


def test_the_trend_is_that_of_the_newest_level_over_its_days():
    rising = [0.4] * 20 + [0.9 * math.exp(0.01 * k) for k in range(8)]
    found = analysed("ttft", "typ", runs(28), noisy(*rising, sd=0.001)).trend
    assert (found.days, found.runs, found.shown) == (7.0, 8, found.p <= 0.01)
    assert found.p < 0.05
    assert found.low < found.change < found.high
    assert found.change == pytest.approx(math.expm1(0.07), abs=0.01)


def test_of_shares_the_trend_is_a_difference():
    values = [0.01 + 0.001 * k for k in range(7)]
    assert analysed("error_rate", "", runs(7), values).trend is None
    found = analysed("error_rate", "", runs(8), [*values, 0.017]).trend
    assert found.change == pytest.approx(0.007)


def test_a_trend_without_bounds_has_no_ends():
    times = [timedelta(0)] * 7 + [timedelta(days=1)]
    made = [runs(1, gap=timedelta(0))[0] for _ in times]
    last = runs(2)[1]
    found = analysed("ttft", "typ", [*made[:7], last], [0.2, 0.9, 0.3, 0.8, 0.25, 0.85, 0.3, 0.7])
    assert (found.trend.low, found.trend.high) == (None, None)


def test_without_runs_there_is_nothing():
    found = analysed("ttft", "typ", [], [])
    assert (found.levels, found.changes, found.trend) == ((), (), None)


def test_the_time_of_a_run():
    assert moment("20261121T021500Z") == datetime(2026, 11, 21, 2, 15, tzinfo=UTC)

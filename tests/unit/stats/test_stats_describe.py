"""A sample in eight numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.stats.describe import describe


def test_by_hand():
    row = describe([4.0, 1.0, 2.0])
    # Logs 0, 1, 2 in units of log 2: averages 0 .5 1 1 1.5 2, their median 1.
    assert row.n == 3
    assert row.mean == pytest.approx(7 / 3)
    assert row.typ == pytest.approx(2.0)
    assert (row.p50, row.max) == (2.0, 4.0)
    assert (row.p90, row.p95, row.p99) == pytest.approx((3.6, 3.8, 3.96))


def test_typical_value_without_logs_where_zero_occurs():
    assert describe([0.0, 1.0, 2.0]).typ == 1.0
    assert describe([-1.0, 4.0]).typ == 1.5
    assert describe([0.0] * 9).typ == 0.0


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=50))
def test_rows_are_in_order_and_follow_the_unit(values):
    row = describe(values)
    assert min(values) * 0.999999 <= row.typ <= row.max * 1.000001
    assert row.p50 <= row.p90 <= row.p95 <= row.p99 <= row.max == max(values)
    scaled = describe([7 * value for value in values])
    assert scaled.typ == pytest.approx(7 * row.typ, rel=1e-9)
    assert scaled.p95 == pytest.approx(7 * row.p95, rel=1e-9)


def test_a_higher_quantile_never_comes_out_lower_by_rounding():
    """(1 - share) low + share high does: 999.9999999999999 at p95 against 1000 at p90."""
    row = describe([1.0, 1.0, 1.0, 1000.0, 999.9999999999999])
    assert row.p50 <= row.p90 <= row.p95 <= row.p99 <= row.max


def test_empty_and_no_numbers_are_refused():
    with pytest.raises(ValueError, match="no values"):
        describe([])
    with pytest.raises(ValueError, match="not a number"):
        describe([1.0, math.nan])


def test_thousands_are_no_burden_and_agree_with_numpy():
    x = np.random.default_rng(1).lognormal(size=3000)
    row = describe(x)
    assert row.p99 == pytest.approx(float(np.quantile(x, 0.99)))
    assert row.typ == pytest.approx(1.0, abs=0.06)

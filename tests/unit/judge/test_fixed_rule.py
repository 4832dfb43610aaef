"""The rule that is held beside the gate's own: more than a tenth worse than the run before."""

import pytest

from lens_gate.judge.fixed_rule import would_fail
from lens_gate.records.report import Statistics


def of(p50, mean=1.0, p95=1.0):
    return Statistics(
        n=20, censored=0, mean=mean, typ=99.0, p50=p50, p90=1.0, p95=p95, p99=1.0, max=1.0
    )


@pytest.mark.parametrize(("now", "said"), [(1.11, True), (1.09, False), (0.5, False)])
def test_typ_is_the_median_and_a_tenth_is_the_limit(now, said):
    assert would_fail("ttft", "typ", {"ttft": of(now)}, {"ttft": of(1.0)}) is said


def test_other_statistics_are_their_own():
    now, before = {"e2e": of(9.0, p95=1.2)}, {"e2e": of(1.0, p95=1.0)}
    assert would_fail("e2e", "p95", now, before) is True
    assert would_fail("e2e", "mean", now, before) is False


def test_where_more_is_better_less_is_worse():
    slow, fast = {"output_tps": of(1.0)}, {"output_tps": of(1.2)}
    assert would_fail("output_tps", "typ", slow, fast) is True
    assert would_fail("output_tps", "typ", fast, slow) is False


@pytest.mark.parametrize(
    ("metric", "now", "before"),
    [
        ("ttft", {}, {"ttft": of(1.0)}),
        ("ttft", {"ttft": of(1.0)}, {}),
        ("error_rate", {"error_rate": of(1.0)}, {"error_rate": of(1.0)}),
    ],
)
def test_without_a_number_on_both_sides_nothing_is_said(metric, now, before):
    assert would_fail(metric, "", now, before) is None

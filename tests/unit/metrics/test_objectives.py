"""Objectives: how they are read, and how stored runs are held against them."""

from decimal import Decimal

import pytest

from lens_gate.metrics.objectives import kept, parse_objective, run_value
from lens_gate.metrics.summary import stored_statistics
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint


def run(values, *, failures=None, censored=(), retried=(), bad="", hour=0):
    count = max((len(column) for column in values.values()), default=0)
    return Baseline(
        scenario="chat", target="mini", created=f"20261121T{hour:02}0000Z", commit="a" * 40,
        policy="p", run_id=str(hour), models=(), fingerprint=Fingerprint(fixed={}, compared={}),
        prompt_ids=("p",) * count, values=values, censored=censored, retried=retried,
        failures=failures or {}, spent_usd=Decimal(0), environment={}, bad=bad,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ttft.p95<1.2s", ("ttft", "p95", "<", 1.2)),
        (" e2e <= 900ms ", ("e2e", "typ", "<=", 0.9)),
        ("error_rate≤1%", ("error_rate", "", "<=", 0.01)),
        ("goodput>=95%", ("goodput", "", ">=", 0.95)),
        ("output_tps.p50 > 30", ("output_tps", "p50", ">", 30.0)),
        ("cost_usd<$0.002", ("cost_usd", "mean", "<", 0.002)),
        ("cost_usd<0.002", ("cost_usd", "mean", "<", 0.002)),
        ("output_tokens.max<400", ("output_tokens", "max", "<", 400.0)),
    ],
)
def test_an_objective_is_read(text, expected):
    found = parse_objective(text)
    assert (found.metric, found.statistic, found.operator, found.limit) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ttft.p95", "no objective"),
        ("ttft.p95<", "no objective"),
        ("ttft.p95=1s", "no objective"),
        ("x" * 100_000, "no objective"),
        ("ttfx<1s", "did you mean 'ttft'"),
        ("ttft.p96<1s", "no statistic"),
        ("ttft.p95>1s", "lower is better"),
        ("output_tps<30", "higher is better"),
        ("throughput>30", "stored runs hold no throughput"),
        ("ttft<1.2", "not a duration"),
        ("error_rate<0.01", "not a share"),
        ("output_tokens<4e9", "no number"),
        ("cost_usd<NaN", "US dollars"),
    ],
)
def test_what_is_none_is_said(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_objective(text)


def held(text, *runs, share=1.0, objectives=None):
    return kept(parse_objective(text), runs, share=share, objectives=objectives or {})


def test_a_run_meets_by_its_statistic_and_a_request_by_itself():
    found = held("ttft.p50<1s", run({"ttft": (0.2, 0.4, 3.0)}), run({"ttft": (0.2, 2.0, 3.0)}))
    assert (found.runs, found.met, found.requests, found.requests_met) == (2, 1, 6, 3)
    assert (found.share, found.requests_share) == (0.5, 0.5)
    assert (found.worst, found.worst_value, found.kept) == (1, 2.0, False)
    assert held("ttft.p50<1s", run({"ttft": (0.2,)}), run({"ttft": (2.0,)}), share=0.5).kept


def test_the_statistic_is_that_of_every_table():
    baseline = run({"ttft": (0.2, 0.4, 3.0, 0.7), "e2e": (1.0, None, 2.0, 3.0)})
    table = stored_statistics(baseline)
    for metric, statistic in (("ttft", "typ"), ("ttft", "p95"), ("e2e", "mean"), ("e2e", "max")):
        assert run_value(baseline, metric, statistic, {}) == table[metric].named(statistic)
    assert run_value(baseline, "itl", "typ", {}) is None


def test_the_limit_itself_is_met_only_where_the_sign_says_so():
    runs = [run({"ttft": (1.0,)})]
    assert not held("ttft.max<1s", *runs).kept
    assert held("ttft.max<=1s", *runs).kept


def test_failed_and_retried_requests_do_not_meet_a_time():
    found = held("ttft<1s", run({"ttft": (0.2, 0.3, None)}, failures={"http_500": 2}, retried=(2,)))
    assert (found.requests, found.requests_met, found.met) == (5, 2, 1)


def test_a_request_that_timed_out_is_endlessly_slow():
    """Its limit stands in the file: taken for a time it would meet a generous objective."""
    late = run({"ttft": (0.2, 0.2, 0.2, 5.0)}, censored=(3,))
    assert not held("ttft.max<10s", late).kept
    found = held("ttft.mean<10s", late)
    assert (found.met, found.requests_met, found.requests) == (0, 3, 4)
    assert held("ttft.p50<10s", late).kept
    slow = run({"output_tps": (50.0, 50.0, 50.0, 40.0)}, censored=(3,))
    assert not held("output_tps.mean>39", run({"output_tps": (40.0, 1.0)}, censored=(1,))).kept
    assert held("output_tps.p50>39", slow).kept
    assert held("itl<1s", late).runs == 1


def test_a_rate_is_of_all_requests():
    baseline = run({"ttft": (0.2, 0.9, 0.3)}, failures={"http_429": 1}, retried=(2,))
    assert run_value(baseline, "error_rate", "", {}) == 0.5
    found = held("error_rate<=50%", baseline)
    assert (found.kept, found.requests, found.requests_met) == (True, 4, 2)
    assert run_value(baseline, "goodput", "", {"ttft": 0.5}) == 0.25
    good = held("goodput>=20%", baseline, objectives={"ttft": 0.5})
    assert (good.kept, good.requests, good.requests_met) == (True, 4, 1)
    assert run_value(baseline, "goodput", "", {}) is None
    assert held("goodput>=20%", baseline).runs == 0
    assert run_value(run({}), "error_rate", "", {}) is None


def test_runs_that_are_bad_count_nowhere_and_keep_their_numbers():
    runs = [run({"ttft": (9.0,)}, bad="outage"), run({"ttft": (0.5,)}), run({"ttft": (0.4,)})]
    found = held("ttft<1s", *runs)
    assert (found.runs, found.met, found.worst, found.streak, found.streak_from) == (2, 2, 1, 2, 1)


def test_a_run_of_which_all_failed_misses_and_has_no_worst_value():
    found = held("ttft<1s", run({}, failures={"timeout": 3}))
    assert (found.runs, found.met, found.worst, found.worst_value) == (1, 0, None, None)


@pytest.mark.parametrize(
    ("times", "streak", "since"),
    [((0.5, 2.0, 0.5, 0.6), 2, 2), ((0.5, 2.0, 3.0), -2, 1), ((0.5,), 1, 0), ((), 0, None)],
)
def test_the_streak_counts_the_last_runs_that_are_alike(times, streak, since):
    found = held("ttft<1s", *(run({"ttft": (time,)}) for time in times))
    assert (found.streak, found.streak_from) == (streak, since)


def test_nothing_measured_keeps_nothing():
    found = held("ttft<1s")
    assert (found.kept, found.share, found.requests_share) == (False, None, None)


def test_the_worst_of_what_should_be_high_is_the_lowest():
    found = held("output_tps>10", run({"output_tps": (50.0,)}), run({"output_tps": (20.0,)}))
    assert found.worst == 1

"""The noise is the profile's: by drawing, not by waiting. Bounds are about four standard errors."""

import math
import statistics
from dataclasses import replace
from itertools import islice, pairwise

import pytest

from lens_gate.sim.behaviour import behaviour_from_mapping
from lens_gate.sim.draws import (
    LONGEST_S,
    asked_of,
    draw,
    drift_factors,
    gaps,
    start_run,
    words,
)
from lens_gate.sim.model import PROFILES, Drift, Step

HOSTED, SELFHOST, STEADY = (PROFILES[name] for name in ("hosted", "selfhost", "steady"))


def session(behaviour, *, seed=1, n=20_000):
    run, drawn, last = start_run(behaviour, seed), [], None
    for number in range(1, n + 1):
        last = draw(behaviour, run, number, last)
        drawn.append(last)
    return run, drawn


def logs(values):
    return [math.log(value) for value in values]


def correlation(values):
    mean = statistics.fmean(values)
    centred = [v - mean for v in values]
    return sum(a * b for a, b in pairwise(centred)) / sum(c * c for c in centred)


@pytest.fixture(scope="module")
def hosted():
    return session(HOSTED)


def test_hosted_ttft_has_the_measured_spread_and_tail(hosted):
    # The checks that statistics.md section 2 gives for its model: sd .43, p95/p50 2.2.
    times = sorted(d.ttft_s for d in hosted[1])
    assert statistics.stdev(logs(times)) == pytest.approx(0.43, abs=0.02)
    assert times[19_000] / times[10_000] == pytest.approx(2.2, abs=0.12)


@pytest.mark.parametrize(
    ("name", "rate", "least", "mean"), [("ttft", 0.132, 0.30, 0.41), ("gap", 0.047, 0.40, 0.22)]
)
def test_hosted_slow_mode_has_the_fitted_rate_and_size(hosted, name, rate, least, mean):
    run, drawn = hosted
    times = HOSTED.ttft if name == "ttft" else HOSTED.gap.times
    extra = [
        math.log(getattr(d, f"{name}_s") / getattr(run, name) / times.median_s)
        - times.sigma * getattr(d, f"{name}_noise")
        for d in drawn
    ]
    slow = [x for x in extra if x > 1e-9]
    assert len(slow) / len(extra) == pytest.approx(rate, abs=4 * math.sqrt(rate / len(extra)))
    assert min(slow) >= least - 1e-9
    assert statistics.fmean(slow) == pytest.approx(least + mean, abs=4 * mean / len(slow) ** 0.5)


def test_hosted_noise_is_standard_normal_and_follows_itself(hosted):
    for name, rho in (("ttft_noise", 0.05), ("gap_noise", 0.20)):
        noise = [getattr(d, name) for d in hosted[1]]
        assert statistics.fmean(noise) == pytest.approx(0, abs=0.04)
        assert statistics.stdev(noise) == pytest.approx(1, abs=0.03)
        assert correlation(noise) == pytest.approx(rho, abs=0.03)
    assert HOSTED.ttft.sigma == 0.333
    assert HOSTED.gap.times.sigma == 0.241


def test_strong_correlation_keeps_the_spread():
    behaviour = behaviour_from_mapping({"ttft": {"sigma": 0.3, "rho": 0.9}})
    noise = [d.ttft_noise for d in session(behaviour)[1]]
    assert correlation(noise) == pytest.approx(0.9, abs=0.02)
    assert statistics.stdev(noise) == pytest.approx(1, abs=0.12)


def test_output_length_is_log_normal(hosted):
    sizes = [d.output_tokens for d in hosted[1]]
    assert statistics.median(sizes) == pytest.approx(100, abs=1)
    assert statistics.stdev(logs(sizes)) == pytest.approx(0.13, abs=0.005)


@pytest.mark.parametrize(
    ("behaviour", "ttft", "gap"), [(HOSTED, 0.18, 0.14), (SELFHOST, 0.04, 0.04)]
)
def test_each_process_draws_one_shift(behaviour, ttft, gap):
    runs = [start_run(behaviour, seed) for seed in range(3000)]
    for name, sd in (("ttft", ttft), ("gap", gap)):
        shifts = logs(getattr(run, name) for run in runs)
        assert statistics.stdev(shifts) == pytest.approx(sd, rel=0.06)
        assert statistics.fmean(shifts) == pytest.approx(0, abs=4 * sd / 3000**0.5)


def test_runs_differ_more_than_their_requests_explain():
    """A shift drawn anew for each request has the same spread within a run, and is caught here."""
    behaviour = replace(HOSTED, ttft=replace(HOSTED.ttft, rho=0.0))

    def wrong(seed):
        shifts = [start_run(behaviour, 1000 * seed + i).ttft for i in range(50)]
        drawn = session(replace(behaviour, run_shift=STEADY.run_shift), seed=seed, n=50)[1]
        return [d.ttft_s * shift for d, shift in zip(drawn, shifts, strict=True)]

    def spread_of_means(make):
        return statistics.stdev(statistics.fmean(logs(make(seed))) for seed in range(200))

    ours = spread_of_means(lambda seed: [d.ttft_s for d in session(behaviour, seed=seed, n=50)[1]])
    # sqrt(.18^2 + .43^2 / 50) = .19 against .066 without a shift of the run.
    assert ours == pytest.approx(0.19, abs=0.035)
    assert spread_of_means(wrong) < 0.09


def test_steady_has_no_noise():
    _, drawn = session(STEADY, n=50)
    assert {(d.ttft_s, d.gap_s, d.output_tokens, d.reasoning_tokens) for d in drawn} == {
        (0.4, 0.02, 100, 0)
    }


def test_the_same_seed_draws_the_same_and_another_does_not():
    assert session(HOSTED, n=20) == session(HOSTED, n=20)
    assert session(HOSTED, n=20) != session(HOSTED, seed=2, n=20)


def test_a_changed_median_changes_nothing_else():
    slower = behaviour_from_mapping({"profile": "hosted", "ttft": {"median": "2s"}})
    for before, after in zip(session(HOSTED, n=200)[1], session(slower, n=200)[1], strict=True):
        assert after.ttft_s == pytest.approx(5 * before.ttft_s)
        assert (after.gap_s, after.output_tokens) == (before.gap_s, before.output_tokens)


def test_faults_and_lengths_leave_the_times_alone():
    changed = behaviour_from_mapping(
        {
            "profile": "hosted",
            "output_tokens": {"median": 300},
            "reasoning": {"tokens": {"median": 9, "sigma": 1}},
            "faults": [{"kind": "cut", "rate": "50%"}],
        }
    )
    times = [[(d.ttft_s, d.gap_s) for d in session(b, n=100)[1]] for b in (HOSTED, changed)]
    assert times[0] == times[1]


def test_jitter_spreads_gaps_and_keeps_their_mean():
    run = start_run(HOSTED, 1)
    single = list(islice(gaps(run, 1, 0.02, 0.5), 20_000))
    assert statistics.fmean(single) == pytest.approx(0.02, rel=0.02)
    assert statistics.stdev(logs(single)) == pytest.approx(0.5, abs=0.01)
    assert list(islice(gaps(run, 1, 0.02, 0.5), 50)) == single[:50]
    assert list(islice(gaps(run, 1, 0.02, 0.0), 3)) == [0.02] * 3


def test_drift_compounds_by_the_minute_and_steps_once():
    drift = Drift(ttft=0.10, gap=-0.5, step=Step(after_s=120, factor=2))
    assert drift_factors(drift, 60) == pytest.approx((1.1, 0.5))
    assert drift_factors(drift, 119.9)[0] < 1.3
    assert drift_factors(drift, 120) == pytest.approx((2 * 1.21, 2 * 0.25))
    assert drift_factors(Drift(), 1e6) == (1, 1)


def test_faults_strike_whom_they_name():
    behaviour = behaviour_from_mapping(
        {
            "faults": [
                {"kind": "cut", "every": 3},
                {"kind": "stall", "for": "1s", "at": [1, 4]},
                {"kind": "no_usage", "rate": "25%"},
            ]
        }
    )
    struck = {kind: [] for kind in ("cut", "stall", "no_usage")}
    for d in session(behaviour, n=4000)[1]:
        for fault in d.faults:
            struck[fault.kind].append(d.number)
    assert struck["cut"] == list(range(3, 4001, 3))
    assert struck["stall"] == [1, 4]
    assert len(struck["no_usage"]) == pytest.approx(1000, abs=110)


def test_extremes_stay_finite():
    wild = behaviour_from_mapping(
        {
            "ttft": {"median": "1d", "sigma": 5, "slow_rate": "100%", "slow_mean": 5},
            "output_tokens": {"median": 100_000, "sigma": 5},
        }
    )
    drawn = session(wild, n=300)[1]
    assert max(d.ttft_s for d in drawn) == LONGEST_S
    assert (
        1 <= min(d.output_tokens for d in drawn) <= max(d.output_tokens for d in drawn) <= 200_000
    )


def test_words_are_one_token_each_and_the_same_each_time():
    run = start_run(STEADY, 5)
    first = list(islice(words(run, 1), 30))
    assert first == list(islice(words(run, 1), 30))
    assert first != list(islice(words(run, 2), 30))
    assert len("".join(first).split()) == 30


def test_a_share_of_requests_calls_and_nothing_else_moves():
    calling = behaviour_from_mapping({"profile": "hosted", "tool_calls": "30%"})
    _, drawn = session(calling, n=4000)
    _, plain = session(HOSTED, n=4000)
    assert sum(d.calls for d in drawn) == pytest.approx(1200, abs=120)
    assert not any(d.calls for d in plain)
    assert [replace(d, calls=False) for d in drawn] == plain


def test_a_model_s_factors_scale_its_own_draws_and_no_noise():
    behaviour = behaviour_from_mapping(
        {"profile": "hosted", "models": {"slow": {"ttft": 1.5, "output_tokens": 1.3}}}
    )
    _, drawn = session(behaviour, n=50)
    for one in drawn:
        slow = asked_of(one, behaviour, "slow")
        assert slow.ttft_s == pytest.approx(1.5 * one.ttft_s)
        assert slow.gap_s == one.gap_s
        assert slow.output_tokens == max(1, round(1.3 * one.output_tokens))
        assert (slow.ttft_noise, slow.number) == (one.ttft_noise, one.number)
        assert asked_of(one, behaviour, "other") == one


def test_a_model_s_faults_strike_no_other_model():
    faults = [{"kind": "empty_200", "every": 1, "model": "bad"}, {"kind": "no_usage", "every": 2}]
    behaviour = behaviour_from_mapping({"faults": faults})
    _, drawn = session(behaviour, n=4)
    struck = {
        model: [[f.kind for f in asked_of(one, behaviour, model).faults] for one in drawn]
        for model in ("bad", "good")
    }
    assert struck["good"] == [[], ["no_usage"], [], ["no_usage"]]
    assert struck["bad"] == [
        ["empty_200"],
        ["empty_200", "no_usage"],
        ["empty_200"],
        ["empty_200", "no_usage"],
    ]

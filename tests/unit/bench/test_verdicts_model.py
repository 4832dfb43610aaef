"""The simulated services are what they are said to be: spreads, correlations, pairs."""

import math

import numpy as np
import pytest

from bench.verdicts.model import PROFILES, Change, Service, slower

DRAWS = 3000


def pooled(profile, metric, n=40, draws=400):
    """Log values of many sessions, each without its mean."""
    rows = []
    for seed in range(draws):
        _, head = Service([1, seed], profile).history(runs=0, n=n)
        rows.append(np.log(head.values(metric)))
    rows = np.array(rows)
    return rows - rows.mean(axis=1, keepdims=True)


def steps(gap_h, metric, draws=DRAWS):
    """By how much two runs of a target differ, sampling noise of 60 requests included."""
    found = []
    for seed in range(draws):
        (old,), new = Service([2, seed]).history(runs=1, n=60, gap_h=gap_h)
        found.append(np.median(np.log(new.values(metric))) - np.median(np.log(old.values(metric))))
    return float(np.std(found))


@pytest.mark.parametrize(
    ("profile", "ttft", "itl"), [("hosted", 0.43, 0.28), ("selfhost", 0.20, 0.06)]
)
def test_requests_of_a_run_spread_as_measured(profile, ttft, itl):
    assert pooled(profile, "ttft").std() == pytest.approx(ttft, rel=0.08)
    assert pooled(profile, "itl").std() == pytest.approx(itl, rel=0.08)
    assert pooled(profile, "cost").std() == pytest.approx(0.13, rel=0.05)


def test_the_tail_of_ttft_is_as_heavy_as_measured():
    values = np.exp(pooled("hosted", "ttft"))
    assert np.quantile(values, 0.95) / np.median(values) == pytest.approx(2.2, rel=0.08)


@pytest.mark.parametrize(
    ("metric", "gap_h", "sd"),
    # Measured without sampling noise: .22, .18 a day apart and .18, .13 four hours apart.
    [("ttft", 24.0, 0.22), ("itl", 24.0, 0.18), ("ttft", 4.0, 0.18), ("itl", 4.0, 0.13)],
)
def test_two_runs_differ_as_measured(metric, gap_h, sd):
    sampling = 1.25 * math.sqrt(2 / 60) * (0.36 if metric == "ttft" else 0.28)
    assert steps(gap_h, metric, draws=800) == pytest.approx(math.hypot(sd, sampling), rel=0.15)


def test_noise_lasts_longer_under_stress():
    def kept(profile):
        noise = pooled(profile, "itl", n=80, draws=150)
        return float((noise[:, 1:] * noise[:, :-1]).mean() / noise.var())

    assert kept("hosted") == pytest.approx(0.15, abs=0.05)  # .20, thinned by spikes
    assert kept("stress") > 0.35


def test_the_rate_of_spikes_varies_from_run_to_run_and_more_so_under_stress():
    def varied(profile):
        rates = []
        for seed in range(300):
            _, head = Service([3, seed], profile).history(runs=0, n=60)
            logs = np.log(head.ttft)
            rates.append((logs > np.median(logs) + 0.8).mean())
        return np.std(rates) / np.mean(rates)

    constant = math.sqrt((1 - 0.09) / 0.09 / 60)
    assert constant < varied("hosted") < varied("stress")


def test_both_sides_of_a_duet_share_the_run_and_nothing_else():
    differences, levels = [], []
    for seed in range(400):
        duet = Service([4, seed]).duet(50)
        head, control = np.log(duet.head.itl), np.log(duet.control.itl)
        levels.append(control.mean())
        differences.append((head - control).mean())
    assert np.std(levels) > 0.12
    assert np.std(differences) == pytest.approx(0.28 * math.sqrt(2 / 50), rel=0.2)
    assert abs(np.mean(differences)) < 3.5 * np.std(differences) / math.sqrt(400)


def test_who_goes_first_is_a_coin():
    """The requests of a session in their order, told from both arms by the same seed."""
    firsts = []
    for seed in range(40):
        whole = Service([5, seed]).history(runs=0, n=40)[1]
        duet = Service([5, seed]).duet(20)
        firsts += [bool(x == whole.ttft[2 * k]) for k, x in enumerate(duet.control.ttft)]
    assert 0.4 < np.mean(firsts) < 0.6


def test_prompts_of_unlike_length_are_shared_by_the_pair():
    duet = Service(6).duet(400, prompt_sd=1.0)
    head, control = np.log(duet.head.tokens), np.log(duet.control.tokens)
    assert np.std(head) > 0.8
    assert np.std(head - control) == pytest.approx(0.13 * math.sqrt(2), rel=0.15)


def test_a_change_is_a_factor_on_the_same_noise():
    duet = Service(7).duet(10)
    slowed = duet.changed(Change(ttft=1.5, tokens=2.0))
    assert slowed.head.ttft == pytest.approx(1.5 * duet.head.ttft)
    assert slowed.head.values("cost") == pytest.approx(2 * duet.head.values("cost"))
    assert slowed.control is duet.control
    e2e = duet.changed(slower(1.3)).head.values("e2e")
    assert e2e == pytest.approx(1.3 * duet.head.values("e2e"))
    first = duet.head
    assert first.values("e2e") == pytest.approx(first.ttft + first.itl * (first.tokens - 1))


def test_the_same_seed_draws_the_same_and_another_one_does_not():
    one, same, other = (Service([8, seed]).duet(5).head.ttft for seed in (1, 1, 2))
    assert list(one) == list(same)
    assert list(one) != list(other)
    assert set(PROFILES) == {"hosted", "selfhost", "stress"}

"""The pure decision as a black box, on services that nobody of the project has modelled.

Five kinds of noise that share neither code nor form with those of the simulator or of the benches:
Pareto tails, two modes a factor three apart, drift with a random walk, busy spells, and a mixture.
All draws have fixed seeds: the same counts on every machine, so nothing here can flake. The bounds
are those that a decision with the promised rates exceeds in less than one set of seeds in 200.
"""

import numpy as np
import pytest

from lens_gate.judge import Arm, Check, decide

TARGETS = 5
GATES = [
    ("ttft", "typ"),
    ("ttft", "p95"),
    ("itl", "typ"),
    ("e2e", "typ"),
    ("e2e", "p95"),
    ("cost", "mean"),
]
SESSIONS = 20


def pareto(rng, shape):
    tail = np.log1p(rng.pareto(1.5, shape))
    return 0.3 * rng.standard_normal(shape) + np.where(rng.random(shape) < 0.12, tail, 0.0)


def two_modes(rng, shape):
    slow = rng.random(shape) < rng.uniform(0.15, 0.5, (shape[0], 1))
    return 0.12 * rng.standard_normal(shape) + np.where(slow, np.log(3.0), 0.0)


def drifting(rng, shape):
    slope = rng.uniform(-0.5, 0.5, (shape[0], 1)) * np.linspace(0.0, 1.0, shape[1])
    walk = 0.02 * np.cumsum(rng.standard_normal(shape), axis=1)
    return 0.33 * rng.standard_normal(shape) + slope + walk


def busy_spells(rng, shape):
    """Spells of a dozen requests on average, 2.5 times as slow."""
    chance = rng.random(shape)
    busy = np.empty(shape, bool)
    busy[:, 0] = chance[:, 0] < 0.2
    for k in range(1, shape[1]):
        busy[:, k] = np.where(busy[:, k - 1], chance[:, k] > 1 / 12, chance[:, k] < 1 / 48)
    return 0.3 * rng.standard_normal(shape) + np.where(busy, np.log(2.5), 0.0)


def mixed(rng, shape):
    skewed = 0.25 * rng.standard_normal(shape) + 0.2 * rng.exponential(1.0, shape)
    rare = np.log1p(3.0 * rng.pareto(2.2, shape))
    return skewed + np.where(rng.random(shape) < 0.03, rare, 0.0)


SERVICES = [pareto, two_modes, drifting, busy_spells, mixed]


def session(service, rng, n, targets=TARGETS):
    """(head, control) of each metric over n pairs: one stream of requests, a coin for each pair."""
    shape = (targets, 2 * n)
    level = rng.normal(0.0, 0.16, (2, targets, 1))
    ttft = 0.45 * np.exp(service(rng, shape) + level[0])
    itl = 0.02 * np.exp(0.7 * service(rng, shape) + level[1])
    tokens = np.round(150 * np.exp(0.13 * rng.standard_normal(shape)))
    numbers = {
        "ttft": ttft,
        "itl": itl,
        "e2e": ttft + itl * (tokens - 1),
        "cost": 5e-4 + 4e-6 * tokens,
    }
    late = (rng.random((targets, n)) < 0.5).astype(int)
    places = [2 * np.arange(n) + late, 2 * np.arange(n) + 1 - late]
    return {
        metric: tuple(np.take_along_axis(values, place, axis=1) for place in places)
        for metric, values in numbers.items()
    }


def checks(found, margin, *, slower=1.0):
    return [
        Check(
            f"{target}/{metric}.{kind}",
            kind,
            margin=margin,
            head=Arm(slower * found[metric][0][target]),
            base=Arm(found[metric][1][target]),
        )
        for target in range(len(found["ttft"][0]))
        for metric, kind in GATES
    ]


def seeded(*numbers):
    return np.random.default_rng([20261121, *numbers])


def test_unchanged_builds_fail_in_at_most_one_policy_of_a_hundred():
    failed = Counts()
    for which, service in enumerate(SERVICES):
        for n in (20, 50, 100):
            for draw in range(SESSIONS):
                found = session(service, seeded(which, n, draw), n)
                verdicts = decide(checks(found, 0.0), seed=draw)
                failed.add(any(v.verdict == "fail" for v in verdicts))
    assert failed.of == 300
    assert failed.count <= 8, failed


def test_a_fixed_threshold_fails_most_of_the_same_sessions():
    """Even pair by pair: the median of the head against that of the control, +10 %."""
    failed = Counts()
    for which, service in enumerate(SERVICES):
        for draw in range(SESSIONS):
            found = session(service, seeded(which, 50, draw), 50)
            medians = [
                np.median(head, axis=1) / np.median(control, axis=1)
                for head, control in found.values()
            ]
            failed.add(np.max(medians) > 1.10)
    assert failed.count > failed.of / 2, failed


@pytest.mark.parametrize("service", SERVICES)
def test_a_change_as_large_as_the_margin_seldom_fails_and_seldom_passes(service):
    """Each check for itself: the whole error budget of one look is its own."""
    fails, passes = Counts(), Counts()
    for draw in range(3 * SESSIONS):
        found = session(service, seeded(7, SERVICES.index(service), draw), 40, targets=3)
        for check in checks(found, 0.2, slower=1.2):
            (verdict,) = decide([check], seed=draw)
            fails.add(verdict.verdict == "fail")
            passes.add(verdict.verdict in ("pass", "improved"))
    # 1080 checks of which those of one target hang together: 5 % and three wide standard errors.
    assert fails.count <= 0.08 * fails.of, fails
    assert passes.count <= 0.08 * passes.of, passes


@pytest.mark.parametrize("service", SERVICES)
def test_half_as_slow_again_is_found(service):
    found = session(service, seeded(9, SERVICES.index(service)), 100)
    verdicts = decide(checks(found, 0.1, slower=1.5))
    assert {v.verdict for v in verdicts if v.id.endswith(("itl.typ", "e2e.typ"))} == {"fail"}


def test_the_order_of_checks_changes_nothing():
    given = checks(session(mixed, seeded(3), 60), 0.1, slower=1.15)
    there = decide(given, seed=5)
    back = decide(given[::-1], seed=5)[::-1]
    assert there == back == decide(given, seed=5)


class Counts:
    """How many of how many."""

    def __init__(self):
        self.count = self.of = 0

    def add(self, hit):
        self.count += bool(hit)
        self.of += 1

    def __repr__(self):
        return f"{self.count} of {self.of}"

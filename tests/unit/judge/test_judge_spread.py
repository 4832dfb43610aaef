"""Where the spreads come from: the procedure's figures, the generative model, stored values."""

import math

import numpy as np
import pytest

from bench.verdicts.model import Service
from lens_gate.judge.spread import pair_variance, variance_of
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.stats import quantiles, signed_rank


def test_the_figures_of_the_procedure():
    """Statistics, section 3.2, and 4.3 for the tails: 170 and 561 pairs for +50 %."""
    assert pair_variance("ttft", "typ", "hosted") == 0.32
    assert pair_variance("itl", "typ", "hosted") == 0.12
    assert pair_variance("e2e", "typ", "hosted") == 0.124
    assert pair_variance("cost_usd", "mean", "hosted") == pytest.approx(2 * 0.13**2)
    for metric, pairs in (("e2e", 170), ("ttft", 561)):
        by_table = pairs * (math.log(1.5) / 4.684) ** 2
        assert pair_variance(metric, "p95", "hosted") == pytest.approx(by_table, rel=0.02)


def test_a_simulated_target_is_as_noisy_as_a_hosted_one():
    for metric in CATALOGUE:
        for statistic in ("typ", "mean", "p50", "p90", "p95", "p99", ""):
            hosted = pair_variance(metric, statistic, "hosted")
            assert pair_variance(metric, statistic, "simulated") == hosted
            own = pair_variance(metric, statistic, "self-hosted")
            assert (own is None) == (hosted is None)
            assert own is None or own <= hosted


@pytest.mark.parametrize(
    ("metric", "statistic"),
    [
        ("error_rate", ""),
        ("throughput", ""),
        ("ttft", "max"),
        ("input_tokens", "mean"),
        ("x", "typ"),
    ],
)
def test_what_is_not_known_is_not_invented(metric, statistic):
    assert pair_variance(metric, statistic, "hosted") is None


@pytest.mark.parametrize("kind", ["hosted", "self-hosted"])
def test_the_generative_model_has_these_spreads(kind):
    """Twice 150 pairs of 400 sessions; the tails of few sessions are known to a quarter."""
    n, sessions = 150, 400
    service = Service([3], "selfhost" if kind == "self-hosted" else "hosted")
    duets = [service.duet(n) for _ in range(sessions)]
    for metric in ("ttft", "itl", "e2e"):
        head, control = (
            np.log([getattr(duet, arm).values(metric) for duet in duets])
            for arm in ("head", "control")
        )
        found = {
            "typ": [signed_rank.hodges_lehmann(d) for d in head - control],
            "mean": np.log(np.exp(head).mean(axis=1) / np.exp(control).mean(axis=1)),
        }
        for name, p in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95)):
            found[name] = (np.sort(head) - np.sort(control)) @ quantiles.hd_weights(n, p)
        for statistic, changes in found.items():
            variance = n * float(np.var(changes))
            assert pair_variance(metric, statistic, kind) == pytest.approx(variance, rel=0.30)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("typ", 2 * 0.09 * math.pi / 3),
        ("p50", 2 * 0.09 * math.pi / 2),
        ("mean", 2 * (math.exp(0.09) - 1)),
        ("p90", 2 * 0.09 * 0.09 / 0.1755**2),
    ],
)
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_stored_values_tell_their_own_spread(kind, expected, better):
    rng = np.random.default_rng(1)
    runs = [rng.lognormal(rng.normal(0.0, 0.2), 0.3, 60) for _ in range(12)]
    assert variance_of(runs, kind, better=better) == pytest.approx(expected, rel=0.2)


def test_too_few_values_and_zeros_are_left_out():
    good = [1.0, 1.2, 0.9, 1.1, 1.3, 0.8, 1.05, 0.95, 1.15, 1.25]
    alone = variance_of([good], "typ")
    assert alone > 0
    assert variance_of([good, good[:7], [0.0, *good]], "typ") == alone
    assert variance_of([good[:7]], "typ") is None
    assert variance_of([], "typ") is None
    assert variance_of([good], "p95") is None
    for kind in ("max", "error_rate", "shift", "nonsense"):
        assert variance_of([good * 20], kind) is None

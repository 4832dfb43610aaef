"""The noise of hosted APIs, as fitted to ten months of public per-request data.

log X = mu + run effect + request noise. The run effect is a nugget and two Ornstein-Uhlenbeck
processes (20 h and 240 h), scaled by target; request noise is AR(1) normal with spikes. E2E =
TTFT + ITL * (tokens - 1). A policy has five targets with TTFT centre and p95, ITL centre, E2E
centre and p95, mean cost: thirty checks. Its own random numbers and logarithms, none of the
judge's.
"""

import math
from dataclasses import dataclass

import numpy as np

TARGETS = 5
METRICS = ("ttft", "itl", "e2e", "cost")
GATES = (
    ("ttft", "typ"),
    ("ttft", "p95"),
    ("itl", "typ"),
    ("e2e", "typ"),
    ("e2e", "p95"),
    ("cost", "mean"),
)
RUN_SD = {"ttft": 0.17, "itl": 0.14, "e2e": 0.14, "cost": 0.02}
HISTORY_MARGINS = {
    ("ttft", "typ"): 1.0,
    ("ttft", "p95"): 1.5,
    ("itl", "typ"): 0.75,
    ("e2e", "typ"): 0.75,
    ("e2e", "p95"): 1.0,
    ("cost", "mean"): 0.1,
}
DUET_MARGINS = {
    ("ttft", "typ"): 0.20,
    ("ttft", "p95"): 0.75,
    ("itl", "typ"): 0.15,
    ("e2e", "typ"): 0.15,
    ("e2e", "p95"): 0.40,
    ("cost", "mean"): 0.10,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Spread of one latency: run effect variances and request noise."""

    nugget: float
    day: float
    weeks: float
    rho: float
    sigma: float
    spike_rate: float
    spike_floor: float
    spike_mean: float


TTFT = Noise(
    nugget=0.010, day=0.016, weeks=0.006,
    rho=0.05, sigma=0.333, spike_rate=0.132, spike_floor=0.30, spike_mean=0.41,
)  # fmt: skip
ITL = Noise(
    nugget=0.006, day=0.012, weeks=0.003,
    rho=0.20, sigma=0.241, spike_rate=0.047, spike_floor=0.40, spike_mean=0.22,
)  # fmt: skip
TARGET_SPREAD = 0.35
TOKENS = 150
TOKEN_SD = 0.13


class HostedModel:
    """Draws the runs of one simulated policy; every policy has its own generator."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def run_effects(self, noise, runs, gap_h):
        """Run effects of one target, oldest first, for runs ``gap_h`` apart."""
        scale = np.exp(TARGET_SPREAD * self.rng.standard_normal())
        effects = np.sqrt(noise.nugget) * self.rng.standard_normal(runs)
        for variance, hours in ((noise.day, 20.0), (noise.weeks, 240.0)):
            keep = np.exp(-gap_h / hours)
            fresh = self.rng.standard_normal(runs) * np.sqrt(variance)
            level = np.empty(runs)
            level[0] = fresh[0]
            for k in range(1, runs):
                level[k] = keep * level[k - 1] + np.sqrt(1 - keep * keep) * fresh[k]
            effects += level
        return scale * effects

    def request_noise(self, noise, n):
        """Log noise of ``n`` successive requests of one session."""
        white = self.rng.standard_normal(n)
        fresh = math.sqrt(1 - noise.rho * noise.rho)
        steady = np.empty(n)
        steady[0] = white[0]
        for i in range(1, n):
            steady[i] = noise.rho * steady[i - 1] + fresh * white[i]
        spikes = self.rng.random(n) < noise.spike_rate
        size = noise.spike_floor + self.rng.exponential(noise.spike_mean, n)
        return noise.sigma * steady + spikes * size

    def latencies(self, ttft_effect, itl_effect, n, ttft_factor, itl_factor):
        """The four metrics of ``n`` requests."""
        ttft = 0.5 * ttft_factor * np.exp(ttft_effect + self.request_noise(TTFT, n))
        itl = 0.02 * itl_factor * np.exp(itl_effect + self.request_noise(ITL, n))
        tokens = TOKENS * np.exp(TOKEN_SD * self.rng.standard_normal(n))
        return {"ttft": ttft, "itl": itl, "e2e": ttft + itl * (tokens - 1), "cost": 1e-6 * tokens}

    def history(self, *, runs, n, gap_h=24.0, ttft_factor=1.0, itl_factor=1.0):
        """One target: ``runs`` stored runs and the head's, each a mapping from metric to values."""
        ttft = self.run_effects(TTFT, runs + 1, gap_h)
        itl = self.run_effects(ITL, runs + 1, gap_h)
        drawn = [self.latencies(ttft[k], itl[k], n, 1.0, 1.0) for k in range(runs)]
        return drawn, self.latencies(ttft[-1], itl[-1], n, ttft_factor, itl_factor)

    def duet(self, *, n, ttft_factor=1.0, itl_factor=1.0):
        """One target: control and head, requests alternating in one session, coin-flip order."""
        ttft = float(self.run_effects(TTFT, 1, 24.0)[0])
        itl = float(self.run_effects(ITL, 1, 24.0)[0])
        both = self.latencies(ttft, itl, 2 * n, 1.0, 1.0)
        first = self.rng.integers(0, 2, n)
        places = 2 * np.arange(n)
        control = {m: v[places + first] for m, v in both.items()}
        head = {m: v[places + 1 - first] for m, v in both.items()}
        tokens = head["cost"] / 1e-6
        head = {
            "ttft": head["ttft"] * ttft_factor,
            "itl": head["itl"] * itl_factor,
            "e2e": head["ttft"] * ttft_factor + head["itl"] * itl_factor * (tokens - 1),
            "cost": head["cost"],
        }
        return control, head

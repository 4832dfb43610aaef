"""The noise of LLM services, as fitted to ten months of public per-request data.

log X = mu + run effect + request noise. The run effect is a nugget and two Ornstein-Uhlenbeck
processes (20 h and 240 h), its size varies from target to target. Request noise is AR(1) along the
session, with spikes. E2E = TTFT + ITL * (tokens - 1); cost is in proportion to tokens. Random
numbers and logarithms are numpy's own, none of the judge's.

``hosted`` is the fit. ``selfhost`` has its spreads for a server of one's own, and no spikes.
``stress`` is hosted with what could not be fitted set to what would hurt: noise that lasts for
several requests (rho .5 to .6) and a rate of spikes that varies three times as much from run to
run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Metric: TypeAlias = Literal["ttft", "itl", "e2e", "cost"]
METRICS: tuple[Metric, ...] = ("ttft", "itl", "e2e", "cost")
FloatArray: TypeAlias = NDArray[np.float64]

DAY_H, WEEKS_H = 20.0, 240.0
TTFT_S, ITL_S, TOKENS, USD_PER_TOKEN = 0.5, 0.02, 150.0, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Spread of one latency on the log scale.

    ``nugget``, ``day`` and ``weeks`` are the variances of the run effect. A request is a spike with
    chance ``spike_rate`` and then ``spike_floor`` + Exp(``spike_mean``) slower. ``rate_cv`` is the
    coefficient of variation of that chance from run to run.
    """

    nugget: float
    day: float
    weeks: float
    rho: float
    sigma: float
    spike_rate: float = 0.0
    spike_floor: float = 0.0
    spike_mean: float = 0.0
    rate_cv: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of service: the noise of its two latencies, of its lengths, and between targets."""

    ttft: Noise
    itl: Noise
    token_sd: float = 0.13
    target_spread: float = 0.35


# Three requests of a run hold two spikes or more in 2.9 % of runs, where a constant rate would
# give 2.1 %: a coefficient of variation of .65 for TTFT. For ITL it is assumed to be the same.
_RATE_CV = 0.65
_HOSTED = Profile(
    ttft=Noise(
        nugget=0.010, day=0.016, weeks=0.006, rho=0.05, sigma=0.333,
        spike_rate=0.132, spike_floor=0.30, spike_mean=0.41, rate_cv=_RATE_CV,
    ),
    itl=Noise(
        nugget=0.006, day=0.012, weeks=0.003, rho=0.20, sigma=0.241,
        spike_rate=0.047, spike_floor=0.40, spike_mean=0.22, rate_cv=_RATE_CV,
    ),
)  # fmt: skip
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "hosted": _HOSTED,
        "selfhost": Profile(
            ttft=Noise(nugget=0.0005, day=0.0008, weeks=0.0003, rho=0.05, sigma=0.20),
            itl=Noise(nugget=0.0005, day=0.0008, weeks=0.0003, rho=0.20, sigma=0.06),
        ),
        "stress": replace(
            _HOSTED,
            ttft=replace(_HOSTED.ttft, rho=0.5, rate_cv=3 * _RATE_CV),
            itl=replace(_HOSTED.itl, rho=0.6, rate_cv=3 * _RATE_CV),
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change does to every request: factors, 1 is no change."""

    ttft: float = 1.0
    itl: float = 1.0
    tokens: float = 1.0


UNCHANGED = Change()


def slower(factor: float) -> Change:
    """All latencies times ``factor``, lengths as before."""
    return Change(ttft=factor, itl=factor)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one arm in the order of sending: seconds, seconds a token, tokens."""

    ttft: FloatArray
    itl: FloatArray
    tokens: FloatArray

    def __getitem__(self, places: "slice | NDArray[np.intp]") -> "Requests":
        return Requests(self.ttft[places], self.itl[places], self.tokens[places])

    def values(self, metric: Metric) -> FloatArray:
        """The metric of each request, in seconds or US dollars."""
        if metric == "ttft":
            return self.ttft
        if metric == "itl":
            return self.itl
        if metric == "cost":
            return USD_PER_TOKEN * self.tokens
        return self.ttft + self.itl * (self.tokens - 1.0)

    def changed(self, change: Change) -> "Requests":
        """The same requests, with the same noise, after a change."""
        return Requests(self.ttft * change.ttft, self.itl * change.itl, self.tokens * change.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duet:
    """Pairs of one session: the k-th requests of both arms are a pair."""

    control: Requests
    head: Requests

    def first(self, pairs: int) -> "Duet":
        """What is known after so many pairs."""
        return Duet(control=self.control[:pairs], head=self.head[:pairs])

    def changed(self, change: Change) -> "Duet":
        """The head after a change."""
        return Duet(control=self.control, head=self.head.changed(change))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One target: its stored runs, oldest first, and the duet of today's session."""

    past: tuple[Requests, ...]
    today: Duet


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What all requests of a run share: the effect on the log scale, and the rate of spikes."""

    effect: float
    rate: float


class Service:
    """Draws sessions of targets; every simulated policy has a service with a seed of its own."""

    def __init__(self, seed: int | list[int], profile: str = "hosted") -> None:
        self._rng = np.random.default_rng(seed)
        self._profile = PROFILES[profile]

    def duet(self, pairs: int, *, prompt_sd: float = 0.0) -> Duet:
        """One target: arms alternating in one session, the first of each pair by a coin.

        ``prompt_sd`` is how much prompts differ in the length of their answers, on the log scale;
        both sides of a pair answer the same prompt.
        """
        return self.world(runs=0, n=0, pairs=pairs, prompt_sd=prompt_sd).today

    def history(self, *, runs: int, n: int, gap_h: float = 24.0) -> tuple[list[Requests], Requests]:
        """One target: stored runs ``gap_h`` apart, oldest first, and the head's a gap later."""
        *past, head = (self._session(run, n) for run in self._runs(runs + 1, gap_h))
        return past, head

    def world(
        self, *, runs: int, n: int, pairs: int, gap_h: float = 24.0, prompt_sd: float = 0.0
    ) -> World:
        """One target: stored runs of ``n`` requests, and a duet a gap after the last of them."""
        *past, today = self._runs(runs + 1, gap_h)
        stored = tuple(self._session(run, n) for run in past)
        session = self._session(today, 2 * pairs)
        if prompt_sd:
            prompts = np.exp(prompt_sd * self._rng.standard_normal(pairs))
            session = replace(session, tokens=session.tokens * np.repeat(prompts, 2))
        first = self._rng.integers(0, 2, pairs)
        places = 2 * np.arange(pairs)
        return World(
            past=stored,
            today=Duet(control=session[places + first], head=session[places + 1 - first]),
        )

    def _runs(self, count: int, gap_h: float) -> list[tuple[_Run, _Run]]:
        """The runs of one target: what they do to TTFT and to ITL."""
        ttft = self._effects(self._profile.ttft, count, gap_h)
        return list(zip(ttft, self._effects(self._profile.itl, count, gap_h), strict=True))

    def _effects(self, noise: Noise, count: int, gap_h: float) -> list[_Run]:
        size = math.exp(self._profile.target_spread * self._rng.standard_normal())
        level = math.sqrt(noise.nugget) * self._rng.standard_normal(count)
        for variance, hours in ((noise.day, DAY_H), (noise.weeks, WEEKS_H)):
            level = level + math.sqrt(variance) * self._lasting(math.exp(-gap_h / hours), count)
        rates = noise.spike_rate * np.ones(count)
        if noise.rate_cv:
            spread = math.log1p(noise.rate_cv**2)
            varied = math.sqrt(spread) * self._rng.standard_normal(count) - spread / 2
            rates = np.minimum(rates * np.exp(varied), 0.6)
        return [_Run(effect=size * u, rate=r) for u, r in zip(level, rates, strict=True)]

    def _session(self, run: tuple[_Run, _Run], n: int) -> Requests:
        ttft, itl = run
        return Requests(
            TTFT_S * np.exp(ttft.effect + self._noise(self._profile.ttft, ttft.rate, n)),
            ITL_S * np.exp(itl.effect + self._noise(self._profile.itl, itl.rate, n)),
            TOKENS * np.exp(self._profile.token_sd * self._rng.standard_normal(n)),
        )

    def _noise(self, noise: Noise, rate: float, n: int) -> FloatArray:
        spikes = self._rng.random(n) < rate
        size = noise.spike_floor + self._rng.exponential(noise.spike_mean, n)
        return noise.sigma * self._lasting(noise.rho, n) + spikes * size

    def _lasting(self, keep: float, n: int) -> FloatArray:
        """A stationary AR(1) series of variance 1."""
        fresh = math.sqrt(1.0 - keep * keep)
        level, series = 0.0, []
        for k, draw in enumerate(self._rng.standard_normal(n).tolist()):
            level = keep * level + fresh * draw if k else draw
            series.append(level)
        return np.array(series)

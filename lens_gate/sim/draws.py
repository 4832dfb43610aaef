"""Everything that is left to chance, drawn from a seed and a request's number.

Each request has its own generators, so one request's length never moves another's times, and two
behaviours under one seed get the same noise: they differ by what was changed and nothing else.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from lens_gate.sim.model import Behaviour, Drift, Fault, Times, Tokens

LONGEST_S = 86_400.0
MOST_TOKENS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one process keeps for its life: the seed and its shift of each time (factors)."""

    seed: int
    ttft: float
    gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What one request got. Times are seconds before drift and ``time_scale``.

    ``ttft_noise`` and ``gap_noise`` are the standard-normal AR(1) states that the next request
    continues; ``calls``: with tools it answers by a call; ``faults`` are those
    that strike this one.
    """

    number: int
    ttft_s: float
    gap_s: float
    output_tokens: int
    reasoning_tokens: int
    ttft_noise: float
    gap_noise: float
    calls: bool
    faults: tuple[Fault, ...]


def start_run(behaviour: Behaviour, seed: int) -> Run:
    """The process's own shift: log-normal factors with the spread of ``run_shift``."""
    rng = _generator(seed, 0, "run")
    return Run(
        seed=seed,
        ttft=math.exp(behaviour.run_shift.ttft * rng.gauss(0, 1)),
        gap=math.exp(behaviour.run_shift.gap * rng.gauss(0, 1)),
    )


def draw(behaviour: Behaviour, run: Run, number: int, previous: Draw | None) -> Draw:
    """The draw of request ``number`` (from 1), which follows ``previous``."""
    times, sizes = _generator(run.seed, number, "times"), _generator(run.seed, number, "sizes")
    gap = behaviour.gap.times
    ttft_noise = _follow(times, behaviour.ttft.rho, previous.ttft_noise if previous else None)
    gap_noise = _follow(times, gap.rho, previous.gap_noise if previous else None)
    thinking = behaviour.reasoning
    return Draw(
        number=number,
        ttft_s=run.ttft * _time(times, behaviour.ttft, ttft_noise),
        gap_s=run.gap * _time(times, gap, gap_noise),
        output_tokens=_count(sizes, behaviour.output_tokens, 1),
        reasoning_tokens=_count(sizes, thinking.tokens, 0) if thinking else 0,
        ttft_noise=ttft_noise,
        gap_noise=gap_noise,
        # From a generator of its own, so that a share of calls moves nothing else.
        calls=_generator(run.seed, number, "calls").random() < behaviour.tool_calls,
        faults=_strikes(behaviour.faults, run.seed, number),
    )


def asked_of(drawn: Draw, behaviour: Behaviour, model: str) -> Draw:
    """The draw of a request, now that the model is known which it asks."""
    faults = tuple(fault for fault in drawn.faults if fault.model in (None, model))
    factors = behaviour.models.get(model)
    if factors is None:
        return replace(drawn, faults=faults)
    longer = round(drawn.output_tokens * factors.output_tokens)
    return replace(
        drawn,
        ttft_s=min(LONGEST_S, drawn.ttft_s * factors.ttft),
        gap_s=min(LONGEST_S, drawn.gap_s * factors.gap),
        output_tokens=max(1, min(MOST_TOKENS, longer)),
        faults=faults,
    )


def drift_factors(drift: Drift, elapsed_s: float) -> tuple[float, float]:
    """By what TTFT and gap are multiplied ``elapsed_s`` after the start."""
    minutes = elapsed_s / 60
    step = drift.step.factor if drift.step and elapsed_s >= drift.step.after_s else 1.0
    return step * (1 + drift.ttft) ** minutes, step * (1 + drift.gap) ** minutes


def gaps(run: Run, number: int, mean_s: float, jitter: float) -> Iterator[float]:
    """Endless gaps of one request, seconds; their mean is ``mean_s`` whatever the jitter."""
    if jitter == 0:
        while True:
            yield mean_s
    rng = _generator(run.seed, number, "gaps")
    shift = -jitter * jitter / 2
    while True:
        yield mean_s * math.exp(shift + jitter * rng.gauss(0, 1))


def words(run: Run, number: int) -> Iterator[str]:
    """Endless harmless words of one request, each one token; all but the first start a space."""
    rng = _generator(run.seed, number, "words")
    yield rng.choice(_WORDS).capitalize()
    while True:
        yield " " + rng.choice(_WORDS)


def _generator(seed: int, number: int, purpose: str) -> Random:
    return Random(f"{seed}/{number}/{purpose}")  # noqa: S311  # noise, not secrets


def _follow(rng: Random, rho: float, previous: float | None) -> float:
    fresh = rng.gauss(0, 1)
    if previous is None:
        return fresh
    return rho * previous + math.sqrt(1 - rho * rho) * fresh


def _time(rng: Random, times: Times, noise: float) -> float:
    # Both are always drawn: a changed rate must not move anything else.
    slow, extra = rng.random(), rng.expovariate(1.0)
    log = times.sigma * noise
    if slow < times.slow_rate:
        log += times.slow_min + times.slow_mean * extra
    return min(LONGEST_S, times.median_s * math.exp(log))


def _count(rng: Random, tokens: Tokens, least: int) -> int:
    drawn = round(tokens.median * math.exp(tokens.sigma * rng.gauss(0, 1)))
    return max(least, min(MOST_TOKENS, drawn))


def _strikes(faults: tuple[Fault, ...], seed: int, number: int) -> tuple[Fault, ...]:
    if not faults:
        return ()
    rng = _generator(seed, number, "faults")
    return tuple(fault for fault in faults if _strikes_one(fault, number, rng.random()))


def _strikes_one(fault: Fault, number: int, chance: float) -> bool:
    if fault.every is not None:
        return number % fault.every == 0
    if fault.at is not None:
        return number in fault.at
    return chance < (fault.rate or 0.0)


_WORD_LIST = (
    "lorem ipsum dolor sit amet ut in ad et eu non est sed nisi quis id ea ex nam duis sint elit "
    "enim anim aute orci odio quam nunc urna erat diam arcu nibh ante sem leo mi ac at justo felis "
    "massa purus vitae magna velit porta risus augue tellus déjà"
)
_WORDS = _WORD_LIST.split()

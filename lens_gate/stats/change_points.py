"""Where the level of a series of numbers changed: E-divisive, with a test that knows of memory.

Source: Matteson and James, "A nonparametric approach for multiple change point analysis of
multivariate data", Journal of the American Statistical Association 109 (2014), for one variable and
alpha = 1; it is what Daly et al., "The use of change point detection to identify software
performance regressions in a continuous integration system" (ICPE 2020) and "Hunter" (Fleming et
al., ICPE 2023) build upon. A series is split where the numbers before differ most from those after,
up to an end that is searched for too (so that a level which comes and goes is seen), by their
energy distance: it sees any difference of distribution and bears single outliers. A split that
passes the test is kept, and both sides are asked again.

The test. Hunter's t-test takes the best of all splits for one that was named beforehand, and so
finds changes in series that have none. Here the best split is held against the best split of series
without a change, made from this one by permuting it: on numbers that do not depend on each other
the chance of an error is at most ``alpha`` for each question, however many splits there are.
Numbers that resemble their neighbours are no such series: their shuffled kind is too smooth. So it
is the *innovations* of an AR(1) fit that are permuted (the sieve bootstrap: Buehlmann 1997; for
change points: Kirch 2006). The coefficient is estimated between the changes that plain permutation
finds, since a change that is not taken out looks like memory; it is corrected for its bias, and
never below 0. Where it is 0 this is the permutation test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_gate.stats.rng import generator

FloatArray = NDArray[np.float64]

ALPHA = 0.01
"""Of series that never changed, at most about this share shows a change."""

LEAST = 4
"""A level has at least so many numbers: one or two that stand out are no level."""

DRAWS = 499
"""Series without a change that a split is held against; no p is below 1 / (DRAWS + 1)."""

LEVELS = 40
"""A series with more different numbers is rounded to so many quantiles for split and test."""

_MOST_MEMORY = 0.95
_FIRST_DRAWS = 99
_MOST_ENDS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The level changes at ``index``, the first number of the new one.

    ``p`` is the p-value of "there is no change here", ``memory`` the AR(1) coefficient that its
    test allowed for.
    """

    index: int
    p: float
    memory: float


def change_points(
    series: ArrayLike, *, seed: int, alpha: float = ALPHA, draws: int = DRAWS
) -> tuple[Split, ...]:
    """All changes of level, in the order of the series.

    Args:
        series: the numbers in their order, on a scale on which their spread is even.
        seed: of the draws; the same gives the same changes.
        alpha: the level of each test.
        draws: how many series without a change to compare with.

    Raises:
        ValueError: a number is not finite.
    """
    values = np.asarray(series, dtype=np.float64).ravel()
    if not np.isfinite(values).all():
        raise ValueError("a series must be finite")
    first = _segmented(values, phi=0.0, seed=seed, alpha=alpha, draws=_FIRST_DRAWS)
    if not first:
        return ()
    phi = memory(values, [split.index for split in first])
    return _segmented(values, phi=phi, seed=seed, alpha=alpha, draws=draws)


def _segmented(
    values: FloatArray, *, phi: float, seed: int, alpha: float, draws: int
) -> tuple[Split, ...]:
    """Split, and ask both sides again, until nothing more is shown."""
    found: list[Split] = []
    parts = [(0, values.size)]
    while parts:
        start, end = parts.pop()
        split = best_split(values[start:end], phi=phi, seed=seed, alpha=alpha, draws=draws)
        if split is None:
            continue
        index = start + split.index
        found.append(Split(index=index, p=split.p, memory=phi))
        parts += [(start, index), (index, end)]
    return tuple(sorted(found, key=lambda split: split.index))


def best_split(
    part: FloatArray, *, phi: float, seed: int, alpha: float, draws: int
) -> Split | None:
    """The one split of this part that matters most; ``None`` where it shows nothing.

    Drawing ends as soon as ``p <= alpha`` is out of reach (Besag and Clifford 1991): that changes
    no answer.
    """
    if part.size < 2 * LEAST or part.min() == part.max():
        return None
    indicators = _indicators(part)
    energies = _energies(indicators)
    reached = float(energies.max()) * (1.0 - 1e-9)
    rng = generator("change points", seed, part.size)
    bearable = math.floor(alpha * (draws + 1)) - 1
    beyond = 0
    for _ in range(draws):
        if phi == 0.0:
            drawn = indicators[:, rng.permutation(part.size)]
        else:
            drawn = _indicators(_without_change(part, phi, rng))
        beyond += float(_energies(drawn).max()) >= reached
        if beyond > bearable:
            return None
    index = LEAST + int(energies.argmax()) % energies.shape[1]
    return Split(index=index, p=(beyond + 1) / (draws + 1), memory=phi)


def energy_profile(part: FloatArray) -> FloatArray:
    """Q for each split of the whole part that leaves ``LEAST`` on either side."""
    profile: FloatArray = _energies(_indicators(part))[-1]
    return profile


def _indicators(part: FloatArray) -> FloatArray:
    """For each level but the highest (rows) whether a number is at most that, less the share.

    Each row is weighted by the root of the distance to the next level.
    """
    levels = np.sort(part)
    if levels.size > LEVELS:
        levels = levels[np.linspace(0, levels.size - 1, LEVELS).round().astype(np.int64)]
    weights = np.sqrt(np.diff(levels))
    below = part[None, :] <= levels[:-1, None]
    rows: FloatArray = (below - below.mean(axis=1, keepdims=True)) * weights[:, None]
    return rows


def _energies(indicators: FloatArray) -> FloatArray:
    """Q for every right end (rows, the last is the whole) and every split (from ``LEAST`` on).

    Q = m n / (m + n) (2 E|X-Y| - E|X-X'| - E|Y-Y'|), X the first m numbers, Y the next n: that a
    level which comes and goes has an end is what makes it visible. For one variable Q is twice the
    integral of the squared difference of the two distribution functions (Szekely and Rizzo 2005),
    which running sums of centred indicators give for all splits and ends at once.
    """
    size = indicators.shape[1]
    ends = np.arange(2 * LEAST, size + 1)
    if ends.size > _MOST_ENDS:
        ends = np.linspace(2 * LEAST, size, _MOST_ENDS).round().astype(np.int64)
    sums = indicators.cumsum(axis=1)
    own = np.square(sums).sum(axis=0)
    splits = np.arange(LEAST, size - LEAST + 1)
    m, k = splits[None, :].astype(np.float64), ends[:, None].astype(np.float64)
    # Not a product of matrices: on a busy machine the threads of a BLAS wait for each other.
    cross = np.einsum("lk,lm->km", sums[:, ends - 1], sums[:, splits - 1])
    squares = k * k * own[splits - 1] - 2.0 * k * m * cross + m * m * own[ends - 1][:, None]
    beyond = m > k - LEAST
    energies: FloatArray = 2.0 * squares / (m * np.where(beyond, np.inf, k - m) * k)
    return energies


def memory(series: FloatArray, splits: Sequence[int] = ()) -> float:
    """The AR(1) coefficient of what is left when each level loses its mean; at least 0.

    The estimate is too low by (1 + 3 phi) / n for each mean that was taken (Kendall 1954; Marriott
    and Pope 1954): that is put back.
    """
    rest = np.concatenate([side - side.mean() for side in np.split(series, splits)])
    power = float(rest @ rest)
    if power <= 0.0:
        return 0.0
    bias = (len(splits) + 1) / series.size
    raw = float(rest[1:] @ rest[:-1]) / power
    return min(max(0.0, (raw + bias) / max(0.25, 1.0 - 3.0 * bias)), _MOST_MEMORY)


def _without_change(part: FloatArray, phi: float, rng: np.random.Generator) -> FloatArray:
    """A series of the same innovations in another order."""
    centred = part - part.mean()
    first = centred[:1] * math.sqrt(1.0 - phi * phi)
    shuffled = rng.permutation(np.concatenate([first, centred[1:] - phi * centred[:-1]]))
    shuffled[0] /= math.sqrt(1.0 - phi * phi)
    return _recoloured(shuffled, phi)


def _recoloured(innovations: FloatArray, phi: float) -> FloatArray:
    """x_t = phi x_(t-1) + e_t, by doubling: log2(n) passes in place of a loop over numbers."""
    values, weight, step = innovations.copy(), phi, 1
    while step < values.size and weight > 1e-12:
        values[step:] += weight * values[:-step].copy()
        weight, step = weight * weight, 2 * step
    return values

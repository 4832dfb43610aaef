"""Group-sequential looks: when to look at accumulating pairs, and what each look may spend.

The looks lie at n = 16, 24, 36, ... (each about half as many again), and the error budget that is
spent by n of N pairs is the root of n/N. The shares of the looks add up to one, so that by the
union bound no dependence between looks can raise the error rate above the whole budget. Source of
spending functions: Lan and DeMets, "Discrete sequential boundaries for clinical trials",
Biometrika 70 (1983); the root is this house's choice (it costs less than a tenth of the requests
against linear spending, and finds large changes early).
"""

import math

FIRST = 16
"""Below this many pairs a signed-rank test can hardly fail one check of thirty."""


def grid(most: int) -> tuple[int, ...]:
    """The looks at up to ``most`` pairs, rising; the last one is at ``most`` itself.

    16, 24, 36, 54, and from 80 on round numbers: 80, 120, 180, 270, 400, 600, ....
    """
    sizes = [FIRST, 24, 36, 54, 80, 120, 180, 270]
    while sizes[-1] < most:
        sizes.extend([5 * size for size in sizes[-4:]])
    return (*(size for size in sizes if size < most), most) if most > 0 else ()


def spent(pairs: int, most: int) -> float:
    """The share of the error budget that may be used up by this many of ``most`` pairs."""
    return math.sqrt(min(1.0, pairs / most))


def looks(most: int, least: int) -> tuple[tuple[int, float], ...]:
    """The looks that are taken, as (pairs, share): those of ``grid`` from ``least`` pairs on.

    A look below ``least`` is not taken, but its share is spent.
    """
    found, before = [], 0.0
    for size in grid(most):
        now = spent(size, most)
        if size >= least:
            found.append((size, now - before))
        before = now
    return tuple(found)


def last_look(pairs: int, most: int) -> float:
    """The share of a look at ``pairs`` after which, before N, nothing more comes."""
    earlier = max((size for size in grid(most) if size < pairs), default=0)
    return spent(pairs, most) - spent(earlier, most)

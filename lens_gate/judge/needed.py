"""How many pairs would settle an undecided check, if the change is what it seems to be."""

import math

from lens_gate.judge.evidence import Evidence, minimum
from lens_gate.judge.inputs import Case
from lens_gate.stats import special

NEVER = 100_000
"""So many pairs are more than anybody would send: no larger number is told."""


def pairs_to_settle(
    case: Case, found: Evidence, *, first: float, second: float, chance: float
) -> int | None:
    """The pairs of a duet with which the check passes or fails with this chance.

    By the side of the margin on which the estimate lies: to fail, both keys have to turn; to pass,
    the change has to be shown below the margin (with a margin of 0, to be an improvement as well).
    The normal approximation with the standard error of these pairs, which falls with the root of
    their number. It says nothing of what bars a verdict, nor of a history.

    Args:
        case: the check.
        found: what its data say.
        first: the level of key 1 at Holm's first step.
        second: the level of key 2 and of the pass.
        chance: how sure it is to be.

    Returns:
        ``NEVER`` where the estimate lies at the margin or next to it. ``None`` where something
        else than the number bars a verdict, or none is known.
    """
    worse = _worsening(case, found)
    if case.control is None or found.se is None or worse is None:
        return None
    margin = case.bound if found.scale == "share" else math.log1p(case.bound)
    if worse > margin:
        barred, steps = found.no_fail, [(worse, first), (worse - margin, second)]
    else:
        barred, steps = found.no_pass, [(margin - worse, second)]
        if not case.bound:
            steps.append((-worse, first))
    if barred:
        return None
    if min(distance for distance, _ in steps) <= 0:
        return NEVER
    unit = found.se * math.sqrt(found.n)
    sure = special.norm_ppf(chance)
    needed = max(
        ((special.norm_ppf(1 - level) + sure) * unit / distance) ** 2 for distance, level in steps
    )
    least = max(minimum(case.check.kind), found.n + 1)
    if case.check.kind == "typ":  # of n signs not even all alike show more than 2^-n
        least = max(least, math.ceil(-math.log2(min(level for _, level in steps))))
    return max(math.ceil(needed), least) if needed < NEVER else NEVER


def _worsening(case: Case, found: Evidence) -> float | None:
    """The estimate as a worsening, on the scale of its standard error."""
    if found.estimate is None or (found.scale == "log" and found.estimate <= -1):
        return None  # no bound, or next to nothing left
    sign = 1.0 if case.check.better == "lower" else -1.0
    return sign * (found.estimate if found.scale == "share" else math.log1p(found.estimate))

"""The rule that most gates have: fail where a number is a tenth worse than in the run before.

It decides nothing here. It is held beside the gate's own verdicts on runs of which nothing changed,
so that its false alarms can be counted.
"""

from collections.abc import Mapping
from typing import Final

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import Statistics

THRESHOLD: Final = 0.10


def would_fail(
    metric: str, statistic: str, now: Mapping[str, Statistics], before: Mapping[str, Statistics]
) -> bool | None:
    """Whether this statistic is more than a tenth worse; ``None`` where a side has none.

    ``typ`` is the median here: such rules have no other centre. Shares and rates of a window are
    left out: a tenth more of no errors is none.
    """
    if metric not in now or metric not in before or CATALOGUE[metric].per != "request":
        return None
    name = "p50" if statistic == "typ" else statistic
    new, old = now[metric].named(name), before[metric].named(name)
    if CATALOGUE[metric].better == "higher":
        new, old = old, new
    return new > (1.0 + THRESHOLD) * old

"""How the service itself moved, shown apart from what the change did.

Both arms of a duet meet the same hour, so that what the service does meanwhile is in neither
verdict; but a reader wants to know. Three comparisons, none of which is a verdict: the head with
the control, pair by pair, metric by metric; each arm's early half with its late half; and the
control with the stored runs of its cell, by the shrunken t of history mode.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from lens_gate.judge.decide import decide
from lens_gate.judge.side_by_side import MIN_PAIRS, mean_change, typical_change
from lens_gate.metrics.arms import of_arm, pairs_of, stored_arm
from lens_gate.metrics.catalogue import CATALOGUE, TargetKind, prior_sd
from lens_gate.metrics.derive import scalars
from lens_gate.metrics.rows import arm_of, numbers_of
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Check
from lens_gate.records.difference import Difference
from lens_gate.records.sample import Sample
from lens_gate.stats import rank_sum
from lens_gate.units import format_share

SHOWN = (
    "ttft",
    "ttfr",
    "itl",
    "e2e",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
)
_DRIFTING = {"ttft": "TTFT", "itl": "ITL", "e2e": "E2E"}
LEVEL = 0.99
"""How sure it has to be, one metric in one arm, that something moved: several are looked at."""

WORTH_SAYING = 0.10
"""A typical change within the session that is smaller is not told."""


def moved(samples: Iterable[Sample]) -> Mapping[str, Difference]:
    """By how much the head differs from the control, by metric, in the measured pairs of one cell.

    Times by their typical ratio, tokens and money by the ratio of their means, with 95 % intervals;
    metrics of which too few pairs have both are left out, as are all where there are no pairs.
    """
    pairs = pairs_of(samples)
    found = {}
    for metric in SHOWN:
        head, control = pairs.arms(metric, {})
        timed = CATALOGUE[metric].default_statistic == "typ"
        change = (typical_change if timed else mean_change)(control, head)
        if change is not None:
            found[metric] = change
    return found


def drift(
    samples: Sequence[Sample], stored: Sequence[Baseline], *, kind: TargetKind
) -> tuple[str, ...]:
    """How the service moved during the session and since the stored runs: sentences, or none.

    ``samples`` are one cell's, both arms; ``stored`` its comparable runs, oldest first: none where
    the control is another target, whose runs they are not.
    """
    return (*_within(samples), *_since(samples, stored, kind))


def _within(samples: Sequence[Sample]) -> Iterable[str]:
    """What changed from the first half of the session to the second."""
    for metric, word in _DRIFTING.items():
        control = _halves(of_arm(samples, "control"), metric)
        head = _halves(of_arm(samples, "head"), metric)
        if control is None or head is None or not (_told(control) or _told(head)):
            continue
        both = f"{word} {_text(control)} in the control, {_text(head)} in the head"
        alike = control.low <= head.high and head.low <= control.high
        what = (
            "the service moved for both arms alike, which no verdict of the pairs counts"
            if alike
            else "the arms moved apart: read this cell's verdicts with care"
        )
        yield f"from the session's first half to its second: {both}: {what}"


def _halves(samples: Sequence[Sample], metric: str) -> Difference | None:
    """The typical ratio of the late half to the early one, less one; ``None`` of too few."""
    middle = len(samples) // 2
    early, late = (
        [math.log(value) for s in half if (value := scalars(s).get(metric, 0.0)) > 0.0]
        for half in (samples[:middle], samples[middle:])
    )
    if min(len(early), len(late)) < MIN_PAIRS:
        return None
    low, high = rank_sum.shift_interval(late, early, level=LEVEL)
    return Difference(
        change=math.expm1(rank_sum.shift(late, early)),
        low=math.expm1(low),
        high=math.expm1(high),
        pairs=min(len(early), len(late)),
    )


def _told(found: Difference) -> bool:
    apart = found.low > 0.0 or found.high < 0.0
    return apart and abs(found.change) >= WORTH_SAYING


def _text(found: Difference) -> str:
    low, high = (
        format_share(end, signed=True)[:-2] if math.isfinite(end) else "unbounded"
        for end in (found.low, found.high)
    )
    return f"{format_share(found.change, signed=True)} [{low}, {high}]"


def _since(
    samples: Sequence[Sample], stored: Sequence[Baseline], kind: TargetKind
) -> Iterable[str]:
    """How far the control is from the stored runs, where that is more than chance."""
    common = {prompt for baseline in stored for prompt in baseline.prompt_ids}
    own = [s for s in of_arm(samples, "control") if s.prompt_id in common]
    if not own:
        return
    rows = numbers_of(own)
    checks = [
        Check(
            metric,
            "typ",
            margin=0.0,
            head=arm_of(rows, metric, {}),
            base=[stored_arm(baseline, metric, {}, prompts=common) for baseline in stored],
            run_sd=prior_sd(metric, kind),
        )
        for metric in _DRIFTING
    ]
    for verdict in decide(checks):
        change, low, high = verdict.estimate, verdict.low, verdict.high
        if change is None or low is None or high is None or verdict.p_worse is None:
            continue
        if min(verdict.p_worse, 1.0 - verdict.p_worse) > (1.0 - LEVEL) / 2:
            continue
        found = Difference(change=change, low=low, high=high, pairs=verdict.n)
        runs = f"{verdict.base_n} stored run{'' if verdict.base_n == 1 else 's'}"
        yield (
            f"against {runs} the control's {_DRIFTING[verdict.id]} is {_text(found)}: the service "
            "is not what it was, whatever this change does"
        )

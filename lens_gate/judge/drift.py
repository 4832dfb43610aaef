"""How the service itself moved, shown apart from what the change did.

Both arms of a duet meet the same hour, so that what the service does meanwhile is in neither
verdict; but a reader wants to know. Three comparisons, none of which is a verdict: the head with
the control, pair by pair, metric by metric; each arm's early half with its late half; and the
control with the stored runs of its cell, by the shrunken t of history mode.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import fsum

from lens_gate.judge.decide import decide
from lens_gate.judge.side_by_side import mean_change, typical_change
from lens_gate.metrics.arms import of_arm, pairs_of, stored_arm
from lens_gate.metrics.blocks import block_arms
from lens_gate.metrics.catalogue import CATALOGUE, TargetKind, prior_sd
from lens_gate.metrics.derive import scalars
from lens_gate.metrics.rows import arm_of, numbers_of
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Check
from lens_gate.records.difference import Difference
from lens_gate.records.sample import ArmName, Sample
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
_ARMS: tuple[ArmName, ArmName] = ("control", "head")
ALPHA = 0.01
"""Of reports on a service that does not move, the share in which a sentence says that it did."""

SHOWN_LEVEL = 0.90
"""Of the intervals that are shown, as in all tables."""

WORTH_SAYING = 0.10
"""A change of the service that is smaller is not told."""

# Each half of a session is taken in so many stretches of at least so many pairs (a pair of blocks
# is one of its own): with fewer not even the clearest step is more than chance in a whole report.
_MOST, _LEAST, _EACH = 10, 8, 3


def moved(samples: Iterable[Sample]) -> Mapping[str, Difference]:
    """By how much the head differs from the control, by metric, in the measured pairs of one cell.

    Times by their typical ratio, tokens and money by the ratio of their means, with 95 % intervals;
    metrics of which too few pairs have both are left out, as are all where there are no pairs. In
    blocks of load it is one number for each block, by pair of blocks: requests within a block queue
    behind each other.
    """
    samples = list(samples)
    in_blocks, pairs = _in_blocks(samples), pairs_of(samples)
    found = {}
    for metric in SHOWN:
        centre = CATALOGUE[metric].default_statistic
        if in_blocks:
            head, control = block_arms(samples, metric, centre, {})
        else:
            head, control = pairs.arms(metric, {})
        change = (typical_change if centre == "typ" else mean_change)(control, head)
        if change is not None:
            found[metric] = change
    return found


def drift(
    samples: Sequence[Sample], stored: Sequence[Baseline], *, kind: TargetKind, cells: int = 1
) -> tuple[str, ...]:
    """How the service moved during the session and since the stored runs: sentences, or none.

    ``samples`` are one cell's, both arms; ``stored`` its comparable runs, oldest first: none where
    the control is another target, whose runs they are not. ``cells`` are those of the report that
    are asked the same: of a service that did not move, either sentence is in at most ``ALPHA`` of
    reports, however many metrics and cells they have.
    """
    level = 1.0 - ALPHA / (len(_DRIFTING) * max(1, cells))
    return (*_within(samples, level), *_since(samples, stored, kind, level))


def _within(samples: Sequence[Sample], level: float) -> Iterable[str]:
    """What changed from the first half of the session to the second, both arms together."""
    told, each = [], 1 if _in_blocks(samples) else _EACH
    for metric, word in _DRIFTING.items():
        values = _common(samples, metric)
        middle = len(values) // 2
        early, late = (
            _stretches(half, each) for half in (values[:middle], values[len(values) - middle :])
        )
        if min(len(early), len(late)) < _LEAST:
            continue
        change = math.expm1(rank_sum.shift(late, early))
        if _sure(rank_sum.shift_interval(late, early, level=level), change):
            low, high = map(math.expm1, rank_sum.shift_interval(late, early, level=SHOWN_LEVEL))
            told.append(f"{word} {_text(change, low, high)}")
    if told:
        yield (
            f"from the session's first half to its second, both arms together: {', '.join(told)}: "
            "the service itself moved, which no verdict of the pairs counts"
        )


def _common(samples: Sequence[Sample], metric: str) -> list[float]:
    """What both arms have in common, pair by pair: the mean of the logs of either side.

    So neither what the change did nor how many of which arm are in a half is in it. Of blocks of
    load it is one number for each pair of blocks.
    """
    sides: dict[int, dict[str, list[float]]] = {}
    for arm in _ARMS:
        for sample in of_arm(samples, arm):
            number = sample.pair if sample.block is None else sample.block
            value = scalars(sample).get(metric, 0.0)
            if number is not None and value > 0.0:
                sides.setdefault(number, {}).setdefault(arm, []).append(math.log(value))
    return [
        fsum(fsum(logs) / len(logs) for logs in both.values()) / 2
        for _, both in sorted(sides.items())
        if len(both) == 2
    ]


def _in_blocks(samples: Iterable[Sample]) -> bool:
    """Whether the arms of this cell alternated in blocks of load."""
    return any(s.block is not None for s in samples if s.phase == "measured")


def _stretches(values: Sequence[float], each: int) -> list[float]:
    """The means of stretches that follow each other, ``_MOST`` of at least ``each``, or fewer.

    Noise that lasts for a few requests is within a stretch: single requests would be taken for
    more independent witnesses than they are.
    """
    count = min(_MOST, len(values) // each)
    ends = [k * len(values) // count for k in range(count + 1)] if count else []
    return [fsum(values[a:b]) / (b - a) for a, b in pairwise(ends)]


def _sure(interval: tuple[float, float], change: float) -> bool:
    """It is more than chance, and worth a reader's time."""
    low, high = interval
    return (low > 0.0 or high < 0.0) and abs(change) >= WORTH_SAYING


def _text(change: float, low: float, high: float) -> str:
    ends = ", ".join(format_share(end, signed=True)[:-2] for end in (low, high))
    return f"{format_share(change, signed=True)} [{ends}]"


def _since(
    samples: Sequence[Sample], stored: Sequence[Baseline], kind: TargetKind, level: float
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
    told, runs = [], 0
    for verdict in decide(checks):
        change, low, high = verdict.estimate, verdict.low, verdict.high
        if change is None or low is None or high is None or verdict.p_worse is None:
            continue
        chance = 2.0 * min(verdict.p_worse, 1.0 - verdict.p_worse)
        if chance <= 1.0 - level and abs(change) >= WORTH_SAYING:
            told.append(f"{_DRIFTING[verdict.id]} {_text(change, low, high)}")
            runs = max(runs, verdict.base_n)
    if told:
        yield (
            f"the control against {runs} stored run{'' if runs == 1 else 's'}: {', '.join(told)}: "
            "the service is not what it was, whatever this change does"
        )

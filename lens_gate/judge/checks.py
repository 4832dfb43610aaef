"""From a question and the samples of its cell to its check, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lens_gate.judge.terms import Question
from lens_gate.metrics.arms import (
    Pairs,
    first_pairs,
    head_arm,
    of_arm,
    pairs_of,
    stored_arm,
    warm_of_blocks,
)
from lens_gate.metrics.blocks import block_arms
from lens_gate.metrics.catalogue import CATALOGUE, TargetKind, check_kind, prior_sd
from lens_gate.metrics.cold_start import cold_arms
from lens_gate.metrics.derive import scalars
from lens_gate.metrics.window import window_arm
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Arm, Check, Verdict
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Phase, Sample

NO_MARGIN = "no margin: there is no default for this metric, name one in the rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellData:
    """What there is to judge a cell by.

    ``samples`` are the head's measured requests; in a duet all of the cell, both arms and
    confirming blocks. ``warmup`` are those before them. ``stored`` are the comparable runs, oldest
    first. ``incomparable`` says why stored runs that exist do not compare. ``starved`` says what
    ended the cell before its first allowed look (fewer requests or pairs than ``samples.min``), or
    is empty. ``end`` is how the cell's measuring ended. ``no_control`` says why there is no control
    though one was asked for, or is empty.
    """

    kind: TargetKind
    samples: Sequence[Sample]
    stored: Sequence[Baseline]
    incomparable: str
    starved: str
    warmup: Sequence[Sample] = ()
    end: CellEnd | None = None
    no_control: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both arms of one duet's first pairs, or pairs of blocks. ``numbers`` are those of pairs.

    ``samples`` are all of these pairs, with the warm requests that blocks begin with; ``warmup``
    went before everything, and ``phase`` is that of the pairs.
    """

    samples: tuple[Sample, ...]
    head: tuple[Sample, ...]
    control: tuple[Sample, ...]
    blocks: bool
    numbers: Pairs = field(default_factory=lambda: Pairs(head=(), control=()))
    warmup: tuple[Sample, ...] = ()
    phase: Phase = "measured"


def sides_of(
    samples: Sequence[Sample], pairs: int, *, blocks: bool, phase: Phase = "measured"
) -> Sides:
    """The first so many pairs of a cell, of one phase."""
    kept = first_pairs(samples, pairs, phase)
    if blocks:
        kept += warm_of_blocks(samples, pairs, phase)
    # What was sent later was not there yet when a look was taken live.
    last = max((s.seq for s in kept), default=-1)
    sides = Sides(
        samples=tuple(kept),
        warmup=tuple(s for s in samples if _goes_before(s, last)),
        phase=phase,
        head=tuple(of_arm(kept, "head", phase)),
        control=tuple(of_arm(kept, "control", phase)),
        blocks=blocks,
    )
    return sides if blocks else replace(sides, numbers=pairs_of(kept, phase))


def _goes_before(sample: Sample, last: int) -> bool:
    """It is of the cell's own warm-up, and was sent before this."""
    return sample.phase == "warmup" and sample.block is None and sample.seq < last


def pair_check(question: Question, sides: Sides, *, fraction: float) -> Check | str:
    """The check of a cell that is measured in pairs, or why there are no data for it."""
    if not question.relative:
        found = _dead(sides) or absolute_check(
            question, sides.head, [*sides.warmup, *sides.samples]
        )
    elif question.bound is None:
        return NO_MARGIN
    elif sides.blocks:
        found = _block_check(question, sides, question.bound)
    else:
        found = _paired_check(question, sides, question.bound)
    return replace(found, fraction=fraction) if isinstance(found, Check) else found


def _dead(sides: Sides) -> str:
    """Why no limit can be held against the head: the control had no success either; or nothing."""
    arms = (sides.head, sides.control)
    if not all(arms) or any(s.failure is None for arm in arms for s in arm):
        return ""
    head, control = map(len, arms)
    return f"environment: neither head (0 of {head}) nor control (0 of {control}) had a success"


def _paired_check(question: Question, sides: Sides, margin: float) -> Check | str:
    metric = question.rule.metric
    none = missing(sides.head, metric) or missing(sides.control, metric, of=" of the control")
    if none:
        return none
    head, control = sides.numbers.arms(metric, question.scenario.objectives)
    return Check(
        question.id,
        check_kind(metric, question.rule.statistic),
        margin=margin,
        head=head,
        base=control,
        better=question.row.better,
        unit=question.row.unit,
        bad=_bad(metric),
    )


def _block_check(question: Question, sides: Sides, margin: float) -> Check | str:
    rule = question.rule
    head, control = block_arms(
        sides.samples, rule.metric, rule.statistic, question.scenario.objectives, sides.phase
    )
    answered = any(sample.failure is None for sample in (*sides.head, *sides.control))
    if answered and not (_size(head) or _size(control)) and CATALOGUE[rule.metric].per != "arm":
        return "no block has a value"
    shares = CATALOGUE[rule.metric].per == "arm"
    return Check(
        question.id,
        "typ",
        # Shares are compared as those of good requests: an added share of 2 % of bad ones leaves
        # 98 of 100 good ones, which are 1/1.0204 of them.
        margin=margin / (1.0 - min(margin, 0.99)) if shares else margin,
        head=head,
        base=control,
        better="higher" if shares else question.row.better,
        unit=question.row.unit,
        block="a good request" if shares or rule.metric == "goodput_rps" else "a value",
    )


def told(question: Question, sides: Sides, verdict: Verdict) -> Verdict:
    """The verdict in the terms of its question: of shares in blocks, as added shares."""
    shares = question.relative and sides.blocks and CATALOGUE[question.rule.metric].per == "arm"
    if not shares:
        return verdict
    base = verdict.base_value if verdict.base_value is not None else 1.0
    bad = question.row.better == "lower"

    def added(change: float | None) -> float | None:
        return None if change is None else change * base * (-1.0 if bad else 1.0)

    def share(value: float | None) -> float | None:
        return None if value is None else 1.0 - value if bad else value

    low, high = added(verdict.low), added(verdict.high)
    return replace(
        verdict,
        margin=question.bound,
        estimate=added(verdict.estimate),
        low=high if bad else low,
        high=low if bad else high,
        base_value=share(verdict.base_value),
        head_value=share(verdict.head_value),
        detectable=added(verdict.detectable),
        reason=f"share of good requests, block by block: {verdict.reason}",
    )


def _size(arm: Arm) -> int:
    return len(arm.values)  # type: ignore[arg-type]  # a tuple, as all arms of the metrics have


def absolute_check(
    question: Question, samples: Sequence[Sample], everything: Sequence[Sample]
) -> Check | str:
    """The check of a limit on the head, or why there are no data for it.

    ``everything`` holds what a rate or a cold start is seen against: warm-up, the control.
    """
    rule, metric = question.rule, question.rule.metric
    if none := missing(samples, metric):
        return none
    head, base = _arms(question, samples, everything)
    return Check(
        question.id,
        check_kind(metric, rule.statistic),
        limit=question.bound,
        head=head,
        base=base,
        better="higher" if question.limit == "min" else "lower",
        shown=rule.assurance == "shown",
        unit=question.row.unit,
        bad=_bad(metric),
    )


def _arms(
    question: Question, samples: Sequence[Sample], everything: Sequence[Sample]
) -> tuple[Arm, Arm | None]:
    """The head's side of an absolute check, and what it is shifted against where it is a shift."""
    metric, objectives = question.rule.metric, question.scenario.objectives
    if metric == "cold_start_penalty":
        return cold_arms(everything)
    if CATALOGUE[metric].per == "window":
        return window_arm(everything, metric, objectives), None
    return head_arm(samples, metric, objectives), None


def _bad(metric: str) -> str:
    return "missed an objective" if metric == "goodput" else "failed"


def plain_check(question: Question, data: CellData) -> Check | str:
    """The check of a cell of which only the head was measured, or why there are no data for it."""
    if not question.relative:
        return absolute_check(question, data.samples, [*data.warmup, *data.samples])
    if data.no_control:
        return data.no_control
    if question.bound is None:
        return NO_MARGIN
    if data.incomparable and not data.stored:
        return data.incomparable
    common = common_ids(data.samples, data.stored)
    if data.stored and not common:
        return "no common prompts"
    rule, objectives = question.rule, question.scenario.objectives
    samples = [s for s in data.samples if not data.stored or s.prompt_id in common]
    if none := missing(samples, rule.metric):
        return none
    return Check(
        question.id,
        check_kind(rule.metric, rule.statistic),
        margin=question.bound,
        head=head_arm(samples, rule.metric, objectives),
        base=[stored_arm(b, rule.metric, objectives, prompts=common) for b in data.stored],
        run_sd=prior_sd(rule.metric, data.kind),
        better=CATALOGUE[rule.metric].better,
        unit=question.row.unit,
    )


def common_ids(samples: Sequence[Sample], stored: Sequence[Baseline]) -> frozenset[str]:
    """Prompt ids that the head and at least one stored run sent."""
    before = {prompt_id for baseline in stored for prompt_id in baseline.prompt_ids}
    return frozenset(before & {sample.prompt_id for sample in samples})


def missing(samples: Sequence[Sample], metric: str, *, of: str = "") -> str:
    """Why no request has this metric though all succeeded, or nothing."""
    per = CATALOGUE[metric].per
    if per != "request" and (metric != "throughput" or any(map(_has_usage, samples))):
        return ""
    if per == "request" and any(_speaks(sample, metric) for sample in samples):
        return ""
    none = f"none of the {len(samples)} measured requests{of} has a value"
    if metric == "connect":
        return f"{none}: all connections were open already"
    if metric in ("ttft_scheduled", "e2e_scheduled"):
        return f"{none}: the load has no schedule, or none succeeded"
    if not any(map(_has_usage, samples)):
        return f"{none}: no answer reported usage"
    return none


def _speaks(sample: Sample, metric: str) -> bool:
    """It has this metric, or the reason why it has not is one for the judge: it went wrong."""
    return sample.failure is not None or sample.attempts > 1 or metric in scalars(sample)


def _has_usage(sample: Sample) -> bool:
    return sample.usage is not None and sample.usage.source == "provider"

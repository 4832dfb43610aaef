"""What disturbed one arm's measuring and not the other's, and verdicts that rest on it.

A coin decides which side of a pair goes first, so what strikes by chance strikes both arms alike,
and every test stays valid: a disturbance is noise. It is withheld all the same where a verdict
would not stand without it, since a reader would take it for the change's doing. In plain words: a
verdict on times, tokens or money of a duet is decided once more without the pairs of which one side
was *hit*; a failure that is none then, and a pass that is none then, become inconclusive with the
reason. Nothing inconclusive ever becomes anything else, and error rates count every request.

A side is hit where

- this client's rate limiter held the request back for ``HELD_S`` or longer (times);
- the replica was cold: the server says that it loaded the model for ``cold_start.LOAD_S`` or
  longer, or over a new connection the first output took ``cold_start.SPIKE`` times the arm's median
  and ``cold_start.SPIKE_S`` more (times);
- less of its input came from the prompt cache than of the other side's, by ``CACHE_GAP`` of the
  input or more (times and cost);
- another model answered it than answers its arm mostly (every metric).

Requests that were throttled (429) or retried have no times, so their pairs are left out of all
checks on times as it is, and count in the error checks.

What keeps a change from slipping out of a failure by disturbing itself:

- What hits the head significantly more often than the control (one-sided sign test at ``OWN``) is
  the head's own doing, and stays in when a failure is looked at again. A prompt that misses the
  cache, a model that loads for each request, an endpoint that opens connections: those are what is
  being measured.
- A kind that hits more than one pair in ``RARE`` is how this set-up runs, not a disturbance: its
  pairs stay in. So no more than a fifth of the pairs for each kind can be kept from a failure.
- Only the control's model, which no change can choose, may part a run in two: where it answered as
  one model first and as another last, the verdict must stand on the pairs of the one that answered
  most, however few the others are.

And a pass may not rest on missing answers: where the head was throttled significantly more often
than the control, its throttled requests are taken as later than all others, and if that is no pass,
the pass is withheld.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from lens_gate.judge.checks import Sides
from lens_gate.judge.terms import Question
from lens_gate.metrics.arms import of_arm
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.cold_start import LOAD_S, SPIKE, SPIKE_S
from lens_gate.metrics.derive import scalars
from lens_gate.records.check import Arm, Check, Verdict
from lens_gate.records.sample import ArmName, Sample
from lens_gate.stats.quantiles import sample_quantile
from lens_gate.stats.rates import mcnemar_greater

HELD_S = 0.1
CACHE_GAP = 0.2
RARE = 5
OWN = 0.05
_STEADY = 0.8

Hit = Literal["held", "cold", "cache", "model"]
Again = Callable[[Sequence[Check]], list[Verdict]]

_WORDS: Mapping[Hit, str] = {
    "held": "the rate limiter held requests back",
    "cold": "a replica was cold",
    "cache": "less of the input came from the prompt cache",
    "model": "another model answered than usually",
}
_GOOD = ("pass", "improved")
_THROTTLED = frozenset({"rate_limited", "overloaded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """The pairs of which only the head's side, and only the control's, was hit; of ``pairs``."""

    head: frozenset[int]
    control: frozenset[int]
    pairs: int
    parted: bool = False

    @property
    def one_sided(self) -> frozenset[int]:
        """Of which one side was hit."""
        return self.head | self.control

    @property
    def rare(self) -> bool:
        """It happened seldom enough to be called a disturbance."""
        return RARE * len(self.one_sided) <= self.pairs

    @property
    def own(self) -> bool:
        """It hit the head more often than a coin would."""
        return mcnemar_greater(len(self.head), len(self.control)) <= OWN

    def out(self, *, of_a_failure: bool) -> frozenset[int]:
        """The pairs to be left out."""
        if self.parted:
            return self.control if of_a_failure else self.one_sided
        if not self.rare or (of_a_failure and self.own):
            return frozenset()
        return self.one_sided


def hits_of(samples: Iterable[Sample]) -> Mapping[Hit, Hits]:
    """What hit one side of a pair and not the other, in the pairs of one cell and phase."""
    samples = list(samples)
    head, control = _by_pair(samples, "head"), _by_pair(samples, "control")
    common = sorted(head.keys() & control.keys())
    found: dict[Hit, Hits] = {}
    tests: Mapping[Hit, tuple[_Test, _Test]] = {
        "held": (_held, _held),
        "cold": (_cold(head.values()), _cold(control.values())),
        "model": (_another_model(head.values()), _another_model(control.values())),
    }
    for kind, (of_head, of_control) in tests.items():
        ours = {k for k in common if of_head(head[k])}
        theirs = {k for k in common if of_control(control[k])}
        found[kind] = Hits(
            head=frozenset(ours - theirs),
            control=frozenset(theirs - ours),
            pairs=len(common),
            parted=kind == "model" and _parted([control[k] for k in common]),
        )
    gaps = _cache_gaps(head, control)
    found["cache"] = Hits(
        head=frozenset(k for k, gap in gaps.items() if gap <= -CACHE_GAP),
        control=frozenset(k for k, gap in gaps.items() if gap >= CACHE_GAP),
        pairs=len(common),
    )
    return found


_Test = Callable[[Sample], bool]
_Side = Mapping[int, Sample]


def _by_pair(samples: Iterable[Sample], arm: ArmName) -> _Side:
    return {s.pair: s for s in samples if s.arm == arm and s.pair is not None}


def _held(sample: Sample) -> bool:
    return sample.held_s >= HELD_S


def _cold(samples: Iterable[Sample]) -> _Test:
    samples = list(samples)
    waits = {id(s): scalars(s).get("ttft") for s in samples} if any(map(_fresh, samples)) else {}
    known = [seconds for seconds in waits.values() if seconds is not None]
    usual = sample_quantile(known, 0.5) if known else 0.0

    def cold(sample: Sample) -> bool:
        if sample.server is not None and sample.server.load_s is not None:
            return sample.server.load_s >= LOAD_S
        seconds = waits.get(id(sample))
        if seconds is None or not _fresh(sample):
            return False
        return seconds > max(SPIKE * usual, usual + SPIKE_S)

    return cold


def _fresh(sample: Sample) -> bool:
    return sample.marks.connect_start is not None and not sample.marks.reused


def _another_model(samples: Iterable[Sample]) -> _Test:
    usual = _prevailing(list(samples))
    return lambda sample: sample.model is not None and sample.model != usual


def _prevailing(samples: Sequence[Sample]) -> str | None:
    named = Counter(s.model for s in samples if s.model is not None)
    return max(named, key=lambda name: (named[name], name), default=None)


def _parted(samples: Sequence[Sample]) -> bool:
    """Whether one model answered (nearly all of) the first fifth and another the last one."""
    size = len(samples) // 5
    first, last = samples[:size], samples[len(samples) - size :]
    names = [_prevailing(part) for part in (first, last)]
    steady = all(
        sum(s.model == name for s in part) >= _STEADY * size
        for part, name in zip((first, last), names, strict=True)
    )
    return None not in names and names[0] != names[1] and steady


def _cached(sample: Sample) -> float | None:
    """The share of the input that came from the prompt cache, where the server tells."""
    usage = sample.usage
    if sample.failure is not None or usage is None or usage.source != "provider":
        return None
    if usage.cache_read is None or not usage.input_total:
        return None
    return usage.cache_read / usage.input_total


def _cache_gaps(head: _Side, control: _Side) -> Mapping[int, float]:
    """By pair, how much more of the head's input came from the cache than of the control's."""
    gaps = {}
    for pair in head.keys() & control.keys():
        ours, theirs = _cached(head[pair]), _cached(control[pair])
        if ours is not None and theirs is not None:
            gaps[pair] = ours - theirs
    return gaps


def undisturbed(
    questions: Sequence[Question],
    checks: Sequence[Check],
    verdicts: Sequence[Verdict],
    sides: Sides,
    again: Again,
) -> list[Verdict]:
    """The verdicts on one cell's pairs, those withheld that rest on what hit one arm.

    ``checks`` and ``verdicts`` answer the ``questions``; ``again`` decides checks as they stand.
    Blocks have no pairs of requests, and are left as they are: what hits a request there is part of
    the load.
    """
    kept = list(verdicts)
    hits = hits_of(sides.samples)
    for of_a_failure in (True, False):
        out = {q.id: _out(q, hits, of_a_failure=of_a_failure) for q in questions}
        if any(out.values()):
            moved = [
                _without(question, check, sides, out[question.id])
                for question, check in zip(questions, checks, strict=True)
            ]
            kept = [
                _settled(verdict, other, hits, out[verdict.id], of_a_failure=of_a_failure)
                for verdict, other in zip(kept, again(moved), strict=True)
            ]
    return _not_by_silence(questions, checks, kept, sides, again)


def _out(question: Question, hits: Mapping[Hit, Hits], *, of_a_failure: bool) -> frozenset[int]:
    if not question.relative:
        return frozenset()
    touched = [kind for kind in hits if _touches(kind, question.rule.metric)]
    return frozenset().union(*(hits[kind].out(of_a_failure=of_a_failure) for kind in touched))


def _touches(kind: Hit, metric: str) -> bool:
    row = CATALOGUE[metric]
    if row.per != "request":
        return False
    timed = row.unit in ("s", "tokens/s")
    return kind == "model" or timed or (kind == "cache" and metric == "cost_usd")


def _without(question: Question, check: Check, sides: Sides, pairs: frozenset[int]) -> Check:
    if not pairs:
        return check
    head, control = sides.numbers.without(pairs).arms(
        question.rule.metric, question.scenario.objectives
    )
    return replace(check, head=head, base=control)


def _settled(
    verdict: Verdict,
    other: Verdict,
    hits: Mapping[Hit, Hits],
    out: frozenset[int],
    *,
    of_a_failure: bool,
) -> Verdict:
    said = verdict.verdict
    if not out or (said == "fail") is not of_a_failure or other.verdict == said:
        return verdict
    if said == "improved" and other.verdict == "pass":
        return replace(verdict, verdict="pass", reason=other.reason)
    if said != "fail" and (said not in _GOOD or other.verdict in _GOOD):
        return verdict
    told = "; ".join(
        text
        for kind, found in hits.items()
        if found.one_sided & out and (text := _said(kind, found))
    )
    return _withdrawn(verdict, f"{told}. Without those pairs it is {other.verdict}")


def _withdrawn(verdict: Verdict, why: str) -> Verdict:
    return replace(
        verdict,
        verdict="inconclusive",
        withheld=True,
        reason=f"withheld: {why}. As measured: {verdict.reason}",
    )


def _not_by_silence(
    questions: Sequence[Question],
    checks: Sequence[Check],
    verdicts: list[Verdict],
    sides: Sides,
    again: Again,
) -> list[Verdict]:
    head, control = (
        {s.pair for s in side if _throttled(s)} for side in (sides.head, sides.control)
    )
    only_head = head - control
    if mcnemar_greater(len(only_head), len(control - head)) > OWN:
        return verdicts
    timed = [_touches("held", q.rule.metric) and q.relative for q in questions]
    moved = [
        _as_late(check, only_head) if late else check
        for check, late in zip(checks, timed, strict=True)
    ]
    return [
        _withdrawn(
            verdict,
            f"{_throttling(len(head), len(control))}. With the head's as later than all others it "
            f"is {other.verdict}",
        )
        if late and verdict.verdict in _GOOD and other.verdict not in _GOOD
        else verdict
        for verdict, other, late in zip(verdicts, again(moved), timed, strict=True)
    ]


def _throttled(sample: Sample) -> bool:
    return sample.failure is not None and sample.failure.status in _THROTTLED


def _as_late(check: Check, pairs: set[int | None]) -> Check:
    """With the head's side of these pairs as timed out, at its worst value."""
    head, control = check.head, cast("Arm", check.base)
    values = cast("tuple[float, ...]", head.values)
    late = (False,) * len(values) if head.censored is None else head.censored
    worst = (max if check.better == "lower" else min)(values, default=1.0)
    answered = set(control.pair or ())
    lost = tuple(pair for pair in pairs if pair in answered)
    return replace(
        check,
        head=Arm(
            values=(*values, *(worst for _ in lost)),
            pair=(*(head.pair or ()), *lost),
            censored=(*cast("tuple[bool, ...]", late), *(True for _ in lost)),
            errors=head.errors - len(lost),
        ),
    )


def disturbances(samples: Iterable[Sample]) -> tuple[str, ...]:
    """What hit the arms of one cell's measured pairs unequally, as sentences; no foreign text."""
    samples = [s for s in samples if s.phase == "measured"]
    found = [text for kind, hits in hits_of(samples).items() if (text := _said(kind, hits))]
    head, control = (sum(map(_throttled, of_arm(samples, arm))) for arm in ("head", "control"))
    if head != control and any(s.block is None for s in samples):
        found.append(_throttling(head, control))
    return tuple(found)


def _throttling(head: int, control: int) -> str:
    return f"requests were throttled: {head} of the head's, {control} of the control's"


def _said(kind: Hit, hits: Hits) -> str:
    if not hits.one_sided:
        return ""
    return (
        f"{_WORDS[kind]} in {len(hits.head)} of {hits.pairs} pairs on the head's side alone, in "
        f"{len(hits.control)} on the control's"
    )

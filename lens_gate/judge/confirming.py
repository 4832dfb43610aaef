"""A failure tested again on pairs that were drawn after it (statistics, section 3.9)."""

from collections.abc import Sequence
from dataclasses import replace

from lens_gate.judge.checks import Sides, pair_check, told
from lens_gate.judge.decide import decide
from lens_gate.judge.disturbance import undisturbed
from lens_gate.judge.terms import Question
from lens_gate.judge.words import p_text
from lens_gate.records.check import Check, Verdict
from lens_gate.units import format_share

GAMMA = 0.05
"""The level of key 2. The block is judged by it alone and whole: nothing was spent before."""

# At this confidence key 1 holds wherever key 2 does: an estimate beyond the margin is worse.
_KEY_2_ALONE = 0.5


def confirmed(
    question: Question, first: Verdict, sides: Sides, *, wanted: int, got: int, seed: int
) -> Verdict:
    """The failure ``first``, which stands if the new pairs show it too; else inconclusive.

    ``sides`` are the new pairs, of which ``wanted`` were to be drawn and ``got`` are complete.
    """
    pairs = "new pairs of blocks" if sides.blocks else "new pairs"
    if got < wanted:
        return _open(first, f"not confirmed: {got} of {wanted} {pairs} could be measured")
    check = pair_check(question, sides, fraction=1.0)
    if not isinstance(check, Check):
        return _open(first, f"not confirmed in {wanted} {pairs}: {check}")

    def again(checks: Sequence[Check]) -> list[Verdict]:
        return decide(checks, confidence=_KEY_2_ALONE, gamma=GAMMA, seed=seed)

    (found,) = undisturbed([question], [check], again([check]), sides, again)
    said = _said(told(question, sides, found))
    if found.verdict != "fail":
        return _open(first, f"not confirmed in {wanted} {pairs}: {said}")
    return replace(first, reason=f"{first.reason}; confirmed in {wanted} {pairs}: {said}")


def _open(first: Verdict, why: str) -> Verdict:
    return replace(first, verdict="inconclusive", reason=f"{why}. At first: {first.reason}")


def _said(found: Verdict) -> str:
    """The estimate with the p-value that decided; the reason where nothing was tested."""
    if found.p_margin is None or found.estimate is None or found.withheld:
        return found.reason
    return f"{format_share(found.estimate, signed=True)}, {p_text(found.p_margin)}"

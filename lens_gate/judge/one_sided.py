"""Prompts that one arm has and the other lacks: what is not known of them bars a pass."""

from dataclasses import replace

from lens_gate.records.check import Verdict
from lens_gate.records.plan import Duet

_OPEN = ("pass", "improved", "inconclusive")


def unless_replaced(verdict: Verdict, duet: Duet | None) -> Verdict:
    """The verdict; where prompts were replaced unpaired, a failure or inconclusive.

    Prompts that came, or went, are left out of the pairs. Where some came and others went, these
    may be the same ones under other names, and a change could choose which of them are measured.
    No further requests would settle what is open then, so the reason says this first.
    """
    if duet is None or not (duet.only_head and duet.only_control) or verdict.verdict not in _OPEN:
        return verdict
    gone, new = len(duet.only_control), len(duet.only_head)
    reason = (
        f"{gone} prompt{'' if gone == 1 else 's'} of the control {_is(gone)} gone and {new} of "
        f"the head {_is(new)} new: what those do is not known. Of the others: {verdict.reason}"
    )
    return replace(verdict, verdict="inconclusive", reason=reason, needed_n=None)


def _is(count: int) -> str:
    return "is" if count == 1 else "are"

"""The judge: comparisons and verdicts, pure.

``decide`` turns checks into verdicts; ``rule_verdict`` takes the worst of a rule's checks;
``settle`` turns the gating verdicts and the way the run ended into outcome and exit code.
"""

from lens_gate.judge.decide import decide
from lens_gate.judge.outcome import Settled, rule_verdict, settle
from lens_gate.records.check import WORST_FIRST, Arm, Check, Verdict, VerdictName

__all__ = [
    "WORST_FIRST",
    "Arm",
    "Check",
    "Settled",
    "Verdict",
    "VerdictName",
    "decide",
    "rule_verdict",
    "settle",
]

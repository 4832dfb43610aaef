"""A/A sessions where they are trusted: what they say of a policy's rules."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lens_gate.judge.null import demotions
from lens_gate.policy.per_cell import demoted, in_each_cell
from lens_gate.records.null import NullSession
from lens_gate.records.policy import Policy, Rule


def too_alarming(policy: Policy, sessions: Sequence[NullSession]) -> Mapping[str, str]:
    """Why rules may only warn, in words, by ``scenario/target/rule``."""
    return demotions(sessions, alpha=1 - policy.confidence)


def held_back(policy: Policy, found: Mapping[str, str]) -> Policy:
    """The policy in which these rules only warn; the very same where there are none."""
    return demoted(policy, found) if found else policy


def as_written(policy: Policy) -> Policy:
    """The policy in which what was demoted gates again."""

    def restored(rule: Rule, _cell: str) -> Rule:
        return replace(rule, severity="fail", demoted="") if rule.demoted else rule

    return in_each_cell(policy, restored)

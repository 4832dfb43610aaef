"""Scenarios whose times are gated and whose failures are not."""

from collections.abc import Iterable

from lens_gate.metrics.catalogue import CATALOGUE, Metric
from lens_gate.records.policy import Policy, Scenario


def unguarded(policy: Policy) -> Iterable[str]:
    """A warning for each scenario in which a head could trade slow answers for failed ones.

    A failed request has no time, so a relative rule on times leaves its pair out.
    """
    for scenario in policy.scenarios.values():
        targets = _open(scenario)
        if targets:
            every = len(targets) == len(scenario.targets)
            where = scenario.key if every else f"{scenario.key} on {', '.join(targets)}"
            yield (
                f"{where}: times are gated and error_rate is not, so failures of the head alone "
                "can't fail it; add a rule such as {metric: error_rate, max: 5%}"
            )


def _open(scenario: Scenario) -> list[str]:
    """The targets with a gating relative rule on times and none on the error rate."""
    gating = [rule for rule in scenario.rules if rule.severity == "fail" and not rule.new_in_head]
    timed = {
        key
        for rule in gating
        if rule.relative and _is_time(CATALOGUE[rule.metric])
        for key in rule.targets or scenario.targets
    }
    guarded = {
        key
        for rule in gating
        if rule.metric == "error_rate"
        for key in rule.targets or scenario.targets
    }
    return [key for key in scenario.targets if key in timed - guarded]


def _is_time(metric: Metric) -> bool:
    """It is a time of each request, or made of one."""
    return metric.per == "request" and metric.unit in ("s", "tokens/s")

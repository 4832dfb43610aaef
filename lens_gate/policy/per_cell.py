"""Rules that differ from cell to cell: split where one of their targets is treated apart."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from lens_gate.records.policy import Policy, Rule


def in_each_cell(policy: Policy, change: Callable[[Rule, str], Rule]) -> Policy:
    """The policy with every rule as ``change`` has it in each of its cells.

    ``change`` is given a rule of one target and the cell (``scenario/target``). Where it gives the
    rule back as it was, the targets stay together in one rule.
    """
    scenarios = {
        key: replace(scenario, rules=tuple(_rules(key, scenario.rules, change)))
        for key, scenario in policy.scenarios.items()
    }
    return replace(policy, scenarios=scenarios)


def _rules(
    scenario: str, rules: Iterable[Rule], change: Callable[[Rule, str], Rule]
) -> Iterable[Rule]:
    for rule in rules:
        apart: list[Rule] = []
        together: list[str] = []
        for target in rule.targets:
            alone = replace(rule, targets=(target,))
            changed = change(alone, f"{scenario}/{target}")
            if changed == alone:
                together.append(target)
            else:
                apart.append(changed)
        yield from apart
        if together:
            yield replace(rule, targets=tuple(together))


def demoted(policy: Policy, found: Mapping[str, str]) -> Policy:
    """The policy in which rules that raise false alarms only warn.

    ``found`` says why, in words, by ``scenario/target/rule``.
    """

    def change(rule: Rule, cell: str) -> Rule:
        why = found.get(f"{cell}/{rule.id}")
        if why is None or rule.severity == "warn":
            return rule
        return replace(rule, severity="warn", demoted=why)

    return in_each_cell(policy, change)

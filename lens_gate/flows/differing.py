"""What sets the head's requests apart from the control's, cell by cell, in words.

Only what is sent counts, and of prompts those that both sides have: the others are in no pair.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lens_gate.policy.endpoints import is_public, parse_address
from lens_gate.policy.fingerprint import differences, fingerprint
from lens_gate.policy.plan_duet import has_control
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import PROVIDERS, base_url
from lens_gate.records.policy import Policy, Prompt, Scenario, Target

_MOST_IDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A policy and the protocols of its targets."""

    policy: Policy
    providers: Mapping[str, Provider]


def differing(control: Side, head: Side) -> Mapping[str, tuple[str, ...]]:
    """By cell, in words, what the head sends otherwise than the control; equal cells are left out.

    A cell without a control (its scenario or the control's target is not there) is left out too.
    """
    found = {
        f"{scenario.key}/{key}": tuple(_cell(control, head, scenario, key))
        for scenario in head.policy.scenarios.values()
        for key in scenario.targets
        if not scenario.new_in_head
        and has_control(control.policy, scenario, head.policy.targets[key])
    }
    return {cell: words for cell, words in found.items() if words}


def _control_key(head: Side, key: str) -> str:
    return head.policy.targets[key].control or key


def _cell(control: Side, head: Side, scenario: Scenario, key: str) -> Iterator[str]:
    theirs, other = control.policy.scenarios[scenario.key], _control_key(head, key)
    was = fingerprint(
        control.policy,
        replace(theirs, prompts=()),
        control.policy.targets[other],
        control.providers[other],
    )
    now = fingerprint(
        head.policy, replace(scenario, prompts=()), head.policy.targets[key], head.providers[key]
    )
    fixed, compared = differences(was, now)
    yield from (*fixed, *compared)
    if now.compared["endpoint"] == was.compared["endpoint"] and _moved(control, head, other, key):
        yield "the endpoint's path changed"
    if not {p.id for p in theirs.prompts} & {p.id for p in scenario.prompts}:
        yield "no prompt is on both sides"
    elif changed := _changed_ids(theirs.prompts, scenario.prompts):
        yield prompt_words(changed)


def _moved(control: Side, head: Side, other: str, key: str) -> bool:
    """Whether the addresses differ; what the fingerprint holds is the origin alone."""
    return control.policy.targets[other].base_url != head.policy.targets[key].base_url


def _changed_ids(before: Sequence[Prompt], now: Sequence[Prompt]) -> list[str]:
    """The ids that both have with other content, in the order of the later."""
    earlier = {prompt.id: prompt for prompt in before}
    return [p.id for p in now if p.id in earlier and earlier[p.id] != p]


def prompt_words(ids: Sequence[str]) -> str:
    """``3 prompts changed: a, b, c``; of many ids the first few."""
    some = ", ".join(ids[:_MOST_IDS]) + (", ..." if len(ids) > _MOST_IDS else "")
    return f"{len(ids)} prompt{'' if len(ids) == 1 else 's'} changed: {some}"


def beside(control: Policy, head: Policy) -> tuple[str, ...]:
    """What the head has otherwise and no pair can show: rules, scenarios and prompts come or gone.

    In words, each of which is a reason to measure the head.
    """
    return tuple(_beside(control, head))


def _beside(control: Policy, head: Policy) -> Iterator[str]:
    for scenario in head.scenarios.values():
        before = control.scenarios.get(scenario.key)
        if scenario.new_in_head or before is None:
            yield f"the scenario {scenario.key} is new"
            continue
        new = sum(rule.new_in_head for rule in scenario.rules)
        if new:
            yield f"{scenario.key} has {new} new rule{'' if new == 1 else 's'}"
        theirs, ours = ({p.id for p in side.prompts} for side in (before, scenario))
        if theirs != ours:
            come, gone = len(ours - theirs), len(theirs - ours)
            yield f"{scenario.key} has {come} new prompt ids, and {gone} are gone"


def unseen(side: Side) -> tuple[str, ...]:
    """The targets in use that may change without a commit, by key.

    All but those at a hosted provider that is named as one, at an address of the public network:
    what a server of one's own runs is not in the policy.
    """
    used = {key for s in side.policy.scenarios.values() for key in s.targets}
    return tuple(
        key for key in sorted(used) if not _is_hosted(side.policy.targets[key], side.providers[key])
    )


def _is_hosted(target: Target, provider: Provider) -> bool:
    named = PROVIDERS.get(target.provider)
    if named is None or named.kind != "hosted" or provider.kind != "hosted":
        return False
    url = target.base_url or base_url(provider, target.region)
    return url is not None and is_public(parse_address(url).host)


def named_controls(policy: Policy) -> tuple[str, ...]:
    """The targets in use that name a control of their own."""
    used = {key for s in policy.scenarios.values() for key in s.targets}
    return tuple(key for key in sorted(used) if policy.targets[key].control is not None)

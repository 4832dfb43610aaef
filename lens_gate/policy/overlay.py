"""What a pull request may change at once, and what takes effect after merge.

From the head come prompts, model, parameters, output limit and system prompt, and an address that
the trusted policy allows. Everything else stays as the trust ref has it, and is listed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lens_gate.policy.differences import (
    count_prompts,
    describe,
    describe_publish,
    describe_rule,
    describe_tools,
    differing,
    load_differences,
    prompts_changed,
)
from lens_gate.policy.endpoints import parse_address
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import PROVIDERS, wire
from lens_gate.records.policy import Change, KeySource, Policy, Rule, Scenario, Target

Effect = Literal["measured", "after_merge"]

_NO_KEY = KeySource(env=None, file=None, command=None)
TIER_PARAMS = ("service_tier", "serviceTier", "speed", "performanceConfig")
"""Parameters that ask for a service tier, in the words of one protocol or another."""
# They choose another price for the same model, and so does what a cache entry's life depends on.
_PRICED_PARAMS = (
    *TIER_PARAMS,
    "cache_control",
    "prompt_cache_options",
    "prompt_cache_retention",
)
# The hosts of a cloud: its tokens are shown to them and to the trusted target's own.
_HOSTS: Mapping[str | None, tuple[str, ...]] = {
    "aws": (".amazonaws.com", ".amazonaws.com.cn"),
    "azure": (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
    "google": (".googleapis.com",),
}
# How ids of Google begin that name whose model it is and where: projects/x/locations/y.
_RESOURCES = frozenset({"projects"})
_NOT_COMPARED = frozenset({"place", "file", "sha256", "targets", "scenarios", "watch", "publish"})
_TARGET_APART = frozenset({"key", "place", "model", "params", "base_url"})
_SCENARIO_APART = frozenset(
    {
        "key",
        "place",
        "prompts",
        "prompts_source",
        "system",
        "max_output_tokens",
        "rules",
        "new_in_head",
        "tools",
        "load",
        "follows_trace",
    }
)


@dataclass(slots=True)
class _Changes:
    found: list[Change] = field(default_factory=list)

    def add(self, path: str, trusted: str, head: str, effect: Effect) -> None:
        self.found.append(Change(path=path, trusted=trusted, head=head, effect=effect))


def overlay(
    trusted: Policy, head: Policy, rows: Mapping[str, Provider] = PROVIDERS
) -> tuple[Policy, tuple[Change, ...]]:
    """The policy to measure a head by, and every difference between the two.

    ``rows`` is the table of providers with the plug-ins of the trusted policy.

    A change with effect ``measured`` is in the returned policy; one with ``after_merge`` is not.
    Rules and scenarios that the head removes stay; those that it adds join, marked
    ``new_in_head``, where their targets are trusted ones. Prompt text is counted, never shown.
    """
    changes = _Changes()
    for path, old, new in differing(trusted, head, without=_NOT_COMPARED):
        changes.add(path, old, new, "after_merge")
    if head.watch != trusted.watch:
        changes.add("watch", _watch(trusted.watch), _watch(head.watch), "after_merge")
    if head.publish != trusted.publish:
        old, new = describe_publish(trusted.publish), describe_publish(head.publish)
        changes.add("publish", old, "other settings" if old == new else new, "after_merge")
    targets = {
        key: _target(target, head.targets.get(key), trusted, rows, changes)
        for key, target in trusted.targets.items()
    }
    for key in head.targets.keys() - trusted.targets.keys():
        changes.add(f"targets.{key}", "", "a new target", "after_merge")
    scenarios = {
        key: _scenario(scenario, head.scenarios.get(key), changes)
        for key, scenario in trusted.scenarios.items()
    }
    for key, scenario in head.scenarios.items():
        if key not in trusted.scenarios:
            joined = _new_scenario(scenario, trusted.targets, changes)
            if joined is not None:
                scenarios[key] = joined
    merged = replace(trusted, targets=targets, scenarios=scenarios)
    return merged, tuple(sorted(changes.found, key=lambda change: change.path))


def _watch(patterns: Sequence[str] | None) -> str:
    """Nothing declared and nothing watched are two things: with the second, less is measured."""
    if patterns is None:
        return "not declared"
    return describe(patterns) if patterns else "no paths"


def _target(
    trusted: Target,
    head: Target | None,
    policy: Policy,
    rows: Mapping[str, Provider],
    changes: _Changes,
) -> Target:
    path = f"targets.{trusted.key}"
    if head is None:
        changes.add(path, "a target", "removed", "after_merge")
        return trusted
    if head.provider != trusted.provider:
        # Model and parameters are words of the other protocol: nothing of it can be sent here.
        for where, old, new in differing(trusted, head, path=path, without={"key", "place"}):
            changes.add(where, old, new, "after_merge")
        return trusted
    for where, old, new in differing(trusted, head, path=path, without=_TARGET_APART):
        changes.add(where, old, new, "after_merge")
    model = trusted.model
    if head.model != trusted.model:
        effect: Effect = "after_merge"
        if place_of(head.model) == place_of(trusted.model):
            model, effect = head.model, "measured"
        changes.add(f"{path}.model", describe(trusted.model), describe(head.model), effect)
    for where, old, new in differing(
        dict(trusted.params), dict(head.params), path=f"{path}.params"
    ):
        changes.add(where, old, new, "measured")
    merged = replace(trusted, model=model, params=head.params)
    if _priced_apart(trusted, merged, rows):
        changes.add(
            f"{path}.price",
            f"of {describe(trusted.model)}",
            "the price table's: the policy's own price is for what it asks",
            "measured",
        )
        merged = replace(merged, price=None)
    return _address(merged, head, policy, changes)


def _priced_apart(trusted: Target, head: Target, rows: Mapping[str, Provider]) -> bool:
    """Whether the policy's own price says nothing about what the head asks.

    A head could else have the dearest model at the price of the cheapest, and the cap would hold on
    paper only. Where no table knows prices, the policy's own is all that there is.
    """
    if trusted.price is None or not _in_a_table(trusted, rows):
        return False
    return trusted.model != head.model or any(
        trusted.params.get(name) != head.params.get(name) for name in _PRICED_PARAMS
    )


def _in_a_table(target: Target, rows: Mapping[str, Provider]) -> bool:
    """Whether a price table knows this provider."""
    row = wire(target.provider, target.simulate, target.flavor, rows)
    return row.price_provider is not None


def _address(target: Target, head: Target, policy: Policy, changes: _Changes) -> Target:
    """The target at the head's address, where the trusted policy allows that."""
    if head.base_url == target.base_url:
        return target
    path = f"targets.{target.key}.base_url"
    shown = describe(target.base_url), describe(head.base_url)
    moved = _moved(target, head, policy)
    if moved is None:
        changes.add(path, *shown, "after_merge")
        return target
    changes.add(path, *shown, "measured")
    if target.header_env and not moved.header_env:
        changes.add(
            f"targets.{target.key}.headers",
            f"secret values of {len(target.header_env)} headers",
            "not sent to another origin",
            "measured",
        )
    return moved


def _moved(target: Target, head: Target, policy: Policy) -> Target | None:
    if head.base_url is None:
        return None
    address = parse_address(head.base_url)
    for allowed in policy.allow_endpoints:
        if allowed.origin == address.origin:
            # The key is the one that the trusted policy names for this origin, never the target's
            # own; secrets in headers were meant for the origin that the trusted policy names.
            own = target.base_url is not None and _origin(target.base_url) == address.origin
            credentials = target.credentials
            if allowed.api_key_env is not None:
                credentials = "key"
            elif not own and not address.host.endswith(_HOSTS.get(credentials, ("",))):
                return None  # a cloud's token, and none of its hosts
            return replace(
                target,
                base_url=head.base_url,
                api_key=KeySource(env=allowed.api_key_env, file=None, command=None),
                credentials=credentials,
                header_env=target.header_env if own else {},
            )
    near = target.base_url is not None and parse_address(target.base_url).is_loopback
    if near and address.is_loopback and _is_keyless(target) and _is_keyless(head):
        return replace(target, base_url=head.base_url)
    return None


def place_of(model: str) -> str:
    """Where a model's id says that it is served; empty where that is for the target to say.

    Some clouds take ids that name a region, a project or an account, and one that is served
    ``global``-ly may be served anywhere. A path that leads elsewhere is a place of its own.
    """
    steps = model.split("/")
    if "." in steps or ".." in steps:
        return model
    if steps[0] in _RESOURCES:
        return "/".join(steps[:4])
    parts = model.split(":")
    if parts[0] == "arn":
        return ":".join(parts[:5])
    return "global" if model.startswith("global.") else ""


def _origin(url: str) -> str:
    return parse_address(url).origin


def _is_keyless(target: Target) -> bool:
    return target.api_key == _NO_KEY and not target.header_env


def _scenario(trusted: Scenario, head: Scenario | None, changes: _Changes) -> Scenario:
    path = f"scenarios.{trusted.key}"
    if head is None:
        changes.add(path, "a scenario", "removed", "after_merge")
        return trusted
    for where, old, new in differing(trusted, head, path=path, without=_SCENARIO_APART):
        changes.add(where, old, new, "after_merge")
    for where, old, new in load_differences(trusted.load, head.load, path=f"{path}.load"):
        changes.add(where, old, new, "after_merge")
    asked = _asked(trusted, head)
    effect: Effect = "after_merge" if asked is trusted and head.follows_trace else "measured"
    if head.prompts_source != trusted.prompts_source:
        old, new = describe(trusted.prompts_source), describe(head.prompts_source)
        changes.add(f"{path}.prompts", old, new, effect)
    if head.prompts != trusted.prompts:
        old, new = count_prompts(trusted.prompts), prompts_changed(trusted.prompts, head.prompts)
        changes.add(f"{path}.prompts", old, new, effect)
    if head.tools != trusted.tools:
        old, new = describe_tools(trusted.tools), describe_tools(head.tools)
        changes.add(f"{path}.tools", old, new, "measured")
    if head.system != trusted.system:
        old, new = _system(trusted.system), _system(head.system)
        changes.add(f"{path}.system", old, new, "measured")
    if head.max_output_tokens != trusted.max_output_tokens:
        old, new = str(trusted.max_output_tokens), str(head.max_output_tokens)
        changes.add(f"{path}.max_output_tokens", old, new, "measured")
    return replace(
        trusted,
        prompts=asked.prompts,
        prompts_source=asked.prompts_source,
        follows_trace=asked.follows_trace,
        tools=head.tools,
        system=head.system,
        max_output_tokens=head.max_output_tokens,
        rules=_rules(trusted, head, changes),
    )


def _asked(trusted: Scenario, head: Scenario) -> Scenario:
    """Whose prompts are sent: the head's, but for those made for a trace that is not replayed.

    Such prompts belong to the arrivals one by one, and the load is the trusted one's.
    """
    same = head.load == trusted.load and head.samples.max == trusted.samples.max
    return trusted if head.follows_trace and not same else head


def _system(text: str | None) -> str:
    return "none" if text is None else f"a text of {len(text)} characters"


def _rules(trusted: Scenario, head: Scenario, changes: _Changes) -> tuple[Rule, ...]:
    path = f"scenarios.{trusted.key}.gates"
    theirs = {rule.id: rule for rule in head.rules}
    for rule in trusted.rules:
        new = theirs.pop(rule.id, None)
        if new is not None and new.targets == head.targets and rule.targets == trusted.targets:
            new = replace(new, targets=rule.targets)  # both mean: all of the scenario's
        if new is None:
            changes.add(f"{path}.{rule.id}", describe_rule(rule), "removed", "after_merge")
        elif replace(new, place=rule.place) != rule:
            old, other = describe_rule(rule), describe_rule(new)
            changes.add(f"{path}.{rule.id}", old, other, "after_merge")
    return (*trusted.rules, *_new_rules(theirs.values(), path, trusted, changes))


def _new_rules(
    rules: Iterable[Rule], path: str, scenario: Scenario, changes: _Changes
) -> Iterable[Rule]:
    """The rules that only the head has, on those targets that the scenario is measured on."""
    for rule in rules:
        known = tuple(key for key in rule.targets if key in scenario.targets)
        if rule.metric in ("goodput", "goodput_rps") and not scenario.objectives:
            known = ()  # its objectives are the head's: without them every request would be good
        joined = replace(rule, targets=known, new_in_head=True)
        effect: Effect = "measured" if known else "after_merge"
        changes.add(f"{path}.{rule.id}", "", f"new: {describe_rule(joined)}", effect)
        if known:
            yield joined


def _new_scenario(
    scenario: Scenario, targets: Mapping[str, Target], changes: _Changes
) -> Scenario | None:
    """A scenario that only the head has, on those of its targets that are trusted."""
    path = f"scenarios.{scenario.key}"
    known = tuple(key for key in scenario.targets if key in targets)
    if not known:
        changes.add(path, "", "a new scenario on new targets", "after_merge")
        return None
    described = f"new: {count_prompts(scenario.prompts)} on {', '.join(known)}"
    changes.add(path, "", described, "measured")
    for key in scenario.targets:
        if key not in known:
            changes.add(f"{path}.targets", "", f"new: {key}", "after_merge")
    joined = replace(scenario, targets=known, new_in_head=True)
    rules = tuple(_new_rules(scenario.rules, f"{path}.gates", joined, changes))
    return replace(joined, rules=rules)

"""Whether what a scenario asks is something that its targets' protocols can say."""

from collections.abc import Iterable, Iterator, Mapping

from lens_gate.errors import InputError, Problem
from lens_gate.providers.interface import Provider
from lens_gate.records.policy import Message, Policy, Scenario

_SYSTEM = ("system", "developer")


def check_features(policy: Policy, providers: Mapping[str, Provider]) -> None:
    """Refuse to leave out silently what a protocol has no words for.

    Raises:
        InputError: a scenario asks a target for something that its provider does not know, each
            with its place.
    """
    problems = [
        Problem(
            file=scenario.place.file,
            line=scenario.place.line,
            column=scenario.place.column,
            message=f"scenario {scenario.key!r} {what}, and {providers[key].name}, the provider "
            f"of target {key!r}, has no words for that",
            hint=hint,
        )
        for scenario in policy.scenarios.values()
        for key in _asked(policy, scenario)
        for what, hint in _missing(scenario, providers[key])
    ]
    if problems:
        raise InputError(problems)


def _asked(policy: Policy, scenario: Scenario) -> Iterable[str]:
    """The targets that a scenario is sent to, those that are only the control of one among them."""
    controls = (policy.targets[key].control for key in scenario.targets)
    return dict.fromkeys((*scenario.targets, *filter(None, controls)))


def _missing(scenario: Scenario, provider: Provider) -> Iterator[tuple[str, str]]:
    known = provider.features
    if provider.whole is None and not scenario.stream:
        yield "asks for answers in one piece (stream: false)", "remove stream: false"
    apart = f"leave it out, or ask others; see `lens-gate providers {provider.name}`"
    messages = [message for prompt in scenario.prompts for message in prompt.messages]
    if "system" not in known and (scenario.system or any(m.role in _SYSTEM for m in messages)):
        yield "has a system prompt", apart
    if "tools" not in known and (scenario.tools or any(map(_has_tools, messages))):
        yield "has tools", apart
    images = [image for message in messages for image in message.images]
    if images and "images" not in known:
        yield "has images", apart
    elif "image_urls" not in known and any(image.url is not None for image in images):
        yield "has images by their address", "give them as files"


def _has_tools(message: Message) -> bool:
    return bool(message.tool_calls) or message.tool_call_id is not None

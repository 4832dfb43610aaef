"""What a prompt of a scenario asks of a target, in no protocol's words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from lens_gate.load.words import words
from lens_gate.records.exchange import ChatRequest
from lens_gate.records.policy import Prompt, Scenario, Target, Tool

SALT_WORDS: Final = 8
"""Words of four letters: 64 bits, about as many tokens, always the same number of bytes."""


def output_limit(scenario: Scenario, prompt: Prompt) -> int:
    """Tokens that an answer may have: the scenario's limit, or the row's own where it is lower."""
    own = prompt.max_output_tokens
    return scenario.max_output_tokens if own is None else min(own, scenario.max_output_tokens)


def chat_request(
    scenario: Scenario,
    target: Target,
    prompt: Prompt,
    salt: str | None = None,
    *,
    salted: bool = False,
) -> ChatRequest:
    """The question itself.

    With ``cache: bust`` everything that a prompt cache could know it by begins with words made
    from ``salt``, which no other request ever sent may share. So it does where the question is
    ``salted``: in a duet, whose arms each have a salt of their own, so that none finds in a cache
    what its twin put there. Without a salt the question is one to plan with: as long as the real
    one.
    """
    system, messages, tools = scenario.system, prompt.messages, scenario.tools
    if salted or scenario.cache == "bust":
        start = f"{words(salt or '', SALT_WORDS)}\n"
        tools = _marked(tools, start)
        if system is None:
            first = replace(messages[0], content=start + messages[0].content)
            messages = (first, *messages[1:])
        else:
            system = start + system
    return ChatRequest(
        model=target.model,
        messages=messages,
        system=system,
        max_output_tokens=output_limit(scenario, prompt),
        params=target.params,
        tools=tools,
        stream=scenario.stream,
    )


def _marked(tools: Sequence[Tool], start: str) -> tuple[Tool, ...]:
    """Tools whose first differs early: most models read them before the first message."""
    return tuple(
        replace(tool, description=start + tool.description) if index == 0 else tool
        for index, tool in enumerate(tools)
    )

"""What a prompt of a scenario asks of a target, in no protocol's words."""

from lens_gate.records.exchange import ChatRequest
from lens_gate.records.policy import Prompt, Scenario, Target


def output_limit(scenario: Scenario, prompt: Prompt) -> int:
    """Tokens that an answer may have: the scenario's limit, or the row's own where it is lower."""
    own = prompt.max_output_tokens
    return scenario.max_output_tokens if own is None else min(own, scenario.max_output_tokens)


def chat_request(scenario: Scenario, target: Target, prompt: Prompt) -> ChatRequest:
    """The question itself."""
    return ChatRequest(
        model=target.model,
        messages=prompt.messages,
        system=scenario.system,
        max_output_tokens=output_limit(scenario, prompt),
        params=target.params,
        tools=scenario.tools,
        stream=scenario.stream,
    )

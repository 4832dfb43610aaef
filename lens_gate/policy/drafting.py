"""What one request of a cell is expected to take, and the most that it can cost."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from lens_gate.load import expected_s, offered
from lens_gate.load.question import SALT_WORDS, chat_request, output_limit
from lens_gate.load.words import words
from lens_gate.metrics import pricing
from lens_gate.policy.allot import ArmDraft
from lens_gate.providers.interface import Provider
from lens_gate.records.codec import to_json
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import Budget, Load, Prompt, Scenario, Target

ASSUMED = "assumed: answers as long as allowed, 4 bytes an input token, 1 s + 20 ms a token"
STORED = "stored runs"
_ASSUMED_START_S = 1.0
_ASSUMED_TOKEN_S = 0.02
_BYTES_A_TOKEN = 4
_TOKENS_A_PICTURE = 1000
# Answers of which the mean is so close to their limit were cut by it: more room makes them longer.
_CUT = 0.9
# Of a longer load the beginning is played out, which tells as much.
PLAYED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What earlier runs of a cell let us expect of one request: means."""

    output_tokens: float
    input_tokens: float
    e2e_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one arm of a cell sends where: ``prompts`` are those of the scenario that are sent.

    ``salted``: with words of the arm's own before them.
    """

    scenario: Scenario
    prompts: Sequence[Prompt]
    target: Target
    prices: UnitPrices
    provider: Provider
    salted: bool = False


def expectation(sent: Sent, found: Expectation | None) -> Expectation:
    """What to expect of a request: what earlier runs say, else what is assumed."""
    if found is not None:
        return found
    limit = _mean_limit(sent)
    return Expectation(
        output_tokens=limit,
        input_tokens=_mean_input(sent),
        e2e_s=_ASSUMED_START_S + _ASSUMED_TOKEN_S * limit,
    )


def moved(found: Expectation | None, before: Sent, now: Sent) -> Expectation | None:
    """What earlier runs of ``before`` let us expect of ``now``, which asks otherwise.

    Its input is longer or shorter by what our own estimates differ. Its output changes where the
    limit cut it, and its time with its output.
    """
    if found is None:
        return None
    longer = _mean_input(now) - _mean_input(before)
    old, new = _mean_limit(before), _mean_limit(now)
    output = min(found.output_tokens, old)
    output = output * new / old if output >= _CUT * old else min(output, new)
    return Expectation(
        output_tokens=output,
        input_tokens=max(0.0, found.input_tokens + longer),
        e2e_s=max(0.0, found.e2e_s + _ASSUMED_TOKEN_S * (output - min(found.output_tokens, old))),
    )


def arm_draft(sent: Sent, seen: Expectation, each_s: Fraction, *, known: bool) -> ArmDraft:
    """One arm's part of a cell; ``known``: what is expected comes from stored runs."""
    worst = max(
        pricing.reserve_for(
            sent.prices,
            sent.provider.bound_input(
                chat_request(sent.scenario, sent.target, prompt, salted=sent.salted)
            ),
            output_limit(sent.scenario, prompt),
        )
        for prompt in sent.prompts
    )
    cost = pricing.expected(
        sent.prices,
        seen.input_tokens,
        min(seen.output_tokens, _mean_limit(sent)),
        seconds=seen.e2e_s / sent.scenario.load.concurrency,
    )
    return ArmDraft(
        target=sent.target,
        attempts=1 + sent.target.retries,
        each_s=each_s,
        worst_usd=worst,
        expected_usd=min(cost, worst),
        expected_s=seen.e2e_s,
        expected_from=STORED if known else ASSUMED,
        prices=sent.prices,
        provider=sent.provider,
    )


def most(scenario: Scenario, budget: Budget) -> int:
    """The largest N, in requests, that ``samples.max`` and the load allow.

    A load that ends by itself is played out, no longer than the budget has requests.
    """
    load = scenario.load
    found = scenario.samples.max * max(1, len(load.steps))
    if load.duration_s is None and not load.arrivals and load.rate_to != 0:
        return found
    played = found if budget.max_requests is None else min(found, budget.max_requests)
    reached = offered(load, played)
    return reached if reached < played else found


def each_s(load: Load, n: int, request_s: float, budget: Budget) -> Fraction:
    """The time that one request adds, on average over ``n`` of them.

    No more of a load is played out than can be sent: a head may ask for any number in scenarios of
    its own, and wait for none of them.
    """
    n = min(n, PLAYED if budget.max_requests is None else min(PLAYED, budget.max_requests))
    if load.pattern == "closed" or n == 0:
        return Fraction(request_s) / load.concurrency
    return Fraction(expected_s(load, n, request_s)) / n


def _mean_limit(sent: Sent) -> float:
    limits = [output_limit(sent.scenario, prompt) for prompt in sent.prompts]
    return sum(limits) / len(limits)


def _mean_input(sent: Sent) -> float:
    """Input tokens of a prompt, on average: asked for, or by the length of what is read."""
    around = [sent.scenario.system or "", words("", SALT_WORDS) if sent.salted else ""]
    around += [json.dumps(to_json(t)) for t in sent.scenario.tools]
    own = [_input_tokens(prompt) for prompt in sent.prompts]
    return math.fsum(own) / len(own) + sum(len(t.encode()) for t in around) / _BYTES_A_TOKEN


def _input_tokens(prompt: Prompt) -> float:
    if prompt.input_tokens is not None:
        return prompt.input_tokens
    texts = [m.content for m in prompt.messages]
    texts += [call.arguments for m in prompt.messages for call in m.tool_calls]
    pictures = sum(len(m.images) for m in prompt.messages)
    return sum(len(t.encode()) for t in texts) / _BYTES_A_TOKEN + pictures * _TOKENS_A_PICTURE

"""From a policy to a plan: protocols, prices, what earlier runs let us expect, caps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from lens_gate.errors import InputError, LensError, Problem
from lens_gate.flows.fitting import check_features
from lens_gate.flows.plugged import provider_rows
from lens_gate.load.question import chat_request
from lens_gate.metrics.price_table import PriceUnknown
from lens_gate.metrics.pricing import resolve, tier_is_priced
from lens_gate.policy.drafting import Expectation
from lens_gate.policy.overlay import TIER_PARAMS
from lens_gate.policy.sight import Spreads
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import wire
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import UnitPrices
from lens_gate.records.policy import Budget, Policy, Scenario, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """Caps from flags or environment. They can only lower the policy's."""

    max_usd: Decimal | None = None
    max_requests: int | None = None
    max_duration_s: float | None = None


def lower(budget: Budget, by: Lowered) -> Budget:
    """The policy's caps, lowered.

    Raises:
        LensError: a flag asks for more than the policy allows.
    """
    return Budget(
        max_usd=_lower("max-usd", budget.max_usd, by.max_usd),
        max_requests=_lower("max-requests", budget.max_requests, by.max_requests),
        max_duration_s=_lower("max-duration", budget.max_duration_s, by.max_duration_s),
    )


_Amount = TypeVar("_Amount", Decimal, int, float)


def _lower(name: str, cap: _Amount | None, wanted: _Amount | None) -> _Amount | None:
    if wanted is None or cap is None:
        return cap if wanted is None else wanted
    if wanted > cap:
        raise LensError(
            f"{name} {wanted} is above the policy's cap of {cap}",
            "a budget can only be lowered from outside; raise it in the policy",
        )
    return wanted


def protocols(policy: Policy) -> Mapping[str, Provider]:
    """The protocol of each target.

    Raises:
        LensError: a plug-in of the policy is missing or broken, or was not loaded since nobody
            approved it yet.
        InputError: a scenario asks for something that a protocol has no words for.
    """
    rows = provider_rows(policy.plugins)
    for target in policy.targets.values():
        if target.provider not in rows:
            raise LensError(
                f"the provider {target.provider!r} of the target {target.key!r} is a plug-in's, "
                "and a pull request's plug-ins are not loaded",
                "it counts once the policy that names the plug-in is merged",
            )
    found = {
        key: wire(target.provider, target.simulate, target.flavor, rows)
        for key, target in policy.targets.items()
    }
    check_features(policy, found)
    return found


def unit_prices(
    policy: Policy,
    providers: Mapping[str, Provider],
    *,
    at: datetime | None = None,
    controls: bool = True,
) -> Mapping[str, UnitPrices]:
    """Prices of every target that a scenario uses, with ``controls`` of those beside them too.

    They are those of a moment (aware; else of the present).

    Raises:
        InputError: unknown prices, all of them, each with its place and remedy.
    """
    prices: dict[str, UnitPrices] = {}
    problems: list[Problem] = []
    used = {key for scenario in policy.scenarios.values() for key in scenario.targets}
    for key in sorted(used_targets(policy) if controls else used):
        target, provider = policy.targets[key], providers[key]
        try:
            found = resolve(
                provider.price_provider,
                target.model,
                target.price,
                simulated=provider.kind == "simulated",
                request_usd=provider.request_usd,
                at=at or datetime.now(UTC),
                bound_input=_bound_input(policy, key, provider),
                region=target.region,
            )
            _check_tier(found, target, at)
            prices[key] = replace(found, limit_s=target.timeouts.total_s)
        except PriceUnknown as error:
            problems.append(
                Problem(
                    file=target.place.file,
                    line=target.place.line,
                    column=target.place.column,
                    message=f"target {key!r}: {error}",
                    hint="give `price: {input: ..., output: ...}` (USD for 1M tokens) or `free`",
                )
            )
    if problems:
        raise InputError(problems)
    return prices


def _check_tier(prices: UnitPrices, target: Target, at: datetime | None) -> None:
    """Refuse a service tier that costs what nobody told us.

    Raises:
        PriceUnknown: the target asks for one that the price table does not know for its model.
    """
    for name in TIER_PARAMS:
        asked = target.params.get(name)
        words = asked.values() if isinstance(asked, Mapping) else (asked,)
        for word in words:
            if isinstance(word, str) and not tier_is_priced(prices, word, at=at):
                raise PriceUnknown(
                    f"the price table has no {name} {word[:40]!r} of {target.model[:80]!r}"
                )


def used_targets(policy: Policy) -> Mapping[str, Sequence[Scenario]]:
    """The targets that anything is sent to, with the scenarios that send it."""
    found: dict[str, list[Scenario]] = {}
    for scenario in policy.scenarios.values():
        for key in scenario.targets:
            control = policy.targets[key].control
            for used in (key,) if control is None else (key, control):
                found.setdefault(used, []).append(scenario)
    return found


def with_trusted_controls(policy: Policy, trusted: Policy) -> Policy:
    """The policy with the trusted one's word for targets to which only control arms are sent.

    A head may ask another model of them, of which nobody knows the price: no arm will send it.
    """
    measured = {key for scenario in policy.scenarios.values() for key in scenario.targets}
    targets = {
        key: target if key in measured else trusted.targets.get(key, target)
        for key, target in policy.targets.items()
    }
    return replace(policy, targets=targets)


def _bound_input(policy: Policy, key: str, provider: Provider) -> int:
    """The most input tokens of any request to a target: dearer tiers beyond are out of reach.

    With the salt that a duet may put before it.
    """
    return max(
        provider.bound_input(chat_request(scenario, policy.targets[key], prompt, salted=True))
        for scenario in used_targets(policy)[key]
        for prompt in scenario.prompts
    )


def expectations(stored: Mapping[str, Sequence[Baseline]]) -> Mapping[str, Expectation]:
    """What the stored runs of each cell (newest first) let us expect of a request."""
    good = {cell: [run for run in runs if not run.bad] for cell, runs in stored.items()}
    return {cell: found for cell, runs in good.items() if (found := _expectation(runs))}


def _expectation(runs: Sequence[Baseline]) -> Expectation | None:
    def mean(metric: str) -> float | None:
        numbers = [
            value for run in runs[:3] for value in run.values.get(metric, ()) if value is not None
        ]
        return sum(numbers) / len(numbers) if numbers else None

    output, given, seconds = mean("output_tokens"), mean("input_tokens"), mean("e2e")
    if output is None or given is None or seconds is None:
        return None
    return Expectation(output_tokens=output, input_tokens=given, e2e_s=seconds)


def spreads(stored: Mapping[str, Sequence[Baseline]]) -> Spreads:
    """How the metrics of each cell scatter by its stored runs (newest first)."""
    values: dict[tuple[str, str], list[Sequence[float]]] = {}
    rates: dict[tuple[str, str], float] = {}
    for cell, all_runs in stored.items():
        runs = [run for run in all_runs if not run.bad]
        sent = sum(len(run.prompt_ids) + sum(run.failures.values()) for run in runs)
        if sent:
            bad = sum(len(run.retried) + sum(run.failures.values()) for run in runs)
            rates[cell, "error_rate"] = bad / sent
        for metric in {name for run in runs for name in run.values}:
            found = [one for run in runs if (one := _within_prompts(run, metric))]
            if found:
                values[cell, metric] = found
    return Spreads(values=values, rates=rates)


def _within_prompts(run: Baseline, metric: str) -> Sequence[float]:
    """A run's values of a metric, each divided by its prompt's mean; none where that is unknown.

    What sets prompts apart is no noise of a pair, which is of one prompt. It can be told from noise
    only where prompts were sent more than once; the values are spread out again by what dividing by
    a mean of so few takes from them.
    """
    by_prompt: dict[str, list[float]] = {}
    # A metric that no request of a run had is not in its file: gaps, where answers were one read.
    values = run.values.get(metric, (None,) * len(run.prompt_ids))
    for prompt, value in zip(run.prompt_ids, values, strict=True):
        if value is not None and value > 0:
            by_prompt.setdefault(prompt, []).append(math.log(value))
    again = {prompt: logs for prompt, logs in by_prompt.items() if len(logs) > 1}
    n = sum(map(len, again.values()))
    if not again:
        return ()
    wider = math.sqrt(n / (n - len(again)))
    means = {prompt: math.fsum(logs) / len(logs) for prompt, logs in again.items()}
    return [
        math.exp((log - means[prompt]) * wider) for prompt, logs in again.items() for log in logs
    ]
